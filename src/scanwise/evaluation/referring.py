"""How well masks fit the sentences that asked for them: mIoU, Acc@0.25, Acc@0.5, and "not here".

A mask is where the probability is above 0.5, an empty one has IoU 0, and nothing is put in its place. LESS's official
code adds the 5000 likeliest points to a mask of fewer than 100; `fallback=True` measures so. The numbers themselves are
made in `evaluation.metrics`; `failures` takes apart why masks are wrong.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from scanwise.data.datasets import Source, read_source
from scanwise.data.referring import names_many, plural
from scanwise.data.surface import Surface
from scanwise.evaluation import metrics as measures
from scanwise.evaluation.absence import KINDS, absence_of, names_here, object_names
from scanwise.evaluation.several import part_f1
from scanwise.geometry.objects import surest_part
from scanwise.geometry.voxels import voxelize
from scanwise.nn.sharpening import Sharpener
from scanwise.scene import Scene

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_UNIQUE = {"unique": True, "multiple": False}
RELATIONS = {
    "near": r"next to|near|beside|close|by the|at the",
    "between": r"between",
    "on": r"\bon\b|on top|above|over",
    "under": r"under|below|beneath",
    "view": r"\bleft|\bright|front|behind|facing",
    "place": r"corner|middle|wall|centre|center",
    "order": r"\w+est\b|farthest|furthest",
}
_FEW, _FALLBACK = 100, 5000
_ANY_NUMBER = ("zt", "st", "mt")  # how Multi3DRefer's groups begin: zero, single and multiple targets
_PATTERNS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in RELATIONS.items()}


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model makes of one sentence.

    Attributes:
        scores: (N,) float32 probability of each point, 0 for points that are not finite.
        presence: 0..1, how sure it is that there is such a thing.
        words: (word, share of attention) in order; empty where not asked for.
        several: (N,) float32 probability of each point where the sentence means more than one thing; None = `scores`.
    """

    scores: np.ndarray
    presence: float
    words: list[tuple[str, float]] = field(default_factory=list)
    several: np.ndarray | None = None


@dataclass(frozen=True)
class SentenceResult:
    """How one sentence was answered.

    Attributes:
        iou: of the mask, 0..1; of a sentence that means nothing here 0 (not counted).
        presence: how sure the model is that there is such a thing, 0..1.
        here: whether there is.
        unique: no other object of that class; None where classes are not known.
        text: the sentence.
        object_right: the object that the mask overlaps most (by IoU) is the one that is meant; None where nothing is.
        nothing: the mask touches no object at all; None where nothing is meant.
        name_right: it has at least the name of the one that is meant; None where that has no name.
        ceiling: IoU of the true mask rounded to the model's voxels; None where nothing is meant, or not asked for.
        absence: of `absence.KINDS`: how that which is not here is absent, guessed from the sentence; "" = it is here.
        group: what its data set counts the sentence among; "" = not said.
        f1: at .25 and at .5 of the mask's parts, see `evaluation.several`; None where the sentence means one thing.
    """

    iou: float
    presence: float
    here: bool
    unique: bool | None
    text: str
    object_right: bool | None = None
    nothing: bool | None = None
    name_right: bool | None = None
    ceiling: float | None = None
    absence: str = ""
    group: str = ""
    f1: tuple[float, float] | None = None


@dataclass
class Evaluation:
    """What `evaluate_sentences` found.

    Attributes:
        sentences: the result of each.
        seconds: of each scene, to answer all of its sentences; reading not counted.
        cpu_seconds: those that the process computed, over all threads: what to compare by on a machine that is shared.
    """

    sentences: list[SentenceResult] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    def timing(self) -> dict[str, float]:
        """Mean seconds a scene and a sentence."""
        total = sum(self.seconds)
        return {
            "seconds_a_scene": total / max(1, len(self.seconds)),
            "seconds_a_sentence": total / max(1, len(self.sentences)),
            "processor_seconds_a_scene": sum(self.cpu_seconds) / max(1, len(self.cpu_seconds)),
        }


