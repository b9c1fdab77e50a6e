"""The second stage of learning: the 3D network itself taught on, by partly labelled scans, in minutes.

    fine_tuned(scans, learned, words, out, fabric, steps=200)       # out/best.ckpt, for `label --shapes out`

What a person said is learned as he said it, and beside it what the head is sure of; all other points count for nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from lightning_fabric import Fabric

from scanwise.files import write_json, write_text
from scanwise.formats import folder
from scanwise.methods.segment.recipe import SegmentRecipe
from scanwise.methods.segment.train import train
from scanwise.training.checkpoints import Checkpoint, load, save
from scanwise.understand.known import KnownScan
from scanwise.understand.learning import Learned

SURE = 0.9  # probability from which a part that nobody spoke of is learned as the head labels it


def fine_tuned(
    scans: Sequence[KnownScan], learned: Learned, words: Sequence[str], out: Path, fabric: Fabric, *, weights: Path,
    steps: int, **options: Any,
) -> dict[str, float]:  # fmt: skip
    """Teaches the network of some weights on; goes on where a run in the same folder stopped.

    Args:
        scans: of which something is known.
        learned: the head of these scans.
        words: that points are known to have.
        out: folder of the run: its best.ckpt is what came out.
        fabric: the device.
        weights: of `scanwise train segment` to begin with.
        steps: of two scans each.
        **options: `progress` and `say` of `training.run.Run`.

    Returns:
        The metrics on the scans themselves.
    """
    start = load(weights)
    classes = list(start.facts["classes"])
    own = {name.casefold() for name in classes}
    classes += [word for word in words if word.casefold() not in own]
    save(widened(start, classes), out / "start.ckpt")
    state = hashlib.sha256()
    for number, scan in enumerate(scans):
        labels = targets(scan, learned, words, classes)
        state.update(labels.tobytes())
        scene = replace(
            scan.prepared.surface.with_normals(), labels=labels, instances=None, classes=classes, boxes=[], views=[],
            sentences=[], attributes={}, raw=None, source_points=None, to_source=np.eye(4),
        )  # fmt: skip
        folder.write(scene, out / "data" / f"{number:04d}")
    names = [f"{number:04d}" for number in range(len(scans))]
    index = [{"path": name, "split": split} for name in names for split in ("train", "val")]
    write_json(out / "data" / "index.json", {"scenes": index})
    recipe = SegmentRecipe.model_validate(start.facts["recipe"]).model_copy(
        update={
            "data": out / "data", "init": str(out / "start.ckpt"), "steps": steps, "batch": min(2, len(scans)),
            "learning_rate": 3e-4, "offsets": 0.0, "class_weights": "none", "ema": 0.0, "keep": "last",
            "validate_every": steps, "checkpoint_every": 10, "share": 1.0, "patience": 0,
        }
    )  # fmt: skip
    _forget_another(out, {"labels": state.hexdigest(), "steps": steps})
    write_text(out / "recipe.yaml", yaml.safe_dump(json.loads(recipe.model_dump_json()), sort_keys=False))
    write_json(out / "classes.json", {"scenes": len(scans), "classes": classes, "points": []})
    return train(recipe, out, fabric, **options)


def targets(scan: KnownScan, learned: Learned, words: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """(N,) int32 classes of a scan's points: what is known, and what the head is sure of; -1 = counts for nothing."""
    prepared, things = scan.prepared, scan.prepared.things
    assert things is not None
    places = {name.casefold(): place for place, name in enumerate(classes)}
    found = learned(prepared.log_votes(learned.words), learned.words, prepared.described)
    sure, which = found.max(1)
    own = np.array([places.get(word.casefold(), -1) for word in learned.words], np.int32)
    of_part = np.where(sure.exp().numpy() >= SURE, own[which.numpy()], -1)
    labels = np.full(len(scan.known), -1, np.int32)
    labels[prepared.surface.finite] = of_part[things.of_voxel[prepared.surface.voxels.of_point]]
    said = np.array([places[word.casefold()] for word in words], np.int32)
    return np.where(scan.known >= 0, said[scan.known], labels).astype(np.int32)


def widened(start: Checkpoint, classes: Sequence[str]) -> Checkpoint:
    """Weights whose head has rows for further classes, which begin as the mean of the others.

    Args:
        start: weights of a segmenter.
        classes: its own, and further ones after them.
    """
    tensors = {name: value for name, value in start.tensors.items() if not name.startswith("offsets.")}
    more = len(classes) - len(start.facts["classes"])
    for name in ("head.weight", "head.bias"):
        value = tensors[name]
        tensors[name] = torch.cat([value, value.mean(0, keepdim=True).expand(more, *value.shape[1:])])
    return Checkpoint(tensors, {**start.facts, "classes": list(classes)})


def _forget_another(out: Path, what: dict[str, Any]) -> None:
    """Takes away the checkpoints of a run on other labels, which would be gone on with."""
    kept = out / "labels.json"
    try:
        same = json.loads(kept.read_text(encoding="utf-8")) == what
    except (OSError, ValueError):
        same = False
    if not same:
        for path in [*out.glob("*.ckpt"), out / "log.csv", out / "validation.csv"]:
            if path.name not in ("start.ckpt", "head.ckpt"):
                path.unlink(missing_ok=True)
        write_json(kept, what)
