"""The baseline of LESS, in two stages: objects first, then which of them a sentence means (after TGNN, AAAI 2021)."""

from typing import TYPE_CHECKING

from scanwise.lazy import lazily

if TYPE_CHECKING:
    from scanwise.methods.two_stage.evaluate import load_trained, predict
    from scanwise.methods.two_stage.model import TwoStage
    from scanwise.methods.two_stage.recipe import TwoStageRecipe

__all__ = ["TwoStage", "TwoStageRecipe", "load_trained", "predict"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "TwoStage": "scanwise.methods.two_stage.model",
        "TwoStageRecipe": "scanwise.methods.two_stage.recipe",
        "load_trained": "scanwise.methods.two_stage.evaluate",
        "predict": "scanwise.methods.two_stage.evaluate",
    },
)
