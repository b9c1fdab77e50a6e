"""The ranker of `ask`, and the figures of docs/results/ask.md.

    OMP_NUM_THREADS=1 python scripts/ask_runs.py collect val     # each room, kept in out/ask; resumable
    OMP_NUM_THREADS=1 python scripts/ask_runs.py fit             # the ranker -> out/ask/best.ckpt
    OMP_NUM_THREADS=1 python scripts/ask_runs.py collect test
    OMP_NUM_THREADS=1 python scripts/ask_runs.py ceiling         # the best that any choice could reach
    OMP_NUM_THREADS=1 python scripts/ask_runs.py test            # all sentences, each part left out in turn

A room takes 40 seconds of one core to collect; the fit ten minutes. `fit` learns from masks and sentences of validation
rooms alone; how far answers can be trusted is fitted on rooms that the ranker of that fold did not see. Rows go to
docs/results/data/ask.json, `make results` writes the page.
"""

from __future__ import annotations

import argparse
import json
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from results.rows import DATA as ROWS
from results.rows import add_row, make_row, this_command

from scanwise.data.datasets import read_source, scene_paths
from scanwise.data.surface import Surface
from scanwise.evaluation.absence import absence_of, names_here
from scanwise.evaluation.calibration import BINS, Reliability
from scanwise.evaluation.referring import SentenceResult, best_threshold, breakdown, failures, metrics, unique_instances
from scanwise.methods.geopurify.features import lifted_features
from scanwise.methods.less.evaluate import load_trained, predict
from scanwise.training.checkpoints import Checkpoint, save
from scanwise.understand.choosing.asking import meant_by
from scanwise.understand.choosing.candidates import candidates_of
from scanwise.understand.choosing.choose import numbers_of, rank
from scanwise.understand.choosing.evidence import ALONE, Evidence
from scanwise.understand.choosing.phrases import Query, parse
from scanwise.understand.choosing.ranker import GROUPS, SHIPPED, Ranker, expected_iou_loss, load_ranker
from scanwise.understand.shapes import SHIPPED as SHAPES
from scanwise.understand.shapes import Shapes, predict_shapes
from scanwise.understand.things import SHIPPED as THINGS
from scanwise.understand.things import Things, things_of
from scanwise.vision import Vision, load_vision

DATA, OUT = Path("data/rooms-1"), Path("out/ask")
FOLDS, STEPS, FIRST_STEPS = 3, 1200, 600
DROPPED = 0.1  # how often the numbers of a group are hidden, so that it can be left out
RIGHT = 0.25  # IoU from which an answer counts as right


@dataclass(eq=False)
class Asked:
    """A sentence about a room.

    Attributes:
        query: parsed.
        instance: that it means, -1 = none.
        mask: (P,) of LESS.
        presence: of LESS.
        ious: (C,) of the candidates with what it means; zeros where that is nothing.
    """

    query: Query
    instance: int
    mask: np.ndarray
    presence: float
    ious: np.ndarray


@dataclass(eq=False)
class Room:
    """A room, its sentences, and the truth of them by parts."""

    name: str
    evidence: Evidence
    asked: list[Asked]
    counts: np.ndarray  # (P, I) voxels of each instance in each part
    unique: dict[int, bool]
    here: set[str]
    held_out: set[int]


