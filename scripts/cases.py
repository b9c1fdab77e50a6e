"""What `scanwise info` says of every case of a folder, before and after a change: a table to look through.

    python scripts/cases.py ../shared/cases --before ../before > out/cases.md

A case is a folder of inputs; where its files are one input together (a recording, a scene of arrays), it is named in
`WHOLE`. A row has the exit code and the last lines of what was said.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
WHOLE = {"07", "08", "11", "13a", "13g", "13h", "20", "28", "28b", "28d", "41c"}
SHOWN = 230  # letters of what was said


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--before", type=Path, required=True, help="a checkout")
    arguments = parser.parse_args()
    print("| case | before | after |\n|---|---|---|")
    for path in inputs(arguments.cases):
        cells = [said(checkout, path) for checkout in (arguments.before, HERE)]
        print(f"| {path.relative_to(arguments.cases)} | {cells[0]} | {cells[1]} |", flush=True)


def inputs(cases: Path) -> list[Path]:
    """What a user would name of each case."""
    found = []
    for case in sorted(path for path in cases.iterdir() if path.is_dir()):
        parts = [path for path in sorted(case.iterdir()) if not path.name.startswith(".") and path.suffix != ".md"]
        if case.name in WHOLE and not (len(parts) == 1 and parts[0].is_dir()):
            found.append(case)
        else:
            found.extend(parts)
    return found


def said(checkout: Path, path: Path) -> str:
    """Exit code and the lines that say something of what was read."""
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve() / "src"), "COLUMNS": "400"}
    done = subprocess.run(
        [sys.executable, "-m", "scanwise", "info", str(path)], env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    notes = [line for line in done.stderr.splitlines() if line.strip()]
    facts = [" ".join(line.split()) for line in done.stdout.splitlines() if line.strip()]
    text = " / ".join([*notes[-3:], *facts[1:7]]).replace(str(path), path.name).replace("|", "\\|")
    return f"{done.returncode}: {text[:SHOWN]}"


if __name__ == "__main__":
    main()
