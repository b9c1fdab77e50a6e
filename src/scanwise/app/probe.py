"""`scanwise probe`: how much the features of an encoder tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scanwise.app.console import note
from scanwise.app.features import load_frozen
from scanwise.app.options import DataArgument, DeviceOption, LabelsOption, ModelOption
from scanwise.errors import InputError

if TYPE_CHECKING:
    from scanwise.data.datasets import Source
    from scanwise.scene import Scene


def probe(
    model: ModelOption,
    data: DataArgument,
    split: Annotated[str, typer.Option("--split", help="Which scenes are tested.")] = "val",
    share: Annotated[float, typer.Option("--share", help="Of the training scenes that are used, 0..1.")] = 1.0,
    scenes: Annotated[int, typer.Option("--scenes", min=0, help="Instead: so many training scenes.")] = 0,
    voxels: Annotated[int, typer.Option("--voxels", min=1, help="Most labelled voxels of a training scene.")] = 1000,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How often, with other voxels drawn.")] = 1,
    points: Annotated[float, typer.Option("--points", help="Of a training scene's labelled points, 0..1.")] = 1.0,
    labels: LabelsOption = None,
    knn: Annotated[bool, typer.Option("--knn", help="Nearest neighbours in place of a linear layer.")] = False,
    random: Annotated[bool, typer.Option("--random", help="The same network with random weights.")] = False,
    on: Annotated[Path | None, typer.Option("--on", help="Test on this one labelled scan instead.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A JSON file for the metrics.")] = None,
    device: DeviceOption = "auto",
) -> None:
    """Fit a linear layer, or a nearest-neighbour search, on frozen features, and measure it.

    The weight decay of the linear layer is chosen on a fifth of the training scenes.

    Examples:

        scanwise probe data/rooms-1 --model out/dos-rooms-tiny --split test --seeds 3

        scanwise probe data/rooms-1 --model out/dos-rooms-tiny --share 0.01

        scanwise probe data/rooms-1 --model out/dos-rooms-tiny --scenes 20 --points 0.001

        scanwise probe data/streets-1 --model out/dos-streets-tiny --on sequences/00/velodyne/000000.bin --random
    """
    from scanwise.data.classes import with_joined_classes
    from scanwise.data.datasets import read_source, scene_paths, shared
    from scanwise.data.few_labels import WithFewLabels
    from scanwise.data.label_sets import check_label_set, with_labels
    from scanwise.evaluation.probes import fit_and_measure, mean_and_spread

    if not 0 < share <= 1:
        raise InputError(f"--share {share}: is a share of the scenes, more than 0 and at most 1")
    frozen = load_frozen(model, device, random=random)
    if not 0 < points <= 1:
        raise InputError(f"--points {points}: is a share of the labelled points, more than 0 and at most 1")
    name = check_label_set(labels or "")
    sources = with_labels(scene_paths(data, "train"), name)
    sources = shared(sources, min(1.0, scenes / len(sources)) if scenes else share)
    known, classes = with_joined_classes([WithFewLabels(each, points) for each in sources] if points < 1 else sources)
    if not classes:
        raise InputError(f"{data}: none of its training scenes has labels to fit on")
    tested: Sequence[Source | Scene]
    if on is None:
        tested = with_labels(scene_paths(data, split), name)
    else:
        scan = replace(read_source(on), name=str(on))
        if scan.labels is None:
            raise InputError(f"{on}: has no labels to measure against")
        tested = [scan]
    metrics: list[dict[str, float]] = []
    for result in fit_and_measure(frozen, known, tested, classes, voxels=voxels, seeds=seeds, knn=knn):
        metrics.append(result.counts.metrics())
        decay = "" if result.decay is None else f", decay {result.decay:g}"
        note(f"seed {result.seed}: mIoU {100 * metrics[-1]['miou']:.1f}, mAcc {100 * metrics[-1]['macc']:.1f}{decay}")
        if result.decay is not None:
            metrics[-1]["decay"] = result.decay
    print(result.counts.table(), end="")
    mean, spread = mean_and_spread([found["miou"] for found in metrics])
    around = "" if spread is None else f" ± {100 * spread:.1f}"
    print(f"mIoU {100 * mean:.1f}{around} from {len(known)} scenes, {result.voxels:,} voxels")
    if out is not None:
        from scanwise.files import write_json

        write_json(out, metrics)
