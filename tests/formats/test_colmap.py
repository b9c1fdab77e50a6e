"""COLMAP's models, text and binary, of every camera model that is read."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import colmap, ply, recordings
from scanwise.formats.colmap_model import MODELS
from scanwise.scene import Scene
from tests.formats.recorded_room import CAMERA, HIGH, LOW, PAINT, SIZE, poses, render

UNIT = "unit of length is not known"
PINHOLE = [70.0, 70.0, 40.0, 30.0]  # from the corner of the first pixel


def room_points(count: int = 900) -> tuple[np.ndarray, np.ndarray]:
    """Points on the walls with their paint."""
    generator = np.random.default_rng(0)
    points = generator.uniform(LOW, HIGH, (count, 3))
    wall = generator.integers(0, 6, count)
    points[np.arange(count), wall % 3] = np.concatenate([LOW, HIGH])[wall]
    return points, PAINT[wall]


def model(folder: Path, *, binary: bool, name: str = "PINHOLE", parameters: list[float] | None = None) -> Path:
    place = folder / "sparse" / "0"
    place.mkdir(parents=True)
    (folder / "images" / "left").mkdir(parents=True)
    values = PINHOLE if parameters is None else parameters
    images = []
    for number, pose in enumerate(poses()):
        Image.fromarray(render(pose)[0]).save(folder / "images" / "left" / f"a b{number}.png")
        to_camera = np.linalg.inv(pose)
        x, y, z, w = Rotation.from_matrix(to_camera[:3, :3]).as_quat()
        images.append((number + 1, [w, x, y, z, *to_camera[:3, 3]], f"left/a b{number}.png"))
    points, colors = room_points()
    write = write_binary if binary else write_text
    write(place, name, values, images, points, colors)
    return folder


def write_text(place, name, values, images, points, colors) -> None:
    camera = " ".join(map(str, [7, name, SIZE[1], SIZE[0], *values]))
    (place / "cameras.txt").write_text(f"# Camera list\n{camera}\n")
    lines = [" ".join(map(str, [number, *pose, 7, name])) for number, pose, name in images]
    seen = ["1.5 2.5 3 4 5 -1", ""] * 3  # the line of points may be empty
    pairs = zip(lines, seen, strict=True)
    (place / "images.txt").write_text("# Image list\n# more\n" + "".join(f"{one}\n{two}\n" for one, two in pairs))
    rows = [[n, *p, *c, 0.5, 1, 2, 2, 3] for n, (p, c) in enumerate(zip(points, colors, strict=True))]
    (place / "points3D.txt").write_text("# points\n" + "".join(" ".join(map(str, row)) + "\n" for row in rows))


def write_binary(place, name, values, images, points, colors) -> None:
    number = list(MODELS).index(name)
    head = struct.pack("<QiiQQ", 1, 7, number, SIZE[1], SIZE[0])
    (place / "cameras.bin").write_bytes(head + struct.pack(f"<{len(values)}d", *values))
    body = struct.pack("<Q", len(images))
    for number, pose, name in images:
        body += struct.pack("<i7di", number, *pose, 7) + name.encode() + b"\0"
        body += struct.pack("<Q", 2) + struct.pack("<ddqddq", 1, 2, 3, 4, 5, -1)
    (place / "images.bin").write_bytes(body)
    body = struct.pack("<Q", len(points))
    for number, (point, color) in enumerate(zip(points, colors, strict=True)):
        body += struct.pack("<Q3d3BdQ", number, *point, *color.tolist(), 0.5, 2) + struct.pack("<4i", 1, 2, 2, 3)
    (place / "points3D.bin").write_bytes(body)


@pytest.mark.parametrize("binary", [False, True])
def test_points_pictures_and_cameras(tmp_path: Path, binary: bool) -> None:
    folder = model(tmp_path / "room", binary=binary)
    assert recordings.recognises(folder)
    with pytest.warns(ScanwiseWarning, match=UNIT):
        scene = recordings.read(folder)
    points, colors = room_points()
    np.testing.assert_allclose(scene.points_in_source(), points, atol=1e-5)
    np.testing.assert_array_equal(scene.colors, colors)
    assert len(scene.views) == 6
    for number, (view, pose) in enumerate(zip(scene.views, poses(), strict=True)):
        np.testing.assert_allclose(scene.to_source @ view.camera_to_world, pose, atol=1e-6)
        np.testing.assert_allclose(view.intrinsics, CAMERA)
        np.testing.assert_array_equal(view.image, render(pose)[0])
        assert view.name == f"left/a b{number}.png"


def test_the_folder_of_the_model_will_do(tmp_path: Path) -> None:
    folder = model(tmp_path / "room", binary=True)
    with pytest.warns(ScanwiseWarning, match=UNIT):
        assert len(colmap.load(folder / "sparse" / "0").views) == 6


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("SIMPLE_PINHOLE", [70, 40, 30]),
        ("SIMPLE_RADIAL", [70, 40, 30, 0]),
        ("RADIAL", [70, 40, 30, 0, 0]),
        ("OPENCV", [*PINHOLE, 0, 0, 0, 0]),
        ("FULL_OPENCV", [*PINHOLE, *[0] * 8]),
    ],
)
def test_models_of_straight_lenses_are_pinholes(tmp_path: Path, name: str, parameters: list[float]) -> None:
    folder = model(tmp_path / "room", binary=False, name=name, parameters=parameters)
    with pytest.warns(ScanwiseWarning, match=UNIT):
        view = colmap.load(folder).views[0]
    np.testing.assert_allclose(view.intrinsics, CAMERA)
    np.testing.assert_array_equal(view.image, render(poses()[0])[0])


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("SIMPLE_RADIAL", [70, 40, 30, -0.2]),
        ("OPENCV", [*PINHOLE, -0.2, 0.01, 0.001, 0.002]),
        ("OPENCV_FISHEYE", [*PINHOLE, 0, 0, 0, 0]),
    ],
)
def test_pictures_of_bent_lenses_are_straightened(tmp_path: Path, name: str, parameters: list[float]) -> None:
    folder = model(tmp_path / "room", binary=True, name=name, parameters=parameters)
    with pytest.warns(ScanwiseWarning, match=UNIT):
        view = colmap.load(folder).views[0]
    stored = render(poses()[0])[0]
    assert view.image.shape == stored.shape
    assert (view.image != stored).any()


def test_a_lens_that_cannot_be_undone_is_refused(tmp_path: Path) -> None:
    folder = model(tmp_path / "room", binary=True, name="FOV", parameters=[*PINHOLE, 0.9])
    with pytest.raises(InputError, match=r"FOV are not understood; known are .*OPENCV_FISHEYE"):
        colmap.load(folder)


@pytest.mark.parametrize("shift", [0, 3])
def test_a_cloud_beside_goes_before_where_it_fits(tmp_path: Path, shift: float) -> None:
    folder = model(tmp_path / "room", binary=True)
    dense = (room_points(20_000)[0] + [shift, 0, 0]).astype(np.float32)
    ply.write(Scene(dense), folder / "fused.ply")
    with pytest.warns(ScanwiseWarning) as said:
        scene = recordings.read(folder)
    told = " ".join(str(one.message) for one in said)
    assert ("fused.ply beside the frames is the cloud" in told) == (shift == 0)
    assert ("fused.ply does not lie where the frames are" in told) == (shift == 3)
    assert len(scene) == (20_000 if shift == 0 else 900)


def test_pictures_of_another_size_scale_the_camera(tmp_path: Path) -> None:
    folder = model(tmp_path / "room", binary=True)
    for path in (folder / "images" / "left").iterdir():
        with Image.open(path) as picture:
            picture.resize((40, 30)).save(path)
    with pytest.warns(ScanwiseWarning, match=UNIT):
        np.testing.assert_allclose(colmap.load(folder).views[0].intrinsics[:2], [[35, 0, 19.5], [0, 35, 14.5]])


def test_pictures_that_are_not_there(tmp_path: Path) -> None:
    folder = model(tmp_path / "room", binary=True)
    (folder / "images" / "left" / "a b2.png").unlink()
    with pytest.warns(ScanwiseWarning) as said:
        assert len(colmap.load(folder).views) == 5
    assert any("left/a b2.png: no picture" in str(one.message) for one in said)
    (folder / "images").rename(folder / "elsewhere")
    with pytest.raises(InputError, match=r"pictures are not there, such as left/a b0\.png"):
        colmap.load(folder)


@pytest.mark.parametrize("part", ["cameras", "images", "points3D"])
@pytest.mark.parametrize("binary", [False, True])
def test_a_part_cut_off_is_named(tmp_path: Path, part: str, binary: bool) -> None:
    folder = model(tmp_path / "room", binary=binary)
    path = folder / "sparse" / "0" / (part + (".bin" if binary else ".txt"))
    path.write_bytes(path.read_bytes()[:-9] if binary else b"1 PINHOLE\n")
    with pytest.raises(InputError, match=f"{part}.*cut off or malformed"):
        colmap.load(folder)
