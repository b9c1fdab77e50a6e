"""PCD: every encoding and field kind; lying headers end in one line."""

import struct
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scanwise.errors import InputError, OutputError, ScanwiseWarning
from scanwise.formats import lzf, pcd
from scanwise.formats.columns import scene_from_columns
from scanwise.scene import Scene
from tests.effort import calls

TYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


@st.composite
def tables(draw):
    rows = draw(st.integers(0, 5))
    names = draw(st.lists(st.sampled_from(["rgb", "label", "normal_x", "ring", "t"]), unique=True))
    columns = {name: draw(hnp.arrays(draw(st.sampled_from(TYPES)), rows)) for name in [*"xyz", *names]}
    if draw(st.booleans()):
        columns["fpfh"] = draw(hnp.arrays(draw(st.sampled_from(TYPES)), (rows, 3)))
    return columns


@pytest.mark.filterwarnings("ignore::scanwise.errors.ScanwiseWarning")
@settings(max_examples=150, deadline=None)
@given(tables(), st.sampled_from(pcd.ENCODINGS))
def test_every_column_comes_back_in_every_encoding(tmp_path_factory, columns, encoding):
    path = tmp_path_factory.mktemp("pcd") / "a.pcd"
    scene = scene_from_columns(columns, name="s", source_format="pcd")
    pcd.write(scene, path, encoding=encoding)
    found = pcd.read(path).raw.original
    assert list(found) == list(columns)
    for name, column in columns.items():
        if encoding == "ascii" and name == "rgb" and column.dtype == np.float32:
            column = column.view(np.uint32)
        assert found[name].dtype == column.dtype
        np.testing.assert_array_equal(found[name], column)


@pytest.mark.parametrize("encoding", pcd.ENCODINGS)
def test_colours_are_packed_as_pcl_does_and_come_back(tmp_path, encoding):
    colors = np.array([[255, 128, 1], [0, 0, 0], [255, 255, 255]], np.uint8)
    scene = Scene(np.eye(3), colors=colors, labels=np.array([1, -1, 2]), normals=np.eye(3))
    pcd.write(scene, tmp_path / "a.pcd", encoding=encoding)
    back = pcd.read(tmp_path / "a.pcd")
    assert list(back.raw.original) == ["x", "y", "z", "rgb", "nx", "ny", "nz", "label"]
    np.testing.assert_array_equal(back.colors, colors)
    np.testing.assert_array_equal(back.labels, [1, -1, 2])


@pytest.mark.parametrize("encoding", ["binary", "binary_compressed"])
def test_opaque_packed_colours_keep_their_alpha(tmp_path, encoding):
    packed = np.array([0xFF010203, 0xFFFFFFFF, 0x7F804020], "u4").view("f4")
    columns = {name: np.zeros(3, "f4") for name in "xyz"} | {"rgb": packed}
    pcd.write(scene_from_columns(columns, name="s", source_format="pcd"), tmp_path / "a.pcd", encoding=encoding)
    back = pcd.read(tmp_path / "a.pcd")
    assert back.raw.original["rgb"].tobytes() == packed.tobytes()
    np.testing.assert_array_equal(back.colors, [[1, 2, 3], [255, 255, 255], [128, 64, 32]])


HEADER = """# .PCD v.7 - Point Cloud Data file format
VERSION .7
FIELDS x y z rgb
SIZE 4 4 4 4
TYPE F F F F
COUNT 1 1 1 1
WIDTH 2
HEIGHT 1
VIEWPOINT 1 2 3 1 0 0 0
POINTS 2
DATA ascii
"""
BODY = "0.93773 0.33763 0 4.2108e+06\nnan nan nan 4.808e+06\n"


def read_text(tmp_path, text):
    path = tmp_path / "a.pcd"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return pcd.read(path)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("version", [".7", "0.7", "0.5", "0.6"])
