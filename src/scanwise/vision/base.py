"""The one interface of frozen 2D models: image in, dense features out; texts in the same space."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import torch


@runtime_checkable
class Vision(Protocol):
    """A frozen 2D vision-language model.

    The score of text k at a place is `scale * (feature . text_k)`, larger = likelier.

    Attributes:
        name: what the user typed to get it ("conse", "hf:PATH_OR_ID").
        dim: C, channels of a feature.
        scale: factor from inner products to logits.
        model_hashes: file name -> SHA-256 of every weight file behind it; part of the cache's key.
    """

    @property
    def name(self) -> str: ...

    @property
    def dim(self) -> int: ...

    @property
    def scale(self) -> float: ...

    @property
    def model_hashes(self) -> dict[str, str]: ...

    def encode_image(self, image: np.ndarray) -> torch.Tensor:
        """uint8 (H, W, 3) -> float32 (C, h, w); cell (i, j) covers image rows [i H/h, (i+1) H/h)."""
        ...

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        """K texts -> float32 (K, C)."""
        ...

    def class_scores(self, features: torch.Tensor) -> torch.Tensor:
        """Features (n, C) -> float32 logits (n, V) of a fixed vocabulary, over which views of a point agree."""
        ...
