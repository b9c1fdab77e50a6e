"""The tables and the picture of docs/results/learn.md."""

from __future__ import annotations

from pathlib import Path
from statistics import mean, stdev

from .rows import Row, read_rows
from .tables import Table

CLICKS = (1, 5, 20, 100)
WAYS = {
    "hand": "corrected by hand alone",
    "learn": "`learn`: a head after 1, 5, 20 clicks",
    "scratch": "from scratch, on the same person's clicks",
}


def _values(data: Path, way: str, scenes: int, clicks: int, where: str, split: str = "test") -> list[float]:
    """Of all seeds."""
    wanted = {"split": split, "scenes": scenes, "clicks": clicks}
    rows: list[Row] = read_rows(data / "learn.json")
    return [row["metrics"][where] for row in rows if row["name"] == way and row["params"] == wanted]


def _cell(values: list[float]) -> str:
    """Mean and deviation over the seeds."""
    if not values:
        return ""
    return f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def _clicked(data: Path, where: str) -> str:
    table = Table("rooms clicked in", "way", *(f"{clicks} click{'s' * (clicks > 1)}" for clicks in CLICKS))
    rows = [row for row in read_rows(data / "learn.json") if row["params"].get("split") == "test"]
    for scenes in (1, 5, 20):
        for way, name in WAYS.items():
            if where == "others" and way == "hand":
                continue
            cells = [_cell(_values(data, way, scenes, clicks, where)) for clicks in CLICKS]
            own = [row for row in rows if row["name"] == way and row["params"]["scenes"] == scenes]
            table.add([str(scenes), name, *cells], own[-1:])
    return str(table)


def others(data: Path) -> str:
    """Rooms that nobody clicked in."""
    return _clicked(data, "others")


def own(data: Path) -> str:
    """Rooms that were clicked in."""
    return _clicked(data, "clicked")


TABLES = {"others": others, "own": own}


def draw(data: Path, picture: Path) -> None:
    """Quality against clicks: rooms that nobody clicked in, and those that were.

    Args:
        data: folder of rows.
        picture: PNG to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    shipped = {where: mean(_values(data, "shipped", 20, 0, where)) for where in ("others", "clicked")}
    places = range(1, len(CLICKS) + 1)
    for scenes, shade in ((1, "#9ecae1"), (5, "#4292c6"), (20, "#084594")):
        name = f"learned from {scenes} room{'s' * (scenes > 1)}"
        _line(left, data, "learn", scenes, "others", shipped["others"], color=shade, label=name)
    _line(left, data, "scratch", 20, "others", None, color="#cb181d", label="from scratch, 20 rooms", linestyle="--")
    _line(right, data, "learn", 20, "clicked", shipped["clicked"], color="#084594", label="learned and corrected")
    _line(right, data, "hand", 20, "clicked", shipped["clicked"], color="#737373", label="corrected by hand alone")
    _line(right, data, "scratch", 20, "clicked", None, color="#cb181d", label="from scratch, corrected", linestyle="--")
    left.set_title("rooms that nobody clicked in")
    right.set_title("the 20 rooms clicked in")
    left.set_ylabel("mIoU, %")
    for axis, where in ((left, "others"), (right, "clicked")):
        axis.axhline(shipped[where], color="#bdbdbd", linewidth=1, linestyle=":")
        axis.annotate("as shipped", (len(CLICKS), shipped[where]), xytext=(0, -12), textcoords="offset points",
                      ha="right", color="#737373", fontsize=8)  # fmt: skip
        axis.set_xticks([0, *places], ["0", *map(str, CLICKS)])
        axis.set_xlabel("clicks a room; each gives the largest wrong thing its word")
        axis.grid(alpha=0.25)
        axis.legend(frameon=False, fontsize=9, loc="lower right")
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    figure.savefig(picture, dpi=130)


def _line(
    axis: object, data: Path, way: str, scenes: int, where: str, start: float | None, **style: object
) -> None:  # fmt: skip
    """Mean over the seeds, and their spread as a band."""
    found = [_values(data, way, scenes, clicks, where) for clicks in CLICKS]
    middle = [mean(values) for values in found]
    spread = [stdev(values) if len(values) > 1 else 0.0 for values in found]
    first = 1 if start is None else 0
    middle, spread = ([start, *middle], [0.0, *spread]) if start is not None else (middle, spread)
    places = range(first, first + len(middle))
    axis.plot(places, middle, marker="o", markersize=4, **style)  # type: ignore[attr-defined]
    low = [value - off for value, off in zip(middle, spread, strict=True)]
    high = [value + off for value, off in zip(middle, spread, strict=True)]
    axis.fill_between(places, low, high, color=style["color"], alpha=0.15, linewidth=0)  # type: ignore[attr-defined]
