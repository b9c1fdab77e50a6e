"""NPY and NPZ: columns by number or by name, and back with the same names and types."""

from __future__ import annotations

import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import arrays
from scanwise.scene import Scene

N = 6
RNG = np.random.default_rng(0)
LABEL, CONFIDENCE = np.arange(N, dtype=np.int32) - 1, np.linspace(0, 1, N, dtype=np.float32)


ASSUMED = pytest.mark.filterwarnings("ignore:.*columns have no names")


@ASSUMED
@pytest.mark.filterwarnings("ignore:.*intensity of")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [3, 4, 6, 8])
def test_a_table_comes_back_as_it_was(tmp_path, dtype, width):
    table = RNG.normal(size=(N, width)).astype(dtype)
    np.save(tmp_path / "a.npy", table)
    scene = arrays.read(tmp_path / "a.npy")
    assert np.array_equal(scene.points_in_source(), table[:, :3])
    assert (scene.intensity is not None) == (width == 4)
    arrays.write(scene, tmp_path / "b.npy")
    again = np.load(tmp_path / "b.npy")
    assert again.dtype == dtype
    assert np.array_equal(again, table)


@ASSUMED
def test_an_answer_makes_a_table_a_structured_array(tmp_path):
    np.save(tmp_path / "a.npy", np.hstack([RNG.normal(size=(N, 3)), RNG.integers(0, 256, (N, 3))]))
    scene = arrays.read(tmp_path / "a.npy")
    arrays.write(scene.with_columns(label=LABEL, confidence=CONFIDENCE), tmp_path / "b.npy")
    table = np.load(tmp_path / "b.npy")
    assert table.dtype.names == ("x", "y", "z", "red", "green", "blue", "label", "confidence")
    assert np.array_equal(table["label"], LABEL)
    again = arrays.read(tmp_path / "b.npy")
    assert np.array_equal(again.points_in_source(), scene.points_in_source())
    assert np.array_equal(again.colors, scene.colors)
    assert np.array_equal(again.labels, LABEL)
    assert np.array_equal(again.attributes["confidence"], CONFIDENCE)


