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
    """Draw what the tokens of a picture see: which has which place, and the three strongest apart.

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
    """Show what comes back of a picture from its tokens, beside the picture as the network saw it.

    Examples:

        scanwise reconstruct photo.jpg

        scanwise reconstruct photo.jpg --weights out/stellar-cifar-tiny
    """
    import torch
    from PIL import Image

    from scanwise import devices
    from scanwise.app.sheet import draw_pair
    from scanwise.files import replacing
    from scanwise.methods.stellar.evaluate import load_network, read_image

    where = devices.find(device)
    network = load_network(weights).to(where)
    if network.config.codes:
        raise InputError(f"{weights}: reconstructs codes of a tokenizer that is not in the file; in Python, "
                         "network.reconstruct(images, tokenizer) takes one")  # fmt: skip
    for path in images:
        picture, pixels = read_image(path, network, side)
        with torch.no_grad():
            again = network.reconstruct(pixels.to(where)).clamp(0, 1).cpu()
        target = out / f"{path.stem}.png"
        tile = (255 * again[0]).round().byte().permute(1, 2, 0).numpy()
        with replacing(target) as temporary:
            Image.fromarray(tile).save(temporary)
        decibels = -10 * torch.log10((again - pixels).square().mean().clamp(min=1e-10))
        beside = out / f"{path.stem}-beside.png"
        draw_pair(beside, picture, tile, (f"{tile.shape[1]} x {tile.shape[0]} pixels", f"back: {decibels:.1f} dB"))
        print(f"{target}: {decibels:.1f} dB")
        print(beside)


def similar(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="PLACE", help="An index, or pictures to look among: folder, ZIP, shards, or a recording."
        ),
    ],
    image: Annotated[
        str,
        typer.Argument(metavar="IMAGE|WORDS", help="A picture; or words, of an index that was made with --vision."),
    ],
    weights: Annotated[
        Path | None, typer.Option("--weights", "-w", help="As of `tokens`; an index knows its own. [default: the best]")
    ] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many.")] = 10,
    approximate: Annotated[
        bool, typer.Option("--approximate", help="Compare those alone that faiss finds near; for large indexes.")
    ] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="Picture to draw them in.")] = Path("out/similar.png"),
    device: DeviceOption = "auto",
) -> None:
    """Find the pictures whose tokens match those of a picture, or that show what words say.

    Scores are mean cosines of matched tokens, without what is in all pictures; 1 is the same picture.

    Examples:

        scanwise similar photos/ photo.jpg

        scanwise similar recordings/kitchen photo.jpg -n 5 --out kitchen.png

        scanwise index recordings/* --out out/building --vision rooms

        scanwise similar out/building photo.jpg

        scanwise similar out/building "office chair"
    """
    if (folder / "index.json").exists() and (folder / "frames.jsonl").exists():
        if weights is not None:
            raise InputError("an index knows its own weights; leave --weights out", option="weights")
        _similar_in_index(folder, image, count, approximate, out, device)
        return
    if approximate:
        raise InputError(f"{folder}: --approximate is for an index; `scanwise index` makes one", option="approximate")
    import numpy as np

    from scanwise import devices
    from scanwise.app.sheet import draw_sheet
    from scanwise.data.image_views import centered
    from scanwise.data.images import read_images
    from scanwise.methods.stellar.evaluate import best_weights, load_network, read_image, similarities

    where = devices.find(device)
    network = load_network(weights or best_weights()).to(where)
    pictures = read_images(folder)
    asked = Path(image)
    if not asked.exists() and not asked.suffix:
        raise InputError(
            f"{image}: no such picture; words are asked of an index: `scanwise index {folder} --vision rooms`"
        )
    with progress() as show:
        scores = similarities(network, read_image(asked, network, square=True)[1].to(where), pictures, show)
    best = scores.topk(min(count, len(scores)))
    pairs = list(zip(best.values.tolist(), best.indices.tolist(), strict=True))
    for score, row in pairs:
        print(f"{score:.3f}  {pictures.source.name(row)}")
    sheet = [("asked", read_image(asked, network, SHEET, square=True)[0])]
    draw_sheet(out, sheet + [(f"{score:.3f}", np.asarray(centered(pictures[row], SHEET))) for score, row in pairs])
    print(out)


def _similar_in_index(folder: Path, image: str, count: int, approximate: bool, out: Path, device: str) -> None:
    import numpy as np
    import torch
    from PIL import Image

    from scanwise import devices
    from scanwise.app.sheet import draw_sheet
    from scanwise.data.image_views import centered
    from scanwise.data.images import read_images
    from scanwise.files import ImageFile
    from scanwise.methods.stellar.evaluate import load_network, scaled
    from scanwise.methods.stellar.index import TokenIndex
    from scanwise.methods.stellar.nearest import candidates
    from scanwise.nn.text import file_sha256
    from scanwise.training.checkpoints import locate
    from scanwise.vision import load_vision

    kept, where = TokenIndex.open(folder), devices.find(device)
    if not len(kept):
        raise InputError(f"{folder}: no frames in it yet")
    sheet = []
    if Path(image).exists():
        file = locate(Path(kept.facts["weights"]))
        if file_sha256(file) != kept.facts["sha256"]:
            raise InputError(f"{file}: changed since {folder} was indexed with it; index again into another folder")
        network, picture = load_network(file).to(where), ImageFile(Path(image)).read()
        with torch.no_grad(), progress() as show:
            tokens = network.encode(scaled(picture, network, square=not kept.facts["whole"])[1].to(where)).sparse[0]
            near = candidates(kept, tokens.cpu(), max(200, 10 * count), show) if approximate else None
            rows, scores = kept.search(tokens.cpu(), count, rows=near, progress=show)
        sheet.append(("asked", np.asarray(centered(Image.fromarray(picture), SHEET))))
    elif Path(image).suffix.lower() in (".jpg", ".jpeg", ".png", ".webp", ".bmp"):
        raise InputError(f"{image}: no such picture", option="image")
    else:
        if not kept.facts["vision"]:
            raise InputError(f"{image}: no such picture, and {folder} was indexed without words; "
                             "`scanwise index --vision rooms` keeps them")  # fmt: skip
        model = load_vision(kept.facts["vision"])
        rows, scores = kept.search_words(model.encode_texts([image])[0], count)
    sets = {source: read_images(Path(source)) for source in {kept.frames[row]["source"] for row in rows}}
    for row, score in zip(rows, scores, strict=True):
        frame = kept.frames[row]
        at = "  at " + " ".join(f"{value:.2f}" for value in frame["position"]) if "position" in frame else ""
        print(f"{score:.3f}  {frame['name']}{at}")
        shown = np.asarray(centered(sets[frame["source"]][frame["number"]], SHEET))
        sheet.append((f"{score:.3f}", shown))
    draw_sheet(out, sheet)
    print(out)
