"""The runs behind docs/results/stellar.md, one after the other; what is done is left alone, what broke off goes on.

    OMP_NUM_THREADS=1 python scripts/stellar_runs.py main            # STELLAR, MAE, DINO, supervised x 3 seeds
    OMP_NUM_THREADS=1 python scripts/stellar_runs.py variants        # 8, 4, all tokens, dense, other starts x 1 seed
    OMP_NUM_THREADS=1 python scripts/stellar_runs.py frames          # segmentation of Rooms-1 from all of main
    OMP_NUM_THREADS=1 python scripts/stellar_runs.py shipped         # what out/stellar-small knows, for its card

A run of STELLAR takes about 17 minutes of one thread, and what is measured of it five more; the others take less. Two
can run beside each other, one a core (`--seeds 1` and `--seeds 2 3`). scripts/stellar_results.py writes the page.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scanwise.data.datasets import scene_paths
from scanwise.data.frames import FrameDataset
from scanwise.data.images import ImageSet, read_images, subset
from scanwise.evaluation.image_probes import (
    Encoder,
    LabelledFrames,
    batches,
    class_accuracy,
    features_of,
    fit_decoder,
    reconstruction_errors,
    segmentation,
)
from scanwise.evaluation.perceptual import efficientnet_features, frechet_distance
from scanwise.files import replacing
from scanwise.methods.image_baselines import model as image_baselines
from scanwise.methods.stellar import model as stellar
from scanwise.methods.vision import model as rooms_vision
from scanwise.nn.vit import ViT
from scanwise.training.checkpoints import load
from scanwise.training.images import read_network
from scanwise.vision import rooms

PICTURES = Path("../shared/data/cifar10.zip")
ROOMS = Path("data/rooms-1")
RUNS = Path("out/stellar-study")
SIZE, SIDE = 32, 8  # pixels and patches a side of a picture
SHIPPED = Path("out/stellar-small")
UPON_IT = Path("out/vision-stellar/rooms-vision.safetensors")  # of recipes/vision-stellar.yaml
MAIN = ("stellar-cifar-tiny", "mae-cifar-tiny", "dino-cifar-tiny", "supervised-cifar-tiny")
OTHER_TOKENS = ("stellar-cifar-8", "stellar-cifar-4", "stellar-cifar-all", "stellar-cifar-dense")
OTHER_STARTS = ("own-targets", "from-mae")  # of stellar-cifar-tiny
DECODER_STEPS = 200  # of the decoder that is fitted to frozen features
SEEN = 1000  # test pictures whose Fréchet distance to what came back of them is measured
FRAME, GRID = (96, 128), (24, 32)  # pixels and patches of a frame of Rooms-1
EVERY = 20  # one of the 20 pictures of a room is looked at
SHARES = (1.0, 0.01)  # of the labelled rooms
RANDOM, PIXELS = "random", "pixels"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["main", "variants", "frames", "shipped"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    if arguments.part == "shipped":
        shipped()
        return
    for seed in arguments.seeds:
        {"main": baselines, "variants": variants, "frames": frames}[arguments.part](seed)


# Training


def baselines(seed: int) -> None:
    for name in MAIN:
        pretrain(name, f"recipes/{name}.yaml", seed)
    keep(run_of(RANDOM, seed) / "metrics.json", lambda: {"classes": known_classes(random_vit(seed).pictures)})
    if seed == 1:
        keep(run_of(PIXELS, seed) / "metrics.json", lambda: {"classes": known_classes(pixels)})


def pixels(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """What is known without any network."""
    return {"dense": images.flatten(1)}


def variants(seed: int) -> None:
    """Of seed 1 alone."""
    if seed != 1:
        return
    for name in OTHER_TOKENS:
        pretrain(name, f"recipes/{name}.yaml", seed)
    recipe = f"recipes/{MAIN[0]}.yaml"
    pretrain("own-targets", recipe, seed, "teacher=0")
    pretrain("mae-cifar-tiny", "recipes/mae-cifar-tiny.yaml", seed)
    pretrain("from-mae", recipe, seed, "teacher=0", f"init={run_of('mae-cifar-tiny', seed) / 'best.ckpt'}")


def pretrain(name: str, recipe: str, seed: int, *changes: str) -> None:
    """A run, and what its frozen features know."""
    out = run_of(name, seed)
    kind = "stellar" if recipe.startswith("recipes/stellar") else "images"
    if not (out / "done").exists():
        words = [word for change in (*changes, f"seed={seed}") for word in ("--set", change)]
        command = [sys.executable, "-m", "scanwise", "pretrain", kind, recipe, "--out", str(out), *words]
        print("$ scanwise", *command[3:], flush=True)
        subprocess.run(command, check=True)
        (out / "done").touch()
    encoder = frozen(out / "best.ckpt")
    keep(out / "metrics.json", lambda: measure(encoder))
    keep(out / "decoders.json", lambda: decoded(encoder, seed))


def run_of(name: str, seed: int) -> Path:
    return RUNS / f"{name}-{seed}"


def keep(path: Path, work: Callable[[], dict[str, Any]]) -> None:
    """Writes what `work` found, unless that has been done."""
    if path.exists():
        return
    found = work()
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n")
    print(path, json.dumps(found), flush=True)


# What a run is measured by


@dataclass(frozen=True)
class Frozen:
    """A trained encoder.

    Attributes:
        pictures: -> one vector (B, C) a picture, by name. patches: -> one a patch (B, n, C), what is reconstructed
            from first. reconstruct: by the network's own decoder, where it has one.
    """

    pictures: Encoder
    patches: Encoder
    reconstruct: Callable[[torch.Tensor], torch.Tensor] | None = None


def frozen(path: Path) -> Frozen:
    """The encoder of a checkpoint."""
    if load(path).facts["kind"] != "stellar":
        return of_vit(image_baselines.read_encoder(path))
    network = read_network(path)
    factorised = network.config.tokens > 0 and network.config.bottleneck == "sparse"

    def patches(images: torch.Tensor) -> dict[str, torch.Tensor]:
        encoded = network.encode(images)
        return {"sparse": network.product(encoded), "dense": encoded.dense} if factorised else {"dense": encoded.dense}

    return Frozen(lambda images: stellar.image_features(network, images), patches, network.reconstruct)


def of_vit(encoder: ViT) -> Frozen:
    return Frozen(
        lambda images: image_baselines.image_features(encoder, images), lambda images: {"dense": encoder(images).dense}
    )


def measure(encoder: Frozen, size: int = SIZE) -> dict[str, Any]:
    """Classes found by probes, and errors of reconstruction by the network's own decoder.

    Args:
        size: pixels that a picture's side is scaled to.
    """
    found: dict[str, Any] = {"classes": known_classes(encoder.pictures, size)}
    if encoder.reconstruct is not None:
        found["own decoder"] = errors(encoder.reconstruct, read_images(PICTURES, "test"), size)
    return found


def decoded(encoder: Frozen, seed: int) -> dict[str, Any]:
    """Errors of reconstruction by decoders that are fitted to frozen features."""
    train, test = (read_images(PICTURES, split) for split in ("train", "test"))
    found = {}
    for name in encoder.patches(torch.zeros(1, 3, SIZE, SIZE)):

        def values(images: torch.Tensor, name: str = name) -> torch.Tensor:
            return encoder.patches(images)[name]

        decoder = fit_decoder(
            values, train, SIZE, SIZE // SIDE, steps=DECODER_STEPS, batch=64, width=96, depth=1, heads=3, seed=seed
        )
        found[f"decoder of {name}"] = errors(lambda images: decoder(values(images)), test, SIZE)  # noqa: B023
    return found


def known_classes(encode: Encoder, size: int = SIZE) -> dict[str, float]:
    """Shares of the test pictures whose class probes find."""
    train, test = (read_images(PICTURES, split) for split in ("train", "test"))
    known, asked = (features_of(encode, pictures, size) for pictures in (train, test))
    return class_accuracy(known, asked, len(train.classes))


@torch.no_grad()
def errors(reconstruct: Callable[[torch.Tensor], torch.Tensor], pictures: ImageSet, size: int) -> dict[str, float]:
    """MSE, PSNR, SSIM, and the Fréchet distance in EfficientNet-Lite0's features."""
    again = (reconstruct(images).clamp(0, 1) for images in batches(seen(pictures), size))
    distance = frechet_distance(true_features(size), efficientnet_features(again))
    return reconstruction_errors(reconstruct, pictures, size) | {"frechet": distance}


