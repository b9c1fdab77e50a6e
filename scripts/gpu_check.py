"""Whether everything runs on a card as it does on the CPU, and how fast: one command of a few minutes, one JSON.

    python scripts/gpu_check.py --json docs/results/data/gpu.json

It needs neither network nor furniture: the demo's scan, small made scenes and rooms of random boxes. Each part is told
when it is done; the last line is the verdict, and the exit code is 0 only where every part agrees. `--device` takes
another card; `--device pretend` takes tests/devices/pretended.py's, which has no speed but every check.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

import numpy as np
import torch
from results.rows import add_row, make_row, this_command

import scanwise
from scanwise import devices
from scanwise.errors import InputError
from scanwise.methods.dos.data import collate_views
from scanwise.methods.dos.model import DOS
from scanwise.methods.dos.recipe import DOSRecipe
from scanwise.methods.less.data import MakeReferSample, collate_refer
from scanwise.methods.less.model import LESS
from scanwise.methods.less.recipe import LESSRecipe
from scanwise.methods.segment.data import MakeSample
from scanwise.methods.segment.model import Segmenter
from scanwise.methods.segment.recipe import SegmentRecipe
from scanwise.scene import Box, Referral, Scene
from scanwise.training.backbones import load_backbone
from scanwise.training.launch import make_fabric
from scanwise.training.recipe import read_recipe
from tests.devices import pretended
from tests.devices.runs import TRAININGS, seeded

HERE = Path(__file__).resolve().parents[1]
CPU = torch.device("cpu")
WORDS = ["chair", "table", "wall", "floor", "lamp", "laptop"]
STEPS = 5  # that are timed, after one that is not
DRAWN_THERE = {"stellar", "dino", "mae"}  # masks and colours are drawn on the device, and devices draw other numbers
AIMS = {"segment": 0.12, "less": 0.4}  # seconds a step, alone on a card


class Check:
    """What was found, told as it comes and written when it is found.

    Args:
        file: JSON of rows; None = told alone.
        device: that is compared with the CPU.
    """

    def __init__(self, file: Path | None, device: torch.device) -> None:
        self.file, self.device = file, device
        self.failed: list[str] = []

    def part(self, name: str, work: Callable[[], dict[str, float]], agrees: Callable[[dict[str, float]], bool]) -> None:
        """Does a part, and says whether it agrees with the CPU."""
        began = time.perf_counter()
        try:
            found = work()
            right = agrees(found)
        except Exception:
            traceback.print_exc()
            found, right = {}, False
        if not right:
            self.failed.append(name)
        told = ", ".join(f"{key} {value:.4g}" for key, value in found.items())
        print(f"{'ok   ' if right else 'WRONG'} {name}: {told} ({time.perf_counter() - began:.0f} s)", flush=True)
        if self.file:
            params = {"device": card(self.device), "torch": torch.__version__, "agrees": right}
            add_row(self.file, make_row(name, found, "", command=this_command(), params=params))


def main() -> int:
    """Runs the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", help="cuda, cuda:1, mps, cpu; pretend. [default: what is there]")
    parser.add_argument("--json", type=Path, help="file for the rows")
    parser.add_argument("--rooms", type=int, default=8, help="of a timed step of segment; of LESS half as many again")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        if arguments.device == pretended.NAME:
            device = stack.enter_context(pretended.pretending())
        else:
            try:
                device = devices.find(arguments.device)
            except InputError as error:
                parser.error(str(error))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        print(f"{card(device)}, torch {torch.__version__}, beside the CPU with {torch.get_num_threads()} threads")
        check = Check(arguments.json, device)
        verbs(check, folder)
        trainings(check, folder)
        timings(check, arguments.rooms)
    print(f"verdict: {'everything agrees' if not check.failed else 'these do not agree: ' + ', '.join(check.failed)}")
    return 1 if check.failed else 0


# What people do