@pytest.mark.parametrize(
    "spelling",
    [
        ("points", "colors", "normals", "intensity", "labels", "instances"),
        ("coord", "color", "normal", "strength", "segment", "instance"),
        ("xyz", "rgb", "normals", "intensity", "semantic_gt", "instance_gt"),
    ],
)
def test_an_archive_comes_back_with_its_names(tmp_path, spelling):
    normals = np.tile(np.float32([0, 0, 1]), (N, 1))
    fields = (
        RNG.normal(size=(N, 3)).astype(np.float32),
        RNG.integers(0, 256, (N, 3), np.uint8),
        normals,
        RNG.random(N, np.float32),
        LABEL.astype(np.int64),
        LABEL,
    )
    content = dict(zip(spelling, fields, strict=True))
    content |= {"density": RNG.random((N, 2)), "pose": np.eye(4), "file": np.arange(N)}
    with (tmp_path / "a.npz").open("wb") as file:
        arrays._save_archive(file, content)
    scene = arrays.read(tmp_path / "a.npz")
    for name, field in zip(("points", "colors", "normals", "intensity", "labels"), fields, strict=False):
        assert np.array_equal(getattr(scene, name), field), name
    assert np.array_equal(scene.attributes["density"], content["density"])
    arrays.write(scene.with_columns(confidence=CONFIDENCE), tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz") as again:
        assert set(again.files) == {*content, "confidence"}
        for name, value in content.items():
            assert again[name].dtype == value.dtype, name
            assert np.array_equal(again[name], value), name


def test_an_answer_beside_the_labels_of_the_file(tmp_path):
    np.savez(tmp_path / "a.npz", points=RNG.normal(size=(N, 3)), labels=np.full(N, 3))
    scene = arrays.read(tmp_path / "a.npz")
    arrays.write(scene.with_columns(label=LABEL), tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz") as again:
        assert np.array_equal(again["labels"], LABEL)
        assert np.array_equal(again["label_in"], np.full(N, 3))


@given(
    n=st.integers(0, 5),
    suffix=st.sampled_from(["npy", "npz"]),
    seed=st.integers(0, 99),
    flags=st.lists(st.booleans(), min_size=5, max_size=5),
)
@settings(max_examples=40, deadline=None)
def test_a_scene_from_elsewhere(tmp_path_factory, n, suffix, seed, flags):
    rng = np.random.default_rng(seed)
    path = tmp_path_factory.mktemp("arrays") / f"a.{suffix}"
    colors, normals, intensity, labels, attribute = flags
    scene = Scene(
        rng.normal(size=(n, 3)),
        colors=rng.integers(0, 256, (n, 3)) if colors else None,
        normals=np.tile([0, 1, 0], (n, 1)) if normals else None,
        intensity=rng.random(n) if intensity else None,
        labels=rng.integers(-1, 4, n) if labels else None,
        attributes={"a b/c": rng.random((n, 2))} if attribute else {},
    )
    arrays.write(scene, path)
    again = arrays.read(path)
    for name in ("points", "colors", "normals", "intensity", "labels"):
        was, now = getattr(scene, name), getattr(again, name)
        assert (was is None) == (now is None), name
        assert was is None or np.array_equal(was, now), name
    assert all(np.array_equal(again.attributes[name], value) for name, value in scene.attributes.items())


def test_objects_are_left_out(tmp_path):
    with pytest.warns(ScanwiseWarning, match="objects"):
        arrays.write(Scene(np.eye(3), attributes={"o": np.array([object()] * 3)}), tmp_path / "a.npz")
    assert len(arrays.read(tmp_path / "a.npz")) == 3


def _zip(path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.npy", lambda path: path.write_bytes(b"")),
        ("a.npy", lambda path: path.write_bytes(b"hello, this is text")),
        ("a.npy", lambda path: np.save(path, np.array([{}]), allow_pickle=True)),
        ("a.npy", lambda path: np.save(path, np.zeros((5, 2)))),
        ("a.npy", lambda path: np.save(path, np.zeros(5))),
        ("a.npy", lambda path: np.save(path, np.array([["a"] * 3]))),
        ("a.npy", lambda path: (np.save(path, np.zeros((9, 3))), path.write_bytes(path.read_bytes()[:-5]))),
        ("a.npz", lambda path: np.savez(path, colors=np.zeros((5, 3)))),
        ("a.npz", lambda path: np.savez(path, points=np.zeros((5, 2)))),
        ("a.npz", lambda path: np.savez(path, points=np.zeros((5, 3)), colors=np.zeros((4, 3)))),
        ("a.npz", lambda path: (np.savez(path, points=np.eye(3)), path.write_bytes(path.read_bytes()[:-30]))),
        ("a.npz", lambda path: np.savez(path, points=np.array([{}]), allow_pickle=True)),
        ("a.npz", lambda path: path.write_bytes(b"hello, this is text")),
        ("a.npz", lambda path: path.write_bytes(b"PK\x03\x04" + bytes(range(256)))),
        ("a.npz", lambda path: _zip(path, {"points": b"hello"})),
        ("a.npz", lambda path: _zip(path, {"points.npy": b"hello"})),
        ("a.npz", lambda path: _zip(path, {})),
        ("a.npy", lambda path: _zip(path, {"points.npy": b"hello"})),
        ("a.npy", lambda path: path.mkdir()),
    ],
)
def test_damage_is_one_line(tmp_path, name, make):
    make(tmp_path / name)
    with pytest.raises(InputError) as caught:
        arrays.read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.sampled_from([".npy", ".npz"]), st.data())
