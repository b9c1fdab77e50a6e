"""Data sets as users have them go through `read_scene`; many frames are named by `#`, or come one by one."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from scanwise.errors import InputError
from scanwise.formats.registry import read_scene, read_scenes
from tests.formats.test_nuscenes import root as nuscenes_root  # noqa: F401
from tests.formats.test_semantic_kitti import drive  # noqa: F401
from tests.formats.test_waymo import root as waymo_root  # noqa: F401


def test_a_drive_names_its_sweeps(drive):  # noqa: F811
    with pytest.raises(InputError, match=re.escape(f"holds 2 frames; name one as {drive}#000000 to #000001")):
        read_scene(drive)
    with pytest.raises(InputError, match="no frame '7' among its 2"):
        read_scene(f"{drive}#7")
    one = read_scene(f"{drive}#000001")
    assert one.name == "000001"
    assert "moving" in one.attributes
    assert np.array_equal(one.points, read_scene(drive / "velodyne/000001.bin").points)
    both = read_scene(f"{drive}#000000-000001")
    assert both.attributes["sweep"].tolist() == [0, 0, 0, 1, 1, 1]
    assert [scene.name for scene in read_scenes(drive)] == ["000000", "000001"]


def test_a_folder_of_drives_names_them(drive):  # noqa: F811
    with pytest.raises(InputError, match=re.escape(f"holds 1 scenes; name one, such as {drive}")):
        read_scene(drive.parent.parent)
    assert [scene.name for scene in read_scenes(drive.parent)] == ["000000", "000001"]


def test_nuscenes_by_scene_and_by_token(nuscenes_root):  # noqa: F811
    with pytest.raises(InputError, match=r"holds 2 frames; name one as .*#scene-0001-0 to #scene-0001-1"):
        read_scene(nuscenes_root)
    assert read_scene(f"{nuscenes_root}#scene-0001-1").name == "s1"
    assert read_scene(f"{nuscenes_root}#s0").name == "s0"
    assert read_scene(f"{nuscenes_root / 'v1.0-mini'}#s0").name == "s0"
    assert [scene.name for scene in read_scenes(nuscenes_root)] == ["s0", "s1"]


def test_a_frame_of_a_folder_that_has_none(tmp_path):
    with pytest.raises(InputError, match="#7 names a frame of a drive or data set"):
        read_scene(f"{tmp_path}#7")


def test_a_kitti_object_frame_brings_its_picture(tmp_path):
    for name in ("velodyne", "image_2", "calib"):
        (tmp_path / name).mkdir()
    np.ones((3, 4), "<f4").tofile(tmp_path / "velodyne/000008.bin")
    Image.new("RGB", (8, 4)).save(tmp_path / "image_2/000008.png")
    rows = {"P2": "10 0 4 0 0 10 2 0 0 0 1 0", "R0_rect": "1 0 0 0 1 0 0 0 1"}
    rows["Tr_velo_to_cam"] = "0 -1 0 0 0 0 -1 0 1 0 0 0"
    (tmp_path / "calib/000008.txt").write_text("".join(f"{name}: {row}\n" for name, row in rows.items()))
    for path in (tmp_path, f"{tmp_path}#000008", tmp_path / "velodyne/000008.bin"):
        assert [view.image_size for view in read_scene(path).views] == [(4, 8)]


def test_a_waymo_frame_by_its_segment_and_number(waymo_root):  # noqa: F811
    count = len(list(read_scenes(waymo_root)))
    last = read_scene(f"{waymo_root}#seg-{count - 1}")
    assert last.name.startswith("seg-")
    with pytest.raises(InputError, match=r"name one as .*#seg-0|no frame 'other-0'"):
        read_scene(f"{waymo_root}#other-0")
