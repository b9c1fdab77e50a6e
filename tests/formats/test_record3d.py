"""Record3D: a .r3d file and the folder in it give the room that was recorded; damaged ones say what is wrong."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import record3d, recordings
from scanwise.formats.folder import read, write
from scanwise.formats.registry import read_scene
from tests.formats.recorded_room import SIZE, poses, render, wall_distance

lzfse = pytest.importorskip("lzfse")
OPENGL = np.diag([1.0, -1, -1, 1])
Y_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])  # ARKit's world


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path_factory.mktemp("cache")))


def recording(path: Path, change: dict[str, Any] | None = None, distrust: int = 0) -> Path:
    """The room; pictures twice the size of depth, the first rows of depth not to be trusted and far off."""
    wide = np.array([[140.0, 0, 79.5], [0, 140, 59.5], [0, 0, 1]])
    content: dict[str, Any] = {"w": 160, "h": 120, "dw": SIZE[1], "dh": SIZE[0], "K": wide.T.ravel().tolist()}
    content["poses"] = []
    with zipfile.ZipFile(path, "w") as archive:
        for number, pose in enumerate(poses()):
            picture = io.BytesIO()
            Image.fromarray(render(pose, wide, (120, 160))[0]).save(picture, "JPEG", quality=95)
            archive.writestr(f"rgbd/{number}.jpg", picture.getvalue())
            depth, trust = render(pose)[1].astype("<f4"), np.full(SIZE, 2, np.uint8)
            trust[:distrust], depth[:distrust] = 0, 9
            archive.writestr(f"rgbd/{number}.depth", lzfse.compress(depth.tobytes()))
            archive.writestr(f"rgbd/{number}.conf", lzfse.compress(trust.tobytes()))
            stored = Y_UP @ pose @ OPENGL
            content["poses"].append([*Rotation.from_matrix(stored[:3, :3]).as_quat().tolist(), *stored[:3, 3].tolist()])
        archive.writestr("metadata", json.dumps(content | (change or {})))
    return path


def test_a_file_is_the_room_standing(tmp_path: Path) -> None:
    scene = read_scene(recording(tmp_path / "room.r3d", distrust=6))
    assert scene.name == "room"
    assert len(scene.views) == 6
    points = scene.points_in_source() @ Y_UP[:3, :3]
    assert np.percentile(wall_distance(points), 99) < 0.02
    np.testing.assert_allclose(scene.points[:, 2], points[:, 2], atol=0.05)
    assert not scene.views[0].depth[:6].any()


def test_the_folder_in_it_is_the_same(tmp_path: Path) -> None:
    path = recording(tmp_path / "room.r3d")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "room")
    np.testing.assert_array_equal(read_scene(tmp_path / "room").points, read_scene(path).points)


def test_a_scene_folder_keeps_the_pictures_byte_for_byte(tmp_path: Path) -> None:
    path = recording(tmp_path / "room.r3d")
    write(read_scene(path), tmp_path / "copy")
    with zipfile.ZipFile(path) as archive:
        assert (tmp_path / "copy" / "images" / "000002.jpg").read_bytes() == archive.read("rgbd/2.jpg")
    assert len(read(tmp_path / "copy").views) == 6


def test_each_frame_may_have_its_own_camera(tmp_path: Path) -> None:
    each = [[150.0 + number, 151, 80, 60] for number in range(6)]
    views = record3d.load(recording(tmp_path / "room.r3d", {"perFrameIntrinsicCoeffs": each})).views
    assert [view.intrinsics[0, 0] for view in views] == [150, 151, 152, 153, 154, 155]


def test_old_metadata_does_not_say_the_size_of_depth(tmp_path: Path) -> None:
    path = recording(tmp_path / "room.r3d", {"dw": None, "dh": None})
    assert record3d.load(path).views[0].depth_raster.size() == (80, 60)  # a phone held upright


def test_a_bad_pose_is_left_out_and_counted(tmp_path: Path) -> None:
    whole = json.loads(zipfile.ZipFile(recording(tmp_path / "whole.r3d")).read("metadata"))["poses"]
    path = recording(tmp_path / "room.r3d", {"poses": [*whole[:4], [0] * 7]})
    with pytest.warns(ScanwiseWarning, match=r"2 of 6 frames left out \(4: its rotation.*5: no pose"):
        assert len(record3d.load(path).views) == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [({"K": [1, 2]}, "no camera"), ({"poses": []}, "none of the 6 frames"), ({"K": [0] * 9}, "focal lengths")],
)
def test_metadata_that_is_wrong(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        record3d.load(recording(tmp_path / "room.r3d", change))


def test_a_file_cut_off(tmp_path: Path) -> None:
    path = recording(tmp_path / "room.r3d")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"cut off or no \.r3d"):
        read_scene(path)


def test_without_the_package_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recording(tmp_path / "room.r3d")
    monkeypatch.setitem(sys.modules, "lzfse", None)
    with pytest.raises(InputError, match=r"pip install 'scanwise\[record3d\]'"):
        recordings.read(path)
