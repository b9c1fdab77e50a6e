"""What a recipe says of a run on scenes with sentences, whatever the method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from scanwise.data.clouds import Feature, channels_of
from scanwise.nn.sentence import SentenceEncoder, sentence_encoder
from scanwise.training.recipe import Recipe


class SentenceRecipe(Recipe):
    """A run on scenes with sentences.

    Attributes:
        annotations: a file of `scanwise annotate`, whose scenes are trained on beside those of `data`, or alone.
        spoken: a file of sentences about scenes of `data` in place of their own, such as ScanRefer_filtered_train.json;
            those of `val` are in the file beside it that has that word in its name, see `data.spoken`.
        epoch: an epoch is all of "scenes", each with some of its sentences; or, of `spoken`, all "sentences".
        media: channels of the U-Net's finest level; level l has l + 1 times as many.
        levels: of the U-Net.
        blocks: residual blocks of a side of each level.
        text: "minilm", "gru", "roberta", "bert", or a name or folder for transformers.
        train_text: the text encoder learns too.
        text_rate: its learning rate, over that of the rest.
        voxel: edge in metres.
        features: inputs of each voxel.
        points: most of a training scene, drawn at random; 0 = all.
        sentences: of each scene of a batch.
        augment: scenes are changed at random, as far as the sentence allows.
        init: weights that the backbone starts from, or, where they are of the same kind, everything that fits;
            "" = random.
        init_rate: learning rate of the backbone, if it has such a start, over that of the rest.
        validate_scenes: the first so many of `val`; 0 = all.
    """

    data: Path = Path()
    annotations: str = ""
    spoken: str = ""
    epoch: Literal["scenes", "sentences"] = "scenes"
    media: int = Field(32, ge=4)
    levels: int = Field(5, ge=2, le=7)
    blocks: int = Field(2, ge=1)
    text: str = "minilm"
    train_text: bool = False
    text_rate: float = Field(0.2, gt=0)
    voxel: float = Field(0.02, gt=0)
    features: tuple[Feature, ...] = ("coord", "color")
    points: int = Field(0, ge=0)
    sentences: int = Field(4, ge=1)
    augment: bool = True
    init: str = ""
    init_rate: float = Field(1.0, gt=0)
    validate_scenes: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _has_scenes(self) -> SentenceRecipe:
        if not (self.has_data or self.annotations):
            raise ValueError("give data, annotations, or both")
        if self.spoken and not self.has_data:
            raise ValueError("spoken: sentences about scenes of `data`; give it too")
        if self.epoch == "sentences" and not self.spoken:
            raise ValueError("epoch: sentences needs spoken, a file of them")
        return self

    @property
    def has_data(self) -> bool:
        """Whether `data` was given."""
        return "data" in self.model_fields_set

    @property
    def channels(self) -> int:
        """Of a voxel's inputs."""
        return channels_of(self.features)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the U-Net's levels."""
        return tuple(self.media * (level + 1) for level in range(self.levels))

    def encoder(self, vocabulary: Sequence[str]) -> SentenceEncoder:
        """The text encoder.

        Args:
            vocabulary: words that a GRU knows.
        """
        return sentence_encoder(self.text, trained=self.train_text, vocabulary=vocabulary)
