"""A scene's fine voxels: normals of a scan that has none."""

import numpy as np

from scanwise.data.surface import Surface
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
