"""LZF, the compression inside PCD's binary_compressed: streams of literal runs and back references.

A control byte below 32 says "copy the next control + 1 bytes". Any other one carries a length in its upper
three bits (7: a further byte is added) and, with the byte after it, a distance: "repeat length + 2 bytes from
distance + 1 bytes ago".
"""

from __future__ import annotations

import numpy as np

from scanwise.errors import InputError

_RUN, _REPEAT, _SHORTEST = 32, 264, 9


def decompress(data: bytes, size: int, where: str) -> bytes:
    """The bytes that an LZF stream stands for.

    Args:
        data: the stream.
        size: bytes promised.
        where: what an error begins with.

    Raises:
        InputError: it stands for anything else.
    """
    out = bytearray()
    at, end = 0, len(data)
    try:
        while at < end and len(out) <= size:
            control = data[at]
            at += 1
            if control < _RUN:
                out += data[at : at + control + 1]
                at += control + 1
                continue
            length = control >> 5
            if length == 7:
                length += data[at]
                at += 1
            start = len(out) - ((control & 31) << 8) - data[at] - 1
            at += 1
            length += 2
            if start < 0:
                raise InputError(f"{where}: the compressed data points before its beginning; it is corrupt")
            piece = out[start : start + length]
            if len(piece) < length:
                piece = (piece * (length // len(piece) + 1))[:length]
            out += piece
    except IndexError:
        at = end + 1
    if at != end or len(out) != size:
        raise InputError(f"{where}: the compressed data does not unpack to the {size} bytes promised")
    return bytes(out)


def compress(data: bytes, period: int) -> bytes:
    """An LZF stream that finds repetitions at one distance.

    With the item size of a column as period, these are runs of equal values. Streams may be joined.

    Args:
        data: the bytes.
        period: the distance, 1 to 256 bytes.
    """
    source = np.frombuffer(data, np.uint8)
    matched, match_starts, match_lengths = _matches(source, period)
    literal_starts, literal_lengths = _pieces(*_stretches(~matched), _RUN)
    starts = np.concatenate([match_starts, literal_starts])
    lengths = np.concatenate([match_lengths, literal_lengths])
    sizes = np.concatenate([np.full(len(match_starts), 3), literal_lengths + 1])
    order = np.argsort(starts)
    places = np.empty_like(starts)
    places[order] = np.cumsum(sizes[order]) - sizes[order]

    out = np.zeros(int(sizes.sum()), np.uint8)
    is_control = np.zeros(len(out), bool)
    repeats, runs = places[: len(match_starts)], places[len(match_starts) :]
    out[repeats] = 0xE0
    out[repeats + 1] = match_lengths - _SHORTEST
    out[repeats + 2] = period - 1
    for byte in range(3):
        is_control[repeats + byte] = True
    out[runs] = lengths[len(match_starts) :] - 1
    is_control[runs] = True
    out[~is_control] = source[~matched]
    return out.tobytes()


def _matches(source: np.ndarray, period: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which bytes repeat those `period` before, and the starts and lengths of such pieces, 9 to 264 each."""
    repeats = np.zeros(len(source), bool)
    repeats[period:] = source[period:] == source[:-period]
    starts, lengths = _pieces(*_stretches(repeats), _REPEAT)
    long = lengths >= _SHORTEST
    starts, lengths = starts[long], lengths[long]
    steps = np.zeros(len(source) + 1, np.int64)
    np.add.at(steps, starts, 1)
    np.add.at(steps, starts + lengths, -1)
    return np.cumsum(steps[:-1]) > 0, starts, lengths


def _stretches(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts and lengths of the unbroken stretches of a mask."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return edges[::2], edges[1::2] - edges[::2]


def _pieces(starts: np.ndarray, lengths: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """The stretches cut into pieces of at most `longest`."""
    counts = -(-lengths // longest)
    which = np.repeat(np.arange(len(starts)), counts)
    offsets = (np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)) * longest
    return starts[which] + offsets, np.minimum(lengths[which] - offsets, longest)
