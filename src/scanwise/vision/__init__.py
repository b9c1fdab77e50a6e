"""Frozen 2D models behind one small interface: image in, dense features and text embeddings out."""

from __future__ import annotations

from pathlib import Path

from scanwise.errors import InputError
from scanwise.vision.base import Vision

DEFAULT_VISION = "rooms"

__all__ = ["DEFAULT_VISION", "Vision", "load_vision"]


def load_vision(name: str | None = None) -> Vision:
    """The 2D model of this name: "rooms" or "rooms:WEIGHTS", "conse", or "hf:PATH_OR_ID" for CLIP and
    SigLIP; None = the default.

    Raises:
        InputError: no such model, or its files are not at hand.
    """
    name = DEFAULT_VISION if name is None else name
    if name == "conse":
        from scanwise.vision.conse import Conse

        return Conse()
    if name == "rooms" or name.startswith("rooms:"):
        from scanwise.vision.rooms import Rooms

        return Rooms(Path(name.removeprefix("rooms:")) if name != "rooms" else None)
    if name.startswith("hf:"):
        from scanwise.vision.hf import HuggingFace

        return HuggingFace(name.removeprefix("hf:"))
    raise InputError(f"unknown vision model {name!r}: choose rooms, conse, or hf:PATH_OR_ID for CLIP and SigLIP")
