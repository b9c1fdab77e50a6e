"""Columns into a Scene and back: nothing of a file is lost, and what changed in the scene wins."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats.columns import Columns, columns_from_scene, scene_from_columns
from scanwise.scene import Scene

DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "?"]
NAMES = ["red", "green", "blue", "r", "g", "b", "rgb", "rgba", "nx", "ny", "nz", "intensity", "label"]
NAMES += ["class", "instance", "Label", "scalar_Label", "label_in", "confidence", "time", "odd name"]


def xyz(rows=4, dtype="f4"):
    values = np.arange(rows * 3, dtype=dtype).reshape(rows, 3)
    return {name: np.ascontiguousarray(values[:, k]) for k, name in enumerate("xyz")}


def read(columns, **more):
    return scene_from_columns(xyz(len(next(iter(columns.values())))) | columns, name="s", source_format="ply", **more)


def assert_equal_columns(found, expected):
    assert list(found) == list(expected)
    for name, column in expected.items():
        assert found[name].dtype == column.dtype, name
        assert found[name].tobytes() == column.tobytes(), name


@st.composite
def tables(draw):
    rows = draw(st.integers(0, 5))
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=6))
    types = {name: draw(st.sampled_from(DTYPES)) for name in names}
    types |= {name: draw(st.sampled_from(["f4", "f8", "i4"])) for name in "xyz"}
    order = draw(st.permutations(list(types)))
    return {name: draw(hnp.arrays(types[name], rows)) for name in order}


@pytest.mark.filterwarnings("ignore::scanwise.errors.ScanwiseWarning")
@settings(max_examples=150, deadline=None)
@given(tables())
def test_an_untouched_scene_gives_back_exactly_the_columns_it_came_from(columns):
    scene = scene_from_columns(columns, name="s", source_format="ply")
    assert_equal_columns(columns_from_scene(scene), columns)


@pytest.mark.filterwarnings("ignore::scanwise.errors.ScanwiseWarning")
@settings(max_examples=60, deadline=None)
@given(tables())
def test_added_columns_follow_and_the_files_own_are_renamed(columns):
    scene = scene_from_columns(columns, name="s", source_format="ply")
    label, confidence = np.arange(len(scene), dtype=np.int32), np.full(len(scene), 0.25, np.float32)
    written = columns_from_scene(scene.with_columns(label=label, confidence=confidence))
    assert list(written)[-2:] == ["label", "confidence"]
    assert written["label"] is label
    before = list(written.items())[:-2]
    assert len(before) == len(columns)
    for (name, column), (old_name, old) in zip(before, columns.items(), strict=True):
        assert name.startswith(old_name)
        assert column.tobytes() == old.tobytes()


def test_labelling_twice_keeps_the_first_answer_under_another_name():
    first = read({"red": np.ones(4, "u1"), "green": np.zeros(4, "u1"), "blue": np.zeros(4, "u1")})
    ones, halves = np.ones(4, "i4"), np.full(4, 0.5, "f4")
    once = columns_from_scene(first.with_columns(label=ones, confidence=halves))
    again = scene_from_columns(once, name="s", source_format="ply")
    np.testing.assert_array_equal(again.labels, ones)
    twice = columns_from_scene(again.with_columns(label=ones * 2, confidence=halves / 2))
    assert list(twice) == [*"xyz", "red", "green", "blue", "label_in", "confidence_in", "label", "confidence"]
    np.testing.assert_array_equal(twice["label_in"], ones)
    np.testing.assert_array_equal(twice["confidence_in"], halves)
    np.testing.assert_array_equal(twice["label"], ones * 2)


def test_an_answer_that_equals_an_earlier_one_is_still_added():
    ones, halves = np.ones(4, "i4"), np.full(4, 0.5, "f4")
    scene = read({"label": ones, "confidence": halves})
    written = columns_from_scene(scene.with_columns(label=ones.copy(), confidence=halves.copy()))
    assert list(written) == [*"xyz", "label_in", "confidence_in", "label", "confidence"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0, 7, 255], "u1"), [0, 7, 255]),
        (np.array([0, 7, 255], "u2"), [0, 7, 255]),
        (np.array([0, 257 * 7, 65535], "u2"), [0, 7, 255]),
        (np.array([0, 257 * 7, 65535], "i4"), [0, 7, 255]),
        (np.array([0.0, 0.2, 1.0], "f4"), [0, 51, 255]),
        (np.array([0.0, 51.2, 255.0], "f8"), [0, 51, 255]),
        (np.array([np.nan, np.inf, 1.0], "f4"), [0, 0, 255]),
    ],
)
def test_colours_of_any_type_become_8_bits(values, expected):
    for names in (("red", "green", "blue"), ("R", "G", "B"), ("diffuse_red", "diffuse_green", "diffuse_blue")):
        scene = read(dict.fromkeys(names, values))
        np.testing.assert_array_equal(scene.colors, np.repeat(np.array(expected, "u1")[:, None], 3, axis=1))
        assert scene.attributes == {}


@pytest.mark.parametrize("dtype", ["u4", "i4", "f4"])
def test_packed_colours_are_read_bit_by_bit(dtype):
    packed = np.array([0x00FF8001, 0xFF010203], "u4").view(dtype)
    scene = read({"rgb": packed})
    np.testing.assert_array_equal(scene.colors, [[255, 128, 1], [1, 2, 3]])
    assert columns_from_scene(scene)["rgb"].tobytes() == packed.tobytes()


def test_normals_are_made_unit_and_zero_stays_zero():
    scene = read({"nx": np.array([2.0, 0, np.nan, 0]), "ny": np.array([0.0, 0, 1, 3]), "nz": np.array([0.0, 0, 0, 4])})
    np.testing.assert_allclose(scene.normals, [[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0.6, 0.8]], atol=1e-7)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0, 51, 255], "u1"), [0, 0.2, 1]),
        (np.array([0, 13107, 65535], "u2"), [0, 0.2, 1]),
        (np.array([0, 0.2, 1], "f4"), [0, 0.2, 1]),
        (np.array([0, 51, 200], "f4"), [0, 0.2, 200 / 255]),
        (np.array([0, 1e6, 5e6], "f8"), [0, 0.2, 1]),
        (np.array([-1, np.nan, 1], "f8"), [0, 0, 1]),
    ],
)
def test_intensity_lands_between_0_and_1(values, expected):
    for name in ("intensity", "scalar_Intensity", "reflectance"):
        np.testing.assert_allclose(read({name: values}).intensity, expected, atol=1e-6)


def test_whole_numbered_labels_and_instances_are_fields_and_others_attributes():
    scene = read({"scalar_Label": np.array([2.0, np.nan, -5.0]), "instance_id": np.array([9, 0, 1], "u2")})
    np.testing.assert_array_equal(scene.labels, [2, -1, -1])
    np.testing.assert_array_equal(scene.instances, [9, 0, 1])
    scene = read({"label": np.array([0.5, 1, 2]), "instance": np.array([2**40, 1, 2])})
    assert scene.labels is None
    assert scene.instances is None
    assert list(scene.attributes) == ["label", "instance"]


def test_float64_points_far_away_are_shifted_by_whole_metres_and_come_back_exactly():
    columns = {"x": np.array([500000.1234567, np.nan]), "y": np.array([4.2e6, 0.0]), "z": np.array([12.5, 1.0])}
    scene = scene_from_columns(columns, name="s", source_format="ply")
    np.testing.assert_array_equal(scene.to_source[:3, 3], [500000, 4.2e6, 12])
    np.testing.assert_allclose(scene.points[0], [0.1234567, 0, 0.5], atol=1e-7)
    assert not scene.finite[1]
    assert scene.points_in_source().dtype == np.float64
    assert_equal_columns(columns_from_scene(scene), columns)


def test_float64_points_nearby_stay_where_they_are():
    scene = scene_from_columns(xyz(dtype="f8"), name="s", source_format="ply")
    np.testing.assert_array_equal(scene.to_source, np.eye(4))
    assert scene.source_points.dtype == np.float64


def test_a_field_that_changed_replaces_its_columns():
    grey = np.full(4, 0.5, "f4")
    scene = read({"r": grey, "g": grey, "b": grey, "label": np.arange(4, dtype="u1"), "time": grey})
    scene.colors[0] = 9
    written = columns_from_scene(replace(scene, labels=None, instances=np.arange(4)))
    assert list(written) == [*"xyz", "red", "green", "blue", "time", "instance"]
    np.testing.assert_array_equal(written["red"], [9, 128, 128, 128])
    assert written["red"].dtype == np.uint8


def test_a_changed_field_does_not_overwrite_an_unrelated_column_of_its_name():
    scene = replace(read({"label": np.array([0.5, 1.5])}), labels=np.array([3, 4]))
    written = columns_from_scene(scene)
    np.testing.assert_array_equal(written["label"], [3, 4])
    np.testing.assert_array_equal(written["label_in"], [0.5, 1.5])


def test_a_scene_that_was_turned_upright_gives_back_its_columns():
    rng = np.random.default_rng(0)
    points, normals = rng.normal(size=(2, 50, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    columns = {
        n: c.astype("f4") for n, c in zip(["x", "y", "z", "nx", "ny", "nz"], [*points.T, *normals.T], strict=True)
    }
    scene = scene_from_columns(columns, name="s", source_format="ply")
    up = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    to_source = np.eye(4)
    to_source[:3, :3] = up.T
    turned = replace(scene, points=scene.points @ up.T, normals=scene.normals @ up.T, to_source=to_source)
    assert not np.allclose(turned.points, scene.points, atol=0.1)
    assert_equal_columns(columns_from_scene(turned), columns)
    moved = replace(turned, points=turned.points + 1)
    np.testing.assert_allclose(columns_from_scene(moved)["x"], moved.points_in_source()[:, 0])


def test_a_scene_of_no_file_or_of_other_rows_is_written_from_its_fields():
    scene = read({"time": np.arange(4.0), "class": np.arange(4)})
    part = replace(scene, points=scene.points[:2], labels=scene.labels[:2], attributes={"time": np.arange(2.0)})
    assert list(columns_from_scene(part)) == [*"xyz", "label", "time"]
    fresh = Scene(np.zeros((3, 3)), normals=np.eye(3), intensity=np.ones(3))
    assert list(columns_from_scene(fresh)) == [*"xyz", "nx", "ny", "nz", "intensity"]


def test_extras_and_texts_are_carried():
    scene = read({"note": np.array(["a", "b"])}, raw="extras")
    assert isinstance(scene.raw, Columns)
    assert scene.raw.extras == "extras"
    assert scene.attributes["note"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"x": np.zeros(2), "y": np.zeros(2), "h": np.zeros(2)}, "x, y, h"),
        ({"x": np.zeros(2), "y": np.zeros(2), "z": np.array(["a", "b"])}, "of numbers"),
        (xyz(2) | {"t": np.zeros(3)}, "t has 3 rows, x has 2"),
        ({}, "none"),
    ],
)
def test_columns_that_make_no_scene_are_refused(columns, said):
    with pytest.raises(InputError, match=said) as caught:
        scene_from_columns(columns, name="s", source_format="ply", where="some/file.ply")
    assert str(caught.value).startswith("some/file.ply: ")


def test_what_is_all_zero_is_not_known_and_still_goes_back_out():
    zeros = {name: np.zeros(4, "f4") for name in ("red", "green", "blue", "nx", "ny", "nz", "intensity")}
    with pytest.warns(ScanwiseWarning, match="colours, normals, intensities are all 0") as notes:
        scene = read(zeros)
    assert len(notes) == 1
    assert (scene.colors, scene.normals, scene.intensity, scene.attributes) == (None, None, None, {})
    assert_equal_columns(columns_from_scene(scene), xyz() | zeros)
    scene.colors = np.full((4, 3), 7, np.uint8)
    assert columns_from_scene(scene)["red"].tolist() == [7] * 4
    assert "red_in" not in columns_from_scene(scene)


def test_labels_of_words_go_out_as_words_or_as_numbers():
    words = np.array(["wall", "", "door", "None"])
    scene = read({"class": words})
    assert scene.classes == ["door", "wall"]
    assert scene.labels.tolist() == [1, -1, 0, -1]
    assert columns_from_scene(scene, texts=True)["class"] is words
    assert columns_from_scene(scene)["label"].tolist() == [1, -1, 0, -1]
    assert read({"class": words, "label": np.arange(4)}).labels.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("names", [("X [m]", "Y [m]", "Z [m]"), ("Easting", "Northing", "Height"), ("PX", "PY", "PZ")])
def test_other_names_of_coordinates(names):
    scene = scene_from_columns(dict(zip(names, np.eye(3), strict=True)), name="s", source_format="csv")
    np.testing.assert_array_equal(scene.points, np.eye(3))
