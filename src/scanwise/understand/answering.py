"""How a scan that is prepared answers: what its candidates are told by, and each sentence by them or by LESS alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from scanwise import cache
from scanwise.errors import InputError
from scanwise.evaluation.referring import Prediction, second_pass
from scanwise.methods.geopurify.features import vision_key
from scanwise.methods.less.evaluate import load_trained
from scanwise.methods.less.model import LESS
from scanwise.nn.sharpening import Sharpener
from scanwise.scene import Scene, array_digest
from scanwise.training.checkpoints import is_shipped
from scanwise.understand.answer import Answer, answer_of
from scanwise.understand.choosing.asking import answer_from, meant_by
from scanwise.understand.choosing.candidates import candidates_of
from scanwise.understand.choosing.evidence import Evidence
from scanwise.understand.choosing.phrases import Query
from scanwise.understand.choosing.ranker import load_ranker
from scanwise.understand.outdoors import is_outdoors
from scanwise.understand.things import Things

if TYPE_CHECKING:
    from scanwise.understand.prepared import Prepared

SHIPPED_MODEL = "less-rooms"


def evidence_of(prepared: Prepared, things: Things) -> Evidence:
    """What `ask` chooses by in a scan: its candidates, with means of pictures' and shapes' evidence."""
    surface = prepared.surface
    candidates = candidates_of(things, surface.centers, surface.colors)
    pictures = shapes = None
    if prepared.vision is not None:
        pictures = torch.from_numpy(candidates.means(_features_of_parts(prepared, things)))
    if prepared.shapes is not None:
        means = things.means(torch.from_numpy(np.array(prepared.shapes.probabilities, np.float32)))
        shapes = replace(prepared.shapes, probabilities=candidates.means(means.numpy()))
    return Evidence(candidates, pictures, prepared.vision, shapes)


def _features_of_parts(prepared: Prepared, things: Things) -> np.ndarray:
    """(P, C) float32 means of lifted features; kept in the cache, as they are a thousandth of those of voxels."""
    assert prepared.vision is not None
    key = cache.key_of("1", prepared.surface.content, vision_key(prepared.vision), array_digest(things.of_voxel))

    def make() -> dict[str, np.ndarray]:
        features = prepared.lifted.features
        some = [
            things.means(torch.from_numpy(np.array(features[:, start : start + 64], np.float32)))
            for start in range(0, features.shape[1], 64)
        ]
        return {"features": torch.cat(some, 1).half().numpy()}

    return np.array(cache.arrays("part-features", key, make)["features"], np.float32)


def chosen(
    prepared: Prepared, evidence: Evidence, query: Query, less: Prediction | None, without: Sequence[str]
) -> Answer:
    """The answer of the thing that is chosen.

    Args:
        prepared: the scan.
        evidence: of it.
        query: the sentence.
        less: what LESS makes of it; None = it is not asked.
        without: as of `Prepared.ask`.
    """
    things, ranker, surface = evidence.candidates.things, load_ranker(), prepared.surface
    mask = None
    if less is not None:
        scores = torch.from_numpy(less.scores[surface.finite][surface.voxels.first])
        mask = things.means(scores[:, None])[:, 0].numpy()
    presence = 0.5 if less is None else less.presence
    meant = meant_by(query, evidence, ranker, mask, presence, without=without)
    of_point = things.of_voxel[surface.voxels.of_point]
    words = [] if less is None else less.words
    return answer_from(prepared.scene, query, meant, of_point, words, ranker.threshold)


def by_less(prepared: Prepared, text: str, asked: str, prediction: Prediction | None, sharpen: Sharpener) -> Answer:
    """LESS's own answer, where there are no things to choose among.

    Raises:
        InputError: LESS is not asked either.
    """
    if prediction is None:
        raise InputError("without things and without LESS nothing is left to answer by")
    return answer_of(prepared.scene, text, second_pass(sharpen, asked, prediction), float(prepared.model.threshold))


def load_model(model: Path) -> LESS:
    """A trained LESS, in evaluation mode.

    Raises:
        InputError: there is none, or it is something else; where the shipped weights are missing, how to get some.
    """
    if str(model) == SHIPPED_MODEL and not model.exists() and not is_shipped(model):
        raise InputError(
            f"{SHIPPED_MODEL}: this installation has no such weights; install a release that ships them, or train: "
            "`scanwise train less recipes/less-rooms-tiny.yaml`, and take out/less-rooms-tiny for a model"
        )
    return load_trained(model)


def check_askable(scene: Scene, model: str | Path) -> None:
    """Refuses to ask the shipped model, which knows rooms, of what is none.

    Args:
        scene: that is asked.
        model: as of `Prepared`, by its name.

    Raises:
        InputError: it is the shipped one, and the scene outdoors.
    """
    if str(model) == SHIPPED_MODEL and is_outdoors(scene):
        raise InputError(
            f"{scene.name}: is outdoors (wider than 50 m, without colours) and {SHIPPED_MODEL} knows rooms alone; give "
            "a model of `scanwise train less` on such scans, or use `scanwise label`, whose objects.csv lists things",
            option="model",
        )
