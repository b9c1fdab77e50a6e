"""LiDAR sweeps: the layout is told by the numbers, labels by SemanticKITTI's table, and all goes back exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import kitti
from scanwise.scene import Scene

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "lidar"


def _sweep(n: int, rings: bool = False) -> np.ndarray:
    rng = np.random.default_rng(n)
    columns = [rng.uniform(-80, 80, (n, 3)), rng.uniform(0, 1, (n, 1)) if not rings else rng.integers(0, 256, (n, 1))]
    if rings:
        columns.append(rng.integers(0, 32, (n, 1)))
    return np.hstack(columns).astype(np.float32)


@pytest.mark.parametrize("n", [40, 41])
@pytest.mark.parametrize("name", ["a.bin", "a.pcd.bin"])
@pytest.mark.parametrize("rings", [False, True])
def test_the_numbers_tell_the_layout(tmp_path, n, name, rings):
    rows = _sweep(n, rings)
    rows.tofile(tmp_path / name)
    scene = kitti.read(tmp_path / name)
    assert scene.raw.layout == ("nuScenes" if rings else "KITTI")
    assert scene.name == "a"
    assert np.array_equal(scene.points, rows[:, :3])
    assert np.allclose(scene.intensity, rows[:, 3] / (255 if rings else 1))
    assert ("ring" in scene.attributes) == rings
    kitti.write(scene, tmp_path / "out.bin")
    assert (tmp_path / "out.bin").read_bytes() == (tmp_path / name).read_bytes()


RAW = np.array([0, 1, 10 | 7 << 16, 252 | 7 << 16, 40, 72, 81, 259 | 2 << 16, 99], np.uint32)
INDEX = [-1, -1, 0, 0, 8, 16, 18, 4, -1]


@pytest.mark.parametrize("place", ["a.label", "../labels/a.label"])
def test_semantickitti(tmp_path, place):
    (tmp_path / "velodyne").mkdir()
    (tmp_path / "labels").mkdir()
    path = tmp_path / "velodyne" / "a.bin"
    _sweep(len(RAW)).tofile(path)
    RAW.tofile(path.parent / place)
    scene = kitti.read(path)
    assert scene.labels.tolist() == INDEX
    assert scene.classes[8] == "road"
    assert scene.instances.tolist() == [-1, -1, 1, 2, -1, -1, -1, 0, -1]
    assert np.array_equal(scene.attributes["semantickitti_label"], RAW)
    kitti.write(scene, tmp_path / "b.bin")
    assert np.array_equal(np.fromfile(tmp_path / "b.label", np.uint32), RAW)


def test_labels_that_changed_are_written_in_semantickitti_numbers(tmp_path):
    _sweep(len(RAW)).tofile(tmp_path / "a.bin")
    RAW.tofile(tmp_path / "a.label")
    scene = kitti.read(tmp_path / "a.bin")
    labels = np.arange(len(RAW), dtype=np.int32) - 1
    kitti.write(replace(scene, labels=labels), tmp_path / "b.bin")
    again = kitti.read(tmp_path / "b.bin")
    assert np.array_equal(again.labels, labels)
    assert np.array_equal(again.instances, scene.instances)


def test_other_classes_are_written_as_numbers(tmp_path):
    scene = Scene(np.eye(3), labels=[-1, 0, 1], classes=["sofa", "lamp"])
    with pytest.warns(ScanwiseWarning, match="class names"):
        kitti.write(scene, tmp_path / "a.bin")
    again = kitti.read(tmp_path / "a.bin")
    assert again.labels.tolist() == [-1, 0, 1]
    assert again.classes is None


def test_what_has_no_place_is_named(tmp_path):
    scene = Scene([[1e7 + 0.3, 0, 0]], source_points=np.array([[1e7 + 0.3, 0, 0]]), attributes={"t": np.zeros(1)})
    with pytest.warns(ScanwiseWarning) as caught:
        kitti.write(scene, tmp_path / "a.bin")
    texts = [str(warning.message) for warning in caught]
    assert any("rounded" in text for text in texts)
    assert any("t left out" in text for text in texts)


def test_rows_that_are_not_finite_stay(tmp_path):
    rows = _sweep(6)
    rows[2, 0] = np.nan
    rows[3, 3] = np.inf
    rows.tofile(tmp_path / "a.bin")
    scene = kitti.read(tmp_path / "a.bin")
    assert len(scene) == 6
    assert np.isfinite(scene.intensity).all()
    kitti.write(scene, tmp_path / "b.bin")
    assert (tmp_path / "a.bin").read_bytes() == (tmp_path / "b.bin").read_bytes()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"x" * 17, "no whole number"),
        (np.full(40, 1e20, np.float32).tobytes(), "neither"),
        (np.random.default_rng(0).normal(size=(40, 4)).astype(np.float64).tobytes(), "neither"),
    ],
    ids=["empty", "size", "huge", "float64"],
)
def test_no_sweep(tmp_path, content, word):
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(InputError, match=word) as caught:
        kitti.read(tmp_path / "a.bin")
    assert "\n" not in str(caught.value)


def test_labels_of_another_sweep(tmp_path):
    _sweep(5).tofile(tmp_path / "a.bin")
    RAW.tofile(tmp_path / "a.label")
    with pytest.raises(InputError, match=r"a\.label"):
        kitti.read(tmp_path / "a.bin")


@pytest.mark.skipif(not REAL.exists(), reason="real data is not here")
@pytest.mark.parametrize(
    ("name", "layout", "count"),
    [
        ("kitti_000008.bin", "KITTI", 17238),
        ("semantickitti_000000.bin", "KITTI", 123389),
        ("nuscenes_LIDAR_TOP.pcd.bin", "nuScenes", 34688),
    ],
)
def test_real_sweeps(tmp_path, name, layout, count):
    scene = kitti.read(REAL / name)
    assert (scene.raw.layout, len(scene)) == (layout, count)
    kitti.write(scene, tmp_path / name)
    assert (tmp_path / name).read_bytes() == (REAL / name).read_bytes()
    if "semantic" in name:
        found = {scene.classes[index] for index in np.unique(scene.labels) if index >= 0}
        assert {"car", "road", "vegetation"} <= found
        stem = name.removesuffix(".bin") + ".label"
        assert (tmp_path / stem).read_bytes() == (REAL / stem).read_bytes()
