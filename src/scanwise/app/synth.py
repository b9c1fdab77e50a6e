"""`scanwise synth`: labelled rooms and streets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from scanwise.app.console import note, progress
from scanwise.errors import InputError

app = typer.Typer(no_args_is_help=True, help="Make labelled scenes: rooms and streets with known truth.")

OutArgument = Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the set; one that was begun is finished.")]
NumberOption = Annotated[
    int | None, typer.Option("-n", "--number", min=1, help="Scenes in all, 8:1:2 for train, val and test.")
]
SetOption = Annotated[
    str | None,
    typer.Option("--set", help="A frozen set (rooms-1, streets-1, streets-boxes), or a YAML file that describes one."),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="With -n: another seed makes other scenes.")]
WorkersOption = Annotated[int | None, typer.Option("--workers", min=1, help="Processes. [default: one a core]")]


@app.command()
def rooms(
    out: OutArgument,
    number: NumberOption = None,
    chosen: SetOption = None,
    seed: SeedOption = 1,
    workers: WorkersOption = None,
) -> None:
    """Furnished rooms, recorded by a camera that is carried through them.

    Examples:

        scanwise synth rooms data/few -n 11

        scanwise synth rooms data/rooms-1 --set rooms-1
    """
    _synth("rooms", out, number, chosen, seed, workers)


@app.command()
def streets(
    out: OutArgument,
    number: NumberOption = None,
    chosen: SetOption = None,
    seed: SeedOption = 1,
    workers: WorkersOption = None,
) -> None:
    """Streets with traffic, swept by a spinning LiDAR along a drive.

    Examples:

        scanwise synth streets data/drives -n 3

        scanwise synth streets data/streets-1 --set streets-1
    """
    _synth("streets", out, number, chosen, seed, workers)


def _synth(
    kind: Literal["rooms", "streets"], out: Path, number: int | None, chosen: str | None, seed: int, workers: int | None
) -> None:
    from scanwise.synth.generate import config_of, find_config, write_set

    if chosen is None and number is not None:
        config = config_of(kind, out.name, number, seed)
    elif chosen is not None and number is None:
        config = find_config(chosen)
    else:
        raise InputError(f"say how many with -n, or which set with --set (such as {kind}-1), one of the two")
    if config.kind != kind:
        raise InputError(f"{chosen} describes {config.kind}; use `scanwise synth {config.kind}`")
    if not config.splits.get("val"):
        note(f"note: none of {sum(config.splits.values())} is there to validate on, as training needs; -n 11 has one")
    with progress() as show:
        index = write_set(config, out, workers=workers or os.cpu_count() or 1, progress=show)
    scenes = index["scenes"]
    size = sum(entry["bytes"] for entry in scenes)
    print(f"{out}: {len(scenes)} scenes, {sum(entry['points'] for entry in scenes):,} points, {size / 1e6:.0f} MB")