@settings(max_examples=60, deadline=None)
def test_wrong_bytes_are_one_line_or_a_cloud(tmp_path_factory, suffix, data):
    """A file with bytes of it changed or its end cut off is refused in one line, or still is some cloud."""
    path = tmp_path_factory.mktemp("arrays") / f"a{suffix}"
    np.savez(path, points=np.eye(3)) if suffix == ".npz" else np.save(path, np.eye(3))
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        scene = arrays.read(path)
    except InputError as error:
        said = str(error)
    else:
        said = f"{path}: {len(scene)} points"
    assert said.startswith(f"{path}: ")
    assert "\n" not in said


@pytest.mark.parametrize("name", ["segment20", "semantic_gt20"])
def test_names_of_common_preprocessing(tmp_path, name):
    np.savez(tmp_path / "a.npz", pos=np.ones((2, 3)), **{name: np.array([3, -1])})
    assert arrays.read(tmp_path / "a.npz").labels.tolist() == [3, -1]


@ASSUMED
@pytest.mark.parametrize("make", [np.transpose, lambda table: table[None], lambda table: table.reshape(10, 10, 6)])
def test_tables_of_other_shapes(tmp_path, make):
    table = np.hstack([RNG.normal(size=(100, 3)), RNG.random((100, 1)) * np.ones(3)])
    np.save(tmp_path / "a.npy", make(table))
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        scene = arrays.read(tmp_path / "a.npy")
    assert np.array_equal(scene.points_in_source(), table[:, :3])
    assert scene.colors is not None
    transposed = make is np.transpose
    assert any("taken for 100 points" in str(note.message) for note in notes) == transposed
    arrays.write(scene, tmp_path / "b.npy")
    assert np.array_equal(np.load(tmp_path / "b.npy"), table.T if transposed else table)


@ASSUMED
def test_homogeneous_coordinates_have_no_intensity(tmp_path):
    np.save(tmp_path / "a.npy", np.vstack([RNG.normal(size=(3, 100)), np.ones(100)]))
    with pytest.warns(ScanwiseWarning, match="100 points"):
        scene = arrays.read(tmp_path / "a.npy")
    assert len(scene) == 100
    assert scene.intensity is None


def test_the_users_names_of_columns(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(10.0).reshape(2, 5))
    scene = arrays.read(tmp_path / "a.npy", ["x", "-", "y", "z", "label"])
    assert scene.points.tolist() == [[0, 2, 3], [5, 7, 8]]
    assert scene.labels.tolist() == [4, 9]
    with pytest.raises(InputError, match="6 columns are named, it has 5"):
        arrays.read(tmp_path / "a.npy", ["x", "y", "z", "a", "b", "c"])


@ASSUMED
def test_archives_that_name_their_points_otherwise(tmp_path):
    table = np.hstack([RNG.normal(size=(30, 3)), RNG.integers(0, 256, (30, 1)) * np.ones(3)])
    np.savez(tmp_path / "a.npz", table, fps=3)
    np.savez(tmp_path / "b.npz", xyz=table, labels=np.array(["wall", "door"] * 15))
    for name in ("a.npz", "b.npz"):
        scene = arrays.read(tmp_path / name)
        assert np.array_equal(scene.points_in_source(), table[:, :3])
        assert np.array_equal(scene.colors, table[:, 3:])
    assert scene.classes == ["door", "wall"]
    arrays.write(scene, tmp_path / "c.npz")
    assert arrays.read(tmp_path / "c.npz").classes == ["door", "wall"]


def test_declared_sizes_are_looked_at_before_anything_is_unpacked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", points=np.zeros((200_000, 3)))
    np.save(tmp_path / "a.npy", np.zeros((200_000, 3)))
    monkeypatch.setattr("scanwise.memory.free_memory", lambda: 10e6)
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("was unpacked"))
    for name in ("a.npz", "a.npy"):
        with pytest.raises(InputError, match=r"0\.0 GB are free"):
            arrays.read(tmp_path / name)


def test_a_header_that_promises_more_than_the_file_holds(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((9, 3)))
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content.replace(b"(9, 3), }", b"(9999999999, 3), }")[: len(content)])
    with pytest.raises(InputError, match="declares 239,999,999,976 bytes"):
        arrays.read(tmp_path / "a.npy")
