"""`scanwise furniture`: the catalogues that rooms and streets are furnished from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scanwise.app.console import progress

app = typer.Typer(no_args_is_help=True, help="Furniture catalogues: get them, add your own, see what is there.")


@app.command()
def fetch() -> None:
    """Get the 820 models of Debian's sweethome3d-furniture (120 MB, free licences), without root.

    Example:

        scanwise furniture fetch
    """
    from scanwise.synth.packages import fetch_catalogues

    with progress() as show:
        added = fetch_catalogues(show)
    for path in added:
        print(path)


@app.command()
def add(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.sh3f...", help="Catalogues of Sweet Home 3D.")],
) -> None:
    """Copy catalogues to where scanwise looks for them, and note what they are.

    Example:

        scanwise furniture add ~/Downloads/Contributions.sh3f
    """
    from scanwise.synth.store import add_catalogues

    for path in add_catalogues(files):
        print(path)


@app.command("list")
def list_models() -> None:
    """Show which models there are, by class.

    Example:

        scanwise furniture list
    """
    from rich.console import Console
    from rich.table import Table

    from scanwise.synth.store import furniture_supply

    store = furniture_supply()
    table = Table("class", "open name", "models", "held out", "source")
    names = sorted(store.names(), key=lambda name: (store.models(name, held_out=True)[0].kind, name))
    everything = store.all()
    for name in names:
        models = [model for model in everything if model.name == name]
        sources = sorted({model.id.partition("#")[0] for model in models})
        held_out = sum(model.held_out for model in models)
        table.add_row(models[0].kind, name, str(len(models)), str(held_out), ", ".join(sources))
    table.add_row("", "all", str(len(everything)), str(sum(model.held_out for model in everything)), "")
    Console().print(table)
