"""The spinning LiDAR against geometry that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scanwise.synth.lidar import HDL32, HDL64, LidarModel, LidarWorld, Mover, Sweep, between, reflectivity
from scanwise.synth.mesh import Mesh, box, rectangle

GROUND = rectangle((-200, -200, 0), (400, 0, 0), (0, 400, 0), color=(230, 230, 230))


def perfect(model: LidarModel) -> LidarModel:
    return replace(model, noise=0.0, jitter=0.0, loss=0.0, mixed=0.0)


def at(x: float, y: float, z: float, heading: float = 0.0) -> np.ndarray:
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(heading), -np.sin(heading)], [np.sin(heading), np.cos(heading)]]
    pose[:3, 3] = x, y, z
    return pose


def still(meshes: list[Mesh], model: LidarModel, pose: np.ndarray, seed: int = 0) -> Sweep:
    return LidarWorld([(mesh, "other") for mesh in meshes]).scan(model, pose, pose, np.random.default_rng(seed))


@pytest.mark.parametrize("model", [HDL64, HDL32])
def test_rings_on_flat_ground_have_the_radius_of_their_elevation(model: LidarModel) -> None:
    sweep = still([GROUND], perfect(model), at(3, -2, model.height))
    radius = np.linalg.norm(sweep.points[:, :2], axis=1)
    for ring in np.unique(sweep.ring):
        down = -np.deg2rad(model.elevations[ring])
        assert np.allclose(radius[sweep.ring == ring], model.height / np.tan(down), rtol=1e-4)
    assert np.allclose(sweep.points[:, 2], -model.height, atol=1e-3)
    steepest = sweep.ring == int(np.argmin(model.elevations))
    assert steepest.sum() == model.columns


def test_beams_as_the_data_sheets_have_them() -> None:
    assert len(HDL64.elevations) == 64
    assert len(HDL32.elevations) == 32
    steps = -np.diff(HDL64.elevations)
    assert np.allclose(steps[:31], 1 / 3, atol=0.01)
    assert np.allclose(steps[32:], 0.515, atol=0.01)
    assert np.allclose(np.diff(HDL32.elevations), 4 / 3, atol=0.01)


def test_a_box_is_hit_at_its_front_and_hides_what_is_behind() -> None:
    cube = box((10, -1, 0), (12, 1, 4))
    behind = box((20, -0.5, 0), (21, 0.5, 3))
    sweep = still([GROUND, cube, behind], perfect(HDL64), at(0, 0, HDL64.height))
    hits = sweep.points[sweep.body == 1]
    assert len(hits) > 500
    assert np.allclose(hits[:, 0], 10, atol=1e-3)
    assert np.abs(hits[:, 1]).max() <= 1.001
    assert not (sweep.body == 2).any()


def test_a_wall_stays_straight_while_the_car_drives_and_turns() -> None:
    wall = rectangle((-80, 10, -5), (160, 0, 0), (0, 0, 20), color=(230, 230, 230))
    start, end = at(0, 0, 1.7, 0.0), at(3, 0.5, 1.7, 0.15)
    sweep = LidarWorld([(wall, "other")]).scan(perfect(HDL64), start, end, np.random.default_rng(0))
    middle = between(start, end, 0.5)
    world = sweep.points @ middle[:3, :3].T + middle[:3, 3]
    assert len(world) > 10_000
    assert np.allclose(world[:, 1], 10, atol=2e-3)


def test_the_pose_half_way() -> None:
    assert np.allclose(between(at(0, 0, 1, 0.2), at(2, 4, 1, 0.6), 0.5), at(1, 2, 1, 0.4))
    assert np.allclose(between(at(0, 0, 1), at(2, 4, 1), 0.25), at(0.5, 1, 1))


def test_a_mover_is_hit_where_it_is_when_the_head_looks_at_it() -> None:
    """Straight ahead the head looks at half time: a box that comes at 20 m/s has come 1 m by then."""
    mover = Mover(box((-1, -1, 0), (1, 1, 3)), "other", lambda time: at(21 - 20 * time, 0, 0))
    world = LidarWorld([(GROUND, "road")], [mover])
    pose = at(0, 0, HDL64.height)
    sweep = world.scan(perfect(HDL64), pose, pose, np.random.default_rng(0))
    hits = sweep.points[sweep.body == 1]
    ahead = hits[np.abs(hits[:, 1]) < 0.05]
    assert len(ahead) > 5
    assert np.allclose(ahead[:, 0], 19, atol=0.02)


def test_a_mover_hides_and_is_hidden() -> None:
    pose = at(0, 0, HDL64.height)
    wall = rectangle((30, -20, 0), (0, 40, 0), (0, 0, 10), color=(230, 230, 230))
    cube = box((-1, -1, 0), (1, 1, 3))
    near, far = Mover(cube, "other", lambda time: at(20, 0, 0)), Mover(cube, "other", lambda time: at(40, 0, 0))
    sweep = LidarWorld([(wall, "building")], [near, far]).scan(perfect(HDL64), pose, pose, np.random.default_rng(0))
    assert (sweep.body == 1).sum() > 50
    assert not (sweep.body == 2).any()


def test_noise_and_losses_have_the_model_s_size() -> None:
    wall = rectangle((10, 30, -20), (0, -60, 0), (0, 0, 40), color=(230, 230, 230))
    model = replace(perfect(HDL64), noise=0.03)
    whole = still([wall], perfect(HDL64), at(0, 0, 2))
    noisy = still([wall], model, at(0, 0, 2))
    ahead = np.abs(noisy.points[:, 1]) < 1
    assert noisy.points[ahead, 0].std() == pytest.approx(0.03, rel=0.1)
    lossy = still([wall], replace(perfect(HDL64), loss=0.2), at(0, 0, 2))
    assert len(lossy.points) / len(whole.points) == pytest.approx(0.8, abs=0.01)


def test_what_is_far_dark_or_grazed_is_lost_first() -> None:
    def share(distance: float, shade: int) -> float:
        wall = rectangle((distance, 5, -5), (0, -10, 0), (0, 0, 10), color=(shade,) * 3)
        sweep = still([wall], perfect(HDL64), at(0, 0, 0))
        return len(sweep.points) / (10 / distance)

    bright, dark = [share(distance, 220) for distance in (10, 70)], [share(distance, 5) for distance in (10, 70)]
    assert dark[1] < 0.5 * bright[1]
    assert dark[1] / dark[0] < bright[1] / bright[0]
    pose = at(0, 0, HDL64.height)
    road = LidarWorld([(GROUND, "road")]).scan(HDL64, pose, pose, np.random.default_rng(0))
    assert np.percentile(np.linalg.norm(road.points, axis=1), 99.9) < 60
    assert road.intensity[np.linalg.norm(road.points, axis=1) > 35].mean() < 0.7 * road.intensity.mean()


def test_edges_return_points_of_nobody_between_both_sides() -> None:
    front, back = box((10, -1, -4), (10.2, 1, 4)), rectangle((13, 40, -20), (0, -80, 0), (0, 0, 40))
    sweep = still([front, back], replace(perfect(HDL64), mixed=1.0), at(0, 0, 0))
    nobody = sweep.points[sweep.body == -1]
    assert 0 < len(nobody) <= 4 * 64
    assert ((nobody[:, 0] > 9.9) & (nobody[:, 0] < 13.1)).all()


def test_intensity_is_a_share_and_signs_shine() -> None:
    panel = rectangle((10, 5, -5), (0, -10, 0), (0, 0, 10))
    assert reflectivity(panel, "traffic-sign").mean() > 2 * reflectivity(panel, "building").mean()
    sweep = still([GROUND, panel], HDL64, at(0, 0, 1.73))
    assert sweep.intensity.min() >= 0
    assert sweep.intensity.max() <= 1
    assert sweep.intensity.dtype == np.float32


def test_the_same_seed_gives_the_same_sweep() -> None:
    pose = at(0, 0, 1.73)
    first, again, other = (still([GROUND], HDL64, pose, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.points, again.points)
    assert np.array_equal(first.intensity, again.intensity)
    assert not np.array_equal(first.points[:100], other.points[:100])


def test_textures_count_by_their_mean() -> None:
    black = np.zeros((4, 4, 3), np.uint8)
    panel = rectangle((0, 0, 0), (1, 0, 0), (0, 1, 0), texture=black)
    assert reflectivity(panel, "car").max() < reflectivity(rectangle((0, 0, 0), (1, 0, 0), (0, 1, 0)), "car").min()
