"""The runs behind docs/results/stellar.md, one after the other; what is done is left alone, what broke off goes on.

    OMP_NUM_THREADS=1 python scripts/stellar_runs.py main            # STELLAR, MAE, DINO, supervised x 3 seeds
    OMP_NUM_THREADS=1 python scripts/stellar_runs.py fair            # equal steps and equal time, 250 steps x 3 seeds
    OMP_NUM_THREADS=1 python scripts/stellar_runs.py variants        # 8, 4, all tokens, dense, other starts x 1 seed
    OMP_NUM_THREADS=1 python scripts/stellar_runs.py frames          # segmentation of Rooms-1 from all of main
    OMP_NUM_THREADS=1 python scripts/stellar_runs.py quick           # stellar-small, random, pixels: 8000 pictures
    OMP_NUM_THREADS=1 python scripts/stellar_runs.py shipped         # what out/stellar-small knows, for its card

`--data` says where CIFAR-10 is: a folder or ZIP of train/CLASS/*.jpg and test/CLASS/*.jpg.

A run of STELLAR takes about 17 minutes of one thread, and what is measured of it five more; the others take less. Two
can run beside each other, one a core (`--seeds 1` and `--seeds 2 3`). Rows go to
docs/results/data/stellar.json, `make results` writes the page.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from commands import settings, train_once, training_seconds
from results.rows import DATA as ROWS
from results.rows import add_row, make_row, this_command
from results.stellar import FAIR, MAIN, PIXELS, RANDOM, SHARES, SHIPPED_RANDOM
from results.stellar import SHIPPED as NAME

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
from scanwise.methods.image_baselines import evaluate as image_baselines
from scanwise.methods.stellar import evaluate as stellar
from scanwise.methods.vision import evaluate as rooms_vision
from scanwise.methods.vision.data import Vocabulary
from scanwise.nn.vit import SIZES, ViT
from scanwise.training.checkpoints import load
from scanwise.vision import rooms

CIFAR10 = Path("data/cifar10.zip")
ROOMS = Path("data/rooms-1")
RUNS = Path("out/stellar-study")
SIZE, SIDE = 32, 8  # pixels and patches a side of an image
SHIPPED = Path("out/stellar-small")
UPON_IT = Path("out/vision-stellar/rooms-vision.safetensors")  # of recipes/vision-stellar.yaml
OTHER_TOKENS = ("stellar-cifar-8", "stellar-cifar-4", "stellar-cifar-all", "stellar-cifar-dense")
OTHER_STARTS = ("own-targets", "from-mae")  # of stellar-cifar-tiny
DECODER_STEPS = 200  # of the decoder that is fitted to frozen features
QUICK = (8000, 3000)  # training and test pictures of the parts `quick` and `fair`
FAIR_STEPS = 250  # of STELLAR in the part `fair`
SEEN = 1000  # test pictures whose Fréchet distance to what came back of them is measured
FRAME, GRID = (96, 128), (24, 32)  # pixels and patches of a frame of Rooms-1
EVERY = 20  # one of the 20 pictures of a room is looked at
ERRORS = "psnr in dB, others without a unit"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["main", "fair", "variants", "frames", "quick", "shipped"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--data", type=Path, default=CIFAR10, help=f"CIFAR-10. [default: {CIFAR10}]")
    arguments = parser.parse_args()
    if arguments.part == "shipped":
        shipped(arguments.data)
        return
    if arguments.part == "quick":
        quick(arguments.data)
        return
    for seed in arguments.seeds:
        parts = {"main": baselines, "fair": fair, "variants": variants, "frames": frames}
        parts[arguments.part](seed, arguments.data)


# Training


def baselines(seed: int, data: Path) -> None:
    for name in MAIN:
        pretrain(name, f"recipes/{name}.yaml", seed, data)
    random = run_of(RANDOM, seed) / "metrics.json"
    record(RANDOM, keep(random, lambda: {"classes": known_classes(random_vit(seed).images, data)}), seed)
    if seed == 1:
        plain = run_of(PIXELS, seed) / "metrics.json"
        record(PIXELS, keep(plain, lambda: {"classes": known_classes(pixels, data)}), seed)


def pixels(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """What is known without any network."""
    return {"dense": images.flatten(1)}


def fair(seed: int, data: Path) -> None:
    """STELLAR, DINO and MAE for as many steps, then the two for as many seconds of processor as STELLAR took."""
    taken = {name: short_run(name, FAIR_STEPS, "steps", seed, data) for name in FAIR}
    ours = taken[FAIR[0]]
    for name in FAIR[1:]:
        theirs = taken[name]
        if ours is None or theirs is None:
            raise SystemExit(f"{name}, seed {seed}: a run broke off, its seconds are not known; delete its folder")
        short_run(name, round(FAIR_STEPS * ours / theirs), "time", seed, data)


def short_run(name: str, steps: int, equal: str, seed: int, data: Path) -> float | None:
    """A run of this many steps and what its frozen features know; its seconds of processor."""
    out = RUNS / f"fair-{name}-{equal}-{seed}"
    kind = "stellar" if name == FAIR[0] else "images"
    changes = (f"steps={steps}", f"validate_every={steps}", f"seed={seed}", f"data={data}")
    train_once(out, "pretrain", kind, f"recipes/{name}.yaml", *settings(*changes))
    encoder = frozen(out / "best.ckpt").images
    found = keep(out / "metrics.json", lambda: known_classes(encoder, data, SIZE, QUICK))
    record(name, {"classes": found}, seed, training_seconds(out), part="fair", equal=equal, steps=steps)
    return training_seconds(out)


def variants(seed: int, data: Path) -> None:
    """Of seed 1 alone."""
    if seed != 1:
        return
    for name in OTHER_TOKENS:
        pretrain(name, f"recipes/{name}.yaml", seed, data)
    recipe = f"recipes/{MAIN[0]}.yaml"
    pretrain("own-targets", recipe, seed, data, "teacher=0")
    pretrain("mae-cifar-tiny", "recipes/mae-cifar-tiny.yaml", seed, data)
    pretrain("from-mae", recipe, seed, data, "teacher=0", f"init={run_of('mae-cifar-tiny', seed) / 'best.ckpt'}")


def pretrain(name: str, recipe: str, seed: int, data: Path, *changes: str) -> None:
    """A run, and what its frozen features know."""
    out = run_of(name, seed)
    kind = "stellar" if recipe.startswith("recipes/stellar") else "images"
    train_once(out, "pretrain", kind, recipe, *settings(*changes, f"seed={seed}", f"data={data}"))
    encoder = frozen(out / "best.ckpt")
    found = keep(out / "metrics.json", lambda: measure(encoder, data))
    found |= keep(out / "decoders.json", lambda: decoded(encoder, seed, data))
    record(name, found, seed, training_seconds(out))


def run_of(name: str, seed: int) -> Path:
    return RUNS / f"{name}-{seed}"


def record(
    name: str,
    found: Mapping[str, Any],
    seed: int,
    cpu_seconds: float | None = None,
    part: str = "classes",
    **params: object,
) -> None:
    """What was found of classes and by decoders, as rows of docs/results/data/stellar.json."""
    for kind in ("cls", "sparse", "dense"):
        known = found.get("classes", {})
        percent = {probe: round(100 * known[f"{probe}_{kind}"], 2) for probe in ("knn", "linear")
                   if f"{probe}_{kind}" in known}  # fmt: skip
        if percent:
            add(name, percent, "%", seed, cpu_seconds, part=part, features=kind, **params)
    for way, errors in found.items():
        if way != "classes":
            add(name, errors, ERRORS, seed, cpu_seconds, part="reconstruction", way=way)


def add(
    name: str,
    metrics: Mapping[str, float],
    unit: str,
    seed: int,
    cpu_seconds: float | None = None,
    **params: object,
) -> None:
    """A row of docs/results/data/stellar.json."""
    row = make_row(name, metrics, unit, command=this_command(), params=params, seed=seed, cpu_seconds=cpu_seconds)
    add_row(ROWS / "stellar.json", row)


def keep(path: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` found, now or when it was written here."""
    if path.exists():
        known: dict[str, Any] = json.loads(path.read_text())
        return known
    found = work()
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n")
    print(path, json.dumps(found), flush=True)
    return found