def main() -> None:
    """Runs the part that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["collect", "fit", "ceiling", "test"])
    parser.add_argument("split", nargs="?", default="test")
    parser.add_argument("--data", type=Path, default=DATA, help=f"[default: {DATA}]")
    parser.add_argument("--out", type=Path, default=OUT, help=f"[default: {OUT}]")
    parser.add_argument("--model", default="less-rooms", help="LESS. [default: less-rooms]")
    parser.add_argument("--ranker", type=Path, default=SHIPPED, help=f"[default: {SHIPPED}]")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    {"collect": collect, "fit": fit, "ceiling": ceiling, "test": test}[arguments.part](arguments)


# What is known of each room


def collect(arguments: argparse.Namespace) -> None:
    """Keeps means over parts of what pictures, the 3D network and LESS make of each room."""
    vision, less = load_vision("rooms"), load_trained(Path(arguments.model))
    folder = arguments.out / arguments.split
    folder.mkdir(parents=True, exist_ok=True)
    for path in scene_paths(arguments.data, arguments.split):
        scene = read_source(path)
        kept = folder / f"{scene.name}.pkl"
        if kept.exists() or not scene.sentences:
            continue
        surface = Surface(scene)
        shapes = predict_shapes(surface, SHAPES, "cpu")
        things = things_of(surface, shapes, THINGS)
        features = lifted_features(surface, vision, keep=False).features
        raw = [things.means(torch.from_numpy(np.array(part, np.float32))) for part in np.array_split(features, 16, 1)]
        found = predict(less, scene, [each.text for each in scene.sentences], surface=surface)
        rows = surface.finite[surface.voxels.first]
        masks = torch.from_numpy(np.stack([each.scores[rows] for each in found], 1))
        assert scene.instances is not None
        facts = {
            "name": scene.name, "centers": surface.centers, "colors": np.asarray(surface.colors, np.float16),
            "of_voxel": things.of_voxel, "pairs": things.pairs, "logits": things.logits,
            "raw": torch.cat(raw, 1).half().numpy(), "classes": shapes.classes,
            "shapes": things.means(torch.from_numpy(np.array(shapes.probabilities, np.float32))).half().numpy(),
            "inst": scene.instances[rows], "sentences": [(each.text, each.instance) for each in scene.sentences],
            "less": things.means(masks).half().numpy(), "presence": np.array([each.presence for each in found]),
            "unique": unique_instances(scene), "here": names_here(scene),
            "held_out": {box.instance for box in scene.boxes if box.held_out},
        }  # fmt: skip
        temporary = kept.with_suffix(".part")
        temporary.write_bytes(pickle.dumps(facts))
        temporary.rename(kept)
        print(scene.name, len(surface), len(things), flush=True)


def rooms(folder: Path, data: Path, vision: Vision) -> Iterator[Room]:
    """The rooms that were collected."""
    for path in sorted(folder.glob("*.pkl")):
        facts = pickle.loads(path.read_bytes())  # our own
        things = Things(facts["of_voxel"].astype(np.int32), facts["pairs"], facts["logits"], {})
        candidates = candidates_of(things, facts["centers"], facts["colors"].astype(np.float32))
        pictures = torch.from_numpy(candidates.means(facts["raw"].astype(np.float32)))
        shapes = Shapes(candidates.means(facts["shapes"].astype(np.float32)), facts["classes"], {})
        counts = np.zeros((len(things), int(facts["inst"].max()) + 2), np.float32)
        np.add.at(counts, (things.of_voxel, facts["inst"] + 1), 1)
        counts = counts[:, 1:]
        inside = candidates.sums(counts)
        ious = inside / (candidates.sizes[:, None] + counts.sum(0) - inside)
        nothing = np.zeros(len(candidates), np.float32)
        asked = [
            Asked(parse(text), instance, mask, float(presence), ious[:, instance] if instance >= 0 else nothing)
            for (text, instance), mask, presence in zip(
                facts["sentences"], facts["less"].T.astype(np.float32), facts["presence"], strict=True
            )
        ]
        if "unique" not in facts:
            scene = read_source(data / folder.name / facts["name"])
            facts |= {"unique": unique_instances(scene), "here": names_here(scene)}
            facts["held_out"] = {box.instance for box in scene.boxes if box.held_out}
        evidence = Evidence(candidates, pictures, vision, shapes)
        yield Room(facts["name"], evidence, asked, counts, facts["unique"], facts["here"], facts["held_out"])


# The ranker


def fit(arguments: argparse.Namespace) -> None:
    """Learns the ranker, and from folds of it how far answers can be trusted."""
    every = list(rooms(arguments.out / "val", arguments.data, load_vision("rooms")))
    print(len(every), "rooms", flush=True)
    trust, right, here = list[np.ndarray](), list[bool](), list[bool]()
    for fold in range(FOLDS):
        ranker = learned([room for place, room in enumerate(every) if place % FOLDS != fold], arguments.seed)
        held = every[fold::FOLDS]
        results = list[SentenceResult]()
        for room in held:
            for each in room.asked:
                found = rank(room.evidence, ranker, each.query.targets[0], each.query.view, each.mask, each.presence)
                trust.append(found.trust)
                right.append(bool(each.ious[found.choices[0].candidate] >= RIGHT))
                here.append(each.instance >= 0)
            results += judged(room, ranker)
        print("fold", fold, {k: round(100 * v, 1) for k, v in metrics(results).items()}, flush=True)
    ranker = learned(every, arguments.seed)
    numbers = torch.from_numpy(np.stack(trust))
    logistic(ranker.right, numbers, torch.tensor(right).float())
    logistic(ranker.here, numbers, torch.tensor(here).float())
    with torch.no_grad():
        presence = ranker.here(numbers)[:, 0].sigmoid().tolist()
    of_folds = [SentenceResult(0.0, p, h, None, "") for p, h in zip(presence, here, strict=True)]
    threshold = best_threshold(of_folds)
    even(ranker, threshold)
    facts = {
        "kind": "ask", "recipe": {"data": str(arguments.data), "split": "val", "rooms": len(every), "steps": STEPS,
        "first_steps": FIRST_STEPS, "seed": arguments.seed, "less": arguments.model},
        "metrics": {key: round(value, 4) for key, value in metrics(of_folds, threshold).items()
                    if key in ("found", "not_here", "balanced")},
    }  # fmt: skip
    save(Checkpoint(dict(ranker.state_dict()), facts), arguments.out / "best.ckpt")
    print(json.dumps(facts["metrics"]))


def even(ranker: Ranker, threshold: float) -> None:
    """Moves presence so that it says .5 where the best threshold was: nine of ten sentences of Rooms-1 mean something,
    and one who asks "is there" does so at even odds."""
    with torch.no_grad():
        ranker.here.bias -= float(np.log(threshold / (1 - threshold)))
    ranker.least.fill_(0.5)


def learned(some: Sequence[Room], seed: int) -> Ranker:
    """A ranker of some rooms."""
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    ranker = Ranker()
    meant = [(room, each) for room in some for each in room.asked if each.instance >= 0 and each.query.targets]
    alone, ious = [], []
    for room, each in meant:
        usable = room.evidence.candidates.usable
        alone.append(torch.from_numpy(room.evidence.alone(each.query.targets[0])[usable]))
        ious.append(torch.from_numpy(each.ious[usable]))
    drawn = torch.cat([numbers[::7] for numbers in alone])
    count = len(ALONE)
    ranker.mean[:count], ranker.scale[:count] = drawn.mean(0), drawn.std(0).clamp(min=0.05)
    descend(list(ranker.by_itself.parameters()), FIRST_STEPS, generator, len(meant),
            lambda place: expected_iou_loss(ranker.alone(alone[place]), ious[place]))  # fmt: skip
    numbers, ious = [], []
    for room, each in meant:
        rows, found = numbers_of(room.evidence, ranker, each.query.targets[0], each.query.view, each.mask)
        numbers.append(torch.from_numpy(found))
        ious.append(torch.from_numpy(each.ious[rows]))
    of_first = ranker.mean[:count].clone(), ranker.scale[:count].clone()
    ranker.fit_scale(torch.cat([found[::5] for found in numbers]))
    ranker.mean[:count], ranker.scale[:count] = of_first

    def loss(place: int) -> torch.Tensor:
        hidden = [group for group in GROUPS if generator.random() < DROPPED]
        return expected_iou_loss(ranker(numbers[place], hidden), ious[place])

    descend([*ranker.linear.parameters(), *ranker.hidden.parameters()], STEPS, generator, len(meant), loss)
    return ranker.eval()


def descend(parameters: list[Any], steps: int, generator: np.random.Generator, count: int, loss: Any) -> None:
    """AdamW over batches of 16, one cycle of the rate."""
    optimizer = torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=steps)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.stack([loss(int(place)) for place in generator.integers(count, size=16)]).mean().backward()
        optimizer.step()
        schedule.step()


def logistic(layer: torch.nn.Linear, numbers: torch.Tensor, truth: torch.Tensor) -> None:
    """Logistic regression by L-BFGS, lightly regularised."""
    torch.nn.init.zeros_(layer.weight)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=200)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(layer(numbers)[:, 0], truth)
        loss = loss + 1e-3 * (layer.weight**2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)


# Figures


def ceiling(arguments: argparse.Namespace) -> None:
    """The IoU of the best candidate with what each sentence means."""
    best, count = list[float](), 0
    for room in rooms(arguments.out / arguments.split, arguments.data, load_vision("rooms")):
        best += [float(each.ious.max()) for each in room.asked if each.instance >= 0]
        count += 1
    write("ceiling", arguments.split, count, {"iou": float(np.mean(best)), "sentences": len(best)})
    print(f"{100 * np.mean(best):.1f} of {len(best)} sentences")


@dataclass(frozen=True)
class Told:
    """What an answer says of itself, and whether that is so."""

    confidence: float
    right: bool
    in_three: bool


def judged(
    room: Room, ranker: Ranker, without: Sequence[str] = (), told: list[Told] | None = None
) -> list[SentenceResult]:
    """The results of a room's sentences, masks over voxels of 2 cm."""
    results = []
    sizes = room.evidence.candidates.things.sizes.numpy()
    for each in room.asked:
        of_less = (None, 0.5) if "less" in without else (each.mask, each.presence)
        meant = meant_by(each.query, room.evidence, ranker, *of_less, without=without)
        ious = iou_of(room, sizes, meant.parts)
        here = each.instance >= 0
        best = int(ious.argmax()) if ious.any() else -1
        iou = float(ious[each.instance]) if here else 0.0
        if told is not None:
            fits = [iou_of(room, sizes, parts)[each.instance] for _, _, parts in meant.others[:3]] if here else []
            told.append(Told(meant.confidence, here and iou >= RIGHT, here and max(fits) >= RIGHT))
        results.append(SentenceResult(
            iou, meant.presence, here, room.unique.get(each.instance) if here else None, each.query.text,
            object_right=best == each.instance if here else None, nothing=best < 0 if here else None,
            absence="" if here else absence_of(each.query.text, room.here),
        ))  # fmt: skip
    return results


