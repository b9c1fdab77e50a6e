"""Masks and sentences that a user made: one JSON line each, read back as scenes to train on.

    {"scene": "scans/kitchen.ply", "points": 260859, "text": "the kettle", "mask": "eNp..."}

`scene` is relative to the file's folder, or absolute; `up`, `unit` and `columns` say how it was read, where that is
told. `mask` is one bit a point, most significant first, zlib, base64; "" where the sentence means nothing there.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError
from scanwise.files import read_bytes, replacing
from scanwise.formats.registry import read_scene
from scanwise.geometry.inside import brought_inside
from scanwise.scene import Referral, Scene


@dataclass(frozen=True, eq=False)
class Annotation:
    """A sentence, and what it means in a scan of N points.

    Attributes:
        scene: where the scan is.
        text: the sentence.
        mask: (N,) bool, the points that it means; none, where nothing fits.
        up: axis of the scan's file that points up, as of `brought_inside`.
        unit: of its coordinates, likewise.
        columns: what the columns of its file are, as of `read_scene`.
    """

    scene: Path
    text: str
    mask: np.ndarray
    up: str = "auto"
    unit: str | None = None
    columns: Sequence[str] | None = None


def append(annotation: Annotation, path: Path) -> None:
    """Adds a line to a file, or begins one; at any moment it holds whole lines alone.

    Args:
        annotation: what the line says.
        path: of the file.

    Raises:
        InputError: the sentence is empty, or the file is there and cannot be read.
        OutputError: it cannot be written.
    """
    line = line_of(annotation, path.parent)
    before = read_bytes(path) if path.exists() else b""
    if before and not before.endswith(b"\n"):
        before += b"\n"
    with replacing(path) as temporary:
        temporary.write_bytes(before + line.encode() + b"\n")


def line_of(annotation: Annotation, folder: Path) -> str:
    """An annotation as a line of such a file, without its end.

    Args:
        annotation: what the line says.
        folder: of the file, from which the scan is named.

    Raises:
        InputError: the sentence is empty.
    """
    text = " ".join(annotation.text.split())
    if not text:
        raise InputError("the sentence is empty; say what the mask shows")
    line = {
        "scene": _relative(annotation.scene, folder), "points": len(annotation.mask), "text": text,
        "mask": base64.b64encode(mask_bytes(annotation.mask)).decode(),
    }  # fmt: skip
    line |= {"up": annotation.up} if annotation.up != "auto" else {}
    line |= {"unit": annotation.unit} if annotation.unit is not None else {}
    line |= {"columns": list(annotation.columns)} if annotation.columns is not None else {}
    return json.dumps(line, ensure_ascii=False)


def read(path: Path) -> list[Annotation]:
    """The annotations of a file.

    Raises:
        InputError: there is no such file, or one of its lines is none; the line is named.
    """
    lines = read_bytes(path).decode("utf-8", "replace").splitlines()
    found = [_parsed(line, f"{path}, line {number}", path.parent) for number, line in enumerate(lines, 1) if line]
    if not found:
        raise InputError(f"{path}: no annotations; `scanwise annotate SCENE` makes some")
    return found


@dataclass(frozen=True, eq=False)
class AnnotatedScene:
    """A scan with sentences about masks that do not overlap, which are its instances; read when it is touched.

    Attributes:
        path: where the scan is.
        annotations: of it.
    """

    path: Path
    annotations: tuple[Annotation, ...]

    def read(self) -> Scene:
        """The scan, with the masks as its instances and the sentences as its sentences.

        Raises:
            InputError: the scan is gone, or has another number of points than was annotated.
        """
        first = self.annotations[0]
        scene = brought_inside(read_scene(self.path, columns=first.columns), up=first.up, unit=first.unit)
        instances, sentences = np.full(len(scene), -1, np.int32), []
        for each in self.annotations:
            if len(each.mask) != len(scene):
                raise InputError(
                    f"{self.path}: has {len(scene)} points, but was annotated with {len(each.mask)}; annotate it anew"
                )
            known = instances[each.mask]
            number = -1 if not len(known) else int(known[0]) if known[0] >= 0 else int(instances.max()) + 1
            instances[each.mask] = number
            sentences.append(Referral(each.text, number))
        return replace(scene, instances=instances, sentences=sentences, boxes=[])


def annotated_scenes(path: Path) -> list[AnnotatedScene]:
    """The scenes of a file of annotations; one whose masks overlap comes several times, with some of them each.

    Raises:
        InputError: as of `read`.
    """
    layers: dict[tuple[Any, ...], list[list[Annotation]]] = {}
    for each in read(path):
        _add(layers.setdefault((each.scene, each.up, each.unit, each.columns), []), each)
    return [AnnotatedScene(scene, tuple(layer)) for (scene, *_), found in layers.items() for layer in found]


def _add(layers: list[list[Annotation]], annotation: Annotation) -> None:
    for layer in layers:
        if all(_fit(annotation.mask, other.mask) for other in layer):
            layer.append(annotation)
            return
    layers.append([annotation])


def _fit(mask: np.ndarray, other: np.ndarray) -> bool:
    """The same mask, or one that does not overlap."""
    return len(mask) == len(other) and (not (mask & other).any() or np.array_equal(mask, other))


def mask_bytes(mask: np.ndarray) -> bytes:
    """A mask (N,) bool, one bit a point, most significant first, zlib; b"" where it is empty."""
    return zlib.compress(np.packbits(mask).tobytes(), 9) if mask.any() else b""


def mask_of(packed: bytes, count: int) -> np.ndarray:
    """The mask (count,) bool that `mask_bytes` packed.

    Args:
        packed: its bytes.
        count: points of the scan.

    Raises:
        ValueError: it is of another number of points.
        zlib.error: it is damaged.
    """
    if not packed:
        return np.zeros(count, bool)
    bits = np.frombuffer(zlib.decompress(packed), np.uint8)
    if len(bits) != (count + 7) // 8:
        raise ValueError(f"a mask of {8 * len(bits)} points for a scan of {count}")
    return np.unpackbits(bits, count=count).astype(bool)


def _parsed(line: str, where: str, folder: Path) -> Annotation:
    try:
        entry: dict[str, Any] = json.loads(line)
        scene, text, count, packed = str(entry["scene"]), str(entry["text"]), int(entry["points"]), str(entry["mask"])
        how = str(entry.get("up", "auto")), entry.get("unit"), tuple(entry["columns"]) if "columns" in entry else None
        return Annotation(folder / scene, text, mask_of(base64.b64decode(packed, validate=True), count), *how)
    except (ValueError, KeyError, TypeError, binascii.Error, zlib.error) as error:
        raise InputError(f"{where}: not an annotation ({error!r}); take the line out, or annotate anew") from error


def _relative(scene: Path, folder: Path) -> str:
    """As seen from the file's folder, where both are on one drive."""
    try:
        return Path(os.path.relpath(scene.resolve(), folder.resolve())).as_posix()
    except ValueError:
        return str(scene.resolve())
