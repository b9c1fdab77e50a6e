"""`scanwise pretrain`."""

from __future__ import annotations

from pathlib import Path

import typer

from scanwise.app.console import note, progress
from scanwise.app.train import DeviceOption, OutOption, RecipeArgument, SetOption

app = typer.Typer(no_args_is_help=True, help="Learn an encoder from scans or pictures without labels.")


@app.callback()
def _group() -> None:
    pass  # so that one verb alone keeps its name


@app.command()
def dos(
    recipe: RecipeArgument, out: OutOption = None, changes: SetOption = None, device: DeviceOption = "auto"
) -> None:
    """A point encoder: distils where prototypes are found among the points that are observable (DOS).

    Examples:

        scanwise pretrain dos recipes/dos-rooms-tiny.yaml

        scanwise pretrain dos recipes/dos-rooms-small.yaml --set data=my/scans --set steps=2000 --out out/mine

        torchrun --nproc-per-node 2 -m scanwise pretrain dos recipes/dos-streets-small.yaml
    """
    from scanwise.methods.dos import DOSRecipe, train
    from scanwise.training.launch import make_fabric
    from scanwise.training.recipe import read_recipe

    settings = read_recipe(recipe, DOSRecipe, changes or ())
    folder = out or Path("out") / recipe.stem
    fabric = make_fabric(device=device, precision=settings.precision)
    if not fabric.is_global_zero:
        train(settings, folder, fabric)
        return
    with progress() as show:
        figures = train(settings, folder, fabric, progress=show, say=note)
    probes = ", ".join(f"{name} probe {100 * figures[name]:.1f} mIoU" for name in ("linear", "knn") if name in figures)
    note(f"{folder / 'best.ckpt'}: {probes or 'the last weights; no labels to choose by'}")
