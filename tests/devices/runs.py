"""A short training of every method, on any device: what the pretended device and a card are checked with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from lightning_fabric import Fabric

from scanwise.formats import folder
from scanwise.methods.detect.recipe import DetectRecipe
from scanwise.methods.detect.train import train as detect
from scanwise.methods.dos.recipe import DOSRecipe
from scanwise.methods.dos.train import train as dos
from scanwise.methods.geopurify.recipe import GeoPurifyRecipe
from scanwise.methods.geopurify.train import train as geopurify
from scanwise.methods.image_baselines.recipe import BaselineRecipe
from scanwise.methods.image_baselines.train import train as image_baselines
from scanwise.methods.less.recipe import LESSRecipe
from scanwise.methods.less.train import train as less
from scanwise.methods.segment.recipe import SegmentRecipe
from scanwise.methods.segment.train import train as segment
from scanwise.methods.stellar.recipe import StellarRecipe
from scanwise.methods.stellar.train import train as stellar
from scanwise.methods.two_stage.recipe import TwoStageRecipe
from scanwise.methods.two_stage.train import train as two_stage
from scanwise.methods.vision.recipe import RoomsVisionRecipe
from scanwise.methods.vision.train import train as vision
from scanwise.training.backbones import random_backbone
from tests.framed import write_framed
from tests.methods.geopurify.corners import TINY, coloured
from tests.pictures import write_folder
from tests.rooms_with_sentences import write_rooms
from tests.scenes import write_scenes
from tests.sweeps import write_sweeps
from tests.worlds import ColourVision

Train = Callable[[Path, Path, Fabric], dict[str, float]]
"""Folder for data, folder for the run, device -> metrics."""
STEPS = {"batch": 2, "steps": 2, "validate_every": 2, "checkpoint_every": 1, "workers": 0}
CLOUDS = {"voxel": 0.1, **STEPS}
WORDS = {"media": 8, "levels": 2, "blocks": 1, "width": 16, "sentences": 3, **CLOUDS}
PICTURES = {"size": "nano", "image": 16, "patch": 4, "crop_size": 8, "crops": 2, "prototypes": 12, "predictor": 16,
            "prototype_width": 8, "decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2, **STEPS}  # fmt: skip


def train_segment(data: Path, out: Path, fabric: Fabric) -> dict[str, float]:
    """Classes of points."""
    recipe = SegmentRecipe(data=_scenes(data, 1), backbone="tiny", decoder=1, **CLOUDS)
    return segment(recipe, out, fabric)


def train_detect(data: Path, out: Path, fabric: Fabric) -> dict[str, float]:
    """Boxes of sweeps."""
    data = data if data.exists() else write_sweeps(data, train=2, val=1)
    recipe = DetectRecipe(data=data, backbone="tiny", reach=8.0, channels=16, **{**CLOUDS, "voxel": 0.4})
    return detect(recipe, out, fabric)


def train_dos(data: Path, out: Path, fabric: Fabric) -> dict[str, float]:
    """Clouds without labels."""
    small = {"prototypes": 32, "hidden": 32, "channels": 16, "probe_scenes": 2}
    recipe = DOSRecipe(data=_scenes(data, 2), backbone="tiny", **small, **CLOUDS)
    return dos(recipe, out, fabric)


def train_less(data: Path, out: Path, fabric: Fabric) -> dict[str, float]:
    """Masks of sentences, words from MiniLM."""
    recipe = LESSRecipe(data=write_rooms(data, train=2, val=1), queries=5, hidden=32, **WORDS)
    return less(recipe, out, fabric)


def train_two_stage(data: Path, out: Path, fabric: Fabric) -> dict[str, float]:
    """Objects, and the choice among them."""
    return two_stage(TwoStageRecipe(data=write_rooms(data, train=2, val=1), **WORDS), out, fabric)


def train_geopurify(data: Path, out: Path, fabric: Fabric) -> dict[str, float]:
    """A student of a teacher that has learned nothing."""
    for number, split in enumerate(("train", "train", "val")):
        folder.write(coloured(number), data / "corners" / split / str(number))
    recipe = GeoPurifyRecipe(data=data / "corners", scenes=2, **{**TINY, **STEPS})
    teacher = random_backbone("tiny", 0.2, ("color", "normal"))
    return geopurify(recipe, out, fabric, teacher=teacher, vision=ColourVision())


def train_vision(data: Path, out: Path, fabric: Fabric) -> dict[str, float]:
    """The 2D encoder upon EfficientNet-Lite0."""
    recipe = RoomsVisionRecipe(data=write_framed(data, train=2, val=1), crop=64, samples=64, **STEPS)
    return vision(recipe, out, fabric)


def train_stellar(data: Path, out: Path, fabric: Fabric) -> dict[str, float]:
    """Pictures as tokens."""
    return stellar(StellarRecipe(data=_pictures(data), tokens=4, teacher=0.5, **PICTURES), out, fabric)


def train_pictures(method: str) -> Train:
    """STELLAR's baselines."""

    def run(data: Path, out: Path, fabric: Fabric) -> dict[str, float]:
        known = {key: value for key, value in PICTURES.items() if key in BaselineRecipe.model_fields}
        return image_baselines(BaselineRecipe(data=_pictures(data), method=method, **known), out, fabric)

    return run


def _scenes(data: Path, val: int) -> Path:
    return data if data.exists() else write_scenes(data, train=2, val=val)


def _pictures(data: Path) -> Path:
    return data if data.exists() else write_folder(write_folder(data, 4), 2, "test", seed=500)


TRAININGS: dict[str, Train] = {
    "segment": train_segment, "detect": train_detect, "dos": train_dos, "less": train_less,
    "two-stage": train_two_stage, "geopurify": train_geopurify, "vision": train_vision, "stellar": train_stellar,
    "dino": train_pictures("dino"), "mae": train_pictures("mae"), "supervised": train_pictures("supervised"),
}  # fmt: skip


def first_losses(out: Path) -> list[float]:
    """Of the steps of a run, as its log has them."""
    lines = [line.split(",") for line in (out / "log.csv").read_text().splitlines()]
    place = lines[0].index("loss")
    return [float(line[place]) for line in lines[1:] if line[place]]


def seeded(train: Train, data: Path, out: Path, fabric: Fabric) -> list[float]:
    """Losses of a training from the same start."""
    torch.manual_seed(0)
    train(data, out, fabric)
    return first_losses(out)
