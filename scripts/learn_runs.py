"""The figures of docs/results/learn.md: quality against clicks, on rooms of Rooms-1.

    OMP_NUM_THREADS=1 python scripts/learn_runs.py clicks --seeds 1 2 3            # test rooms: corrections and heads
    OMP_NUM_THREADS=1 python scripts/learn_runs.py clicks --split val --seeds 1    # the same of validation rooms
    OMP_NUM_THREADS=1 python scripts/learn_runs.py picture                         # docs/learn.png

A made-up person looks at the labels of a room and clicks on what is wrong: of the things that labels show, the pieces
that these fall into and the parts of those, the one that gains the most points by the word of most of its points. He
does so in 1, 5 or 20 rooms, 1, 5, 20 and 100 times in each. Three people:

    hand      corrects shipped labels; nothing but what he clicked on changes
    learn     has a head learned after each of 1, 5 and 20 clicks, and clicks on what is wrong then
    scratch   begins without labels; they are those of a head on size, shape, height and colour of things, learned from
              his clicks alone

Measured are the rooms that were clicked in, corrections included, and 11 others that nobody clicked in. A room's
pictures and network run once (3 to 60 seconds), what is known of its parts is kept in out/learn.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from results.learn import CLICKS, draw
from results.rows import DATA as ROWS
from results.rows import add_row, make_row, this_command
from things_runs import Room

from scanwise.data.datasets import Source, read_source, scene_paths
from scanwise.data.surface import Surface
from scanwise.evaluation.segmentation import Confusion
from scanwise.methods.things.merging import joined
from scanwise.understand.learning import Described as Parts
from scanwise.understand.learning import (
    Learned,
    described_by_network,
    described_by_shape,
    examples_of,
    fit,
    trusted,
)
from scanwise.understand.shapes import SHIPPED, predict_shapes, shape_features
from scanwise.understand.things import SHIPPED as THINGS
from scanwise.understand.things import WHOLE, Things, things_of
from scanwise.vision import load_vision

DATA = Path("data/rooms-1")
KEPT = Path("out/learn")
SCENES = (1, 5, 20)
OTHERS = 11  # rooms that nobody clicks in


def main() -> None:
    """Runs the part that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["clicks", "picture"])
    parser.add_argument("--data", type=Path, default=DATA, help=f"[default: {DATA}]")
    parser.add_argument("--split", default="test")
    parser.add_argument("--rooms", type=int, default=31, help="the first so many")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="which rooms are clicked in")
    arguments = parser.parse_args()
    if arguments.part == "picture":
        draw(ROWS, Path("docs/learn.png"))
        return
    started = time.process_time()
    rooms = [room_of(path) for path in scene_paths(arguments.data, arguments.split)[: arguments.rooms]]
    print(f"{len(rooms)} rooms in {time.process_time() - started:.0f} s", flush=True)
    for seed in arguments.seeds:
        order = np.random.default_rng(seed).permutation(len(rooms))
        clicked, others = [rooms[place] for place in order[:-OTHERS]], [rooms[place] for place in order[-OTHERS:]]
        run(clicked[: max(SCENES)], others, seed, arguments.split)


@dataclass(eq=False)
class Known:
    """What is known of a room's parts, and the truth.

    Attributes:
        name: of the room.
        classes: K words.
        things: its parts.
        seen: what a 3D network sees in them.
        shaped: their size, shape, height and colour.
        logarithms: (P, K) shipped.
        counts: (P, K) points of each true word.
        part_of: (n,) part of each finite point.
        truth: (n,) true words.
    """

    name: str
    classes: list[str]
    things: Things
    seen: Parts
    shaped: Parts
    logarithms: torch.Tensor
    counts: np.ndarray
    part_of: np.ndarray
    truth: np.ndarray


