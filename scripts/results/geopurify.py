"""The tables of docs/results/geopurify.md."""

from __future__ import annotations

from pathlib import Path

from .rows import Row, find, read_rows
from .tables import Table, number, only, origin

WORDS = {
    "dos-20": "DOS, 20 rooms",
    "random-20": "random network, 20 rooms",
    "supervised-20": "supervised network, 20 rooms",
    "dos-20-macro": "DOS, 20 rooms, 63 far negatives and no near ones",
    "dos-10": "DOS, 10 rooms",
    "dos-20-lifted": "DOS, 20 rooms, also given lifted features",
    "dos-50": "DOS, 50 rooms",
}
MAIN = "dos-20"
SOURCES = {"rooms": "2D encoder `rooms`", "flip:0.6": "flip:0.6", "region:0.3": "region:0.3", "blur:16": "blur:16"}
VOCABULARIES = {"rooms": "ScanNet's", "open names": "open names"}
ITERATIONS = (0, 5, 18, 36)
KINDS = (*(f"T = {count}" for count in ITERATIONS), "symmetric", "stopping")
PICTURES_WRONG, STRANGE = (0.05, 0.2, 0.5, 0.8), (0.0, 0.1, 0.5, 1.0)


def _measured(data: Path) -> list[Row]:
    return read_rows(data / "geopurify.json")


def _known(*rows: Row | None) -> list[Row]:
    return [row for row in rows if row]


def ways(data: Path) -> str:
    """What pooling does to lifted features and to spoilt labels."""
    table = Table("2D labels", "lifted alone", "geometry", "learned", "learned - alone")
    for source, words in SOURCES.items():
        off, hand, learned = (
            only(_measured(data), way, part="test", source=source) for way in ("off", "geometry", MAIN)
        )
        gain = f"{learned['metrics']['miou'] - off['metrics']['miou']:+.1f}" if off and learned else ""
        cells = [number(off, "miou"), number(hand, "miou"), f"**{number(learned, 'miou')}**", gain]
        table.add([words, *cells], _known(off, hand, learned))
    return str(table)


def open_names(data: Path) -> str:
    """Objects by their open names."""
    table = Table("", "mIoU", "mean accuracy", "mIoU of the rarest third")
    for way, words in (("off", "lifted alone"), ("geometry", "geometry"), (MAIN, "learned")):
        row = only(_measured(data), way, part="test", source="open names")
        table.add([words, *(number(row, metric) for metric in ("miou", "macc", "rare miou"))], _known(row))
    return str(table)


def students(data: Path) -> str:
    """Students by who taught them; those that were not finished are left out."""
    table = Table("taught by", *SOURCES.values())
    for name, words in WORDS.items():
        found = [only(_measured(data), name, part="test", source=source) for source in SOURCES]
        if any(found):
            table.add([words, *(number(row, "miou") for row in found)], _known(*found))
    return str(table)


def shapes(data: Path) -> str:
    """Pictures, a 3D network, and both."""
    table = Table("words", "pictures", "shapes alone", "both")
    for source, words in VOCABULARIES.items():
        found = [only(_measured(data), way, part="shapes", source=source) for way in ("pictures", "shapes", "both")]
        table.add([words, *(number(row, "miou") for row in found)], _known(*found))
    return str(table)


def fusion(data: Path) -> str:
    """How far pictures and shapes are trusted."""
    rows = find(_measured(data), "both", part="fusion")
    table = Table("words", "pictures wrong", *(f"strange {value:g}" for value in STRANGE))
    for source, words in VOCABULARIES.items():
        for wrong in PICTURES_WRONG:
            found = [only(rows, source=source, wrong=wrong, strange=strange) for strange in STRANGE]
            table.add([words, f"{wrong:g}", *(number(row, "miou") for row in found)], _known(*found))
    return str(table)


def choose(data: Path) -> str:
    """Ways of pooling."""
    rows = find(_measured(data), part="choose")
    table = Table("neighbours count by", *KINDS)
    for way in ("geometry", "learned", "both"):
        found = [only(rows, way, kind=kind) for kind in KINDS]
        table.add([way, *(number(row, "miou") for row in found)], _known(*found))
    alone = only(rows, "off", kind="")
    lines = str(table).removesuffix(origin(table.rows))
    return f"{lines}Without pooling: {number(alone, 'miou')}.\n\n{origin(table.rows + _known(alone))}"


TABLES = {
    "ways": ways, "open": open_names, "students": students, "choose": choose, "shapes": shapes, "fusion": fusion,
}  # fmt: skip
