"""What the scripts that fill tables of docs/results/ share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path


def fill(page: Path, tables: Mapping[str, Callable[[], str]]) -> None:
    """Puts each table between `<!-- NAME -->` and `<!-- end -->` of a page; the page must have a place for each."""
    text = page.read_text()
    for name, table in tables.items():
        filled = f"<!-- {name} -->\n{table()}<!-- end -->"
        text, places = re.subn(f"<!-- {name} -->\n.*?<!-- end -->", lambda _, new=filled: new, text, flags=re.DOTALL)
        if places != 1:
            raise SystemExit(f"{page}: has {places} places for {name}")
    page.write_text(text)
