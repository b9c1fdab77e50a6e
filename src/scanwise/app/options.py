"""Arguments and options that several verbs share, and how a scan is read as they say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scanwise.formats.registry import read_scene
from scanwise.scene import Scene

# Scans, and what becomes of them

SceneArgument = Annotated[
    Path, typer.Argument(metavar="SCENE", help="A point cloud, a mesh, or the folder of an RGB-D recording.")
]
UpOption = Annotated[
    str | None,
    typer.Option("--up", metavar="AXIS", help="The file's axis that points up: x, y, z, -x, -y, -z. [default: z]"),
]
ResultsOption = Annotated[
    Path | None, typer.Option("--out", help="Folder for the results. [default: a new one in out]")
]
ModelOption = Annotated[
    Path, typer.Option("--model", "-m", help="best.ckpt of a run, its folder, or shipped weights by name.")
]

# Training and measuring

RecipeArgument = Annotated[Path, typer.Argument(metavar="RECIPE", help="YAML file; recipes/ has those we used.")]
RunOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="Folder of the run; one begun is gone on with. [default: out/RECIPE]")
]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Another value for a key.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
WeightsArgument = Annotated[
    Path, typer.Argument(metavar="WEIGHTS", help="best.ckpt of a run, its folder, or shipped weights by name.")
]
DataArgument = Annotated[Path, typer.Argument(metavar="DATA", help="Root of labelled scenes.")]
SplitOption = Annotated[str, typer.Option("--split", help="Which scenes.")]
ScenesOption = Annotated[int, typer.Option("--scenes", min=0, help="The first so many of them; 0 = all.")]
MetricsOption = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the metrics. [default: the run's]")]


def read_scan(path: Path, up: str | None = None) -> Scene:
    """The scan of a `SceneArgument`, turned as an `UpOption` says.

    Args:
        path: of a scan.
        up: the file's axis that points up; None = it is upright.

    Raises:
        InputError: it cannot be read, or there is no such axis.
    """
    if up is None:
        return read_scene(path)
    from scanwise.geometry.upright import stand_up

    return stand_up(read_scene(path), up)
