"""glTF made plain before trimesh reads it: colours of any type as bytes, quantised coordinates as floats.

trimesh takes the numbers of an accessor as they are. Those that are not floats (KHR_mesh_quantization, and colours of
16 bits, which every exporter may write) are put into a buffer of their own, as the specification says they are meant.
What is compressed in a way that nothing here unpacks is refused in one line.
"""

from __future__ import annotations

import importlib.util
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError
from scanwise.files import read_bytes
from scanwise.memory import check_fits

_MAGIC, _JSON, _BINARY = 0x46546C67, 0x4E4F534A, 0x004E4942
_TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_FLOAT, _BYTE = 5126, 5121
_MESHOPT = ("EXT_meshopt_compression", "KHR_meshopt_compression")
_DRACO = "KHR_draco_mesh_compression"
Json = dict[str, Any]


def plain_glb(path: Path) -> bytes | None:
    """A GLB file with the same content whose numbers trimesh understands; None where it understands the file's own.

    Raises:
        InputError: the file is damaged, promises what it does not hold, or is compressed beyond reading.
    """
    tree, chunks = _parts(path)
    try:
        _refuse_compressed(tree, path)
        _check_counts(tree, path)
        wrong = {number: is_color for number, is_color in _attributes(tree) if _needs_change(tree, number, is_color)}
        if not wrong:
            return None
        buffers = _buffers(tree, chunks, path)
        added = b""
        for number, is_color in wrong.items():
            values = _values(tree, number, buffers)
            values = _as_bytes(values) if is_color else values.astype("<f4")
            added = _replace(tree, number, values, added)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{path}: damaged glTF ({type(error).__name__}: {' '.join(str(error).split())})") from error
    tree["buffers"].append({"byteLength": len(added)})
    return _glb(tree, [*chunks, added])


def _parts(path: Path) -> tuple[Json, list[bytes]]:
    """The description, and the binary chunks of a GLB file."""
    data = read_bytes(path)
    chunks: list[tuple[int, bytes]] = [(_JSON, data)]
    if path.suffix.lower() == ".glb":
        if len(data) < 20 or struct.unpack_from("<II", data) != (_MAGIC, 2):
            raise InputError(f"{path}: not a GLB file of glTF 2")
        chunks = list(_chunks(data, path))
    try:
        tree = json.loads(chunks[0][1]) if chunks and chunks[0][0] == _JSON else None
    except (ValueError, RecursionError) as error:
        said = "nested too deep" if isinstance(error, RecursionError) else " ".join(str(error).split())
        raise InputError(f"{path}: damaged glTF, its JSON cannot be read ({said})") from error
    if not isinstance(tree, dict):
        raise InputError(f"{path}: damaged glTF, its JSON is no description of a scene")
    return tree, [chunk for kind, chunk in chunks[1:] if kind == _BINARY]


def _chunks(data: bytes, path: Path) -> Iterator[tuple[int, bytes]]:
    at = 12
    while at + 8 <= len(data):
        size, kind = struct.unpack_from("<II", data, at)
        if at + 8 + size > len(data):
            raise InputError(f"{path}: cut off; a part of {size} bytes is promised at byte {at}, {len(data)} are there")
        yield kind, data[at + 8 : at + 8 + size]
        at += 8 + size


def _refuse_compressed(tree: Json, path: Path) -> None:
    views = tree.get("bufferViews", [])
    required = set(tree.get("extensionsRequired", []))
    for name in _MESHOPT:
        if name in required or any(name in view.get("extensions", {}) for view in views):
            raise InputError(
                f"{path}: compressed with {name}, which is not read; save it without (gltfpack without -c), or as .ply"
            )
    primitives = [p for mesh in tree.get("meshes", []) for p in mesh.get("primitives", [])]
    packed = any(_DRACO in primitive.get("extensions", {}) for primitive in primitives)
    if packed and importlib.util.find_spec("DracoPy") is None:
        raise InputError(f"{path}: compressed with Draco; pip install DracoPy reads it, or save it without compression")


def _check_counts(tree: Json, path: Path) -> None:
    """Raises InputError where an accessor promises more than its view holds, or than memory would."""
    views, zeros = tree.get("bufferViews", []), 0
    for number, accessor in enumerate(tree.get("accessors", [])):
        size = np.dtype(_TYPES[accessor["componentType"]]).itemsize * _WIDTHS[accessor["type"]]
        count = accessor["count"]
        if not isinstance(count, int) or count < 0:
            raise InputError(f"{path}: damaged glTF; accessor {number} counts {str(count)[:20]} items")
        if "bufferView" not in accessor:
            zeros += count * size
        elif count and _end(accessor, view := views[accessor["bufferView"]], size) > view["byteLength"]:
            raise InputError(f"{path}: damaged glTF; accessor {number} promises {count} items, its bytes hold fewer")
    if zeros:
        check_fits(3 * zeros, path)


