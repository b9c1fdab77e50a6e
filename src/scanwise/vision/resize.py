"""How images are scaled for 2D models: to a shorter side, in whole patches, and not longer than a model can bear."""

from __future__ import annotations

import numpy as np
from PIL import Image

MAX_ASPECT = 4  # longer strips than this ratio of sides are squeezed to it


def resize(
    image: np.ndarray, shorter_side: float, *, multiple: int = 1, resample: Image.Resampling = Image.Resampling.BICUBIC
) -> np.ndarray:
    """An image whose sides are multiples of a number of pixels.

    Args:
        image: uint8 (H, W, 3), or grey (H, W).
        shorter_side: pixels of the result's shorter side, which is rounded to a multiple, at least one.
        multiple: pixels, such as the side of a patch.
        resample: filter.

    Returns:
        uint8 (H', W', 3), its longer side at most 4 times the shorter.
    """
    picture = Image.fromarray(np.ascontiguousarray(image)).convert("RGB")
    shorter = max(round(shorter_side / multiple), 1)
    factor = shorter / min(picture.size)
    width, height = (min(round(side * factor), MAX_ASPECT * shorter) * multiple for side in picture.size)
    return np.array(picture.resize((width, height), resample, reducing_gap=3.0))
