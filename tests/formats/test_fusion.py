"""Depth maps into a cloud, in a box room whose every side has its colour and whose walls are where we put them."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import DepthFile, ImageFile
from scanwise.formats import fusion
from scanwise.formats.fusion import fuse
from scanwise.scene import ArrayRaster, View

ROOM = np.array([[0, 0, 0], [4, 3, 2.5]], float)
POST = np.array([[1.9, 1.9, 0], [2.1, 2.1, 1.4]])
SIDES = np.array([[200, 30, 30], [230, 140, 20], [20, 160, 60], [40, 60, 220], [90, 90, 90], [240, 240, 240]], np.uint8)
POST_COLOUR = np.array([200, 0, 200], np.uint8)
DEPTH_SIZE, COLOUR_SIZE = (120, 160), (135, 240)
DEPTH_CAMERA = np.array([[146.0, 0, 80], [0, 146, 60], [0, 0, 1]])
COLOUR_CAMERA = np.array([[190.0, 0, 118], [0, 190, 66], [0, 0, 1]])
OFFSET = np.eye(4)
OFFSET[0, 3] = 0.06
KITCHEN = Path(__file__).parents[2].parent / "shared" / "data" / "kitchen"


def look(centre, target):
    centre, forward = np.array(centre, float), np.subtract(target, centre)
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], 1)
    pose[:3, 3] = centre
    return pose


def cast(pose, intrinsics, size, post=False):
    """Depth (H, W) and colours (H, W, 3) of the room, with or without the post in it."""
    rows, columns = np.indices(size).reshape(2, -1)
    rays = np.stack([columns, rows, np.ones_like(rows)], 1) @ np.linalg.inv(intrinsics).T @ pose[:3, :3].T
    with np.errstate(divide="ignore"):
        hits = (ROOM[:, None] - pose[:3, 3]) / rays
        post_hits = np.sort((POST[:, None] - pose[:3, 3]) / rays, axis=0)
    ends = hits.max(0)
    depth, axis = ends.min(1), ends.argmin(1)
    colors = SIDES[2 * axis + (hits[1] > hits[0])[np.arange(len(axis)), axis]]
    enters, leaves = post_hits[0].max(1), post_hits[1].min(1)
    if post:
        on_post = (enters < leaves) & (enters > 0)
        depth, colors = np.where(on_post, enters, depth), np.where(on_post[:, None], POST_COLOUR, colors)
    return depth.reshape(size).astype(np.float32), colors.reshape(*size, 3)


def room_view(centre, target=(2, 2.9, 0.9), post=False, spoil=lambda depth: None):
    """A view whose colour camera stands 6 cm beside the depth camera, with another size and lens."""
    pose = look(centre, target)
    color_pose = pose @ OFFSET
    depth, _ = cast(pose, DEPTH_CAMERA, DEPTH_SIZE, post)
    spoil(depth)
    _, image = cast(color_pose, COLOUR_CAMERA, COLOUR_SIZE, post)
    return View(ArrayRaster(image), COLOUR_CAMERA, color_pose, ArrayRaster(depth), DEPTH_CAMERA, pose)


def room_views(count=4, **settings):
    return [room_view((1.2 + 0.4 * number, 0.5, 1.5 + 0.1 * number), **settings) for number in range(count)]


def distance_to_walls(points):
    return np.abs(points[:, None] - ROOM).reshape(-1, 6).min(1)


def inward_normals(points):
    """(N, 3) of the side that each point lies on, and (N,) whether it is clear of the room's edges."""
    distance = np.abs(points[:, None] - ROOM).transpose(0, 2, 1).reshape(-1, 6)
    side = distance.argmin(1)
    normals = np.eye(3)[side // 2] * np.where(side % 2, -1, 1)[:, None]
    return normals, np.sort(distance, 1)[:, 1] > 0.15, SIDES[side]


def test_the_cloud_lies_on_the_walls_in_their_colours_and_faces_the_room():
    points, colors, normals = fuse(room_views())
    assert len(points) > 10_000
    assert points.dtype == np.float32
    assert colors.dtype == np.uint8
    assert normals.dtype == np.float32
    assert distance_to_walls(points).max() < 0.01
    expected, clear, paint = inward_normals(points)
    assert clear.mean() > 0.5
    cosine = (normals * expected).sum(1)[clear]
    assert cosine.min() > np.cos(np.radians(3))
    assert np.abs(colors.astype(int) - paint)[clear].max() == 0
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)


