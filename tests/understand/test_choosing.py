"""Candidates, relations of boxes and the choice, by hand-made things."""

import numpy as np
import pytest
import torch

from scanwise.errors import InputError
from scanwise.understand.choosing import relations
from scanwise.understand.choosing.asking import check_without, meant_by
from scanwise.understand.choosing.candidates import candidates_of
from scanwise.understand.choosing.evidence import ALONE, FEATURES, RELATIONS, Evidence
from scanwise.understand.choosing.phrases import parse
from scanwise.understand.choosing.ranker import TRUST, Ranker, expected_iou_loss
from scanwise.understand.choosing.relations import Boxes, Room
from scanwise.understand.things import Things


def boxes(*each: tuple[float, float, float, float, float, float]) -> Boxes:
    """Boxes of (x, y, bottom, length, width, height)."""
    rows = np.array(each)
    half = rows[:, 3:5] / 2
    low = np.column_stack([rows[:, :2] - half, rows[:, 2]])
    high = np.column_stack([rows[:, :2] + half, rows[:, 2] + rows[:, 5]])
    return Boxes(low, high, (low + high) / 2)


DESK = boxes((0, 0, 0, 1.6, 0.8, 0.75))


def test_on_under_and_above() -> None:
    mug, bin_, lamp, chair = (boxes(each) for each in (
        (0.3, 0.1, 0.75, 0.1, 0.1, 0.1), (0.3, 0.1, 0, 0.3, 0.3, 0.4), (0, 0, 1.8, 0.4, 0.4, 0.3),
        (3, 0, 0, 0.5, 0.5, 0.9),
    ))  # fmt: skip
    assert relations.on(mug, DESK) > 0.8
    assert relations.on(chair, DESK) < 0.05
    assert relations.on(DESK, mug) < 0.1  # the larger thing is not on the smaller
    assert relations.under(bin_, DESK) > 0.5
    assert relations.under(lamp, DESK) < 0.05
    assert relations.above(lamp, DESK) > 0.7
    np.testing.assert_allclose(relations.above(lamp, DESK), relations.under(DESK, lamp).T)


def test_gaps_and_near() -> None:
    near, far = boxes((1.2, 0, 0, 0.5, 0.5, 0.9)), boxes((4, 0, 0, 0.5, 0.5, 0.9))
    assert relations.flat_gap(near, DESK) == pytest.approx(0.15)
    assert relations.near(near, DESK) > 0.8 > 0.1 > relations.near(far, DESK)


def test_between_is_the_middle_of_the_line() -> None:
    two = boxes((0, 0, 0, 0.5, 0.5, 1), (4, 0, 0, 0.5, 0.5, 1))
    each = boxes((2, 0, 0, 0.5, 0.5, 1), (6, 0, 0, 0.5, 0.5, 1), (2, 2.5, 0, 0.5, 0.5, 1))
    found = relations.between(each, two[:1], two[1:])[:, 0, 0]
    assert found[0] > 0.9
    assert (found[1:] < 0.1).all()


def test_left_is_left_of_who_looks() -> None:
    """Looking along y, left is where x is smaller."""
    things = boxes((-1, 3, 0, 0.3, 0.3, 0.3), (1, 3, 0, 0.3, 0.3, 0.3))
    anchor = boxes((0, 3, 0, 0.3, 0.3, 0.3))
    stand, look = np.zeros(2), np.array([0.0, 3.0])
    of = [relations.axes_from(each, stand, look) for each in (things, anchor)]
    gaps = relations.flat_gap(things, anchor)
    left, right = (relations.beside_in_view(kind, *of, gaps)[:, 0] for kind in ("left", "right"))
    assert left[0] > 0.5 > 0.05 > left[1]
    np.testing.assert_allclose(left, right[::-1], atol=1e-6)


@pytest.mark.parametrize(("place", "best"), [("corner", 0), ("wall", 1), ("middle", 2)])
def test_places_of_a_room(place: str, best: int) -> None:
    room = Room(np.zeros(3), np.array([6.0, 5.0, 2.5]), 0.0)
    each = boxes((0.3, 0.3, 0, 0.5, 0.5, 1), (3, 0.25, 0, 0.5, 0.5, 1), (3, 2.5, 0, 0.5, 0.5, 1))
    found = relations.at_place(each, place, room)
    assert found[best] > 0.6
    if place != "wall":
        assert found.argmax() == best


