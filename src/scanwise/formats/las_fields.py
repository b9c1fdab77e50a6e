"""What the dimensions of a LAS file say of a scene: colours, intensity, labels by the ASPRS codes, normals.

What LAS has no place for, scanwise keeps in a record of its own (user "scanwise", record 1), a JSON object:

    labels       the dimension that holds the labels: "classification", or the extra dimension "label"
    classes      their names, where they are not those of ASPRS
    intensity    65535 = intensities were written as fractions of that; without, the values tell their range
    names        full names of extra dimensions whose names are longer than the 32 bytes that LAS has for them
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from scanwise.formats.class_comments import checked_names
from scanwise.formats.columns import note_empty
from scanwise.ranges import color_bytes, intensity_fractions

ASPRS = (
    *("never classified", "unclassified", "ground", "low vegetation", "medium vegetation", "high vegetation"),
    *("building", "low point", "model key-point", "water", "rail", "road surface", "overlap", "wire guard"),
    *("wire conductor", "transmission tower", "wire connector", "bridge deck", "high noise"),
    *("overhead structure", "ignored ground", "snow", "temporal exclusion"),
)
"""Names of the classification codes 0 to 22; the index is the code."""

NORMALS = ("nx", "ny", "nz")
COLORS = ("red", "green", "blue")
_NUMBERED = re.compile(r"(?:reserved|user) (\d{1,3})")
_USER, _RECORD = "scanwise", 1
_MOST_BYTES = 65_535  # of a record
_LONGEST = 32  # bytes of a name


def notes_of(header: Any) -> dict[str, Any]:
    """The record that scanwise itself keeps in a file, {} without one.

    Args:
        header: laspy's.
    """
    for record in header.vlrs:
        if record.user_id == _USER and record.record_id == _RECORD:
            try:
                notes = json.loads(bytes(record.record_data))
            except (ValueError, TypeError, AttributeError, RecursionError):
                return {}
            return notes if isinstance(notes, dict) else {}
    return {}


def with_notes(header: Any, notes: dict[str, Any]) -> bool:
    """Replaces scanwise's own record of a header; False where it is too long for LAS."""
    from laspy import VLR
    from laspy.vlrs.vlrlist import VLRList

    data = json.dumps(notes).encode()
    header.vlrs = VLRList(record for record in header.vlrs if (record.user_id, record.record_id) != (_USER, _RECORD))
    if notes and len(data) <= _MOST_BYTES:
        header.vlrs.append(VLR(_USER, _RECORD, "class names", data))
    return len(data) <= _MOST_BYTES


def fields_of(las: Any, where: str | None = None, channels: np.ndarray | None = None) -> dict[str, Any]:
    """The fields of a scene that the dimensions of a file give: colors, intensity, labels, classes, ...

    Args:
        las: laspy's data.
        where: what a note begins with; None = no notes.
        channels: what `color_channels` gave of it; None = ask it here.
    """
    there, notes = set(las.point_format.dimension_names), notes_of(las.header)
    fields: dict[str, Any] = {}
    channels = color_channels(las) if channels is None else channels
    if channels is not None:
        if channels.any():
            plain = _eight_bits(channels)
            fields["colors"] = color_bytes(channels, where) if plain is None else plain
        elif len(channels) and where is not None:
            note_empty(["colors"], where)
    intensity = np.asarray(las.intensity)
    if intensity.any():
        in_full = notes.get("intensity") == 65535
        fields["intensity"] = intensity / np.float32(65535) if in_full else intensity_fractions(intensity, where)
    if there.issuperset(NORMALS):
        normals = np.stack([np.asarray(las[name], np.float32) for name in NORMALS], axis=1)
        if normals.any():
            fields["normals"] = normals
    if (ids := _ids(las, "instance")) is not None:
        fields["instances"] = ids
    return fields | _labels(las, notes)


def labels_are_in(las: Any) -> str:
    """The dimension that holds the labels: "classification", "label", or "" where there are none."""
    told = notes_of(las.header).get("labels")
    if told == "classification":
        return told
    classified = bool(np.asarray(las.classification).any())
    if (told == "label" or not classified) and _holds_ids(las, "label"):
        return "label"
    return "classification" if classified else ""