# What a run is measured by


@dataclass(frozen=True)
class Frozen:
    """A trained encoder.

    Attributes:
        images: -> one vector (B, C) an image, by name.
        patches: -> one a patch (B, n, C), what is reconstructed from first.
        reconstruct: by the network's own decoder, where it has one.
    """

    images: Encoder
    patches: Encoder
    reconstruct: Callable[[torch.Tensor], torch.Tensor] | None = None


def frozen(path: Path) -> Frozen:
    """The encoder of a checkpoint."""
    if load(path).facts["kind"] != "stellar":
        return of_vit(image_baselines.load_encoder(path))
    network = stellar.load_network(path)
    factorised = network.config.tokens > 0 and network.config.bottleneck == "sparse"

    def patches(images: torch.Tensor) -> dict[str, torch.Tensor]:
        encoded = network.encode(images)
        return {"sparse": network.product(encoded), "dense": encoded.dense} if factorised else {"dense": encoded.dense}

    return Frozen(lambda images: stellar.image_features(network, images), patches, network.reconstruct)


def of_vit(encoder: ViT) -> Frozen:
    return Frozen(
        lambda images: image_baselines.image_features(encoder, images), lambda images: {"dense": encoder(images).dense}
    )


def measure(encoder: Frozen, data: Path, size: int = SIZE) -> dict[str, Any]:
    """Classes found by probes, and errors of reconstruction by the network's own decoder.

    Args:
        encoder: that is measured.
        data: CIFAR-10.
        size: pixels that an image's side is scaled to.
    """
    found: dict[str, Any] = {"classes": known_classes(encoder.images, data, size)}
    if encoder.reconstruct is not None:
        found["own decoder"] = errors(encoder.reconstruct, data, size)
    return found


