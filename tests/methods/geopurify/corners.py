"""GeoPurify's student on a corner of three plain colours: what its tests share."""

from dataclasses import replace

import numpy as np

from scanwise.geometry.neighbours import neighbour_table
from scanwise.methods.geopurify.data import TrainingScene
from scanwise.methods.geopurify.recipe import GeoPurifyRecipe
from scanwise.scene import Scene
from tests.worlds import COLOURS, corner_scene

CLASSES = ["red", "green", "blue"]
TINY = {"reduced": 3, "hidden": 8, "channels": 8, "blocks": 1, "crop": 2000, "anchors": 64, "val_scenes": 1}


def coloured(seed: int) -> Scene:
    """The corner, with its points moved by up to a centimetre and its colours as labels."""
    scene = corner_scene()
    points = scene.points + np.random.default_rng(seed).uniform(-0.01, 0.01, scene.points.shape)
    palette = np.array([COLOURS[name] for name in CLASSES])
    labels = np.abs(scene.colors[:, None].astype(int) - palette).sum(2).argmin(1)
    return replace(scene, points=points, labels=labels, classes=CLASSES, name=f"corner-{seed}")


def recipe(data, **more) -> GeoPurifyRecipe:
    return GeoPurifyRecipe.model_validate(
        {"data": data, "batch": 2, "steps": 8, "scenes": 2, "validate_every": 4, "learning_rate": 0.01} | TINY | more
    )


def training_scene(seed: int = 0, voxels: int = 4000) -> TrainingScene:
    """A cloud of voxels at random, in teacher voxels of 5^3."""
    random = np.random.default_rng(seed)
    coords = np.unique(random.integers(0, 30, (voxels, 3)), axis=0).astype(np.int32)
    teacher_voxel = np.unique(coords // 5, axis=0, return_inverse=True)[1].reshape(-1)
    feats = random.normal(size=(teacher_voxel.max() + 1, 6)).astype(np.float16)
    inputs = random.normal(size=(len(coords), 12)).astype(np.float16)
    return TrainingScene("cloud", coords, inputs, neighbour_table(coords, 24), feats, teacher_voxel)
