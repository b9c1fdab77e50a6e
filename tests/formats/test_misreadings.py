"""Frames that contradict each other: every misreading of the room is told, and mended where the mending is clear."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import recordings
from scanwise.formats.agreement import agreement, chosen, fit, look
from scanwise.formats.misreadings import reread
from scanwise.formats.recording import Recording
from scanwise.scene import ArrayRaster, View
from tests.formats.recorded_room import CAMERA, LOW, render
from tests.formats.test_recordings import seven_scenes

OPENGL = np.diag([1.0, -1, -1, 1])


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path_factory.mktemp("cache")))


def room(count: int = 12) -> list[View]:
    """Views from places all over the room, tilted as a hand does."""
    generator = np.random.default_rng(3)
    views = []
    for number in range(count):
        pose = np.eye(4)
        turn = Rotation.from_euler("zyx", [number * 0.5, *generator.normal(0, 0.15, 2)])
        pose[:3, :3] = turn.as_matrix() @ [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
        pose[:3, 3] = generator.uniform([-1.2, -0.8, 1], [1.2, 0.8, 1.7])
        image, depth = render(pose)
        views.append(View(ArrayRaster(image), CAMERA, pose, ArrayRaster(depth.astype(np.float32)), name=str(number)))
    return views


def with_poses(views: list[View], change) -> list[View]:
    return [replace(view, camera_to_world=change(view.camera_to_world)) for view in views]


def times_as_far(views: list[View], factor: float) -> list[View]:
    return [replace(view, depth_raster=ArrayRaster(view.depth * np.float32(factor))) for view in views]


def w_first(pose: np.ndarray) -> np.ndarray:
    """What a reader makes of w, x, y, z that expects x, y, z, w."""
    wrong = pose.copy()
    wrong[:3, :3] = Rotation.from_quat(Rotation.from_matrix(pose[:3, :3]).as_quat()[[3, 0, 1, 2]]).as_matrix()
    return wrong


def longer(pose: np.ndarray, factor: float) -> np.ndarray:
    return np.block([[pose[:3, :3], factor * pose[:3, 3:]], [pose[3:]]])


def in_opengl(change):
    """A change of the pose that the files hold, where they hold OpenGL's."""
    return lambda pose: change(pose @ OPENGL) @ OPENGL


MISREAD = {
    "axes": lambda pose: pose @ OPENGL,
    "poses taken as world to camera": np.linalg.inv,
    "quaternions taken as w, x, y, z": w_first,
    "poses taken as millimetres": lambda pose: longer(pose, 1000),
    "poses taken as centimetres": lambda pose: longer(pose, 100),
}


def test_good_views_agree_and_nothing_is_said() -> None:
    views = room()
    assert agreement([look(view) for view in views]).share > 0.97
    recording = Recording(views)
    assert reread(Path("room"), recording, any_unit=True) is recording


@pytest.mark.parametrize("opengl", [False, True])
@pytest.mark.parametrize("text", MISREAD)
def test_misread_poses_are_named_and_mended(text: str, opengl: bool) -> None:
    right = room()
    wrong = with_poses(right, in_opengl(MISREAD[text]) if opengl else MISREAD[text])
    named = (("OpenCV axes" if opengl else "OpenGL axes") if text == "axes" else text).replace(".", r"\.")
    with pytest.warns(
        ScanwiseWarning, match=rf"agreement 0\.[0-4]\d; with {named} it is (0\.9\d|1\.00), so they are read"
    ):
        mended = reread(Path("room"), Recording(wrong, opengl=opengl), any_unit=True)
    for view, truth in zip(mended.views, right, strict=True):
        np.testing.assert_allclose(view.camera_to_world, truth.camera_to_world, atol=1e-6)


