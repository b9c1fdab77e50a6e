"""Objects of streets as 3D boxes: `Detector`, the model, and `DetectRecipe`, a run."""

from typing import TYPE_CHECKING

from scanwise.lazy import lazily

if TYPE_CHECKING:
    from scanwise.methods.detect.model import Detector
    from scanwise.methods.detect.recipe import DetectRecipe

__all__ = ["DetectRecipe", "Detector"]

__getattr__, __dir__ = lazily(
    __name__,
    {"DetectRecipe": "scanwise.methods.detect.recipe", "Detector": "scanwise.methods.detect.model"},
)
