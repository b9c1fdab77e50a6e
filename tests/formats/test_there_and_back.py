"""Every format x every column, there and back, also through a third one: kept, or told in one line."""

from __future__ import annotations

import warnings
from pathlib import Path

import laspy
import numpy as np
import pytest

from scanwise.errors import ScanwiseWarning
from scanwise.formats import las, registry
from scanwise.formats.registry import read_scene, write_scene
from scanwise.scene import Scene

N = 60
FORMATS = [*(suffix for form in registry._FILES if form.writes for suffix in form.suffixes), ""]
HOLDS_NAMES = {"ply", "pcd", "las", "laz", "npz", "xyz", "txt", "asc", "pts", ""}


def _points(seed: int = 0) -> np.ndarray:
    return np.round(np.random.default_rng(seed).uniform(0, 5, (N, 3)), 3).astype(np.float32)


def _normals() -> np.ndarray:
    normals = np.random.default_rng(1).normal(size=(N, 3))
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


_RNG = np.random.default_rng(2)
COLUMNS = {
    "colors": {"colors": _RNG.integers(0, 256, (N, 3))},
    "normals": {"normals": _normals()},
    "intensity": {"intensity": np.round(_RNG.random(N), 3)},
    "faint intensity": {"intensity": np.round(_RNG.random(N) * 0.002, 6)},
    "labels": {"labels": _RNG.integers(-1, 3, N)},
    "instances": {"instances": _RNG.integers(-1, 9, N)},
    "named labels": {"labels": _RNG.integers(-1, 3, N), "classes": ["wall", 'a "long" chair, ü', "floor"]},
    "ASPRS": {"labels": _RNG.integers(-1, 2, N), "classes": ["Building", "ground"]},
    "named and instances": {"labels": np.arange(N) % 5 % 2, "classes": ["a", "b"], "instances": np.arange(N) % 5 - 1},
}


