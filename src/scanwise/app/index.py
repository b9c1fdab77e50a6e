"""`scanwise index`: the tokens of many pictures, kept for `scanwise similar`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scanwise.app.console import note, progress
from scanwise.app.options import DeviceOption
from scanwise.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import torch

    from scanwise.data.images import ImageSet
    from scanwise.methods.stellar.index import TokenIndex
    from scanwise.nn.sparse_tokens import SparseTokens
    from scanwise.progress import Progress
    from scanwise.vision import Vision

MILLION = 1_000_000


def index(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER...", help="Recordings, folders or ZIPs of pictures, or shards.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the index; one begun is gone on with.")] = Path(
        "out/index"
    ),
    weights: Annotated[
        Path | None,
        typer.Option("--weights", "-w", help="As of `scanwise tokens`. [default: the index's, or the best at hand]"),
    ] = None,
    vision: Annotated[
        str, typer.Option("--vision", help="2D model, as of `label`, by whose words frames can be asked for too.")
    ] = "",
    every: Annotated[int, typer.Option("--every", min=1, help="Take one frame in so many.")] = 1,
    device: DeviceOption = "auto",
) -> None:
    """Keep sixteen tokens of each frame of recordings, for `scanwise similar`.

    Frames that the index has are passed over, so that a stopped run goes on, and recordings can be added later.

    Examples:

        scanwise index recordings/kitchen recordings/office

        scanwise index recordings/* --out out/building --every 10

        scanwise index recordings/kitchen --vision rooms --out out/kitchen

        scanwise similar out/kitchen photo.jpg
    """
    import time

    from scanwise import devices
    from scanwise.data.images import read_images
    from scanwise.vision import load_vision

    where = devices.find(device)
    sets = [(folder, read_images(folder)) for folder in folders]
    model = load_vision(vision).to(where) if vision else None
    kept, network = _opened(out, weights, model, vision)
    network = network.to(where)
    known = {(frame["source"], frame["number"]) for frame in kept.frames}
    wanted = [
        (str(folder.resolve()), images, number)
        for folder, images in sets
        for number in range(0, len(images), every)
        if (str(folder.resolve()), number) not in known
    ]
    before, started = len(kept), time.monotonic()
    with progress() as show:
        _index(kept, network, model, wanted, show)
    taken = time.monotonic() - started
    each = kept.bytes_a_frame
    note(f"{len(kept) - before} frames in {taken:.0f} s, {before} were there before; {each:,} bytes a frame: "
         f"{each * len(kept) / 1e6:.1f} MB, {each * MILLION / 1e9:.1f} GB a million")  # fmt: skip
    print(out)


def _opened(out: Path, weights: Path | None, model: Vision | None, vision: str) -> tuple[TokenIndex, SparseTokens]:
    """The index in a folder, or a new one, and the network that it is made with."""
    from scanwise.methods.stellar.evaluate import best_weights, is_published, load_network
    from scanwise.methods.stellar.index import TokenIndex
    from scanwise.nn.text import file_sha256
    from scanwise.training.checkpoints import locate

    there = (out / "index.json").exists()
    if there:
        kept = TokenIndex.open(out)
        if weights is None:
            weights = Path(kept.facts["weights"])
        if (kept.facts["vision"] or "") != vision:
            raise InputError(f"{out}: was begun with --vision {kept.facts['vision'] or '(none)'}; take the same, or "
                             "another folder", option="out")  # fmt: skip
    weights = weights or best_weights()
    file = locate(weights)
    network, sha = load_network(file), file_sha256(file)
    if there:
        if sha != kept.facts["sha256"]:
            raise InputError(f"{out}: was begun with other weights than {weights}; take another folder", option="out")
        return kept, network
    named = str(weights if not weights.exists() else weights.resolve())
    facts = {"weights": named, "sha256": sha, "whole": not is_published(file), "vision": vision}
    return TokenIndex.create(out, network, facts, 0 if model is None else model.dim), network


def _index(
    kept: TokenIndex,
    network: SparseTokens,
    model: Vision | None,
    wanted: list[tuple[str, ImageSet, int]],
    show: Progress,
) -> None:
    import numpy as np
    import torch

    from scanwise.methods.stellar.index import FITTED, batches_of

    whole = kept.facts["whole"]

    def pictures(rows: list[tuple[str, ImageSet, int]]) -> Iterator[tuple[Any, np.ndarray]]:
        for source, images, number in rows:
            picture = np.asarray(images[number])
            yield ({"source": source, "number": number, **images.source_facts(number)}, picture), picture

    with torch.no_grad():
        if network.config.encoder.width > kept.facts["width"] and kept.facts["basis"] is None and wanted:
            some = wanted[:: -(-len(wanted) // FITTED)]
            encoded = [
                network.encode(pixels.to(network.tokens.device)).sparse.cpu()
                for _, pixels in batches_of(network, pictures(some), whole=whole)
            ]
            kept.fit(torch.cat(encoded))
        done = 0
        for keys, pixels in batches_of(network, pictures(wanted), whole=whole):
            encoded_batch = network.encode(pixels.to(network.tokens.device))
            words = None
            if model is not None:
                shares = network.spatial(encoded_batch).cpu()
                grid = [length // network.config.encoder.patch for length in pixels.shape[2:]]
                pairs = zip(keys, shares, strict=True)
                words = torch.stack([_words(model, picture, share, grid, whole) for (_, picture), share in pairs])
            kept.add([frame for frame, _ in keys], encoded_batch.sparse.cpu(), words)
            done += len(keys)
            show("indexing", done / len(wanted))


def _words(model: Vision, picture: np.ndarray, share: torch.Tensor, grid: list[int], whole: bool) -> torch.Tensor:
    """(r, C): what a 2D model sees where each token looks, by shares (n, r) of patches of a grid."""
    import numpy as np
    import torch
    from PIL import Image
    from torch.nn import functional

    from scanwise.data.image_views import centered

    if not whole:
        picture = np.asarray(centered(Image.fromarray(picture), min(picture.shape[:2])))
    features = model.encode_image(picture).float().cpu()
    cells = functional.adaptive_avg_pool2d(features, (grid[0], grid[1])).flatten(1).T  # (n, C)
    weights = share / share.sum(0, keepdim=True).clamp(min=1e-6)
    return torch.as_tensor(weights.T @ cells)
