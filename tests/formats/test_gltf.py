"""glTF whose numbers are no floats means what the specification says; what is compressed is refused in one line."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from scanwise.errors import InputError
from scanwise.formats import gltf, mesh

CORNERS = np.array([[0, 0, 0], [4, 0, 0], [4, 2, 0], [0, 2, 0]], np.float32)
FACES = np.array([0, 1, 2, 0, 2, 3], np.uint32)
FRACTIONS = np.array([[1, 0, 0.5, 1]] * 4)
KINDS = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}


def _tree(arrays: dict[str, np.ndarray], normalized: set[str], scale: float = 1.0) -> tuple[dict, bytes]:
    """A description of one primitive with these arrays, "indices" among them, and their bytes."""
    data, views, accessors = b"", [], []
    for name, array in arrays.items():
        views.append({"buffer": 0, "byteOffset": len(data), "byteLength": array.nbytes})
        kind = "SCALAR" if array.ndim == 1 else f"VEC{array.shape[1]}"
        accessor = {"bufferView": len(accessors), "componentType": KINDS[array.dtype.str[1:]]}
        accessors.append(accessor | {"count": len(array), "type": kind, "normalized": name in normalized})
        data += array.tobytes() + bytes(-array.nbytes % 4)
    numbers = {name: number for number, name in enumerate(arrays)}
    primitive: dict = {"attributes": {name: number for name, number in numbers.items() if name != "indices"}}
    primitive |= {"indices": numbers["indices"]} if "indices" in numbers else {"mode": 0}
    tree = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "scale": [scale] * 3}],
        "meshes": [{"primitives": [primitive]}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(data)}],
    }
    return tree, data


def _glb(path: Path, arrays: dict, normalized: set[str] = frozenset(), scale: float = 1.0, **changes) -> Path:  # type: ignore[assignment]
    tree, data = _tree(arrays, normalized, scale)
    path.write_bytes(gltf._glb(tree | changes, [data]))
    return path


@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
@pytest.mark.parametrize("faces", [True, False])
def test_colours_of_any_type(tmp_path, kind, faces):
    top = 1 if kind == "f4" else np.iinfo(kind).max
    colors = np.round(FRACTIONS * top, 6).astype(kind)
    arrays = {"POSITION": CORNERS, "COLOR_0": colors} | ({"indices": FACES} if faces else {})
    scene = mesh.read(_glb(tmp_path / "a.glb", arrays, {"COLOR_0"}))
    assert np.abs(scene.colors.astype(int) - [255, 0, 128]).max() <= 1


@pytest.mark.parametrize(("kind", "scale"), [("u2", 4 / 1000), ("i2", 4.0), ("i1", 4.0), ("u1", 4 / 200)])
def test_quantised_positions(tmp_path, kind, scale):
    normalized = kind[0] == "i"
    steps = CORNERS / 4 * (np.iinfo(kind).max if normalized else 4 / scale)
    arrays = {"POSITION": np.floor(steps).astype(kind), "indices": FACES}
    if kind.endswith("1"):
        arrays["POSITION"] = np.pad(arrays["POSITION"], ((0, 0), (0, 0)))
    scene = mesh.read(_glb(tmp_path / "a.glb", arrays, {"POSITION"} if normalized else set(), scale))
    assert np.allclose(np.ptp(scene.points, axis=0), [4, 0, 2], atol=0.05)


def test_a_description_with_its_bytes_inside_it(tmp_path):
    tree, data = _tree({"POSITION": CORNERS, "COLOR_0": np.full((4, 3), 65535, "u2"), "indices": FACES}, {"COLOR_0"})
    tree["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
    (tmp_path / "a.gltf").write_text(json.dumps(tree))
    assert (mesh.read(tmp_path / "a.gltf").colors == 255).all()
    tree["buffers"][0]["uri"] = "a.bin"
    (tmp_path / "a.gltf").write_text(json.dumps(tree))
    with pytest.raises(InputError, match=r"a\.bin"):
        mesh.read(tmp_path / "a.gltf")
    (tmp_path / "a.bin").write_bytes(data)
    assert (mesh.read(tmp_path / "a.gltf").colors == 255).all()


def test_sparse_positions(tmp_path):
    tree, data = _tree({"POSITION": CORNERS, "indices": FACES}, set())
    start = len(data)
    data += np.array([2], "<u4").tobytes() + np.array([[4, 2, 1]], "<f4").tobytes()
    tree["bufferViews"] += [
        {"buffer": 0, "byteOffset": start + at, "byteLength": size} for at, size in ((0, 4), (4, 12))
    ]
    indices = {"bufferView": 2, "componentType": 5125}
    tree["accessors"][0]["sparse"] = {"count": 1, "indices": indices, "values": {"bufferView": 3}}
    tree["buffers"][0]["byteLength"] = len(data)
    (tmp_path / "a.glb").write_bytes(gltf._glb(tree, [data]))
    assert np.allclose(mesh.read(tmp_path / "a.glb").points_in_source()[:, 2].max(), 1, atol=0.1)


def test_colours_beside_a_material_count(tmp_path):
    arrays = {"POSITION": CORNERS, "COLOR_0": (FRACTIONS * 255).astype("u1"), "indices": FACES}
    tree, data = _tree(arrays, {"COLOR_0"})
    tree["meshes"][0]["primitives"][0]["material"] = 0
    for material, shade in (({}, 1.0), ({"pbrMetallicRoughness": {"baseColorFactor": [0.5, 1, 1, 1]}}, 0.5)):
        tree["materials"] = [material]
        (tmp_path / "a.glb").write_bytes(gltf._glb(tree, [data]))
        colors = mesh.read(tmp_path / "a.glb").colors
        assert np.abs(colors.astype(int) - [255 * shade, 0, 127]).max() <= 1


def test_what_is_compressed_is_one_line(tmp_path, capfd, monkeypatch):
    arrays = {"POSITION": CORNERS, "indices": FACES}
    meshopt = {"extensionsRequired": ["EXT_meshopt_compression"]}
    with pytest.raises(InputError, match="compressed with EXT_meshopt_compression"):
        mesh.read(_glb(tmp_path / "a.glb", arrays, **meshopt))
    monkeypatch.setattr(gltf.importlib.util, "find_spec", lambda name: None)
    tree, data = _tree(arrays, set())
    tree["meshes"][0]["primitives"][0]["extensions"] = {"KHR_draco_mesh_compression": {"bufferView": 0}}
    (tmp_path / "b.glb").write_bytes(gltf._glb(tree, [data]))
    with pytest.raises(InputError, match="compressed with Draco; pip install DracoPy"):
        mesh.read(tmp_path / "b.glb")
    assert capfd.readouterr() == ("", "")


def test_promises_that_the_file_does_not_hold(tmp_path):
    tree, data = _tree({"POSITION": CORNERS, "indices": FACES}, set())
    for change, said in (
        ({"count": 5}, "promises 5 items"),
        ({"count": 2**40}, "promises 1099511627776 items"),
        ({"count": -1}, "counts -1 items"),
        ({"count": 2**50, "bufferView": None}, "GB of memory"),
        ({"componentType": 9}, "damaged glTF"),
    ):
        accessor = {key: value for key, value in (tree["accessors"][0] | change).items() if value is not None}
        changed = tree | {"accessors": [accessor, tree["accessors"][1]]}
        (tmp_path / "a.glb").write_bytes(gltf._glb(changed, [data]))
        with pytest.raises(InputError, match=said):
            mesh.read(tmp_path / "a.glb")


@pytest.mark.parametrize("suffix", ["glb", "gltf"])
def test_json_that_is_nested_too_deep(tmp_path, suffix):
    text = b"[" * 200_000
    head = struct.pack("<IIIII", 0x46546C67, 2, 20 + len(text), len(text), 0x4E4F534A) if suffix == "glb" else b""
    (tmp_path / f"a.{suffix}").write_bytes(head + text)
    with pytest.raises(InputError, match="its JSON cannot be read") as caught:
        mesh.read(tmp_path / f"a.{suffix}")
    assert len(str(caught.value)) < 300