def verbs(check: Check, folder: Path) -> None:
    """Labels, answers and features of the demo's scan."""
    scene = scanwise.read_scene(str(files("scanwise") / "demo"))

    def label() -> dict[str, float]:
        found, seconds = [], []
        for device in (CPU, check.device):
            os.environ["SCANWISE_CACHE"] = str(folder / f"cache-{device.type}")  # each computes for itself
            began = time.perf_counter()
            found.append(scanwise.label(scene, WORDS, device=device))
            seconds.append(time.perf_counter() - began)
        same = float((found[0].indices == found[1].indices).mean())
        return {"same": same, "CPU seconds": seconds[0], "seconds": seconds[1]}

    def ask() -> dict[str, float]:
        one, two = (scanwise.ask(scene, "the chair at the table", device=device) for device in (CPU, check.device))
        return {"difference": float(np.nanmax(np.abs(one.scores - two.scores)))}

    def features() -> dict[str, float]:
        found = []
        for device in (CPU, check.device):
            frozen = load_backbone(Path("dos-rooms-small"))
            frozen.backbone.to(device)
            found.append(frozen.encode(scene)[1])
        norms = np.linalg.norm(found[0], axis=1) * np.linalg.norm(found[1], axis=1)
        return {"least cosine": float(((found[0] * found[1]).sum(1) / np.maximum(norms, 1e-9)).min())}

    check.part("label", label, lambda found: found["same"] > 0.99)
    check.part("ask", ask, lambda found: found["difference"] < 0.02)
    check.part("features", features, lambda found: found["least cosine"] > 0.999)


# A step of every method


def trainings(check: Check, folder: Path) -> None:
    """Two steps of each, from the same start; in half the bits on the card as well."""
    for method, train in TRAININGS.items():

        def compare(method: str = method, train: Any = train) -> dict[str, float]:
            data = folder / "data" / method
            here = seeded(train, data, folder / f"{method}-cpu", make_fabric(device="cpu"))
            there = seeded(train, data, folder / f"{method}-there", fabric(check.device))
            half = seeded(train, data, folder / f"{method}-half", fabric(check.device, "bf16-mixed"))
            return {"CPU": here[0], "loss": there[0], "in bfloat16": half[0]}

        def agrees(found: dict[str, float], method: str = method) -> bool:
            finite = all(np.isfinite(value) for value in found.values())
            return finite and (method in DRAWN_THERE or abs(found["loss"] - found["CPU"]) < 0.02 * abs(found["CPU"]))

        check.part(f"train {method}", compare, agrees)


def fabric(device: torch.device, precision: Any = "32-true") -> Any:
    """One process on a device."""
    if device.type == pretended.NAME:
        return pretended.fabric(precision)
    return make_fabric(device=str(device), precision=precision)


# How fast


