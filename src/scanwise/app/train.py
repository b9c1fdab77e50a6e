"""`scanwise train` and `scanwise evaluate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from scanwise.app.console import note, progress
from scanwise.errors import InputError
from scanwise.files import replacing

train_app = typer.Typer(no_args_is_help=True, help="Train on labelled scenes, alone or under torchrun.")
evaluate_app = typer.Typer(no_args_is_help=True, help="Measure what was trained.")

RecipeArgument = Annotated[Path, typer.Argument(metavar="RECIPE", help="YAML file; recipes/ has those we used.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="Folder of the run; one begun is gone on with. [default: out/RECIPE]")
]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Another value for a key.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
StrategyOption = Annotated[str, typer.Option("--strategy", help="Of several processes: ddp, or fsdp (CUDA).")]


@train_app.command()
def segment(
    recipe: RecipeArgument,
    out: OutOption = None,
    changes: SetOption = None,
    device: DeviceOption = "auto",
    strategy: StrategyOption = "ddp",
) -> None:
    """Semantic segmentation with labels: from scratch, as a linear probe, or fine-tuning.

    Examples:

        scanwise train segment recipes/segment-rooms-small.yaml

        scanwise train segment recipes/segment-rooms-small.yaml --set init=out/dos/best.ckpt --set freeze=true

        torchrun --nproc-per-node 2 -m scanwise train segment recipes/segment-rooms-small.yaml
    """
    from scanwise.methods.segment.model import SegmentRecipe, train

    done = run_training(SegmentRecipe, train, recipe, out, changes, device, _strategy(strategy))
    if done is not None:
        print(f"{done[0] / 'best.ckpt'}: {percents(done[1], 'miou', 'macc')} on val")


def run_training(
    kind: Any,
    train: Callable[..., dict[str, float]],
    recipe: Path,
    out: Path | None,
    changes: list[str] | None,
    device: str,
    strategy: Literal["ddp", "fsdp"] = "ddp",
) -> tuple[Path, dict[str, float]] | None:
    """What every verb that trains does: the run's folder and its metrics on the first process, None on the others.

    Args:
        kind: class of the recipe. train: (recipe, folder, fabric, progress=, say=) -> metrics; only the first process
            is given something to show its progress with.
    """
    from scanwise.training.launch import make_fabric
    from scanwise.training.recipe import read_recipe

    settings = read_recipe(recipe, kind, changes or ())
    folder = out or Path("out") / recipe.stem
    fabric = make_fabric(device=device, precision=settings.precision, strategy=strategy)
    if not fabric.is_global_zero:
        train(settings, folder, fabric)
        return None
    with progress() as show:
        return folder, train(settings, folder, fabric, progress=show, say=note)


def percents(metrics: dict[str, float], *names: str) -> str:
    """Those of the metrics that are there, such as "miou 47.9, macc 61.9"."""
    return ", ".join(f"{name} {100 * metrics[name]:.1f}" for name in names if name in metrics)


def metrics_folder(weights: Path) -> Path:
    """Where the metrics of these weights go: the run's own folder; of weights known by name, out/NAME."""
    if not weights.exists():
        return Path("out") / weights
    return weights if weights.is_dir() else weights.parent


@evaluate_app.command(name="segment")
def evaluate_segment(
    weights: Annotated[Path, typer.Argument(metavar="WEIGHTS", help="A run, its best.ckpt, or shipped weights.")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Root of labelled scenes.")],
    split: Annotated[str, typer.Option("--split", help="Which scenes.")] = "test",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for table, picture and metrics.")] = None,
    device: DeviceOption = "auto",
) -> None:
    """mIoU, mAcc, a table by class, a confusion picture; objects of seen and unseen models apart.

    Examples:

        scanwise evaluate segment out/segment-rooms-small data/rooms-1 --split test
    """
    from scanwise.data.datasets import scene_paths
    from scanwise.methods.segment.model import evaluate, load_segmenter
    from scanwise.training.launch import make_fabric

    fabric = make_fabric(device=device)
    model = load_segmenter(weights).to(fabric.device)
    counts = evaluate(model, scene_paths(data, split), fabric)
    if not fabric.is_global_zero:
        return
    folder = out or metrics_folder(weights)
    folder.mkdir(parents=True, exist_ok=True)
    metrics = {name: confusion.metrics() for name, confusion in counts.items() if confusion.matrix.any()}
    with replacing(folder / f"{split}.json") as temporary:
        temporary.write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    with replacing(folder / f"{split}.md") as temporary:
        temporary.write_text(counts["all"].table(), encoding="utf-8")
    counts["all"].draw(folder / f"{split}.png")
    print(counts["all"].table(), end="")
    for name, values in metrics.items():
        print(f"{name}: mIoU {100 * values['miou']:.1f}, mAcc {100 * values['macc']:.1f}")


def _strategy(name: str) -> Literal["ddp", "fsdp"]:
    if name == "fsdp":
        return "fsdp"
    if name == "ddp":
        return "ddp"
    raise InputError(f"--strategy {name}: there are ddp and fsdp")
