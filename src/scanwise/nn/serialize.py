"""Space-filling curves: voxels of a batch in an order in which neighbours in space are mostly neighbours in memory.

Point Transformer V3 (arXiv 2312.10035, section 4.1) attends within patches of such orders.
"""

from __future__ import annotations

import torch

ORDERS = ("z", "z-trans", "hilbert", "hilbert-trans")
MAX_DEPTH = 16
"""Bits of a coordinate: a code takes 48 of 64 bits, the cloud's number the bits above."""


def encode(grid: torch.Tensor, batch: torch.Tensor | None, order: str, depth: int) -> torch.Tensor:
    """Codes whose ascending order runs through each cloud of a batch along a curve.

    Args:
        grid: (N, 3) integers in [0, 2^depth).
        batch: (N,) cloud of each row, below 2^15; None = one cloud.
        order: "z" (Morton, x in the top bit of each triple), "hilbert" (Skilling 2004), or either with "-trans",
            which takes y for x.
        depth: bits of a coordinate, 1..16.

    Returns:
        (N,) int64: cloud << 3 depth | position on the curve.

    Raises:
        ValueError: an unknown order, a depth out of range, or a coordinate that does not fit.
    """
    if order not in ORDERS:
        raise ValueError(f"order {order!r} is none of {', '.join(ORDERS)}")
    if not 1 <= depth <= MAX_DEPTH:
        raise ValueError(f"depth {depth} is not between 1 and {MAX_DEPTH}")
    if len(grid) and (int(grid.min()) < 0 or int(grid.max()) >> depth):
        raise ValueError(f"coordinates from {int(grid.min())} to {int(grid.max())} do not fit {depth} bits")
    x, y, z = grid.long().unbind(1)
    if order.endswith("-trans"):
        x, y = y, x
    if order.startswith("hilbert"):
        x, y, z = _hilbert_transpose(x, y, z, depth)
    code = _spread(x) << 2 | _spread(y) << 1 | _spread(z)
    return code if batch is None else batch.long() << (3 * depth) | code


def decode(code: torch.Tensor, order: str, depth: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The inverse of `encode`.

    Args:
        code: (N,) int64.
        order: that of `encode`.
        depth: that of `encode`.

    Returns:
        (N, 3) int64 grid and (N,) int64 batch.

    Raises:
        ValueError: an unknown order.
    """
    if order not in ORDERS:
        raise ValueError(f"order {order!r} is none of {', '.join(ORDERS)}")
    batch, code = code >> (3 * depth), code & ((1 << (3 * depth)) - 1)
    x, y, z = _gather(code >> 2), _gather(code >> 1), _gather(code)
    if order.startswith("hilbert"):
        x, y, z = _hilbert_axes(x, y, z, depth)
    if order.endswith("-trans"):
        x, y = y, x
    return torch.stack([x, y, z], 1), batch


def depth_of(grid: torch.Tensor) -> int:
    """Bits that the largest coordinate of a batch needs, as the official code counts them: of the maximum + 1."""
    return max(1, (int(grid.max()) + 1).bit_length()) if len(grid) else 1


def _hilbert_transpose(
    x: torch.Tensor, y: torch.Tensor, z: torch.Tensor, depth: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Skilling's AxesToTranspose: the Hilbert index, its bits dealt out in turn to three numbers."""
    axes = [x.clone(), y.clone(), z.clone()]
    for bit in range(depth - 1, 0, -1):
        low = (1 << bit) - 1
        for axis in range(3):
            _exchange(axes, axis, bit, low)
    axes[1] ^= axes[0]
    axes[2] ^= axes[1]
    flip = torch.zeros_like(x)
    for bit in range(depth - 1, 0, -1):
        flip ^= (axes[2] >> bit & 1) * ((1 << bit) - 1)
    return axes[0] ^ flip, axes[1] ^ flip, axes[2] ^ flip


def _hilbert_axes(
    x: torch.Tensor, y: torch.Tensor, z: torch.Tensor, depth: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Skilling's TransposeToAxes, the inverse."""
    flip = z >> 1
    axes = [x ^ flip, y ^ x, z ^ y]
    for bit in range(1, depth):
        low = (1 << bit) - 1
        for axis in (2, 1, 0):
            _exchange(axes, axis, bit, low)
    return axes[0], axes[1], axes[2]


def _exchange(axes: list[torch.Tensor], axis: int, bit: int, low: int) -> None:
    """Where the axis has this bit, inverts the first axis' lower bits; elsewhere swaps those with the axis'."""
    inverts = (axes[axis] >> bit & 1).bool()
    swap = torch.where(inverts, 0, (axes[0] ^ axes[axis]) & low)
    axes[axis] = axes[axis] ^ swap
    axes[0] = torch.where(inverts, axes[0] ^ low, axes[0] ^ swap)


def _spread(value: torch.Tensor) -> torch.Tensor:
    """Puts two zero bits between the lower 16 bits."""
    value = (value | value << 16) & 0xFF0000FF
    value = (value | value << 8) & 0xF00F00F00F
    value = (value | value << 4) & 0xC30C30C30C3
    return (value | value << 2) & 0x249249249249


def _gather(value: torch.Tensor) -> torch.Tensor:
    """Takes every third bit: the inverse of `_spread`."""
    value = value & 0x249249249249
    value = (value | value >> 2) & 0xC30C30C30C3
    value = (value | value >> 4) & 0xF00F00F00F
    value = (value | value >> 8) & 0xFF0000FF
    return (value | value >> 16) & 0xFFFF
