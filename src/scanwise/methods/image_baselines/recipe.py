"""What a run of one of STELLAR's baselines depends on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from scanwise.training.images import ImageRecipe


class BaselineRecipe(ImageRecipe):
    """A run of one of the baselines; each reads the keys that concern it.

    Attributes:
        method: which.
        drop: share of the patches that MAE's encoder does not see.
    """

    method: Literal["mae", "dino", "supervised"]
    drop: float = Field(0.75, gt=0, lt=1)
