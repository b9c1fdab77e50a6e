"""Space-filling curves: voxels of a batch in an order in which neighbours in space are mostly neighbours in memory.

Point Transformer V3 (arXiv 2312.10035, section 4.1) attends within patches of such orders.
"""

from __future__ import annotations

from functools import cache

import numpy as np
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
    _check_order(order)
    _check_grid(grid, depth)
    columns = grid.long().T
    code = _morton(_swapped(columns) if order.endswith("-trans") else columns)
    if order.startswith("hilbert"):
        code = _hilbert_of_morton(code, depth)
    return code if batch is None else batch.long() << (3 * depth) | code


def encode_all(grid: torch.Tensor, batch: torch.Tensor, depth: int) -> torch.Tensor:
    """The codes of all four orders, at the price of few launches.

    Args:
        grid: as of `encode`.
        batch: as of `encode`.
        depth: as of `encode`.

    Returns:
        (4, N) int64, in the order of `ORDERS`.
    """
    _check_grid(grid, depth)
    columns = grid.long().T
    plain = _morton(torch.stack([columns, _swapped(columns)], 1))
    return batch.long() << (3 * depth) | torch.cat([plain, _hilbert_of_morton(plain, depth)])


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
    _check_order(order)
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


def _check_order(order: str) -> None:
    if order not in ORDERS:
        raise ValueError(f"order {order!r} is none of {', '.join(ORDERS)}")


def _check_grid(grid: torch.Tensor, depth: int) -> None:
    if not 1 <= depth <= MAX_DEPTH:
        raise ValueError(f"depth {depth} is not between 1 and {MAX_DEPTH}")
    if len(grid):
        low, high = torch.stack(list(torch.aminmax(grid))).tolist()
        if low < 0 or high >> depth:
            raise ValueError(f"coordinates from {low} to {high} do not fit {depth} bits")


def _swapped(columns: torch.Tensor) -> torch.Tensor:
    return torch.stack([columns[1], columns[0], columns[2]])


def _morton(columns: torch.Tensor) -> torch.Tensor:
    """Coordinates (3, ...) -> (...): their bits in turn, x in the top bit of each triple."""
    x, y, z = _spread(columns)
    return x << 2 | y << 1 | z


# Hilbert's curve as an automaton: which place an octant has, and how the curve runs in it, depends on how the curve
# runs in the octants around it alone. Four levels are looked up at once.

_LEVELS = 4


def _hilbert_of_morton(code: torch.Tensor, depth: int) -> torch.Tensor:
    """Positions on the curve of voxels whose Morton codes are given."""
    state, result = torch.zeros_like(code), torch.zeros_like(code)
    left = depth
    while left:
        levels = left % _LEVELS or _LEVELS
        left -= levels
        bits = 3 * levels
        digit = code >> (3 * left) & ((1 << bits) - 1)
        found = _table(levels, code.device).index_select(0, (state << bits | digit).flatten()).view_as(code)
        result = result << bits | found & ((1 << bits) - 1)
        state = found >> bits
    return result


@cache
def _table(levels: int, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(_automaton(levels)).to(device)


@cache
def _automaton(levels: int) -> np.ndarray:
    """(states * 8^levels,) int64: state << 3 levels | octants on the way -> next state << 3 levels | places."""
    places, following = _states()
    state = np.arange(len(places))[:, None]
    octants = np.arange(8**levels)
    code = np.zeros_like(state + octants)
    for level in reversed(range(levels)):
        octant = octants >> (3 * level) & 7
        code = code << 3 | places[state, octant]
        state = following[state, octant]
    return np.ascontiguousarray((state << (3 * levels) | code).reshape(-1))


@cache
def _states() -> tuple[np.ndarray, np.ndarray]:
    """(S, 8) place of each octant on the curve in each state, and (S, 8) the state in it; the first is the start."""
    ways: list[list[int]] = [[]]  # octants that lead to each state
    places = [_places([])]
    following: list[list[int]] = []
    while len(following) < len(ways):
        way, row = ways[len(following)], []
        for octant in range(8):
            found = _places([*way, octant])
            if found not in places:
                places.append(found)
                ways.append([*way, octant])
            row.append(places.index(found))
        following.append(row)
    return np.array(places), np.array(following)


def _places(way: list[int]) -> list[int]:
    """The places of the eight octants within the octant that a way of octants leads to."""
    depth = len(way) + 1
    cells = []
    for octant in range(8):
        digits = [*way, octant]
        cells.append([sum((digit >> axis & 1) << (depth - 1 - place) for place, digit in enumerate(digits))
                      for axis in (2, 1, 0)])  # fmt: skip
    x, y, z = torch.tensor(cells, device="cpu").unbind(1)
    return (_morton(torch.stack(_hilbert_transpose(x, y, z, depth))) & 7).tolist()


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
