"""SemanticKITTI's drives and KITTI's object frames, from trees written as their documentation has them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import scanwise
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import kitti, kitti_object, semantic_kitti

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "lidar"
# LiDAR (x forward, y left, z up) to camera (x right, y down, z forward), a little above and behind it.
TR = np.array([[0, -1, 0, 0.1], [0, 0, -1, -0.2], [1, 0, 0, -0.3], [0, 0, 0, 1]])


def _line(matrix: np.ndarray) -> str:
    return " ".join(f"{value:.9e}" for value in matrix[:3].ravel())


def _write_drive(folder: Path, lidar_poses: list[np.ndarray], sweeps: list[np.ndarray], labels=None) -> Path:
    for name in ("velodyne", "labels"):
        (folder / name).mkdir(parents=True)
    for index, points in enumerate(sweeps):
        np.column_stack([points, np.full(len(points), 0.5)]).astype("<f4").tofile(
            folder / "velodyne" / f"{index:06d}.bin"
        )
        if labels is not None:
            np.array(labels[index], "<u4").tofile(folder / "labels" / f"{index:06d}.label")
    cameras = [TR @ pose @ np.linalg.inv(TR) for pose in lidar_poses]
    (folder / "poses.txt").write_text("\n".join(_line(pose) for pose in cameras) + "\n")
    (folder / "calib.txt").write_text("".join(f"P{i}: {_line(np.eye(4))}\n" for i in range(4)) + f"Tr: {_line(TR)}\n")
    (folder / "times.txt").write_text("".join(f"{index / 10:e}\n" for index in range(len(sweeps))))
    return folder


def _turned(angle: float, shift: tuple[float, float, float]) -> np.ndarray:
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    pose[:3, 3] = shift
    return pose


@pytest.fixture
def drive(tmp_path):
    """Two sweeps of the same three places, the second from 5 m further on and turned left."""
    world = np.array([[10, 2, 0], [12, -3, 1], [20, 0, -1.5]])
    poses = [np.eye(4), _turned(0.3, (5, 1, 0.1))]
    sweeps = [(world - pose[:3, 3]) @ pose[:3, :3] for pose in poses]
    labels = [[40, 252 | 7 << 16, 10 | 2 << 16], [60, 252 | 7 << 16, 254 | 2 << 16]]
    return _write_drive(tmp_path / "sequences" / "08", poses, sweeps, labels)


def test_sweeps_come_with_the_lidars_pose(drive):
    sweeps = semantic_kitti.read_sequence(drive)
    assert len(sweeps) == len(list(sweeps)) == 2
    assert np.allclose(sweeps.times, [0, 0.1])
    scene, pose = sweeps[1]
    assert scene.name == "000001"
    assert np.allclose(pose, _turned(0.3, (5, 1, 0.1)), atol=1e-6)
    assert np.allclose(scene.points @ pose[:3, :3].T + pose[:3, 3], [[10, 2, 0], [12, -3, 1], [20, 0, -1.5]], atol=1e-4)
    assert len(sweeps[1:]) == 1
    assert sweeps[1:][0][0].name == "000001"


def test_moving_classes_are_their_static_ones_and_say_so(drive):
    scene, _ = semantic_kitti.read_sequence(drive)[1]
    assert [scene.classes[label] for label in scene.labels] == ["road", "car", "person"]
    assert scene.attributes["moving"].tolist() == [0, 1, 1]


def test_sweeps_are_accumulated_in_one_frame(drive):
    sweeps = semantic_kitti.read_sequence(drive)
    merged = semantic_kitti.accumulate(sweeps)
    assert np.allclose(merged.points[:3], merged.points[3:], atol=1e-4)
    assert merged.attributes["sweep"].tolist() == [0, 0, 0, 1, 1, 1]
    assert merged.instances[1] == merged.instances[4] >= 0
    assert len({*merged.instances[[1, 2, 5]]}) == 3
    assert merged.instances[0] == -1
    in_second = semantic_kitti.accumulate(sweeps, to=sweeps.poses[1])
    assert np.allclose(in_second.points[:3], sweeps[1][0].points, atol=1e-4)
    with pytest.raises(InputError, match="no sweeps"):
        semantic_kitti.accumulate([])


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("poses.txt", "1 0 0 0 0 1 0 0 0 0 1 0\n", "1 poses for 2 sweeps"),
        ("poses.txt", "1 0 0\n", "line 1 holds 3 numbers"),
        ("poses.txt", "nan 0 0 0 0 1 0 0 0 0 1 0\n" * 2, "line 1 is no pose"),
        ("poses.txt", "a 0 0 0 0 1 0 0 0 0 1 0\n" * 2, "not numbers"),
        ("calib.txt", "P0: 1 2 3\n", "no matrix Tr"),
        ("times.txt", "0.0\n", "1 times for 2 sweeps"),
        ("poses.txt", None, "cannot read"),
        ("calib.txt", None, "cannot read"),
    ],
)
def test_a_bad_drive_is_named(drive, file, text, message):
    (drive / file).unlink()
    if text is not None:
        (drive / file).write_text(text)
    with pytest.raises(InputError, match=f"{file}: .*{message}"):
        semantic_kitti.read_sequence(drive)


def test_labels_of_another_length_and_no_sweeps_are_named(drive, tmp_path):
    (drive / "labels" / "000000.label").write_bytes(b"1234")
    with pytest.raises(InputError, match=r"000000\.label"):
        semantic_kitti.read_sequence(drive)[0]
    with pytest.raises(InputError, match="no sweeps"):
        semantic_kitti.read_sequence(tmp_path)


@pytest.mark.skipif(not REAL.exists(), reason="the real sweeps are not here")
def test_a_real_sweep_in_a_drive(tmp_path):
    drive = _write_drive(tmp_path / "00", [np.eye(4)], [np.zeros((1, 3))])
    for suffix, folder in ((".bin", "velodyne"), (".label", "labels")):
        shutil.copy(REAL / f"semantickitti_000000{suffix}", drive / folder / f"000000{suffix}")
    scene, pose = semantic_kitti.read_sequence(drive)[0]
    assert len(scene) == 123389
    assert np.allclose(pose, np.eye(4))
    road = scene.points[scene.labels == scene.classes.index("road")]
    assert -2.2 < np.median(road[:, 2]) < -1.4  # the LiDAR stands 1.73 m above the road
    assert len(semantic_kitti.accumulate([(scene, pose)])) == len(scene)


def _write_object_frame(root: Path) -> np.ndarray:
    for name in ("velodyne", "image_2", "calib"):
        (root / name).mkdir(parents=True)
    points = np.array([[10, 0, 0], [10, 2, 0], [10, 0, 1]])
    np.column_stack([points, np.zeros(3)]).astype("<f4").tofile(root / "velodyne" / "000008.bin")
    Image.fromarray(np.zeros((375, 1242, 3), np.uint8)).save(root / "image_2" / "000008.png")
    p2 = np.array([[700, 0, 600, 42], [0, 700, 170, 0.2], [0, 0, 1, 0.003]])
    lines = {f"P{i}": _line(p2) for i in range(4)}
    lines["R0_rect"] = " ".join(f"{value:e}" for value in np.eye(3).ravel())
    lines |= {"Tr_velo_to_cam": _line(TR), "Tr_imu_to_velo": _line(np.eye(4))}
    (root / "calib" / "000008.txt").write_text("".join(f"{name}: {row}\n" for name, row in lines.items()) + "\n")
    pixels = (TR @ np.column_stack([points, np.ones(3)]).T)[:3]
    pixels = p2 @ np.vstack([pixels, np.ones(3)])
    return (pixels[:2] / pixels[2]).T


def _project(scene) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 2) of the points in the scene's one view, and their depths (N,)."""
    (view,) = scene.views
    to_camera = np.linalg.inv(view.camera_to_world)
    camera = scene.points @ to_camera[:3, :3].T + to_camera[:3, 3]
    pixels = camera @ view.intrinsics.T
    return pixels[:, :2] / pixels[:, 2:], camera[:, 2]