def room_of(path: Source) -> Known:
    """A room, from out/learn where it was looked at before."""
    kept = KEPT / f"{Path(str(path)).name}.npz"
    if not kept.exists():
        look_at(path, kept)
    with np.load(kept) as found:
        things = Things(found["of_voxel"], found["pairs"], found["logits"], {})
        seen, shaped = (
            Parts(torch.from_numpy(found[name]), name, kept.stem) for name in ("seen", "shaped")
        )  # fmt: skip
        logarithms, rest = torch.from_numpy(found["logarithms"]), (found["counts"], found["part_of"], found["truth"])
        return Known(kept.stem, found["classes"].tolist(), things, seen, shaped, logarithms, *rest)


def look_at(path: Source, kept: Path) -> None:
    """Runs the network of a room and reads what its pictures say, and keeps what is known of its parts."""
    scene = read_source(path)
    surface = Surface(scene)
    shapes = predict_shapes(surface, SHIPPED, "cpu")
    things = things_of(surface, shapes, THINGS)
    room = Room(scene, surface, load_vision("rooms"), shapes, things)
    part_of, classes = things.of_voxel[surface.voxels.of_point], list(scene.classes or ())
    known = room.truth >= 0
    keys = part_of[known].astype(np.int64) * len(classes) + room.truth[known]
    counts = np.bincount(keys, minlength=len(things) * len(classes)).reshape(len(things), len(classes))
    seen = described_by_network(surface, things, shapes, shape_features(surface, SHIPPED, "cpu"))
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        kept, of_voxel=things.of_voxel, pairs=things.pairs, logits=things.logits, seen=seen.features.numpy(),
        shaped=described_by_shape(surface, things).features.numpy(), logarithms=room.votes("both").numpy(),
        classes=np.array(classes), counts=counts, part_of=part_of, truth=room.truth,
    )  # fmt: skip
    print(scene.name, flush=True)


@dataclass(eq=False)
class Person:
    """Somebody who corrects a room.

    Attributes:
        room: that he looks at.
        labels: (P,) words that are shown; -1 = none.
        said: (P,) words that he gave; -1 = none.
    """

    room: Known
    labels: np.ndarray
    said: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.said = np.full(len(self.labels), -1)

    def see(self, labels: np.ndarray) -> None:
        """Other labels are shown, but for what he said."""
        self.labels = np.where(self.said >= 0, self.said, labels)

    def click(self, count: int) -> None:
        """So many clicks, as long as there is something wrong."""
        for _ in range(count):
            best, part, word = 0.5, np.zeros(0, bool), 0
            for groups in self._groups():
                sums = grouped(groups, self.room.counts)
                gains = sums.max(1) - np.bincount(groups, self._right(), minlength=len(sums))
                if gains.max() > best:
                    place = int(gains.argmax())
                    best, part, word = float(gains.max()), groups == place, int(sums[place].argmax())
            if not len(part):
                return
            self.labels[part] = self.said[part] = word

    def _right(self) -> np.ndarray:
        """(P,) points of each part whose label is right."""
        right = self.room.counts[np.arange(len(self.labels)), np.maximum(self.labels, 0)]
        return np.where(self.labels >= 0, right, 0)

    def _groups(self) -> list[np.ndarray]:
        """What can be clicked on: things as labels show them, the scales of things, parts."""
        things = self.room.things
        alike = self.labels[things.pairs[:, 0]] == self.labels[things.pairs[:, 1]]
        (shown,) = joined(len(things), things.pairs[alike], things.logits[alike], [WHOLE])
        return [shown, *reversed(things.scales), np.arange(len(things))]

    @property
    def counts(self) -> np.ndarray:
        """(P, K + 1) points that are known to have each word, and the others."""
        points, words = self.room.counts.sum(1), self.room.counts.shape[1]
        result = np.zeros((len(points), words + 1), np.int64)
        result[np.arange(len(points)), np.where(self.said >= 0, self.said, words)] = np.maximum(points, 1)
        return result


