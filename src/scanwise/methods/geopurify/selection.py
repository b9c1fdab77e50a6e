"""Which scenes GeoPurify learns from: a few that differ (arXiv 2510.02186, there by the entropy of labels)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from scanwise import cache
from scanwise.data.datasets import Source, read_source
from scanwise.errors import InputError
from scanwise.nn.frozen import Frozen
from scanwise.progress import Progress, silent
from scanwise.scene import Scene
from scanwise.training.backbones import weights_digest

_VERSION = "1"


def choose_scenes(
    sources: Sequence[Source],
    teacher: Frozen,
    count: int,
    *,
    how: str = "diverse",
    seed: int = 0,
    progress: Progress = silent,
) -> list[Source]:
    """The scenes of a pool that differ most: k-means of what the teacher sees, one scene of each cluster.

    A scene is described by the mean and the spread of its features; of each cluster the scene nearest its centre is
    taken. No label is looked at.

    Args:
        sources: the pool.
        teacher: whose features are looked at.
        count: of scenes to choose.
        how: "diverse", or "random".
        seed: of the choice.
        progress: told the share of the scenes that were looked at.

    Raises:
        InputError: the pool has fewer scenes.
    """
    if count > len(sources):
        raise InputError(f"{count} scenes are wanted of a pool of {len(sources)}; lower scenes")
    if count == len(sources):
        return list(sources)
    if how == "random":
        chosen = np.random.default_rng(seed).permutation(len(sources))[:count]
        return [sources[number] for number in sorted(chosen)]
    digest = weights_digest(teacher.backbone)
    summaries = []
    for number, source in enumerate(sources):
        progress("choosing scenes", number / len(sources))
        summaries.append(_summary(read_source(source), teacher, digest))
    progress("choosing scenes", 1.0)
    return [sources[number] for number in most_diverse(np.stack(summaries), count, seed)]


def _summary(scene: Scene, teacher: Frozen, digest: str) -> np.ndarray:
    """(2 D,) mean and standard deviation of the teacher's features."""

    def make() -> dict[str, np.ndarray]:
        feats = teacher.encode(scene)[1]
        return {"summary": np.concatenate([feats.mean(0), feats.std(0)])}

    key = cache.key_of(_VERSION, scene.digest(), digest, str((teacher.voxel, teacher.features)))
    return np.array(cache.arrays("scene-summaries", key, make)["summary"])


def most_diverse(summaries: np.ndarray, count: int, seed: int) -> list[int]:
    """Rows that are nearest to the centres of the best of ten k-means, in order.

    Args:
        summaries: (S, D).
        count: of clusters, and so of rows.
        seed: of the first k-means; each takes the next.
    """
    from scipy.cluster.vq import kmeans2

    values = summaries.astype(np.float64)
    values = (values - values.mean(0)) / max(float(values.std()), 1e-12)
    best, fewest = values[:count], np.inf
    for attempt in range(10):
        with warnings.catch_warnings(), np.errstate(invalid="ignore"):  # scenes that are all the same
            warnings.filterwarnings("ignore", message="One of the clusters is empty")
            centres, nearest = kmeans2(values, count, minit="++", seed=seed + attempt)
        distortion = np.square(values - centres[nearest]).sum()
        if distortion < fewest:
            best, fewest = centres, distortion
    chosen: list[int] = []
    distance = np.linalg.norm(values[:, None] - best, axis=2)
    for column in distance.T:
        column[chosen] = np.inf
        chosen.append(int(column.argmin()))
    return sorted(chosen)