def evaluate_sentences(
    predict: Callable[[Scene, Sequence[str]], Sequence[Prediction]], paths: Sequence[Source],
    fabric: Fabric | None = None, *, fallback: bool = False, reach: float = 0.0, voxel: float = 0.0,
) -> Evaluation:  # fmt: skip
    """The result of every sentence of scenes, shared out among the processes; masks over the scenes' own points.

    Args:
        predict: answers all sentences of a scene at once.
        paths: the scenes; those without instances or sentences are passed over.
        fabric: of several processes; None = one.
        fallback: enlarge small masks as the official code does.
        reach: metres around a mask in which the second pass may change it; 0 = there is none.
        voxel: edge of the model's voxels, for the ceiling that they set; 0 = none is measured.
    """
    rank, world = (fabric.global_rank, fabric.world_size) if fabric is not None else (0, 1)
    own = Evaluation()
    for path in paths[rank::world]:
        scene = read_source(path)
        if scene.instances is None or not scene.sentences:
            continue
        started, computed = time.perf_counter(), time.process_time()
        texts = [each.text for each in scene.sentences]
        found = predict(scene, texts)
        if reach:
            sharpen = Sharpener(Surface(scene), reach)
            found = [second_pass(sharpen, *each) for each in zip(texts, found, strict=True)]
        own.seconds.append(time.perf_counter() - started)
        own.cpu_seconds.append(time.process_time() - computed)
        own.sentences += _judged(scene, found, fallback, voxel)
    if fabric is None or world == 1:
        return own
    parts = measures.gathered(own)
    return Evaluation(
        [result for part in parts for result in part.sentences],
        [seconds for part in parts for seconds in part.seconds],
        [seconds for part in parts for seconds in part.cpu_seconds],
    )


def _judged(scene: Scene, found: Sequence[Prediction], fallback: bool, voxel: float) -> list[SentenceResult]:
    """The results of a scene's sentences."""
    assert scene.instances is not None
    unique, names, here = unique_instances(scene), object_names(scene), names_here(scene)
    ceilings = _ceilings(scene, voxel) if voxel else {}
    results = []
    for each, prediction in zip(scene.sentences, found, strict=True):
        any_number = bool(each.also) or each.group[:2] in _ANY_NUMBER
        several = prediction.several if any_number else None
        mask = mask_of(prediction.scores if several is None else several, fallback=fallback)
        f1 = part_f1(scene.points, mask, scene.instances, each.instances) if any_number else None
        if each.instance < 0:
            absence = absence_of(each.text, here)
            results.append(
                SentenceResult(
                    0.0, prediction.presence, False, None, each.text, absence=absence, group=each.group, f1=f1
                )
            )
            continue
        ious = measures.object_ious(mask, scene.instances)
        best = int(ious.argmax()) if ious.any() else -1
        name = names.get(each.instance)
        told = _UNIQUE.get(each.group, unique.get(each.instance))
        result = SentenceResult(
            measures.iou(np.isin(scene.instances, each.instances), mask), prediction.presence, True,
            None if each.also else told, each.text, object_right=best in each.instances, nothing=best < 0,
            name_right=None if name is None else names.get(best) == name,
            ceiling=None if each.also else ceilings.get(each.instance), group=each.group, f1=f1,
        )  # fmt: skip
        results.append(result)
    return results


def _ceilings(scene: Scene, voxel: float) -> dict[int, float]:
    """Of each instance the IoU of its mask once rounded: a voxel is in it where more than half of its points are."""
    assert scene.instances is not None
    finite, result = np.flatnonzero(scene.finite), {}
    of_point = voxelize(scene.points[finite], voxel).of_point
    for instance in {each.instance for each in scene.sentences if each.instance >= 0}:
        mask = scene.instances == instance
        rounded = np.zeros(len(scene), bool)
        rounded[finite] = (np.bincount(of_point, mask[finite]) > 0.5 * np.bincount(of_point))[of_point]
        result[instance] = measures.iou(mask, rounded)
    return result


