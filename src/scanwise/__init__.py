"""scanwise: 3D scenes, understood from few labels.

import scanwise

scene = scanwise.read_scene("recordings/kitchen")
labels = scanwise.label(scene, ["chair", "table", "wall", "floor"])
labels.indices  # (N,) row of the texts for every point
"""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from scanwise.formats.registry import read_scene, write_scene
from scanwise.scene import Referral, Scene, View

if TYPE_CHECKING:
    from scanwise.geometry.standing import stand_up
    from scanwise.understand.answer import Answer, ask
    from scanwise.understand.prepared import Labels, Prepared, label, prepare

try:
    __version__ = version("scanwise")
except PackageNotFoundError:  # a source tree that is not installed
    __version__ = "0+source"

__all__ = [
    "Answer", "Labels", "Prepared", "Referral", "Scene", "View", "ask", "label", "prepare", "read_scene", "stand_up",
    "write_scene",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """`scanwise.label` and its kin need torch, which takes a second to load: only when they are touched."""
    if name in ("Labels", "Prepared", "label", "prepare"):
        from scanwise.understand import prepared as answer

        return getattr(answer, name)
    if name in ("Answer", "ask"):
        from scanwise.understand import answer as asking

        return getattr(asking, name)
    if name == "stand_up":
        from scanwise.geometry.standing import stand_up

        return stand_up
    raise AttributeError(f"module 'scanwise' has no attribute {name!r}")
