"""Waymo's components, from parquet files with the columns that its documentation lists."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import waymo

TIMES = (1_000_000, 1_100_000)
HEIGHT, WIDTH = 4, 8


def _write(root, component: str, rows: list[dict]) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    (root / component).mkdir(exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows), root / component / "seg.parquet")


def _key(time: int | None = None, laser: int | None = None) -> dict:
    key: dict = {"key.segment_context_name": "seg"}
    key |= {} if time is None else {"key.frame_timestamp_micros": time}
    return key | ({} if laser is None else {"key.laser_name": laser})


def _image(component: str, image: np.ndarray) -> dict:
    name = f"[{component}].range_image_return1"
    return {f"{name}.values": image.ravel().tolist(), f"{name}.shape": list(image.shape)}


def _pose(angle: float, shift: tuple[float, float, float]) -> np.ndarray:
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    pose[:3, 3] = shift
    return pose


EXTRINSIC = {1: _pose(0.4, (1.4, 0, 2.2)), 2: _pose(0, (4, 0, 1))}
VEHICLE = {TIMES[0]: _pose(0, (100, 50, 0)), TIMES[1]: _pose(np.pi / 2, (101, 50, 0))}


def _range_image() -> np.ndarray:
    image = np.zeros((HEIGHT, WIDTH, 4), np.float32)
    image[..., 0] = -1
    image[0, 3] = [10, 0.5, 0.1, -1]
    image[3, 6] = [20, 3.0, 0.2, 1]
    return image


@pytest.fixture
def root(tmp_path):
    calibration = "[LiDARCalibrationComponent]"
    lasers = [
        _key(laser=laser)
        | {f"{calibration}.extrinsic.transform": pose.ravel().tolist()}
        | {f"{calibration}.beam_inclination.min": -0.4, f"{calibration}.beam_inclination.max": 0.4}
        | {f"{calibration}.beam_inclination.values": [-0.3, -0.2, -0.1, 0.1] if laser == 1 else None}
        for laser, pose in EXTRINSIC.items()
    ]
    _write(tmp_path, "lidar_calibration", lasers)
    image = _image("LiDARComponent", _range_image())
    _write(tmp_path, "lidar", [_key(time, laser) | image for time in TIMES for laser in EXTRINSIC])
    pose = "[VehiclePoseComponent].world_from_vehicle.transform"
    _write(tmp_path, "vehicle_pose", [_key(time) | {pose: VEHICLE[time].ravel().tolist()} for time in TIMES[::-1]])
    labels = np.zeros((HEIGHT, WIDTH, 2), np.int32)
    labels[0, 3], labels[3, 6] = (7, 1), (0, 18)
    _write(tmp_path, "lidar_segmentation", [_key(TIMES[0], 1) | _image("LiDARSegmentationLabelComponent", labels)])
    box = {"box.center": (5, 1, 1), "box.size": (4.5, 2, 1.6), "speed": (0, 3, 0)}
    numbers = {f"[LiDARBoxComponent].{name}.{a}": float(v) for name, xyz in box.items() for a, v in zip("xyz", xyz)}  # noqa: B905
    numbers |= {"[LiDARBoxComponent].box.heading": 0.25, "[LiDARBoxComponent].type": 1}
    _write(tmp_path, "lidar_box", [_key(TIMES[1]) | {"key.laser_object_id": "x"} | numbers])
    pixels = np.zeros((HEIGHT, WIDTH, 6), np.float32)
    pixels[..., 3:] = (100, 50, 0)
    pixels[0, 3] = (0, 0, 0, 99, 50, 0)
    _write(tmp_path, "lidar_pose", [_key(TIMES[0], 1) | _image("LiDARPoseComponent", pixels)])
    return tmp_path


def _by_hand(laser: int, row: int, column: int, distance: float) -> np.ndarray:
    """A pixel's point in the vehicle's frame: column 0 looks back (180 degrees), the columns go clockwise."""
    beams = [0.1, -0.1, -0.2, -0.3] if laser == 1 else [0.3, 0.1, -0.1, -0.3]
    azimuth = np.pi - 2 * np.pi * (column + 0.5) / WIDTH - (0.4 if laser == 1 else 0)
    up = beams[row]
    ray = np.array([np.cos(azimuth) * np.cos(up), np.sin(azimuth) * np.cos(up), np.sin(up)]) * distance
    return EXTRINSIC[laser][:3, :3] @ ray + EXTRINSIC[laser][:3, 3]


def test_points_come_from_range_images(root):
    segment = waymo.read_segment(root)
    assert segment.times.tolist() == list(TIMES)
    scene, pose = segment[1]
    expected = [_by_hand(laser, *pixel) for laser in (1, 2) for pixel in ((0, 3, 10), (3, 6, 20))]
    assert np.allclose(scene.points, expected, atol=1e-4)
    assert np.allclose(pose, VEHICLE[TIMES[1]])
    assert scene.attributes["laser"].tolist() == [1, 1, 2, 2]
    assert scene.attributes["no_label_zone"].tolist() == [0, 1, 0, 1]
    assert np.allclose(scene.intensity, np.tanh([0.5, 3, 0.5, 3]))
    assert np.allclose(scene.attributes["elongation"], [0.1, 0.2, 0.1, 0.2])


def test_the_top_lidars_points_are_moved_to_the_frames_time(root):
    scene, _ = waymo.read_segment(root)[0]
    assert np.allclose(scene.points[0], _by_hand(1, 0, 3, 10) - [1, 0, 0], atol=1e-4)
    assert np.allclose(scene.points[1:3], [_by_hand(1, 3, 6, 20), _by_hand(2, 0, 3, 10)], atol=1e-4)


def test_rotations_turn_about_x_first():
    (turned,) = waymo._rotations(np.array([[np.pi / 2, 0, np.pi / 2]])) @ [0, 1, 0]
    assert np.allclose(turned, [0, 0, 1])


def test_labels_and_boxes(root):
    first, second = (scene for scene, _ in waymo.read_segment(root, "seg"))
    assert [first.classes[label] if label >= 0 else "" for label in first.labels] == ["car", "road", "", ""]
    assert first.instances.tolist() == [7, -1, -1, -1]
    assert (second.labels, first.boxes) == (None, [])
    (box,) = second.boxes
    assert (box.name, box.center, box.size, box.heading) == ("vehicle", (5, 1, 1), (4.5, 2, 1.6), 0.25)
    assert np.allclose(box.velocity, (3, 0))  # the vehicle looks along the world's y, and so does what it follows


def test_without_lidar_pose_a_warning_says_the_cost(root):
    (root / "lidar_pose" / "seg.parquet").unlink()
    with pytest.warns(ScanwiseWarning, match="smeared"):
        scene, _ = waymo.read_segment(root)[0]
    assert np.allclose(scene.points[0], _by_hand(1, 0, 3, 10), atol=1e-4)


def test_missing_and_damaged_components_are_named(root):
    (root / "vehicle_pose" / "seg.parquet").rename(root / "was")
    with pytest.raises(InputError, match=r"vehicle_pose.*no such component"):
        waymo.read_segment(root)
    (root / "vehicle_pose" / "seg.parquet").write_bytes((root / "was").read_bytes()[:100])
    with pytest.raises(InputError, match=r"vehicle_pose.*damaged parquet"):
        waymo.read_segment(root)
    with pytest.raises(InputError, match="found none"):
        waymo.read_segment(root / "lidar")


def test_lengths_that_differ_are_named(root):
    row = _key(TIMES[0], 1) | _image("LiDARSegmentationLabelComponent", np.zeros((2, 2, 2), np.int32))
    _write(root, "lidar_segmentation", [row])
    with pytest.raises(InputError, match=r"lidar_segmentation.*shape of its range image"):
        waymo.read_segment(root)[0]
    row = _key(TIMES[0], 1) | _image("LiDARComponent", _range_image())
    row["[LiDARComponent].range_image_return1.shape"] = [4, 9, 4]
    _write(root, "lidar", [row])
    with pytest.raises(InputError, match="128 values for an image"):
        waymo.read_segment(root)[0]
    with pytest.raises(InputError, match="no range image at"):
        waymo.read_segment(root)[1]


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install scanwise\[waymo\]"):
        waymo.read_segment(tmp_path, "seg")
