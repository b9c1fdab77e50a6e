"""What is measured and shown of DOS while it learns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from torch import nn

from scanwise.data.classes import with_joined_classes
from scanwise.data.datasets import Source, read_source
from scanwise.evaluation.features import draw_voxels, pca_colors
from scanwise.evaluation.probes import KNNProbe, LinearProbe, Probe, gather, measure_voxels
from scanwise.methods.dos.model import DOS
from scanwise.nn.frozen import Frozen


def validation_of(sources: Sequence[Source]) -> Callable[[nn.Module], dict[str, float]]:
    """What is measured of the teacher: probes on labelled scenes, or nothing but how far the run has come.

    Args:
        sources: scenes; every other one is fitted on, the rest is tested on.

    Returns:
        Model -> metrics, `score` among them; `linear` and `knn` (mIoU, 0..1) where all scenes have labels.
    """
    joined, classes = with_joined_classes(sources)
    labelled = len(joined) > 1 and bool(classes) and all(read_source(each).labels is not None for each in joined)

    def validate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, DOS)
        if not labelled:
            return {"score": module.progress}
        known = gather(module.frozen(), joined[::2], voxels=2000)
        unknown = gather(module.frozen(), joined[1::2], voxels=2000)
        linear, near = LinearProbe.fit(known, len(classes)), KNNProbe(known, len(classes))
        probes: dict[str, Probe] = {"linear": linear, "knn": near}
        found = {name: measure_voxels(probe, unknown, classes).metrics()["miou"] for name, probe in probes.items()}
        return {"score": found["linear"], **found}

    return validate


def draw(frozen: Frozen, source: Source, picture: Path) -> None:
    """Draws a scene in its own colours, and in those of its features' main directions.

    Args:
        frozen: the backbone whose features are shown.
        source: the scene.
        picture: file to write.

    Raises:
        OutputError: the file cannot be written.
    """
    scene = read_source(source)
    sample, feats = frozen.encode(scene)
    columns = [("features", pca_colors(feats))]
    if scene.colors is not None:
        first = np.unique(sample.of_point, return_index=True)[1]
        columns.insert(0, ("colours", scene.colors[sample.row[first]]))
    draw_voxels(picture, sample.centers, sample.size, *columns)
