"""How many threads to compute with: as many as there are free cores, so that none waits for a core of another's.

With other work on the machine, two threads lose to one, now and then by a hundred times: at the end of each loop every
thread waits for the one that has no core. docs/performance.md has the figures.
"""

from __future__ import annotations

import math
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

USERS_OWN = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Readings:
    """What the system says.

    Attributes:
        cores: of the machine.
        allowed: of them, those that this process may run on.
        quota: cores' worth of time that its control groups may use; infinite where none sets a limit.
        load: processes that have lately run or waited for a core, in the mean of a minute.
        spent: seconds of processor time that this process itself has taken.
    """

    cores: int
    allowed: int
    quota: float
    load: float
    spent: float

    @classmethod
    def take(cls) -> Readings:
        """Those of now; what a system does not tell is taken to be free."""
        cores = os.cpu_count() or 1
        affinity = getattr(os, "sched_getaffinity", None)
        try:
            load = os.getloadavg()[0]
        except (AttributeError, OSError):  # Windows has none
            load = 0.0
        return cls(cores, len(affinity(0)) if affinity else cores, quota(), load, time.process_time())

    @property
    def free(self) -> int:
        """Cores that nobody else uses, at least one."""
        own = 1 - math.exp(-self.spent / 60)  # what so long a time of work has added to the mean of a minute
        others = max(0.0, self.load - own)
        return max(1, min(self.allowed, int(min(self.quota, self.cores)), round(self.cores - others)))


def free_cores() -> int:
    """Cores that this process may use and that nobody else uses just now, at least one."""
    return Readings.take().free


def use_free_cores() -> None:
    """Has this process compute with as many threads as there are free cores, unless the user has set their number.

    Whoever has set `OMP_NUM_THREADS` or `MKL_NUM_THREADS` is obeyed, torchrun too. Called before torch is loaded, this
    costs no more than a few small files to read: torch, MKL and OpenBLAS look for the number when they are loaded.
    """
    if any(os.environ.get(name) for name in USERS_OWN):
        return
    count = free_cores()
    os.environ["OMP_NUM_THREADS"] = str(count)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(count)


def quota(proc: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> float:
    """Cores' worth of time that this process's control groups, and those above them, may use.

    Args:
        proc: file that names its groups.
        root: where groups are mounted.

    Returns:
        The least of all limits; infinite where there is none.
    """
    try:
        lines = proc.read_text().splitlines()
    except OSError:
        return math.inf
    limits = [math.inf]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            mounts = [root, root / "unified"]
        elif "cpu" in controllers.split(","):
            mounts = [root / "cpu", root / controllers]
        else:
            continue
        for mount in mounts:
            place = mount / path.lstrip("/")
            while place != mount.parent:  # also where the group itself is not to be seen, as in a container
                limits.append(_limit(place))
                place = place.parent
    return min(limits)


def _limit(group: Path) -> float:
    """Of one group: "max 100000" or "150000 100000" microseconds in version 2, two files in version 1."""
    try:
        if (group / "cpu.max").exists():
            share, period = (group / "cpu.max").read_text().split()
        else:
            share = (group / "cpu.cfs_quota_us").read_text().strip()
            period = (group / "cpu.cfs_period_us").read_text().strip()
        return int(share) / int(period) if share not in ("max", "-1") else math.inf
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf
