"""`scanwise tokens`, `reconstruct`, `similar`, and the trainings on pictures under `scanwise pretrain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scanwise.app.console import note, progress
from scanwise.app.train import DeviceOption, OutOption, RecipeArgument, SetOption, run_training
from scanwise.errors import InputError
from scanwise.files import replacing

if TYPE_CHECKING:
    import numpy as np
    import torch

    from scanwise.nn.sparse_tokens import SparseTokens

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
    out: FolderOption = Path("out/tokens"),
) -> None:  # fmt: skip
    """Draw where each token of a picture looks.

    Examples:

        scanwise tokens photo.jpg

        scanwise tokens photo.jpg --weights out/stellar-cifar-tiny

        scanwise tokens *.jpg --weights stellar-b16.safetensors --out out/tokens
    """
    import torch

    network = load_network(weights)
    if not network.config.tokens:
        raise InputError(f"{weights}: every patch is a token there, and looks at itself; give weights with tokens")
    for path in images:
        picture, pixels = read_image(path, network, side)
        with torch.no_grad():
            shares = network.spatial(network.encode(pixels))[0]
        rows, columns = (length // network.config.encoder.patch for length in pixels.shape[2:])
        target = out / f"{path.stem}-tokens.png"
        draw_tokens(target, picture, shares.T.unflatten(1, (rows, columns)).numpy())
        print(target)


def reconstruct(
    images: ImagesArgument, weights: WeightsOption = DEFAULT, side: SideOption = 0,
    out: FolderOption = Path("out/reconstructed"),
) -> None:  # fmt: skip
    """Show what comes back of a picture from its tokens.

    It is as large as the network's pictures are: at another --side little comes back, as the decoder knows one grid.

    Examples:

        scanwise reconstruct photo.jpg

        scanwise reconstruct photo.jpg --weights out/stellar-cifar-tiny
    """
    import torch
    from PIL import Image

    network = load_network(weights)
    if network.config.codes:
        raise InputError(f"{weights}: reconstructs codes of a tokenizer that is not in the file; in Python, "
                         "network.reconstruct(images, tokenizer) takes one")  # fmt: skip
    for path in images:
        _, pixels = read_image(path, network, side)
        with torch.no_grad():
            again = network.reconstruct(pixels).clamp(0, 1)
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
) -> None:
    """Find the pictures whose tokens match those of a picture.

    Examples:

        scanwise similar photos/ photo.jpg

        scanwise similar recordings/kitchen photo.jpg -n 5 --out kitchen.png

        scanwise similar photos/ photo.jpg --weights out/stellar-cifar-tiny
    """
    import numpy as np
    import torch

    from scanwise.data.image_views import centered
    from scanwise.data.images import read_images
    from scanwise.evaluation.image_probes import batches
    from scanwise.methods.stellar.model import similarity

    network = load_network(weights)
    size = network.config.encoder.image
    pictures = read_images(folder)
    scores = []
    with torch.no_grad(), progress() as show:
        asked = network.encode(read_image(image, network, 0, square=True)[1]).sparse[0]
        for number, part in enumerate(batches(pictures, size)):
            scores.append(similarity(asked, network.encode(part).sparse))
            show("looking", min(1.0, (number + 1) * len(scores[0]) / len(pictures)))
    found = torch.cat(scores)
    best = found.topk(min(count, len(found)))
    pairs = list(zip(best.values.tolist(), best.indices.tolist(), strict=True))
    for score, row in pairs:
        print(f"{score:.3f}  {pictures.source.name(row)}")
    sheet = [("asked", read_image(image, network, SHEET, square=True)[0])]
    draw_sheet(out, sheet + [(f"{score:.3f}", np.asarray(centered(pictures[row], SHEET))) for score, row in pairs])
    print(out)


def load_network(weights: Path) -> SparseTokens:
    """The network of one of our runs, of shipped weights, or of the published ones."""
    if weights.suffix == ".safetensors" and not _has_facts(weights):
        from scanwise.interop import load_stellar

        return load_stellar(weights)
    from scanwise.training.images import read_network

    return read_network(weights)


def _has_facts(weights: Path) -> bool:
    """Whether a safetensors file says what it is, as those that scanwise writes do."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, "pt") as stored:
            return "facts" in (stored.metadata() or {})
    except (OSError, SafetensorError):
        return False


