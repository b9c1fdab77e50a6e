"""What frozen features know: a linear probe and a nearest-neighbour probe, fitted in seconds.

Shapes: n voxels, C channels, K classes. The slower linear probe of the literature, trained by the training loop with
augmentation, is `scanwise train segment --set init=... --set freeze=true --set decoder=0`.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import torch
from torch.nn import functional

from scanwise.data.datasets import Source, read_source
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.evaluation.class_names import left_out_text, translated
from scanwise.evaluation.segmentation import Confusion
from scanwise.nn.frozen import Frozen
from scanwise.scene import Scene

DECAYS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""What a linear probe's decay is chosen among, the strongest first."""

HELD_OUT = 0.2  # share of the groups that the decay is chosen on
PATH_ROUNDS = 30  # of L-BFGS for each decay that is tried; each begins where the one before ended


Metric = Literal["miou", "accuracy"]


@dataclass(frozen=True, eq=False)
class Labelled:
    """Features of labelled voxels, patches or pictures.

    Attributes:
        feats: (n, C) float32.
        labels: (n,) int64, 0..K-1.
        groups: (n,) int64 scene of each, where several are of one: a decay is chosen on scenes that were not fitted on.
    """

    feats: torch.Tensor
    labels: torch.Tensor
    groups: torch.Tensor | None = None


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
    feats, labels, groups = [], [], []
    for number, source in enumerate(sources):
        sample, values = frozen.encode(read_source(source))
        if sample.labels is None:
            continue
        rows = np.flatnonzero(sample.labels >= 0)
        if len(rows) > voxels:
            rows = np.sort(np.random.default_rng((seed, number)).choice(rows, voxels, replace=False))
        feats.append(torch.from_numpy(values[rows]))
        labels.append(torch.from_numpy(sample.labels[rows]).long())
        groups.append(torch.full((len(rows),), number))
    if not labels or not sum(map(len, labels)):
        raise InputError(f"none of the {len(sources)} scenes has labels, which a probe needs")
    return Labelled(torch.cat(feats), torch.cat(labels), torch.cat(groups))


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
        decay: weight of the squared weights, given or chosen.
    """

    mean: torch.Tensor
    deviation: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor
    decay: float

    @classmethod
    def fit(
        cls, known: Labelled, classes: int, *, decay: float | None = None, metric: Metric = "miou",
        rounds: int = 250, seed: int = 0,
    ) -> LinearProbe:  # fmt: skip
        """Minimises the mean cross-entropy and the decay by L-BFGS, from small random weights.

        A decay is chosen by probes that are fitted on four fifths of the scenes, or of the rows where there is one
        scene or none is known, and measured on the rest; then everything is fitted on with it.

        Args:
            known: what is fitted on.
            classes: K.
            decay: weight of the squared weights; None = that of `DECAYS` that is best on what was held out.
            metric: what "best" is: mIoU over the classes held out, or accuracy.
            rounds: of L-BFGS, at most; fewer where the loss stands still.
            seed: of the weights it begins with, and of what is held out.
        """
        mean, deviation = known.feats.mean(0), known.feats.std(0, correction=0).clamp(min=1e-6)
        known = replace(known, feats=(known.feats - mean) / deviation)
        start = 0.01 * torch.randn(classes, known.feats.shape[1], generator=torch.Generator().manual_seed(seed))
        weight, bias = start.to(known.feats.device), torch.zeros(classes, device=known.feats.device)
        if decay is None:
            decay, weight, bias = _chosen(known, weight, bias, metric, seed)
        return cls(mean, deviation, *_minimise(known, weight, bias, decay, rounds), decay)

    def scores(self, feats: torch.Tensor) -> torch.Tensor:
        """Logits (n, K) of features (n, C)."""
        return ((feats - self.mean) / self.deviation) @ self.weight.T + self.bias


def _minimise(
    known: Labelled, weight: torch.Tensor, bias: torch.Tensor, decay: float, rounds: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias that the loss is least for; those given are begun with."""
    weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    solver = torch.optim.LBFGS([weight, bias], max_iter=rounds, line_search_fn="strong_wolfe", tolerance_change=1e-8)

    def loss() -> torch.Tensor:
        solver.zero_grad()
        with torch.enable_grad():
            value = functional.cross_entropy(known.feats @ weight.T + bias, known.labels)
            value = value + decay * weight.square().sum()
            value.backward()
        return value

    solver.step(loss)
    return weight.detach(), bias.detach()


def _chosen(
    known: Labelled, weight: torch.Tensor, bias: torch.Tensor, metric: Metric, seed: int
) -> tuple[float, torch.Tensor, torch.Tensor]:
    """The decay that is best on what was held out, the stronger of equals, and what was fitted with it.

    The strongest comes first; weaker ones are not tried once two in a row were worse than the best.
    """
    held = held_out(known, seed)
    fitted, asked = (Labelled(known.feats[rows], known.labels[rows]) for rows in (~held, held))
    best, found, worse = -1.0, (DECAYS[0], weight, bias), 0
    for decay in DECAYS if len(asked.labels) else ():
        weight, bias = _minimise(fitted, weight, bias, decay, PATH_ROUNDS)
        counts = Confusion([str(number) for number in range(len(bias))])
        counts.add(asked.labels.cpu().numpy(), (asked.feats @ weight.T + bias).argmax(1).cpu().numpy())
        value = counts.metrics()[metric]
        worse = 0 if value > best else worse + 1
        if value > best:
            best, found = value, (decay, weight, bias)
        if worse == 2:
            break
    return found


def held_out(known: Labelled, seed: int = 0) -> torch.Tensor:
    """Which rows are not fitted on while a decay is chosen: a fifth of the scenes, at least one, drawn by the seed.

    Args:
        known: labelled features; where they are of one scene, or of none that is known, rows are drawn.
        seed: of the draw.

    Returns:
        (n,) bool; of a single row, which cannot be divided, all False.
    """
    groups = known.groups
    if groups is None or len(groups.unique()) < 2:
        groups = torch.arange(len(known.labels))
    names = groups.cpu().unique()
    count = min(max(1, round(HELD_OUT * len(names))), len(names) - 1)
    drawn = names[torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))[:count]]
    return torch.isin(groups, drawn.to(groups.device)).to(known.labels.device)


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
        scenes: those without labels are passed over. Classes are matched by name (`class_names.translated`); points of
            classes that the probe does not know do not count, which is warned of.
        classes: names of the probe's K classes.

    Raises:
        InputError: a scene has no class in common with the probe.
    """
    counts = Confusion(classes)
    left_out: Counter[str] = Counter()
    for each in scenes:
        scene = each if isinstance(each, Scene) else read_source(each)
        if scene.labels is None:
            continue
        scene, others = translated(scene, classes)
        left_out.update(others)
        assert scene.labels is not None
        sample, feats = frozen.encode(scene)
        counts.add(scene.labels[sample.row], _predict(probe, torch.from_numpy(feats))[sample.of_point])
    counts.left_out = dict(left_out)
    if left_out:
        warnings.warn(left_out_text(left_out), ScanwiseWarning, stacklevel=2)
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
        decay: of a linear probe.
    """

    seed: int
    voxels: int
    counts: Confusion
    decay: float | None = None


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
        decay = probe.decay if isinstance(probe, LinearProbe) else None
        yield ProbeResult(seed, len(labelled.labels), measure(frozen, probe, tested, classes), decay)


def mean_and_spread(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean of some measurements, and their standard deviation, which one alone does not have."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None