def decoded(encoder: Frozen, seed: int, data: Path) -> dict[str, Any]:
    """Errors of reconstruction by decoders that are fitted to frozen features."""
    train = read_images(data, "train")
    found = {}
    for name in encoder.patches(torch.zeros(1, 3, SIZE, SIZE)):

        def values(images: torch.Tensor, name: str = name) -> torch.Tensor:
            return encoder.patches(images)[name]

        decoder = fit_decoder(
            values, train, SIZE, SIZE // SIDE, steps=DECODER_STEPS, batch=64, width=96, depth=1, heads=3, seed=seed
        )
        found[f"decoder of {name}"] = errors(lambda images: decoder(values(images)), data, SIZE)  # noqa: B023
    return found


def known_classes(
    encode: Encoder, data: Path, size: int = SIZE, counts: tuple[int, int] | None = None
) -> dict[str, float]:
    """Shares of the test images whose class probes find.

    Args:
        encode: gives the features.
        data: CIFAR-10.
        size: pixels that an image's side is scaled to.
        counts: of the training and the test images; None = all of them.
    """
    sets = [read_images(data, split) for split in ("train", "test")]
    if counts is not None:
        sets = [subset(images, count / len(images)) for images, count in zip(sets, counts, strict=True)]
    train, test = (features_of(encode, images, size) for images in sets)
    return class_accuracy(train, test, len(sets[0].classes))


@torch.no_grad()
def errors(reconstruct: Callable[[torch.Tensor], torch.Tensor], data: Path, size: int) -> dict[str, float]:
    """MSE, PSNR, SSIM of the test images, and the Fréchet distance in EfficientNet-Lite0's features."""
    again = (reconstruct(images).clamp(0, 1) for images in batches(seen(data), size))
    distance = frechet_distance(true_features(data, size), efficientnet_features(again))
    return reconstruction_errors(reconstruct, read_images(data, "test"), size) | {"frechet": distance}


def seen(data: Path) -> ImageSet:
    """The images that the Fréchet distance is measured from."""
    test = read_images(data, "test")
    return subset(test, SEEN / len(test))


@cache
def true_features(data: Path, size: int) -> torch.Tensor:
    """Of `seen`, as they are."""
    return efficientnet_features(batches(seen(data), size))


# Segmentation of frames


def frames(seed: int, data: Path) -> None:
    names = [*MAIN, "stellar-cifar-dense"] if seed == 1 else MAIN
    runs = [name for name in names if (run_of(name, seed) / "done").exists()]
    for share in SHARES:
        train, test = labelled(share, seed, FRAME)
        for name in (RANDOM, *runs):
            encoder = random_vit(seed) if name == RANDOM else frozen(run_of(name, seed) / "best.ckpt")
            found = keep(frames_file(name, share, seed), lambda: segment(encoder, train, test))  # noqa: B023
            record_frames(name, found, share, seed)


