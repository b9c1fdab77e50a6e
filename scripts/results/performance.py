"""The tables of docs/performance.md."""

from __future__ import annotations

from pathlib import Path

from .rows import Row, find, read_rows
from .tables import NOT_RUN, Table, number, only


def sparse(data: Path) -> str:
    """A convolution against spconv's, as benchmarks/sparse.py measured it."""
    rows = find(read_rows(data / "sparse.json"), rows="as given")
    table = Table("C", "spconv, 1 thread", "ours, 1 thread", "share", "ours, 2 threads",
                  "forward + backward, 1 thread", "bfloat16, 1 thread")  # fmt: skip
    for width in dict.fromkeys(row["params"]["C"] for row in rows):
        used = find(rows, C=width)
        one, two = (only(used, "forward", threads=threads) for threads in (1, 2))
        both, low = only(used, "forward + backward, over forward"), only(used, "bfloat16 forward, over float32")
        ours = f"{_span(one, 'value', 1000, '.3g')} ms, **{_span(one, 'ratio', 1, '.2f', 'x')}**"
        share = _span(one, "share of peak", 1, ".2f")
        training = f"{_span(both, 'ratio', 1, '.1f')} forwards, share {_span(both, 'share of peak', 1, '.2f')}"
        cells = [f"{_span(one, 'reference', 1000, '.3g')} ms", ours, share, _span(two, "ratio", 1, ".2f", "x")]
        table.add([str(width), *cells, training, f"{_span(low, 'ratio', 1, '#.2g')} forwards"], used)
    return str(table)


def _span(row: Row | None, metric: str, scale: float, form: str, unit: str = "") -> str:
    """A metric, or the least and the greatest of several runs where the row has `METRIC to` as well."""
    if row is None or metric not in row["metrics"]:
        return NOT_RUN
    ends = [row["metrics"][key] for key in (metric, f"{metric} to") if key in row["metrics"]]
    return " to ".join(f"{scale * end:{form}}{unit}" for end in ends)


def growth(data: Path) -> str:
    """A step of a convolution over voxels."""
    rows = read_rows(data / "sparse.json")
    table = Table("voxels", "seconds", "microseconds a voxel", "memory, MiB")
    for row in find(rows, "growth: step"):
        voxels = row["params"]["voxels"]
        memory = only(rows, "growth: memory", voxels=voxels)
        seconds = row["metrics"]["value"]
        cells = [f"{seconds:.3g}" if seconds < 1 else f"{seconds:.3f}", f"{1e6 * seconds / voxels:.1f}"]
        table.add([_spaced(voxels), *cells, number(memory, "value", ".0f")], [r for r in (row, memory) if r])
    return str(table)


def ptv3(data: Path) -> str:
    """A training step of Point Transformer V3 over voxels, as benchmarks/ptv3.py measured it."""
    rows = read_rows(data / "ptv3.json")
    sizes = ("tiny", "small")
    table = Table("voxels", *(f"{size}, s" for size in sizes), *(f"{size}, MiB" for size in sizes))
    for voxels in dict.fromkeys(row["params"]["voxels"] for row in find(rows, "training step")):
        steps, peaks = (
            [only(rows, name, size=size, voxels=voxels) for size in sizes] for name in ("training step", "peak memory")
        )
        cells = [number(row, "value", ".2f") for row in steps]
        cells += [NOT_RUN if row is None else _spaced(row["metrics"]["value"]) for row in peaks]
        table.add([_spaced(voxels), *cells], [row for row in (*steps, *peaks) if row])
    return str(table)


def launches(data: Path) -> str:
    """What a step asks of a device, before and after, as benchmarks/launches.py counted it."""
    rows = read_rows(data / "launches.json")
    table = Table("step of", "rooms", "counted", "before", "now", "ratio")
    for row in rows:
        case, counted = row["name"].split(", ")
        metrics = row["metrics"]
        known = [_spaced(metrics[key]) if key in metrics else NOT_RUN for key in ("reference", "value")]
        ratio = f"{metrics['ratio']:.3f}" if "ratio" in metrics else NOT_RUN
        table.add([case, str(row["params"]["rooms"]), counted, *known, ratio], [row])
    return str(table)


def _spaced(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")


TABLES = {"sparse": sparse, "growth": growth, "ptv3": ptv3, "launches": launches}
