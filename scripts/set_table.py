"""Points and instances of each class of a made set, as a Markdown table.

python scripts/set_table.py data/rooms-1 > docs/results/rooms-1.md
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    """Prints the table of a set's folder."""
    folder = Path(sys.argv[1])
    index = json.loads((folder / "index.json").read_text())
    scenes = index["scenes"]
    splits = {split: [entry for entry in scenes if entry["split"] == split] for split in ("train", "val", "test")}
    print(f"# {index['name']}\n")
    print(f"Made by `scanwise synth {index['kind']} {folder} --set {index['name'].lower()}`, counted by")
    print(f"`python scripts/set_table.py {folder}`.\n")
    print("| split | scenes | points | objects | of held-out models | sentences | MB |\n|---|---|---|---|---|---|---|")
    for split, entries in splits.items():
        keys = ("points", "objects", "held_out", "sentences", "bytes")
        points, objects, held_out, sentences, size = (sum(entry[key] for entry in entries) for key in keys)
        cells = (split, len(entries), points, objects, held_out, sentences, size // 1_000_000)
        print("| " + " | ".join(cell if isinstance(cell, str) else f"{cell:,}" for cell in cells) + " |")
    print("\n| class | points | share | instances |\n|---|---|---|---|")
    everything = sum(index["points"].values())
    for name, points in sorted(index["points"].items(), key=lambda item: -item[1]):
        print(f"| {name} | {points:,} | {100 * points / everything:.2f} % | {index['instances'].get(name, 0):,} |")


if __name__ == "__main__":
    main()
