"""Small DOS models, and batches for them."""

from pathlib import Path

import numpy as np
import torch

from scanwise.methods.dos.data import ViewBatch, collate_views
from scanwise.methods.dos.model import DOS
from scanwise.methods.dos.recipe import DOSRecipe
from tests.scenes import labelled_scene

SMALL = {"data": Path("x"), "backbone": "tiny", "voxel": 0.1, "prototypes": 32, "hidden": 32, "channels": 16}
LADDER = {
    "naive": {"masking": "tokens", "target": "clustering"},
    "jitter": {"masking": "tokens", "target": "clustering", "token_jitter": 0.1},
    "observable": {"target": "clustering"},
    "regression": {"target": "regression"},
    "softmap": {"alpha": 0.0},
    "zipf": {"alpha": 1.3},
    "too steep": {"alpha": 2.0},
}


def recipe_of(**changes) -> DOSRecipe:
    return DOSRecipe(**(SMALL | changes))


def batch_of(recipe: DOSRecipe, scenes=(0, 1)) -> ViewBatch:
    make = recipe.views()
    return collate_views([make(labelled_scene(seed, 500), np.random.default_rng(seed)) for seed in scenes])


def model_of(recipe: DOSRecipe) -> DOS:
    torch.manual_seed(0)
    return DOS(recipe)
