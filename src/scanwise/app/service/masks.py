"""Masks of points as JSON has them: bits, packed and deflated, or rows; in the file's order or in the viewer's."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Any

import numpy as np

from scanwise.app.service.problems import Problem


def packed(mask: np.ndarray) -> str:
    """Base64 of the deflated bits of a mask (n,), the first point in the lowest bit of the first byte."""
    return base64.b64encode(zlib.compress(np.packbits(mask, bitorder="little").tobytes(), 1)).decode("ascii")


def unpacked(text: str, count: int) -> np.ndarray:
    """(count,) bool of what `packed` gave.

    Raises:
        Problem: 422, it is something else, or of another number of points.
    """
    size = -(-count // 8)
    try:
        opened = zlib.decompressobj()
        content = opened.decompress(base64.b64decode(text, validate=True), size + 1)
    except (zlib.error, binascii.Error, ValueError) as error:
        raise Problem("bits: no deflated bits in base64", 422) from error
    if len(content) != size:
        raise Problem(f"bits: {len(content)} bytes and not the {size} of {count} points", 422)
    return np.unpackbits(np.frombuffer(content, np.uint8), count=count, bitorder="little").astype(bool)


def mask_of(value: dict[str, Any], count: int, order: np.ndarray) -> np.ndarray:
    """(count,) bool over the rows of a scan.

    Args:
        value: {"bits": ..., "order": "rows" | "view"} or {"rows": [...], "order": ...}.
        count: points of the scan.
        order: (n,) row of each point of the viewer's.

    Raises:
        Problem: 422.
    """
    view = value.get("order") == "view"
    length = len(order) if view else count
    if value.get("bits") is not None:
        chosen = unpacked(value["bits"], length)
    else:
        rows = np.asarray(value.get("rows") or [], np.int64)
        if len(rows) and (rows.min() < 0 or rows.max() >= length):
            raise Problem(f"rows: the scan has points 0 to {length - 1}", 422)
        chosen = np.zeros(length, bool)
        chosen[rows] = True
    if not view:
        return chosen
    mask = np.zeros(count, bool)
    mask[order[chosen]] = True
    return mask
