"""`scanwise train geopurify` and `scanwise evaluate geopurify`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from scanwise.app.console import progress
from scanwise.app.train import (
    DeviceOption,
    OutOption,
    RecipeArgument,
    SetOption,
    metrics_folder,
    percents,
    run_training,
)
from scanwise.files import replacing

if TYPE_CHECKING:
    from scanwise.evaluation.segmentation import Confusion


def train_geopurify(
    recipe: RecipeArgument, out: OutOption = None, changes: SetOption = None, device: DeviceOption = "auto"
) -> None:
    """GeoPurify: which places of a scan belong together, learned from a few scans without labels.

    Examples:

        scanwise train geopurify recipes/geopurify-rooms-tiny.yaml

        scanwise train geopurify recipes/geopurify-rooms-tiny.yaml --set data=my/scans --set teacher=out/dos-rooms-small

        scanwise train geopurify recipes/geopurify-rooms-tiny.yaml --set teacher=sonata.pth --set scenes=50
    """
    from scanwise.methods.geopurify.model import GeoPurifyRecipe, train
    from scanwise.methods.geopurify.teacher import load_teacher
    from scanwise.vision import load_vision

    def with_models(settings: GeoPurifyRecipe, folder: Path, fabric: Any, **options: Any) -> dict[str, float]:
        teacher, vision = load_teacher(settings.teacher), load_vision(settings.vision)
        return train(settings, folder, fabric, teacher=teacher, vision=vision, **options)

    done = run_training(GeoPurifyRecipe, with_models, recipe, out, changes, device)
    if done is None:
        return
    folder, metrics = done
    if "miou" in metrics:
        found = percents(metrics, "off", "geometry")
        print(f"{folder / 'best.ckpt'}: mIoU {100 * metrics['miou']:.1f} on val ({found})")
    else:
        print(f"{folder / 'best.ckpt'}: loss {metrics['val_loss']:.3f} on other anchors; val has no labels")


def evaluate_geopurify(
    weights: Annotated[
        Path, typer.Argument(metavar="WEIGHTS", help="best.ckpt of a run, its folder, or the name of shipped weights.")
    ],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Root of labelled scenes with pictures.")],
    split: Annotated[str, typer.Option("--split", help="Which scenes.")] = "test",
    scenes: Annotated[int, typer.Option("--scenes", min=0, help="The first so many; 0 = all.")] = 0,
    vision: Annotated[str | None, typer.Option("--vision", help="2D model. [default: the student's]")] = None,
    noise: Annotated[
        str,
        typer.Option("--noise", metavar="KIND:AMOUNT", help="True 2D labels, spoilt: flip:0.3, region:0.3, blur:2."),
    ] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for table and metrics.")] = None,
    device: DeviceOption = "auto",
) -> None:
    """mIoU of the scenes' class names: without pooling, by geometry, and by the student.

    With --noise the scenes' own labels, as the pictures show them and spoilt, take the 2D model's place: pixels get any
    class alone (flip) or as whole objects (region), or classes are blurred over so many pixels.

    Examples:

        scanwise evaluate geopurify out/geopurify-rooms-tiny data/rooms-1 --split test

        scanwise evaluate geopurify out/geopurify-rooms-tiny data/rooms-1 --noise region:0.3 --scenes 10
    """
    from scanwise.data.datasets import read_source, scene_paths
    from scanwise.evaluation.segmentation import Confusion
    from scanwise.methods.geopurify.evaluate import WAYS, Noise, embedding_of, exam_of, marks
    from scanwise.methods.geopurify.model import load_student
    from scanwise.training.launch import make_fabric
    from scanwise.vision import load_vision

    spoil = Noise.parse(noise) if noise else None
    student = load_student(weights).to(make_fabric(device=device).device)
    model = load_vision(vision or student.config.vision or None)
    sources = scene_paths(data, split)[: scenes or None]
    counts: dict[str, Confusion] = {}
    with progress() as show:
        for number, source in enumerate(sources):
            show("scenes", number / len(sources))
            exam = exam_of(read_source(source), student, model, noise=spoil)
            for way in WAYS:
                embeddings = [embedding_of(exam, student)] if way == "learned" else []
                counts.setdefault(way, Confusion(exam.classes)).matrix += marks([exam], way, embeddings).matrix
        show("scenes", 1.0)
    folder = out or metrics_folder(weights)
    name = split + (f"-{noise.replace(':', '-')}" if noise else "")
    table = comparison(counts)
    metrics = {way: confusion.metrics() for way, confusion in counts.items()}
    report = {"scenes": len(sources), "vision": model.name, "noise": noise, **metrics}
    with replacing(folder / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    with replacing(folder / f"{name}.md") as temporary:
        temporary.write_text(table, encoding="utf-8")
    print(table, end="")


def comparison(counts: dict[str, Confusion]) -> str:
    """A Markdown table: a row a class that the truth has, a column of IoU for each way of pooling."""
    ways = list(counts)
    ious = np.stack([confusion.iou for confusion in counts.values()], 1)
    lines = [f"| class | {' | '.join(ways)} |", "|---" * (1 + len(ways)) + "|"]
    for name, row in zip(counts[ways[0]].classes, ious, strict=True):
        if not np.isnan(row).any():
            lines.append(f"| {name} | {' | '.join(f'{100 * iou:.1f}' for iou in row)} |")
    means = [f"**{100 * confusion.metrics()['miou']:.1f}**" for confusion in counts.values()]
    return "\n".join([*lines, f"| **mean** | {' | '.join(means)} |"]) + "\n"
