"""Scene folders: every field comes back exactly, nothing of somebody else's is destroyed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scanwise.errors import InputError, OutputError
from scanwise.files import DepthFile, ImageFile
from scanwise.formats import folder
from scanwise.formats.scannet_sens import read_views
from scanwise.scene import ArrayRaster, Box, Referral, Scene, View
from tests.formats.test_scannet_sens import jpeg, stream

FIELDS = ("points", "colors", "normals", "intensity", "labels", "instances", "source_points", "to_source")


def _assert_equal(a: Scene, b: Scene) -> None:
    for field in FIELDS:
        x, y = getattr(a, field), getattr(b, field)
        assert (x is None) == (y is None), field
        if x is not None:
            assert x.dtype == y.dtype, field
            assert np.array_equal(x, y, equal_nan=True), field
    for field in ("classes", "boxes", "sentences", "name", "source_format"):
        assert getattr(a, field) == getattr(b, field)
    assert list(a.attributes) == list(b.attributes)
    for name in a.attributes:
        assert a.attributes[name].dtype == b.attributes[name].dtype
        assert a.attributes[name].tobytes() == b.attributes[name].tobytes()
    assert len(a.views) == len(b.views)
    for u, v in zip(a.views, b.views, strict=True):
        assert u.name == v.name
        assert np.array_equal(u.image, v.image)
        for field in ("intrinsics", "camera_to_world", "depth_intrinsics", "depth_to_world"):
            x, y = getattr(u, field), getattr(v, field)
            assert (x is None) == (y is None), field
            assert x is None or np.array_equal(x, y), field


to_float = st.floats(width=32, allow_nan=True)


@st.composite
def scenes(draw) -> Scene:
    n = draw(st.integers(0, 4))
    rng = np.random.default_rng(draw(st.integers(0, 99)))

    def maybe(array):
        return array if draw(st.booleans()) else None

    points = np.array(draw(st.lists(to_float, min_size=3 * n, max_size=3 * n)), np.float32).reshape(n, 3)
    names = draw(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=3, unique=True))
    columns = [rng.random((n, 2)), np.arange(n, dtype=np.uint16), np.array(["a"] * n, "U3")]
    pose = np.eye(4)
    pose[:3, 3] = rng.normal(size=3)
    views = [
        View(
            ArrayRaster(rng.integers(0, 256, (3, 4, 3), np.uint8)),
            np.diag([3.3, 3.3, 1]),
            pose,
            depth_raster=maybe(ArrayRaster(rng.integers(0, 65535, (2, 3)).astype(np.float32) / np.float32(1000))),
            depth_intrinsics=maybe(np.diag([0.1, 0.2, 1])),
            depth_to_world=maybe(pose @ pose),
            name=f"frame {index}",
        )
        for index in range(draw(st.integers(0, 2)))
    ]
    return Scene(
        points,
        colors=maybe(rng.integers(0, 256, (n, 3))),
        normals=maybe(rng.normal(size=(n, 3))),
        intensity=maybe(rng.random(n)),
        labels=maybe(rng.integers(-1, 5, n)),
        instances=maybe(rng.integers(-1, 5, n)),
        classes=maybe(["chair", "töpfe"]),
        views=views,
        sentences=[Referral("the chair by the sink", 2)] if draw(st.booleans()) else [],
        boxes=[
            Box(
                2,
                "chair",
                (0.1, 2.0, -3.5),
                (1.0, 0.5, 0.9),
                1.2,
                draw(st.none() | st.just((0.5, -1.0))),
                "red",
                "m",
                True,
            )
        ],
        name=draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=5)),
        to_source=pose / 3,
        source_points=maybe(rng.normal(size=(n, 3)) * 1e6),
        attributes=dict(zip(names, columns, strict=False)),
        source_format="ply",
    )


@given(scenes())
@settings(max_examples=30, deadline=None)
def test_every_field_comes_back(tmp_path_factory, scene):
    path = tmp_path_factory.mktemp("scenes") / "scene"
    folder.write(scene, path)
    again = folder.read(path)
    _assert_equal(scene, again)
    for u, v in zip(scene.views, again.views, strict=True):
        assert (u.depth is None) == (v.depth is None)
        if u.depth is not None:
            assert np.array_equal(u.depth, v.depth)
    assert folder.recognises(path)


@pytest.mark.parametrize("metres", [1.23456, 70.0, 0.0004], ids=["fine", "far", "tiny"])
def test_depth_loses_no_more_than_half_a_millimetre(tmp_path, metres):
    depth = np.array([[metres, 0, 1.0]], np.float32)
    view = View(ArrayRaster(np.zeros((2, 2, 3), np.uint8)), np.eye(3), np.eye(4), ArrayRaster(depth))
    folder.write(Scene(np.zeros((1, 3)), views=[view]), tmp_path / "s")
    again = folder.read(tmp_path / "s").views[0].depth
    assert np.abs(again - depth).max() <= 0.0005 + 1e-6
    assert np.array_equal(again > 0, depth > 0)


def test_files_are_copied_byte_for_byte(tmp_path):
    Image.fromarray(np.full((4, 4, 3), 80, np.uint8)).save(tmp_path / "a.jpg")
    Image.fromarray(np.full((4, 4), 5000, np.uint16)).save(tmp_path / "d.png")
    view = View(ImageFile(tmp_path / "a.jpg"), np.eye(3), np.eye(4), DepthFile(tmp_path / "d.png", 5000.0, far=6.0))
    scene = Scene(np.zeros((1, 3)), views=[view])
    folder.write(scene, tmp_path / "s")
    assert (tmp_path / "s/images/000000.jpg").read_bytes() == (tmp_path / "a.jpg").read_bytes()
    assert folder.read(tmp_path / "s").digest() == scene.digest()


def test_arrays_are_memory_mapped(tmp_path):
    folder.write(Scene(np.zeros((9, 3))), tmp_path / "s")
    base = folder.read(tmp_path / "s").points
    while isinstance(base, np.ndarray):
        owner, base = base, base.base
    assert isinstance(owner, np.memmap)


def test_a_scene_read_from_a_folder_may_be_written_to_it(tmp_path):
    view = View(ArrayRaster(np.full((2, 2, 3), 7, np.uint8)), np.eye(3), np.eye(4))
    folder.write(Scene(np.ones((9, 3)), views=[view]), tmp_path / "s")
    scene = folder.read(tmp_path / "s")
    folder.write(scene, tmp_path / "s")
    _assert_equal(scene, folder.read(tmp_path / "s"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["s"]


def test_other_content_is_not_destroyed(tmp_path):
    scene = Scene(np.zeros((1, 3)))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cat.jpg").write_bytes(b"cat")
    (tmp_path / "file").write_bytes(b"text")
    folder.write(scene, tmp_path / "mine")
    (tmp_path / "mine/notes.txt").write_bytes(b"mine")
    for name in ("photos", "file", "mine"):
        with pytest.raises(OutputError, match=name):
            folder.write(scene, tmp_path / name)
    assert (tmp_path / "photos/cat.jpg").read_bytes() == b"cat"
    assert (tmp_path / "file").read_bytes() == b"text"
    assert (tmp_path / "mine/notes.txt").read_bytes() == b"mine"


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "s").mkdir()
    folder.write(Scene(np.zeros((2, 3))), tmp_path / "s")
    assert len(folder.read(tmp_path / "s")) == 2


def test_a_failed_write_leaves_the_old_scene(tmp_path):
    folder.write(Scene(np.zeros((2, 3))), tmp_path / "s")
    with pytest.raises(OutputError, match="object"):
        folder.write(Scene(np.zeros((1, 3)), attributes={"x": np.array([object()])}), tmp_path / "s")
    missing = View(ImageFile(tmp_path / "gone.png"), np.eye(3), np.eye(4))
    with pytest.raises(InputError, match=r"gone\.png"):
        folder.write(Scene(np.zeros((1, 3)), views=[missing]), tmp_path / "s")
    assert len(folder.read(tmp_path / "s")) == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["s"]


def _edit(path: Path, **changes) -> None:
    record = json.loads((path / "scene.json").read_text())
    (path / "scene.json").write_text(json.dumps(record | changes))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: (path / "points.npy").unlink(),
        lambda path: (path / "points.npy").write_bytes((path / "points.npy").read_bytes()[:-4]),
        lambda path: (path / "points.npy").write_bytes(b""),
        lambda path: (path / "images/000000.png").unlink(),
        lambda path: (path / "scene.json").write_text((path / "scene.json").read_text()[:200]),
        lambda path: _edit(path, scanwise_scene=2),
        lambda path: _edit(path, views=3),
        lambda path: _edit(path, arrays=[]),
        lambda path: _edit(path, arrays=["points", "nonsense"]),
        lambda path: _edit(path, to_source=[[1]]),
        lambda path: np.save(path / "colors.npy", np.zeros((1, 3), np.uint8)),
    ],
    ids=[
        "no points",
        "truncated",
        "empty",
        "no picture",
        "json",
        "version",
        "views",
        "arrays",
        "field",
        "matrix",
        "rows",
    ],
)
def test_damage_is_one_line(tmp_path, damage):
    path = tmp_path / "s"
    view = View(ArrayRaster(np.zeros((2, 2, 3), np.uint8)), np.eye(3), np.eye(4))
    folder.write(Scene(np.zeros((2, 3)), colors=np.zeros((2, 3)), views=[view]), path)
    damage(path)
    with pytest.raises(InputError) as caught:
        folder.read(path)
    assert "\n" not in str(caught.value)


def test_files_outside_the_folder_are_not_touched(tmp_path):
    view = View(ArrayRaster(np.zeros((2, 2, 3), np.uint8)), np.eye(3), np.eye(4))
    folder.write(Scene(np.zeros((2, 3)), views=[view]), tmp_path / "s")
    record = json.loads((tmp_path / "s/scene.json").read_text())
    record["views"][0]["image"] = "../secret.png"
    _edit(tmp_path / "s", views=record["views"])
    with pytest.raises(InputError, match="outside"):
        folder.read(tmp_path / "s")


def test_own_pictures_under_other_numbers_are_not_overwritten(tmp_path):
    grey = [ArrayRaster(np.full((2, 2, 3), value, np.uint8)) for value in (10, 200)]
    folder.write(Scene(np.ones((1, 3)), views=[View(raster, np.eye(3), np.eye(4)) for raster in grey]), tmp_path / "s")
    scene = folder.read(tmp_path / "s")
    turned = Scene(scene.points, views=scene.views[::-1])
    with pytest.raises(OutputError, match=r"view 0 of the scene is 000001\.png there; write changed views to another"):
        folder.write(turned, tmp_path / "s")
    folder.write(turned, tmp_path / "t")
    assert [int(view.image.mean()) for view in folder.read(tmp_path / "t").views] == [200, 10]
    folder.write(Scene(scene.points, views=scene.views[:1]), tmp_path / "s")
    assert [int(view.image.mean()) for view in folder.read(tmp_path / "s").views] == [10]


@pytest.mark.parametrize("shape", ["(99999999999999999999999999,3)", "(3,", "'''", "(1e3, 3)"])
def test_a_damaged_header_of_an_array_is_one_line(tmp_path, shape):
    folder.write(Scene(np.ones((1, 3))), tmp_path / "s")
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(12)
    (tmp_path / "s/points.npy").write_bytes(data)
    with pytest.raises(InputError, match=r"points\.npy: truncated or damaged array") as caught:
        folder.read(tmp_path / "s")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", 3),
        ("classes", "chair"),
        ("classes", [1]),
        ("arrays", ["colors"]),
        ("attributes", [1]),
        ("intrinsics", None),
        ("camera_to_world", None),
        ("per_metre", 0),
        ("per_metre", "1"),
        ("far", -1),
    ],
)
def test_a_wrong_type_names_its_key(tmp_path, key, value):
    depth = ArrayRaster(np.ones((2, 2), np.float32))
    view = View(ArrayRaster(np.zeros((2, 2, 3), np.uint8)), np.eye(3), np.eye(4), depth)
    folder.write(Scene(np.ones((1, 3)), views=[view]), tmp_path / "s")
    record = json.loads((tmp_path / "s/scene.json").read_text())
    place = next(part for part in (record, record["views"][0], record["views"][0]["depth"]) if key in part)
    place[key] = value
    (tmp_path / "s/scene.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=rf"scene\.json.*{key}"):
        folder.read(tmp_path / "s")


def test_source_points_of_another_length(tmp_path):
    folder.write(Scene(np.ones((2, 3)), source_points=np.ones((2, 3))), tmp_path / "s")
    np.save(tmp_path / "s/source_points.npy", np.ones((3, 3)))
    with pytest.raises(InputError, match="source_points"):
        folder.read(tmp_path / "s")


def test_pictures_of_a_stream_are_written_unchanged(tmp_path):
    (tmp_path / "a.sens").write_bytes(stream())
    folder.write(Scene(np.ones((1, 3)), views=read_views(tmp_path / "a.sens")), tmp_path / "s")
    assert (tmp_path / "s/images/000002.jpg").read_bytes() == jpeg(100)


def test_sentences_about_several_things_come_back(tmp_path):
    said = [Referral("a chair", 0), Referral("all chairs", 0, (1, 2), "mt"), Referral("a piano", -1, (), "zt")]
    scene = Scene(np.zeros((3, 3)), instances=np.arange(3), sentences=said)
    folder.write(scene, tmp_path / "room")
    assert folder.read(tmp_path / "room").sentences == said
