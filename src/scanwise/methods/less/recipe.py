"""What a run of LESS depends on."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, Field, model_validator

from scanwise.training.recipe import BackboneName
from scanwise.training.sentence_recipe import SentenceRecipe


class LESSRecipe(SentenceRecipe):
    """A run of LESS.

    Attributes:
        backbone: "unet" as in the paper, or the name of another, of `nn.backbone`, which may start from DOS.
        decoder: blocks of each decoder stage of a Point Transformer.
        fusion: where words come in: "levels" of the U-Net (PWCA); or, so that what is seen serves any number of
            sentences, "late" (PWCA once, after the backbone, and queries that attend to words), "queries" or "none".
        positions: where voxels are is added to what was seen of them, for networks that are not given coordinates;
            `places` in older recipes.
        queries: of the query decoder.
        width: of a query.
        layers: of the query decoder.
        heads: of its attention.
        hidden: channels of its feed-forward layers.
        word_heads: of the attention to words.
        attend: queries attend to cells of 2^attend voxels an edge rather than to voxels, as in Mask2Former's decoder;
            masks are made of voxels all the same. 0 = to voxels.
        several: how often the last of a scene's sentences gives way to one about all things of a kind.
        strange: how often the first does to one of another scene, about a thing of whose kind there is none.
        positive: weight of the object's voxels in the cross-entropy.
        area: weight of the mean predicted probability.
        contrast: weight of the point contrast.
        edge: weight of the cross-entropy at the object's edge.
        dice: weight of the overlap.
        presence: weight of whether the thing is there at all.
        official: everything as the official code has it.
    """

    backbone: Literal["unet"] | BackboneName = "unet"
    decoder: int = Field(1, ge=0)
    fusion: Literal["levels", "late", "queries", "none"] = "levels"
    positions: bool = Field(False, validation_alias=AliasChoices("positions", "places"))
    queries: int = Field(20, ge=1)
    width: int = Field(256, ge=8)
    layers: int = Field(1, ge=1)
    heads: int = Field(1, ge=1)
    hidden: int = Field(1024, ge=8)
    word_heads: int = Field(1, ge=1)
    attend: int = Field(0, ge=0, le=4)
    several: float = Field(0.0, ge=0, le=1)
    strange: float = Field(0.0, ge=0, le=1)
    positive: float = Field(20.0, gt=0)
    area: float = Field(1.0, ge=0)
    contrast: float = Field(0.05, ge=0)
    edge: float = Field(0.0, ge=0)
    dice: float = Field(0.0, ge=0)
    presence: float = Field(0.2, ge=0)
    official: bool = False

    @model_validator(mode="after")
    def _fits(self) -> LESSRecipe:
        if self.backbone != "unet" and self.fusion == "levels":
            raise ValueError("fusion: levels needs backbone: unet; use fusion: late with a Point Transformer")
        if self.width % self.heads or (self.fusion == "levels" and self.media % self.word_heads):
            raise ValueError("heads must divide width, and word_heads media")
        if self.attend and self.fusion == "levels":
            raise ValueError("attend needs fusion: late, queries or none")
        return self

    @property
    def channels(self) -> int:
        """Of a voxel's inputs; the official ones are coordinates and colours."""
        return 6 if self.official else super().channels
