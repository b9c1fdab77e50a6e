"""STELLAR: images as a few tokens that know what, and a map that knows where (arXiv 2602.01905)."""

from typing import TYPE_CHECKING

from scanwise.lazy import lazily

if TYPE_CHECKING:
    from scanwise.methods.stellar.evaluate import image_features, load_network, load_trunk, similarity
    from scanwise.methods.stellar.model import Stellar
    from scanwise.methods.stellar.official import load_stellar
    from scanwise.methods.stellar.recipe import StellarRecipe

__all__ = [
    "Stellar", "StellarRecipe", "image_features", "load_network", "load_stellar", "load_trunk", "similarity",
]  # fmt: skip

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Stellar": "scanwise.methods.stellar.model",
        "StellarRecipe": "scanwise.methods.stellar.recipe",
        "image_features": "scanwise.methods.stellar.evaluate",
        "load_network": "scanwise.methods.stellar.evaluate",
        "load_stellar": "scanwise.methods.stellar.official",
        "load_trunk": "scanwise.methods.stellar.evaluate",
        "similarity": "scanwise.methods.stellar.evaluate",
    },
)
