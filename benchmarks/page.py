"""Rows of benchmarks (--json) as a page of docs/results/, between the text that a person wrote.

    python benchmarks/page.py docs/results/label.md out/label.json out/pooling.json

Each file's rows go between the lines `<!-- rows: NAME -->` and `<!-- end -->`, NAME being the file's stem.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Writes the rows of the files named on the command line into the page named before them."""
    page = Path(sys.argv[1])
    text = page.read_text()
    for path in map(Path, sys.argv[2:]):
        mark = f"<!-- rows: {path.stem} -->\n"
        if mark not in text:
            sys.exit(f"{page}: has no line {mark.strip()}")
        table = mark + made_table(json.loads(path.read_text())) + "<!-- end -->"
        text = re.sub(re.escape(mark) + ".*?<!-- end -->", lambda _, table=table: table, text, flags=re.DOTALL)
    page.write_text(text)


def made_table(rows: list[dict[str, Any]]) -> str:
    """Markdown: what all rows share above the table, what differs in it."""
    shared = {
        key: value for key, value in rows[0]["params"].items() if all(row["params"].get(key) == value for row in rows)
    }
    lines = [", ".join(f"{key} {value}" for key, value in shared.items()) + ".", ""]
    lines += ["| what | value | reference | ratio |", "|---|---|---|---|"]
    for row in rows:
        own = " ".join(f"{key} {value}" for key, value in row["params"].items() if key not in shared)
        reference = "" if row["reference"] is None else f"{row['reference']:.3g} {row['unit']}"
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.3g}"
        lines.append(
            f"| {row['name']} {own} | {row['value']:.3g} {row['unit']} | {reference} | {ratio} |".replace("  ", " ")
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
