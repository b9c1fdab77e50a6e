"""What a run of the 2D encoder depends on."""

from __future__ import annotations

from pydantic import Field

from scanwise.training.recipe import Recipe


class RoomsVisionRecipe(Recipe):
    """A run on the images of labelled scenes; `batch` counts crops.

    Attributes:
        trunk: a STELLAR run or shipped weights whose frozen features take the place of the ImageNet trunk; "" = none.
        crop: side of a training crop, pixels, a multiple of 32.
        samples: cells of each crop that the loss looks at.
        trunk_rate: learning rate of the ImageNet trunk, over that of the rest.
        class_weight: of the loss over class words, beside that over open names.
        keep_weight: of keeping ImageNet scores.
        validation_frames: of the validation scenes' images, how many are looked at.
    """

    trunk: str = ""
    crop: int = Field(224, ge=64, multiple_of=32)
    samples: int = Field(512, ge=1)
    trunk_rate: float = Field(0.02, ge=0)
    class_weight: float = Field(0.5, ge=0)
    keep_weight: float = Field(0.5, ge=0)
    validation_frames: int = Field(100, ge=1)
