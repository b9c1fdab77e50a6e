"""Sheets of pictures with a line above each: where tokens look, and what is alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from scanwise.files import replacing


def draw_tokens(path: Path, picture: np.ndarray, shares: np.ndarray) -> None:
    """A picture; which token each patch looks at most, in colours; and once for each token where patches look at it.

    Such a tile is bright where its patches look at that token as much as any does.

    Args:
        path: of the sheet.
        picture: uint8 (H, W, 3).
        shares: (r, h, w) of each token in each patch, 0..1.

    Raises:
        OutputError: the place cannot be written.
    """
    from matplotlib import colormaps

    height, width = picture.shape[:2]
    dyes = (255 * colormaps["tab20"](np.arange(len(shares)) % 20)[:, :3]).astype(np.uint8)
    likeliest = Image.fromarray(dyes[shares.argmax(0)]).resize((width, height), Image.Resampling.NEAREST)
    tiles = [("the picture", picture), ("likeliest token", np.asarray(likeliest))]
    for number, share in enumerate(shares, 1):
        large = Image.fromarray((share / share.max()).astype(np.float32))
        light = 0.15 + 0.85 * np.asarray(large.resize((width, height), Image.Resampling.BILINEAR))
        tile = (picture * light[:, :, None]).round().clip(0, 255).astype(np.uint8)
        tiles.append((f"{number}: {100 * share.mean():.0f} %", tile))
    draw_sheet(path, tiles)


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
