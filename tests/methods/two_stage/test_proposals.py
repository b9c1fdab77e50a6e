"""Objects from classes and offsets, and the graph that finds the one that is meant."""

import numpy as np
import pytest
import torch

from scanwise.methods.two_stage.losses import proposal_losses
from scanwise.methods.two_stage.proposals import clustered, instances_of, overlaps, with_missing
from scanwise.methods.two_stage.relation_graph import RelationGraph, relations


def row(*starts: float) -> np.ndarray:
    """Ten points along x, 5 cm apart, from each start."""
    return np.concatenate([np.column_stack([start + 0.05 * np.arange(10), np.zeros((10, 2))]) for start in starts])


def test_shifted_to_their_middles_two_touching_objects_are_two() -> None:
    centers = row(0, 0.5)  # one line without a gap
    middles = np.repeat([[0.225, 0, 0], [0.725, 0, 0]], 10, 0)
    classes, things = np.ones(20, int), np.array([False, True])
    apart = clustered(centers, middles - centers, classes, things, reach=0.1, fewest=3)
    assert apart.of_voxel.tolist() == [0] * 10 + [1] * 10
    assert np.allclose(apart.centers, [[0.225, 0, 0], [0.725, 0, 0]], atol=1e-6)
    assert np.allclose(apart.sizes[:, 0], 0.45)
    as_they_lie = clustered(centers, np.zeros((20, 3)), classes, things, reach=0.1, fewest=3)
    assert len(as_they_lie) == 1


def test_classes_do_not_mix_and_what_is_no_thing_or_small_is_left_out() -> None:
    centers = row(0, 0, 0)
    classes = np.repeat([0, 1, 2], 10)
    classes[28:] = 1
    found = clustered(centers, np.zeros((30, 3)), classes, np.array([False, True, True]), reach=0.1, fewest=5)
    assert found.classes.tolist() == [1, 2]
    assert (found.of_voxel[:10] == -1).all()
    few = clustered(centers, np.zeros((30, 3)), classes, np.array([False, False, True]), reach=0.1, fewest=9)
    assert len(few) == 0
    assert (few.of_voxel == -1).all()


def test_overlap_by_hand() -> None:
    instances = instances_of(row(0), np.array([0, 0, 0, 1, 1, -1, -1, -1, -1, -1]), np.zeros(10, int))
    target = np.array([0, 1, 1, 1, 0, 0, 0, 0, 0, 1], bool)
    assert overlaps(instances, target) == pytest.approx([2 / 5, 1 / 5])


def test_true_objects_that_were_missed_are_added() -> None:
    centers, truth = row(0), np.array([5, 5, 5, 5, 5, 9, 9, 9, 9, 9])
    proposed = instances_of(centers, np.array([0, 0, 0, 0, -1, -1, -1, -1, 1, -1]), np.zeros(10, int))
    both = with_missing(proposed, truth, centers, np.zeros(10, int))
    assert both.of_voxel.tolist() == [0, 0, 0, 0, -1, 1, 1, 1, 1, 1]


def test_losses_by_hand() -> None:
    offsets, wanted = torch.tensor([[1.0, 0, 0], [0, 0, 0]]), torch.tensor([[0.0, 1, 0], [9, 9, 9]])
    found = proposal_losses(torch.zeros(2, 3), offsets, torch.tensor([2, -1]), wanted, torch.tensor([True, False]))
    assert found["class"].item() == pytest.approx(np.log(3), rel=1e-5)
    assert found["offset"].item() == pytest.approx(2.0)  # |1| + |-1|, and a right angle
    nothing = proposal_losses(torch.zeros(1, 3), offsets[:1], torch.tensor([-1]), wanted[:1], torch.tensor([False]))
    assert [each.item() for each in nothing.values()] == [0, 0]


def test_relations_by_hand() -> None:
    centers, sizes = torch.tensor([[0.0, 0, 0], [3, 4, 0]]), torch.tensor([[1.0, 1, 1], [2, 0, 1]])
    found = relations(centers, sizes, torch.tensor([[1], [0]]))
    assert found[0, 0, :4].tolist() == [3, 4, 0, 5]
    assert found[0, 0, 7:].tolist() == pytest.approx([np.log(2), np.log(0.05), 0], rel=1e-5)


def test_the_graph_follows_the_objects_and_reads_each_sentence_alone() -> None:
    torch.manual_seed(0)
    graph = RelationGraph(4, 6, 8, 2, 3).eval()
    feats, centers, sizes = torch.randn(5, 4), torch.randn(5, 3), torch.rand(5, 3) + 0.1
    words, mask, whole = torch.randn(2, 3, 6), torch.tensor([[True] * 3, [True, True, False]]), torch.randn(2, 6)
    with torch.no_grad():
        scores = graph(feats, centers, sizes, words, mask, whole)
        order = torch.tensor([3, 1, 4, 0, 2])
        moved = graph(feats[order], centers[order], sizes[order], words, mask, whole)
        alone = graph(feats, centers, sizes, words[1:, :2], mask[1:, :2], whole[1:])
    assert scores.shape == (2, 6)
    assert torch.allclose(moved[:, :5], scores[:, order], atol=1e-5)
    assert torch.allclose(moved[:, 5], scores[:, 5], atol=1e-5)
    assert torch.allclose(alone, scores[1:], atol=1e-5)
