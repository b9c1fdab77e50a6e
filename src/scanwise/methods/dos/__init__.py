"""DOS: point encoders learned without a label (arXiv 2512.11465): `DOS`, the model, and `DOSRecipe`, a run of it."""

from typing import TYPE_CHECKING

from scanwise.lazy import lazily

if TYPE_CHECKING:
    from scanwise.methods.dos.model import DOS
    from scanwise.methods.dos.recipe import DOSRecipe

__all__ = ["DOS", "DOSRecipe"]

__getattr__, __dir__ = lazily(
    __name__, {"DOS": "scanwise.methods.dos.model", "DOSRecipe": "scanwise.methods.dos.recipe"}
)
