"""What a supervised run depends on."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, Field, model_validator

from scanwise.data.clouds import Feature
from scanwise.data.label_sets import LabelSetName
from scanwise.training.recipe import BackboneName, Recipe


class SegmentRecipe(Recipe):
    """A supervised run.

    Attributes:
        labels: set of classes, of `data.label_sets`; "" = those that the scenes name.
        backbone: its name, of `nn.backbone`; `size` in older recipes.
        decoder: blocks of each decoder stage; 0 = linear on up-cast encoder features.
        voxel: edge in metres.
        features: inputs of each voxel, of `data.clouds.FEATURES`.
        augment: how scenes are changed in training, of `SCENE_AUGMENTATIONS`.
        crop: most points of a training scene; 0 = all.
        init: weights to start the backbone from, and of a segmenter of the same classes the heads too, unless `freeze`;
            "" = random.
        freeze: train the head alone (linear probe); "encoder": the head and the decoder (decoder probe).
        init_rate: learning rate of a backbone that is not random, over that of the head.
        drop_path: stochastic depth.
        lovasz: weight of the Lovász loss.
        class_weights: of the cross-entropy: "sqrt" = one over the root of a class's share of the training points, so
            that rare classes count more; "none" = all alike.
        offsets: weight of the loss of the way from each voxel to the middle of its object; 0 = it is not taught.
        scenes: of the training scenes, so many; 0 = all, or `share` of them.
        labelled: share of the labelled points of each training scene that keep their label, 0..1; the same each time.
        most_voxels: larger scenes are evaluated in overlapping tiles.
    """

    labels: LabelSetName = ""
    backbone: BackboneName = Field("small", validation_alias=AliasChoices("backbone", "size"))
    decoder: int = Field(1, ge=0)
    voxel: float = Field(0.08, gt=0)
    features: tuple[Feature, ...] = ("color", "normal")
    augment: Literal["none", "rooms", "streets"] = "rooms"
    crop: int = Field(0, ge=0)
    init: str = ""
    freeze: bool | Literal["encoder"] = False
    init_rate: float = Field(1.0, gt=0)
    drop_path: float = Field(0.0, ge=0, lt=1)
    lovasz: float = Field(1.0, ge=0)
    class_weights: Literal["none", "sqrt"] = "none"
    offsets: float = Field(0.0, ge=0)
    scenes: int = Field(0, ge=0)
    labelled: float = Field(1.0, gt=0, le=1)
    most_voxels: int = Field(120_000, ge=1000)

    @model_validator(mode="after")
    def _has_what_learns(self) -> SegmentRecipe:
        if self.freeze == "encoder" and not self.decoder:
            raise ValueError("freeze: encoder leaves the decoder to learn; set decoder to 1, or freeze to true")
        return self
