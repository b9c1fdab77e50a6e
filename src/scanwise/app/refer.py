"""`scanwise train less` and `scanwise evaluate less`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from scanwise.app.console import note, progress
from scanwise.app.train import DeviceOption, OutOption, RecipeArgument, SetOption
from scanwise.files import replacing


def train_less(
    recipe: RecipeArgument, out: OutOption = None, changes: SetOption = None, device: DeviceOption = "auto"
) -> None:
    """LESS: to find what a sentence means, from binary masks alone.

    Examples:

        scanwise train less recipes/less-rooms-small.yaml

        scanwise train less recipes/less-rooms-tiny.yaml --set text=gru --set share=0.1
    """
    from scanwise.methods.less import ReferRecipe, train
    from scanwise.training.launch import make_fabric
    from scanwise.training.recipe import read_recipe

    settings = read_recipe(recipe, ReferRecipe, changes or ())
    folder = out or Path("out") / recipe.stem
    fabric = make_fabric(device=device, precision=settings.precision)
    with progress() as show:
        first = fabric.is_global_zero
        options = {"progress": show, "say": note} if first else {}
        figures = train(settings, folder, fabric, **options)
    if first:
        names = ("miou", "acc25", "acc50", "balanced")
        found = ", ".join(f"{name} {100 * figures[name]:.1f}" for name in names if name in figures)
        print(f"{folder / 'best.ckpt'}: {found} on val")


def evaluate_less(
    weights: Annotated[Path, typer.Argument(metavar="WEIGHTS", help="best.ckpt of a run, or its folder.")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Root of scenes with sentences.")],
    split: Annotated[str, typer.Option("--split", help="Which scenes.")] = "test",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the figures.")] = None,
    fallback: Annotated[
        bool, typer.Option("--official-fallback", help="Add the 5000 likeliest points to masks of fewer than 100.")
    ] = False,
    device: DeviceOption = "auto",
) -> None:
    """mIoU, Acc@0.25, Acc@0.5, unique and multiple, by length and relation; "not here".

    Examples:

        scanwise evaluate less out/less-rooms-small data/rooms-1 --split test
    """
    from scanwise.data.datasets import scene_paths
    from scanwise.evaluation.referring import breakdown, figures
    from scanwise.methods.less import evaluate, load_trained
    from scanwise.training.launch import make_fabric

    fabric = make_fabric(device=device)
    model = load_trained(weights).to(fabric.device)
    outcomes = evaluate(model, scene_paths(data, split), fabric, fallback=fallback)
    if not fabric.is_global_zero:
        return
    result = figures(outcomes, float(model.threshold))
    parts = breakdown(outcomes)
    folder = out or (weights if weights.is_dir() else weights.parent)
    with replacing(folder / f"{split}.json") as temporary:
        temporary.write_text(json.dumps({"all": result, "parts": parts}, indent=1) + "\n", encoding="utf-8")
    for name, value in result.items():
        print(f"{name:20} {value:7.0f}" if name.endswith("sentences") else f"{name:20} {100 * value:7.1f}")
    for name, values in parts.items():
        print(f"{name:20} {100 * values['miou']:7.1f} mIoU, {values['sentences']:.0f} sentences")