def record_frames(name: str, found: Mapping[str, Any], share: float, seed: int) -> None:
    """mIoU by each kind of features, as rows."""
    for kind in ("sparse", "dense"):
        if kind in found:
            miou = round(100 * found[kind]["miou"], 2)
            add(name, {"miou": miou}, "%", seed, part="frames", share=share, features=kind)


def labelled(share: float, seed: int, size: tuple[int, int]) -> tuple[LabelledFrames, LabelledFrames]:
    """Frames of a share of the training rooms, and of all test rooms."""
    sources = scene_paths(ROOMS, "train")
    order = np.random.default_rng(seed).permutation(len(sources))[: max(1, round(share * len(sources)))]
    train = LabelledFrames([sources[number] for number in sorted(order)], size, every=EVERY)
    test = LabelledFrames(scene_paths(ROOMS, "test"), size, every=EVERY)
    if train.classes != test.classes:
        raise SystemExit("the rooms to learn from and those to test on have different classes")
    return train, test


def random_vit(seed: int, size: int = SIZE) -> Frozen:
    """The ViT that has learned nothing, for images of this many pixels a side."""
    torch.manual_seed(seed)
    return of_vit(ViT(replace(SIZES["nano"], image=size, patch=size // SIDE)).eval())


def frames_file(name: str, share: float, seed: int) -> Path:
    return RUNS / f"{name}-{seed}-frames-{share:g}.json"


def segment(encoder: Frozen, train: LabelledFrames, test: LabelledFrames) -> dict[str, Any]:
    """mIoU, mean accuracy and accuracy by each kind of features."""
    counts = segmentation(encoder.patches, train, test, train.classes, GRID)
    return {"frames": len(train)} | {kind: confusion.metrics() for kind, confusion in counts.items()}


# The network that is shipped


def quick(data: Path) -> None:
    """What `stellar-small`, its ViT with random weights, and bare pixels know of a part of CIFAR-10."""
    encoders = {
        NAME: (frozen(Path(NAME)).images, 2 * SIZE),
        RANDOM: (random_vit(1, 2 * SIZE).images, 2 * SIZE),
        PIXELS: (pixels, SIZE),
    }
    for name, (encode, size) in encoders.items():
        found = keep(RUNS / f"quick-{name}.json", lambda: known_classes(encode, data, size, QUICK))  # noqa: B023
        record(name, {"classes": found}, 1, part="quick")


def shipped(data: Path) -> None:
    """Its images have twice the side of the others', and patches of twice the side."""
    encoder, size = frozen(SHIPPED / "best.ckpt"), 2 * SIZE
    found = keep(shipped_file("pictures"), lambda: measure(encoder, data, size))
    record(NAME, {"classes": found["classes"], "photographs": found["own decoder"]}, 1)
    frames_seen = subset(read_images(ROOMS, "test"), 0.1)
    assert encoder.reconstruct is not None
    seen_again = keep(shipped_file("rooms"), lambda: reconstruction_errors(encoder.reconstruct, frames_seen, size))
    record(NAME, {"frames": seen_again}, 1)
    for share in SHARES:
        train, test = labelled(share, 1, (2 * FRAME[0], 2 * FRAME[1]))
        found = keep(shipped_file(f"frames-{share:g}"), lambda: segment(encoder, train, test))  # noqa: B023
        record_frames(NAME, found, share, 1)
        found = keep(
            shipped_file(f"random-frames-{share:g}"),
            lambda: segment(random_vit(1, size), train, test),  # noqa: B023
        )
        record_frames(SHIPPED_RANDOM, found, share, 1)

    keep(
        shipped_file("words"), lambda: {str(path): words_of_pixels(path) for path in (UPON_IT, rooms.shipped_weights())}
    )


def words_of_pixels(weights: Path) -> dict[str, float]:
    """What a 2D encoder calls the pixels of 50 validation pictures."""
    shown = FrameDataset(scene_paths(ROOMS, "val"), rooms_vision.whole)
    shown.frames = shown.frames[:: len(shown) // 50]
    return rooms_vision.evaluate(rooms.Rooms(weights).encoder, shown, Vocabulary(shown.names, shown.classes))


def shipped_file(what: str) -> Path:
    return RUNS / f"shipped-{what}.json"


if __name__ == "__main__":
    main()
