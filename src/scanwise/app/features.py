"""`scanwise features`: what an encoder sees in a scan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scanwise.app.options import (
    ColumnsOption,
    DeviceOption,
    ModelOption,
    SceneArgument,
    UnitOption,
    UpOption,
    read_scan,
)
from scanwise.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from scanwise.nn.frozen import Frozen
    from scanwise.scene import Scene

NEAR = 0.3  # metres


def features(
    scene: SceneArgument,
    model: ModelOption,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder. [default: out/features-NAME]")] = None,
    like: Annotated[
        str | None,
        typer.Option("--like", metavar="X,Y,Z", help="Mark all points like the one here, in the file's coordinates."),
    ] = None,
    least: Annotated[
        float, typer.Option("--least", min=-1, max=1, help="Likeness from which a point is marked, -1..1.")
    ] = 0.6,
    device: DeviceOption = "auto",
    up: UpOption = "auto",
    unit: UnitOption = None,
    columns: ColumnsOption = None,
) -> None:
    """Give every point of a scan its feature vector, and show the features as colours.

    `features.npz` has `features` (one row a voxel) and `voxel_of_point`: a point's feature is
    `features[voxel_of_point]`. `features.png` shows their three main directions as red, green and blue.

    With --like also `like.<format of the input>`, the scan with `likeness` (-1..1, cosine of features less their
    mean, in units of their deviations) and `like` (0 or 1), and `like.png`.

    Examples:

        scanwise features scan.ply --model dos-rooms-small

        scanwise features sweep.bin --model out/dos-streets-small --out out/sweep

        scanwise features scan.ply --model dos-rooms-small --like 1.20,0.35,0.98 --least 0.7
    """
    import numpy as np
    from PIL import Image

    from scanwise.app.results import check_out
    from scanwise.evaluation.features import pca_colors
    from scanwise.files import adding_files
    from scanwise.show.report import draw_cloud

    folder = out or Path("out") / f"features-{scene.resolve().stem or 'scan'}"
    check_out(folder, scene)
    frozen = load_frozen(model, device)
    cloud = read_scan(scene, up, unit, columns)
    row = None if like is None else row_at(cloud, like)
    frozen.warn_of_missing(cloud)
    sample, feats = frozen.encode(cloud)
    voxel = np.full(len(cloud), -1, np.int32)
    voxel[sample.row] = sample.of_point
    if (voxel < 0).any():  # row -1 is then the last, so that points that are nowhere have no feature
        feats = np.concatenate([feats, np.full((1, feats.shape[1]), np.nan, np.float32)])
    colors = pca_colors(feats[: len(sample)])[voxel]
    shown = sample.row
    normals = None if cloud.normals is None else cloud.normals[shown]
    with adding_files(folder) as place:
        np.savez(place / "features.npz", features=feats, voxel_of_point=voxel)
        picture = draw_cloud(cloud.points[shown], colors[shown], normals=normals)
        Image.fromarray(picture).save(place / "features.png")
        if row is not None:
            likeness = likeness_to(feats[: len(sample)], int(voxel[row]))[voxel]
            likeness[voxel < 0] = np.nan
            named = write_like(cloud, likeness, least, place)
    print(f"{len(cloud):,} points, {len(sample):,} voxels of {frozen.voxel} m, {feats.shape[1]} channels")
    print(folder / "features.npz")
    print(folder / "features.png")
    if row is not None:
        marked = int((likeness >= least).sum())
        print(f"{marked:,} points ({100 * marked / len(cloud):.1f} %) are like {like} by {least} and more")
        for name in named:
            print(folder / name)


def row_at(scan: Scene, place: str) -> int:
    """The row of the point nearest to a place "x,y,z" in the frame of the scan's file.

    Raises:
        InputError: it is no place, or no point is near.
    """
    import numpy as np

    try:
        spot = np.array([float(part) for part in place.split(",")])
    except ValueError:
        spot = np.zeros(0)
    if spot.shape != (3,) or not np.isfinite(spot).all():
        raise InputError(f"{place}: write x,y,z of a point in the scan's own coordinates", option="like")
    away = np.linalg.norm(np.asarray(scan.points_in_source(), np.float64) - spot, axis=1)
    away[~scan.finite] = np.inf
    row = int(np.nanargmin(away))
    metres = float(away[row] / np.linalg.norm(scan.to_source[:3, 0]))
    if metres > NEAR:
        raise InputError(f"{place}: the nearest point is {metres:.2f} m away; copy the place of a point", option="like")
    return row


def likeness_to(feats: np.ndarray, row: int) -> np.ndarray:
    """(m,) float32 likeness of features (m, C) to one of them: cosine, less their mean and over their deviations."""
    import numpy as np

    scaled = (feats - feats.mean(0)) / (feats.std(0) + 1e-6)
    scaled /= np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-9)
    return np.asarray(scaled @ scaled[row], np.float32)


def write_like(scan: Scene, likeness: np.ndarray, least: float, place: Path) -> list[str]:
    """Writes the scan with `likeness` and `like`, and a picture; gives the names of the files."""
    import numpy as np
    from PIL import Image

    from scanwise.app.crop import FOUND, muted
    from scanwise.formats.registry import write_scene
    from scanwise.show.report import draw_cloud
    from scanwise.understand.label_files import output_suffix

    marked = likeness >= least
    name = f"like.{output_suffix(scan)}"
    write_scene(scan.with_columns(likeness=likeness, like=marked.astype(np.uint8)), place / name)
    colors, shown = muted(scan), scan.finite
    colors[marked] = FOUND
    normals = None if scan.normals is None else scan.normals[shown]
    picture = draw_cloud(scan.points[shown], colors[shown].clip(0, 255).astype(np.uint8), normals=normals)
    Image.fromarray(picture).save(place / "like.png")
    return [name, "like.png"]


def load_frozen(model: Path, device: str, *, random: bool = False) -> Frozen:
    """A backbone on a device.

    Args:
        model: a checkpoint, a run's folder, or the name of shipped weights.
        device: as of `devices.find`.
        random: one like it, with random weights.
    """
    from scanwise import devices
    from scanwise.training.backbones import load_backbone

    where = devices.find(device)
    frozen = load_backbone(model, random=random)
    return replace(frozen, backbone=frozen.backbone.to(where))
