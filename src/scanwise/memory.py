"""How much memory is free, and whether what a file declares fits into it: asked before the file is unpacked."""

from __future__ import annotations

import math
import sys
from pathlib import Path

from scanwise.errors import InputError


def check_fits(needed: float, where: object) -> None:
    """Refuses what would not fit.

    Args:
        needed: bytes that reading will take at its peak.
        where: what the error begins with.

    Raises:
        InputError: less is free.
    """
    free = free_memory()
    if needed > free:
        gigabytes = f"{needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free"
        raise InputError(f"{where}: reading it takes about {gigabytes}; make it smaller, or cut it into parts")


def free_memory(root: Path = Path("/")) -> float:
    """Bytes that this process may still take: of the machine, of its control group, of its own limit.

    Args:
        root: where proc and sys are.

    Returns:
        The least of them; infinite where the system does not tell.
    """
    return max(0.0, min(_of_machine(root), _of_group(root), _of_process(root)))


def _of_machine(root: Path) -> float:
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
        return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return math.inf


def _of_group(root: Path) -> float:
    """What a container may take, in either version of control groups; the file cache can be given back."""
    group = root / "sys/fs/cgroup"
    for limit, usage, stat in (
        ("memory.max", "memory.current", "memory.stat"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
    ):
        try:
            entries = dict(line.split() for line in (group / stat).read_text().splitlines())
            cache = int(entries.get("inactive_file", entries.get("total_inactive_file", 0)))
            return int((group / limit).read_text()) - int((group / usage).read_text()) + cache
        except (OSError, ValueError):  # not there, or "max"
            continue
    return math.inf


def _of_process(root: Path) -> float:
    if sys.platform == "win32":
        return math.inf
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return math.inf
    try:
        pages = int((root / "proc/self/statm").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return float(limit)
    return float(limit - pages * resource.getpagesize())


def peak_memory() -> int | None:
    """Bytes this process held at most; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
