"""LESS: the object that a sentence describes, learnt from binary masks alone (arXiv 2410.13294)."""

from typing import TYPE_CHECKING

from scanwise.lazy import lazily

if TYPE_CHECKING:
    from scanwise.methods.less.evaluate import load_trained, predict
    from scanwise.methods.less.model import LESS, Reply
    from scanwise.methods.less.official import load_less
    from scanwise.methods.less.recipe import LESSRecipe

__all__ = ["LESS", "LESSRecipe", "Reply", "load_less", "load_trained", "predict"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "LESS": "scanwise.methods.less.model",
        "LESSRecipe": "scanwise.methods.less.recipe",
        "Reply": "scanwise.methods.less.model",
        "load_less": "scanwise.methods.less.official",
        "load_trained": "scanwise.methods.less.evaluate",
        "predict": "scanwise.methods.less.evaluate",
    },
)
