"""What frozen features of images know, and how well images come back from them.

An encoder here is a function of images (B, 3, S, S) in [0, 1] that gives features by name: one vector an image
(B, C) to the class probes, one a patch (B, n, C), row by row, to the dense ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from scanwise.data.datasets import Draw, Source
from scanwise.data.frames import FrameDataset, Pixels
from scanwise.data.image_views import Views
from scanwise.data.images import ImageSet, to_float
from scanwise.errors import InputError
from scanwise.evaluation.probes import KNNProbe, Labelled, LinearProbe, Probe
from scanwise.evaluation.segmentation import Confusion
from scanwise.nn.sparse_tokens import PatchDecoder

Encoder = Callable[[torch.Tensor], Mapping[str, torch.Tensor]]
BATCH = 250


def batches(images: ImageSet, size: int, device: torch.device | str = "cpu") -> Iterator[torch.Tensor]:
    """All images in order, (<= 250, 3, size, size) in [0, 1], the middle of each."""
    view = Views(size, scale=None)
    unused = np.random.default_rng(0)
    for start in range(0, len(images), BATCH):
        rows = range(start, min(start + BATCH, len(images)))
        stack = np.stack([view(images[row], unused).image for row in rows])
        yield to_float(torch.from_numpy(stack).to(device))


# Classes of images


@torch.no_grad()
def features_of(
    encode: Encoder, images: ImageSet, size: int, device: torch.device | str = "cpu"
) -> dict[str, Labelled]:
    """Features (n, C) float32 of all images, by name, with their labels.

    Args:
        encode: images -> one vector an image, by name.
        images: with classes.
        size: side that they are scaled to, pixels.
        device: that `encode` works on.

    Raises:
        InputError: the images have no labels.
    """
    if not images.classes:
        raise InputError(f"{images.source.name(0)}: pictures without classes; probes need CLASS/PICTURE folders")
    found: dict[str, list[torch.Tensor]] = {}
    for batch in batches(images, size, device):
        for name, values in encode(batch).items():
            found.setdefault(name, []).append(values.float().cpu())
    labels = torch.from_numpy(images.labels).long()
    return {name: Labelled(torch.cat(parts), labels) for name, parts in found.items()}


def class_accuracy(
    train: Mapping[str, Labelled], test: Mapping[str, Labelled], classes: int, *, linear: bool = True
) -> dict[str, float]:
    """Share of the test images whose class is found, 0..1.

    Args:
        train: features to fit on, by name.
        test: features to measure on, under the same names.
        classes: how many there are.
        linear: a linear probe as well, whose decay is chosen on a fifth of the images to fit on.

    Returns:
        "knn_NAME" (20 nearest, cosine), "linear_NAME", and "decay_NAME" of the linear probe.
    """
    metrics: dict[str, float] = {}
    for name, features in train.items():
        metrics[f"knn_{name}"] = _share_found(KNNProbe(features, classes), test[name])
        if linear:
            probe = LinearProbe.fit(features, classes, metric="accuracy")
            metrics |= {f"linear_{name}": _share_found(probe, test[name]), f"decay_{name}": probe.decay}
    return metrics


def _share_found(probe: Probe, asked: Labelled) -> float:
    return float((probe.scores(asked.feats).argmax(1) == asked.labels).float().mean())


def knn_accuracy(
    encode: Encoder, train: ImageSet, test: ImageSet, size: int, device: torch.device | str = "cpu"
) -> dict[str, float]:
    """`class_accuracy` by nearest neighbours alone; arguments as of `features_of`."""
    train_features, test_features = (features_of(encode, images, size, device) for images in (train, test))
    return class_accuracy(train_features, test_features, len(train.classes), linear=False)


# Reconstruction


@torch.no_grad()
def reconstruction_errors(
    reconstruct: Callable[[torch.Tensor], torch.Tensor], images: ImageSet, size: int,
    device: torch.device | str = "cpu",
) -> dict[str, float]:  # fmt: skip
    """How far from the images is what comes back of them.

    Args:
        reconstruct: (B, 3, S, S) -> the same, clipped to [0, 1] here.
        images: to measure on.
        size: side that they are scaled to, pixels.
        device: that `reconstruct` works on.

    Returns:
        Means over the images: "mse" of values 0..1, "psnr" in decibels, "ssim".
    """
    errors, structures = [], []
    for batch in batches(images, size, device):
        again = reconstruct(batch).float().clamp(0, 1)
        errors.append((again - batch).square().mean((1, 2, 3)))
        structures.append(ssim(again, batch))
    mse = torch.cat(errors)
    psnr = -10 * torch.log10(mse.clamp(min=1e-10))
    return {"mse": float(mse.mean()), "psnr": float(psnr.mean()), "ssim": float(torch.cat(structures).mean())}


def ssim(images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Structural similarity (Wang et al., IEEE TIP 2004): a Gaussian window of 11 pixels, sigma 1.5.

    Args:
        images: (B, 3, H, W) in [0, 1].
        others: of the same shape.

    Returns:
        (B,) mean over where the window lies within the image, 1 = alike.
    """
    offsets = torch.arange(-5, 6, device=images.device)
    line = torch.exp(-(offsets**2) / (2 * 1.5**2))
    window = (line[:, None] * line / line.sum() ** 2).expand(3, 1, 11, 11)

    def mean(values: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(values, window, groups=3)

    first, second = mean(images), mean(others)
    first_variance, second_variance = mean(images**2) - first**2, mean(others**2) - second**2
    covariance = mean(images * others) - first * second
    small, smaller = 0.01**2, 0.03**2
    likeness = (2 * first * second + small) * (2 * covariance + smaller)
    scale = (first**2 + second**2 + small) * (first_variance + second_variance + smaller)
    return (likeness / scale).mean((1, 2, 3))


def fit_decoder(
    dense: Callable[[torch.Tensor], torch.Tensor], images: ImageSet, size: int, patch: int, *, steps: int = 500,
    batch: int = 128, width: int = 128, depth: int = 2, heads: int = 4, seed: int = 0,
    device: torch.device | str = "cpu",
) -> nn.Module:  # fmt: skip
    """A decoder of frozen features into pixels: how much of the image do they hold? For encoders without their own.

    Channels are brought to mean 0 and deviation 1 first, so that it is no matter how large an encoder's features are.

    Args:
        dense: images -> (B, n, C), a vector a patch.
        images: to fit on.
        size: side that they are scaled to, pixels.
        patch: side of a patch, pixels.
        steps: of the optimiser.
        batch: images of a step.
        width: channels of the decoder.
        depth: its blocks.
        heads: its attention heads.
        seed: of everything random.
        device: that `dense` works on.
    """
    torch.manual_seed(seed)
    generator, view = np.random.default_rng(seed), Views(size, scale=(0.5, 1.0))
    decoder = None
    for _ in range(steps):
        rows = generator.choice(len(images), min(batch, len(images)), replace=False)
        stack = np.stack([view(images[row], generator).image for row in rows])
        pixels = to_float(torch.from_numpy(stack).to(device))
        with torch.no_grad():
            features = dense(pixels)
        if decoder is None:
            decoder = StandardDecoder(features, width, depth, heads, patch).to(device)
            solver = torch.optim.AdamW(decoder.parameters(), 1e-3, weight_decay=0.02)
            schedule = torch.optim.lr_scheduler.OneCycleLR(solver, 1e-3, total_steps=steps)
        loss = functional.mse_loss(decoder(features), pixels)
        solver.zero_grad()
        loss.backward()
        solver.step()
        schedule.step()
    assert decoder is not None
    return decoder.eval()


class StandardDecoder(nn.Module):
    """A PatchDecoder of standardised features.

    Args:
        features: (B, n, C) whose mean and deviation are taken.
        width: channels of the decoder.
        depth: its blocks.
        heads: its attention heads.
        patch: side of a patch, pixels.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, features: torch.Tensor, width: int, depth: int, heads: int, patch: int) -> None:
        super().__init__()
        self.register_buffer("mean", features.mean((0, 1)))
        self.register_buffer("deviation", features.std((0, 1)).clamp(min=1e-6))
        self.decoder = PatchDecoder(features.shape[2], width, depth, heads, 4 * width, patch=patch)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features (B, n, C) -> (B, 3, H, W)."""
        pixels: torch.Tensor = self.decoder((features - self.mean) / self.deviation)
        return pixels


# Segmentation of frames


@dataclass(frozen=True, eq=False)
class Frame:
    """An image, and classes seen in it.

    Attributes:
        image: uint8 (3, H, W).
        labels: int64 (h, w) on a grid of their own, -1 = not known.
        scene: number of its scene; a probe's decay is chosen on scenes that were not fitted on.
    """

    image: np.ndarray
    labels: np.ndarray
    scene: int = 0


class LabelledFrames(Sequence[Frame]):
    """The images of labelled scenes, with the classes of every second pixel.

        frames = LabelledFrames(scene_paths(Path("data/rooms-1"), "test"), (96, 128), every=10)
        frames.classes, len(frames), frames[0].image, frames[0].labels

    Args:
        sources: the scenes.
        size: rows and columns that an image is scaled to.
        every: takes each view of a scene whose number is a multiple of this.

    Attributes:
        classes: that `labels` of a frame are rows of.

    Raises:
        InputError: as of `scanwise.data.frames.FrameDataset`.
    """

    def __init__(self, sources: Sequence[Source], size: tuple[int, int], *, every: int = 1) -> None:
        self._frames = FrameDataset(sources, partial(_frame, size), every=every)
        self.classes = self._frames.classes
        names = [str(frame.source) for frame in self._frames.frames]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        self._scenes = [numbers[name] for name in names]

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return replace(self._frames[Draw(index, (0,))], scene=self._scenes[index])


def _frame(size: tuple[int, int], image: np.ndarray, pixels: Pixels, generator: np.random.Generator) -> Frame:
    picture = Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC, reducing_gap=3.0)
    return Frame(np.asarray(picture).transpose(2, 0, 1), pixels.classes.astype(np.int64))


