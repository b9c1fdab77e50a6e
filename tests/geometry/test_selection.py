"""Choosing points: box, lasso, and what grows from a click."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanwise.errors import InputError
from scanwise.geometry.selection import grown, in_box, in_lasso, select_box, select_clicks, select_lasso
from scanwise.scene import Scene


def test_a_box_takes_its_faces_whichever_corners_are_given() -> None:
    points = np.array([[0, 0, 0], [1, 1, 1], [1.01, 1, 1], [np.nan, 0, 0]])
    assert in_box(points, (1, 0, 1), (0, 1, 0)).tolist() == [True, True, False, False]
    with pytest.raises(InputError, match="no point is in the box"):
        in_box(points, (5, 5, 5), (6, 6, 6))


def test_a_lasso_with_a_bay() -> None:
    polygon = np.array([[0, 0], [4, 0], [4, 4], [2, 1], [0, 4]])
    inside = in_lasso(np.array([[0.5, 2], [2, 2], [2, 0.5], [3.5, 2], [5, 1]]), polygon)
    assert inside.tolist() == [True, False, True, True, False]
    with pytest.raises(InputError, match="3 corners"):
        in_lasso(np.zeros((1, 2)), polygon[:2])


@given(st.integers(0, 10_000))
def test_a_lasso_of_a_convex_polygon_is_its_half_planes(seed: int) -> None:
    random = np.random.default_rng(seed)
    angles = np.sort(random.uniform(0, 2 * np.pi, 7))
    polygon = np.stack([np.cos(angles), np.sin(angles)], 1)
    plan = np.concatenate([random.uniform(-1, 1, (200, 2)), polygon.mean(0, keepdims=True)])
    edge = np.roll(polygon, -1, 0) - polygon
    offset = plan[:, None] - polygon
    left = edge[:, 0] * offset[:, :, 1] - edge[:, 1] * offset[:, :, 0] > 0
    assert np.array_equal(in_lasso(plan, polygon), left.all(1))


def blocks() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A grey floor with two touching cubes on it, one red, one blue: points, colours, normals, and which of them."""
    grid = np.stack(np.meshgrid(np.arange(0, 0.4, 0.015), np.arange(0, 0.4, 0.015)), -1).reshape(-1, 2)
    flat = np.stack(np.meshgrid(np.arange(-0.6, 1.2, 0.015), np.arange(-0.6, 0.9, 0.015)), -1).reshape(-1, 2)
    points, normals, which = [np.column_stack([flat, np.zeros(len(flat))])], [np.tile([0, 0, 1.0], (len(flat), 1))], []
    which.append(np.zeros(len(flat), int))
    for number, start in ((1, 0.0), (2, 0.4)):
        for axis in range(3):
            for side in (0, 1):
                if (axis, side) == (2, 0) or (axis == 0 and side == 2 - number):
                    continue  # where it stands, and where the cubes touch
                face = np.insert(grid, axis, 0.4 * side, axis=1) + np.array([start, 0, 0])
                points.append(face)
                normals.append(np.tile(np.eye(3)[axis] * (2 * side - 1), (len(face), 1)))
                which.append(np.full(len(face), number))
    kind = np.concatenate(which)
    colors = np.array([[150, 150, 150], [200, 30, 30], [30, 30, 200]], np.uint8)[kind]
    return np.concatenate(points), colors, np.concatenate(normals), kind


@pytest.mark.parametrize("scale", [1, 3])
def test_a_click_takes_a_whole_cube_and_stops_at_floor_and_neighbour(scale: int) -> None:
    points, colors, normals, kind = blocks()
    mask = grown(points * scale, colors, normals, np.array([[0.2, 0.2, 0.41]]) * scale, voxel=0.02 * scale, reach=5)
    wanted = kind == 1
    assert (mask & wanted).sum() / wanted.sum() > 0.9
    assert (mask & ~wanted).sum() / mask.sum() < 0.05


def test_without_colours_and_normals_a_click_takes_a_face() -> None:
    points, _, _, kind = blocks()
    mask = grown(points, None, None, np.array([[0.2, 0.2, 0.4]]))
    top = (points[:, 2] > 0.39) & (kind > 0)
    assert (mask & top).sum() / top.sum() > 0.8
    assert not mask[kind == 0].any()


def test_growing_ends_at_the_reach_and_needs_a_near_click() -> None:
    points, colors, normals, _ = blocks()
    mask = grown(points, colors, normals, np.array([[-0.5, -0.5, 0.0]]), reach=0.2)
    assert mask.any()
    assert np.linalg.norm(points[mask] - [-0.5, -0.5, 0], axis=1).max() <= 0.2
    with pytest.raises(InputError, match="9,9,9: no point within") as caught:
        grown(points, colors, normals, np.array([[9.0, 9, 9]]))
    assert caught.value.option == "point"


def test_a_scan_that_was_turned_is_selected_in_the_frame_of_its_file() -> None:
    points, colors, normals, _ = blocks()
    upright = Scene(points, colors, normals)
    turned = replace(upright, to_source=np.array([[1, 0, 0, 5], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]]))
    own = np.array([[5.2, 0.41, -0.2]])  # on top of the red cube: the file's y points up
    box = select_box(upright, (-0.01, -0.01, 0.01), (0.395, 0.41, 0.41))
    assert box.any()
    assert np.array_equal(select_box(turned, (4.99, 0.01, 0.01), (5.395, 0.41, -0.41)), box)
    corners = np.array([[-0.01, -0.01], [0.395, -0.01], [0.395, 0.41], [-0.01, 0.41]])
    lasso = select_lasso(upright, corners, (0.05, 2))
    assert lasso.any()
    assert np.array_equal(select_lasso(turned, corners * [1, -1] + [5, 0], (2, 0.05)), lasso)
    clicked = select_clicks(upright, np.array([[0.2, 0.2, 0.41]]))
    assert clicked.any()
    assert np.array_equal(select_clicks(turned, own), clicked)


def test_a_lasso_needs_a_vertical_axis() -> None:
    tilt = np.eye(4)
    tilt[:3, :3] = [[1, 0, 0], [0, 0.7071, -0.7071], [0, 0.7071, 0.7071]]
    with pytest.raises(InputError, match="no axis of this scan is vertical") as caught:
        select_lasso(replace(Scene(blocks()[0]), to_source=tilt), np.eye(3)[:, :2], (0, 1))
    assert caught.value.option == "lasso"
