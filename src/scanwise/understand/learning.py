"""A head on frozen features: a few corrections into better labels, of this scan and of those like it, in seconds.

    learned = learn_head([(prepared, known)], words, texts=texts)
    prepared.learned = learned
    prepared.label(texts)          # by what was learned; prepared.learned = None: as shipped

What is learned is a correction to the labels that are there: log-probabilities of the words for a part of a scan, as
things vote for them, plus a linear function of what the 3D network sees in that thing. The function starts at none and
is held there by its squares, so that with no corrections nothing changes. What was corrected is learned as it was
corrected; what was left alone as it was labelled, since people correct what is wrong.

Shapes: N points of a scan, P parts, F features, K words.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.torch
import torch
from torch.nn import functional

from scanwise.data.surface import Surface
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.methods.things.parts import FACTS, part_facts
from scanwise.progress import Progress, Stopwatch, silent
from scanwise.training.checkpoints import Checkpoint, load, save
from scanwise.understand.labels import check_lengths
from scanwise.understand.shapes import Shapes
from scanwise.understand.things import Things
from scanwise.understand.words import plain

if TYPE_CHECKING:
    from scanwise.understand.prepared import Prepared

KIND = "head"
PULL = (
    100.0  # weight of the squares of the function; with the others chosen on validation rooms (docs/results/learn.md)
)
LEFT_ALONE = 1.0  # what a part counts that was left alone and is sure, over one that was corrected
TRUST = 10.0  # corrected things of a scan from which its other labels are rather kept than changed
NO_THINGS = "learning is about things of rooms, and they are off, or this is a street"
_LEAST = 1e-4  # probability, so that no word is impossible
_ROOM = 300.0  # voxels of a part that counts 1; others by the root of their size
_CLAMP = 5.0  # deviations of a feature
_STEPS = 60


@dataclass(frozen=True, eq=False)
class Described:
    """What is known of the parts of a scan.

    Attributes:
        features: (P, F) float32.
        source: where they are from: another source means other features.
        content: hex digest of the scan.
    """

    features: torch.Tensor
    source: str
    content: str


def described_by_network(surface: Surface, things: Things, shapes: Shapes, seen: np.ndarray) -> Described:
    """The parts of a scan by what a 3D network sees in the thing that each is of.

    Args:
        surface: of the scan.
        things: of the surface.
        shapes: what the network makes of it.
        seen: (M, C) of `shape_features`.
    """
    source = f"{sorted(shapes.model_hashes.values())} {sorted(things.model_hashes.values())}"
    values = torch.from_numpy(np.array(seen, np.float32))
    return Described(things.coarse_means(values), source, surface.content)


def described_by_shape(surface: Surface, things: Things) -> Described:
    """The parts of a scan that no 3D network knows: size, shape, height and colour of each."""
    facts = part_facts(surface.centers, surface.normals, surface.colors, things.of_voxel)
    facts = np.delete(facts, [FACTS.index(axis) for axis in "xyz"], 1)  # places mean nothing elsewhere
    return Described(torch.from_numpy(facts), f"facts {surface.colors is not None}", surface.content)


@dataclass(frozen=True, eq=False)
class Learned:
    """What was learned from corrections.

    Attributes:
        words: the K words that it knows.
        weight: (F, K).
        bias: (K,).
        mean: (F,) of the features.
        spread: (F,) their deviation.
        source: of the features.
        kept: content of a scan that people corrected -> probability from which a part of it gets another word than it
            had.
        facts: scans, corrected parts, seconds, and what was measured.
    """

    words: list[str]
    weight: torch.Tensor
    bias: torch.Tensor
    mean: torch.Tensor
    spread: torch.Tensor
    source: str
    kept: Mapping[str, float]
    facts: dict[str, Any] = field(default_factory=dict)

    def __call__(self, logarithms: torch.Tensor, texts: Sequence[str], described: Described) -> torch.Tensor:
        """(P, K') log-probabilities of texts, by what was learned.

        Args:
            logarithms: (P, K') log-probabilities as shipped.
            texts: the K' texts; words that were not learned stay as they are.
            described: the parts.
        """
        if described.source != self.source:
            return logarithms
        places = {_name(word): place for place, word in enumerate(self.words)}
        which = [places.get(_name(text), -1) for text in texts]
        scaled = ((described.features - self.mean) / self.spread).clamp(-_CLAMP, _CLAMP)
        added = torch.cat([scaled @ self.weight + self.bias, torch.zeros(len(scaled), 1)], 1)[:, which]
        before = logarithms.exp().clamp(min=_LEAST).log()
        after = (before + added).log_softmax(1)
        sure = after.max(1).values.exp() >= self.kept.get(described.content, 0.0)
        return torch.where(sure[:, None], after, logarithms)

    def tell(self, texts: Sequence[str], described: Described | None) -> None:
        """Warns where what was learned does not count.

        Args:
            texts: that are asked for.
            described: the scan's parts; None = it has none.
        """
        own = {_name(word) for word in self.words}
        why = ""
        if described is None:
            why = "things are off"
        elif described.source != self.source:
            why = "this scan is seen by another 3D network, or by none"
        elif not any(_name(text) in own for text in texts):
            why = f"it knows other words ({', '.join(self.words[:5])})"
        if why:
            warnings.warn(f"what was learned does not count here: {why}", ScanwiseWarning, stacklevel=4)

    def save(self, path: Path) -> None:
        """Writes a checkpoint. Raises OutputError where it cannot."""
        save(self._checkpoint(), path)

    @classmethod
    def load(cls, path: Path) -> Learned:
        """A head from its file, or from the folder of a `scanwise learn` run.

        Raises:
            InputError: there is none, it is damaged, or of something else.
        """
        path = Path(path)
        return cls._of(load(path / "head.ckpt" if path.is_dir() else path), str(path))

    def packed(self) -> bytes:
        """As bytes, for who keeps it in a file of his own."""
        found = self._checkpoint()
        return bytes(safetensors.torch.save(found.tensors, {"facts": json.dumps(found.facts)}))

    @classmethod
    def unpacked(cls, content: bytes, where: str) -> Learned:
        """The head of `packed`.

        Args:
            content: its bytes.
            where: they are from, for the error.

        Raises:
            InputError: they are of something else.
        """
        try:
            length = int.from_bytes(content[:8], "little")
            facts = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["facts"])
            return cls._of(Checkpoint(safetensors.torch.load(content), facts), where)
        except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{where}: what was learned is damaged ({error})") from error

    def _checkpoint(self) -> Checkpoint:
        tensors = {name: getattr(self, name) for name in ("weight", "bias", "mean", "spread")}
        facts = {"words": self.words, "source": self.source, "kept": dict(self.kept), "facts": self.facts}
        return Checkpoint(tensors, {"kind": KIND, **facts})

    @classmethod
    def _of(cls, found: Checkpoint, where: str) -> Learned:
        if found.facts.get("kind") != KIND:
            raise InputError(f"{where}: holds nothing that was learned; give the folder of a `scanwise learn` run")
        facts, tensors = found.facts, found.tensors
        return cls(
            facts["words"], tensors["weight"], tensors["bias"], tensors["mean"], tensors["spread"], facts["source"],
            facts["kept"], facts["facts"],
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Examples:
    """The parts of a scan to learn from.

    Attributes:
        features: (P, F).
        logarithms: (P, K) log-probabilities as shipped.
        targets: (P, K) what is to come out, rows sum to 1.
        weights: (P,) what each counts.
        sizes: (P,) voxels.
        corrected: things that were given a word.
    """

    features: torch.Tensor
    logarithms: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    sizes: torch.Tensor
    corrected: int


def learn_head(
    scans: Sequence[tuple[Prepared, np.ndarray]],
    words: Sequence[str],
    *,
    texts: Sequence[str] = (),
    reviewed: bool = True,
    progress: Progress = silent,
) -> Learned:
    """Learns from points whose word is known; the others count for nothing, or as they were labelled.

    Args:
        scans: of each the scan, made ready, and (N,) int32 row of the words that a point is known to have, -1 = none.
        words: that points are known to have.
        texts: what else is asked for; words that are told apart together are learned better.
        reviewed: people looked at the labels and corrected what was wrong: what they left alone in a scan is rather
            kept there. False: the known points are any points.
        progress: told ("learning", share done 0..1).

    Raises:
        InputError: no point is known, a scan is of other features than the first, or cannot be labelled.
    """
    names = _joined(words, texts)
    if not any((known >= 0).any() for _, known in scans):
        raise InputError("no point has a known word, so there is nothing to learn from; correct something first")
    if len(names) < 2:
        raise InputError(f'"{names[0]}" is the only word; give others to tell it from')
    watch = Stopwatch()
    with watch("learning"):
        found, kept, source = list[Examples](), dict[str, float](), ""
        for number, (prepared, known) in enumerate(scans):
            described = prepared.described
            if found and described.source != source:
                raise InputError(
                    f"{prepared.scene.name}: is seen by another 3D network than the scans before; learn apart"
                )
            source = described.source
            counts = known_counts(prepared, known, len(names))
            things, logarithms = prepared.things, prepared.log_votes(names)
            assert isinstance(things, Things)
            found.append(examples_of(things, described.features, logarithms, counts))
            if reviewed and found[-1].corrected:
                kept[described.content] = trusted(found[-1].corrected)
            progress("learning", (number + 1) / (len(scans) + 1))
        weight, bias, mean, spread = fit(found)
        progress("learning", 1.0)
    facts = {
        "scans": len(scans), "corrected_things": sum(each.corrected for each in found),
        "points": int(sum((known >= 0).sum() for _, known in scans)), "seconds": round(watch.seconds["learning"], 2),
    }  # fmt: skip
    return Learned(names, weight, bias, mean, spread, source, kept, facts)


def examples_of(things: Things, features: torch.Tensor, logarithms: torch.Tensor, counts: np.ndarray) -> Examples:
    """The parts of a scan to learn from.

    Args:
        things: of the scan.
        features: (P, F) of its parts.
        logarithms: (P, K) log-probabilities as shipped.
        counts: (P, K + 1) points of each part that are known to have each word, and in the last column the others.
    """
    given = torch.from_numpy(counts[:, :-1]).float()
    share = given.sum(1) / torch.from_numpy(counts).sum(1).clamp(min=1)
    said = share > 0
    sure, labelled = logarithms.max(1)
    targets = functional.one_hot(labelled, logarithms.shape[1]).float()
    targets[said] = given[said] / given[said].sum(1, keepdim=True)
    weights = (things.sizes / _ROOM).sqrt() * torch.where(said, share.sqrt(), LEFT_ALONE * sure.exp())
    objects = things.objects(np.where(said.numpy(), counts[:, :-1].argmax(1), -1))
    return Examples(features, logarithms, targets, weights, things.sizes, int(objects.max(initial=-1)) + 1)


def known_counts(prepared: Prepared, known: np.ndarray, words: int) -> np.ndarray:
    """(P, words + 1) points of each part that are known to have each word, and in the last column the others.

    Args:
        prepared: the scan.
        known: (N,) int32 row of the words, -1 = not known.
        words: how many there are.

    Raises:
        InputError: of another number of points, or labels are of points alone.
    """
    things = prepared.things
    if things is None:
        raise InputError(f"{prepared.scene.name}: {NO_THINGS}")
    if len(known) != len(prepared.scene):
        raise InputError(f"{prepared.scene.name}: {len(known)} known words for {len(prepared.scene)} points")
    points = known[prepared.surface.finite]
    keys = things.of_voxel[prepared.surface.voxels.of_point].astype(np.int64) * (words + 1)
    keys += np.where(points >= 0, points, words)
    return np.bincount(keys, minlength=len(things) * (words + 1)).reshape(len(things), words + 1)


def fit(found: Sequence[Examples], pull: float = PULL) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weight, bias, mean and spread: cross-entropy over the parts, and the squares of the function; L-BFGS.

    Args:
        found: of each scan.
        pull: weight of the squares.
    """
    features, logarithms, targets, weights, sizes = (
        torch.cat([getattr(each, name) for each in found])
        for name in ("features", "logarithms", "targets", "weights", "sizes")
    )
    share = (sizes / sizes.sum())[:, None]
    mean = (features * share).sum(0)
    spread = ((features - mean) ** 2 * share).sum(0).sqrt() + 1e-3
    scaled = ((features - mean) / spread).clamp(-_CLAMP, _CLAMP)
    base = logarithms.exp().clamp(min=_LEAST).log()
    weight = torch.zeros(features.shape[1], logarithms.shape[1], requires_grad=True)
    bias = torch.zeros(logarithms.shape[1], requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=_STEPS, history_size=10, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        solver.zero_grad()
        wrong = -(targets * (base + scaled @ weight + bias).log_softmax(1)).sum(1)
        total = (weights * wrong).sum() + pull / 2 * (weight.square().sum() + bias.square().sum())
        total.backward()
        return total

    solver.step(loss)
    return weight.detach(), bias.detach(), mean, spread


def trusted(corrected: int) -> float:
    """Probability from which a part gets another word, in a scan in which people corrected so many things."""
    return corrected / (corrected + TRUST)


def _joined(words: Sequence[str], texts: Sequence[str]) -> list[str]:
    """The words, and after them the texts that are none of them."""
    check_lengths(list(words), "word")
    names = list(words)
    met = {_name(word) for word in names}
    for text in texts:
        if _name(text) not in met:
            met.add(_name(text))
            names.append(text)
    if not names:
        raise InputError("no words to learn")
    return names


def _name(word: str) -> str:
    return plain(word).casefold()
