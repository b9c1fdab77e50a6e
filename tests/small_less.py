"""A small untrained LESS, and a scan to ask it about."""

from pathlib import Path

import numpy as np
import torch

from scanwise.methods.less import LESS, LESSRecipe
from scanwise.nn.sentence import sentence_encoder
from scanwise.scene import Scene
from scanwise.training.checkpoints import Checkpoint, save

VOCABULARY = ["chair", "lamp", "the"]


def save_less(folder: Path) -> Path:
    """Writes the network as a run would leave it: the path of best.ckpt."""
    recipe = LESSRecipe(
        data=Path(), text="gru", media=8, levels=2, blocks=1, queries=4, width=16, hidden=16, voxel=0.1
    )  # fmt: skip
    torch.manual_seed(0)
    model = LESS(recipe, sentence_encoder("gru", trained=True, vocabulary=VOCABULARY))
    facts = {"kind": "less", "recipe": recipe.model_dump(mode="json"), "vocabulary": VOCABULARY}
    save(Checkpoint(dict(model.state_dict()), facts), folder / "best.ckpt")
    return folder / "best.ckpt"


def random_scan() -> Scene:
    """600 coloured points in a cube of 2 m."""
    generator = np.random.default_rng(0)
    return Scene(generator.uniform(0, 2, (600, 3)), generator.integers(0, 255, (600, 3)).astype(np.uint8))