@torch.no_grad()
def segmentation(
    encode: Encoder, train: Sequence[Frame], test: Iterable[Frame], classes: Sequence[str], grid: tuple[int, int],
    *, device: torch.device | str = "cpu",
) -> dict[str, Confusion]:  # fmt: skip
    """A linear probe on the features of patches, by name, measured on everything that has a label.

    A patch's label in fitting is the one that most of its labelled pixels have. The decay is chosen by mIoU on a fifth
    of the scenes; of the frames, where all are of one scene.

    Args:
        encode: images -> one vector a patch, by name.
        train: frames to fit on.
        test: frames to measure on.
        classes: of the labels.
        grid: rows and columns of patches of a frame; the labels of a frame are multiples of it.
        device: that `encode` works on.

    Raises:
        InputError: no frame to fit on has labels.
    """
    found: dict[str, list[torch.Tensor]] = {}
    labels, scenes, frames = [], [], []
    for number, frame in enumerate(train):
        patches = torch.from_numpy(patch_labels(frame.labels, grid, len(classes)))
        rows = patches >= 0
        labels.append(patches[rows])
        scenes.append(torch.full_like(labels[-1], frame.scene))
        frames.append(torch.full_like(labels[-1], number))
        for name, values in _encoded(encode, frame, device).items():
            found.setdefault(name, []).append(values[rows])
    if not labels or not sum(map(len, labels)):
        raise InputError("no labelled frames to fit a probe on")
    truth = torch.cat(labels)
    groups = torch.cat(scenes)
    if len(groups.unique()) < 2:
        groups = torch.cat(frames)
    probes = {
        name: LinearProbe.fit(Labelled(torch.cat(parts), truth, groups), len(classes)) for name, parts in found.items()
    }
    counts = {name: Confusion(classes) for name in probes}
    for frame in test:
        for name, values in _encoded(encode, frame, device).items():
            scores = probes[name].scores(values).T.view(1, len(classes), *grid)
            fine = functional.interpolate(scores, size=frame.labels.shape, mode="bilinear", align_corners=False)
            counts[name].add(frame.labels.ravel(), fine[0].argmax(0).numpy().ravel())
    return counts


def _encoded(encode: Encoder, frame: Frame, device: torch.device | str) -> dict[str, torch.Tensor]:
    image = to_float(torch.from_numpy(frame.image.copy()).to(device))[None]
    return {name: values[0].float().cpu() for name, values in encode(image).items()}


def patch_labels(labels: np.ndarray, grid: tuple[int, int], classes: int) -> np.ndarray:
    """The most frequent label of each patch.

    Args:
        labels: (H, W), -1 = none.
        grid: rows and columns of patches, divisors of H and W.
        classes: how many there are.

    Returns:
        (rows * columns,) int64, -1 where a patch has none.
    """
    rows, columns = grid
    parts = labels.reshape(rows, labels.shape[0] // rows, columns, -1).swapaxes(1, 2).reshape(rows * columns, -1)
    counts = np.stack([(parts == label).sum(1) for label in range(classes)], 1)
    return np.where(counts.any(1), counts.argmax(1), -1)