def test_a_file_of_pcls_documentation(tmp_path, newline, version):
    scene = read_text(tmp_path, (HEADER.replace("VERSION .7", f"VERSION {version}") + BODY).replace("\n", newline))
    np.testing.assert_allclose(scene.points[0], [0.93773, 0.33763, 0])
    assert scene.finite.tolist() == [True, False]
    packed = struct.unpack("<I", struct.pack("<f", 4.2108e06))[0]
    assert scene.colors[0].tolist() == [packed >> 16 & 255, packed >> 8 & 255, packed & 255]


def test_old_headers_may_leave_lines_out(tmp_path):
    text = HEADER.replace("FIELDS", "COLUMNS").replace("COUNT 1 1 1 1\n", "").replace("VIEWPOINT 1 2 3 1 0 0 0\n", "")
    assert len(read_text(tmp_path, text.replace("POINTS 2\n", "") + BODY)) == 2
    assert len(read_text(tmp_path, text.replace("WIDTH 2\nHEIGHT 1\n", "") + BODY)) == 2


def test_grid_and_view_point_are_kept_while_the_points_are(tmp_path):
    scene = read_text(tmp_path, HEADER.replace("WIDTH 2\nHEIGHT 1", "WIDTH 1\nHEIGHT 2") + BODY)
    pcd.write(scene.with_columns(label=np.array([3, 4], np.int32)), tmp_path / "b.pcd")
    header = (tmp_path / "b.pcd").read_bytes().split(b"DATA")[0].decode()
    assert "WIDTH 1\nHEIGHT 2\nVIEWPOINT 1 2 3 1 0 0 0\nPOINTS 2\n" in header
    assert "FIELDS x y z rgb label\n" in header
    pcd.write(Scene(np.zeros((3, 3)), raw=scene.raw), tmp_path / "b.pcd")
    assert b"WIDTH 3\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\n" in (tmp_path / "b.pcd").read_bytes()


def test_padding_is_skipped_in_binary_and_compressed(tmp_path):
    header = (
        "VERSION 0.7\nFIELDS x _ y z _\nSIZE 4 1 4 4 2\nTYPE F U F F U\nCOUNT 1 4 1 1 3\nWIDTH 2\nHEIGHT 1\n"
        "POINTS 2\nDATA %s\n"
    )
    rows = [struct.pack("<f4xff6x", *row) for row in ((1, 2, 3), (4, 5, 6))]
    scene = read_text(tmp_path, (header % "binary").encode() + b"".join(rows))
    np.testing.assert_array_equal(scene.points, [[1, 2, 3], [4, 5, 6]])
    assert scene.attributes == {}
    columns = struct.pack("<ff8xffff12x", 1, 4, 2, 5, 3, 6)
    packed = lzf.compress(columns, 4)
    body = struct.pack("<II", len(packed), len(columns)) + packed
    scene = read_text(tmp_path, (header % "binary_compressed").encode() + body)
    np.testing.assert_array_equal(scene.points, [[1, 2, 3], [4, 5, 6]])