def _through(scene: Scene, folder: Path, *suffixes: str) -> tuple[Scene, str]:
    """The scene as it comes back from one format after the other, and what was noted on the way."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ScanwiseWarning)
        for number, suffix in enumerate(suffixes):
            path = folder / f"{number}.{suffix}" if suffix else folder / str(number)
            write_scene(scene, path)
            scene = read_scene(path)
    return scene, " ".join(str(note.message) for note in caught)


def _names(scene: Scene) -> list[str | None]:
    if scene.classes is None or scene.labels is None:
        return []
    return [None if label < 0 else scene.classes[label] for label in scene.labels]


def _check(before: Scene, after: Scene, said: str) -> None:
    assert np.abs(after.points_in_source() - before.points_in_source()).max() < 1e-6
    for field in ("colors", "normals", "intensity", "labels"):
        was, found = getattr(before, field), getattr(after, field)
        if was is None or (found is None and field in said):
            continue
        assert found is not None, (field, said)
        if field == "labels" and before.classes:
            continue
        tolerance = {"normals": 1e-6, "intensity": 1 / 65535}.get(field, 0)
        assert np.abs(found.astype(float) - was).max() <= tolerance, field
    if before.instances is not None:
        assert after.instances is not None, said
        assert len(set(zip(before.instances, after.instances, strict=True))) == len(set(before.instances))
        assert np.array_equal(before.instances < 0, after.instances < 0)
    if before.classes:
        assert _names(after) == _names(before) or "names" in said


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("suffix", FORMATS)
def test_there_and_back(tmp_path, suffix, column):
    scene = Scene(_points(), **COLUMNS[column])
    after, said = _through(scene, tmp_path, suffix)
    _check(scene, after, said)
    if suffix in HOLDS_NAMES:
        assert said == ""
        assert after.classes == scene.classes


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
def test_through_a_third_format(tmp_path, first, second):
    everything: dict = {"colors": COLUMNS["colors"]["colors"], **COLUMNS["normals"], **COLUMNS["intensity"]}
    scene = Scene(_points(), **everything, **COLUMNS["named and instances"])
    after, said = _through(scene, tmp_path, first, second, first)
    _check(scene, after, said)


@pytest.mark.parametrize("suffix", sorted(HOLDS_NAMES - {"laz"}))
def test_a_survey_comes_back_through_any_format(tmp_path, suffix):
    """Codes, returns, times, user classes and colours of 16 bits."""
    data = laspy.LasData(laspy.LasHeader(point_format=7, version="1.4"))
    data.header.offsets, data.header.scales = [690000, 5336000, 500], [0.01, 0.01, 0.001]
    rng = np.random.default_rng(0)
    data.x, data.y, data.z = (rng.uniform(low, low + 50, N) for low in (691234, 5337000, 512))
    data.classification = rng.choice([0, 2, 6, 9, 64], N)
    data.red, data.green, data.blue = rng.integers(0, 65536, (3, N))
    data.return_number[:] = rng.integers(1, 4, N)
    data.gps_time = rng.uniform(1e8, 2e8, N)
    data.intensity = rng.integers(0, 65536, N)
    data.write(tmp_path / "a.las")
    after, said = _through(read_scene(tmp_path / "a.las"), tmp_path, suffix)
    write_scene(after, tmp_path / "b.las")
    again = laspy.read(tmp_path / "b.las")
    names = ["classification", "return_number", "gps_time", "intensity"]
    if "16 bits" not in said:
        names += ["red", "green", "blue"]
    for name in names:
        assert np.array_equal(again[name], data[name]), name
    assert np.abs(again.xyz - data.xyz).max() < 1e-6
    assert read_scene(tmp_path / "b.las").classes == read_scene(tmp_path / "a.las").classes


@pytest.mark.parametrize("suffix", FORMATS)
def test_further_columns_come_back_with_every_bit(tmp_path, suffix):
    attributes = {
        "whole": np.arange(N, dtype=np.int64) * 10**6,
        "time": np.random.default_rng(0).uniform(1e8, 2e8, N),
        "flag": np.arange(N) % 2 == 0,
        "a name that is longer than thirty-two bytes, one": np.arange(N),
        "a name that is longer than thirty-two bytes, two": np.arange(N)[::-1].copy(),
    }
    after, said = _through(Scene(_points(), attributes=attributes), tmp_path, suffix)
    for name, column in attributes.items():
        found = after.attributes.get(name, after.attributes.get("_".join(name.replace(",", "_").split())))
        if found is None:
            found = after.attributes.get("_".join(name.split()))
        assert (found is None and name in said) or np.array_equal(found, column), name


@pytest.mark.parametrize("suffix", ["ply", "pcd", "las", "npz", "npy", "csv", "txt"])
def test_coordinates_of_64_bits(tmp_path, suffix):
    exact = np.round(np.random.default_rng(0).uniform(0, 9, (N, 3)), 4) + np.array([691234.5, 5337000.25, 512])
    after, _ = _through(Scene(exact - exact[0], source_points=exact), tmp_path, suffix)
    assert np.abs(after.points_in_source() - exact).max() < 1e-9
    assert np.abs(after.points - after.points[0] - (exact - exact[0])).max() < 1e-3


def test_whole_numbers_that_ply_rounds_are_told(tmp_path):
    after, said = _through(Scene(_points(), attributes={"id": np.full(N, 2**60 + 1)}), tmp_path, "ply")
    assert "column id holds integers beyond 2^53" in said
    assert after.attributes["id"][0] == 2.0**60


def test_an_answer_does_not_take_the_names_of_other_labels(tmp_path):
    scene = Scene(_points(), labels=np.arange(N) % 2, classes=["a", "b"])
    answered = scene.with_columns(label=np.arange(N) % 5)
    for suffix in ("ply", "pcd", "npz", "las", "txt"):
        after, _ = _through(answered, tmp_path, suffix)
        assert after.classes is None
        assert np.array_equal(after.labels, np.arange(N) % 5)
        assert np.array_equal(after.attributes["label_in"], scene.labels)


def test_las_keeps_the_class_names_of_a_record(tmp_path):
    scene = Scene(_points(), labels=np.arange(N) % 3 - 1, classes=["chair", "table"], instances=np.arange(N) % 4 - 1)
    write_scene(scene, tmp_path / "a.laz")
    once = read_scene(tmp_path / "a.laz")
    write_scene(once, tmp_path / "b.laz")
    twice = read_scene(tmp_path / "b.laz")
    for found in (once, twice):
        assert (found.classes, list(found.attributes)) == (scene.classes, ["return_number", "number_of_returns"])
        assert np.array_equal(found.labels, scene.labels)
        assert np.array_equal(found.instances, scene.instances)
    once.labels, once.classes = np.arange(N, dtype=np.int32) % 2, ["b", "a"]
    write_scene(once, tmp_path / "c.laz")
    changed = read_scene(tmp_path / "c.laz")
    assert (changed.classes, changed.labels.tolist()) == (["b", "a"], once.labels.tolist())


def test_names_of_asprs_become_codes_and_come_back_as_they_were(tmp_path):
    scene = Scene(_points(), labels=np.arange(N) % 4 - 1, classes=["Building", "high vegetation", "user 70"])
    write_scene(scene, tmp_path / "a.las")
    codes = laspy.read(tmp_path / "a.las").classification
    assert np.array_equal(np.unique(codes), [0, 5, 6, 70])
    again = read_scene(tmp_path / "a.las")
    assert again.classes == scene.classes
    assert np.array_equal(again.labels, scene.labels)


def test_names_that_do_not_fit_the_labels_are_left_out_and_told(tmp_path):
    (tmp_path / "a.xyz").write_text('# classes: ["a", "b"]\n# x y z label\n0 0 0 7\n1 0 0 0\n')
    with pytest.warns(ScanwiseWarning, match="names 2 classes and has label 7"):
        assert read_scene(tmp_path / "a.xyz").classes is None


def test_a_note_of_scanwise_that_was_damaged_is_passed_over(tmp_path):
    scene = Scene(_points(), labels=np.arange(N) % 2, classes=["chair", "table"])
    write_scene(scene, tmp_path / "a.las")
    content = (tmp_path / "a.las").read_bytes()
    for wrong in (b'["chair", 5', b"[[[[", b'{"a": 1'):
        (tmp_path / "b.las").write_bytes(content.replace(b'["chair", "table"', wrong.ljust(17)))
        assert np.array_equal(las.read(tmp_path / "b.las").labels, scene.labels)


@pytest.mark.parametrize("suffix", ["ply", "pcd", "txt"])
def test_many_names_are_several_short_lines(tmp_path, suffix):
    classes = [f"a class with the number {number}" for number in range(200)]
    write_scene(Scene(_points(), labels=np.arange(N), classes=classes), tmp_path / f"a.{suffix}")
    header = (tmp_path / f"a.{suffix}").read_bytes()[:20_000]
    assert max(len(line) for line in header.split(b"\n") if b"classes:" in line) < 256
    assert read_scene(tmp_path / f"a.{suffix}").classes == classes