def timings(check: Check, rooms: int) -> None:
    """Median seconds and most memory of a step of the published sizes, on the card and, once, on the CPU."""
    cases = {"segment": (segment_step, rooms), "less": (less_step, rooms * 3 // 2), "dos": (dos_step, rooms)}
    for name, (make, count) in cases.items():

        def measure(name: str = name, make: Any = make, count: int = count) -> dict[str, float]:
            torch.manual_seed(0)
            module, batch = make(count)
            found: dict[str, float] = {"CPU seconds": steps(module, batch, CPU, 1)}
            found["CPU GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
            if check.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(check.device)
            found["seconds"] = steps(module.to(check.device), batch.to(check.device), check.device, STEPS)
            if check.device.type == "cuda":
                found["GB"] = torch.cuda.max_memory_allocated(check.device) / 1e9
            if name in AIMS:
                found["aim"] = AIMS[name]
            return found

        check.part(f"step of {name}", measure, lambda found: np.isfinite(found["seconds"]))


def steps(module: torch.nn.Module, batch: Any, device: torch.device, count: int) -> float:
    """Median seconds of a step: losses, gradients, AdamW."""
    optimizer = torch.optim.AdamW([each for each in module.parameters() if each.requires_grad], 1e-4)
    seconds = []
    for _ in range(count + (device.type != "cpu")):
        began = time.perf_counter()
        module.training_step(batch, 0.0)["loss"].backward()  # type: ignore[operator]
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[-count:])


def segment_step(rooms: int) -> tuple[torch.nn.Module, Any]:
    """recipes/segment-rooms.yaml: whole rooms at 5 cm."""
    from scanwise.data.clouds import collate

    recipe = read_recipe(HERE / "recipes/segment-rooms.yaml", SegmentRecipe)
    make = MakeSample(recipe)
    samples = [make(scene, np.random.default_rng(0)) for scene in made_rooms(rooms)]
    return Segmenter(recipe, ["floor", "wall", "box"]).train(), collate(samples)


def less_step(rooms: int) -> tuple[torch.nn.Module, Any]:
    """recipes/less-rooms.yaml: eight sentences a room."""
    recipe = read_recipe(HERE / "recipes/less-rooms.yaml", LESSRecipe)
    make = MakeReferSample(recipe, [])
    samples = [make(scene, np.random.default_rng(0)) for scene in made_rooms(rooms)]
    return LESS(recipe, recipe.encoder([])).train(), collate_refer(samples)


def dos_step(rooms: int) -> tuple[torch.nn.Module, Any]:
    """recipes/dos-rooms-small.yaml: two masked views a room."""
    recipe = read_recipe(HERE / "recipes/dos-rooms-small.yaml", DOSRecipe)
    make = recipe.views()
    pairs = [make(scene, np.random.default_rng(0)) for scene in made_rooms(rooms)]
    return DOS(recipe).train(), collate_views(pairs)


def made_rooms(count: int) -> Iterator[Scene]:
    """Rooms of 6 x 5 x 2.6 m with a dozen boxes, about 45 000 voxels of 5 cm, with sentences for the boxes."""
    for number in range(count):
        generator = np.random.default_rng(number)
        faces = [box_faces(np.zeros(3), np.array([6, 5, 2.6]), 0.035)]
        kinds, objects = [np.where(faces[0][:, 2] == 0, 0, 1)], [np.full(len(faces[0]), -1)]
        boxes = []
        for each in range(12):
            size = generator.uniform(0.3, 1.2, 3)
            corner = np.append(generator.uniform((0, 0), np.array([6, 5]) - size[:2]), 0)
            faces.append(box_faces(corner, size, 0.035))
            kinds.append(np.full(len(faces[-1]), 2))
            objects.append(np.full(len(faces[-1]), each))
            boxes.append(Box(each, "box", tuple(corner + size / 2), tuple(size)))
        points, labels = np.concatenate(faces), np.concatenate(kinds)
        colors = generator.integers(0, 255, (len(points), 3)).astype(np.uint8)
        normals = np.tile(np.array([0, 0, 1], np.float32), (len(points), 1))
        yield Scene(
            points, colors, normals=normals, labels=labels, instances=np.concatenate(objects), boxes=boxes,
            classes=["floor", "wall", "box"], name=f"boxes-{number}",
            sentences=[Referral(f"the box number {each}", each) for each in range(12)],
        )  # fmt: skip


def box_faces(corner: np.ndarray, size: np.ndarray, step: float) -> np.ndarray:
    """Points of a box's six faces on a grid."""
    faces = []
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        grid = np.stack(np.meshgrid(*(np.arange(0, size[other], step) for other in others)), -1).reshape(-1, 2)
        for end in (0.0, size[axis]):
            face = np.empty((len(grid), 3))
            face[:, others], face[:, axis] = grid, end
            faces.append(face + corner)
    return np.concatenate(faces)


def card(device: torch.device) -> str:
    """What the device calls itself."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


if __name__ == "__main__":
    raise SystemExit(main())
