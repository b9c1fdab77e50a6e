"""Frozen 2D models behind one small interface: image in, dense features and text embeddings out.

    vision = load_vision("hf:openai/clip-vit-base-patch16")

Another one is a `Vision` under a name: `register_vision("mine", build)` in your own code, or an entry point of the
group "scanwise.vision" in your package's metadata, which is found without being imported first.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scanwise.errors import InputError
from scanwise.plugins import Plugins
from scanwise.vision.base import Vision

DEFAULT_VISION = "rooms"

__all__ = ["DEFAULT_VISION", "BuildVision", "Vision", "load_vision", "register_vision", "vision_names"]

BuildVision = Callable[[str], Vision]
"""What stands behind the name's colon, "" = nothing -> the model. It raises InputError when it cannot be made."""


def register_vision(name: str, build: BuildVision) -> None:
    """Makes a 2D model known under a name, for `load_vision` and so for `prepare`, `label` and `train geopurify`.

    Args:
        name: without a colon.
        build: what stands behind the colon -> the model.

    Raises:
        ValueError: the name is taken, or has a colon.
    """
    if ":" in name:
        raise ValueError(f"{name!r}: what stands behind a colon is given to `build`, and no part of the name")
    _MODELS.add(name, build)


def vision_names() -> list[str]:
    """The names of all 2D models, those of other packages among them."""
    return _MODELS.names()


def load_vision(name: str | None = None) -> Vision:
    """The 2D model of this name.

    Args:
        name: "rooms" or "rooms:WEIGHTS", "conse", "hf:PATH_OR_ID" for CLIP and SigLIP, or NAME or NAME:ARGUMENT of
            one that was registered or that another package brings; None = the default.

    Raises:
        InputError: no such model, or its files are not at hand.
    """
    called, _, argument = (DEFAULT_VISION if name is None else name).partition(":")
    return _MODELS[called](argument)


def _conse(argument: str) -> Vision:
    from scanwise.vision.conse import Conse

    if argument:
        raise InputError(f"conse:{argument}: there is one such model; write conse alone")
    return Conse()


def _rooms(argument: str) -> Vision:
    from scanwise.vision.rooms import Rooms

    return Rooms(Path(argument) if argument else None)


def _hf(argument: str) -> Vision:
    from scanwise.vision.hf import HuggingFace

    if not argument:
        raise InputError("hf: name a folder or an id behind it, such as hf:openai/clip-vit-base-patch16")
    return HuggingFace(argument)


_MODELS: Plugins[BuildVision] = Plugins(
    "vision model", "scanwise.vision", {"conse": _conse, "rooms": _rooms, "hf": _hf}
)
