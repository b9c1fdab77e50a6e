"""Sheets of pictures with a line above each: where tokens look, and what is alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from scanwise.files import replacing

STRONGEST = 3  # tokens that stand apart on the sheet of `tokens`
DYES = (6, 0, 4, 2, 8, 12, 18, 16, 10, 1, 5, 3, 7, 9, 13, 19, 17, 11)  # of tab20, the strongest first; greys left out
HALO = 0.55  # share of an overlay that is the token's colour


def draw_tokens(path: Path, picture: np.ndarray, shares: np.ndarray) -> None:
    """What the tokens of a picture see: the picture, one overlay with a legend, and the three strongest apart.

    Each place has the colour of the token that it looks at most; the legend says which share of the places each token
    has. Those apart are bright where patches look at them as much as any does.

    Args:
        path: of the sheet.
        picture: uint8 (H, W, 3).
        shares: (r, h, w) of each token in each patch, 0..1.

    Raises:
        OutputError: the place cannot be written.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    height, width = picture.shape[:2]
    owned = np.bincount(shares.argmax(0).ravel(), minlength=len(shares)) / shares[0].size
    mass = shares.mean((1, 2))
    order = np.lexsort((-mass, -owned))
    dyes = np.zeros((len(shares), 3))
    dyes[order] = [colormaps["tab20"](DYES[rank % len(DYES)])[:3] for rank in range(len(shares))]
    tiles = [("the picture", picture), ("which token has which place", _overlay(picture, shares, dyes))]
    for token in order[:STRONGEST]:
        light = 0.15 + 0.85 * _enlarged(shares[token] / shares[token].max(), width, height)
        tile = (picture * light[:, :, None]).round().clip(0, 255).astype(np.uint8)
        tiles.append((f"token {token + 1}: {100 * owned[token]:.0f} % of the places", tile))
    side = 2.8
    figure = Figure(figsize=(side * len(tiles), side * height / width + 1.1), layout="constrained")
    for axis, (words, tile) in zip(figure.subplots(1, len(tiles)), tiles, strict=True):
        axis.set_axis_off()
        axis.imshow(tile)
        axis.set_title(words, fontsize=9)
    handles = [Patch(color=dyes[token], label=f"{token + 1}: {100 * owned[token]:.0f} %") for token in order]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(8, len(handles)), fontsize=8, frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _overlay(picture: np.ndarray, shares: np.ndarray, dyes: np.ndarray) -> np.ndarray:
    """The picture in grey under the colour of each place's likeliest token."""
    height, width = picture.shape[:2]
    large = np.stack([_enlarged(share, width, height) for share in shares])
    grey = picture.mean(2, keepdims=True) / 255
    tinted = (1 - HALO) * grey + HALO * dyes[large.argmax(0)] * (0.35 + 0.65 * grey)
    return (255 * tinted).round().clip(0, 255).astype(np.uint8)


def _enlarged(share: np.ndarray, width: int, height: int) -> np.ndarray:
    """(h, w) -> (height, width), smooth."""
    return np.asarray(Image.fromarray(share.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC))


def draw_pair(path: Path, picture: np.ndarray, again: np.ndarray, words: tuple[str, str]) -> None:
    """A picture and what came back of it, side by side at the network's resolution, enlarged by whole pixels.

    Args:
        path: of the sheet.
        picture: uint8 (H, W, 3).
        again: uint8 (H, W, 3).
        words: above each.

    Raises:
        OutputError: the place cannot be written.
    """
    scale = max(1, 512 // max(picture.shape[:2]))
    tiles = [np.repeat(np.repeat(tile, scale, 0), scale, 1) for tile in (picture, again)]
    draw_sheet(path, list(zip(words, tiles, strict=True)))


def draw_sheet(path: Path, pictures: list[tuple[str, np.ndarray]]) -> None:
    """Pictures side by side, six in a row.

    Args:
        path: of the sheet.
        pictures: the line above, and uint8 (H, W, 3), of one shape.

    Raises:
        OutputError: the place cannot be written.
    """
    from matplotlib.figure import Figure

    columns = min(len(pictures), 6)
    rows = -(-len(pictures) // columns)
    height, width = pictures[0][1].shape[:2]
    figure = Figure(figsize=(2 * columns, (2 * height / width + 0.25) * rows), layout="constrained")
    for number, axis in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axis.set_axis_off()
        if number < len(pictures):
            words, picture = pictures[number]
            axis.imshow(picture)
            axis.set_title(words, fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
