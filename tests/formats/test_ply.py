"""PLY: every encoding and property kind, cross-checked with trimesh; lying headers end in one line."""

import struct
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scanwise.errors import InputError, OutputError, ScanwiseWarning
from scanwise.formats import ply
from scanwise.formats.ply_elements import ENCODINGS, Element, ListColumn, Ply, read_elements
from scanwise.formats.ply_writing import write_elements
from scanwise.scene import Scene
from tests.effort import calls

TYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"]


@st.composite
def elements(draw):
    rows = draw(st.integers(0, 4))
    columns = {}
    for name in draw(st.lists(st.sampled_from("abcdef"), unique=True, max_size=4)):
        dtype = draw(st.sampled_from(TYPES))
        if draw(st.booleans()):
            columns[name] = draw(hnp.arrays(dtype, rows))
        else:
            longest = draw(st.sampled_from([0, 1, 3]))
            counts = draw(hnp.arrays(draw(st.sampled_from(TYPES[:6])), rows, elements=st.integers(0, longest)))
            columns[name] = ListColumn(counts, draw(hnp.arrays(dtype, int(counts.sum()))))
    return Element(rows, columns)


def same_values(a, b):
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(["vertex", "face", "edge"]), elements()), st.sampled_from(list(ENCODINGS)))
def test_every_element_comes_back_in_every_encoding(tmp_path_factory, content, encoding):
    path = tmp_path_factory.mktemp("ply") / "a.ply"
    write_elements(Ply(content, ["by hand", "ü"], ["info 1"]), path, encoding=encoding)
    found = read_elements(path)
    assert (found.comments, found.obj_info) == (["by hand", "ü"], ["info 1"])
    assert list(found.elements) == list(content)
    for name, element in content.items():
        assert found.elements[name].count == element.count
        assert list(found.elements[name].columns) == list(element.columns)
        for key, column in element.columns.items():
            back = found.elements[name].columns[key]
            if isinstance(column, ListColumn):
                same_values(back.counts, column.counts)
                same_values(back.values, column.values)
            else:
                same_values(back, column)


def mesh():
    """A cube with a quad among its triangles, and columns that PLY programs like."""
    corners = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1).T
    vertex = {name: corners[:, k].astype("f8") for k, name in enumerate("xyz")}
    vertex |= {name: np.arange(8, dtype="u1") * 9 for name in ("red", "green", "blue", "alpha")}
    vertex["quality"] = np.linspace(0, 1, 8, dtype="f4")
    vertex["seen_by"] = ListColumn(np.array([0, 1, 2, 0, 1, 0, 0, 0], "u1"), np.array([5, 6, 7, 8], "i4"))
    faces = ListColumn(np.array([3, 4], "u1"), np.array([0, 1, 2, 0, 1, 3, 2], "i4"))
    return Ply(
        {"material": Element(1, {"shine": np.array([7], "i2")}), "vertex": Element(8, vertex),
         "face": Element(2, {"vertex_indices": faces})},
        ["made by a test"],
        ["scale 1"],
    )  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_mesh_gives_its_vertices_and_is_written_back_whole(tmp_path, encoding):
    write_elements(mesh(), tmp_path / "in.ply", encoding=encoding)
    scene = ply.read(tmp_path / "in.ply")
    assert (len(scene), scene.name, scene.source_format) == (8, "in", "ply")
    assert list(scene.attributes) == ["alpha", "quality"]
    np.testing.assert_array_equal(scene.colors[:, 0], np.arange(8) * 9)
    ply.write(scene, tmp_path / "out.ply", encoding=encoding)
    back = read_elements(tmp_path / "out.ply")
    assert list(back.elements) == ["material", "vertex", "face"]
    same_values(back.elements["face"].columns["vertex_indices"].values, np.array([0, 1, 2, 0, 1, 3, 2], "i4"))
    same_values(back.elements["vertex"].columns["seen_by"].values, np.array([5, 6, 7, 8], "i4"))
    assert back.elements["vertex"].columns["x"].dtype == np.float64
    assert (back.comments, back.obj_info) == (["made by a test"], ["scale 1"])


def test_an_unchanged_scene_is_the_same_file_byte_by_byte(tmp_path):
    content = mesh()
    del content.elements["vertex"].columns["seen_by"]
    write_elements(content, tmp_path / "in.ply")
    ply.write(ply.read(tmp_path / "in.ply"), tmp_path / "out.ply")
    assert (tmp_path / "in.ply").read_bytes() == (tmp_path / "out.ply").read_bytes()


def test_faces_are_dropped_with_the_points_they_point_to(tmp_path):
    write_elements(mesh(), tmp_path / "in.ply")
    scene = ply.read(tmp_path / "in.ply")
    part = Scene(scene.points[:3], raw=scene.raw)
    ply.write(part, tmp_path / "out.ply")
    assert list(read_elements(tmp_path / "out.ply").elements) == ["vertex"]


