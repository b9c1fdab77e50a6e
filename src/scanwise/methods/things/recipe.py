"""What a run that teaches which parts belong together depends on."""

from __future__ import annotations

from pydantic import Field

from scanwise.training.recipe import Recipe


class ThingsRecipe(Recipe):
    """Which parts of a scan belong together.

    Attributes:
        network: weights of `scanwise train segment`, which look at each scene first; "" = none.
        split: the scenes that are learned from: of a split that the network was not taught on, as it is surer of
            scenes that it knows than of new ones.
        held_out: each so many-th of them is validated on instead.
        hidden: channels between.
        blind: how often a scene's colours are not shown, and what the network sees, so that scans without are known.
        dropout: of the channels between.
        noise: deviation of what is added to the facts, over their own.
    """

    network: str = "segment-things"
    split: str = "val"
    held_out: int = Field(4, ge=2)
    hidden: int = Field(64, ge=1)
    blind: float = Field(0.15, ge=0, lt=1)
    dropout: float = Field(0.2, ge=0, lt=1)
    noise: float = Field(0.1, ge=0)
