"""What is at a path decides how it is read, its suffix how it is written; what cannot be is one line."""

from __future__ import annotations

import importlib
import subprocess
import sys

import numpy as np
import pytest
import trimesh

from scanwise.errors import InputError, OutputError, ScanwiseError, ScanwiseWarning
from scanwise.formats import registry
from scanwise.formats.registry import column_suffixes, read_scene, write_scene
from scanwise.scene import Scene

WRITABLE = [suffix for form in registry._FILES if form.writes for suffix in form.suffixes]


@pytest.fixture
def scene() -> Scene:
    rng = np.random.default_rng(0)
    return Scene(rng.uniform(0, 5, (40, 3)), intensity=rng.random(40), labels=rng.integers(-1, 3, 40))


def test_every_format_has_its_module():
    for form in registry._FILES:
        module = form.load()
        assert callable(module.read)
        assert hasattr(module, "write") == form.writes
    for name in registry._FOLDERS:
        module = importlib.import_module(f"scanwise.formats.{name}")
        assert callable(module.recognises)
        assert callable(module.read)


@pytest.mark.parametrize("suffix", WRITABLE)
@pytest.mark.parametrize("upper", [False, True])
def test_every_format_that_is_written_is_read(tmp_path, scene, suffix, upper):
    path = tmp_path / f"a.{suffix.upper() if upper else suffix}"
    write_scene(scene, path)
    again = read_scene(str(path))
    assert np.abs(again.points_in_source() - scene.points).max() < 1e-6
    assert again.source_format == suffix
    assert again.name == "a"


@pytest.mark.parametrize("suffix", sorted(column_suffixes()))
def test_an_answer_goes_out_in_the_format_of_the_input(tmp_path, scene, suffix):
    write_scene(scene, tmp_path / f"a.{suffix}")
    label = np.arange(40, dtype=np.int32) - 1
    confidence = np.linspace(0, 1, 40, dtype=np.float32)
    answer = read_scene(tmp_path / f"a.{suffix}").with_columns(label=label, confidence=confidence)
    write_scene(answer, tmp_path / f"b.{suffix}")
    again = read_scene(tmp_path / f"b.{suffix}")
    found = again.attributes.get("label", again.labels)
    assert np.array_equal(found, label)
    assert np.allclose(again.attributes["confidence"], confidence, atol=1e-7)
    assert np.array_equal(again.points, scene.points) or np.abs(again.points - scene.points).max() < 1e-6


def test_a_path_without_suffix_is_a_scene_folder(tmp_path, scene):
    write_scene(scene, tmp_path / "room")
    assert (tmp_path / "room/scene.json").is_file()
    assert np.array_equal(read_scene(tmp_path / "room").labels, scene.labels)


def test_a_sweep_of_two_suffixes(tmp_path, scene):
    write_scene(scene, tmp_path / "a.pcd.bin")
    again = read_scene(tmp_path / "a.pcd.bin")
    assert again.name == "a"
    assert np.array_equal(again.labels, scene.labels)


def test_meshes_are_read_and_not_written(tmp_path, scene):
    trimesh.creation.box().export(tmp_path / "a.obj")
    assert len(read_scene(tmp_path / "a.obj")) == 60_000
    with pytest.raises(OutputError, match="cannot write this format; choose one of ply"):
        write_scene(scene, tmp_path / "b.obj")


def _files(folder, *names):
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def _one_line(path, words) -> None:
    with pytest.raises(InputError) as caught:
        read_scene(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_read(tmp_path):
    (tmp_path / "kitchen.ply").write_bytes(b"")
    _one_line(tmp_path / "kitchn.ply", f"did you mean {tmp_path / 'kitchen.ply'}?")
    _one_line(tmp_path / "nowhere/at/all.ply", "no such file")
    _one_line(tmp_path / ("long" * 100), "cannot read")
    _one_line(tmp_path / "kitchen.ply/inside.ply", "no such file")
    _one_line(_files(tmp_path / "none"), "the folder is empty")
    _one_line(_files(tmp_path / "other", "a.mp3", "b.doc"), "1 .mp3")
    _one_line(_files(tmp_path / "clouds", "a.ply", "b.las"), "holds 2 clouds")
    (tmp_path / "film.mp4").write_bytes(b"")
    _one_line(tmp_path / "film.mp4", "known are ply, pcd, las")
    (tmp_path / "noname").write_bytes(b"")
    _one_line(tmp_path / "noname", "unknown format")


@pytest.mark.parametrize("suffix", sorted(registry._BY_SUFFIX))
@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 101, b"hello\n"], ids=["empty", "bytes", "words"])
def test_rubbish_in_any_format_is_one_line(tmp_path, suffix, content):
    (tmp_path / f"a.{suffix}").write_bytes(content)
    _one_line(tmp_path / f"a.{suffix}", f"a.{suffix}")


@pytest.mark.parametrize("suffix", WRITABLE)
def test_a_place_that_cannot_be_written(tmp_path, scene, suffix):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError):
        write_scene(scene, tmp_path / "file" / f"a.{suffix}")


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("suffix", WRITABLE)
def test_no_point_and_one_point(tmp_path, suffix, count):
    path = tmp_path / f"a.{suffix}"
    write_scene(Scene(np.ones((count, 3)), intensity=np.ones(count)), path)
    try:
        assert len(read_scene(path)) == count
    except ScanwiseError:
        assert suffix == "bin"
        assert count == 0


def test_start_up_loads_no_library_of_a_format():
    code = (
        "import scanwise.formats.registry, sys; print([m for m in ('laspy', 'trimesh', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("suffix", ["ply", "pcd", "las", "laz", "csv", "xyz", "npz"])
def test_colours_and_normals_that_are_all_zero_are_not_known_in_any_format(tmp_path, scene, suffix):
    path = tmp_path / f"a.{suffix}"
    write_scene(Scene(scene.points, np.zeros((40, 3), np.uint8), normals=np.zeros((40, 3))), path)
    with pytest.warns(ScanwiseWarning, match="a.*: colours.* are all 0") as notes:
        again = read_scene(path)
    assert len(notes) == 1
    assert again.colors is None
    assert again.normals is None


def test_columns_can_be_named_where_the_file_does_not(tmp_path):
    (tmp_path / "a.txt").write_text("1 2 3 4\n5 6 7 8\n")
    assert read_scene(tmp_path / "a.txt", columns=["x", "y", "z", "label"]).labels.tolist() == [4, 8]
    np.save(tmp_path / "a.npy", np.arange(8).reshape(2, 4))
    assert read_scene(tmp_path / "a.npy", columns=["label", "x", "y", "z"]).labels.tolist() == [0, 4]
    write_scene(Scene(np.ones((2, 3))), tmp_path / "a.ply")
    with pytest.raises(InputError, match="the format names its columns itself") as caught:
        read_scene(tmp_path / "a.ply", columns=["x", "y", "z"])
    assert caught.value.option == "columns"