def second_pass(sharpen: Sharpener, text: str, found: Prediction) -> Prediction:
    """A prediction with sharp edges and, where a sentence names one thing, with one connected part above 0.5.

    That is the part of the point that was surest before; the scores of others are halved.

    Args:
        sharpen: of the scene.
        text: the sentence.
        found: what a model makes of it.
    """
    scores = sharpen(found.scores)
    if plural(text):
        several = None if found.several is None else sharpen(found.several)
        return replace(found, scores=scores, several=several)
    rows = np.flatnonzero(mask_of(scores))
    if len(rows) and not names_many(text):
        one = surest_part(sharpen.surface.scene.points, found.scores, rows)
        scores[np.setdiff1d(rows, one, assume_unique=True)] *= 0.5
    return replace(found, scores=scores)


def mask_of(scores: np.ndarray, *, fallback: bool = False) -> np.ndarray:
    """The mask (n,) bool of probabilities (n,).

    Args:
        scores: (n,).
        fallback: the official code's trick, see above.
    """
    mask = scores > 0.5
    if fallback and mask.sum() < _FEW:
        mask[np.argsort(-scores, kind="stable")[:_FALLBACK]] = True
    return mask


def mask_iou(scores: np.ndarray, target: np.ndarray, *, fallback: bool = False) -> float:
    """Intersection over union of `mask_of(scores)` and the target (n,) bool."""
    return measures.iou(target, mask_of(scores, fallback=fallback))


def unique_instances(scene: Scene) -> dict[int, bool]:
    """Of each instance whether it is the only one of its class: of its points' class, else of its box's name."""
    kinds: dict[int, object] = {box.instance: box.name for box in scene.boxes}
    if scene.labels is not None and scene.instances is not None:
        for instance in np.unique(scene.instances[scene.instances >= 0]).tolist():
            labels = scene.labels[scene.instances == instance]
            known = labels[labels >= 0]
            if len(known):
                kinds[instance] = int(np.bincount(known).argmax())
    counts: dict[object, int] = {}
    for kind in kinds.values():
        counts[kind] = counts.get(kind, 0) + 1
    return {instance: counts[kind] == 1 for instance, kind in kinds.items()}


def metrics(results: Iterable[SentenceResult], threshold: float = 0.5) -> dict[str, float]:
    """The metrics of some sentences.

    Args:
        results: of the sentences.
        threshold: of `presence`, from which a thing is said to be here.

    Returns:
        miou, acc25, acc50 over sentences that mean something here, all 0..1, and `sentences`, how many those are; the
        same of "unique" and "multiple" objects; "found", the share of them said to be here, "not_here", the share of
        the others said not to be, and "balanced", the mean of the two. What has no sentences is left out. Where the
        sentences are of a set with groups of its own, the same of each; of sentences about any number of things
        "f1_25" and "f1_50" (see `evaluation.several`), where what is said not to be here counts as an empty mask.
    """
    results = list(results)
    here, absent = [each for each in results if each.here], [each for each in results if not each.here]
    result = _summary(here)
    parts = {name: [each for each in here if each.unique is value] for name, value in _UNIQUE.items()}
    for name in sorted({each.group for each in here} - {"", *_UNIQUE}):
        parts[name] = [each for each in here if each.group == name]
    for name, some in parts.items():
        result |= {f"{name}_{key}": metric for key, metric in _summary(some).items()}
    result |= _f1_metrics(results, threshold)
    if here:
        result["found"] = sum(each.presence >= threshold for each in here) / len(here)
    if absent:
        result["not_here"] = sum(each.presence < threshold for each in absent) / len(absent)
    if here and absent:
        result["balanced"] = (result["found"] + result["not_here"]) / 2
    return result


def _f1_metrics(results: Sequence[SentenceResult], threshold: float) -> dict[str, float]:
    counted = [each for each in results if each.f1 is not None]
    found: dict[str, float] = {}
    for name in ("", *sorted({each.group for each in counted} - {""})):
        pairs = [_f1(each, threshold) for each in counted if name in ("", each.group)]
        if pairs:
            low, high = np.mean(pairs, 0).tolist()
            found |= {f"{name}_f1_25".strip("_"): low, f"{name}_f1_50".strip("_"): high}
    return found


