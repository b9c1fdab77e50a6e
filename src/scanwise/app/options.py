"""Arguments and options that several verbs share, and how a scan is read as they say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scanwise.devices import check_name

if TYPE_CHECKING:
    from scanwise.scene import Scene

# Scans, and what becomes of them

SceneArgument = Annotated[
    Path, typer.Argument(metavar="SCENE", help="A point cloud, a mesh, or the folder of an RGB-D recording.")
]
ScansArgument = Annotated[
    Path,
    typer.Argument(
        metavar="SCENE", help="A point cloud, mesh or recording; or many: a folder of them, 'a/*.ply', or @LIST."
    ),
]
ProcessesOption = Annotated[
    int, typer.Option("--processes", min=0, help="Of many scans: so many at a time. [default: free cores and memory]")
]
RayOption = Annotated[
    str | None, typer.Option("--ray", metavar="ADDRESS", help="Of many scans: on this Ray cluster; local starts one.")
]
UpOption = Annotated[
    str,
    typer.Option("--up", metavar="AXIS", help="The file's axis that points up: x, y, z, -x, -y, -z; auto finds it."),
]
UnitOption = Annotated[
    str | None,
    typer.Option("--unit", metavar="m|mm|cm|ft|in", help="Unit of the file's coordinates. [default: m, or as it says]"),
]
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="X,Y,Z,...",
        help="What the columns of a text or array are, such as x,y,z,r,g,b,label; - is none. [default: as they look]",
    ),
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
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        callback=check_name,
        metavar="auto|cpu|cuda[:N]|mps",
        help="Where it is computed; auto = CUDA if there.",
    ),
]
WeightsArgument = Annotated[
    Path, typer.Argument(metavar="WEIGHTS", help="best.ckpt of a run, its folder, or shipped weights by name.")
]
DataArgument = Annotated[Path, typer.Argument(metavar="DATA", help="Root of labelled scenes.")]
VisionOption = Annotated[
    str | None,
    typer.Option("--vision", help="2D model: rooms[:WEIGHTS], conse, or hf:PATH_OR_ID for CLIP or SigLIP."),
]
ShapesOption = Annotated[
    str | None,
    typer.Option(
        "--shapes",
        metavar="off|WEIGHTS",
        help="A 3D network that has a say too. [default: ours, for rooms in colour and for streets]",
    ),
]
ThingsOption = Annotated[
    str | None,
    typer.Option(
        "--things",
        metavar="off|WEIGHTS",
        help="What says which parts of the scan are one thing. [default: ours]",
    ),
]
SplitOption = Annotated[str, typer.Option("--split", help="Which scenes.")]
LabelsOption = Annotated[
    str | None,
    typer.Option(
        "--labels", metavar="SET", help="Set of classes: scannet200, matterport21, ... [default: the weights' own]"
    ),
]
ScenesOption = Annotated[int, typer.Option("--scenes", min=0, help="The first so many of them; 0 = all.")]
MetricsOption = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the metrics. [default: the run's]")]


def named(columns: str | None) -> list[str] | None:
    """The names in a `ColumnsOption`."""
    return None if columns is None else columns.split(",")


def read_scan(path: Path, up: str = "auto", unit: str | None = None, columns: str | None = None) -> Scene:
    """The scan of a `SceneArgument`, in metres, upright and without strays, as a verb works on it.

    Args:
        path: of a scan.
        up: an `UpOption`.
        unit: an `UnitOption`.
        columns: a `ColumnsOption`.

    Raises:
        InputError: it cannot be read, its numbers cannot be metres, or there is no such axis or unit.
    """
    from scanwise.formats.registry import read_scene
    from scanwise.geometry.inside import brought_inside

    return brought_inside(read_scene(path, columns=named(columns)), up=up, unit=unit)
