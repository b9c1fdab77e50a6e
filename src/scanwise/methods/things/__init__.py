"""Things: a scan's surface in parts, and which parts belong together, learned from scenes with instances.

Meaning lives in things, so labels are votes of things and sentences choose among them. A surface is over-segmented by
graph (`parts`); a small network says of each two parts that touch whether they are of one thing (`pairs`, `model`),
from their shape, the seam between them, colours, and what a 3D network for words sees; parts are then joined, the
surest pairs first (`merging`).
"""

from scanwise.lazy import lazily

_HOMES = {
    "PairNet": "scanwise.methods.things.model",
    "Parts": "scanwise.methods.things.parts",
    "ThingsRecipe": "scanwise.methods.things.recipe",
    "joined": "scanwise.methods.things.merging",
    "parts_of": "scanwise.methods.things.parts",
}
__getattr__, __dir__ = lazily(__name__, _HOMES)
