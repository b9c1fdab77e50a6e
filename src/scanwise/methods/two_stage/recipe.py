"""What a run of the two-stage baseline depends on."""

from __future__ import annotations

from pydantic import Field

from scanwise.training.sentence_recipe import SentenceRecipe


class TwoStageRecipe(SentenceRecipe):
    """A run of the baseline.

    Attributes:
        width: channels of an object in the graph.
        layers: of the graph.
        neighbours: that an object asks, itself among them.
        reach: metres; voxels of one class that come this near each other, once shifted, are one object.
        fewest: voxels of an object.
        own_from: share of the steps after which sentences are matched with the objects that the network proposes
            itself, instead of the true ones.
        matching: weight of the choice among objects in the loss.
    """

    width: int = Field(128, ge=8)
    layers: int = Field(2, ge=1)
    neighbours: int = Field(8, ge=1)
    reach: float = Field(0.12, gt=0)
    fewest: int = Field(4, ge=1)
    own_from: float = Field(0.5, ge=0, le=1)
    matching: float = Field(1.0, ge=0)
