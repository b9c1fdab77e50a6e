"""The 2D encoder of `--vision rooms`: what each place of an image is called, learned from made rooms."""

from typing import TYPE_CHECKING

from scanwise.lazy import lazily

if TYPE_CHECKING:
    from scanwise.methods.vision.data import Vocabulary
    from scanwise.methods.vision.model import RoomsVision
    from scanwise.methods.vision.recipe import RoomsVisionRecipe

__all__ = ["RoomsVision", "RoomsVisionRecipe", "Vocabulary"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "RoomsVision": "scanwise.methods.vision.model",
        "RoomsVisionRecipe": "scanwise.methods.vision.recipe",
        "Vocabulary": "scanwise.methods.vision.data",
    },
)
