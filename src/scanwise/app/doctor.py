"""`scanwise doctor`: what this installation is made of, what it lacks, and whether it works."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from scanwise import __version__
from scanwise.app.console import note
from scanwise.app.extras import EXTRAS
from scanwise.errors import InputError

_PACKAGES = ("torch", "numpy", "scipy", "safetensors", "tokenizers", "pillow", "laspy", "trimesh", "typer")
_TEXTS = ["sofa", "table", "wall", "floor"]


def doctor(
    test: Annotated[bool, typer.Option("--test/--no-test", help="Label a corner of the scan that ships.")] = True,
) -> None:
    """Say what this installation is made of, what it lacks, and whether it works: versions, devices, disk, weights.

    Ends with exit code 2 where something is missing that every scan needs. Put what it prints into a report.

    Examples:

        scanwise doctor

        scanwise doctor --no-test
    """
    faults = list[str]()
    for name, tell in (
        ("scanwise", _versions), ("cores", _cores), ("memory", _memory), ("devices", _devices), ("disk", _disk),
        ("cache", _cache), ("weights", _weights), ("words", _words),
    ):  # fmt: skip
        _say(name, tell, faults)
    for extra in EXTRAS:
        missing = extra.missing
        how = f"no: pip install 'scanwise[{extra.name}]' for " if missing else "yes: "
        print(f"{'[' + extra.name + ']':<11} {how}{extra.adds}")
    if test and not faults:
        _say("self-test", _self_test, faults)
    if faults:
        raise InputError("; ".join(faults))


def _say(name: str, tell: object, faults: list[str]) -> None:
    try:
        said = tell()  # type: ignore[operator]
    except Exception as error:  # whatever is broken here is what the user wants to know
        said = f"{error}" if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        faults.append(f"{name}: {said}")
    print(f"{name:<11} {said}", flush=True)


def _versions() -> str:
    from importlib.metadata import version

    packages = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
    where = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return f"{__version__} at {Path(__file__).parents[1]}; {where}; {packages}"


def _cores() -> str:
    from scanwise.threads import Readings

    found = Readings.take()
    own = os.environ.get("OMP_NUM_THREADS", str(found.free))
    return f"{found.cores}, {found.free} free just now; computes with {own} thread{'' if own == '1' else 's'}"


def _memory() -> str:
    from scanwise.memory import free_memory

    free = free_memory()
    return "the system does not tell" if free == float("inf") else f"{free / 1e9:.1f} GB free"


def _devices() -> str:
    import torch

    found = ["cpu"]
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        free, total = torch.cuda.mem_get_info(number)
        name = torch.cuda.get_device_name(number)
        found.append(f"cuda:{number} ({name}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free)")
    if torch.backends.mps.is_available():
        found.append("mps (never tried)")
    return ", ".join(found)


def _disk() -> str:
    from scanwise import cache

    places = {
        "here": Path.cwd(),
        "for the cache": cache.cache_dir(),
        "for temporary files": Path(tempfile.gettempdir()),
    }
    return ", ".join(f"{shutil.disk_usage(place).free / 1e9:.1f} GB free {name}" for name, place in places.items())


def _cache() -> str:
    from scanwise import cache

    used, limit = sum(part.size for part in cache.parts()), cache.limit_bytes()
    return f"{used / 1e9:.1f} of at most {limit / 1e9:.1f} GB in {cache.cache_dir()}"


def _weights() -> str:
    import hashlib

    from scanwise.shipped import HOW, weights_folder

    files = sorted(weights_folder().glob("*.safetensors"))
    if not files:
        raise InputError(f"there are none; {HOW}")
    damaged = [
        file.name
        for file in files
        if hashlib.sha256(file.read_bytes()).hexdigest() not in file.with_suffix(".md").read_text(encoding="utf-8")
    ]
    if damaged:
        raise InputError(f"{', '.join(damaged)}: other bytes than the card beside says; install again: {HOW}")
    size = sum(file.stat().st_size for file in files)
    return f"{len(files)} sets, {size / 1e6:.0f} MB, whole, in {files[0].parent}"


def _words() -> str:
    from scanwise.nn.text import load_minilm, minilm_folder

    load_minilm(minilm_folder(), most_tokens=8)
    return f"MiniLM, whole, in {minilm_folder()}"


def _self_test() -> str:
    """Labels what one picture of the scan that ships shows, with an empty cache, and looks at what comes out."""
    from dataclasses import replace
    from importlib.resources import files

    import numpy as np

    from scanwise.app.options import read_scan
    from scanwise.understand.calls import prepare
    from scanwise.understand.label_files import part_of

    note("self-test: one picture of the scan that ships, without the cache; less than 20 seconds of one core ...")
    started = time.perf_counter()
    with _cache_of_its_own():
        scan = read_scan(Path(str(files("scanwise") / "demo")))
        near = np.flatnonzero((scan.points[:, 0] < 0.8) & scan.finite)
        corner = replace(part_of(scan, near), views=scan.views[:1])
        labels = prepare(corner, up=None).label(_TEXTS)
    floor = corner.points[:, 2] < 0.03
    share = float((labels.indices[floor] == _TEXTS.index("floor")).mean())
    seconds = time.perf_counter() - started
    if share < 0.5:
        raise InputError(f"labels are wrong: {100 * share:.0f} % of the floor is labelled floor; please report this")
    return f"works: {len(corner):,} points labelled in {seconds:.1f} s, {100 * share:.0f} % of the floor as floor"


@contextmanager
def _cache_of_its_own() -> Iterator[None]:
    before = os.environ.get("SCANWISE_CACHE")
    with tempfile.TemporaryDirectory(prefix="scanwise-doctor-") as folder:
        os.environ["SCANWISE_CACHE"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["SCANWISE_CACHE"]
            else:
                os.environ["SCANWISE_CACHE"] = before
