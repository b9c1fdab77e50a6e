"""Rows of numbers: delimiters, headers and columns are told apart, and come back as they were."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import text
from scanwise.scene import Scene

ASSUMED = "ignore:.*columns have no names"


def _read(tmp_path, content: str, name: str = "a.xyz", columns: list[str] | None = None) -> Scene:
    (tmp_path / name).write_text(content, encoding="utf-8")
    return text.read(tmp_path / name, columns)


@pytest.mark.parametrize(
    "content",
    [
        "1 2 3.5 9\n4 5 6 8\n",
        "  1   2 3.5 9 \n\n4 5 6 8",
        "1\t2\t3.5\t9\n4\t5\t6\t8\n",
        "1,2, 3.5,9\n4,5,6,8\r\n",
        "1;2;3,5;9\n4;5;6;8\n",
        "# made by hand\n1 2 3.5 9\n// half-way\n4 5 6 8\n",
        "\ufeff1 2 3.5 9\n4 5 6 8\n",
        "x,y,z,Intensity\n1,2,3.5,9\n4,5,6,8\n",
        '"x";"y";"z";"intensity"\n1;2;3.5;9\n4;5;6;8\n',
        "//X Y Z scalar_Intensity\n1 2 3.5 9\n4 5 6 8\n",
        "2\n1 2 3.5 9\n4 5 6 8\n",
    ],
    ids=["blanks", "ragged blanks", "tab", "comma", "decimal comma", "comments", "bom", "row", "quotes", "//", "count"],
)
@pytest.mark.filterwarnings(ASSUMED)
def test_delimiters_and_headers(tmp_path, content):
    scene = _read(tmp_path, content)
    assert scene.points.tolist() == [[1, 2, 3.5], [4, 5, 6]]
    assert np.allclose(scene.intensity, np.array([9, 8]) / 255)


@pytest.mark.filterwarnings(ASSUMED)
def test_columns_by_their_number(tmp_path):
    assert _read(tmp_path, "1 2 3\n").points.tolist() == [[1, 2, 3]]
    assert _read(tmp_path, "1 2 3 255 0 9\n").colors.tolist() == [[255, 0, 9]]
    assert _read(tmp_path, "1 2 3 0.6 0 -0.8\n").normals.tolist() == [[np.float32(0.6), 0, np.float32(-0.8)]]
    assert list(_read(tmp_path, "1 2 3 0.6 4 -0.8\n").attributes) == ["column_4", "column_5", "column_6"]
    pts = _read(tmp_path, "1\n1 2 3 0.5 255 0 9\n", "a.pts")
    assert pts.intensity.tolist() == [0.5]
    assert pts.colors.tolist() == [[255, 0, 9]]
    assert _read(tmp_path, "1 2 3 255 0 9 0.5\n").colors.tolist() == [[255, 0, 9]]
    nine = _read(tmp_path, "1 2 3 255 0 9 0 0 1\n")
    assert nine.colors.tolist() == [[255, 0, 9]]
    assert nine.normals.tolist() == [[0, 0, 1]]


def test_large_whole_numbers_stay_exact(tmp_path):
    """Time stamps in nanoseconds and hashes: float64 would round them."""
    content = "x y z stamp hash odd\n1 2 3 1700000000123456789 18446744073709551615 1e20\n4 5 6 -9007199254740993 0 0\n"
    scene = _read(tmp_path, content, "a.csv")
    assert scene.attributes["stamp"].tolist() == [1700000000123456789, -9007199254740993]
    assert scene.attributes["hash"].tolist() == [2**64 - 1, 0]
    assert scene.attributes["odd"].tolist() == [1e20, 0]
    text.write(scene, tmp_path / "b.csv")
    again = (tmp_path / "b.csv").read_text().split()
    assert again[:6] == content.split()[:6]
    assert again[9:11] == ["1700000000123456789", "18446744073709551615"]
    semicolons = _read(tmp_path, "x;y;z;stamp\n1;2;3,5;1700000000123456789\n", "c.csv")
    assert semicolons.attributes["stamp"].tolist() == [1700000000123456789]


def test_names_lead_to_attributes(tmp_path):
    scene = _read(tmp_path, "# x y z time time\n1 2 3 4.5 6\n")
    assert scene.attributes["time"].tolist() == [4.5]
    assert scene.attributes["time_2"].tolist() == [6]


@pytest.mark.parametrize(
    ("name", "content", "written"),
    [
        ("a.xyz", "1.5 2 3\n", "# x y z label confidence\n1.5 2 3 7 0.1\n"),
        ("a.csv", "X,Y,Z\n1.5,2,3\n", "X,Y,Z,label,confidence\n1.5,2,3,7,0.1\n"),
        ("a.csv", "1.5;2;3\n", "x;y;z;label;confidence\n1.5;2;3;7;0.1\n"),
        ("a.txt", "//X Y Z\n1.5\t2\t3\n", "// X\tY\tZ\tlabel\tconfidence\n1.5\t2\t3\t7\t0.1\n"),
        ("a.pts", "1\n1.5 2 3\n", "1\n# x y z label confidence\n1.5 2 3 7 0.1\n"),
    ],
)
def test_an_answer_is_added_in_the_style_of_the_file(tmp_path, name, content, written):
    scene = _read(tmp_path, content, name)
    answer = scene.with_columns(label=np.array([7], np.int32), confidence=np.array([0.1], np.float32))
    text.write(answer, tmp_path / f"out-{name}")
    assert (tmp_path / f"out-{name}").read_text() == written
    again = text.read(tmp_path / f"out-{name}")
    assert again.labels.tolist() == [7]
    assert np.float32(again.attributes["confidence"][0]) == np.float32(0.1)


@pytest.mark.filterwarnings(ASSUMED)
def test_a_file_comes_back_as_it_was(tmp_path):
    content = "412345.123 5412345.678 -0.1 12\n412346.5 5412345.0625 3e-07 13\n"
    scene = _read(tmp_path, content)
    assert np.abs(scene.points).max() < 10
    text.write(scene, tmp_path / "b.xyz")
    assert (tmp_path / "b.xyz").read_text() == content


@given(
    st.lists(st.tuples(*[st.floats(allow_nan=True)] * 5), min_size=1, max_size=8),
    st.sampled_from(["xyz", "csv", "pts", "txt", "asc"]),
)
@settings(max_examples=50, deadline=None)
def test_a_scene_from_elsewhere_comes_back_exactly(tmp_path_factory, rows, suffix):
    path = tmp_path_factory.mktemp("text") / f"a.{suffix}"
    table = np.array(rows)
    with np.errstate(over="ignore"):
        scene = Scene(table[:, :3].astype(np.float32), source_points=table[:, :3], attributes={"a": table[:, 3:]})
    text.write(scene, path)
    again = text.read(path)
    assert np.array_equal(again.raw.original["x"], table[:, 0], equal_nan=True)
    assert np.array_equal(again.raw.original["z"], table[:, 2], equal_nan=True)
    assert np.array_equal(again.attributes["a_1"], table[:, 4], equal_nan=True)


def test_fields_of_a_scene_from_elsewhere(tmp_path):
    scene = Scene(
        np.eye(3),
        colors=np.arange(9).reshape(3, 3),
        normals=np.eye(3),
        intensity=[0.5, 0.25, 1],
        labels=[-1, 0, 1],
        instances=[1, -1, 0],
    )
    text.write(scene, tmp_path / "a.csv")
    again = text.read(tmp_path / "a.csv")
    for field in ("points", "colors", "normals", "intensity", "labels", "instances"):
        assert np.array_equal(getattr(again, field), getattr(scene, field)), field


def test_no_rows_below_a_header(tmp_path):
    assert len(_read(tmp_path, "x,y,z\n", "a.csv")) == 0
    text.write(Scene(np.zeros((0, 3))), tmp_path / "b.xyz")
    assert len(text.read(tmp_path / "b.xyz")) == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no points"),
        ("# only\n", "no points"),
        ("\0\1\2", "not text"),
        ("1 2 3\n\n4 5\n", "line 3 has 2 columns"),
        ("# c\n1 2 3\n4 five 6\n", "line 3: 'five'"),
        ("1 2\n3 4 5\n6 7 8\n", "line 1 has 2 columns, most rows have 3"),
        ("3\n", "3 points are promised"),
        ("\n# c\n\nx y z a\n1 2 3 4\n// d\n\n1 2 3 4\n1 2 3 four\n", "line 9: 'four'"),
        ("x,y\n1,2,3\n", "names 2 columns"),
        ("a b c\n1 2 3\n", "x, y and z"),
        ("1 2\n3 4\n", "x, y and z"),
    ],
)
def test_damage_is_one_line(tmp_path, content, words):
    with pytest.raises(InputError) as caught:
        _read(tmp_path, content)
    assert words in str(caught.value)
    assert str(tmp_path / "a.xyz") in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_text(content, encoding="utf-8")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ScanwiseWarning)
            scene = text.read(path)
    except InputError:
        return
    assert scene.points.shape == (len(scene), 3)


def test_a_count_of_nothing_is_a_scene_without_points(tmp_path):
    (tmp_path / "none.pts").write_text("0\n")
    assert len(text.read(tmp_path / "none.pts")) == 0


RNG = np.random.default_rng(0)
NEAR = RNG.uniform(0, 4, (400, 3)).round(3)
GREY = RNG.integers(30, 220, (400, 1)) + RNG.integers(-20, 20, (400, 3))


def _rows(*parts: np.ndarray) -> str:
    return "\n".join(" ".join(f"{value:g}" for value in row) for row in np.hstack(parts)) + "\n"


def test_what_was_assumed_of_columns_is_said_once(tmp_path):
    label = (NEAR[:, :1] > 2).astype(int) + 3
    with pytest.warns(ScanwiseWarning, match="taken for x, y, z, red, green, blue, label; `columns` says") as notes:
        scene = _read(tmp_path, _rows(NEAR, GREY, label))
    assert len(notes) == 1
    assert np.array_equal(scene.colors, GREY)
    assert np.array_equal(scene.labels, label[:, 0])


def test_the_users_names_of_columns_come_first(tmp_path):
    content = "a b c d e\n1 2 3 4 5\n4 5 6 7 8\n"
    scene = _read(tmp_path, content, columns=["label", "-", "x", "y", "z"])
    assert scene.points.tolist() == [[3, 4, 5], [6, 7, 8]]
    assert scene.labels.tolist() == [1, 4]
    assert list(scene.attributes) == ["column_2"]
    assert list(_read(tmp_path, content, columns=["x", "y", "z"]).attributes) == ["column_4", "column_5"]
    for columns, words in (["x", "y", "z", *"abc"], "6 columns are named, it has 5"), (["x", "y", "x"], "named twice"):
        with pytest.raises(InputError, match=words) as caught:
            _read(tmp_path, content, columns=columns)
        assert caught.value.option == "columns"


@pytest.mark.parametrize(
    "content",
    [
        "x;y;z;v\n1;2;3,5;\n4;5;6;8\n",
        "x,y,z,v\n1,2,3.5,NA\n4,5,6,8\n",
        "x,y,z,v,\n1,2,3.5,,\n4,5,6,8,\n",
        '"x","y","z","v"\n"1","2","3,5",""\n"4","5","6","8"\n',
        "x\ty\tz\tv\n1\t2\t3.5\t-1.#IND\n4\t5\t6\t8\n",
        "x y z v\n1 2 3.5 -\n4 5 6 8\n",
    ],
    ids=["empty", "NA", "trailing too", "quotes", "msvc", "dash"],
)
def test_cells_without_a_number(tmp_path, content):
    with pytest.warns(ScanwiseWarning, match="1 cells without a number"):
        scene = _read(tmp_path, content)
    assert scene.points.tolist() == [[1, 2, 3.5], [4, 5, 6]]
    np.testing.assert_array_equal(scene.attributes["v"], [np.nan, 8])


@pytest.mark.parametrize(
    "content",
    [
        "1,2,3.5,\n4,5,6,\n",
        "1;2;3,5;\n4;5;6;\n",
        "1\t2\t3,5\n4\t5\t6\n",
        "1,0 2,0 3,5\n4,0 5,0 6,0\n",
        '"1","2","3.5"\n"4","5","6"\n',
        '"","x","y","z"\n"1",1,2,3.5\n"2",4,5,6\n',
        "x y z\n1 1 2 3.5\n2 4 5 6\n",
        "2\r\n1 2 3.5\r\n4 5 6\r\n",
    ],
    ids=["comma", "semicolon", "tab", "blanks", "quotes", "index of pandas", "index of R", "windows"],
)
def test_ways_of_other_programs(tmp_path, content):
    assert _read(tmp_path, content).points.tolist() == [[1, 2, 3.5], [4, 5, 6]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_words_are_labels_in_any_encoding(tmp_path, encoding):
    (tmp_path / "a.csv").write_text("x,y,z,class\n1,2,3,Tür\n4,5,6,wall\n7,8,9,\n", encoding=encoding)
    scene = text.read(tmp_path / "a.csv")
    assert scene.classes == ["Tür", "wall"]
    assert scene.labels.tolist() == [0, 1, -1]
    text.write(scene, tmp_path / "b.csv")
    assert text.read(tmp_path / "b.csv").classes == ["Tür", "wall"]
    with pytest.warns(ScanwiseWarning, match="x, y, z, label"):
        bare = _read(tmp_path, "1 2 3 wall\n4 5 6 door\n")
    assert [bare.classes[label] for label in bare.labels] == ["wall", "door"]


def test_several_scans_and_counts_that_are_wrong(tmp_path):
    with pytest.warns(ScanwiseWarning, match="2 scans one after the other are read as one"):
        assert len(_read(tmp_path, "2\n1 2 3\n4 5 6\n1\n7 8 9\n", "a.pts")) == 3
    with pytest.warns(ScanwiseWarning, match="3 points are promised, 2 rows follow"):
        assert len(_read(tmp_path, "3\n1 2 3\n4 5 6\n", "a.pts")) == 2
    with pytest.warns(ScanwiseWarning, match="2 scans .* and 4 points are promised, 3 rows follow"):
        assert len(_read(tmp_path, "2\n1 2 3\n4 5 6\n2\n7 8 9\n", "a.pts")) == 3


def test_a_file_larger_than_the_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("scanwise.memory.free_memory", lambda: 1000.0)
    with pytest.raises(InputError, match="memory"):
        _read(tmp_path, "1 2 3\n" * 50)
