"""Samples of scenes, and the pairs that are drawn from them."""

import numpy as np
import torch

from scanwise.methods.geopurify.data import make_sample
from scanwise.methods.geopurify.losses import contrast_pairs
from tests.methods.geopurify.corners import training_scene


def test_a_sample_has_one_voxel_of_each_place_and_anchors_with_all_neighbours():
    whole = training_scene()
    sample = make_sample(whole, 1500, 50, np.random.default_rng(4))
    assert len(sample) == 1500
    rows = {tuple(row): place for row, place in zip(whole.coords.tolist(), whole.teacher_voxel, strict=True)}
    places = np.array([rows[tuple(row)] for row in sample.coords.tolist()])
    assert sorted(places[sample.candidates]) == sorted(set(places))
    assert len(sample.anchors) == 50
    assert set(sample.anchors.tolist()) <= set(sample.candidates.tolist())
    near = sample.neighbours[sample.anchors]
    assert (near >= 0).all()
    expected = whole.coords[whole.neighbours]
    index = {tuple(row): number for number, row in enumerate(whole.coords.tolist())}
    for anchor in sample.anchors[:5].tolist():
        own = index[tuple(sample.coords[anchor].tolist())]
        np.testing.assert_array_equal(sample.coords[sample.neighbours[anchor]].numpy(), expected[own])
    np.testing.assert_array_equal(sample.teacher.numpy(), whole.teacher[places])


def test_positives_and_macro_negatives_are_of_other_places():
    sample = make_sample(training_scene(), 0, 40, np.random.default_rng(1))
    positive, negative = contrast_pairs(
        sample.teacher, sample.neighbours, sample.anchors, candidates=sample.candidates, macro=5, micro=3
    )
    unit = torch.nn.functional.normalize(sample.teacher, dim=1)
    cosine = unit[sample.anchors] @ unit[sample.candidates].T
    cosine[sample.anchors[:, None] == sample.candidates] = np.nan
    best = np.nanargmax(cosine.numpy(), 1)
    assert torch.equal(positive, sample.candidates[best])
    least = torch.argsort(torch.nan_to_num(cosine, nan=9), 1)[:, :5]
    assert torch.equal(negative[:, :5], sample.candidates[least])
    assert (negative[:, 5:, None] == sample.neighbours[sample.anchors][:, None]).any(2).all()