def _f1(result: SentenceResult, threshold: float) -> tuple[float, float]:
    assert result.f1 is not None
    if result.presence >= threshold:
        return result.f1
    return (0.0, 0.0) if result.here else (1.0, 1.0)


def breakdown(results: Iterable[SentenceResult]) -> Mapping[str, dict[str, float]]:
    """miou, acc25, acc50 by the length of the sentence ("1-6 words", ...) and by the relation words in it."""
    here = [each for each in results if each.here]
    groups: dict[str, list[SentenceResult]] = {}
    for each in here:
        groups.setdefault(_length(each.text), []).append(each)
        names = [name for name, pattern in _PATTERNS.items() if pattern.search(each.text)]
        for name in names or ["no relation"]:
            groups.setdefault(name, []).append(each)
    return {name: _summary(groups[name]) for name in sorted(groups)}


def failures(results: Iterable[SentenceResult]) -> dict[str, dict[str, float]]:
    """Why masks are wrong: another object, another name, or a poor mask of the right one; and presence taken apart.

    Args:
        results: of the sentences.

    Returns:
        Of "all", "unique" and "multiple" objects, over sentences that mean something here: "object_right", the share
        whose mask overlaps that object most; "name_right", the share whose mask overlaps one of its name most, of those
        with a name; "nothing", the share whose mask touches no object; "iou_when_right", the mIoU where the object is
        right; "ceiling", the mIoU that the model's voxels allow; "sentences". Of "presence": "auc", how well the
        things that are here are told from those that are not, and the same beside the latter of each kind of absence
        alone ("kind_auc", "attribute_auc", see `evaluation.absence`), with how many sentences those are. All but
        counts are 0..1; what has no sentences is left out.
    """
    results = list(results)
    here = [each for each in results if each.here]
    groups = {"all": here, "unique": [each for each in here if each.unique is True]}
    groups["multiple"] = [each for each in here if each.unique is False]
    parts = {name: _taken_apart(group) for name, group in groups.items() if group}
    presence: dict[str, float] = {}
    for name in ("", *KINDS):
        absent = [each for each in results if not each.here and name in ("", each.absence)]
        found = measures.compute_presence(_presence([*here, *absent]))
        if found:
            presence |= {f"{name}_auc".strip("_"): found["auc"], f"{name}_sentences".strip("_"): float(len(absent))}
    return parts | ({"presence": presence} if presence else {})


def _taken_apart(here: list[SentenceResult]) -> dict[str, float]:
    values: dict[str, list[float | None]] = {
        "object_right": [each.object_right for each in here],
        "name_right": [each.name_right for each in here],
        "nothing": [each.nothing for each in here],
        "iou_when_right": [each.iou for each in here if each.object_right],
        "ceiling": [each.ceiling for each in here],
    }
    known = {name: [float(each) for each in column if each is not None] for name, column in values.items()}
    means = {name: sum(column) / len(column) for name, column in known.items() if column}
    return means | {"sentences": float(len(here))}


def best_threshold(results: Iterable[SentenceResult]) -> float:
    """The threshold of presence with the best mean of "found" and "not here"; 0.5 where one of the two is missing."""
    return measures.compute_presence(_presence(results)).get("threshold", 0.5)


def _presence(results: Iterable[SentenceResult]) -> np.ndarray:
    results = list(results)
    here, sure = [each.here for each in results], [each.presence for each in results]
    return measures.update_presence(measures.no_presence(), np.array(here, bool), np.array(sure, np.float64))


def _length(text: str) -> str:
    words = len(text.split())
    return "1-6 words" if words <= 6 else "7-12 words" if words <= 12 else "13 words and more"


def _summary(results: list[SentenceResult]) -> dict[str, float]:
    ious = np.array([each.iou for each in results])
    return measures.compute_masks(measures.update_ious(measures.no_masks(), ious))
