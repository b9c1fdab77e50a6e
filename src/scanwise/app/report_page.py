"""The report of many scans: a page with thumbnails, and a table with every scan."""

from __future__ import annotations

import csv
import html
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from scanwise.files import write_text

_MOST = 2000  # scans that the page shows; report.csv has all
_COLUMNS = ("name", "path", "seconds", "processor_seconds", "peak_memory_bytes", "found", "reason")
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; color: #222; }
.scans { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; }
.scan { border: 1px solid #ddd; border-radius: 6px; overflow: hidden; }
.scan img { width: 100%; display: block; background: #f4f4f4; }
.scan div { padding: .5rem .75rem; } .scan small { color: #666; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; } a { color: #0550ae; }
li { overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #ddd; } .scan { border-color: #444; }
.scan small { color: #aaa; } a { color: #79b8ff; } }
"""


def write_report(out: Path, verb: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes report.html and report.csv.

    Args:
        out: folder of all results.
        verb: that was run.
        rows: of the scans that ended: `name`, `path`, `seconds`, `reason` ("" = it worked), `found` and the others that
            `workers.do` gives.

    Raises:
        OutputError: the folder cannot be written.
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, _COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out / "report.csv", stream.getvalue())
    write_text(out / "report.html", _page(verb, rows))


def _page(verb: str, rows: Sequence[Mapping[str, Any]]) -> str:
    worked, failed = [row for row in rows if not row["reason"]], [row for row in rows if row["reason"]]
    peaks = [row["peak_memory_bytes"] for row in rows if row.get("peak_memory_bytes")]
    seconds = sum(row["seconds"] for row in rows)
    facts = [f"{len(worked)} scans done", f"{len(failed)} failed", f"{seconds / 60:.1f} minutes in all"]
    if worked:
        facts.append(f"{sum(row['seconds'] for row in worked) / len(worked):.1f} s a scan")
    if peaks:
        facts.append(f"at most {max(peaks) / 1e9:.1f} GB of memory")
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>scanwise {verb}: {len(rows)} scans</title><style>{_STYLE}</style>",
        f"<h1>scanwise {verb}</h1><p>{', '.join(facts)}. <a href=report.csv>report.csv</a></p>",
        _failures(failed),
        "<h2>Done</h2><div class=scans>" if worked else "",
        *(_card(row, verb) for row in worked[:_MOST]),
        "</div>" if worked else "",
    ]
    if len(worked) > _MOST:
        parts.append(f"<p>and {len(worked) - _MOST} more in report.csv</p>")
    return "\n".join(parts) + "\n"


def _failures(failed: Sequence[Mapping[str, Any]]) -> str:
    """Failures by reason, the most frequent first; what names the scan itself in a reason is left out."""
    groups = defaultdict[str, list[Mapping[str, Any]]](list)
    for row in failed:
        groups[str(row["reason"]).replace(str(row["path"]), "").lstrip(": ")].append(row)
    if not groups:
        return ""
    said = ["<h2>Failed, by reason</h2><ul>"]
    for reason, rows in sorted(groups.items(), key=lambda group: -len(group[1])):
        named = ", ".join(
            f"<a href='logs/{quote(row['name'])}.txt'>{html.escape(row['name'])}</a>" for row in rows[:20]
        )
        more = f" and {len(rows) - 20} more" if len(rows) > 20 else ""
        said.append(f"<li>{html.escape(reason)}<br><small>{len(rows)}: {named}{more}</small></li>")
    return "\n".join([*said, "</ul>"])


def _card(row: Mapping[str, Any], verb: str) -> str:
    place, name = quote(row["name"]), html.escape(row["name"])
    target = f"{place}/view.html" if verb == "label" else f"{place}/answers.json"
    return (
        f"<div class=scan><a href='{target}'><img loading=lazy alt='{name}' src='{place}/thumb.jpg'></a>"
        f"<div><a href='{target}'>{name}</a> · {row['seconds']:.1f} s<br><small>{html.escape(row['found'])}</small>"
        "</div></div>"
    )
