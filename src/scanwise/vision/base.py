"""The one interface of frozen 2D models: image in, dense features out; texts in the same space."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import torch


@runtime_checkable
class Vision(Protocol):
    """A frozen 2D vision-language model.

    How well text k fits what a feature shows is `scale * (feature . text_k)`, larger = likelier.

    One that knows what it was taught has `words` too, a list of them: a text that is like none of them is then told to
    be a guess. What it knows by other models' words may stand in `words_of_others`.
    """

    @property
    def name(self) -> str:
        """What the user typed to get it ("conse", "hf:PATH_OR_ID")."""
        ...

    @property
    def dim(self) -> int:
        """C, channels of a feature."""
        ...

    @property
    def scale(self) -> float:
        """Factor from inner products to logits."""
        ...

    @property
    def model_hashes(self) -> dict[str, str]:
        """File name -> SHA-256 of every weight file behind it; part of the cache's key."""
        ...

    @property
    def device(self) -> torch.device:
        """Where pictures are encoded; the CPU until `to` says otherwise."""
        ...

    def to(self, device: torch.device) -> Vision:
        """Moves the model; returns itself."""
        ...

    def encode_image(self, image: np.ndarray) -> torch.Tensor:
        """Dense features of a picture.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            (C, h, w) float32 on the model's device; cell (i, j) covers the picture's rows
            [i H/h, (i+1) H/h), and so its columns.
        """
        ...

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        """(K, C) float32 of K texts, on the CPU."""
        ...

    def class_scores(self, features: torch.Tensor) -> torch.Tensor:
        """Logits of a vocabulary of the model's own, over which the views of a point are to agree.

        Args:
            features: (n, C) on any device.

        Returns:
            (n, V) float32, on the features' device.
        """
        ...
