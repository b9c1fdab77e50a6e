"""`scanwise label` and `ask` of many scans: what is done stays done, one bad scan does not stop the rest, one report.

scans.jsonl       a line a scan as it ends: what became of it, seconds, memory
report.html       thumbnails, counts, seconds, failures by reason; report.csv has every scan
NAME/             what the verb leaves of a scan; logs/NAME.txt what it said
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scanwise.app.console import note
from scanwise.app.report_page import write_report
from scanwise.app.scans import Scan, find_scans
from scanwise.app.workers import Done, in_processes, on_ray
from scanwise.errors import InputError
from scanwise.memory import free_memory
from scanwise.threads import free_cores

_PER_SCAN = 1.5e9  # bytes of memory that a process takes for itself, and per byte of its scan: docs/scaling.md
_PER_BYTE = 12.0
_RESULT = {"label": "labels.json", "ask": "answers.json"}
_NOT_ASKED = ("scene", "out", "processes", "ray", "device")  # options that results do not depend on


def run_many(verb: str, options: Mapping[str, Any], *, processes: int, ray: str | None) -> None:
    """Labels or asks every scan that was given, and writes the report.

    Args:
        verb: "label" or "ask".
        options: of the verb's function; `scene` stands for the scans, `out` for the folder of all results.
        processes: of this machine, at a time; 0 = as many as there are free cores and memory for.
        ray: address of a cluster; None = this machine.

    Raises:
        InputError: no scan was given, or none could be done.
        OutputError: the folder cannot be written.
    """
    from scanwise.app.results import check_out, new_folder

    given = options["scene"]
    named = given.with_name("".join(sign for sign in given.name if sign.isalnum() or sign in "._-") or "scans")
    out = options["out"] or new_folder(named, verb=verb)
    check_out(out, given)
    question = {name: value for name, value in options.items() if name not in _NOT_ASKED}
    scans, passed_over = find_scans(given, out, {"verb": verb, **question})
    if passed_over:
        note(f"note: {passed_over}")
    before = {done["name"]: done for done in _known(out)}
    ended = {scan.name: before[scan.name] for scan in scans if _is_done(scan, before, out, verb)}
    left = [scan for scan in scans if scan.name not in ended]
    count = min(len(left), processes or _processes_for(left))
    _announce(scans, left, ended, count, ray)
    if left:
        for done in _ends(verb, _single(options), left, out, count, ray):
            ended[done["name"]] = done
            _keep(out, done)
            _tell(done, len(ended), len(scans), ended, count if ray is None else 0, len(left))
    _finish(verb, scans, ended, out)


def _ends(
    verb: str, options: dict[str, Any], left: Sequence[Scan], out: Path, count: int, ray: str | None
) -> Iterator[Done]:
    if ray is not None:
        return on_ray(verb, options, left, out, ray)
    return in_processes(verb, options, left, out, count)


def _single(options: Mapping[str, Any]) -> dict[str, Any]:
    return {**options, "processes": 0, "ray": None}


def _known(out: Path) -> list[Done]:
    """What an earlier run put down; a last line that was cut off is none."""
    path = out / "scans.jsonl"
    if not path.is_file():
        return []
    found = list[Done]()
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            done = json.loads(line)
        except ValueError:
            continue
        if isinstance(done, dict) and "name" in done:
            found.append(done)
    return found


def _is_done(scan: Scan, before: Mapping[str, Done], out: Path, verb: str) -> bool:
    """Whether an earlier run asked the same of the same files, and its results are there; failures are tried again."""
    done = before.get(scan.name)
    same = done is not None and done.get("key") == scan.key and not done.get("reason")
    return same and (out / scan.name / _RESULT[verb]).is_file()


def _keep(out: Path, done: Done) -> None:
    with (out / "scans.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(done) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def _memory_of(scan: Scan) -> float:
    return _PER_SCAN + _PER_BYTE * scan.size


def _processes_for(left: Sequence[Scan]) -> int:
    """As many as there are free cores, and memory for the largest scans at once."""
    largest = sorted((_memory_of(scan) for scan in left), reverse=True)
    free, count = free_memory(), 0
    while count < min(free_cores(), len(largest)) and sum(largest[: count + 1]) < free:
        count += 1
    return max(1, count)


def _announce(
    scans: Sequence[Scan], left: Sequence[Scan], ended: Mapping[str, Done], count: int, ray: str | None
) -> None:
    size = sum(scan.size for scan in left)
    done = f", {len(ended)} of them done before" if ended else ""
    if not left:
        note(f"{len(scans)} scans{done}; nothing is left to do")
        return
    where = f"on the Ray cluster {ray}" if ray is not None else f"by {count} process{'es' * (count > 1)}"
    most = max(_memory_of(scan) for scan in left)
    needs = f"{where}, up to about {most / 1e9:.1f} GB of memory each; how long it takes is told after the first"
    note(f"{len(scans)} scans{done}; {len(left)} to do, {size / 1e6:,.0f} MB, {needs}")
    if ray is None and count * most > free_memory():
        note(f"note: {free_memory() / 1e9:.1f} GB are free; fewer --processes need less")


def _tell(done: Done, number: int, total: int, ended: Mapping[str, Done], count: int, left: int) -> None:
    what = f"failed: {done['reason']}" if done["reason"] else f"{done['seconds']:.0f} s"
    mine = [each["seconds"] for each in ended.values() if not each["reason"]]
    still = total - number
    rest = ""
    if still and mine and count:
        rest = f"; about {sum(mine) / len(mine) * still / min(count, left) / 60:.0f} min to go"
    note(f"{number}/{total} {done['name']}: {what}{rest}")


def _finish(verb: str, scans: Sequence[Scan], ended: Mapping[str, Done], out: Path) -> None:
    rows = [ended[scan.name] | {"found": _found(out / scan.name, verb)} for scan in scans if scan.name in ended]
    write_report(out, verb, rows)
    failed = [row for row in rows if row["reason"]]
    print(f"{len(rows) - len(failed)} of {len(scans)} scans done" + (f", {len(failed)} failed" if failed else ""))
    print(out / "report.html")
    if failed:
        first = f"{failed[0]['name']}: {failed[0]['reason']}"
        again = "the same command tries them again"
        raise InputError(f"{len(failed)} of {len(scans)} scans failed, such as {first}; {again}")


def _found(folder: Path, verb: str) -> str:
    """What a scan's results say, in a few words."""
    try:
        content = json.loads((folder / _RESULT[verb]).read_text(encoding="utf-8"))
        if verb == "ask":
            answers = [(each["text"], "found" if each["found"] else "not here") for each in content["answers"]]
            return "; ".join(f"{text}: {found}" for text, found in answers)
        total = max(1, sum(content["counts"].values()))
        likeliest = sorted(content["counts"].items(), key=lambda pair: -pair[1])
        objects = content["objects"]
        return ", ".join(
            f"{text} {100 * count / total:.0f} %" + (f" ({objects[text]})" if objects.get(text) else "")
            for text, count in likeliest
            if count
        )
    except (OSError, ValueError, KeyError, TypeError):
        return ""