def things_of_line() -> tuple[Things, np.ndarray, np.ndarray]:
    """Four parts in a line: 0 and 1 belong together surely, 2 with them perhaps, 3 not at all; two are red."""
    of_voxel = np.repeat(np.arange(4), 20).astype(np.int32)
    generator = np.random.default_rng(0)
    centers = np.column_stack([of_voxel * 1.0, np.zeros(80), np.zeros(80)]) + generator.uniform(0, 0.3, (80, 3))
    colors = np.where(of_voxel[:, None] < 2, [200, 20, 20], [20, 20, 200]).astype(np.float32)
    things = Things(of_voxel, np.array([[0, 1], [1, 2], [2, 3]]), np.array([7.0, 0.5, -9.0], np.float32), {})
    return things, centers.astype(np.float32), colors


def test_candidates_are_the_groups_of_joining_each_once() -> None:
    things, centers, colors = things_of_line()
    found = candidates_of(things, centers, colors)
    groups = {tuple(np.flatnonzero(found.parts(each))) for each in range(len(found))}
    assert groups == {(0,), (1,), (2,), (3,), (0, 1), (0, 1, 2)}
    assert len(found) == len(groups)
    for each in range(len(found)):
        voxels = found.parts(each)[things.of_voxel]
        assert found.sizes[each] == voxels.sum()
        np.testing.assert_allclose(found.center[each], centers[voxels].mean(0), rtol=1e-5)
        np.testing.assert_allclose(found.low[each], centers[voxels].min(0))
        values = np.arange(4, dtype=np.float32)[:, None]
        np.testing.assert_allclose(found.means(values)[each], values[things.of_voxel][voxels].mean(), rtol=1e-6)


def test_colours_and_places_speak_for_the_thing_that_has_them() -> None:
    things, centers, colors = things_of_line()
    evidence = Evidence(candidates_of(things, centers, colors), None, None, None)
    red, blue = (
        evidence.alone(parse(text).targets[0])[:, ALONE.index("color")] for text in ("the red thing", "the blue thing")
    )
    reds = np.array(
        [each for each in range(len(red)) if set(np.flatnonzero(evidence.candidates.parts(each))) <= {0, 1}]
    )
    assert red[reds].min() > blue[reds].max()


def test_the_ranker_learns_to_choose_by_colour() -> None:
    things, centers, colors = things_of_line()
    evidence = Evidence(candidates_of(things, centers, colors), None, None, None)
    torch.manual_seed(0)
    ranker = Ranker()
    wanted = {"the red thing": (0, 1), "the blue thing": (3,)}
    numbers, ious = [], []
    for text, parts in wanted.items():
        alone = evidence.alone(parse(text).targets[0])
        numbers.append(torch.from_numpy(np.pad(alone, ((0, 0), (0, len(FEATURES) - len(ALONE))))))
        inside = [set(np.flatnonzero(evidence.candidates.parts(each))) for each in range(len(evidence.candidates))]
        ious.append(torch.tensor([len(each & set(parts)) / len(each | set(parts)) for each in inside]))
    ranker.fit_scale(torch.cat(numbers))
    optimizer = torch.optim.Adam(ranker.parameters(), lr=0.03)
    for _ in range(150):
        losses = [expected_iou_loss(ranker(n), iou) for n, iou in zip(numbers, ious, strict=True)]
        losses += [
            expected_iou_loss(ranker.alone(n[:, : len(ALONE)]), iou) for n, iou in zip(numbers, ious, strict=True)
        ]
        optimizer.zero_grad()
        sum(losses).backward()
        optimizer.step()
    for text, parts in wanted.items():
        meant = meant_by(parse(text), evidence, ranker, None, 0.5)
        assert set(np.flatnonzero(meant.parts)) == set(parts), text
        assert ((meant.scores >= 0) & (meant.scores <= 1)).all()
        assert 0 <= meant.confidence <= 1
    both = meant_by(parse("the red thing and the blue thing"), evidence, ranker, None, 0.5)
    rest = meant_by(parse("everything but the red thing"), evidence, ranker, None, 0.5)
    assert set(np.flatnonzero(rest.parts)) == {2, 3}
    assert both.parts.any()


def test_expected_iou_loss_by_hand() -> None:
    scores, ious = torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.0])
    assert float(expected_iou_loss(scores, ious)) == pytest.approx(-np.log(0.51))


def test_numbers_have_names() -> None:
    assert len(set(FEATURES)) == len(FEATURES)
    assert len(set(TRUST)) == len(TRUST)
    assert set(RELATIONS) < set(FEATURES)
    with pytest.raises(InputError, match="words, relations, less"):
        check_without(["pictures"])
