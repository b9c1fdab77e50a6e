"""`scanwise pretrain`: encoders that learn without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from scanwise.app.console import note
from scanwise.app.options import DeviceOption, RecipeArgument, RunOption, SetOption
from scanwise.app.train import run_training

app = typer.Typer(no_args_is_help=True, help="Learn an encoder from scans or pictures without labels.")


@app.command()
def dos(
    recipe: RecipeArgument, out: RunOption = None, changes: SetOption = None, device: DeviceOption = "auto"
) -> None:
    """A point encoder: distils where prototypes are found among the points that are observable (DOS).

    Examples:

        scanwise pretrain dos recipes/dos-rooms-tiny.yaml

        scanwise pretrain dos recipes/dos-rooms-small.yaml --set data=my/scans --set steps=2000 --out out/mine

        torchrun --nproc-per-node 2 -m scanwise pretrain dos recipes/dos-streets-small.yaml
    """
    from scanwise.methods.dos.recipe import DOSRecipe
    from scanwise.methods.dos.train import train

    done = run_training(DOSRecipe, train, recipe, out, changes, device)
    if done is None:
        return
    folder, metrics = done
    probes = ", ".join(f"{name} probe {100 * metrics[name]:.1f} mIoU" for name in ("linear", "knn") if name in metrics)
    print(f"{folder / 'best.ckpt'}: {probes or 'the last weights; no labels to choose by'}")


@app.command()
def stellar(
    recipe: RecipeArgument, out: RunOption = None, changes: SetOption = None, device: DeviceOption = "auto"
) -> None:
    """An image encoder of a few tokens that know what and where (STELLAR).

    Examples:

        scanwise pretrain stellar recipes/stellar-cifar-tiny.yaml

        scanwise pretrain stellar recipes/stellar-cifar-tiny.yaml --set data=my/photos --set image=64 --set patch=8

        scanwise pretrain stellar recipes/stellar-cifar-tiny.yaml --set init=out/mae-cifar-tiny/best.ckpt
    """
    from scanwise.methods.stellar.recipe import StellarRecipe
    from scanwise.methods.stellar.train import train

    _pretrain_on_pictures(recipe, StellarRecipe, train, out, changes, device)


@app.command()
def images(
    recipe: RecipeArgument, out: RunOption = None, changes: SetOption = None, device: DeviceOption = "auto"
) -> None:
    """What STELLAR is measured against: MAE, DINO, or labels from scratch (`method` in the recipe).

    Examples:

        scanwise pretrain images recipes/mae-cifar-tiny.yaml

        scanwise pretrain images recipes/mae-cifar-tiny.yaml --set method=dino --out out/dino-cifar-tiny
    """
    from scanwise.methods.image_baselines.recipe import BaselineRecipe
    from scanwise.methods.image_baselines.train import train

    _pretrain_on_pictures(recipe, BaselineRecipe, train, out, changes, device)


def _pretrain_on_pictures(
    path: Path, kind: Any, train: Any, out: Path | None, changes: list[str] | None, device: str
) -> None:
    done = run_training(kind, train, path, out, changes, device)
    if done is None:
        return
    folder, metrics = done
    found = ", ".join(f"{name} {100 * value:.1f}" for name, value in metrics.items() if name.startswith("knn_"))
    note(f"{folder / 'best.ckpt'}: {found or 'no classes to measure with'}")
