"""Rooms and sweeps made a minute, and what they take on disk.

    python benchmarks/synth.py --json out/synth.json

A set of rooms and one of drives are made in new folders, models already in the cache; one process a core.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from rows import Rows, machine

from scanwise.synth.generate import SetConfig, shares, write_set

ROOMS, DRIVES = 44, 4


def main() -> None:
    """Makes both sets and writes the rows."""
    rows = Rows(__doc__ or "")
    cores = os.cpu_count() or 1
    params = {"processes": cores, "machine": machine()}
    for kind, number in (("rooms", ROOMS), ("streets", DRIVES)):
        splits = shares(number) if kind == "rooms" else {"train": number}
        config = SetConfig.model_validate({"name": kind, "kind": kind, "seed": 7, "splits": splits})
        with tempfile.TemporaryDirectory() as place:
            warm = config.model_copy(update={"splits": {"train": cores}})
            write_set(warm, Path(place) / "warm", workers=cores)
            started = time.perf_counter()
            index = write_set(config, Path(place) / kind, workers=cores)
            minutes = (time.perf_counter() - started) / 60
        scenes = index["scenes"]
        what = "rooms" if kind == "rooms" else "sweeps"
        rows.add(f"{what} a minute", len(scenes) / minutes, "1/min", **params)
        rows.add(f"bytes of {what[:-1]}", sum(entry["bytes"] for entry in scenes) / len(scenes) / 1e6, "MB", **params)
        rows.add(f"points of {what[:-1]}", sum(entry["points"] for entry in scenes) / len(scenes), "points", **params)
    rows.write()


if __name__ == "__main__":
    main()
