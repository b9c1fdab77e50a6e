"""`scanwise demo`: what comes out, seen on the recording that ships."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from scanwise.app.ask import ask
from scanwise.app.label import label
from scanwise.app.options import DeviceOption, ResultsOption

TEXTS = "sofa,table,chair,television,bookcase,plant,lamp,refrigerator,rug,wall,floor"
SENTENCES = ["the sofa", "all chairs at the table", "the bathtub"]


def demo(out: ResultsOption = None, device: DeviceOption = "auto") -> None:
    """Label the small recording that ships with scanwise, and ask it for three things, to see what comes out.

    Example:

        scanwise demo --out out/demo
    """
    from scanwise.app.results import new_folder

    scan = Path(str(files("scanwise") / "demo"))
    out = out or new_folder(scan)
    label(scan, [TEXTS], out, device=device)
    ask(scan, SENTENCES, out=out / "asked", device=device)