def test_an_object_frame_projects_as_kitti_says(tmp_path):
    expected = _write_object_frame(tmp_path)
    scene = kitti_object.read(tmp_path / "velodyne" / "000008.bin")
    assert np.allclose(_project(scene)[0], expected, atol=1e-3)
    assert scene.views[0].image_size == (375, 1242)
    assert scene.views[0].depth is None


def test_a_sweep_beside_its_picture_is_known_as_an_object_frame(tmp_path):
    _write_object_frame(tmp_path)
    beside = tmp_path / "beside"
    beside.mkdir()
    for place, name in (("velodyne/000008.bin", "8.bin"), ("image_2/000008.png", "8.png")):
        (tmp_path / place).rename(beside / name)
    assert not scanwise.read_scene(beside / "8.bin").views
    (tmp_path / "calib" / "000008.txt").rename(beside / "8.calib.txt")
    assert len(scanwise.read_scene(beside / "8.bin").views) == 1


@pytest.mark.parametrize("missing", ["image_2/000008.png", "calib/000008.txt"])
def test_a_missing_part_of_an_object_frame_is_named(tmp_path, missing):
    _write_object_frame(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(InputError, match=missing):
        kitti_object.read(tmp_path / "velodyne" / "000008.bin")


@pytest.mark.parametrize("text", ["1 2 3", "P2: 1 2\n", "words"])
def test_a_bad_calibration_of_an_object_frame_is_named(tmp_path, text):
    _write_object_frame(tmp_path)
    (tmp_path / "calib" / "000008.txt").write_text(text)
    with pytest.raises(InputError, match=r"000008\.txt"):
        kitti_object.read(tmp_path / "velodyne" / "000008.bin")


@pytest.mark.skipif(not REAL.exists(), reason="the real frame is not here")
def test_the_real_frame_fills_its_picture():
    """The sweep was cropped to the picture by whoever made the copy: so its points fall just inside the edges."""
    with pytest.warns(ScanwiseWarning, match="P2 alone"):
        scene = kitti_object.read(REAL / "kitti_000008.bin")
    assert np.array_equal(scene.points, kitti.read(REAL / "kitti_000008.bin").points)
    pixels, depth = _project(scene)
    height, width = scene.views[0].image_size
    assert (depth > 0).all()
    assert np.abs(pixels[:, 0].min()) < 3
    assert np.abs(pixels[:, 0].max() - width) < 3
    assert pixels[:, 1].max() < height