def iou_of(room: Room, sizes: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """(I,) IoU of some parts (P,) bool with each instance."""
    inside = room.counts[parts].sum(0)
    return inside / (sizes[parts].sum() + room.counts.sum(0) - inside)


WAYS: dict[str, tuple[str, ...]] = {
    "all": (), "without LESS": ("less",), "without relations": ("relations",), "without words": ("words",),
    "words alone": ("less", "relations"), "LESS alone": ("words", "relations"),
}  # fmt: skip


def test(arguments: argparse.Namespace) -> None:
    """All sentences of the test rooms that were collected."""
    ranker = load_ranker(arguments.ranker)
    results: dict[str, list[SentenceResult]] = {way: [] for way in WAYS}
    seen: dict[str, list[SentenceResult]] = {"seen models": [], "held-out models": []}
    told, count = list[Told](), 0
    for room in rooms(arguments.out / "test", arguments.data, load_vision("rooms")):
        count += 1
        for way, without in WAYS.items():
            found = judged(room, ranker, without, told if way == "all" else None)
            results[way] += found
            if way == "all":
                for each, result in zip(room.asked, found, strict=True):
                    if each.instance >= 0:
                        seen["held-out models" if each.instance in room.held_out else "seen models"].append(result)
        print(
            room.name, {k: round(100 * v, 1) for k, v in metrics(results["all"], ranker.threshold).items()}, flush=True
        )
    for way, found in {**results, **seen}.items():
        values = metrics(found, ranker.threshold)
        apart = failures(found)
        values["object_right"] = apart["all"]["object_right"]
        if "presence" in apart:
            values |= {f"presence_{key}": value for key, value in apart["presence"].items()}
        write("way", way, count, values)
        print(way, {k: round(100 * v, 1) for k, v in values.items()}, flush=True)
    for name, values in breakdown(results["all"]).items():
        write("kind", name, count, values)
    write("trust", "confidence", count, trust_of(told))
    print(trust_of(told))


def trust_of(told: Sequence[Told]) -> dict[str, Any]:
    """How far confidence says what it means."""
    confidence, right = np.array([each.confidence for each in told]), np.array([each.right for each in told])
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    table = Reliability(*(np.bincount(place, weights, BINS) for weights in (np.ones(len(told)), confidence, right)))
    high = confidence >= 0.8
    found = confidence >= 0.5
    return {
        "ece": table.error, "counts": table.count.tolist(), "of_bins": (table.right / table.count.clip(1)).tolist(),
        "right": float(right.mean()),
        "in_three": float(np.mean([each.in_three for each in told])), "high_share": float(high.mean()),
        "high_right": float(right[high].mean()) if high.any() else 0.0, "found_share": float(found.mean()),
        "found_right": float(right[found].mean()) if found.any() else 0.0, "sentences": len(told),
    }  # fmt: skip


def write(what: str, name: str, count: int, values: dict[str, Any]) -> None:
    """Keeps a row."""
    shares = {
        key: value if key in ("counts", "of_bins") or key.endswith("sentences") else 100 * value
        for key, value in values.items()
    }
    row = make_row(what, shares, "%", command=this_command(), params={"name": name, "rooms": count}, seed=1)
    add_row(ROWS / "ask.json", row)


if __name__ == "__main__":
    main()
