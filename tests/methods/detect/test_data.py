from dataclasses import replace

import numpy as np
import pytest
import torch

from scanwise.data.clouds import Cloud
from scanwise.errors import InputError
from scanwise.methods.detect.data import Grid, MakeSample, collate_boxes, ground_map, sweep_sample, with_targets
from scanwise.methods.detect.model import Detector, apart
from scanwise.methods.detect.recipe import DetectRecipe
from scanwise.scene import Scene
from tests.sweeps import CAR, HEIGHT, boxed_sweep, car_boxes

RECIPE = DetectRecipe(
    data="x", backbone="tiny", voxel=0.4, features=("height",), classes=("car", "pedestrian"), reach=8.0, cell=0.8,
    channels=16, augment="none",
)  # fmt: skip


def test_cells_of_a_map():
    grid = Grid(2.0, 1.0)
    assert grid.side == 4
    assert grid.places(np.array([[-1.5, 1.5]])).tolist() == [[0, 3]]
    assert grid.flat(np.array([[-1.9, -1.9], [1.9, -1.9], [-1.9, 1.9]])).tolist() == [0, 3, 12]
    assert grid.inside(np.array([[1.9, 0], [2.1, 0], [0, -2.1]])).tolist() == [True, False, False]


def test_ground_follows_a_slope_and_not_what_stands_on_it():
    grid = Grid(8.0, 0.8)
    x, y = (each.ravel() for each in np.meshgrid(np.arange(-7.9, 8, 0.2), np.arange(-7.9, 8, 0.2)))
    z = 0.1 * x
    standing = (np.abs(x - 2) < 1) & (np.abs(y) < 1)
    below = np.arange(len(x)) % 997 == 0  # stray readings
    heights = np.where(below, z - 5, np.where(standing, z + 1.5, z)).astype(np.float32)
    ground = ground_map(grid.flat(np.stack([x, y], 1)), heights, grid.side)
    middles = (np.arange(grid.side) + 0.5) * 0.8 - 8
    assert np.abs(ground - 0.1 * middles[None]).max() < 0.35
    assert abs(float(np.median(ground - 0.1 * middles[None]))) < 0.25


def test_targets_decode_to_the_boxes_they_were_made_of():
    boxes = car_boxes((1.3, -2.7, 0.4), (-5.2, 4.1, 3.0), (20.0, 0.0, 0.0))
    sample = with_targets(sweep_sample(Cloud.of(boxed_sweep(1)), RECIPE), boxes, RECIPE)
    assert sample.heat.shape == (2, 20, 20)
    assert (sample.heat == 1).sum() == 2
    assert len(sample.values) == 2
    values = torch.zeros(len(sample.values[0]), 400)
    values[:, sample.box_cell] = torch.from_numpy(sample.values.T)
    model = Detector(RECIPE)
    found = model._decode(torch.from_numpy(sample.heat), values.view(-1, 20, 20), torch.from_numpy(sample.ground), 0.99)
    assert len(found) == 2
    found = found.take(np.argsort(-found.centers[:, 0]))
    for name in ("centers", "sizes", "velocities", "headings"):
        assert getattr(found, name) == pytest.approx(getattr(boxes, name)[:2], abs=1e-4)


def test_height_is_above_the_ground_of_the_place():
    scene = boxed_sweep(3)
    lifted = replace(scene, points=scene.points + np.array([0, 0, 9]))
    low, high = (sweep_sample(Cloud.of(each), RECIPE) for each in (scene, lifted))
    assert low.sample.feats == pytest.approx(high.sample.feats, abs=1e-4)
    assert abs(float(np.median(low.sample.feats))) < 0.1


def test_boxes_without_points_or_of_other_classes_are_not_taught():
    scene = boxed_sweep(2)
    emptied = replace(scene, points=scene.points + np.array([0, 0, 50]))
    sample = MakeSample(RECIPE)(emptied, np.random.default_rng(0))
    assert len(sample.values) == 0
    cars = RECIPE.model_copy(update={"classes": ("car",)})
    assert len(MakeSample(RECIPE)(scene, np.random.default_rng(0)).values) == 3
    assert len(MakeSample(cars)(scene, np.random.default_rng(0)).values) == 2


def test_turned_scenes_have_turned_boxes():
    scene = boxed_sweep(4)
    make = MakeSample(RECIPE.model_copy(update={"augment": "streets", "reach": 16.0}))
    sizes = []
    for seed in range(3):
        sample = make(scene, np.random.default_rng(seed))
        assert len(sample.values) == 3
        assert np.hypot(sample.values[:, 6], sample.values[:, 7]) == pytest.approx(np.ones(3), abs=1e-5)
        ahead = sample.values[:2, 7] * sample.values[:2, 8] + sample.values[:2, 6] * sample.values[:2, 9]
        assert ahead == pytest.approx([2, 2], rel=0.06)  # cars still drive forward
        sizes.append(float(np.exp(sample.values[0, 3])))
    assert len(set(sizes)) == 3
    assert sizes == pytest.approx([CAR[0]] * 3, rel=0.06)


def test_nothing_around_the_sensor_is_said():
    scene = Scene(np.array([[100.0, 0, 0], [101, 0, 0]]), name="far")
    with pytest.raises(InputError, match="far: no point within 8 m of the sensor"):
        sweep_sample(Cloud.of(scene), RECIPE, scene.name)


def test_a_batch_keeps_sweeps_apart():
    samples = [MakeSample(RECIPE)(boxed_sweep(seed), np.random.default_rng(0)) for seed in (1, 2)]
    batch = collate_boxes(samples)
    assert batch.heat.shape[0] == len(batch.ground) == 2
    assert batch.box_map.tolist() == [0, 0, 0, 1, 1, 1]
    model = Detector(RECIPE).eval()
    together, alone = model(batch)[0], [model(collate_boxes([each]))[0] for each in samples]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-4)


def test_of_two_near_each_other_the_surer_stays():
    boxes = car_boxes((0, 0, 0), (1, 0, 0), (3, 0, 0), (0.5, 0, 0))
    boxes = replace(boxes, scores=np.array([0.5, 0.9, 0.4, 0.3]), classes=np.array([0, 0, 0, 1]))
    assert apart(boxes, [1.5, 1.5]).tolist() == [1, 2, 3]


def test_the_ground_is_below_the_sensor():
    assert np.median(sweep_sample(Cloud.of(boxed_sweep(5)), RECIPE).ground) == pytest.approx(-HEIGHT, abs=0.1)
