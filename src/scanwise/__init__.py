"""scanwise: 3D scenes, understood from few labels.

    import scanwise

    scene = scanwise.read_scene("recordings/kitchen")
    labels = scanwise.label(scene, ["chair", "table", "wall", "floor"])
    labels.indices  # (N,) row of the texts for every point
    scanwise.ask(scene, "the chair by the window").mask  # (N,) bool

    prepared = scanwise.prepare(scene)  # once, for any number of questions
    prepared.label(["chair", "floor"]), prepared.ask("the table")

`read_scene` and `write_scene` know some twenty formats; `Scene` and `View` are what passes through everything. What is
trained lives in `scanwise.methods`, a package a paper; `scanwise.interop` loads the official weights.
"""

from typing import TYPE_CHECKING

from scanwise.lazy import lazily

if TYPE_CHECKING:
    from scanwise.formats.registry import read_scene, write_scene
    from scanwise.geometry.upright import stand_up
    from scanwise.scene import Referral, Scene, View
    from scanwise.understand.answer import Answer
    from scanwise.understand.calls import ask, label, prepare
    from scanwise.understand.labels import Labels
    from scanwise.understand.prepared import Prepared

__version__ = "0.2.0"

__all__ = [
    "Answer", "Labels", "Prepared", "Referral", "Scene", "View", "ask", "label", "prepare", "read_scene", "stand_up",
    "write_scene",
]  # fmt: skip

_HOMES = {  # imported when they are touched, so that nothing is loaded that a command does not need
    "scanwise.scene": ("Referral", "Scene", "View"),
    "scanwise.formats.registry": ("read_scene", "write_scene"),
    "scanwise.geometry.upright": ("stand_up",),
    "scanwise.understand": ("Answer", "Labels", "Prepared", "ask", "label", "prepare"),
}
__getattr__, __dir__ = lazily(__name__, {name: home for home, names in _HOMES.items() for name in names})
