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
    noise: torch.Tensor, center_row: torch.Tensor, center_column: torch.Tensor, sigma: torch.Tensor,
    grid: tuple[int, int] | None = None,
) -> torch.Tensor:  # fmt: skip
    """Lowers noise around a centre by a Gaussian of height 1.

    Args:
        noise: (B, n) of a grid of patches.
        center_row: (B, 1), in patches.
        center_column: (B, 1), in patches.
        sigma: (B, 1), in sides of the grid, or of the square of as many patches.
        grid: rows and columns; None = a square.

    Raises:
        ValueError: the patches are no such grid.
    """
    rows, columns = _places(noise, grid)
    squares = (rows - center_row) ** 2 + (columns - center_column) ** 2
    return noise - torch.exp(-squares / (2 * (sigma * noise.shape[1] ** 0.5) ** 2))


def block(
    noise: torch.Tensor, top: torch.Tensor, left: torch.Tensor, size: int, grid: tuple[int, int] | None = None
) -> torch.Tensor:
    """Noise that is 0, the lowest, inside a square block.

    Args:
        noise: (B, n) in 0..1 of a grid of patches.
        top: (B, 1) first row of the block.
        left: (B, 1) first column of the block.
        size: rows and columns of the block.
        grid: rows and columns of the patches; None = a square.

    Raises:
        ValueError: the patches are no such grid.
    """
    rows, columns = _places(noise, grid)
    inside = (rows >= top) & (rows < top + size) & (columns >= left) & (columns < left + size)
    return noise.masked_fill(inside, 0.0)


def draw(
    count: int, grid: tuple[int, int], ratio: float, *, focal: float, blocks: float, device: torch.device,
    official: bool = False,
) -> torch.Tensor:  # fmt: skip
    """The patches that masked views keep, drawn by torch's generator.

    Args:
        count: of views.
        grid: rows and columns of patches.
        ratio: share that is dropped, 0..1.
        focal: share of the views whose patches gather around a centre.
        blocks: share of the others that keep a square block whole.
        device: of the result.
        official: as STELLAR's code, where a block is cut into every view if it is into any.

    Returns:
        (count, k) int64, counted row by row.
    """
    rows, columns = grid
    noise = torch.rand(count, rows * columns, device=device)
    kind = torch.rand(count, 1, device=device)
    row, column = (torch.randint(side, (count, 1), device=device) for side in grid)
    sigma = torch.empty(count, 1, device=device).uniform_(*FOCUS)
    focused = focus(noise, row, column, sigma, grid)
    size = min(rows, columns, max(1, int((rows * columns * (1 - ratio)) ** 0.5)))
    top, left = (torch.randint(side - size + 1, (count, 1), device=device) for side in grid)
    if official:
        noise = block(noise, top, left, size, grid) if blocks else noise
        return kept(torch.where(kind < focal, focused, noise), ratio, official=True)
    blocked = torch.where(kind < focal + (1 - focal) * blocks, block(noise, top, left, size, grid), noise)
    return kept(torch.where(kind < focal, focused, blocked), ratio)


def _places(noise: torch.Tensor, grid: tuple[int, int] | None) -> tuple[torch.Tensor, torch.Tensor]:
    """(n,) row and column of each patch."""
    count = noise.shape[1]
    rows, columns = grid or (round(count**0.5),) * 2
    if rows * columns != count:
        raise ValueError(f"{count} patches are no square" if grid is None else f"{count} patches are not {grid}")
    patches = torch.arange(count, device=noise.device)
    return patches // columns, patches % columns
