"""What a run of the detector depends on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from scanwise.data.box_classes import DETECTED
from scanwise.data.clouds import Feature
from scanwise.training.recipe import BackboneName, Recipe

MADE = ("car", "truck", "bus", "pedestrian", "motorcycle", "bicycle", "traffic_cone")
MOST_CELLS = 1024
"""Along each side of a map."""


class DetectRecipe(Recipe):
    """A run of the detector.

    Attributes:
        backbone: its name, of `nn.backbone`.
        decoder: blocks of each decoder stage; 0 = up-cast encoder features.
        voxel: edge in metres.
        features: inputs of each voxel, of `data.clouds.FEATURES`.
        classes: what is detected, of `data.box_classes.DETECTED`; boxes of others are passed over.
        reach: metres from the sensor to each side of the square map.
        cell: edge of a cell of the map in metres.
        channels: of the map.
        augment: "streets" = turned, mirrored, scaled by up to 5 %, jittered; "none".
        least_points: fewest points in a box that is taught.
        init: weights to start the backbone from, and of a detector everything that fits; "" = random.
        freeze: train map and heads alone.
        init_rate: learning rate of a backbone that is not random, over that of the rest.
        drop_path: stochastic depth.
        regression: weight of the boxes' loss beside that of the heat maps.
        velocity: weight of velocities within the boxes' loss.
        least_score: detections less sure than this are left out, 0..1.
        most_boxes: detections of a sweep, the surest of all classes.
        val_scenes: of each validation during training, spread over the split; 0 = all.
    """

    backbone: BackboneName = "small"
    decoder: int = Field(0, ge=0)
    voxel: float = Field(0.2, gt=0)
    features: tuple[Feature, ...] = ("height", "intensity")
    classes: tuple[str, ...] = Field(MADE, min_length=1)
    reach: float = Field(40.0, gt=0)
    cell: float = Field(0.8, gt=0, validate_default=True)
    channels: int = Field(64, ge=8, multiple_of=8)
    augment: Literal["none", "streets"] = "streets"
    least_points: int = Field(3, ge=1)
    init: str = ""
    freeze: bool = False
    init_rate: float = Field(1.0, gt=0)
    drop_path: float = Field(0.0, ge=0, lt=1)
    regression: float = Field(0.25, ge=0)
    velocity: float = Field(0.2, ge=0)
    least_score: float = Field(0.1, ge=0, lt=1)
    most_boxes: int = Field(200, ge=1)
    val_scenes: int = Field(0, ge=0)

    @field_validator("classes")
    @classmethod
    def _known(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in classes if name not in DETECTED]
        if unknown:
            raise ValueError(f"{unknown[0]} is no class of detection; there are {', '.join(DETECTED)}")
        if len(set(classes)) < len(classes):
            raise ValueError("a class is named twice")
        return classes

    @field_validator("cell")
    @classmethod
    def _fits_into_memory(cls, cell: float, others: ValidationInfo) -> float:
        side = round(2 * others.data.get("reach", 0.0) / cell)
        if side > MOST_CELLS:
            raise ValueError(f"a map of {side} x {side} cells is too large ({MOST_CELLS}); lower reach, or raise cell")
        return cell
