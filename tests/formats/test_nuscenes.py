"""nuScenes' tables, from a tree of two key frames written as their documentation has it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scanwise.errors import InputError
from scanwise.formats import nuscenes

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "lidar"
QUARTER = [np.sqrt(0.5), 0, 0, np.sqrt(0.5)]  # 90 degrees to the left
STRAIGHT = [1, 0, 0, 0]
CAMERA = [0.5, -0.5, 0.5, -0.5]  # x right, y down, z forward, on a car whose x is forward
CATEGORIES = ("noise", "vehicle.car", "flat.driveable_surface", "vehicle.emergency.police")


def _tables() -> dict[str, list[dict]]:
    """The car drives 5 m along x in half a second; the camera fires when it has gone 1 m beyond the sweep."""
    data = []
    for index in range(2):
        common = {"sample_token": f"s{index}", "is_key_frame": True}
        for sensor, ego, file in (
            ("lidar", f"e{index}", f"samples/LIDAR_TOP/{index}.pcd.bin"),
            ("camera", f"c{index}", f"samples/CAM_FRONT/{index}.jpg"),
        ):
            row = {"token": f"{sensor}{index}", "ego_pose_token": ego, "filename": file}
            data.append(row | {"calibrated_sensor_token": f"cs-{sensor}"} | common)
    data.append(data[0] | {"token": "between", "is_key_frame": False, "filename": "sweeps/LIDAR_TOP/x.pcd.bin"})
    poses = {"e0": 100.0, "c0": 101.0, "e1": 105.0, "c1": 106.0}
    annotation = {"instance_token": "i1", "size": [2.0, 4.5, 1.5], "rotation": QUARTER}
    return {
        "scene": [{"token": "scene", "name": "scene-0001", "first_sample_token": "s0"}],
        "sample": [{"token": f"s{i}", "timestamp": 10**15 + i * 500_000, "scene_token": "scene"} for i in (1, 0)],
        "sample_data": data,
        "ego_pose": [{"token": key, "translation": [x, 50.0, 0.0], "rotation": STRAIGHT} for key, x in poses.items()],
        "calibrated_sensor": [
            {"token": "cs-lidar", "sensor_token": "lidar", "translation": [1, 0, 2], "rotation": QUARTER}
            | {"camera_intrinsic": []},
            {"token": "cs-camera", "sensor_token": "camera", "translation": [2, 0, 1.5], "rotation": CAMERA}
            | {"camera_intrinsic": [[10, 0, 8], [0, 10, 4], [0, 0, 1]]},
        ],
        "sensor": [{"token": "lidar", "channel": "LIDAR_TOP"}, {"token": "camera", "channel": "CAM_FRONT"}],
        "sample_annotation": [
            annotation | {"token": "a0", "sample_token": "s0", "translation": [111, 50, 1], "prev": "", "next": "a1"},
            annotation | {"token": "a1", "sample_token": "s1", "translation": [111, 52, 1], "prev": "a0", "next": ""},
            annotation
            | {"token": "b", "sample_token": "s0", "translation": [90, 50, 1], "prev": "", "next": ""}
            | {"instance_token": "i2"},
        ],
        "instance": [{"token": "i1", "category_token": "cat1"}, {"token": "i2", "category_token": "cat3"}],
        "category": [{"token": f"cat{i}", "name": name, "index": i} for i, name in enumerate(CATEGORIES)],
        "lidarseg": [{"token": "l0", "sample_data_token": "lidar0", "filename": "lidarseg/v1.0-mini/l0_lidarseg.bin"}],
    }


@pytest.fixture
def root(tmp_path):
    for name in ("v1.0-mini", "samples/LIDAR_TOP", "samples/CAM_FRONT", "lidarseg/v1.0-mini"):
        (tmp_path / name).mkdir(parents=True)
    for name, rows in _tables().items():
        (tmp_path / "v1.0-mini" / f"{name}.json").write_text(json.dumps(rows))
    points = [[0, -10, -1, 128, 3], [1, 2, -2, 255, 4], [3, 4, 0, 0, 31], [5, 6, 1, 7, 0]]
    for index in range(2):
        np.array(points, "<f4").tofile(tmp_path / f"samples/LIDAR_TOP/{index}.pcd.bin")
        Image.fromarray(np.zeros((8, 16, 3), np.uint8)).save(tmp_path / f"samples/CAM_FRONT/{index}.jpg")
    np.array([1, 2, 0, 3], np.uint8).tofile(tmp_path / "lidarseg/v1.0-mini/l0_lidarseg.bin")
    return tmp_path


def test_samples_come_in_time_order_with_their_labels(root):
    samples = nuscenes.read_samples(root)
    assert samples.tokens == ["s0", "s1"] == [scene.name for scene in samples]
    scene = samples[0]
    assert [scene.classes[label] if label >= 0 else "" for label in scene.labels] == [
        "car",
        "driveable_surface",
        "",
        "",
    ]
    assert scene.attributes["ring"].tolist() == [3, 4, 31, 0]
    assert samples[1].labels is None


def test_boxes_are_in_the_frame_of_the_lidar(root):
    car, police = nuscenes.read_samples(root)[0].boxes
    # The car stands 10 m ahead of the LiDAR, whose x looks left and whose y looks back.
    assert np.allclose(car.center, (0, -10, -1), atol=1e-9)
    assert car.size == (4.5, 2.0, 1.5)
    assert np.isclose(car.heading, 0)
    assert np.allclose(car.velocity, (4, 0))
    assert (car.name, police.name, police.velocity) == ("vehicle.car", "vehicle.emergency.police", None)
    again = nuscenes.read_samples(root)[1].boxes[0]
    assert again.instance == car.instance != police.instance


def test_the_car_moves_between_lidar_and_camera(root):
    (view,) = nuscenes.read_samples(root)[0].views
    assert (view.name, view.image_size) == ("CAM_FRONT", (8, 16))
    # World: LiDAR at (101, 50, 2); camera at (101 + 2, 50, 1.5), so 2 m ahead and half a metre below.
    assert np.allclose(view.camera_to_world[:3, 3], (0, -2, -0.5))
    point = np.linalg.inv(view.camera_to_world) @ [0, -10, -1, 1]
    assert np.allclose(point[:3], (0, 0.5, 8))


def test_the_map_holds_the_classes_of_the_challenge():
    assert set(nuscenes.CHALLENGE.values()) == set(nuscenes.CLASSES)
    assert len(nuscenes.CLASSES) == 16


@pytest.mark.parametrize("table", ["sample", "ego_pose", "sample_annotation", "category"])
def test_a_missing_or_damaged_table_is_named(root, table):
    path = root / "v1.0-mini" / f"{table}.json"
    path.write_text("[{")
    with pytest.raises(InputError, match=f"{table}.json: damaged table"):
        nuscenes.read_samples(root, "v1.0-mini")
    path.unlink()
    with pytest.raises(InputError, match=f"{table}.json: cannot read"):
        nuscenes.read_samples(root, "v1.0-mini")


@pytest.mark.parametrize("table", ["ego_pose", "calibrated_sensor", "sensor", "instance", "category"])
def test_a_token_that_does_not_resolve_is_named(root, table):
    (root / "v1.0-mini" / f"{table}.json").write_text("[]")
    with pytest.raises(InputError, match=f"{table}.json: no row has the token"):
        nuscenes.read_samples(root)[0]


def test_lengths_that_differ_and_missing_files_are_named(root):
    np.zeros(3, np.uint8).tofile(root / "lidarseg/v1.0-mini/l0_lidarseg.bin")
    with pytest.raises(InputError, match="3 labels for the 4 points"):
        nuscenes.read_samples(root)[0]
    (root / "samples/LIDAR_TOP/1.pcd.bin").unlink()
    with pytest.raises(InputError, match=r"1\.pcd\.bin: cannot read"):
        nuscenes.read_samples(root)[1]
    with pytest.raises(InputError, match="found none"):
        nuscenes.read_samples(root / "samples")


@pytest.mark.skipif(not REAL.exists(), reason="the real sweep is not here")
def test_a_real_sweep_in_the_tree(root):
    shutil.copy(REAL / "nuscenes_LIDAR_TOP.pcd.bin", root / "samples/LIDAR_TOP/1.pcd.bin")
    scene = nuscenes.read_samples(root)[1]
    assert len(scene) == 34688
    assert scene.attributes["ring"].max() == 31
