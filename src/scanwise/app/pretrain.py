"""`scanwise pretrain`."""

from __future__ import annotations

import typer

from scanwise.app.train import DeviceOption, OutOption, RecipeArgument, SetOption, run_training

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
    from scanwise.methods.dos.model import DOSRecipe, train

    done = run_training(DOSRecipe, train, recipe, out, changes, device)
    if done is None:
        return
    folder, metrics = done
    probes = ", ".join(f"{name} probe {100 * metrics[name]:.1f} mIoU" for name in ("linear", "knn") if name in metrics)
    print(f"{folder / 'best.ckpt'}: {probes or 'the last weights; no labels to choose by'}")
