"""The figures of docs/results/things.md: labels as votes of things, objects, and how sure to be of them.

    OMP_NUM_THREADS=1 python scripts/things_runs.py choose       # rules of votes, on validation rooms
    OMP_NUM_THREADS=1 python scripts/things_runs.py calibrate    # temperatures, on validation rooms
    OMP_NUM_THREADS=1 python scripts/things_runs.py test         # labels, objects and confidence, on test rooms
    OMP_NUM_THREADS=1 python scripts/things_runs.py objects      # objects alone
    OMP_NUM_THREADS=1 python scripts/things_runs.py network      # the 3D network by itself, on all test rooms

Validation rooms are those that the network of things was not taught on (a quarter of `val`). A room takes 20 to 60
seconds of one thread at first, and a few when its pictures' scores are in the cache. Rows go to
docs/results/data/things.json, `make results` writes the page.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from commands import scanwise
from results.rows import DATA as ROWS
from results.rows import add_row, make_row, this_command
from results.things import CLUSTERED, MERGED, POINTS, TRUE, VOTES

from scanwise.data.datasets import read_source, scene_paths
from scanwise.data.surface import Surface
from scanwise.evaluation.calibration import Reliability, best_temperature
from scanwise.evaluation.instances import Matches, mean_metrics, object_overlaps
from scanwise.evaluation.segmentation import Confusion
from scanwise.methods.geopurify.evaluate import PROMPTS
from scanwise.methods.geopurify.features import projected_features
from scanwise.methods.things.data import owners, true_things
from scanwise.methods.things.merging import joined
from scanwise.nn.pooling import geometric_weights
from scanwise.scene import Scene
from scanwise.understand.confidence import TEMPERATURES
from scanwise.understand.objects import connected_labels
from scanwise.understand.purification import pooled
from scanwise.understand.shapes import SHIPPED, Shapes, joint, predict_shapes
from scanwise.understand.things import SHIPPED as THINGS
from scanwise.understand.things import Things, things_of
from scanwise.vision import Vision, load_vision

DATA = Path("data/rooms-1")
STUFF = ("wall", "floor", "ceiling")  # words that are no objects
EVIDENCE = ("both", "pictures", "shapes")
UNSURE = (0.3, 0.5, 0.7, 0.9)


def main() -> None:
    """Runs the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"choose": choose, "calibrate": calibrate, "test": test, "objects": objects, "network": network}
    parser.add_argument("part", choices=list(parts))
    parser.add_argument("--data", type=Path, default=DATA, help=f"[default: {DATA}]")
    parser.add_argument("--rooms", type=int, default=0, help="the first so many; 0 = all")
    parser.add_argument("--shapes", type=Path, default=SHIPPED, help=f"the 3D network. [default: {SHIPPED}]")
    parser.add_argument("--things", type=Path, default=THINGS, help=f"[default: {THINGS}]")
    arguments = parser.parse_args()
    parts[arguments.part](arguments)


