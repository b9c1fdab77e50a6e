"""Which patches a masked view keeps: those of the lowest noise; a bias of the noise makes them lie together."""

from __future__ import annotations

import torch

FOCUS = (0.1, 0.5)  # width of a focus, in sides of the image


def kept(noise: torch.Tensor, ratio: float, *, official: bool = False) -> torch.Tensor:
    """The patches to keep: those of the lowest noise.

    Args:
        noise: (B, n) of each patch.
        ratio: share that is dropped, 0..1.
        official: round k down in floating point (12 of 64 at 0.8), as STELLAR's code.

    Returns:
        (B, k) int64, k = n (1 - ratio), at least one.
    """
    patches = noise.shape[1]
    count = int(patches * (1 - ratio)) if official else round(patches * (1 - ratio))
    return noise.argsort(1)[:, : max(1, count)]


def focus(
    noise: torch.Tensor, center_row: torch.Tensor, center_column: torch.Tensor, sigma: torch.Tensor
) -> torch.Tensor:
    """Lowers noise around a centre by a Gaussian of height 1.

    Args:
        noise: (B, n) of a square grid of patches.
        center_row: (B, 1), in patches.
        center_column: (B, 1), in patches.
        sigma: (B, 1), in sides of the grid.

    Raises:
        ValueError: the patches are no square.
    """
    rows, columns = _grid(noise)
    squares = (rows - center_row) ** 2 + (columns - center_column) ** 2
    return noise - torch.exp(-squares / (2 * (sigma * _side(noise)) ** 2))


def block(noise: torch.Tensor, top: torch.Tensor, left: torch.Tensor, size: int) -> torch.Tensor:
    """Noise that is 0, the lowest, inside a square block.

    Args:
        noise: (B, n) in 0..1 of a square grid of patches.
        top: (B, 1) first row of the block.
        left: (B, 1) first column of the block.
        size: rows and columns of the block.

    Raises:
        ValueError: the patches are no square.
    """
    rows, columns = _grid(noise)
    inside = (rows >= top) & (rows < top + size) & (columns >= left) & (columns < left + size)
    return noise.masked_fill(inside, 0.0)


def draw(
    count: int, side: int, ratio: float, *, focal: float, blocks: float, device: torch.device, official: bool = False
) -> torch.Tensor:
    """The patches that masked views keep, drawn by torch's generator.

    Args:
        count: of views.
        side: rows and columns of patches.
        ratio: share that is dropped, 0..1.
        focal: share of the views whose patches gather around a centre.
        blocks: share of the others that keep a square block whole.
        device: of the result.
        official: as STELLAR's code, where a block is cut into every view if it is into any.

    Returns:
        (count, k) int64, counted row by row.
    """
    noise = torch.rand(count, side * side, device=device)
    kind = torch.rand(count, 1, device=device)
    row, column = torch.randint(side, (2, count, 1), device=device)
    sigma = torch.empty(count, 1, device=device).uniform_(*FOCUS)
    focused = focus(noise, row, column, sigma)
    size = max(1, int((side * side * (1 - ratio)) ** 0.5))
    top, left = torch.randint(side - size + 1, (2, count, 1), device=device)
    if official:
        noise = block(noise, top, left, size) if blocks else noise
        return kept(torch.where(kind < focal, focused, noise), ratio, official=True)
    blocked = torch.where(kind < focal + (1 - focal) * blocks, block(noise, top, left, size), noise)
    return kept(torch.where(kind < focal, focused, blocked), ratio)


def _side(noise: torch.Tensor) -> int:
    side = round(noise.shape[1] ** 0.5)
    if side * side != noise.shape[1]:
        raise ValueError(f"{noise.shape[1]} patches are no square")
    return side


def _grid(noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(n,) row and column of each patch."""
    patches = torch.arange(noise.shape[1], device=noise.device)
    side = _side(noise)
    return patches // side, patches % side