def seen(pictures: ImageSet) -> ImageSet:
    return subset(pictures, SEEN / len(pictures))


@cache
def true_features(size: int) -> torch.Tensor:
    """Of the pictures that the Fréchet distance is measured from."""
    return efficientnet_features(batches(seen(read_images(PICTURES, "test")), size))


# Segmentation of frames


def frames(seed: int) -> None:
    names = [*MAIN, "stellar-cifar-dense"] if seed == 1 else MAIN
    runs = [name for name in names if (run_of(name, seed) / "done").exists()]
    for share in SHARES:
        known, asked = labelled(share, seed, FRAME)
        for name in (RANDOM, *runs):
            encoder = random_vit(seed) if name == RANDOM else frozen(run_of(name, seed) / "best.ckpt")
            keep(frames_file(name, share, seed), lambda: segment(encoder, known, asked))  # noqa: B023


def labelled(share: float, seed: int, size: tuple[int, int]) -> tuple[LabelledFrames, LabelledFrames]:
    """Frames of a share of the training rooms, and of all test rooms."""
    sources = scene_paths(ROOMS, "train")
    order = np.random.default_rng(seed).permutation(len(sources))[: max(1, round(share * len(sources)))]
    known = LabelledFrames([sources[place] for place in sorted(order)], size, every=EVERY)
    asked = LabelledFrames(scene_paths(ROOMS, "test"), size, every=EVERY)
    if known.classes != asked.classes:
        raise SystemExit("the rooms to learn from and those to test on have different classes")
    return known, asked


