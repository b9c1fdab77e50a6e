"""Rows of a made set: points and instances of each class, and what is in each split.

python scripts/set_rows.py data/rooms-1        # to docs/results/data/rooms-1.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from results.rows import DATA, add_row, make_row, this_command

COUNTS = {"points": "points", "objects": "objects", "held out": "held_out", "sentences": "sentences"}


def main() -> None:
    """Reads the index of a set's folder."""
    index = json.loads((Path(sys.argv[1]) / "index.json").read_text())
    name = index["name"].lower()
    command = f"scanwise synth {index['kind']} {sys.argv[1]} --set {name} && {this_command()}"

    def add(row: str, part: str, metrics: dict[str, int]) -> None:
        add_row(DATA / f"{name}.json", make_row(row, metrics, "counts", command=command, params={"part": part}))

    for split in ("train", "val", "test"):
        entries = [entry for entry in index["scenes"] if entry["split"] == split]
        metrics = {word: sum(entry[key] for entry in entries) for word, key in COUNTS.items()}
        megabytes = sum(entry["bytes"] for entry in entries) // 1_000_000
        add(split, "splits", {"scenes": len(entries), **metrics, "MB": megabytes})
    for word, points in index["points"].items():
        add(word, "classes", {"points": points, "instances": index["instances"].get(word, 0)})


if __name__ == "__main__":
    main()
