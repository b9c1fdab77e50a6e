"""What frozen features know: a linear probe and a nearest-neighbour probe, fitted in seconds.

Shapes: n voxels, C channels, K classes. The slower linear probe of the literature, trained by the training loop with
augmentation, is `scanwise train segment --set init=... --set freeze=true --set decoder=0`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from scanwise.data.clouds import Cloud, Sample, collate, sample_of
from scanwise.data.datasets import Source, read_source
from scanwise.errors import InputError
from scanwise.evaluation.segmentation import Confusion, tiles
from scanwise.nn.backbone import Backbone
from scanwise.nn.sparse import SparseTensor
from scanwise.scene import Scene


@dataclass(frozen=True, eq=False)
class Frozen:
    """A backbone as it is, and how scenes become its inputs.

        sample, feats = Frozen(backbone, 0.08, ("color", "normal")).encode(scene)
        of_points = feats[sample.of_point]

    Attributes:
        voxel: edge in metres. features: inputs of each voxel. most_voxels: larger scenes are taken in overlapping
            tiles, whose features are averaged.
    """

    backbone: Backbone
    voxel: float
    features: tuple[str, ...]
    most_voxels: int = 120_000

    def encode(self, scene: Scene) -> tuple[Sample, np.ndarray]:
        """The scene's voxels, and (m, C) float32 features of them."""
        sample = sample_of(Cloud.of(scene), self.voxel, self.features, scene.name)
        device = next(self.backbone.parameters()).device
        before = self.backbone.training
        total = np.zeros((len(sample), self.backbone.channels), np.float32)
        times = np.zeros((len(sample), 1), np.float32)
        self.backbone.eval()
        for rows in tiles(sample.centers, self.most_voxels, overlap=1.0):
            part = Sample(
                sample.coords[rows], sample.feats[rows], sample.centers[rows], None, sample.of_point[:0],
                sample.row[:0], sample.size,
            )  # fmt: skip
            batch = collate([part]).to(device)
            with torch.no_grad():
                feats = self.backbone(SparseTensor(batch.coords, batch.feats, batch.batch))
            total[rows] += feats.float().cpu().numpy()
            times[rows] += 1
        self.backbone.train(before)
        return sample, total / times


@dataclass(frozen=True, eq=False)
class Labelled:
    """Features (n, C) float32 of labelled voxels, and their labels (n,) int64, 0..K-1."""

    feats: torch.Tensor
    labels: torch.Tensor


def gather(frozen: Frozen, sources: Sequence[Source], *, voxels: int, seed: int = 0) -> Labelled:
    """Labelled voxels of some scenes.

    Args:
        voxels: most of a scene, drawn at random by `seed`.

    Raises:
        InputError: none of the scenes has labels.
    """
    feats, labels = [], []
    for number, source in enumerate(sources):
        sample, values = frozen.encode(read_source(source))
        if sample.labels is None:
            continue
        rows = np.flatnonzero(sample.labels >= 0)
        if len(rows) > voxels:
            rows = np.sort(np.random.default_rng((seed, number)).choice(rows, voxels, replace=False))
        feats.append(torch.from_numpy(values[rows]))
        labels.append(torch.from_numpy(sample.labels[rows]).long())
    if not labels or not sum(map(len, labels)):
        raise InputError(f"none of the {len(sources)} scenes has labels, which a probe needs")
    return Labelled(torch.cat(feats), torch.cat(labels))


class Probe(Protocol):
    """Features (n, C) in, scores (n, K) out, the highest for the likeliest class."""

    def scores(self, feats: torch.Tensor) -> torch.Tensor: ...


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """Logistic regression on features that are brought to mean 0 and deviation 1.

    Attributes:
        mean, deviation: (C,). weight: (K, C). bias: (K,).
    """

    mean: torch.Tensor
    deviation: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor

    @classmethod
    def fit(
        cls, known: Labelled, classes: int, *, decay: float = 1e-3, rounds: int = 100, seed: int = 0
    ) -> LinearProbe:
        """Minimises the mean cross-entropy by L-BFGS, from small random weights.

        Args:
            decay: weight of the squared weights. rounds: of L-BFGS, at most.
        """
        mean, deviation = known.feats.mean(0), known.feats.std(0, correction=0).clamp(min=1e-6)
        feats = (known.feats - mean) / deviation
        start = 0.01 * torch.randn(classes, feats.shape[1], generator=torch.Generator().manual_seed(seed))
        weight = start.to(feats.device).requires_grad_()
        bias = torch.zeros(classes, device=feats.device, requires_grad=True)
        solver = torch.optim.LBFGS([weight, bias], max_iter=rounds, line_search_fn="strong_wolfe")

        def loss() -> torch.Tensor:
            solver.zero_grad()
            with torch.enable_grad():
                value = functional.cross_entropy(feats @ weight.T + bias, known.labels)
                value = value + decay * weight.square().sum()
                value.backward()
            return value

        solver.step(loss)
        return cls(mean, deviation, weight.detach(), bias.detach())

    def scores(self, feats: torch.Tensor) -> torch.Tensor:
        return ((feats - self.mean) / self.deviation) @ self.weight.T + self.bias


@dataclass(frozen=True, eq=False)
class KNNProbe:
    """The votes of the k most similar labelled voxels, by cosine, weighted by exp(cosine / temperature)."""

    known: Labelled
    classes: int
    k: int = 20
    temperature: float = 0.07
    chunk: int = 2048

    def scores(self, feats: torch.Tensor) -> torch.Tensor:
        bank = functional.normalize(self.known.feats, dim=1)
        found = []
        for part in functional.normalize(feats, dim=1).split(self.chunk):
            cosine, rows = (part @ bank.T).topk(min(self.k, len(bank)), dim=1)
            votes = part.new_zeros(len(part), self.classes)
            found.append(votes.scatter_add_(1, self.known.labels[rows], torch.exp((cosine - 1) / self.temperature)))
        return torch.cat(found)


def measure(frozen: Frozen, probe: Probe, sources: Sequence[Source], classes: Sequence[str]) -> Confusion:
    """Predicts every point of labelled scenes."""
    counts = Confusion(classes)
    for source in sources:
        scene = read_source(source)
        if scene.labels is not None:
            add_scene(counts, frozen, probe, scene)
    return counts


def add_scene(counts: Confusion, frozen: Frozen, probe: Probe, scene: Scene) -> None:
    """Predicts every point of a labelled scene, whose classes are those counted, and counts them."""
    assert scene.labels is not None
    sample, feats = frozen.encode(scene)
    counts.add(scene.labels[sample.row], _predict(probe, torch.from_numpy(feats))[sample.of_point])


def measure_voxels(probe: Probe, known: Labelled, classes: Sequence[str]) -> Confusion:
    """Predicts labelled voxels: quicker than `measure`, and not quite the same, as voxels count alike."""
    counts = Confusion(classes)
    counts.add(known.labels.numpy(), _predict(probe, known.feats))
    return counts


def _predict(probe: Probe, feats: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return probe.scores(feats).argmax(1).numpy()
