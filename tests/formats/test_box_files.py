import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from scanwise.data.augment import rotation
from scanwise.errors import InputError
from scanwise.formats import kitti, kitti_object
from scanwise.formats.box_files import Named, facts, kitti_lines, nuscenes_submission
from scanwise.formats.nuscenes import SampleRecord
from scanwise.formats.registry import read_scene
from scanwise.scene import Scene
from tests.sweeps import CAR, car_boxes

NAMES = ["car", "bus", "traffic_cone"]
CALIBRATION = (
    "P2: 700 0 600 45 0 700 180 0 0 0 1 0\nR0_rect: 1 0 0 0 1 0 0 0 1\n"
    "Tr_velo_to_cam: 0 -1 0 0.02 0 0 -1 -0.08 1 0 0 -0.27\n"
)


@pytest.fixture
def frame(tmp_path):
    """A frame of KITTI's object detection: its sweep's path."""
    for name in ("velodyne", "image_2", "calib", "label_2"):
        (tmp_path / name).mkdir()
    rows = np.random.default_rng(0).uniform(-20, 20, (500, 4)).astype("<f4")
    rows[:, 3] = 0.5
    (tmp_path / "velodyne" / "000008.bin").write_bytes(rows.tobytes())
    Image.new("RGB", (1240, 370)).save(tmp_path / "image_2" / "000008.png")
    (tmp_path / "calib" / "000008.txt").write_text(CALIBRATION)
    return tmp_path / "velodyne" / "000008.bin"


def named(boxes) -> Named:
    return Named(boxes, NAMES, np.arange(len(boxes)))


def test_kitti_reads_the_lines_that_are_written(frame):
    boxes = car_boxes((12.0, 3.0, 0.3), (20.0, -4.0, -2.0))
    boxes = replace(boxes, classes=np.array([0, 1]), scores=np.array([0.9, 0.4]))
    lines = kitti_lines(read_scene(frame), named(boxes))
    assert [line.split()[0] for line in lines] == ["Car", "Misc"]
    assert [float(line.split()[-1]) for line in lines] == [0.9, 0.4]
    (frame.parents[1] / "label_2" / "000008.txt").write_text("\n".join([*lines, "DontCare" + " -1" * 14, ""]))
    found = read_scene(frame).boxes
    assert [box.name for box in found] == ["Car", "Misc"]
    for row, box in enumerate(found):
        assert box.center == pytest.approx(boxes.centers[row], abs=0.02)
        assert box.size == pytest.approx(CAR, abs=0.01)
        assert box.heading == pytest.approx(boxes.headings[row], abs=0.01)
        assert box.velocity is None


def test_a_line_by_hand(frame):
    """A car straight ahead, facing away: rotation -pi/2; its back at 10 m is the tallest part of its rectangle."""
    boxes = replace(car_boxes((11.6, 0.0, 0.0)), centers=np.array([[11.6, 0.02, -0.08 - CAR[2] / 2]]))
    words = kitti_lines(read_scene(frame), named(boxes))[0].split()
    left, top, right, bottom, height, width, length, x, y, z, turn = map(float, words[4:15])
    assert (height, width, length) == (CAR[2], CAR[1], CAR[0])
    assert (x, z, turn) == pytest.approx((0, 11.33, -1.57), abs=0.01)
    assert y == pytest.approx(CAR[2], abs=0.01)  # its floor, below the camera
    assert top == pytest.approx(180, abs=0.1)
    assert bottom == pytest.approx(180 + 700 * CAR[2] / 9.73, abs=0.1)
    assert right - left == pytest.approx(700 * CAR[1] / 9.73, abs=0.1)


def test_boxes_that_the_picture_does_not_show_have_no_line(frame):
    boxes = car_boxes((-12.0, 0, 0), (12.0, 40.0, 0), (12.0, 0, 0))
    assert len(kitti_lines(read_scene(frame), named(boxes))) == 1
    bare = Scene(np.zeros((1, 3)))
    lines = kitti_lines(bare, named(boxes))
    assert len(lines) == 3
    assert lines[0].split()[4:8] == ["-1.00"] * 4


