"""`scanwise tokens`, `reconstruct` and `similar`: what a network of sparse tokens makes of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scanwise.app.console import progress
from scanwise.app.options import DeviceOption
from scanwise.errors import InputError

ImagesArgument = Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures.")]
WeightsOption = Annotated[
    Path,
    typer.Option(
        "--weights", "-w", help="A `scanwise pretrain stellar` run, its best.ckpt, shipped or published weights."
    ),
]
DEFAULT = Path("stellar-small")
SHEET = 192  # pixels a side of the pictures that `similar` draws
SideOption = Annotated[
    int, typer.Option("--side", help="Pixels that the shorter side is scaled to. [default: the network's own]")
]
FolderOption = Annotated[Path, typer.Option("--out", "-o", help="Folder for the pictures.")]


def tokens(
    images: ImagesArgument, weights: WeightsOption = DEFAULT, side: SideOption = 0,
    out: FolderOption = Path("out/tokens"), device: DeviceOption = "auto",
) -> None:  # fmt: skip
    """Draw where each token of a picture looks.

    Examples:

        scanwise tokens photo.jpg

        scanwise tokens photo.jpg --weights out/stellar-cifar-tiny

        scanwise tokens *.jpg --weights stellar-b16.safetensors --out out/tokens
    """
    import torch

    from scanwise import devices
    from scanwise.app.sheet import draw_tokens
    from scanwise.methods.stellar.evaluate import load_network, read_image

    where = devices.find(device)
    network = load_network(weights).to(where)
    if not network.config.tokens:
        raise InputError(f"{weights}: every patch is a token there, and looks at itself; give weights with tokens")
    for path in images:
        picture, pixels = read_image(path, network, side)
        with torch.no_grad():
            shares = network.spatial(network.encode(pixels.to(where)))[0].cpu()
        grid = [length // network.config.encoder.patch for length in pixels.shape[2:]]
        target = out / f"{path.stem}-tokens.png"
        draw_tokens(target, picture, shares.T.unflatten(1, grid).numpy())
        print(target)


def reconstruct(
    images: ImagesArgument, weights: WeightsOption = DEFAULT, side: SideOption = 0,
    out: FolderOption = Path("out/reconstructed"), device: DeviceOption = "auto",
) -> None:  # fmt: skip
    """Show what comes back of a picture from its tokens.

    It is as large as the network's pictures are: at another --side little comes back, as the decoder knows one grid.

    Examples:

        scanwise reconstruct photo.jpg

        scanwise reconstruct photo.jpg --weights out/stellar-cifar-tiny
    """
    import torch
    from PIL import Image

    from scanwise import devices
    from scanwise.files import replacing
    from scanwise.methods.stellar.evaluate import load_network, read_image

    where = devices.find(device)
    network = load_network(weights).to(where)
    if network.config.codes:
        raise InputError(f"{weights}: reconstructs codes of a tokenizer that is not in the file; in Python, "
                         "network.reconstruct(images, tokenizer) takes one")  # fmt: skip
    for path in images:
        _, pixels = read_image(path, network, side)
        with torch.no_grad():
            again = network.reconstruct(pixels.to(where)).clamp(0, 1).cpu()
        target = out / f"{path.stem}.png"
        with replacing(target) as temporary:
            Image.fromarray((255 * again[0]).round().byte().permute(1, 2, 0).numpy()).save(temporary)
        decibels = -10 * torch.log10((again - pixels).square().mean().clamp(min=1e-10))
        print(f"{target}: {decibels:.1f} dB")


def similar(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Pictures to look among: folder, ZIP, shards, or a recording.")
    ],
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture to find others like.")],
    weights: WeightsOption = DEFAULT,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many.")] = 10,
    out: Annotated[Path, typer.Option("--out", "-o", help="Picture to draw them in.")] = Path("out/similar.png"),
    device: DeviceOption = "auto",
) -> None:
    """Find the pictures whose tokens match those of a picture.

    Examples:

        scanwise similar photos/ photo.jpg

        scanwise similar recordings/kitchen photo.jpg -n 5 --out kitchen.png

        scanwise similar photos/ photo.jpg --weights out/stellar-cifar-tiny
    """
    import numpy as np

    from scanwise import devices
    from scanwise.app.sheet import draw_sheet
    from scanwise.data.image_views import centered
    from scanwise.data.images import read_images
    from scanwise.methods.stellar.evaluate import load_network, read_image, similarities

    where = devices.find(device)
    network = load_network(weights).to(where)
    pictures = read_images(folder)
    with progress() as show:
        scores = similarities(network, read_image(image, network, square=True)[1].to(where), pictures, show)
    best = scores.topk(min(count, len(scores)))
    pairs = list(zip(best.values.tolist(), best.indices.tolist(), strict=True))
    for score, row in pairs:
        print(f"{score:.3f}  {pictures.source.name(row)}")
    sheet = [("asked", read_image(image, network, SHEET, square=True)[0])]
    draw_sheet(out, sheet + [(f"{score:.3f}", np.asarray(centered(pictures[row], SHEET))) for score, row in pairs])
    print(out)
