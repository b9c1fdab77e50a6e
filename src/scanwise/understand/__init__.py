"""What a scan is understood to be: prepared once, then labelled and asked as often as one likes.

prepared = prepare(scene)
prepared.label(["chair", "table", "wall", "floor"]).indices
prepared.ask("the chair by the window").mask
"""

from scanwise.lazy import lazily

_HOMES = {
    "Answer": "scanwise.understand.answer",
    "Labels": "scanwise.understand.labels",
    "Prepared": "scanwise.understand.prepared",
    "ask": "scanwise.understand.calls",
    "label": "scanwise.understand.calls",
    "prepare": "scanwise.understand.calls",
}
__getattr__, __dir__ = lazily(__name__, _HOMES)
