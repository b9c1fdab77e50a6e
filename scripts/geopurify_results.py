"""Fills the tables of docs/results/geopurify.md, between `<!-- NAME -->` and `<!-- end -->`, with what was measured.

python scripts/geopurify_results.py docs/results/geopurify.md        # reads out/geopurify-study
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from geopurify_runs import ITERATIONS, MAIN, NOISES, PICTURES_WRONG, RUNS, STRANGE, STUDENTS, WEIGHTS
from tables import fill

WORDS = {
    "dos-20": "DOS, 20 rooms",
    "random-20": "random network, 20 rooms",
    "supervised-20": "supervised network, 20 rooms",
    "dos-10": "DOS, 10 rooms",
    "dos-50": "DOS, 50 rooms",
    "dos-20-macro": "DOS, 20 rooms, 63 far negatives and no near ones",
    "dos-20-lifted": "DOS, 20 rooms, also given lifted features",
}
SOURCES = {"rooms": "2D encoder `rooms`"}


def main() -> None:
    tables = {
        "ways": ways, "open": open_names, "students": students, "choose": choose, "shapes": shapes, "fusion": fusion,
    }  # fmt: skip
    fill(Path(sys.argv[1]), tables)


def ways() -> str:
    """What pooling does to lifted features and to spoilt labels."""
    found = measured("test")
    lines = ["| 2D labels | lifted alone | geometry | learned | learned - alone |", "|---|---|---|---|---|"]
    for source in (*SOURCES, *NOISES):
        off, hand, learned = (found.get(f"{source} | {way}", {}).get("miou") for way in ("off", "geometry", MAIN))
        gain = "" if off is None or learned is None else f"{100 * (learned - off):+.1f}"
        lines.append(f"| {SOURCES.get(source, source)} | {cell(off)} | {cell(hand)} | **{cell(learned)}** | {gain} |")
    return "\n".join(lines) + "\n"


def open_names() -> str:
    found = measured("test")
    lines = ["| | mIoU | mean accuracy | mIoU of the rarest third |", "|---|---|---|---|"]
    for way, words in (("off", "lifted alone"), ("geometry", "geometry"), (MAIN, "learned")):
        metrics = found.get(f"open names | {way}", {})
        lines.append(
            f"| {words} | " + " | ".join(cell(metrics.get(key)) for key in ("miou", "macc", "rare miou")) + " |"
        )
    return "\n".join(lines) + "\n"


def students() -> str:
    found = measured("test")
    sources = ("rooms", *NOISES)
    lines = ["| taught by | " + " | ".join(SOURCES.get(source, source) for source in sources) + " |"]
    lines.append("|---" * (len(sources) + 1) + "|")
    for name in STUDENTS:
        if not any(f"{source} | {name}" in found for source in sources):
            continue
        values = [found.get(f"{source} | {name}", {}).get("miou") for source in sources]
        lines.append(f"| {WORDS[name]} | " + " | ".join(cell(value) for value in values) + " |")
    return "\n".join(lines) + "\n"


def shapes() -> str:
    """Pictures, a 3D network, and both."""
    found = measured("shapes")
    lines = ["| words | pictures | shapes alone | both |", "|---|---|---|---|"]
    words = {"rooms": "ScanNet's", "open names": "open names"}
    for source, name in words.items():
        cells = [cell(found.get(f"{source} | {way}", {}).get("miou")) for way in ("pictures", "shapes", "both")]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def fusion() -> str:
    """How far pictures and shapes are trusted."""
    found = measured("fusion")
    lines = ["| words | pictures wrong | " + " | ".join(f"strange {value:g}" for value in STRANGE) + " |"]
    lines.append("|---" * (2 + len(STRANGE)) + "|")
    for source, name in (("rooms", "ScanNet's"), ("open names", "open names")):
        for wrong in PICTURES_WRONG:
            keys = [f"{source} | pictures wrong {wrong} | strange {strange}" for strange in STRANGE]
            lines.append(
                f"| {name} | {wrong:g} | " + " | ".join(cell(found.get(k, {}).get("miou")) for k in keys) + " |"
            )
    return "\n".join(lines) + "\n"


def choose() -> str:
    found = measured("choose")
    kinds = [*(f"T = {count}" for count in ITERATIONS), "symmetric", "stopping"]
    lines = ["| neighbours count by | " + " | ".join(kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
    for way in WEIGHTS:
        values = [found.get(f"{way} | {kind}", {}).get("miou") for kind in kinds]
        lines.append(f"| {way} | " + " | ".join(cell(value) for value in values) + " |")
    return "\n".join(lines) + f"\n\nWithout pooling: {cell(found.get('off | ', {}).get('miou'))}.\n"


def measured(part: str) -> dict[str, dict[str, float]]:
    path = RUNS / f"{part}.json"
    found: dict[str, dict[str, float]] = json.loads(path.read_text()) if path.exists() else {}
    return found


def cell(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


if __name__ == "__main__":
    main()
