"""`scanwise features` and `scanwise probe`: what an encoder sees in a scan, and how much that tells."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from PIL import Image

from scanwise.app.console import note
from scanwise.app.train import DeviceOption
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import replacing
from scanwise.scene import Scene

if TYPE_CHECKING:
    from scanwise.evaluation.probes import Frozen

ModelOption = Annotated[
    Path, typer.Option("--model", "-m", help="best.ckpt of a run, its folder, or shipped weights by name.")
]


def features(
    scene: Annotated[Path, typer.Argument(metavar="SCENE", help="A point cloud, a mesh, or a recording's folder.")],
    model: ModelOption,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder. [default: out/features-NAME]")] = None,
    device: DeviceOption = "auto",
) -> None:
    """Give every point of a scan its feature vector, and show the features as colours.

    `features.npz` has `features` (one row a voxel) and `voxel_of_point`: a point's feature is
    `features[voxel_of_point]`. `features.png` shows their three main directions as red, green and blue.

    Examples:

        scanwise features scan.ply --model dos-rooms-small

        scanwise features sweep.bin --model out/dos-streets-small --out out/sweep
    """
    from scanwise.app.report import draw_cloud
    from scanwise.app.results import check_out, staging
    from scanwise.evaluation.features import pca_colors
    from scanwise.formats.registry import read_scene

    folder = out or Path("out") / f"features-{scene.resolve().stem or 'scan'}"
    check_out(folder, scene)
    frozen = _frozen(model, device)
    cloud = read_scene(scene)
    _warn_of_missing(cloud, frozen)
    sample, feats = frozen.encode(cloud)
    voxel = np.full(len(cloud), -1, np.int32)
    voxel[sample.row] = sample.of_point
    if (voxel < 0).any():  # row -1 is then the last, so that points that are nowhere have no feature
        feats = np.concatenate([feats, np.full((1, feats.shape[1]), np.nan, np.float32)])
    colors = pca_colors(feats[: len(sample)])[voxel]
    shown = sample.row
    normals = None if cloud.normals is None else cloud.normals[shown]
    with staging(folder) as place:
        np.savez(place / "features.npz", features=feats, voxel_of_point=voxel)
        picture = draw_cloud(cloud.points[shown], colors[shown], normals=normals)
        Image.fromarray(picture).save(place / "features.png")
    print(f"{len(cloud):,} points, {len(sample):,} voxels of {frozen.voxel} m, {feats.shape[1]} channels")
    print(folder / "features.npz")
    print(folder / "features.png")


def probe(
    model: ModelOption,
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Root of labelled scenes.")],
    split: Annotated[str, typer.Option("--split", help="Which scenes are tested.")] = "val",
    share: Annotated[float, typer.Option("--share", help="Of the training scenes that are used, 0..1.")] = 1.0,
    scenes: Annotated[int, typer.Option("--scenes", min=0, help="Instead: so many training scenes.")] = 0,
    voxels: Annotated[int, typer.Option("--voxels", min=1, help="Most labelled voxels of a training scene.")] = 1000,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How often, with other voxels drawn.")] = 1,
    knn: Annotated[bool, typer.Option("--knn", help="Nearest neighbours in place of a linear layer.")] = False,
    random: Annotated[bool, typer.Option("--random", help="The same network with random weights.")] = False,
    on: Annotated[Path | None, typer.Option("--on", help="Test on this one labelled scan instead.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A JSON file for the metrics.")] = None,
    device: DeviceOption = "auto",
) -> None:
    """Fit a linear layer, or a nearest-neighbour search, on frozen features, and measure it.

    Examples:

        scanwise probe data/rooms-1 --model out/dos-rooms-tiny --split test --seeds 3

        scanwise probe data/rooms-1 --model out/dos-rooms-tiny --share 0.01

        scanwise probe data/streets-1 --model out/dos-streets-tiny --on sequences/00/velodyne/000000.bin --random
    """
    from scanwise.data.datasets import read_source, scene_paths
    from scanwise.evaluation.probes import KNNProbe, LinearProbe, Probe, add_scene, gather, measure
    from scanwise.evaluation.segmentation import Confusion
    from scanwise.formats.registry import read_scene

    if not 0 < share <= 1:
        raise InputError(f"--share {share}: is a share of the scenes, more than 0 and at most 1")
    frozen = _frozen(model, device, random=random)
    known = scene_paths(data, "train", share)
    if scenes:
        every = scene_paths(data, "train")
        known = scene_paths(data, "train", min(1.0, scenes / len(every)))
    classes = read_source(known[0]).classes or []
    tested = None if on is None else _with_classes(read_scene(on), classes, on)
    metrics = []
    for seed in range(seeds):
        labelled = gather(frozen, known, voxels=voxels, seed=seed)
        fitted: Probe
        if knn:
            fitted = KNNProbe(labelled, len(classes))
        else:
            fitted = LinearProbe.fit(labelled, len(classes), seed=seed)
        if tested is None:
            counts = measure(frozen, fitted, scene_paths(data, split), classes)
        else:
            counts = Confusion(classes)
            add_scene(counts, frozen, fitted, tested)
        metrics.append(counts.metrics())
        note(f"seed {seed}: mIoU {100 * metrics[-1]['miou']:.1f}, mAcc {100 * metrics[-1]['macc']:.1f}")
    print(counts.table(), end="")
    miou = np.array([found["miou"] for found in metrics])
    spread = f" ± {100 * miou.std(ddof=1):.1f}" if seeds > 1 else ""
    print(f"mIoU {100 * miou.mean():.1f}{spread} from {len(known)} scenes, {len(labelled.labels):,} voxels")
    if out is not None:
        with replacing(out) as temporary:
            temporary.write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")


def _frozen(model: Path, device: str, *, random: bool = False) -> Frozen:
    """The backbone of a checkpoint, or one like it with random weights, on a device."""
    from dataclasses import replace

    from scanwise.methods.dos.model import load_backbone
    from scanwise.training.launch import make_fabric

    fabric = make_fabric(device=device)
    frozen = load_backbone(model, random=random)
    return replace(frozen, backbone=frozen.backbone.to(fabric.device))


def _warn_of_missing(scene: Scene, frozen: Frozen) -> None:
    columns = {"color": scene.colors, "normal": scene.normals, "intensity": scene.intensity}
    for name in frozen.features:
        if name in columns and columns[name] is None:
            text = f"{scene.name}: has no {name}, which the model was trained with; its features will be weaker"
            warnings.warn(text, ScanwiseWarning, stacklevel=2)


def _with_classes(scene: Scene, classes: list[str], path: Path) -> Scene:
    """The scene with its labels among other classes, by name; points of further classes count as unlabelled."""
    from dataclasses import replace

    own = scene.classes or []
    if scene.labels is None or not set(own) & set(classes):
        raise InputError(f"{path}: has no labels of the classes {', '.join(classes[:3])}, ...")
    place = np.array([*(classes.index(name) if name in classes else -1 for name in own), -1], np.int32)
    return replace(scene, labels=place[scene.labels], classes=classes)