@dataclass(eq=False)
class Room:
    """A room with labels, and what is known of its voxels."""

    scene: Scene
    surface: Surface
    vision: Vision
    shapes: Shapes
    things: Things

    @cached_property
    def words(self) -> list[str]:
        """What is asked for in place of the class names."""
        assert self.scene.classes is not None
        return [PROMPTS.get(name, name) for name in self.scene.classes]

    @cached_property
    def pictures(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (M, K) as lifted, and pooled."""
        embeddings = self.vision.encode_texts(self.words).float()
        found = projected_features(self.surface, self.vision, embeddings.T.contiguous())
        alone = torch.from_numpy(np.array(found)) * self.vision.scale
        return alone, pooled(alone, self.surface, geometric_weights(self.surface), "cpu")

    @cached_property
    def of_texts(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Probabilities (M, K) of the shapes, and how known the words are."""
        return self.shapes.of_texts(self.words)

    def points(self, evidence: str) -> torch.Tensor:
        """(M, K) logits of labels without things, as `label --things off` has them."""
        weights = geometric_weights(self.surface)
        smooth = pooled(torch.from_numpy(np.array(self.shapes.probabilities, np.float32)), self.surface, weights, "cpu")
        shapes = Shapes(smooth.numpy(), self.shapes.classes, {}).of_texts(self.words)
        pictures = None if evidence == "shapes" else self.pictures[1]
        return joint(pictures, *((None, None) if evidence == "pictures" else shapes))

    def parts(self, evidence: str, kind: str = "mean") -> torch.Tensor:
        """(P, K) logits of the parts by themselves; kind: which scores of the pictures, "alone", "pooled", "mean"."""
        alone, clean = (each.softmax(1) for each in self.pictures)
        shown = {"alone": alone, "pooled": clean, "mean": (alone + clean) / 2}[kind]
        pictures = None if evidence == "shapes" else self.things.means(shown).log()
        probabilities, known = self.of_texts
        of_shapes = (None, None) if evidence == "pictures" else (self.things.means(probabilities), known)
        return joint(pictures, *of_shapes)

    def votes(self, evidence: str) -> torch.Tensor:
        """(P, K) log-probabilities, as `label` has them."""
        return self.things.votes(self.parts(evidence).softmax(1)).log()

    def of_points(self, of_rows: np.ndarray) -> np.ndarray:
        """Values of voxels (M, ...) or parts (P, ...), for the finite points."""
        if len(of_rows) == len(self.things) != len(self.surface):
            of_rows = of_rows[self.things.of_voxel]
        return of_rows[self.surface.voxels.of_point]

    @cached_property
    def truth(self) -> np.ndarray:
        """(n,) labels of the finite points."""
        assert self.scene.labels is not None
        return self.scene.labels[self.surface.finite]

    @cached_property
    def true_things(self) -> np.ndarray:
        """(n,) things of the finite points, as of `methods.things.data`."""
        return true_things(self.scene)[self.surface.finite]


def rooms(arguments: argparse.Namespace, split: str) -> Iterator[Room]:
    """Rooms of a split; of `val` those that were held out when things were learned."""
    vision = load_vision("rooms")
    paths = scene_paths(arguments.data, split)
    for path in (paths[::4] if split == "val" else paths)[: arguments.rooms or None]:
        scene = read_source(path)
        surface = Surface(scene)
        shapes = predict_shapes(surface, arguments.shapes, "cpu")
        yield Room(scene, surface, vision, shapes, things_of(surface, shapes, arguments.things))
        print(scene.name, flush=True)


# Rules of votes


def of_scales(scales: Sequence[float]) -> Callable[[Room], torch.Tensor]:
    """Votes of parts joined down to some logits."""

    def vote(room: Room) -> torch.Tensor:
        things = room.things
        groups = joined(len(things), things.pairs, things.logits, scales)
        changed = Things(things.of_voxel, things.pairs, things.logits, {})
        changed.__dict__["scales"] = groups
        return changed.votes(room.parts("both").softmax(1))

    return vote


def of_truth(room: Room) -> torch.Tensor:
    """(M, K) votes of true things: what perfect joining of perfect parts would give."""
    voxels = room.true_things[room.surface.voxels.first]
    _, thing = np.unique(voxels, return_inverse=True)
    alone = Things(thing.astype(np.int32), np.zeros((0, 2), np.int64), np.zeros(0), {})
    pictures = alone.means((room.pictures[0].softmax(1) + room.pictures[1].softmax(1)) / 2).log()
    probabilities, known = room.of_texts
    return joint(pictures, alone.means(probabilities), known)[torch.from_numpy(thing)]


def of_owners(room: Room) -> torch.Tensor:
    """(P, K) votes of parts joined by the true thing of most of their voxels: what perfect joining would give."""
    owner = owners_of(room)
    _, thing = np.unique(owner, return_inverse=True)
    rows = torch.from_numpy(thing)
    weighed, count = room.parts("both").softmax(1) * room.things.sizes[:, None], int(thing.max()) + 1
    sums = torch.zeros(count, weighed.shape[1]).index_add_(0, rows, weighed)
    return (sums / torch.zeros(count).index_add_(0, rows, room.things.sizes)[:, None])[rows]


def owners_of(room: Room) -> np.ndarray:
    """(P,) true thing of most voxels of each part."""
    return owners(room.things.of_voxel, room.true_things[room.surface.voxels.first])


RULES: dict[str, Callable[[Room], torch.Tensor]] = {
    POINTS: lambda room: room.points("both"),
    "parts, pictures as lifted": lambda room: room.parts("both", "alone"),
    "parts, pictures pooled": lambda room: room.parts("both", "pooled"),
    "parts, both": lambda room: room.parts("both"),
    "joined down to 4": of_scales((4.0,)),
    "joined down to 2": of_scales((2.0,)),
    "joined down to 0": of_scales((0.0,)),
    VOTES: lambda room: room.votes("both"),
    MERGED: of_owners,
    TRUE: of_truth,
}


def choose(arguments: argparse.Namespace) -> None:
    """mIoU of each rule."""
    confusions = dict[str, Confusion]()
    for room in rooms(arguments, "val"):
        assert room.scene.classes is not None
        for name, rule in RULES.items():
            found = room.of_points(rule(room).argmax(1).numpy())
            confusions.setdefault(name, Confusion(room.scene.classes)).add(room.truth, found)
    for name, confusion in confusions.items():
        record(name, {key: 100 * value for key, value in confusion.metrics().items()}, part="choose")


# Confidence


def calibrate(arguments: argparse.Namespace) -> None:
    """The temperature of each kind of evidence that makes the truth likeliest."""
    drawn = dict[str, list[tuple[np.ndarray, np.ndarray]]]()
    for number, room in enumerate(rooms(arguments, "val")):
        rows = np.random.default_rng(number).choice(len(room.truth), 20_000)
        for evidence in EVIDENCE:
            for name, logits in ((evidence, room.points(evidence)), (f"{evidence} of things", room.votes(evidence))):
                drawn.setdefault(name, []).append((room.of_points(logits.numpy())[rows], room.truth[rows]))
    for name, pairs in drawn.items():
        logits, truth = (np.concatenate(each) for each in zip(*pairs, strict=True))
        temperature = best_temperature(logits, truth)
        before, after = (Reliability.of(logits / each, truth).error for each in (1.0, temperature))
        record(name, {"temperature": temperature, "before": 100 * before, "after": 100 * after}, part="calibrate")


# Test rooms


def test(arguments: argparse.Namespace) -> None:
    """Labels with and without things, of each kind of evidence; objects; confidence."""
    confusions = dict[tuple[str, str, str], Confusion]()
    matches = dict[tuple[str, str], Matches]()
    sure = {name: Reliability.empty() for name in ("before", "after")}
    count = 0
    for room in rooms(arguments, "test"):
        count += 1
        held_out = np.isin(true_instances(room), [box.instance for box in room.scene.boxes if box.held_out])
        seen = np.isin(true_instances(room), [box.instance for box in room.scene.boxes if not box.held_out])
        answers = {(POINTS, evidence): room.points(evidence) for evidence in EVIDENCE}
        answers |= {(VOTES, evidence): room.votes(evidence) for evidence in EVIDENCE}
        answers |= {(TRUE, "both"): of_truth(room), (MERGED, "both"): of_owners(room)}
        for (name, evidence), logits in answers.items():
            found = room.of_points(logits.argmax(1).numpy())
            for which, rows in (("all", slice(None)), ("seen", seen), ("unseen", held_out)):
                key = (name, evidence, which)
                confusions.setdefault(key, Confusion(list(room.scene.classes or ()))).add(room.truth[rows], found[rows])
        for name, temperature in (("before", 1.0), ("after", TEMPERATURES["both of things"])):
            sure[name].add(room.of_points((answers[VOTES, "both"] / temperature).softmax(1).numpy()), room.truth)
        match_objects(room, matches)
    params = {"part": "test", "rooms": count}
    for (name, evidence, which), confusion in confusions.items():
        metrics = {key: 100 * value for key, value in confusion.metrics().items()}
        record(name, metrics, evidence=evidence, models=which, **params)
    record_objects(matches, count)
    for name, reliability in sure.items():
        record(name, {"ece": 100 * reliability.error, "bins": reliability.table()}, **{**params, "part": "confidence"})
    for least in UNSURE:
        share, right = sure["after"].above(least)
        record("unsure", {"left": 100 * share, "right": 100 * right}, **{**params, "part": "unsure", "least": least})


def objects(arguments: argparse.Namespace) -> None:
    """Objects alone, as `test` measures them."""
    matches, count = dict[tuple[str, str], Matches](), 0
    for room in rooms(arguments, "test"):
        count += 1
        match_objects(room, matches)
    record_objects(matches, count)


def record_objects(matches: dict[tuple[str, str], Matches], count: int) -> None:
    """Rows of the ways to find objects, means over words."""
    of_ways = dict[str, dict[str, Matches]]()
    for (way, word), found in matches.items():
        of_ways.setdefault(way, {})[word] = found
    for way, found_of in of_ways.items():
        values = {key: 100 * value for key, value in mean_metrics(found_of).items()}
        record(way, values, part="objects", rooms=count)


def network(arguments: argparse.Namespace) -> None:
    """The 3D network by itself."""
    out = Path("out") / arguments.shapes.name
    if not (out / "test.json").exists():
        scanwise("evaluate", "segment", arguments.shapes, arguments.data, "--split", "test", "--out", out)
    for which, values in json.loads((out / "test.json").read_text()).items():
        metrics = {key: 100 * values[key] for key in ("miou", "macc", "accuracy")}
        record(str(arguments.shapes), metrics, part="network", models=which)


def true_instances(room: Room) -> np.ndarray:
    """(n,) instance of the finite points, -1 = none."""
    assert room.scene.instances is not None
    return room.scene.instances[room.surface.finite]


def match_objects(room: Room, matches: dict[tuple[str, str], Matches]) -> None:
    """Objects of a room found in several ways, against the true ones: of any word, and word by word."""
    classes = list(room.scene.classes or ())
    probabilities = (room.votes("both") / TEMPERATURES["both of things"]).softmax(1).numpy()
    labels = probabilities.argmax(1).astype(np.int32)
    of_point, scores = room.of_points(labels), room.of_points(probabilities.max(1))
    points = room.scene.points[room.surface.finite]
    ways = {
        VOTES: room.of_points(room.things.objects(labels)),
        CLUSTERED: clusters(points, of_point),
        "connected points of one word": connected_labels(points, of_point),
    }
    if room.shapes.offsets is not None:
        shifted = points + room.of_points(np.asarray(room.shapes.offsets, np.float32))
        ways["points shifted to their middles"] = clusters(shifted, of_point, reach=0.15)
    instances = true_instances(room)
    word_of = np.full(instances.max(initial=-1) + 2, -1)
    word_of[instances] = np.where(instances >= 0, room.truth, -1)
    for way, objects in ways.items():
        count = int(objects.max(initial=-1)) + 1
        word = np.full(count, -1)
        word[objects[objects >= 0]] = of_point[objects >= 0]
        sums = np.bincount(objects[objects >= 0], scores[objects >= 0], minlength=count)
        sizes = np.bincount(objects[objects >= 0], minlength=count)
        confidence = sums / np.maximum(sizes, 1)
        things = (sizes >= 100) & ~np.isin(word, [classes.index(name) for name in STUFF if name in classes])
        ious, numbers, ignored = object_overlaps(objects, instances)
        matches.setdefault((way + ", any word", ""), Matches()).add(ious[things], confidence[things], ignored[things])
        for number, name in enumerate(classes):
            rows, columns = things & (word == number), word_of[numbers] == number
            if name not in STUFF:
                matches.setdefault((way, name), Matches()).add(ious[rows][:, columns], confidence[rows], ignored[rows])


def clusters(points: np.ndarray, labels: np.ndarray, reach: float = 0.06, eps: float = 0.05) -> np.ndarray:
    """(n,) DBSCAN of the points of each word, thinned to cells of `reach` / 3 as it takes pairs of points."""
    from sklearn.cluster import DBSCAN

    result, count = np.full(len(points), -1, np.int32), 0
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        _, first, of_row = np.unique(
            np.floor(points[rows] / (reach / 3)).astype(np.int64), axis=0, return_index=True, return_inverse=True
        )
        found = DBSCAN(eps=max(eps, reach), min_samples=5).fit_predict(points[rows[first]])
        result[rows] = np.where(found >= 0, found + count, -1)[of_row.reshape(-1)]
        count += int(found.max(initial=-1)) + 1
    return result


def record(name: str, metrics: dict[str, object], **params: object) -> None:
    """A row of docs/results/data/things.json."""
    rounded = {key: round(value, 2) if isinstance(value, float) else value for key, value in metrics.items()}
    print(name, params, rounded, flush=True)
    add_row(ROWS / "things.json", make_row(name, rounded, "%", command=this_command(), params=params))


if __name__ == "__main__":
    main()
