"""Polycam's raw data gives the room that was recorded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import polycam, recordings
from tests.formats.recorded_room import CAMERA, SIZE, poses, render, save_depth, wall_distance

OPENGL = np.diag([1.0, -1, -1, 1])
Y_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The room; the last pixel row's depth is far off and not to be trusted."""
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path / "cache"))
    place = tmp_path / "room" / "keyframes"
    for name in ("images", "cameras", "depth", "confidence"):
        (place / name).mkdir(parents=True)
    for number, pose in enumerate(poses()):
        image, depth = render(pose)
        trust = np.full(SIZE, 255, np.uint8)
        trust[-1], depth[-1] = 0, 7
        Image.fromarray(image).save(place / "images" / f"17{number}.jpg", quality=95)
        save_depth(place / "depth" / f"17{number}.png", depth)
        Image.fromarray(trust).save(place / "confidence" / f"17{number}.png")
        stored = Y_UP @ pose @ OPENGL
        camera = {f"t_{row}{column}": stored[row, column] for row in range(3) for column in range(4)}
        camera |= {"fx": CAMERA[0, 0], "fy": CAMERA[1, 1], "cx": CAMERA[0, 2], "cy": CAMERA[1, 2]}
        camera |= {"width": SIZE[1], "height": SIZE[0], "blur_score": 80.0}
        (place / "cameras" / f"17{number}.json").write_text(json.dumps(camera))
    return tmp_path / "room"


def test_the_room_stands(folder: Path) -> None:
    scene = recordings.read(folder)
    points = scene.points_in_source() @ Y_UP[:3, :3]
    assert np.percentile(wall_distance(points), 99) < 0.02
    np.testing.assert_allclose(scene.points[:, 2], points[:, 2], atol=0.05)
    assert not scene.views[0].depth[-1].any()


def test_corrected_cameras_go_before(folder: Path) -> None:
    place = folder / "keyframes"
    for name in ("images", "cameras"):
        (place / f"corrected_{name}").mkdir()
    for path in sorted((place / "cameras").iterdir())[:3]:
        camera = json.loads(path.read_text()) | {"t_03": 1.25}
        (place / "corrected_cameras" / path.name).write_text(json.dumps(camera))
        picture = place / "images" / f"{path.stem}.jpg"
        picture.rename(place / "corrected_images" / picture.name)
    views = polycam.load(folder).views
    assert [view.camera_to_world[0, 3] for view in views] == [1.25] * 3


def test_damaged_frames_are_left_out_and_counted(folder: Path) -> None:
    (folder / "keyframes" / "cameras" / "171.json").write_text("{")
    (folder / "keyframes" / "images" / "172.jpg").unlink()
    with pytest.warns(ScanwiseWarning, match=r"2 of 6 frames left out \(171: its camera is damaged; 172: no picture"):
        assert len(polycam.load(folder).views) == 4


def test_no_cameras(folder: Path) -> None:
    for path in (folder / "keyframes" / "cameras").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="no cameras in it"):
        recordings.read(folder)
