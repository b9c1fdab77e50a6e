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

if TYPE_CHECKING:
    from scanwise.nn.frozen import Frozen


def features(
    scene: SceneArgument,
    model: ModelOption,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder. [default: out/features-NAME]")] = None,
    device: DeviceOption = "auto",
    up: UpOption = "auto",
    unit: UnitOption = None,
    columns: ColumnsOption = None,
) -> None:
    """Give every point of a scan its feature vector, and show the features as colours.

    `features.npz` has `features` (one row a voxel) and `voxel_of_point`: a point's feature is
    `features[voxel_of_point]`. `features.png` shows their three main directions as red, green and blue.

    Examples:

        scanwise features scan.ply --model dos-rooms-small

        scanwise features sweep.bin --model out/dos-streets-small --out out/sweep
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
    print(f"{len(cloud):,} points, {len(sample):,} voxels of {frozen.voxel} m, {feats.shape[1]} channels")
    print(folder / "features.npz")
    print(folder / "features.png")


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
