"""The tables of docs/results/less.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import fmean

from .rows import Row, find, read_rows
from .tables import NOT_RUN, SEEDS, Table, number, only

LESS, TWO_STAGE, SHIPPED = "less", "two-stage", "less-rooms"
METRICS = {
    "miou": "mIoU",
    "acc25": "Acc@0.25",
    "acc50": "Acc@0.5",
    "unique_miou": "unique",
    "multiple_miou": "multiple",
}
SURE = {"found": "found", "not_here": "not here", "balanced": "mean"}
WHY = {
    "object_right": "object right",
    "name_right": "name right",
    "nothing": "no object",
    "iou_when_right": "mIoU where the object is right",
    "ceiling": "mIoU that voxels allow",
}
PRESENCE = {"auc": "all", "kind_auc": "none of its kind here", "attribute_auc": "some here, none that fits"}
NAMES = {TWO_STAGE: "two-stage: classes and objects", LESS: "LESS: binary masks", SHIPPED: "`less-rooms`"}
MASKS = ("miou", "acc25", "acc50")
LOSSES = {
    "bce": "cross-entropy alone",
    "bce-area": "+ area",
    "bce-area-contrast": "+ contrast: the paper's losses",
    LESS: "+ overlap, the object's voxels counting 5 times and not 20: ours",
}
PARTS = {
    LESS: "20 queries, words reach voxels after the backbone: ours",
    "queries-see-words": "words reach queries, not voxels",
    "no-words": "words reach neither: the sentence weighs masks, no more",
    "queries-1": "1 query: nothing to weigh (no QSA)",
    "queries-5": "5 queries",
    "queries-60": "60 queries",
    "levels": "words reach voxels at every level (the paper's place)",
}
STARTS = {
    "random-1": "random, all masks",
    "dos-1": "DOS, all masks",
    "random-0.1": "random, a tenth",
    "dos-0.1": "DOS, a tenth",
}


def _measured(data: Path) -> list[Row]:
    return read_rows(data / "less.json")


def _test(data: Path, name: str, second_pass: bool = False) -> list[Row]:
    return find(_measured(data), name, part="test", second_pass=second_pass)


def _cells(row: Row | None, metrics: Iterable[str]) -> list[str]:
    return [number(row, metric) for metric in metrics]


def main(data: Path) -> str:
    """LESS and the baseline, each seed and their mean."""
    metrics = (*METRICS, *SURE)
    table = Table("", "seed", *METRICS.values(), *SURE.values())
    for name in (TWO_STAGE, LESS):
        words = NAMES[name]
        for second, more in ((False, ""), (True, ", with the second pass")):
            rows = _test(data, name, second)
            for row in rows:
                seed = f"{row['seed']} (1 seed)" if len(rows) == 1 else str(row["seed"])
                table.add([words + more, seed, *_cells(row, metrics)], [row])
            if not rows:
                table.add([words + more, "", *_cells(None, metrics)], [])
            if len(rows) > 1:
                means = [f"{fmean(row['metrics'][metric] for row in rows):.1f}" for metric in metrics]
                table.add([f"**{words}{more}**", f"mean of {len(rows)}", *means], rows)
    return str(table)


def _of_runs(data: Path, names: Mapping[str, str]) -> str:
    """Test metrics of runs, one seed."""
    table = Table("", *METRICS.values())
    for name, words in names.items():
        rows = [row for row in _test(data, name) if row["seed"] == SEEDS[0]]
        table.add([words, *_cells(rows[0] if rows else None, METRICS)], rows)
    return str(table)


def losses(data: Path) -> str:
    """What each loss adds."""
    return _of_runs(data, LOSSES)


def parts(data: Path) -> str:
    """What words and queries add."""
    return _of_runs(data, PARTS)


def starts(data: Path) -> str:
    """DOS against random weights."""
    return _of_runs(data, STARTS)


def shipped(data: Path) -> str:
    """The shipped weights, without and with the second pass."""
    table = Table("", *METRICS.values(), *SURE.values())
    for second, words in ((False, "masks of 8 cm voxels"), (True, "with the second pass at 2 cm")):
        rows = _test(data, SHIPPED, second)
        table.add([words, *_cells(rows[0] if rows else None, (*METRICS, *SURE))], rows)
    return str(table)


def kinds(data: Path) -> str:
    """The shipped weights by length and relation."""
    table = Table("sentences with", "number", "mIoU", "Acc@0.25", "Acc@0.5")
    for row in find(_measured(data), SHIPPED, part="kinds"):
        table.add([row["params"]["sentences"], number(row, "sentences", ".0f"), *_cells(row, MASKS)], [row])
    return str(table)


def why(data: Path) -> str:
    """Failures taken apart: another object, another name, or a poor mask of the right one; means of the seeds."""
    table = Table("", "sentences on", "seeds", *WHY.values())
    for words, sentences, rows in _reasons(data, ("all", "unique", "multiple")):
        table.add([words, sentences, _seeds(rows), *_means(rows, WHY)], rows)
    return str(table)


def fair(data: Path) -> str:
    """Both at as many steps and in as much time; means of the seeds."""
    table = Table("", "equal", "steps", *METRICS.values(), *SURE.values())
    for name, equal in ((LESS, "steps"), (TWO_STAGE, "steps"), (TWO_STAGE, "time")):
        for second, more in ((False, ""), (True, ", with the second pass")):
            rows = find(_measured(data), name, part="fair", equal=equal, second_pass=second)
            means = _means(rows, (*METRICS, *SURE))
            table.add([NAMES[name] + more, equal, *_budget(rows), *means], rows)
    return str(table)


def fair_why(data: Path) -> str:
    """Failures of the runs that took as much time, taken apart; means of the seeds."""
    table = Table("", "sentences on", "seeds", *WHY.values())
    for name, equal in ((LESS, "steps"), (TWO_STAGE, "time")):
        for second, more in ((False, ""), (True, ", with the second pass")):
            for kind in ("all", "unique", "multiple"):
                rows = find(_measured(data), name, part="fair-why", equal=equal, second_pass=second, sentences=kind)
                table.add([NAMES[name] + more, kind, _seeds(rows), *_means(rows, WHY)], rows)
    return str(table)


def _budget(rows: list[Row]) -> list[str]:
    if not rows:
        return [NOT_RUN]
    return [f"{round(fmean(row['params']['steps'] for row in rows))}"]


def presence(data: Path) -> str:
    """How well what is here is told from what is not, by kind of absence; means of the seeds."""
    table = Table("AUC, %", "seeds", *PRESENCE.values())
    for words, _, rows in _reasons(data, ("presence",)):
        table.add([words, _seeds(rows), *_means(rows, PRESENCE)], rows)
    return str(table)


def _reasons(data: Path, kinds: tuple[str, ...]) -> Iterator[tuple[str, str, list[Row]]]:
    for name, words in NAMES.items():
        for second, more in ((False, ""), (True, ", with the second pass")):
            for kind in kinds:
                rows = find(_measured(data), name, part="why", second_pass=second, sentences=kind)
                if rows or (not second and kind == kinds[0]):
                    yield words + more, kind, rows


def _seeds(rows: list[Row]) -> str:
    return ", ".join(str(row["seed"]) for row in rows) + (" (1 seed)" if len(rows) == 1 else "")


def _means(rows: list[Row], metrics: Iterable[str]) -> list[str]:
    known = {metric: [row["metrics"][metric] for row in rows if metric in row["metrics"]] for metric in metrics}
    return [f"{fmean(values):.1f}" if values else "" if rows else NOT_RUN for values in known.values()]


def sharpening(data: Path) -> str:
    """How masks are best sharpened."""
    table = Table("masks", "sentences", "mIoU", "Acc@0.25", "Acc@0.5")
    for row in find(_measured(data), part="sharpening"):
        table.add([row["name"], number(row, "masks", ".0f"), *_cells(row, MASKS)], [row])
    return str(table)


def time(data: Path) -> str:
    """Processor seconds of both methods."""
    table = Table("", "LESS", "two-stage", "ratio")
    for sentences, words in (("all", "all sentences of a scene"), ("one", "one sentence")):
        one, two = (only(_measured(data), name, part="time", sentences=sentences) for name in (LESS, TWO_STAGE))
        if one and two:
            ratio = f"{two['metrics']['seconds'] / one['metrics']['seconds']:.2f}"
            cells = [f"{number(row, 'seconds', '.3f')} s" for row in (one, two)]
            table.add([words, *cells, ratio], [one, two])
        else:
            table.add([words, *[NOT_RUN] * 3], [])
    return str(table)


TABLES = {
    "main": main, "losses": losses, "parts": parts, "starts": starts, "shipped": shipped, "kinds": kinds,
    "sharpening": sharpening, "time": time, "why": why, "presence": presence,
    "fair": fair, "fair-why": fair_why,
}  # fmt: skip
