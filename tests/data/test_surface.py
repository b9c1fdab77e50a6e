"""A scene's fine voxels: their tables, and normals of a scan that has none."""

import numpy as np
import pytest

from scanwise.data.surface import NEIGHBOURS, Surface
from scanwise.errors import InputError
from scanwise.scene import Scene
from tests.box_on_floor import box_on_floor


def test_normals_of_a_scan_without():
    scene, box = box_on_floor(normals=False)
    surface = Surface(scene)
    found = surface.with_normals().normals
    known = box_on_floor()[0].normals
    assert found is not None
    assert known is not None
    assert np.median(np.abs((found * known).sum(1))) > 0.99
    assert np.mean((found * known).sum(1)[~box] > 0.9) > 0.9  # the floor looks up, to the middle
    whole = box_on_floor()[0]
    assert Surface(whole).with_normals() is whole


def test_tables_of_a_row_of_voxels():
    points = np.array([[0, 0, 0], [0.01, 0, 0], [np.nan, 0, 0], [0.1, 0, 0], [0.25, 0, 0]])
    colors = np.array([[0, 0, 0], [10, 20, 30], [99, 99, 99], [1, 1, 1], [2, 2, 2]], np.uint8)
    surface = Surface(Scene(points, colors))
    assert len(surface) == 3
    assert surface.finite.tolist() == [0, 1, 3, 4]
    assert surface.voxels.of_point.tolist() == [0, 0, 1, 2]
    assert np.allclose(surface.centers, [[0.005, 0, 0], [0.1, 0, 0], [0.25, 0, 0]])
    assert np.allclose(surface.colors, [[5, 10, 15], [1, 1, 1], [2, 2, 2]])
    assert surface.coords.tolist() == [[0, 0, 0], [5, 0, 0], [12, 0, 0]]
    assert surface.nearest(1).tolist() == [[1], [0], [1]]
    assert surface.neighbours.tolist() == [[0, 1, 2], [1, 0, 2], [2, 1, 0]]
    with pytest.raises(InputError, match="no point with finite coordinates"):
        Surface(Scene(points * np.nan))


def test_few_neighbours_are_the_first_of_many():
    scene = Scene(np.random.default_rng(0).uniform(0, 0.4, (3000, 3)))
    before, after = Surface(scene), Surface(scene)
    assert after.neighbours.shape == (len(after), NEIGHBOURS)
    few = before.nearest(8)
    distances = [np.linalg.norm(before.centers[table[:, :8]] - before.centers[:, None], axis=2) for table in
                 (few, after.neighbours, after.nearest(8))]  # fmt: skip
    assert np.allclose(distances[0], distances[1])
    assert np.array_equal(distances[1], distances[2])


def test_content_is_what_networks_see():
    scene, _ = box_on_floor()
    labelled = Scene(scene.points, scene.colors, scene.normals, scene.intensity, np.zeros(len(scene)))
    moved = Scene(scene.points + 1, scene.colors, scene.normals, scene.intensity)
    assert Surface(labelled).content == Surface(scene).content != Surface(moved).content