def attributes_of(las: Any, fields: dict[str, Any]) -> dict[str, np.ndarray]:
    """The dimensions that are no field of a scene: all extra ones, and the standard ones that are not all 0.

    Args:
        las: laspy's data.
        fields: what `fields_of` made of it.
    """
    used = {"X", "Y", "Z", "intensity", labels_are_in(las)}
    for field, names in (("colors", COLORS), ("normals", NORMALS), ("instances", ("instance",))):
        used |= set(names) if field in fields else set()
    full = notes_of(las.header).get("names")
    full = full if isinstance(full, dict) else {}
    extra = set(las.point_format.extra_dimension_names)
    attributes: dict[str, np.ndarray] = {}
    for name in las.point_format.dimension_names:
        if name in used:
            continue
        values = np.array(las[name])
        if name in extra or values.any():
            told = full.get(name)
            attributes[told if isinstance(told, str) and told not in attributes else name] = values
    return attributes


def color_channels(las: Any) -> np.ndarray | None:
    """The colours (N, 3) uint16 as they are in the file; None without."""
    if not set(las.point_format.dimension_names).issuperset(COLORS):
        return None
    return np.stack([np.asarray(las[name]) for name in COLORS], axis=1)


def exact_colors(channels: np.ndarray | None) -> dict[str, np.ndarray]:
    """The channels of a file's colours by their names, where they say more than 8 bits do; else {}."""
    if channels is None or _eight_bits(channels) is not None or channels.max(initial=0) <= 255:
        return {}
    return dict(zip(COLORS, channels.T, strict=True))


def _eight_bits(values: np.ndarray) -> np.ndarray | None:
    """Colours that are 8 bits, times 256 or 257, as those 8 bits; None for others."""
    low, high = values.astype(np.uint8), (values >> 8).astype(np.uint8)
    return high if not low.any() or np.array_equal(low, high) else None


def asprs_codes(names: list[str] | None) -> np.ndarray | None:
    """The classification code (K,) of each class, None unless each is one of ASPRS and no two are the same."""
    if not names:
        return None
    known = {name: code for code, name in enumerate(ASPRS)}
    codes = []
    for name in (name.strip().lower() for name in names):
        numbered = _NUMBERED.fullmatch(name)
        codes.append(known.get(name, int(numbered[1]) if numbered else -1))
    usable = len(set(codes)) == len(codes) and min(codes) >= 0 and max(codes) <= 255
    return np.array(codes, np.uint8) if usable else None


def class_names(largest: int, header: Any = None) -> list[str]:
    """Names of the codes 0 to `largest`: ASPRS', then those of the file's own table, else "user 64"."""
    names = [*ASPRS, *(f"reserved {code}" if code < 64 else f"user {code}" for code in range(len(ASPRS), largest + 1))]
    for record in header.vlrs if header is not None else ():
        for code, name in getattr(record, "lookups", {}).items():
            if len(ASPRS) <= code <= largest and name.strip() and name.strip() not in names:
                names[code] = name.strip()
    return names


def _labels(las: Any, notes: dict[str, Any]) -> dict[str, Any]:
    place, names = labels_are_in(las), checked_names(notes.get("classes"))
    if place == "label":
        labels = _ids(las, "label")
        assert labels is not None
        return {"labels": labels, "classes": names if names and labels.max(initial=-1) < len(names) else None}
    if not place:
        return {}
    values = np.asarray(las.classification)
    codes = asprs_codes(names)
    if codes is not None and names is not None and np.isin(values, [0, *codes.tolist()]).all():
        index = np.full(256, -1, np.int32)
        index[codes] = np.arange(len(codes))
        return {"labels": index[values], "classes": names}
    labels = values.astype(np.int32)
    return {"labels": np.where(labels == 0, -1, labels), "classes": class_names(int(values.max(initial=0)), las.header)}


def _ids(las: Any, name: str) -> np.ndarray | None:
    """An extra dimension of whole numbers as int32 ids, -1 = none; None where there is none."""
    return np.maximum(np.asarray(las[name]).astype(np.int32), -1) if _holds_ids(las, name) else None


def _holds_ids(las: Any, name: str) -> bool:
    if name not in las.point_format.extra_dimension_names:
        return False
    values = np.asarray(las[name])
    if values.ndim != 1 or values.dtype.kind not in "iu":
        return False
    limits = np.iinfo(np.int32)
    fits = np.can_cast(values.dtype, np.int32)
    return bool(fits or (limits.min <= values.min(initial=0) and values.max(initial=0) <= limits.max))


def dimension_name(name: str, taken: list[str]) -> str:
    """The name cut to the 32 bytes that LAS has for it, told apart from those that are taken."""
    result = name.encode("utf-8", "replace")[:_LONGEST].decode(errors="ignore")
    number = 1
    while result in taken:
        tail = f"_{number}"
        result = name.encode("utf-8", "replace")[: _LONGEST - len(tail)].decode(errors="ignore") + tail
        number += 1
    return result
