"""What a run of STELLAR depends on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from scanwise.nn.sparse_tokens import TokenConfig
from scanwise.training.images import ImageRecipe


class StellarRecipe(ImageRecipe):
    """A pretraining run without labels.

    Attributes:
        tokens: r; 0 = every patch is a token.
        bottleneck: what is reconstructed from, L S ("sparse") or U ("dense").
        masked_views: of each picture.
        drop: share of the patches that masked views lack.
        focal: share of the masked views whose patches gather around a centre.
        blocks: share of the others that keep a block whole.
        column_power: 1 = all prototypes get equally many tokens, less = softer.
        reconstruction: weight; None = 10 of pixels, 0.05 of codes.
        koleo: weight.
        teacher: share of the steps, from the first, whose targets are an EMA teacher's: 0 = none, 1 = all; between,
            a warm-up from a random start.
        second_view: the teacher looks at another crop of the picture.
        unit_prototypes: prototypes have length 1, as DINO's; the official code leaves them free.
        gradient_norms: steps from one to the next that logs, for each term with its weight, the norm of its gradient in
            the encoder; the other steps log nan. 0 = never.
        official: do as the official code does where it differs from its paper: the number of kept patches is rounded
            down, and `blocks` puts a block into every masked view.
    """

    tokens: int = Field(16, ge=0)
    bottleneck: Literal["sparse", "dense"] = "sparse"
    masked_views: int = Field(8, ge=0)
    drop: float = Field(0.8, gt=0, lt=1)
    focal: float = Field(0.5, ge=0, le=1)
    blocks: float = Field(0.0, ge=0, le=1)
    column_power: float = Field(1.0, ge=0, le=1)
    reconstruction: float | None = Field(None, ge=0)
    koleo: float = Field(0.1, ge=0)
    teacher: float = Field(0.0, ge=0, le=1)
    second_view: bool = False
    unit_prototypes: bool = True
    gradient_norms: int = Field(100, ge=0)
    official: bool = False

    @model_validator(mode="after")
    def _second_view_needs_teacher(self) -> StellarRecipe:
        if self.second_view and not self.teacher:
            raise ValueError("second_view is what the teacher looks at; set teacher above 0")
        return self

    def network(self, codes: int = 0) -> TokenConfig:
        """The network's shape.

        Args:
            codes: of the tokenizer whose codes are reconstructed; 0 = pixels are.
        """
        return TokenConfig(
            self.vit, self.tokens, self.bottleneck, codes=codes, decoder_width=self.decoder_width,
            decoder_depth=self.decoder_depth, decoder_heads=self.decoder_heads, decoder_mlp=4 * self.decoder_width,
            prototypes=self.prototypes, prototype_width=self.prototype_width, predictor=self.predictor,
            unit_prototypes=self.unit_prototypes,
        )  # fmt: skip