def test_one_point_a_voxel_and_the_same_cloud_again():
    views = room_views()
    points, colors, normals = fuse(views)
    cells = np.floor((points - views[0].depth_to_world[:3, 3]) / 0.02)
    assert len(np.unique(cells, axis=0)) > 0.999 * len(points)
    for first, second in zip((points, colors, normals), fuse(views), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("batch", [1, 30_000])
def test_the_batch_of_merging_does_not_change_the_result(monkeypatch, batch):
    views = room_views()
    expected = fuse(views)
    monkeypatch.setattr(fusion, "_BATCH", batch)
    for first, second in zip(expected, fuse(views), strict=True):
        np.testing.assert_array_equal(first, second)


def test_frames_that_show_the_same_cost_no_more_memory(monkeypatch):
    """What is held between frames is the surface: ten times the frames, the same table."""
    held = []
    add = fusion._Table.add

    def watched(table, cells):
        add(table, cells)
        held.append(len(table.merged().keys))

    monkeypatch.setattr(fusion._Table, "add", watched)
    fuse([room_view((1.2, 0.5, 1.5))] * 10)
    assert len(set(held)) == 1


def test_lone_readings_are_gone():
    spots = [(20, 30), (60, 80), (90, 140)]

    def spoil(depth):
        for spot in spots:
            depth[spot] *= 0.6

    points, _, _ = fuse(room_views(spoil=spoil))
    assert distance_to_walls(points).max() < 0.01


def test_a_blob_that_other_views_look_through_is_gone_and_a_real_thing_stays():
    blob = room_views(4)
    depth = blob[0].depth.copy()
    depth[55:61, 70:76] = 1.0
    blob[0].depth_raster = ArrayRaster(depth)
    points, _, _ = fuse(blob)
    assert distance_to_walls(points).max() < 0.01

    points, colors, _ = fuse(room_views(4, post=True))
    on_post = distance_to_walls(points) > 0.05
    assert on_post.sum() > 300
    outside = np.maximum(POST[0] - points[on_post], points[on_post] - POST[1]).max(1)
    assert np.abs(outside).max() < 0.01
    assert (np.abs(colors[on_post].astype(int) - POST_COLOUR).max(1) < 60).mean() > 0.95


def test_flying_pixels_between_a_thing_and_the_wall_behind_are_gone():
    def spoil(depth):
        edges = np.flatnonzero(np.abs(np.diff(depth[70])) > 0.4)
        for row in range(depth.shape[0]):
            for edge in np.flatnonzero(np.abs(np.diff(depth[row])) > 0.4):
                depth[row, edge] = 0.5 * (depth[row, edge] + depth[row, edge + 1])
        assert len(edges) == 2

    points, _, _ = fuse(room_views(post=True, spoil=spoil))
    outside = np.linalg.norm(np.maximum(np.maximum(POST[0] - points, points - POST[1]), 0), axis=1)
    assert np.minimum(distance_to_walls(points), outside).max() < 0.03


def test_a_single_frame_keeps_its_surface_and_thin_things():
    def spoil(depth):
        depth[20:100, 80] = 1.2
        depth[20:100, 81] = 1.2

    points, _, normals = fuse([room_view((2.0, 0.5, 1.5), spoil=spoil)])
    pose = look((2.0, 0.5, 1.5), (2, 2.9, 0.9))
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    thin = np.abs(local[:, 2] - 1.2) < 0.01
    assert np.ptp(local[thin, 1]) > 0.9 * 79 * 1.2 / 146
    assert (distance_to_walls(points[~thin]) < 0.01).all()
    assert ((pose[:3, 3] - points) * normals).sum(1).min() > 0


@pytest.mark.parametrize("voxel", [0.01, 0.02, 0.03, 0.06, 0.12])
def test_a_single_frame_leaves_few_holes_whatever_its_pixels_measure(voxel):
    view = room_view((2.0, 0.5, 1.5))
    rows, columns = np.indices(DEPTH_SIZE).reshape(2, -1)
    rays = np.stack([columns, rows, np.ones_like(rows)], 1) @ np.linalg.inv(DEPTH_CAMERA).T
    readings = (rays * view.depth.reshape(-1, 1)) @ view.depth_to_world[:3, :3].T
    hit = np.unique(np.floor(readings / voxel), axis=0)
    points, _, _ = fuse([view], voxel=voxel)
    assert 0.85 * len(hit) < len(points) <= len(hit) * 1.001


def wire(view, rows=slice(20, 100), column=80, z=1.2):
    depth = view.depth.copy()
    depth[rows, column] = z
    return View(
        view.image_raster, view.intrinsics, view.camera_to_world, ArrayRaster(depth), DEPTH_CAMERA, view.depth_to_world
    )


def test_a_thin_thing_that_two_views_hit_stays_though_others_miss_it():
    bare = room_view((2.0, 0.5, 1.5))
    off_the_walls = [
        (distance_to_walls(fuse(views)[0]) > 0.05).sum()
        for views in ([wire(bare), wire(bare), bare, bare, bare], [wire(bare), bare, bare, bare, bare])
    ]
    assert off_the_walls[0] > 30
    assert off_the_walls[1] == 0


def test_a_voxel_of_few_hits_stays_where_another_view_agrees_with_it():
    """Pixels 7 mm apart, and readings in a line: one view gives a voxel two hits, which is too few alone."""
    view = wire(room_view((2.0, 0.5, 1.5)), z=1.02)
    beside = wire(view, z=1.026)
    alone = (distance_to_walls(fuse([view])[0]) > 0.05).sum()
    both = (distance_to_walls(fuse([view, beside])[0]) > 0.05).sum()
    assert alone < 0.7 * both


def test_steady_readings():
    depth = np.full((9, 9), 2.0, np.float32)
    depth[:, 5:] = 3.0
    assert fusion.steady(depth, 100).all(), "an edge is no flying pixel on either side"
    lone = depth.copy()
    lone[4, 2] = 1.0
    assert np.argwhere(~fusion.steady(lone, 100)).tolist() == [[4, 2]]
    line = depth.copy()
    line[:, 2] = 1.0
    assert fusion.steady(line, 100)[1:-1].all(), "a thin thing has neighbours along itself"
    between = depth.copy()
    between[:, 5] = 2.5
    assert (~fusion.steady(between, 100)).nonzero()[1].tolist() == [5] * 9
    shadow = depth.copy()
    shadow[:, 3:5] = 0
    assert (fusion.steady(shadow, 100) == (shadow > 0)).all(), "beside missing readings nothing is known to fly"
    slope = np.tile(1 / np.linspace(0.5, 0.3, 9, dtype=np.float32), (9, 1))
    assert fusion.steady(slope, 100).all(), "a floor seen at a slant is no edge"


def test_normals_are_exact_on_planes_and_do_not_mix_across_an_edge():
    pose = look((2.0, 0.5, 1.5), (2, 2.9, 0.9))
    depth, _ = cast(pose, DEPTH_CAMERA, DEPTH_SIZE, post=True)
    normals = fusion.depth_normals(depth, depth > 0, DEPTH_CAMERA) @ pose[:3, :3].T
    wall, front = normals[40, 50], normals[70, 80]
    np.testing.assert_allclose([wall, front], [[0, -1, 0], [0, -1, 0]], atol=1e-3)
    beside = np.flatnonzero(np.diff(depth[70]) > 0.4)[0] + 1
    np.testing.assert_allclose(normals[70, beside - 1 : beside + 1], [[0, -1, 0]] * 2, atol=0.1)


def test_the_colour_of_the_post_is_not_painted_on_the_wall_that_it_hides():
    """With the colour camera's own pose ignored, the post's edge lands on the wall; with it, none does."""
    views = room_views(1, post=True)
    points, colors, _ = fuse(views)
    wall = np.abs(points[:, 1] - 3) < 0.01
    purple = np.abs(colors[wall].astype(int) - POST_COLOUR).max(1) < 40
    assert purple.sum() == 0

    naive = View(views[0].image_raster, COLOUR_CAMERA, views[0].depth_to_world, views[0].depth_raster, DEPTH_CAMERA)
    points, colors, _ = fuse([naive])
    wall = np.abs(points[:, 1] - 3) < 0.01
    assert (np.abs(colors[wall].astype(int) - POST_COLOUR).max(1) < 40).sum() > 20


def test_depth_in_the_colour_camera_at_another_size():
    pose = look((1.5, 0.5, 1.5), (2, 2.9, 0.9))
    _, image = cast(pose, COLOUR_CAMERA, COLOUR_SIZE)
    view = View(ArrayRaster(image), COLOUR_CAMERA, pose)
    intrinsics, _ = view.depth_camera((90, 160))
    view.depth_raster = ArrayRaster(cast(pose, intrinsics, (90, 160))[0])
    points, colors, _ = fuse([view])
    _, clear, paint = inward_normals(points)
    assert distance_to_walls(points).max() < 0.01
    assert np.abs(colors.astype(int) - paint)[clear].max() == 0


def test_places_without_colour_take_the_nearest():
    pose = look((1.5, 0.5, 1.5), (2, 2.9, 0.9))
    depth, image = cast(pose, DEPTH_CAMERA, DEPTH_SIZE)
    narrow = DEPTH_CAMERA.copy()
    narrow[:2, 2] = 40, 30
    view = View(ArrayRaster(image[30:90, 40:120]), narrow, pose, ArrayRaster(depth), DEPTH_CAMERA)
    _, colors, _ = fuse([view])
    seen = {tuple(color) for color in image[30:90, 40:120].reshape(-1, 3)}
    exact = [tuple(color) in seen for color in colors]
    assert np.mean(exact) > 0.9
    assert colors.min(1).max() > 0


def test_far_from_the_origin_the_cloud_keeps_its_shape():
    near, far = room_views(2), room_views(2)
    shift = np.array([1000.0, -2000.0, 50.0])
    for view in far:
        view.camera_to_world, view.depth_to_world = view.camera_to_world.copy(), view.depth_to_world.copy()
        view.camera_to_world[:3, 3] += shift
        view.depth_to_world[:3, 3] += shift
    first, second = fuse(near)[0], fuse(far)[0]
    assert len(first) == pytest.approx(len(second), rel=1e-3)
    assert distance_to_walls(second - shift).max() < 0.01


def test_progress_ends_at_one():
    told = []
    fuse(room_views(3), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


def test_views_without_depth_are_passed_over():
    views = room_views(3)
    bare = View(views[0].image_raster, COLOUR_CAMERA, views[0].camera_to_world)
    for first, second in zip(fuse(views), fuse([bare, *views, bare]), strict=True):
        np.testing.assert_array_equal(first, second)
    with pytest.raises(InputError, match="no frame has depth"):
        fuse([bare])
    with pytest.raises(InputError, match="no frame has depth"):
        fuse([])


@pytest.mark.parametrize("value", [0, np.nan, -1, np.inf])
def test_depth_without_a_reading_is_said(value):
    def spoil(depth):
        depth[:] = value

    with pytest.raises(InputError, match="none of the 2 depth maps"):
        fuse(room_views(2, spoil=spoil))


def test_readings_out_of_all_bounds_are_said():
    def spoil(depth):
        depth *= 1e5

    with pytest.raises(InputError, match="km from the first camera"):
        fuse(room_views(2, spoil=spoil))


def test_a_colour_camera_that_looks_away_is_said():
    views = room_views(2)
    for view in views:
        view.camera_to_world = view.camera_to_world @ np.diag([1.0, -1, -1, 1])
    with pytest.warns(ScanwiseWarning, match="calibration"):
        _, colors, _ = fuse(views)
    assert (colors == 128).all()


def kitchen_views(calibrated):
    depth_camera = np.array([[585.0, 0, 320], [0, 585, 240], [0, 0, 1]])
    color_camera = np.array([[522.0, 0, 321], [0, 522, 236.4], [0, 0, 1]]) if calibrated else depth_camera
    shift = np.eye(4)
    shift[0, 3] = 0.0256 if calibrated else 0
    views = []
    for path in sorted(KITCHEN.glob("*.pose.txt"))[:6]:
        pose, stem = np.loadtxt(path), path.name.removesuffix(".pose.txt")
        image, depth = ImageFile(KITCHEN / f"{stem}.color.jpg"), DepthFile(KITCHEN / f"{stem}.depth.png", far=6)
        views.append(View(image, color_camera, pose @ shift, depth, depth_camera, pose))
    return views


def color_variance(views):
    """Mean over places that three views or more saw of the variance of their colours."""
    places, _, _ = fuse(views)
    sums = np.zeros((3, len(places), 3))
    for view in views:
        points, colors, _ = fuse([view])
        distance, near = cKDTree(points).query(places, distance_upper_bound=0.02)
        met = np.isfinite(distance)
        paint = colors[near[met]].astype(float)
        sums[:, met] += np.stack([np.ones_like(paint), paint, paint**2])
    count, total, squares = sums[:, sums[0, :, 0] >= 3]
    return (squares / count - (total / count) ** 2).mean()


@pytest.mark.skipif(not KITCHEN.exists(), reason="needs the real recording")
def test_the_calibration_sharpens_the_colours_of_a_real_recording():
    assert color_variance(kitchen_views(calibrated=True)) < 0.7 * color_variance(kitchen_views(calibrated=False))
