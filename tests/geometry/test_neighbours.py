import numpy as np

from scanwise.geometry.neighbours import nearest


def test_nearest_within_reach():
    points = np.array([[0.0, 0, 0], [1, 0, 0], [5, 0, 0]])
    others = np.array([[1.05, 0, 0], [0.02, 0, 0], [5.2, 0, 0]])
    assert nearest(points, others, 0.1).tolist() == [1, 0, -1]
