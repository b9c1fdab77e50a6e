import numpy as np
import pytest

from scanwise.evaluation.referring import SentenceResult, metrics
from scanwise.evaluation.several import box_ious, part_f1


def blocks(*starts: float) -> tuple[np.ndarray, np.ndarray]:
    """Cubes of 27 points, 2 cm apart, that begin at these x; and which cube each point is of."""
    cube = np.stack(np.meshgrid(*[np.arange(3) * 0.02] * 3), -1).reshape(-1, 3)
    return np.concatenate([cube + np.array([x, 0, 0]) for x in starts]), np.repeat(np.arange(len(starts)), len(cube))


def test_ious_of_boxes_by_hand():
    one = np.array([[[0, 0, 0], [2, 1, 1]]])
    others = np.array([[[1, 0, 0], [3, 1, 1]], [[0, 0, 0], [2, 1, 1]], [[5, 5, 5], [6, 6, 6]]])
    assert box_ious(one, others)[0].tolist() == pytest.approx([1 / 3, 1, 0])


def test_f1_by_hand():
    points, instances = blocks(0, 2, 4)
    two = np.isin(instances, [0, 1])
    assert part_f1(points, two, instances, [0, 1]) == (1, 1)
    assert part_f1(points, two, instances, [0, 1, 2]) == pytest.approx((0.8, 0.8))  # 2 * 2 / (2 + 3)
    assert part_f1(points, two, instances, [2]) == (0, 0)
    part = (instances == 0) & (points[:, 0] < 0.01)  # a flat box: nothing in common
    assert part_f1(points, part, instances, [0]) == (0, 0)
    part = (instances == 0) & (points[:, 0] < 0.03)  # half of its box
    assert part_f1(points, part, instances, [0]) == pytest.approx((1, 1))


def test_nothing_is_meant():
    points, instances = blocks(0, 2)
    assert part_f1(points, np.zeros(54, bool), instances, []) == (1, 1)
    assert part_f1(points, instances == 0, instances, []) == (0, 0)
    assert part_f1(points, np.zeros(54, bool), instances, [1]) == (0, 0)


def test_what_is_said_not_to_be_here_is_an_empty_mask():
    several = SentenceResult(0.6, 0.9, True, None, "all chairs", group="mt", f1=(1.0, 0.5))
    missed = SentenceResult(0.6, 0.1, True, None, "all lamps", group="mt", f1=(1.0, 0.5))
    absent = SentenceResult(0.0, 0.1, False, None, "the piano", group="zt_wo_d", f1=(0.0, 0.0))
    found = metrics([several, missed, absent])
    assert (found["mt_f1_25"], found["mt_f1_50"], found["zt_wo_d_f1_25"]) == (0.5, 0.25, 1)
    assert found["f1_25"] == pytest.approx(2 / 3)
    assert found["mt_miou"] == pytest.approx(0.6)
