"""A furnished room without a ceiling, in a few lines."""

import numpy as np

from scanwise.scene import Scene


def furnished_room(points: int = 40_000, seed: int = 0) -> Scene:
    """5.2 x 4.1 x 2.6 m, z up: a floor, four walls, two tables, a cupboard and four boxes that stand on the floor."""
    random = np.random.default_rng(seed)
    shell = [((0, 0, 0), (5.2, 4.1, 0))]
    shell += [((0, y, 0), (5.2, y, 2.6)) for y in (0, 4.1)] + [((x, 0, 0), (x, 4.1, 2.6)) for x in (0, 5.2)]
    parts = [(np.array(low, float), np.array(high, float)) for low, high in shell]
    for x, y, width, depth, height in (
        (1.5, 1.5, 1.6, 0.8, 0.75), (3.2, 2.4, 1.2, 0.8, 0.75), (0.0, 2.5, 0.5, 1.2, 1.9), (2.0, 3.2, 0.5, 0.5, 0.5),
        (4.4, 0.6, 0.5, 0.6, 0.45), (3.6, 1.0, 0.4, 0.4, 0.6), (0.8, 0.5, 0.5, 0.5, 0.45),
    ):  # fmt: skip
        low, high = np.array([x, y, 0.0]), np.array([x + width, y + depth, height])
        parts.append((np.array([x, y, height]), high))
        for axis in (0, 1):
            for end in (low, high):
                first, last = low.copy(), high.copy()
                first[axis] = last[axis] = end[axis]
                parts.append((first, last))
    areas = np.array([np.prod(np.sort(high - low)[1:]) for low, high in parts])
    counts = np.ceil(points * areas / areas.sum()).astype(int)
    drawn = [random.uniform(*part, (count, 3)) for part, count in zip(parts, counts, strict=True)]
    cloud = np.concatenate(drawn)
    return Scene(cloud + random.normal(0, 0.003, cloud.shape), name="room")
