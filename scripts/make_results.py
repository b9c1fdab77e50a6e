"""Rebuilds every table of docs/results/ and docs/performance.md from the rows of docs/results/data/.

    make results
    python scripts/make_results.py [--docs FOLDER]

Needs Python's standard library alone. A table lies between `<!-- NAME -->` and `<!-- end -->` of its page; the text
around it is written by hand. docs/training.md says how a result is added.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from results import (
    ask,
    detection,
    dos,
    geopurify,
    label,
    learn,
    less,
    outdoors,
    performance,
    rooms_1,
    segment,
    stellar,
    things,
)
from results.tables import fill

DOCS = Path(__file__).parents[1] / "docs"
PAGES: dict[str, Mapping[str, Callable[[Path], str]]] = {
    "results/detection.md": detection.TABLES,
    "results/dos.md": dos.TABLES,
    "results/geopurify.md": geopurify.TABLES,
    "results/label.md": label.TABLES,
    "results/learn.md": learn.TABLES,
    "results/less.md": less.TABLES,
    "results/outdoors.md": outdoors.TABLES,
    "results/rooms-1.md": rooms_1.TABLES,
    "results/segment.md": segment.TABLES,
    "results/stellar.md": stellar.TABLES,
    "results/things.md": things.TABLES,
    "results/ask.md": ask.TABLES,
    "performance.md": performance.TABLES,
}


def main() -> None:
    """Writes the pages; those that have not changed are left as they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--docs", type=Path, default=DOCS, help="folder of performance.md and results/. [default: docs]"
    )
    docs = parser.parse_args().docs
    for name, tables in PAGES.items():
        page = docs / name
        text = page.read_text(encoding="utf-8")
        filled = fill(text, tables, docs / "results" / "data", name)
        if filled != text:
            page.write_text(filled, encoding="utf-8")
            print(f"{page}: changed")


if __name__ == "__main__":
    main()