def test_points_outside_the_picture_are_known(frame):
    scene = read_scene(frame)
    shown = kitti_object.in_picture(scene)
    assert shown.dtype == bool
    assert 0 < shown.sum() < len(scene) / 2
    assert (scene.points[shown, 0] > 0).all()
    assert kitti_object.in_picture(Scene(np.zeros((1, 3)))) is None


def test_a_damaged_label_is_named(frame):
    path = frame.parents[1] / "label_2" / "000008.txt"
    path.write_text("Car 0 0 1.5 1 2 3 4 1.4 1.6 3.2 1 2 3 0.1\nCar 0 0 1\n")
    with pytest.raises(InputError, match=r"000008\.txt: line 2 is no label of KITTI's \(4 words\)"):
        read_scene(frame)


def test_facts_are_in_the_frame_and_unit_of_the_file():
    to_source = np.eye(4)
    to_source[:3, :3], to_source[:3, 3] = rotation(2, np.pi / 2) * 1000, (5, 6, 7)
    boxes = car_boxes((1.0, 2.0, 0.1), (1.0, 2.0, 0.1 + np.pi))
    one, other = facts(Scene(np.zeros((1, 3)), to_source=to_source), named(boxes))
    assert one["center"] == pytest.approx([-2000 + 5, 1000 + 6, 1000 * boxes.centers[0, 2] + 7])
    assert one["size"] == pytest.approx([1000 * side for side in CAR])
    assert one["heading"] == pytest.approx(0.1 + np.pi / 2, abs=1e-4)
    assert other["heading"] == pytest.approx(0.1 - np.pi / 2, abs=1e-4)  # the front counts
    assert one["velocity"] == pytest.approx([-500, 1000, 0], abs=0.01)
    assert one["points"] == 0
    unknown = replace(boxes, velocities=np.full((2, 2), np.nan))
    assert facts(Scene(np.zeros((1, 3))), named(unknown))[0]["velocity"] is None
    json.dumps([one, other], allow_nan=False)


def test_facts_of_a_file_whose_y_points_up():
    to_source = np.eye(4)
    to_source[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]  # z of ours is y there
    (found,) = facts(Scene(np.zeros((1, 3)), to_source=to_source), named(car_boxes((3.0, 2.0, 0.25))))
    assert found["up"] == [0, 1, 0]
    assert found["center"][0] == 3
    assert found["center"][2] == -2
    assert found["heading"] == pytest.approx(0.25)


def test_a_submission_is_in_the_world_by_its_token():
    to_world = np.eye(4)
    to_world[:3, :3], to_world[:3, 3] = rotation(2, np.pi / 2), (100, 200, 1)
    scene = Scene(np.zeros((1, 3)), raw=SampleRecord(np.zeros((1, 5), np.float32), "abc", to_world), name="x")
    found = nuscenes_submission(scene, named(car_boxes((10.0, 0.0, 0.0))))
    assert found["meta"]["use_lidar"] is True
    (box,) = found["results"]["abc"]
    assert box["translation"] == pytest.approx([100, 210, 0], abs=1e-3)
    assert box["size"] == [CAR[1], CAR[0], CAR[2]]
    assert box["rotation"] == pytest.approx([np.sqrt(0.5), 0, 0, np.sqrt(0.5)], abs=1e-5)
    assert box["velocity"] == pytest.approx([-0.5, 1.0])
    assert (box["detection_name"], box["attribute_name"]) == ("car", "")


def test_a_sweep_of_kitti_is_still_written_as_it_was(frame, tmp_path):
    kitti.write(read_scene(frame), tmp_path / "copy.bin")
    assert (tmp_path / "copy.bin").read_bytes() == frame.read_bytes()
