"""Every layout of the same room gives the same walls, colours and poses; damaged ones say what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import ply, recordings, transforms_json
from scanwise.formats.registry import find_scenes
from scanwise.scene import Scene
from tests.formats.recorded_room import (
    CAMERA,
    SIZE,
    poses,
    render,
    right_paint,
    save_depth,
    wall_distance,
)

OPENGL = np.diag([1.0, -1, -1, 1])


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path_factory.mktemp("cache")))


def seven_scenes(folder: Path) -> Path:
    folder.mkdir()
    np.savetxt(folder / "camera-intrinsics.txt", CAMERA)
    for number, pose in enumerate(poses()):
        image, depth = render(pose)
        Image.fromarray(image).save(folder / f"frame-{number:06d}.color.png")
        save_depth(folder / f"frame-{number:06d}.depth.png", depth)
        np.savetxt(folder / f"frame-{number:06d}.pose.txt", pose)
    return folder


def scannet(folder: Path) -> Path:
    for name in ("color", "depth", "pose", "intrinsic"):
        (folder / name).mkdir(parents=True)
    wide = np.eye(4)
    wide[:3, :3] = [[140, 0, 79.5], [0, 140, 59.5], [0, 0, 1]]
    narrow = np.eye(4)
    narrow[:3, :3] = CAMERA
    np.savetxt(folder / "intrinsic" / "intrinsic_color.txt", wide)
    np.savetxt(folder / "intrinsic" / "intrinsic_depth.txt", narrow)
    for number, pose in enumerate(poses()):
        Image.fromarray(render(pose, wide[:3, :3], (120, 160))[0]).save(folder / "color" / f"{number}.png")
        save_depth(folder / "depth" / f"{number}.png", render(pose)[1])
        np.savetxt(folder / "pose" / f"{number}.txt", pose)
    return folder


def tum(folder: Path) -> Path:
    folder.mkdir()
    (folder / "calibration.json").write_text(json.dumps({"color": {"fx": 70, "fy": 70, "cx": 39.5, "cy": 29.5}}))
    lists: dict[str, list[str]] = {"rgb": [], "depth": [], "groundtruth": []}
    for number, pose in enumerate(poses()):
        image, depth = render(pose)
        Image.fromarray(image).save(folder / f"rgb{number}.png")
        save_depth(folder / f"depth{number}.png", depth, 5000)
        lists["rgb"].append(f"{number}.000 rgb{number}.png")
        lists["depth"].append(f"{number}.012 depth{number}.png")
        lists["groundtruth"].append(f"{number}.005 " + " ".join(f"{value:.9f}" for value in quaternion(pose)))
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text("# comment\n" + "\n".join(lines) + "\n")
    return folder


def quaternion(pose: np.ndarray) -> np.ndarray:
    """tx ty tz qx qy qz qw, by SciPy: an independent reference."""
    from scipy.spatial.transform import Rotation

    return np.concatenate([pose[:3, 3], Rotation.from_matrix(pose[:3, :3]).as_quat()])


def transforms(folder: Path) -> Path:
    folder.mkdir()
    frames = []
    for number, pose in enumerate(poses()):
        image, depth = render(pose)
        Image.fromarray(image).save(folder / f"{number}.png")
        save_depth(folder / f"{number}.depth.png", depth)
        matrix = (pose @ OPENGL).tolist()
        frames.append(
            {
                "file_path": f"{number}.png",
                "depth_file_path": f"{number}.depth.png",
                "transform_matrix": matrix,
            }
        )
    content = {"fl_x": 70, "fl_y": 70, "cx": 40, "cy": 30, "w": SIZE[1], "h": SIZE[0], "frames": frames}
    (folder / "transforms.json").write_text(json.dumps(content))
    return folder


LAYOUTS = [seven_scenes, scannet, tum, transforms]


def in_source(scene: Scene) -> np.ndarray:
    return np.asarray(scene.points_in_source(), np.float64)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_walls_colours_and_poses(layout: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = layout(tmp_path / "room")
    assert recordings.recognises(folder)
    scene = recordings.read(folder)
    points = in_source(scene)
    assert len(points) > 5000
    assert np.percentile(wall_distance(points), 99) < 0.02
    assert right_paint(points, scene.colors) > 0.97
    for view, pose in zip(scene.views, poses(), strict=True):
        np.testing.assert_allclose(scene.to_source @ view.camera_to_world, pose, atol=1e-5)


def test_tilted_world_is_turned_up_and_leads_back(tmp_path: Path) -> None:
    folder = seven_scenes(tmp_path / "room")
    tilt = np.eye(4)
    tilt[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    for path in folder.glob("*.pose.txt"):
        np.savetxt(path, tilt @ np.loadtxt(path))
    scene = recordings.read(folder)
    up = np.abs(scene.normals[:, 2])
    assert ((up > 0.99) | (up < 0.15)).mean() > 0.9
    assert np.percentile(wall_distance(in_source(scene) @ tilt[:3, :3]), 99) < 0.02


def test_calibration_moves_the_colour_camera(tmp_path: Path) -> None:
    folder = seven_scenes(tmp_path / "room")
    camera = np.array([[100.0, 0, 75], [0, 100, 55], [0, 0, 1]])
    shift = np.eye(4)
    shift[0, 3] = -0.3
    for number, pose in enumerate(poses()):
        image = render(pose @ np.linalg.inv(shift), camera, (110, 150))[0]
        Image.fromarray(image).save(folder / f"frame-{number:06d}.color.png")
    said = {
        "color": {"fx": 100, "fy": 100, "cx": 75, "cy": 55},
        "depth_to_color": {"translation": [-0.3, 0, 0]},
    }
    (folder / "calibration.json").write_text(json.dumps(said))
    scene = recordings.read(folder)
    assert right_paint(in_source(scene), scene.colors) > 0.97


def test_wrong_key_names_the_right_one(tmp_path: Path) -> None:
    folder = seven_scenes(tmp_path / "room")
    (folder / "calibration.json").write_text('{"depth_scal": 1000}')
    with pytest.raises(InputError, match="did you mean depth_scale"):
        recordings.read(folder)


@pytest.mark.parametrize("text", [None, "-inf " * 4, "nan " * 4])
def test_frames_without_pose_are_counted(tmp_path: Path, text: str | None) -> None:
    folder = scannet(tmp_path / "room")
    lost = folder / "pose" / "2.txt"
    lost.unlink() if text is None else lost.write_text((text + "\n") * 4)
    with pytest.warns(ScanwiseWarning, match="1 of 6 frames"):
        assert len(recordings.read(folder).views) == 5


def test_no_pose_at_all(tmp_path: Path) -> None:
    folder = seven_scenes(tmp_path / "room")
    for path in folder.glob("*.pose.txt"):
        path.unlink()
    with pytest.raises(InputError, match="none of the 6 frames has a pose"):
        recordings.read(folder)


def test_a_pose_that_is_not_rigid_is_left_out_and_most_are_an_error(tmp_path: Path) -> None:
    folder = seven_scenes(tmp_path / "room")
    np.savetxt(folder / "frame-000001.pose.txt", np.diag([2.0, 2, 2, 1]))
    with pytest.warns(ScanwiseWarning, match="1 of 6 frames left out .frame-000001: its pose is not rigid"):
        assert len(recordings.read(folder).views) == 5
    for number in range(4):
        np.savetxt(folder / f"frame-{number:06d}.pose.txt", np.diag([2.0, 2, 2, 1]))
    with pytest.raises(
        InputError, match=r"4 of 6 frames cannot be used \(4, such as frame-000000: its pose is not rigid"
    ):
        recordings.read(folder)


@pytest.mark.parametrize("scale", [0.1, 1e6])
def test_depth_in_a_wrong_unit(tmp_path: Path, scale: float) -> None:
    folder = seven_scenes(tmp_path / "room")
    (folder / "calibration.json").write_text(json.dumps({"depth_scale": scale}))
    with pytest.raises(InputError, match=r"median depth is .*depth_scale"):
        recordings.read(folder)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [0, 200])
def test_pictures_cut_off_are_left_out_and_counted(layout: Callable[[Path], Path], size: int, tmp_path: Path) -> None:
    folder = layout(tmp_path / "room")
    (path,) = [
        path for path in folder.rglob("*.png") if "2" in path.stem and "depth" not in str(path.relative_to(folder))
    ]
    path.write_bytes(path.read_bytes()[:size])
    with pytest.warns(ScanwiseWarning, match=r"1 of 6 frames left out \(.*(empty|corrupt|no picture)"):
        assert len(recordings.read(folder).views) == 5


def test_depth_cut_off_is_left_out_and_most_of_it_an_error(tmp_path: Path) -> None:
    folder = seven_scenes(tmp_path / "room")
    paths = sorted(folder.glob("*.depth.png"))
    paths[4].write_bytes(paths[4].read_bytes()[:200])
    with pytest.warns(ScanwiseWarning, match=r"left out \(frame-000004: its depth is truncated or corrupt"):
        assert len(recordings.read(folder).views) == 5
    for path in paths[:4]:
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="5 of 6 frames cannot be used"):
        recordings.read(folder)


def test_folders_of_pictures_that_are_not_used_are_named(tmp_path: Path) -> None:
    folder = scannet(tmp_path / "room")
    for name in ("label-filt", "images_2", "notes"):
        (folder / name).mkdir()
    Image.new("L", (4, 4)).save(folder / "label-filt" / "0.png")
    Image.new("L", (4, 4)).save(folder / "images_2" / "0.png")
    with pytest.warns(ScanwiseWarning, match=r"not used: label-filt/$"):
        recordings.read(folder)


def test_depth_of_another_shape_is_said(tmp_path: Path) -> None:
    folder = transforms(tmp_path / "room")
    for path in folder.glob("*.depth.png"):
        with Image.open(path) as picture:
            cut = picture.crop((0, 8, 80, 52))
        cut.save(path)
    with pytest.warns(ScanwiseWarning, match="pictures are 80x60 and depth is 80x44, of another shape"):
        recordings.read(folder)


def test_a_link_to_a_recording_is_one(tmp_path: Path) -> None:
    folder = transforms(tmp_path / "room")
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes" / "one").symlink_to(folder)
    (tmp_path / "scenes" / "back").symlink_to(tmp_path / "scenes")
    assert len(recordings.read(tmp_path / "link").views) == 6
    assert find_scenes(tmp_path / "scenes")[0] == [tmp_path / "scenes" / "one"]


def test_neither_depth_nor_cloud(tmp_path: Path) -> None:
    folder = seven_scenes(tmp_path / "room")
    for path in folder.glob("*.depth.png"):
        path.unlink()
    with pytest.raises(InputError, match="neither depth maps nor a point cloud"):
        recordings.read(folder)


def test_single_frame_in_a_sequence_folder(tmp_path: Path) -> None:
    whole = seven_scenes(tmp_path / "room")
    place = tmp_path / "one" / "seq-01"
    place.mkdir(parents=True)
    for path in whole.glob("frame-000000.*"):
        path.rename(place / path.name)
    (whole / "camera-intrinsics.txt").rename(place.parent / "camera-intrinsics.txt")
    scene = recordings.read(place.parent)
    assert len(scene.views) == 1
    assert np.percentile(wall_distance(in_source(scene)), 99) < 0.02


def test_empty_folder_is_no_recording(tmp_path: Path) -> None:
    assert not recordings.recognises(tmp_path)


def test_color_to_depth_is_the_inverse_of_depth_to_color(tmp_path: Path) -> None:
    folder = seven_scenes(tmp_path / "room")
    (folder / "calibration.json").write_text('{"color_to_depth": {"translation": [0.3, 0, 0]}}')
    view = recordings.read(folder).views[0]
    expected = view.depth_to_world @ np.array([[1, 0, 0, 0.3], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    np.testing.assert_allclose(view.camera_to_world, expected, atol=1e-6)


def test_both_moves_are_refused(tmp_path: Path) -> None:
    folder = seven_scenes(tmp_path / "room")
    move = {"translation": [0.3, 0, 0]}
    (folder / "calibration.json").write_text(json.dumps({"color_to_depth": move, "depth_to_color": move}))
    with pytest.raises(InputError, match="not both"):
        recordings.read(folder)


@pytest.mark.parametrize("factor", [0, -1, "mm", None])
def test_depth_factor_that_is_none(tmp_path: Path, factor: object) -> None:
    folder = transforms(tmp_path / "room")
    content = json.loads((folder / "transforms.json").read_text()) | {"depth_unit_scale_factor": factor}
    (folder / "transforms.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="depth_unit_scale_factor"):
        recordings.read(folder)


def test_transforms_round_trip(tmp_path: Path) -> None:
    scene = recordings.read(transforms(tmp_path / "room"))
    transforms_json.write(scene, tmp_path / "copy")
    again = recordings.read(tmp_path / "copy")
    np.testing.assert_allclose(again.points, scene.points, atol=1e-6)
    for one, other in zip(scene.views, again.views, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_allclose(one.depth, other.depth, atol=1e-6)
        np.testing.assert_allclose(one.camera_to_world, other.camera_to_world, atol=1e-9)
        np.testing.assert_allclose(one.intrinsics, other.intrinsics, atol=1e-9)


def test_transforms_keep_registered_depth_and_name_the_cost_of_the_rest(tmp_path: Path) -> None:
    folder = seven_scenes(tmp_path / "room")
    transforms_json.write(recordings.read(folder), tmp_path / "registered")
    assert len(list((tmp_path / "registered" / "depth").iterdir())) == 6
    (folder / "calibration.json").write_text('{"depth_to_color": {"translation": [-0.1, 0, 0]}}')
    with pytest.warns(ScanwiseWarning, match="depth of 6 frames is left out"):
        transforms_json.write(recordings.read(folder), tmp_path / "apart")


@pytest.mark.parametrize("depth_first", [False, True])
def test_tum_associations_replace_the_lists(tmp_path: Path, depth_first: bool) -> None:
    folder = tum(tmp_path / "room")
    for name in ("rgb.txt", "depth.txt"):
        (folder / name).unlink()
    pairs = [(f"{n}.000 rgb{n}.png", f"{n}.500 depth{n}.png") for n in range(6)]
    lines = [" ".join(reversed(pair) if depth_first else pair) for pair in pairs]
    if depth_first:  # the pose belongs to the colour picture, whose time is near it
        assert lines[0] == "0.500 depth0.png 0.000 rgb0.png"
    (folder / "associations.txt").write_text("\n".join(lines))
    scene = recordings.read(folder)
    assert len(scene.views) == 6
    assert np.percentile(wall_distance(in_source(scene)), 99) < 0.02


def test_tum_pictures_too_far_apart_in_time_are_left_out(tmp_path: Path) -> None:
    folder = tum(tmp_path / "room")
    text = (folder / "depth.txt").read_text()
    (folder / "depth.txt").write_text(text.replace("3.012", "3.021"))
    with pytest.warns(ScanwiseWarning, match="1 of 6 frames"):
        assert "rgb3.png" not in [view.name for view in recordings.read(folder).views]


def test_tum_takes_the_camera_that_the_folder_names(tmp_path: Path) -> None:
    folder = tum(tmp_path / "rgbd_dataset_freiburg3_office")
    (folder / "calibration.json").unlink()
    view = recordings.read(folder).views[0]
    assert view.intrinsics[[0, 1, 0, 1], [0, 1, 2, 2]].tolist() == [535.4, 539.2, 320.1, 247.6]


def test_missing_intrinsics_are_said(tmp_path: Path) -> None:
    folder = seven_scenes(tmp_path / "room")
    (folder / "camera-intrinsics.txt").unlink()
    with pytest.warns(ScanwiseWarning, match=r"no camera-intrinsics\.txt"):
        assert recordings.read(folder).views[0].depth_intrinsics[0, 0] == 585


def test_malformed_intrinsics_name_their_file(tmp_path: Path) -> None:
    folder = seven_scenes(tmp_path / "room")
    (folder / "camera-intrinsics.txt").write_text("585 0 320\n")
    with pytest.raises(InputError, match=r"camera-intrinsics\.txt: should hold a 3x3"):
        recordings.read(folder)


def test_colour_of_another_size_scales_the_camera(tmp_path: Path) -> None:
    folder = seven_scenes(tmp_path / "room")
    wide = np.array([[140.0, 0, 79.5], [0, 140, 59.5], [0, 0, 1]])
    for number, pose in enumerate(poses()):
        Image.fromarray(render(pose, wide, (120, 160))[0]).save(folder / f"frame-{number:06d}.color.png")
    with pytest.warns(ScanwiseWarning, match="differ in size"):
        scene = recordings.read(folder)
    assert right_paint(in_source(scene), scene.colors) > 0.97


def test_scannet_cloud_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = scannet(tmp_path / "room")
    points = np.random.default_rng(0).random((40, 3)).astype(np.float32)
    ply.write(Scene(points), folder / "room_vh_clean_2.ply")
    scene = recordings.read(folder)
    np.testing.assert_array_equal(scene.points, points)
    assert len(scene.views) == 6


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_cloud_beside_the_frames_is_the_cloud(layout: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = layout(tmp_path / "room")
    points = recordings.read(folder).points_in_source()[::7].astype(np.float32)
    ply.write(Scene(points), folder / "mine.ply")
    with pytest.warns(ScanwiseWarning, match=r"mine\.ply beside the frames is the cloud"):
        scene = recordings.read(folder)
    np.testing.assert_allclose(scene.points_in_source(), points, atol=1e-6)
    for view, pose in zip(scene.views, poses(), strict=True):
        np.testing.assert_allclose(scene.to_source @ view.camera_to_world, pose, atol=1e-5)


def test_a_cloud_that_lies_elsewhere_is_named_and_not_used(tmp_path: Path) -> None:
    folder = seven_scenes(tmp_path / "room")
    fused = recordings.read(folder)
    ply.write(Scene(fused.points_in_source()[::7] + np.array([0.7, 0.9, 0])), folder / "mine.ply")
    with pytest.warns(ScanwiseWarning, match=r"mine\.ply does not lie where the frames are: \d+%.* not used"):
        assert len(recordings.read(folder)) == len(fused)


def test_several_clouds_beside_are_named_and_none_is_used(tmp_path: Path) -> None:
    folder = seven_scenes(tmp_path / "room")
    fused = recordings.read(folder)
    for name in ("one", "two"):
        ply.write(Scene(fused.points[::7]), folder / f"{name}.ply")
    with pytest.warns(ScanwiseWarning, match=r"2 clouds lie beside the frames and none is used \(one\.ply, two\.ply"):
        assert len(recordings.read(folder)) == len(fused)


@pytest.mark.parametrize("change", [{"fl_x": 0}, {"w": 0}, {"fl_y": "inf"}])
def test_lengths_that_are_not_positive(tmp_path: Path, change: dict[str, object]) -> None:
    folder = transforms(tmp_path / "room")
    content = json.loads((folder / "transforms.json").read_text()) | change
    (folder / "transforms.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="must be positive"):
        recordings.read(folder)


@pytest.mark.parametrize("name", ["gone.ply", 3])
def test_missing_cloud_is_said(tmp_path: Path, name: object) -> None:
    folder = transforms(tmp_path / "room")
    content = json.loads((folder / "transforms.json").read_text()) | {"ply_file_path": name}
    (folder / "transforms.json").write_text(json.dumps(content))
    with pytest.warns(ScanwiseWarning, match="not there"):
        assert len(recordings.read(folder)) > 5000