def grouped(groups: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(G, K) sums of counts (P, K) over groups (P,)."""
    return np.stack([np.bincount(groups, column) for column in counts.T], 1)


def learned_by(people: Sequence[Person]) -> Learned:
    """The head of what some people corrected."""
    found, kept = [], dict[str, float]()
    for each in people:
        room = each.room
        found.append(examples_of(room.things, room.seen.features, room.logarithms, each.counts))
        kept[room.seen.content] = trusted(found[-1].corrected)
    return Learned(people[0].room.classes, *fit(found), people[0].room.seen.source, kept)


def from_scratch(people: Sequence[Person]) -> Learned:
    """The same without anything that was learned before: parts as they look, of which nothing is known at first."""
    found = []
    for each in people:
        room, said = each.room, each.said >= 0
        flat = torch.zeros_like(room.logarithms) - np.log(room.logarithms.shape[1])
        made = examples_of(room.things, room.shaped.features, flat, each.counts)
        made.weights[torch.from_numpy(~said)] = 0
        found.append(made)
    return Learned(people[0].room.classes, *fit(found, pull=1.0), people[0].room.shaped.source, {})


def labels_by(learned: Learned | None, room: Known, *, shipped: bool = True) -> np.ndarray:
    """(P,) labels of a room."""
    if learned is None:
        return room.logarithms.argmax(1).numpy() if shipped else np.full(len(room.logarithms), -1)
    if shipped:
        return learned(room.logarithms, learned.words, room.seen).argmax(1).numpy()
    flat = torch.zeros_like(room.logarithms) - np.log(room.logarithms.shape[1])
    return room.things.votes(learned(flat, learned.words, room.shaped).exp()).argmax(1).numpy()


def run(clicked: list[Known], others: list[Known], seed: int, split: str) -> None:
    """Everything of one seed; one scene is five times one, each by itself."""
    before = measured([(room, labels_by(None, room)) for room in clicked])
    neighbours = measured([(room, labels_by(None, room)) for room in others])
    record("shipped", seed, split, 20, 0, {"clicked": before, "others": neighbours}, None)
    for scenes in SCENES:
        sets = [[room] for room in clicked[:5]] if scenes == 1 else [clicked[:scenes]]
        for way in ("hand", "learn", "scratch"):
            started = time.process_time()
            found = [corrected_by(way, rooms, others) for rooms in sets]
            for place, clicks in enumerate(CLICKS):
                values = {key: float(np.mean([each[place][key] for each in found])) for key in found[0][place]}
                record(way, seed, split, scenes, clicks, values, time.process_time() - started)


def corrected_by(way: str, rooms: list[Known], others: list[Known]) -> list[dict[str, float]]:
    """mIoU of the rooms that were clicked in and of the others, after each of `CLICKS`."""
    shipped = way != "scratch"
    people = [Person(room, labels_by(None, room, shipped=shipped)) for room in rooms]
    result, done = [], 0
    learned: Learned | None = None
    for clicks in CLICKS:
        for each in people:
            each.click(clicks - done)
        done = clicks
        if way != "hand":
            learned = learned_by(people) if shipped else from_scratch(people)
            for each in people:
                each.see(labels_by(learned, each.room, shipped=shipped))
        seen = measured([(each.room, each.labels) for each in people])
        neighbours = measured([(room, labels_by(learned, room, shipped=shipped)) for room in others])
        result.append({"clicked": seen, "others": neighbours})
    return result


def measured(labelled: Sequence[tuple[Known, np.ndarray]]) -> float:
    """mIoU over the points of rooms, in per cent."""
    confusion = Confusion(labelled[0][0].classes)
    for room, labels in labelled:
        confusion.add(room.truth, labels[room.part_of])
    return 100 * confusion.metrics()["miou"]


def record(
    way: str, seed: int, split: str, scenes: int, clicks: int, values: dict[str, float], seconds: float | None
) -> None:
    """A row of docs/results/data/learn.json."""
    rounded = {key: round(value, 2) for key, value in values.items()}
    params = {"split": split, "scenes": scenes, "clicks": clicks}
    print(way, seed, params, rounded, flush=True)
    row = make_row(way, rounded, "%", command=this_command(), params=params, seed=seed, cpu_seconds=seconds)
    add_row(ROWS / "learn.json", row)


if __name__ == "__main__":
    main()