def random_vit(seed: int, size: int = SIZE) -> Frozen:
    """The ViT that has learned nothing, for pictures of this many pixels a side."""
    torch.manual_seed(seed)
    recipe = image_baselines.BaselineRecipe(
        data=PICTURES, method="mae", size="nano", image=size, patch=size // SIDE, crop_size=size // 2
    )
    return of_vit(ViT(recipe.vit).eval())


def frames_file(name: str, share: float, seed: int) -> Path:
    return RUNS / f"{name}-{seed}-frames-{share:g}.json"


def segment(encoder: Frozen, known: LabelledFrames, asked: LabelledFrames) -> dict[str, Any]:
    """mIoU, mean accuracy and accuracy by each kind of features."""
    counts = segmentation(encoder.patches, known, asked, known.classes, GRID)
    return {"frames": len(known)} | {kind: confusion.metrics() for kind, confusion in counts.items()}


# The network that is shipped


def shipped() -> None:
    """Its pictures have twice the side of the others', and patches of twice the side."""
    encoder, size = frozen(SHIPPED / "best.ckpt"), 2 * SIZE
    keep(shipped_file("pictures"), lambda: measure(encoder, size))
    frames_seen = subset(read_images(ROOMS, "test"), 0.1)
    assert encoder.reconstruct is not None
    keep(shipped_file("rooms"), lambda: reconstruction_errors(encoder.reconstruct, frames_seen, size))
    for share in SHARES:
        known, asked = labelled(share, 1, (2 * FRAME[0], 2 * FRAME[1]))
        keep(shipped_file(f"frames-{share:g}"), lambda: segment(encoder, known, asked))  # noqa: B023
        keep(
            shipped_file(f"random-frames-{share:g}"),
            lambda: segment(random_vit(1, size), known, asked),  # noqa: B023
        )

    keep(
        shipped_file("words"), lambda: {str(path): words_of_pixels(path) for path in (UPON_IT, rooms.shipped_weights())}
    )


def words_of_pixels(weights: Path) -> dict[str, float]:
    """What a 2D encoder calls the pixels of 50 validation pictures."""
    shown = FrameDataset(scene_paths(ROOMS, "val"), rooms_vision.whole)
    shown.frames = shown.frames[:: len(shown) // 50]
    return rooms_vision.evaluate(rooms.Rooms(weights)._encoder, shown, rooms_vision.Words(shown.names, shown.classes))


def shipped_file(what: str) -> Path:
    return RUNS / f"shipped-{what}.json"


if __name__ == "__main__":
    main()