def test_64_bit_integers_are_exact_in_ascii(tmp_path):
    text = HEADER.replace("rgb", "time").replace("SIZE 4 4 4 4", "SIZE 4 4 4 8").replace("F F F F", "F F F U")
    scene = read_text(tmp_path, text + "0 0 0 1700000000123456789\n0 0 0 18446744073709551615\n")
    assert scene.attributes["time"].tolist() == [1700000000123456789, 18446744073709551615]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("POINTS 2", "POINTS 3", "promises 3 POINTS, but WIDTH x HEIGHT is 2 x 1"),
        ("WIDTH 2\nHEIGHT 1\nVIEWPOINT 1 2 3 1 0 0 0\nPOINTS 2", "POINTS 3", "promises 3 points, the file holds 2"),
        ("WIDTH 2\nHEIGHT 1\nVIEWPOINT 1 2 3 1 0 0 0\nPOINTS 2", "POINTS 1" + "0" * 15, "promises 1000000000000000"),
        ("POINTS 2", "POINTS -2", "must be a number, not '-2'"),
        ("WIDTH 2", "WIDTH two", "WIDTH must be a number"),
        ("SIZE 4 4 4 4", "SIZE 4 4 4", "names 4 FIELDS and gives 3 of SIZE"),
        ("SIZE 4 4 4 4", "SIZE 4 4 4 3", "unknown TYPE F of SIZE 3"),
        ("COUNT 1 1 1 1", "COUNT 1 1 1 0", "COUNT 0"),
        ("COUNT 1 1 1 1", "COUNT 1 1 1 2", "hold 8 numbers; the PCD header promises 10"),
        ("FIELDS x y z rgb", "FIELDS x y y rgb", "field y twice"),
        ("FIELDS x y z rgb", "FIELDS x y h rgb", "x, y, h, rgb"),
        ("FIELDS x y z rgb\n", "", "no FIELDS"),
        ("WIDTH 2\nHEIGHT 1\nVIEWPOINT 1 2 3 1 0 0 0\nPOINTS 2\n", "", "neither POINTS nor WIDTH"),
        ("DATA ascii\n", "", "no DATA line"),
        ("DATA ascii", "DATA zip", "unknown PCD encoding 'zip'"),
        ("DATA ascii", "DATA binary_compressed", "promises 32 bytes of points"),
        ("0.33763", "many", "'many' is not a number"),
        ("0.33763", "", "hold 7 numbers"),
    ],
)
def test_a_lying_header_ends_in_one_line(tmp_path, old, new, said):
    assert old in HEADER + BODY
    with pytest.raises(InputError, match=said) as caught:
        read_text(tmp_path, (HEADER + BODY).replace(old, new, 1))
    assert str(caught.value).startswith(str(tmp_path / "a.pcd"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["binary", "binary_compressed"])
def test_a_file_that_was_cut_off_says_so(tmp_path, encoding):
    pcd.write(Scene(np.random.default_rng(0).normal(size=(50, 3))), tmp_path / "a.pcd", encoding=encoding)
    content = (tmp_path / "a.pcd").read_bytes()
    with pytest.raises(InputError, match="promise"):
        read_text(tmp_path, content[:-100])


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(pcd.ENCODINGS))
def test_a_damaged_file_gives_a_scene_or_an_input_error(tmp_path_factory, data, encoding):
    path = tmp_path_factory.mktemp("fuzz") / "a.pcd"
    many = {"fpfh": np.arange(24.0).reshape(8, 3), "time": np.arange(8, dtype="i8")}
    pcd.write(Scene(np.ones((8, 3)), colors=np.ones((8, 3)), attributes=many), path, encoding=encoding)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            scene = pcd.read(path)
        except InputError:
            return
        pcd.write(scene, path)
    assert len(pcd.read(path)) == len(scene)


def test_compressed_points_are_not_read_one_by_one(tmp_path):
    rng = np.random.default_rng(0)
    scene = Scene(rng.normal(size=(100_000, 3)), colors=rng.integers(0, 256, (100_000, 3)))
    _, count = calls(lambda: pcd.write(scene, tmp_path / "a.pcd", encoding="binary_compressed"))
    assert count < 10_000
    back, count = calls(lambda: pcd.read(tmp_path / "a.pcd"))
    assert count < len(scene)
    np.testing.assert_array_equal(back.points, scene.points)


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match="known are"):
        pcd.write(Scene(np.zeros((1, 3))), tmp_path / "a.pcd", encoding="gzip")
    with pytest.warns(ScanwiseWarning, match="note"):
        pcd.write(Scene(np.zeros((1, 3)), attributes={"note": np.array(["a"])}), tmp_path / "a.pcd")
    assert pcd.read(tmp_path / "a.pcd").attributes == {}
    with pytest.raises(InputError, match="nothing"):
        pcd.read(tmp_path / "nothing.pcd")
