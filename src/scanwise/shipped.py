"""Where the weights lie that come with scanwise: in the clone, or in the package `scanwise-weights` beside this one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

PACKAGE = "scanwise_weights"
HOW = "pip install scanwise-weights (from a clone: pip install ./packages/weights)"


def weights_folder() -> Path:
    """The folder of the weights; where there are none, the one that a clone has them in."""
    in_clone = Path(__file__).parent / "weights"
    if any(in_clone.glob("*.safetensors")):
        return in_clone
    return package_folder() or in_clone


def package_folder() -> Path | None:
    """The folder of the installed package of weights; None = it is not installed. Nothing is imported for it."""
    spec = find_spec(PACKAGE)
    places = spec.submodule_search_locations if spec else None
    return Path(places[0]) if places else None