@pytest.mark.parametrize("factor", [5, 0.2, 4, 0.25, 10, 0.1, 1000, 0.001])
def test_depth_in_another_unit_is_named_and_mended(factor: float) -> None:
    right = room()
    times = f"{1 / factor:g} times as far" if factor < 1 else f"{factor:g} times as near"
    with pytest.warns(ScanwiseWarning, match=f"with depth taken as {times}"):
        mended = reread(Path("room"), Recording(times_as_far(right, factor)), any_unit=True)
    np.testing.assert_allclose(mended.views[0].depth, right[0].depth, rtol=1e-5)


def test_a_unit_that_somebody_said_is_not_doubted() -> None:
    with pytest.warns(ScanwiseWarning, match="the cloud is wrong"):
        reread(Path("room"), Recording(times_as_far(room(), 5)), any_unit=False)


def test_poses_that_nothing_mends_are_told() -> None:
    views = room()
    order = np.random.default_rng(0).permutation(len(views))
    mixed = [
        replace(view, camera_to_world=views[number].camera_to_world) for view, number in zip(views, order, strict=True)
    ]
    with pytest.warns(ScanwiseWarning, match=r"agreement 0\.\d\d \(of good .* the cloud is wrong"):
        assert reread(Path("room"), Recording(mixed), any_unit=True).views is mixed


def test_views_that_share_nothing_are_left_alone() -> None:
    """Back to back, in a room of which they see different walls."""
    recording = Recording(room()[:7:6])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reread(Path("room"), recording, any_unit=True) is recording


def test_a_depth_camera_of_its_own_moves_along(tmp_path: Path) -> None:
    shift = np.eye(4)
    shift[0, 3] = 0.05
    right = [replace(view, depth_to_world=view.camera_to_world, camera_to_world=view.camera_to_world @ shift)
             for view in room()]  # fmt: skip
    wrong = [replace(view, depth_to_world=np.linalg.inv(view.depth_to_world),
                     camera_to_world=np.linalg.inv(view.depth_to_world) @ shift) for view in right]  # fmt: skip
    with pytest.warns(ScanwiseWarning, match="world to camera"):
        mended = reread(tmp_path, Recording(wrong), any_unit=True)
    for view, truth in zip(mended.views, right, strict=True):
        np.testing.assert_allclose(view.camera_to_world, truth.camera_to_world, atol=1e-6)
        np.testing.assert_allclose(view.depth_to_world, truth.depth_to_world, atol=1e-6)


def test_only_some_views_of_a_long_recording_are_looked_at() -> None:
    assert len(chosen(room(3) * 100)) == 12


def test_fit_of_a_cloud() -> None:
    views = room()
    seen = [look(view) for view in views]
    points = np.concatenate([one.places() for one in seen])
    assert fit(points, seen).share > 0.97
    assert fit(points + np.array([0.8, 0.6, 0.4]), seen).share < 0.5
    assert not fit(points + np.array([50, 0, 0]), seen).known


def test_a_folder_in_the_wrong_unit_is_read_right(tmp_path: Path) -> None:
    """Depth of 5000 units a metre, as TUM's, in the layout of 7-Scenes, whose is millimetres."""
    folder = seven_scenes(tmp_path / "room")
    from tests.formats.recorded_room import poses, save_depth, wall_distance

    for number, pose in enumerate(poses()):
        pose[:3, 3] += [0.4 * np.cos(2 * number), 0.4 * np.sin(2 * number), 0]
        save_depth(folder / f"frame-{number:06d}.depth.png", render(pose)[1], 5000)
        np.savetxt(folder / f"frame-{number:06d}.pose.txt", pose)
    with pytest.warns(ScanwiseWarning, match="5 times as near"):
        scene = recordings.read(folder)
    assert np.percentile(wall_distance(scene.points_in_source()), 99) < 0.02
    assert scene.points_in_source()[:, 2].min() > LOW[2] - 0.05
    (folder / "calibration.json").write_text(json.dumps({"depth_scale": 1e6}))
    with pytest.raises(InputError, match="median depth"):
        recordings.read(folder)
