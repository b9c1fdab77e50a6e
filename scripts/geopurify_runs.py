"""The runs behind docs/results/geopurify.md, one after the other; what is done is left alone, what broke off goes on.

    OMP_NUM_THREADS=1 python scripts/geopurify_runs.py students   # one for each row of the table of students
    OMP_NUM_THREADS=1 python scripts/geopurify_runs.py choose     # ways of pooling, on validation rooms
    OMP_NUM_THREADS=1 python scripts/geopurify_runs.py test       # 2D features and spoilt labels, on test rooms
    OMP_NUM_THREADS=1 python scripts/geopurify_runs.py fusion     # how far to trust either, on validation rooms
    OMP_NUM_THREADS=1 python scripts/geopurify_runs.py shapes     # pictures, a 3D network, and both, on test rooms

Rows go to docs/results/data/geopurify.json, `make results` writes the page.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from commands import settings, train_once, training_seconds
from dos_runs import by_open_name
from results.geopurify import ITERATIONS, MAIN, PICTURES_WRONG, STRANGE
from results.rows import DATA as ROWS
from results.rows import add_row, find, make_row, read_rows, this_command

from scanwise.data.datasets import read_source, scene_paths
from scanwise.evaluation.segmentation import Confusion
from scanwise.methods.geopurify.evaluate import PROMPTS, LabelledScene, labelled_scene
from scanwise.methods.geopurify.model import Student, load_student
from scanwise.methods.geopurify.noise import Noise
from scanwise.nn.pooling import SHARPNESS, affinity, geometric_weights, hand_made_embedding, pool
from scanwise.understand.shapes import SHIPPED, FusionWeights, predict_shapes, with_pictures
from scanwise.vision import Vision, load_vision

DATA = Path("data/rooms-1")
RUNS = Path("out/geopurify-study")
RECIPE = "recipes/geopurify-rooms-small.yaml"
STUDENTS = {
    "dos-20": (),
    "random-20": ("teacher=random",),
    "supervised-20": ("teacher=segment-rooms-small",),
    "dos-20-macro": ("macro=63", "micro=0"),
    "dos-10": ("scenes=10",),
    "dos-20-lifted": ("reduced=32",),
    "dos-50": ("scenes=50",),
}
NOISES = ("flip:0.6", "region:0.3", "blur:16")
VALIDATION_ROOMS, TEST_ROOMS = 4, 8
RARE = 3  # the rarest third of open names

Weights = Callable[[LabelledScene, torch.Tensor], torch.Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=list(PARTS))
    arguments = parser.parse_args()
    PARTS[arguments.part]()


def students() -> None:
    for name, keys in STUDENTS.items():
        train_once(RUNS / name, "train", "geopurify", RECIPE, *settings(*keys))


# Ways of pooling


def of_student(scene: LabelledScene, embedding: torch.Tensor) -> torch.Tensor:
    return affinity(embedding, np.array(scene.surface.neighbours))


def of_geometry(scene: LabelledScene, embedding: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.array(geometric_weights(scene.surface)))


def of_both(scene: LabelledScene, embedding: torch.Tensor) -> torch.Tensor:
    """Sharpness times the sum of both cosines: a neighbour must be alike to both."""
    return affinity(joined(scene, embedding), np.array(scene.surface.neighbours), 2 * SHARPNESS)


def joined(scene: LabelledScene, embedding: torch.Tensor) -> torch.Tensor:
    made = hand_made_embedding(scene.surface.normals, scene.surface.colors)
    unit = torch.nn.functional.normalize(embedding, dim=1)
    return torch.cat([unit, made], 1) / 2**0.5


WEIGHTS: dict[str, Weights] = {
    "geometry": of_geometry,
    "learned": of_student,
    "both": of_both,
}


def symmetric(scene: LabelledScene, weights: torch.Tensor, applications: int) -> torch.Tensor:
    """(W + W^T), rows scaled to 1, in place of W."""
    count, k = weights.shape
    row = torch.arange(count).repeat_interleave(k)
    column = torch.from_numpy(np.array(scene.surface.neighbours)).reshape(-1).long()
    cells = torch.cat([torch.stack([row, column]), torch.stack([column, row])], 1)
    matrix = torch.sparse_coo_tensor(cells, weights.reshape(-1).repeat(2), (count, count)).coalesce().to_sparse_csr()
    values = scene.scores
    total = matrix @ torch.ones(count, 1)
    for _ in range(applications):
        values = (matrix @ values) / total
    return values


def stopping(scene: LabelledScene, weights: torch.Tensor, applications: int, change: float = 0.03) -> torch.Tensor:
    """A voxel keeps its scores once an application changes the entropy of its softmax by less than `change`."""
    neighbours, values = np.array(scene.surface.neighbours), scene.scores
    going, entropy = torch.ones(len(values), dtype=torch.bool), entropy_of(values)
    for _ in range(applications):
        pooled = pool(values, neighbours, weights, 1)
        values = torch.where(going[:, None], pooled, values)
        now = entropy_of(values)
        going &= (now - entropy).abs() >= change
        entropy = now
    return values


def entropy_of(scores: torch.Tensor) -> torch.Tensor:
    log = scores.log_softmax(1)
    return -(log.exp() * log).sum(1)


def choose() -> None:
    """Which neighbours count, and how often, on validation rooms."""
    student = load_student(RUNS / MAIN)
    scenes = scenes_of(student, "rooms", "val", VALIDATION_ROOMS)
    embeddings = [scene.embedding(student) for scene in scenes]
    record("choose", "off", {"kind": ""}, lambda s, w: s.scores, scenes, [None] * len(scenes))
    for name, way in WEIGHTS.items():
        weights = [way(scene, embedding) for scene, embedding in zip(scenes, embeddings, strict=True)]
        for count in ITERATIONS:
            record("choose", name, {"kind": f"T = {count}"}, lambda s, w, n=count: plain(s, w, n), scenes, weights)
        record("choose", name, {"kind": "symmetric"}, lambda s, w: symmetric(s, w, 19), scenes, weights)
        record("choose", name, {"kind": "stopping"}, lambda s, w: stopping(s, w, 19), scenes, weights)


def plain(scene: LabelledScene, weights: torch.Tensor, iterations: int) -> torch.Tensor:
    return pool(scene.scores, np.array(scene.surface.neighbours), weights, iterations + 1)


def test() -> None:
    """Every student, on lifted features and on spoilt labels; open names."""
    embedded: dict[str, list[torch.Tensor]] = {}
    for source in ("rooms", *NOISES, "open names"):
        scenes = scenes_of(load_student(RUNS / MAIN), source, "test", TEST_ROOMS)
        record("test", "off", {"source": source}, lambda s, w: s.scores, scenes, [None] * len(scenes))
        weights = [of_geometry(scene, torch.empty(0)) for scene in scenes]
        record("test", "geometry", {"source": source}, lambda s, w: plain(s, w, 18), scenes, weights)
        del weights
        for name in STUDENTS:
            if not (RUNS / name / "done").exists() or (source == "open names" and name != MAIN):
                continue
            student = load_student(RUNS / name)
            own = scenes_of(student, source, "test", TEST_ROOMS) if student.config.lifted else scenes
            if student.config.lifted or name not in embedded:
                embedded[name] = [scene.embedding(student) for scene in own]
            weights = [of_student(scene, each) for scene, each in zip(own, embedded[name], strict=True)]
            record("test", name, {"source": source}, lambda s, w: plain(s, w, 18), own, weights)


def shapes() -> None:
    """Pictures alone, a 3D network with classes alone, and both, pooled by geometry."""
    for source in ("rooms", "open names"):
        scenes, pictures, probabilities, known = witnesses(source, "test", TEST_ROOMS)
        record("shapes", "pictures", {"source": source}, lambda s, own: own, scenes, pictures)
        record("shapes", "shapes", {"source": source}, lambda s, own: own, scenes, probabilities)
        pairs = list(zip(pictures, probabilities, strict=True))
        record(
            "shapes",
            "both",
            {"source": source},
            lambda s, own, k=known: with_pictures(own[0], own[1], k),
            scenes,
            pairs,
        )


def fusion() -> None:
    """How often either is taken to be quite wrong, and what is said of words that are strange to the network."""
    for source in ("rooms", "open names"):
        scenes, pictures, probabilities, known = witnesses(source, "val", VALIDATION_ROOMS)
        pairs = list(zip(pictures, probabilities, strict=True))
        for wrong in PICTURES_WRONG:
            for strange in STRANGE:
                key = {"source": source, "wrong": wrong, "strange": strange}
                weights = FusionWeights(wrong, strange)
                record(
                    "fusion", "both", key, lambda s, own, k=known, w=weights: with_pictures(*own, k, w), scenes, pairs
                )


def witnesses(
    source: str, split: str, count: int
) -> tuple[list[LabelledScene], list[torch.Tensor], list[torch.Tensor], torch.Tensor]:
    """Scenes, the logits of their pictures, the probabilities of their shapes, both pooled; how known the words are."""
    scenes = scenes_of(load_student(RUNS / MAIN), source, split, count)
    words = [PROMPTS.get(name, name) for name in scenes[0].classes]
    pictures, probabilities, known = [], [], torch.empty(0)
    for scene in scenes:
        neighbours, weights = np.array(scene.surface.neighbours), of_geometry(scene, torch.empty(0))
        found = predict_shapes(scene.surface, SHIPPED, "cpu")
        of_classes = pool(torch.from_numpy(np.array(found.probabilities, np.float32)), neighbours, weights)
        of_words, known = replace(found, probabilities=of_classes.numpy()).of_texts(words)
        pictures.append(pool(scene.scores, neighbours, weights))
        probabilities.append(of_words)
    return scenes, pictures, probabilities, known


def record(
    part: str,
    name: str,
    key: Mapping[str, Any],
    way: Callable[[LabelledScene, Any], torch.Tensor],
    scenes: list[LabelledScene],
    weights: list[Any],
) -> None:
    """mIoU and accuracy as a row of docs/results/data/geopurify.json, unless out/geopurify-study has it."""
    params = {"part": part, **key}
    if find(read_rows(RUNS / "rows.json"), name, **params):
        return
    confusion = Confusion(scenes[0].classes)
    for scene, weight in zip(scenes, weights, strict=True):
        confusion.matrix += scene.confusion(way(scene, weight)).matrix
    found = confusion.metrics()
    iou = np.asarray(confusion.iou)
    known = np.flatnonzero(confusion.matrix.sum(1) > 0)
    rarest = known[np.argsort(confusion.matrix.sum(1)[known])][: len(known) // RARE]
    metrics = {"miou": found["miou"], "macc": found["macc"], "rare miou": float(np.nanmean(iou[rarest]))}
    taught = name in STUDENTS or (part == "choose" and name in ("learned", "both"))
    row = make_row(
        name,
        {metric: round(100 * value, 2) for metric, value in metrics.items()},
        "%",
        command=this_command(),
        params=params,
        seed=1 if taught else None,
        cpu_seconds=training_seconds(RUNS / name),
    )
    print(name, params, row["metrics"], flush=True)
    for file in (RUNS / "rows.json", ROWS / "geopurify.json"):
        add_row(file, row)


@cache
def rooms_vision() -> Vision:
    return load_vision("rooms")


def scenes_of(student: Student, source: str, split: str, count: int) -> list[LabelledScene]:
    """Scenes with the scores of the 2D model, of it for open names, or of spoilt labels."""
    scenes = [read_source(path) for path in scene_paths(DATA, split)[:count]]
    if source == "open names":
        names = sorted({box.name for scene in scenes for box in scene.boxes})
        scenes = [by_open_name(scene, names) for scene in scenes]
    noise = Noise.parse(source) if ":" in source else None
    return [labelled_scene(scene, student, rooms_vision(), noise=noise) for scene in scenes]


PARTS = {"students": students, "choose": choose, "test": test, "fusion": fusion, "shapes": shapes}

if __name__ == "__main__":
    main()
