"""`scanwise evaluate stellar`: what an image encoder of few tokens knows, and how well pictures come back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scanwise.app.console import note
from scanwise.app.options import DeviceOption, MetricsOption, WeightsArgument
from scanwise.errors import InputError

if TYPE_CHECKING:
    import torch

    from scanwise.nn.sparse_tokens import SparseTokens

ShareOption = Annotated[
    float, typer.Option("--share", help="Of the training pictures that probes are fitted on, 0..1.")
]


def stellar(
    weights: WeightsArgument,
    data: Annotated[Path, typer.Argument(metavar="DATA", help="train/CLASS/*.jpg and val/CLASS/*.jpg: ImageNet, ...")],
    split: Annotated[str, typer.Option("--split", help="Which pictures are measured on.")] = "val",
    share: ShareOption = 1.0,
    linear: Annotated[bool, typer.Option("--linear/--no-linear", help="A linear probe beside 20 neighbours.")] = True,
    segmentation: Annotated[
        Path | None,
        typer.Option("--segmentation", metavar="FOLDER", help="ADE20K, whose classes of pixels are probed."),
    ] = None,
    lpips: Annotated[
        Path | None, typer.Option("--lpips", metavar="FILE", help="AlexNet's weights, for LPIPS of reconstructions.")
    ] = None,
    inception: Annotated[
        Path | None,
        typer.Option("--rfid", metavar="FILE", help="Inception as TorchScript, for rFID of reconstructions."),
    ] = None,
    out: MetricsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Probes of an encoder's class token, sparse tokens and patches; MSE, SSIM, LPIPS and rFID of what comes back.

    A linear probe's decay is chosen on a fifth of the training pictures.

    Examples:

        scanwise evaluate stellar out/stellar-cifar-tiny data/cifar10.zip --split test

        scanwise evaluate stellar out/stellar-imagenet data/imagenet --segmentation data/ADEChallengeData2016

        scanwise evaluate stellar stellar-b16.safetensors data/imagenet --lpips alexnet.pth --rfid inception.pt
    """
    from scanwise import devices
    from scanwise.data.images import read_images
    from scanwise.evaluation.image_probes import class_accuracy, features_of
    from scanwise.files import write_json
    from scanwise.methods.stellar.evaluate import image_features, load_network, reconstruction_report

    if not 0 < share <= 1:
        raise InputError(f"--share {share}: is a share of the pictures, more than 0 and at most 1")
    where = devices.find(device)
    network = load_network(weights).to(where)
    side = network.config.encoder.image
    shown = read_images(data, split)
    report: dict[str, Any] = {"split": split, "pictures": len(shown), "share": share}
    known = read_images(data, "train", share)
    if known.classes and known.classes == shown.classes:
        note(f"{len(known):,} pictures to fit on, {len(shown):,} to measure on")
        features = [
            features_of(lambda images: image_features(network, images), images, side, where)
            for images in (known, shown)
        ]
        report["classes"] = class_accuracy(features[0], features[1], len(known.classes), linear=linear)
        _say(report["classes"])
    else:
        note(f"{data}: train and {split} do not have the same classes, so none are probed")
    if not network.config.codes:
        report["reconstruction"] = reconstruction_report(network, shown, lpips=lpips, inception=inception)
        for name, value in report["reconstruction"].items():
            print(f"{name:20} {value:9.4f}")
    elif lpips or inception:
        raise InputError(f"{weights}: reconstructs codes of a tokenizer that is not in the file", option="lpips")
    if segmentation is not None:
        report["segmentation"] = _segmentation(network, segmentation, side, where, share)
    folder = out or (weights if weights.is_dir() else weights.parent if weights.exists() else Path("out") / weights)
    write_json(folder / f"{split}.json", report)
    print(folder / f"{split}.json")


def _segmentation(
    network: SparseTokens, root: Path, side: int, where: torch.device, share: float
) -> dict[str, dict[str, float]]:

    from scanwise.evaluation.annotated_pictures import AnnotatedPictures, class_names
    from scanwise.evaluation.image_probes import segmentation

    def patches(images: torch.Tensor) -> dict[str, torch.Tensor]:
        encoded = network.encode(images)
        found = {"dense": encoded.dense}
        if network.config.tokens:
            found["low_rank"] = network.spatial(encoded) @ encoded.sparse  # L S, what is reconstructed from
        return found

    known, shown = AnnotatedPictures(root, "train", side, share), AnnotatedPictures(root, "val", side)
    grid = side // network.config.encoder.patch
    counts = segmentation(patches, known, shown, class_names(root), (grid, grid), device=where)
    found = {name: confusion.metrics() for name, confusion in counts.items()}
    for name, values in found.items():
        print(f"{'segmentation ' + name:20} {100 * values['miou']:9.1f} mIoU, {100 * values['macc']:.1f} mAcc")
    return found


def _say(found: dict[str, float]) -> None:
    for name, value in found.items():
        if not name.startswith("decay_"):
            print(f"{name:20} {100 * value:9.1f} %")