def _end(accessor: Json, view: Json, size: int) -> int:
    """The byte of its view at which an accessor ends."""
    stride = view.get("byteStride") or size
    return accessor.get("byteOffset", 0) + (accessor["count"] - 1) * stride + size


def _attributes(tree: Json) -> Iterator[tuple[int, bool]]:
    """The accessors that trimesh reads of each primitive, and whether they hold colours."""
    for mesh in tree.get("meshes", []):
        for primitive in mesh["primitives"]:
            for name, number in primitive["attributes"].items():
                if name in ("POSITION", "NORMAL", "TEXCOORD_0", "COLOR_0"):
                    yield number, name == "COLOR_0"


def _needs_change(tree: Json, number: int, is_color: bool) -> bool:
    accessor = tree["accessors"][number]
    if "bufferView" not in accessor and "sparse" not in accessor:
        return False
    return "sparse" in accessor or accessor["componentType"] != (_BYTE if is_color else _FLOAT)


def _buffers(tree: Json, chunks: list[bytes], path: Path) -> list[bytes]:
    from trimesh.exchange.gltf import _uri_to_bytes
    from trimesh.resolvers import FilePathResolver

    rest, resolver = list(chunks), FilePathResolver(str(path))
    buffers = []
    for buffer in tree["buffers"]:
        try:
            buffers.append(_uri_to_bytes(buffer["uri"], resolver) if "uri" in buffer else rest.pop(0))
        except OSError as error:
            raise InputError(f"{path}: cannot read {buffer['uri'][:80]!r} that belongs to it") from error
    return buffers


def _values(tree: Json, number: int, buffers: list[bytes]) -> np.ndarray:
    """(count, width) float64: what the numbers of an accessor mean."""
    accessor = tree["accessors"][number]
    dtype, count = np.dtype(_TYPES[accessor["componentType"]]), accessor["count"]
    stored = np.zeros((count, _WIDTHS[accessor["type"]]), dtype)
    if "bufferView" in accessor:
        stored = _rows(tree, accessor, dtype, stored.shape, buffers).copy()
    if "sparse" in accessor:
        sparse = accessor["sparse"]
        indices = np.dtype(_TYPES[sparse["indices"]["componentType"]])
        where = _rows(tree, sparse["indices"], indices, (sparse["count"], 1), buffers)[:, 0]
        stored[where] = _rows(tree, sparse["values"], dtype, (sparse["count"], stored.shape[1]), buffers)
    if dtype.kind == "f" or not accessor.get("normalized"):
        return stored.astype(np.float64)
    return np.maximum(stored / np.iinfo(dtype).max, -1.0)


def _rows(tree: Json, place: Json, dtype: np.dtype, shape: tuple[int, int], buffers: list[bytes]) -> np.ndarray:
    view = tree["bufferViews"][place["bufferView"]]
    start, stride = view.get("byteOffset", 0), view.get("byteStride") or dtype.itemsize * shape[1]
    data = buffers[view["buffer"]][start : start + view["byteLength"]]
    offset = place.get("byteOffset", 0)
    return np.ndarray(shape, dtype, data, offset, (stride, dtype.itemsize))


def _as_bytes(fractions: np.ndarray) -> np.ndarray:
    """Colours as bytes; whole numbers above 1 that nobody called normalised are 8 or 16 bits."""
    largest = np.nan_to_num(fractions).max(initial=0)
    white = 1.0 if largest <= 1.01 else 255.0 if largest <= 255 else 65535.0
    return np.round(np.clip(np.nan_to_num(fractions) / white, 0, 1) * 255).astype(np.uint8)


def _replace(tree: Json, number: int, values: np.ndarray, added: bytes) -> bytes:
    """Lets an accessor read `values` behind the bytes that were added before; all that was added."""
    accessor = tree["accessors"][number]
    tree["bufferViews"].append({
        "buffer": len(tree["buffers"]),
        "byteOffset": len(added),
        "byteLength": values.nbytes,
    })  # fmt: skip
    kept = {key: accessor[key] for key in ("count", "type")}
    kind = _BYTE if values.dtype == np.uint8 else _FLOAT
    tree["accessors"][number] = kept | {"bufferView": len(tree["bufferViews"]) - 1, "componentType": kind}
    return added + values.tobytes() + bytes(-values.nbytes % 4)


def _glb(tree: Json, chunks: list[bytes]) -> bytes:
    text = json.dumps(tree).encode()
    parts = [(_JSON, text + b" " * (-len(text) % 4)), *((_BINARY, chunk + bytes(-len(chunk) % 4)) for chunk in chunks)]
    body = b"".join(struct.pack("<II", len(data), kind) + data for kind, data in parts)
    return struct.pack("<III", _MAGIC, 2, 12 + len(body)) + body
