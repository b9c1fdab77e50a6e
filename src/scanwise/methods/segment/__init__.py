"""Semantic segmentation with labels, the supervised baseline: `Segmenter`, the model, and `SegmentRecipe`, a run."""

from typing import TYPE_CHECKING

from scanwise.lazy import lazily

if TYPE_CHECKING:
    from scanwise.methods.segment.model import Segmenter
    from scanwise.methods.segment.recipe import SegmentRecipe

__all__ = ["SegmentRecipe", "Segmenter"]

__getattr__, __dir__ = lazily(
    __name__,
    {"SegmentRecipe": "scanwise.methods.segment.recipe", "Segmenter": "scanwise.methods.segment.model"},
)