def test_labels_are_added_beside_what_the_file_had(tmp_path):
    write_elements(mesh(), tmp_path / "in.ply")
    scene = ply.read(tmp_path / "in.ply").with_columns(label=np.arange(8, dtype=np.int32), sure=np.ones((8, 2), "f2"))
    ply.write(scene, tmp_path / "out.ply")
    columns = read_elements(tmp_path / "out.ply").elements["vertex"].columns
    same_values(columns["label"], np.arange(8, dtype=np.int32))
    same_values(columns["sure_1"], np.ones(8, np.float32))
    np.testing.assert_array_equal(ply.read(tmp_path / "out.ply").labels, np.arange(8))


def test_types_that_ply_lacks_are_widened(tmp_path):
    wide = {
        "a": np.array([1, 2]),
        "b": np.array([0, 2**32 - 1]),
        "c": np.array([0, 2**40]),
        "d": np.array([True, False]),
    }
    ply.write(Scene(np.zeros((2, 3)), attributes=wide), tmp_path / "a.ply")
    found = ply.read(tmp_path / "a.ply").attributes
    assert [found[k].dtype.name for k in "abcd"] == ["int32", "uint32", "float64", "uint8"]
    for key, column in wide.items():
        np.testing.assert_array_equal(found[key], column)


def test_names_become_single_words_that_differ(tmp_path):
    many = {"a b": np.ones((1, 2)), "a_b_0": np.zeros(1), "": np.full(1, 2.0)}
    ply.write(Scene(np.zeros((1, 3)), attributes=many), tmp_path / "a.ply")
    found = {name: column.item() for name, column in ply.read(tmp_path / "a.ply").attributes.items()}
    assert found == {"a_b_0": 1, "a_b_1": 1, "a_b_0_": 0, "column": 2}


def test_points_are_not_read_one_by_one(tmp_path):
    rng = np.random.default_rng(0)
    scene = Scene(rng.normal(size=(100_000, 3)), colors=rng.integers(0, 256, (100_000, 3)))
    ply.write(scene, tmp_path / "a.ply")
    back, count = calls(lambda: ply.read(tmp_path / "a.ply"))
    assert count < 10_000
    np.testing.assert_array_equal(back.points, scene.points)


def test_texts_are_left_out_with_a_warning(tmp_path):
    scene = Scene(np.zeros((1, 3)), attributes={"note": np.array(["a"])})
    with pytest.warns(ScanwiseWarning, match="note"):
        ply.write(scene, tmp_path / "a.ply")
    assert ply.read(tmp_path / "a.ply").attributes == {}


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
def test_trimesh_reads_what_we_write_and_we_read_what_it_writes(tmp_path, encoding):
    trimesh = pytest.importorskip("trimesh")
    rng = np.random.default_rng(0)
    points, colors = rng.normal(size=(100, 3)).astype("f4"), rng.integers(0, 256, (100, 3)).astype("u1")
    ours = encoding if encoding == "ascii" else "binary_big_endian"
    ply.write(Scene(points, colors=colors), tmp_path / "ours.ply", encoding=ours)
    theirs = trimesh.load(tmp_path / "ours.ply", process=False)
    np.testing.assert_array_equal(np.asarray(theirs.vertices, "f4"), points)
    np.testing.assert_array_equal(theirs.colors[:, :3], colors)

    box = trimesh.creation.box()
    box.visual.vertex_colors = rng.integers(0, 256, (8, 4)).astype("u1")
    box.export(tmp_path / "theirs.ply", encoding=encoding)
    scene = ply.read_vertices(tmp_path / "theirs.ply")
    np.testing.assert_allclose(scene.points, box.vertices, atol=1e-7)
    np.testing.assert_array_equal(scene.colors, box.visual.vertex_colors[:, :3])
    faces = read_elements(tmp_path / "theirs.ply").elements["face"].columns["vertex_indices"].values
    np.testing.assert_array_equal(faces.reshape(-1, 3), box.faces)


HEADER = (
    "ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty float32 y\nproperty double z\nend_header\n"
)


def read_text(tmp_path, text):
    path = tmp_path / "a.ply"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return ply.read(path)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "body", ["1 2 3\n4 5 6\n", "\n 1\t2   3 \n\n4 5 6", "comment no\n1 2 3\n4 5 6\n\n", "1e0 +2 3.\n4 5 06\n"]
)
def test_ascii_with_any_white_space(tmp_path, body, newline):
    scene = read_text(tmp_path, (HEADER + body).replace("\n", newline))
    np.testing.assert_array_equal(scene.points, [[1, 2, 3], [4, 5, 6]])


def test_a_binary_body_after_a_crlf_header_starts_at_its_first_byte(tmp_path):
    header = HEADER.replace("ascii", "binary_little_endian").replace("\n", "\r\n").encode()
    scene = read_text(tmp_path, header + struct.pack("<ffdffd", 1, 2, 3, 4, 5, 6))
    np.testing.assert_array_equal(scene.points, [[1, 2, 3], [4, 5, 6]])


