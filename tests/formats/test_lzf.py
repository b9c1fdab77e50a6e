"""LZF: streams by hand, round trips, damage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanwise.errors import InputError
from scanwise.formats import lzf


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"", b""),
        (b"\x02abc", b"abc"),
        (b"\x02abc" + bytes([1 << 5, 2]), b"abcabc"),
        (b"\x00a" + bytes([7 << 5, 10, 0]), b"a" * 20),
        (b"\x01ab" + bytes([3 << 5, 1]), b"abababa"),
        ((b"\x1f" + bytes(range(32))) * 10 + bytes([(1 << 5) | 1, 0]), bytes(range(32)) * 10 + b"\x1f\x00\x01"),
    ],
)
def test_streams_written_by_hand(stream, expected):
    assert lzf.decompress(stream, len(expected), "here") == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.binary(min_size=1, max_size=9), st.integers(1, 400)), max_size=6), st.integers(1, 256))
def test_what_was_compressed_comes_back(pieces, period):
    data = b"".join(piece * times for piece, times in pieces)
    assert lzf.decompress(lzf.compress(data, period), len(data), "here") == data


def test_equal_values_shrink_and_noise_hardly_grows():
    constant = np.full(10_000, 7, "i4").tobytes()
    assert len(lzf.compress(constant, 4)) < len(constant) / 80
    noise = np.random.default_rng(0).bytes(32_000)
    assert len(lzf.compress(noise, 4)) == 33_000


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400))
def test_any_bytes_give_the_promised_size_or_an_input_error(stream, size):
    try:
        data = lzf.decompress(stream, size, "here")
    except InputError:
        return
    assert len(data) == size
