"""What a detector finds in sweeps, and how right it is."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from scanwise.data.box_classes import boxes_of
from scanwise.data.clouds import Cloud
from scanwise.data.datasets import Source, read_source
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.evaluation.detection import Detections
from scanwise.evaluation.metrics import gathered
from scanwise.geometry.box_arrays import Boxes
from scanwise.methods.detect.data import collate_boxes, sweep_sample, with_labelled_points
from scanwise.methods.detect.model import Detector
from scanwise.progress import Progress, silent
from scanwise.scene import Scene

if TYPE_CHECKING:
    from lightning_fabric import Fabric

MARGIN = 0.05  # metres around a true box within which a point counts as its own
_SHOWN = 3


def predict(model: Detector, scene: Scene, least_score: float | None = None) -> Boxes:
    """The boxes of a sweep, in the scene's frame, the surest first.

    Args:
        model: in evaluation mode.
        scene: with the sensor at its origin.
        least_score: 0..1; None = the recipe's.

    Raises:
        InputError: no point lies on the map around the sensor.
    """
    batch = collate_boxes([sweep_sample(Cloud.of(scene), model.recipe, scene.name)])
    return model.detect(batch.to(model.norm.weight.device), least_score)[0]


def truth_of(scene: Scene, classes: Sequence[str]) -> Boxes:
    """The true boxes of a scene that have a point at least; class -1 where they are of none of the classes."""
    boxes = boxes_of(scene.boxes, classes)
    return boxes.take(np.array([len(rows) > 0 for rows in boxes.rows_inside(scene.points, MARGIN)], bool))


def evaluate(
    model: Detector, sources: Sequence[Source], fabric: Fabric | None = None, progress: Progress = silent
) -> Detections:
    """Detects in scenes, shared out among the processes.

    True boxes off the map count as not found. Those of classes that the model does not know are passed over, and a
    warning says so.

    Args:
        model: in evaluation mode.
        sources: scenes with boxes.
        fabric: this process and the others; None = this one alone.
        progress: told ("detecting", share done).

    Raises:
        InputError: no scene has a box of a class of the model.
    """
    found = Detections(model.classes)
    others: Counter[str] = Counter()
    rank, world = (fabric.global_rank, fabric.world_size) if fabric is not None else (0, 1)
    own = sources[rank::world]
    for done, source in enumerate(own, 1):
        scene = with_labelled_points(read_source(source))
        truth = truth_of(scene, model.classes)
        places = boxes_of(scene.boxes, model.classes).classes
        others.update(box.name for box, place in zip(scene.boxes, places, strict=True) if place < 0)
        found.add(truth, predict(model, scene, 0.0))
        progress("detecting", done / len(own))
    whole = Detections(model.classes)
    for part in gathered(found):
        whole.extend(part)
    if not whole.truths.any():
        raise InputError(f"none of the {len(sources)} scenes has a box of {', '.join(model.classes)}")
    if others and rank == 0:
        names = ", ".join(name for name, _ in others.most_common(_SHOWN))
        text = f"{sum(others.values()):,} boxes of classes that the weights do not know ({names}) are passed over"
        warnings.warn(text, ScanwiseWarning, stacklevel=2)
    return whole