def test_points_that_are_not_finite_stay_in_their_rows(tmp_path):
    scene = read_text(tmp_path, HEADER + "nan -inf 1.#QNAN\n-nan(ind) 1.#INF 1e999\n")
    np.testing.assert_array_equal(scene.points, [[np.nan, -np.inf, np.nan], [np.nan, np.inf, np.inf]])


def test_no_points_are_a_scene_of_no_points(tmp_path):
    assert len(read_text(tmp_path, HEADER.replace("vertex 2", "vertex 0"))) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("vertex 2", "vertex 3"), "promises 3 rows of vertex, the file ends within row 3"),
        (("vertex 2", "vertex 1000000000000000"), "promises 1000000000000000 rows"),
        (("vertex 2", "vertex 99999999999999999999999"), "must be a number"),
        (("vertex 2", "vertex -2"), "'-2'"),
        (("element vertex 2", "element vertex"), "not understood"),
        (("property float x", "property half x"), "unknown type 'half'"),
        (("property float x", "property float y"), "declared twice"),
        (("property float x", "property list float int x"), "must be an integer"),
        (("property float x", "property list uchar int x"), "promises 2 rows, the file ends within row 2"),
        (("property float x", "property float a"), "a, y, z"),
        (("property float x\n", ""), "hold 6 numbers; the header promises 4"),
        (("float x\n", "float x\nproperty int w\n"), "hold 6 numbers; the header promises 8"),
        (("element vertex", "element point"), "no element vertex; it has point"),
        (("end_header", ""), "no end_header"),
        (("ply\n", "PLX\n"), "not a PLY"),
        (("format ascii 1.0\n", ""), "no format"),
        (("format ascii", "format ebcdic"), "not understood"),
        (("1 2 3", "1 two 3"), "'two' is not a number"),
        (("1 2 3", "1 2 3 4"), "hold 7 numbers"),
        (("float x", "uchar x"), None),
        (("1 2 3", "300 2 3", "float x", "uchar x"), "uint8, the file holds 300"),
    ],
)
def test_a_lying_header_ends_in_one_line(tmp_path, change, said):
    text = HEADER + "1 2 3\n4 5 6\n"
    for old, new in zip(change[::2], change[1::2], strict=True):
        assert old in text
        text = text.replace(old, new, 1)
    if said is None:
        assert len(read_text(tmp_path, text)) == 2
        return
    with pytest.raises(InputError, match=said) as caught:
        read_text(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "a.ply"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("count", [3, 10**15])
def test_a_binary_file_that_is_too_short_says_so_without_taking_memory(tmp_path, count):
    header = HEADER.replace("ascii", "binary_little_endian").replace("vertex 2", f"vertex {count}").encode()
    with pytest.raises(InputError, match=f"promises {count} rows of vertex, the file ends within row 3"):
        read_text(tmp_path, header + bytes(32))


@pytest.mark.parametrize(("counts", "said"), [("char", "-1 items"), ("uint", "the file ends within")])
def test_lists_of_impossible_length_are_refused(tmp_path, counts, said):
    text = "ply\nformat binary_little_endian 1.0\nelement face 2\nproperty list %s int v\nend_header\n"
    with pytest.raises(InputError, match=said):
        read_text(tmp_path, (text % counts).encode() + b"\xff" * 40)


def test_what_follows_the_promised_rows_is_left_out_with_a_warning(tmp_path):
    with pytest.warns(ScanwiseWarning, match="1 lines follow"):
        assert len(read_text(tmp_path, HEADER + "1 2 3\n4 5 6\n7 8 9\n")) == 2


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(list(ENCODINGS)))
def test_a_damaged_file_gives_a_scene_or_an_input_error(tmp_path_factory, data, encoding):
    path = tmp_path_factory.mktemp("fuzz") / "a.ply"
    write_elements(mesh(), path, encoding=encoding)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScanwiseWarning)
        warnings.simplefilter("error", RuntimeWarning)
        try:
            scene = ply.read(path)
        except InputError:
            return
        ply.write(scene, path)
    assert len(ply.read(path)) == len(scene)


def test_errors_of_the_place_are_output_and_input_errors(tmp_path):
    with pytest.raises(InputError, match="nothing"):
        ply.read(tmp_path / "nothing.ply")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        ply.write(Scene(np.zeros((1, 3))), tmp_path / "file" / "a.ply")
    with pytest.raises(OutputError, match="known are"):
        ply.write(Scene(np.zeros((1, 3))), tmp_path / "a.ply", encoding="gzip")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_recoloured_points_are_written_recoloured(tmp_path):
    write_elements(mesh(), tmp_path / "in.ply")
    scene = replace(ply.read(tmp_path / "in.ply"), colors=np.full((8, 3), 200))
    ply.write(scene, tmp_path / "out.ply")
    columns = read_elements(tmp_path / "out.ply").elements["vertex"].columns
    assert list(columns) == ["x", "y", "z", "red", "green", "blue", "alpha", "quality", "seen_by"]
    assert (columns["red"] == 200).all()
