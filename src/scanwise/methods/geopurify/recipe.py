"""What a run of GeoPurify depends on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from scanwise.data.label_sets import LabelSetName
from scanwise.training.recipe import Recipe


class GeoPurifyRecipe(Recipe):
    """A run without labels. The paper's sizes: reduced 512, hidden 512, channels 128, blocks 4, anchors 4096, crop 0.

    Attributes:
        labels: set of classes that validation is by, of `data.label_sets`; "" = the scenes' own.
        vision: 2D model whose features are lifted.
        teacher: checkpoint or shipped weights of a backbone of ours, or Sonata's released ones, or "random".
        scenes: how many to train on, chosen from the training scenes.
        choose: those that differ most to the teacher, or any.
        reduced: directions of lifted features that the student is given; 0 = it sees colours and normals alone, and
            then suits any 2D model.
        hidden: channels of the network's convolutions.
        channels: of the embedding.
        blocks: residual blocks.
        crop: most voxels of a training scene at a time; 0 = all.
        anchors: of a scene, at most.
        macro: negatives of an anchor that are the least alike of the whole crop.
        micro: negatives that are the least alike of its neighbours.
        temperature: of cosines.
        rates: of the input layer, the blocks and the output layer, times `learning_rate`.
        val_scenes: scenes that are measured at each validation.
    """

    labels: LabelSetName = ""
    vision: str = "conse"
    teacher: str = "random"
    scenes: int = Field(20, ge=1)
    choose: Literal["diverse", "random"] = "diverse"
    reduced: int = Field(32, ge=0)
    hidden: int = Field(64, ge=1)
    channels: int = Field(64, ge=1)
    blocks: int = Field(2, ge=0)
    crop: int = Field(16_000, ge=0)
    anchors: int = Field(1024, ge=1)
    macro: int = Field(48, ge=0)
    micro: int = Field(15, ge=0)
    temperature: float = Field(0.07, gt=0)
    rates: tuple[float, float, float] = (0.1, 1.0, 5.0)
    val_scenes: int = Field(4, ge=1)
