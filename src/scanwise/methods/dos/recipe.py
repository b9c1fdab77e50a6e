"""What a run of DOS depends on."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import AliasChoices, Field, ValidationInfo, field_validator

from scanwise.data.clouds import Feature
from scanwise.data.label_sets import LabelSetName
from scanwise.methods.dos.data import VIEW_AUGMENTATIONS, MakeViews
from scanwise.training.recipe import BackboneName, Recipe


class DOSRecipe(Recipe):
    """A run without labels. The defaults are the paper's, for rooms; each step of its ladder is one value.

    Attributes:
        labels: set of classes that validation is by, of `data.label_sets`; "" = the scenes' own.
        backbone: its name, of `nn.backbone`; `size` in older recipes.
        voxel: edge in metres.
        features: inputs of each voxel, of `data.clouds.FEATURES`.
        augment: how each view is changed, of `VIEW_AUGMENTATIONS`.
        crop: (least, most) share of a scene's points in a view.
        points: most points of a scene that are used; 0 = all.
        block: edge of masked cubes, metres.
        ratio: share of voxels masked, 0..1.
        masking: "observable": the student sees visible voxels alone and learns at them. "tokens": it sees all
            positions, a mask token in place of masked features, and learns at the masked ones.
        token_jitter: metres, by which masked voxels are moved; for tokens.
        target: "softmap"; "clustering": for each voxel, over prototypes, balanced; "regression": the feature itself.
        alpha: of the Zipf prior of softmaps; 0 = uniform.
        prototypes: K.
        iterations: of Sinkhorn.
        student_temperature: of the student's cosines, tau_S.
        teacher_temperature: of the teacher's cosines, tau_T; below the student's.
        momentum: of the teacher, at the start.
        hidden: channels in the projection head.
        channels: D, of a projected feature.
        cross: share of the loss from the other view.
        drop_path: stochastic depth of the student.
        least_rank: of the teacher's features; below, after warm-up, the run is stopped as collapsed. 0 = never.
        probe_scenes: validation scenes that a probe is fitted on and tested on, half and half; all, where there are
            fewer.
    """

    labels: LabelSetName = ""
    backbone: BackboneName = Field("small", validation_alias=AliasChoices("backbone", "size"))
    voxel: float = Field(0.08, gt=0)
    features: tuple[Feature, ...] = ("color", "normal")
    augment: Literal["none", "rooms", "streets"] = "rooms"
    crop: tuple[float, float] = (0.4, 0.8)
    points: int = Field(0, ge=0)
    block: float = Field(0.4, gt=0)
    ratio: float = Field(0.7, gt=0, lt=1)
    masking: Literal["tokens", "observable"] = "observable"
    token_jitter: float = Field(0.0, ge=0)
    target: Literal["softmap", "clustering", "regression"] = "softmap"
    alpha: float = Field(1.3, ge=0)
    prototypes: int = Field(1024, ge=2)
    iterations: int = Field(3, ge=1)
    student_temperature: float = Field(0.1, gt=0)
    teacher_temperature: float = Field(0.05, gt=0, validate_default=True)
    momentum: float = Field(0.994, ge=0, le=1)
    hidden: int = Field(512, ge=1)
    channels: int = Field(128, ge=2)
    cross: float = Field(0.5, ge=0, le=1)
    drop_path: float = Field(0.0, ge=0, lt=1)
    least_rank: float = Field(1.5, ge=0)
    probe_scenes: int = Field(40, ge=2)

    @field_validator("token_jitter")
    @classmethod
    def _needs_tokens(cls, value: float, known: ValidationInfo) -> float:
        if value and known.data.get("masking") == "observable":
            raise ValueError("is for masking: tokens; observable voxels have no masked places")
        return value

    @field_validator("crop")
    @classmethod
    def _is_a_range(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1] <= 1:
            raise ValueError("must be (least, most), shares between 0 and 1")
        return value

    @field_validator("teacher_temperature")
    @classmethod
    def _is_sharper(cls, value: float, known: ValidationInfo) -> float:
        if value >= known.data.get("student_temperature", math.inf):
            raise ValueError("must be below student_temperature, so that the target is the sharper")
        return value

    def views(self) -> MakeViews:
        """How scenes become pairs of views."""
        return MakeViews(
            self.voxel, self.features, VIEW_AUGMENTATIONS[self.augment], self.block, self.ratio, self.crop, self.points,
            self.token_jitter,
        )  # fmt: skip
