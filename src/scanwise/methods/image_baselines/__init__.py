"""STELLAR's baselines on the same ViT, images and loop: MAE, DINO, and labels from scratch."""

from typing import TYPE_CHECKING

from scanwise.lazy import lazily

if TYPE_CHECKING:
    from scanwise.methods.image_baselines.dino import DINO
    from scanwise.methods.image_baselines.evaluate import image_features, load_encoder
    from scanwise.methods.image_baselines.mae import MAE
    from scanwise.methods.image_baselines.recipe import BaselineRecipe
    from scanwise.methods.image_baselines.supervised import Supervised

__all__ = ["DINO", "MAE", "BaselineRecipe", "Supervised", "image_features", "load_encoder"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "DINO": "scanwise.methods.image_baselines.dino",
        "MAE": "scanwise.methods.image_baselines.mae",
        "BaselineRecipe": "scanwise.methods.image_baselines.recipe",
        "Supervised": "scanwise.methods.image_baselines.supervised",
        "image_features": "scanwise.methods.image_baselines.evaluate",
        "load_encoder": "scanwise.methods.image_baselines.evaluate",
    },
)