def read_image(
    path: Path, network: SparseTokens, side: int, *, square: bool = False
) -> tuple[np.ndarray, torch.Tensor]:
    """A picture scaled so that its shorter side has `side` pixels (0 = the network's own) and both are multiples of
    the patch, or cut to the square in its middle: uint8 (H, W, 3), and (1, 3, H, W) in [0, 1]."""
    import numpy as np
    import torch
    from PIL import Image

    from scanwise.data.image_views import centered
    from scanwise.files import ImageFile

    picture = Image.fromarray(ImageFile(path).read())
    patch, side = network.config.encoder.patch, side or network.config.encoder.image
    if side < patch:
        raise InputError(f"--side {side}: smaller than a patch, {patch} pixels")
    if square:
        picture = centered(picture, side)
    else:
        scale = side / min(picture.size)
        width, height = (max(1, round(length * scale / patch)) * patch for length in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    pixels = np.array(picture)
    return pixels, torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


def draw_tokens(path: Path, picture: np.ndarray, shares: np.ndarray) -> None:
    """The picture; which token each patch looks at most, in colours; and once for each token, bright where its patches
    look at that token as much as any does: shares (r, h, w), 0..1."""
    import numpy as np
    from matplotlib import colormaps
    from PIL import Image

    height, width = picture.shape[:2]
    dyes = (255 * colormaps["tab20"](np.arange(len(shares)) % 20)[:, :3]).astype(np.uint8)
    likeliest = Image.fromarray(dyes[shares.argmax(0)]).resize((width, height), Image.Resampling.NEAREST)
    tiles = [("the picture", picture), ("likeliest token", np.asarray(likeliest))]
    for number, share in enumerate(shares, 1):
        large = Image.fromarray((share / share.max()).astype(np.float32))
        light = 0.15 + 0.85 * np.asarray(large.resize((width, height), Image.Resampling.BILINEAR))
        tile = (picture * light[:, :, None]).round().clip(0, 255).astype(np.uint8)
        tiles.append((f"{number}: {100 * share.mean():.0f} %", tile))
    draw_sheet(path, tiles)


def draw_sheet(path: Path, pictures: list[tuple[str, np.ndarray]]) -> None:
    """Pictures (H, W, 3) of one shape with a line above each, six in a row."""
    from matplotlib.figure import Figure

    columns = min(len(pictures), 6)
    rows = -(-len(pictures) // columns)
    height, width = pictures[0][1].shape[:2]
    figure = Figure(figsize=(2 * columns, (2 * height / width + 0.25) * rows), layout="constrained")
    for place, axis in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axis.set_axis_off()
        if place < len(pictures):
            words, picture = pictures[place]
            axis.imshow(picture)
            axis.set_title(words, fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


# scanwise pretrain


def stellar(
    recipe: RecipeArgument, out: OutOption = None, changes: SetOption = None, device: DeviceOption = "auto"
) -> None:
    """An image encoder of a few tokens that know what and where (STELLAR).

    Examples:

        scanwise pretrain stellar recipes/stellar-cifar-tiny.yaml

        scanwise pretrain stellar recipes/stellar-cifar-tiny.yaml --set data=my/photos --set image=64 --set patch=8

        scanwise pretrain stellar recipes/stellar-cifar-tiny.yaml --set init=out/mae-cifar-tiny/best.ckpt
    """
    from scanwise.methods.stellar.model import StellarRecipe, train

    _pretrain(recipe, StellarRecipe, train, out, changes, device)


def images(
    recipe: RecipeArgument, out: OutOption = None, changes: SetOption = None, device: DeviceOption = "auto"
) -> None:
    """What STELLAR is measured against: MAE, DINO, or labels from scratch (`method` in the recipe).

    Examples:

        scanwise pretrain images recipes/mae-cifar-tiny.yaml

        scanwise pretrain images recipes/mae-cifar-tiny.yaml --set method=dino --out out/dino-cifar-tiny
    """
    from scanwise.methods.image_baselines.model import BaselineRecipe, train

    _pretrain(recipe, BaselineRecipe, train, out, changes, device)


def _pretrain(path: Path, kind: Any, train: Any, out: Path | None, changes: list[str] | None, device: str) -> None:
    done = run_training(kind, train, path, out, changes, device)
    if done is None:
        return
    folder, metrics = done
    found = ", ".join(f"{name} {100 * value:.1f}" for name, value in metrics.items() if name.startswith("knn_"))
    note(f"{folder / 'best.ckpt'}: {found or 'no classes to measure with'}")
