"""What frozen features know: a linear probe and a nearest-neighbour probe, fitted in seconds.

Shapes: n voxels, C channels, K classes. The slower linear probe of the literature, trained by the training loop with
augmentation, is `scanwise train segment --set init=... --set freeze=true --set decoder=0`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from scanwise.data.datasets import Source, read_source
from scanwise.errors import InputError
from scanwise.evaluation.segmentation import Confusion
from scanwise.nn.frozen import Frozen
from scanwise.scene import Scene


@dataclass(frozen=True, eq=False)
class Labelled:
    """Features of labelled voxels.

    Attributes:
        feats: (n, C) float32.
        labels: (n,) int64, 0..K-1.
    """

    feats: torch.Tensor
    labels: torch.Tensor


def gather(frozen: Frozen, sources: Sequence[Source], *, voxels: int, seed: int = 0) -> Labelled:
    """Labelled voxels of some scenes.

    Args:
        frozen: gives their features.
        sources: the scenes; those without labels are passed over.
        voxels: most of a scene, drawn at random.
        seed: of the draw.

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
    """What tells classes from features."""

    def scores(self, feats: torch.Tensor) -> torch.Tensor:
        """Scores (n, K) of features (n, C), the highest for the likeliest class."""


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """Logistic regression on features that are brought to mean 0 and deviation 1.

    Attributes:
        mean: (C,), of the features fitted on.
        deviation: (C,), of the features fitted on.
        weight: (K, C).
        bias: (K,).
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
            known: what is fitted on.
            classes: K.
            decay: weight of the squared weights.
            rounds: of L-BFGS, at most.
            seed: of the weights it begins with.
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
        """Logits (n, K) of features (n, C)."""
        return ((feats - self.mean) / self.deviation) @ self.weight.T + self.bias


@dataclass(frozen=True, eq=False)
class KNNProbe:
    """The votes of the k most similar labelled voxels, by cosine, weighted by exp(cosine / temperature).

    Attributes:
        known: the labelled voxels.
        classes: K.
        k: how many vote.
        temperature: of the cosines.
        chunk: voxels that are looked up at a time.
    """

    known: Labelled
    classes: int
    k: int = 20
    temperature: float = 0.07
    chunk: int = 2048

    def scores(self, feats: torch.Tensor) -> torch.Tensor:
        """Votes (n, K) for features (n, C)."""
        bank = functional.normalize(self.known.feats, dim=1)
        found = []
        for part in functional.normalize(feats, dim=1).split(self.chunk):
            cosine, rows = (part @ bank.T).topk(min(self.k, len(bank)), dim=1)
            votes = part.new_zeros(len(part), self.classes)
            found.append(votes.scatter_add_(1, self.known.labels[rows], torch.exp((cosine - 1) / self.temperature)))
        return torch.cat(found)


def measure(frozen: Frozen, probe: Probe, scenes: Iterable[Source | Scene], classes: Sequence[str]) -> Confusion:
    """Predicts every point of labelled scenes.

    Args:
        frozen: whose features are probed.
        probe: was fitted on such features.
        scenes: those without labels are passed over.
        classes: names of the K classes, of the scenes' labels and of the probe.
    """
    counts = Confusion(classes)
    for each in scenes:
        scene = each if isinstance(each, Scene) else read_source(each)
        if scene.labels is not None:
            sample, feats = frozen.encode(scene)
            counts.add(scene.labels[sample.row], _predict(probe, torch.from_numpy(feats))[sample.of_point])
    return counts


def measure_voxels(probe: Probe, known: Labelled, classes: Sequence[str]) -> Confusion:
    """Predicts labelled voxels: quicker than `measure`, and not quite the same, as voxels count alike.

    Args:
        probe: was fitted on other voxels.
        known: voxels to predict.
        classes: names of the K classes.
    """
    counts = Confusion(classes)
    counts.add(known.labels.numpy(), _predict(probe, known.feats))
    return counts


def _predict(probe: Probe, feats: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return probe.scores(feats).argmax(1).numpy()


@dataclass(frozen=True, eq=False)
class ProbeResult:
    """What one probe found.

    Attributes:
        seed: of the voxels that it was fitted on.
        voxels: how many they were.
        counts: its predictions of the tested scenes' points.
    """

    seed: int
    voxels: int
    counts: Confusion


def fit_and_measure(
    frozen: Frozen, known: Sequence[Source], tested: Sequence[Source | Scene], classes: Sequence[str], *, voxels: int,
    seeds: int = 1, knn: bool = False,
) -> Iterator[ProbeResult]:  # fmt: skip
    """Fits a probe and measures it, as often as one likes, each time with other voxels.

    Args:
        frozen: whose features are probed.
        known: labelled scenes that are fitted on.
        tested: labelled scenes that are measured on.
        classes: names of the K classes of all of them.
        voxels: most of a scene that is fitted on.
        seeds: how often.
        knn: nearest neighbours in place of a linear layer.

    Raises:
        InputError: none of the known scenes has labels.
    """
    for seed in range(seeds):
        labelled = gather(frozen, known, voxels=voxels, seed=seed)
        probe: Probe
        if knn:
            probe = KNNProbe(labelled, len(classes))
        else:
            probe = LinearProbe.fit(labelled, len(classes), seed=seed)
        yield ProbeResult(seed, len(labelled.labels), measure(frozen, probe, tested, classes))


def mean_and_spread(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean of some measurements, and their standard deviation, which one alone does not have."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def with_classes(scene: Scene, classes: Sequence[str]) -> Scene:
    """The scene with its labels among other classes, by name; points of further classes count as unlabelled.

    Args:
        scene: has labels and names of its classes.
        classes: the other names.

    Raises:
        InputError: it has no labels, or none of those classes.
    """
    own = scene.classes or []
    if scene.labels is None or not set(own) & set(classes):
        raise InputError(f"{scene.name}: has no labels of the classes {', '.join(classes[:3])}, ...")
    of_own = [classes.index(name) if name in classes else -1 for name in own]
    return replace(scene, labels=np.array([*of_own, -1], np.int32)[scene.labels], classes=list(classes))
