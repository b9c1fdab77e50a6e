"""transforms.json: whose pose it is, and what an export may replace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from scanwise.errors import InputError, OutputError, ScanwiseWarning
from scanwise.files import ImageFile
from scanwise.formats import transforms_json
from tests.worlds import corner_scene


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    transforms_json.write(corner_scene(), tmp_path / "room")
    return tmp_path / "room"


def test_an_export_replaces_an_earlier_one(folder: Path) -> None:
    transforms_json.write(corner_scene(2), folder)
    assert len(transforms_json.load(folder).views) == 2


def test_a_folder_with_anything_else_in_it_stays(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="did not write"):
        transforms_json.write(corner_scene(2), folder)
    assert (folder / "notes.txt").read_text() == "mine"


def test_someone_elses_recording_stays(folder: Path) -> None:
    content = json.loads((folder / "transforms.json").read_text())
    del content["written_by"]
    (folder / "transforms.json").write_text(json.dumps(content))
    with pytest.raises(OutputError, match="did not write"):
        transforms_json.write(corner_scene(2), folder)


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "room").write_text("a file")
    with pytest.raises(OutputError, match="did not write"):
        transforms_json.write(corner_scene(), tmp_path / "room")


def test_the_pose_is_the_pictures(folder: Path) -> None:
    before = transforms_json.load(folder).views[0]
    (folder / "calibration.json").write_text('{"depth_to_color": {"translation": [-0.1, 0, 0]}}')
    after = transforms_json.load(folder).views[0]
    np.testing.assert_allclose(after.camera_to_world, before.camera_to_world)
    depth_centre = np.linalg.inv(after.camera_to_world) @ after.depth_to_world[:, 3]
    np.testing.assert_allclose(depth_centre, [-0.1, 0, 0, 1], atol=1e-9)


def change(folder: Path, top: dict[str, Any] | None = None, **of_frames: Any) -> Path:
    """Changes keys of the recording, and of each frame; those that become None are taken away."""
    listed = [
        {key: value for key, value in (frame | of_frames).items() if value is not None} for frame in frames(folder)
    ]
    return change_top(folder, **(top or {}), frames=listed)


def frames(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "transforms.json").read_text())["frames"]


def write_frames(folder: Path, listed: list[Any]) -> Path:
    return change_top(folder, frames=listed)


def change_top(folder: Path, **top: Any) -> Path:
    content = json.loads((folder / "transforms.json").read_text()) | top
    (folder / "transforms.json").write_text(json.dumps(content))
    return folder


def test_depth_of_instant_ngp(folder: Path) -> None:
    before = transforms_json.load(folder).views[0].depth
    listed = [
        {key: value for key, value in frame.items() if key != "depth_file_path"}
        | {"depth_path": frame["depth_file_path"]}
        for frame in frames(folder)
    ]
    write_frames(change_top(folder, integer_depth_scale=0.002, enable_depth_loading=True), listed)
    np.testing.assert_allclose(transforms_json.load(folder).views[0].depth, before * 2)


@pytest.mark.parametrize("shape", ["3x4", "flat", "flat 3x4"])
def test_shapes_of_a_pose(folder: Path, shape: str) -> None:
    before = transforms_json.load(folder).views
    listed = frames(folder)
    for frame in listed:
        matrix = np.array(frame["transform_matrix"])[: 3 if "3x4" in shape else 4]
        frame["transform_matrix"] = matrix.ravel().tolist() if "flat" in shape else matrix.tolist()
    write_frames(folder, listed)
    for one, other in zip(before, transforms_json.load(folder).views, strict=True):
        np.testing.assert_allclose(one.camera_to_world, other.camera_to_world)


def test_paths_of_windows(folder: Path) -> None:
    before = transforms_json.load(folder).views
    listed = frames(folder)
    for frame in listed:
        frame["file_path"] = frame["file_path"].replace("/", "\\")
        frame["depth_file_path"] = "D:\\scans\\" + frame["depth_file_path"].replace("/", "\\")
    views = transforms_json.load(write_frames(folder, listed)).views
    assert [view.digest() for view in views] == [view.digest() for view in before]


def test_frames_that_are_damaged_are_left_out_and_counted(folder: Path) -> None:
    transforms_json.write(corner_scene(5), folder)
    listed: list[Any] = frames(folder)
    listed[1]["transform_matrix"] = [[0.0] * 4] * 4
    listed[2]["file_path"] = "images/gone.png"
    listed.append("not a frame")
    with pytest.warns(ScanwiseWarning, match=r"3 of 6 frames left out") as said:
        assert len(transforms_json.load(write_frames(folder, listed)).views) == 3
    for reason in ("all zeros", "gone.png: no picture of that name", "entry 5: no pose"):
        assert reason in str(said[0].message)


def test_depth_that_no_frame_names_is_taken_and_said(folder: Path) -> None:
    before = transforms_json.load(folder).views
    change(folder, depth_file_path=None)
    with pytest.warns(ScanwiseWarning, match=r"names no depth; the maps in depth/"):
        views = transforms_json.load(folder).views
    np.testing.assert_array_equal(views[1].depth, before[1].depth)
    (folder / "depth").rename(folder / "elsewhere")
    assert transforms_json.load(folder).views[1].depth_raster is None


def test_depth_that_is_not_there_is_counted(folder: Path) -> None:
    (folder / "depth" / "000001.png").unlink()
    with pytest.warns(ScanwiseWarning, match=r"the depth of 1 of \d frames is not there, such as depth/000001\.png"):
        views = transforms_json.load(folder).views
    assert [view.depth_raster is None for view in views].count(True) == 1


def test_what_is_not_understood_is_named_once(folder: Path) -> None:
    change(folder, {"applied_scale": 2.0, "aabb_scale": 16, "fps": 30}, mask_path="m.png", sharpness=3.0)
    with pytest.warns(ScanwiseWarning, match=r"not used: applied_scale, mask_path of frames$") as said:
        transforms_json.load(folder)
    assert len(said) == 1


@pytest.mark.parametrize(
    ("lens", "said"),
    [
        ({"camera_model": "EQUIRECTANGULAR"}, "EQUIRECTANGULAR are not understood"),
        ({"k1": "much"}, "must be numbers"),
    ],
)
def test_lenses_that_are_refused(folder: Path, lens: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        transforms_json.load(change_top(folder, **lens))


@pytest.mark.parametrize("lens", [{"k1": -0.3}, {"camera_model": "OPENCV_FISHEYE"}, {"is_fisheye": True, "k1": 0.01}])
def test_pictures_and_depth_are_straightened_together(folder: Path, lens: dict[str, Any]) -> None:
    """A room whose pictures and depth were bent: what is painted red stays the wall that is red."""
    before = transforms_json.load(folder).views[0]
    view = transforms_json.load(change_top(folder, **lens)).views[0]
    assert view.image.shape == before.image.shape
    assert (view.image != before.image).any()
    assert (view.depth != before.depth).any()
    assert view.digest() != before.digest()
    middle = tuple(side // 2 for side in view.depth.shape)
    assert view.depth[middle] == pytest.approx(before.depth[middle], rel=0.02)


def test_a_lens_of_a_single_frame(folder: Path) -> None:
    listed = frames(folder)
    listed[1]["k1"] = 0.3
    before = transforms_json.load(folder).views
    after = transforms_json.load(write_frames(folder, listed)).views
    assert [(one.image != other.image).any() for one, other in zip(before, after, strict=True)].index(True) == 1


def test_a_lens_that_moves_nothing_costs_nothing(folder: Path) -> None:
    views = transforms_json.load(change_top(folder, camera_model="OPENCV", k1=1e-6)).views
    assert isinstance(views[0].image_raster, ImageFile)


def test_the_field_of_view_has_two_axes(folder: Path) -> None:
    change(folder, {"camera_angle_x": 1.0, "camera_angle_y": 0.5}, fl_x=None, fl_y=None)
    view = transforms_json.load(folder).views[0]
    height, width = view.image_size
    np.testing.assert_allclose(view.intrinsics[0, 0], width / 2 / np.tan(0.5))
    np.testing.assert_allclose(view.intrinsics[1, 1], height / 2 / np.tan(0.25))


def test_pictures_of_another_shape_than_said(folder: Path) -> None:
    width, height = frames(folder)[0]["w"], frames(folder)[0]["h"]
    said = {"w": width, "h": 2 * height, "fl_x": 100, "fl_y": 80, "cx": 10, "cy": 20}
    change(folder, said, **dict.fromkeys(said))
    with pytest.warns(ScanwiseWarning, match="taken as squeezed"):
        view = transforms_json.load(folder).views[0]
    np.testing.assert_allclose(view.intrinsics[:2], [[100, 0, 9.5], [0, 40, 9.5]])


@pytest.mark.parametrize("orientation", [6, 8])
def test_pictures_are_turned_as_exif_says_where_the_size_does(folder: Path, orientation: int) -> None:
    """w and h are those of the turned picture: a phone's own, held upright."""
    frame = frames(folder)[0]
    upright = np.random.default_rng(0).integers(0, 255, (frame["w"], frame["h"], 3), np.uint8)  # on its side
    exif = Image.Exif()
    exif[274] = orientation
    stored = np.rot90(upright, 1 if orientation == 6 else -1)
    Image.fromarray(np.ascontiguousarray(stored)).save(folder / "images" / "turned.png", exif=exif)
    turned = frame | {"file_path": "images/turned.png", "w": frame["h"], "h": frame["w"]}
    view = transforms_json.load(write_frames(folder, [turned])).views[0]
    np.testing.assert_array_equal(view.image, upright)
    assert view.image_size == upright.shape[:2]
    with Image.open(folder / "images" / "turned.png") as picture:
        np.testing.assert_array_equal(view.image, np.asarray(ImageOps.exif_transpose(picture)))


def test_a_size_of_nothing_that_the_frames_replace(folder: Path) -> None:
    assert transforms_json.load(change_top(folder, w=0, h=0)).views
