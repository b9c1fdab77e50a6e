"""Free memory: of the machine, of a control group, and what does not fit is refused."""

from __future__ import annotations

import math

import pytest

from scanwise import memory
from scanwise.errors import InputError


def write(root, **files: str) -> None:
    for name, content in files.items():
        path = root / name.replace("__", "/").replace("_of_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_the_least_limit_counts(tmp_path):
    assert memory.free_memory(tmp_path) == math.inf
    write(tmp_path, proc__meminfo="MemTotal: 9000 kB\nMemAvailable:    4000 kB\n")
    assert memory.free_memory(tmp_path) == 4000 * 1024
    group = tmp_path / "sys/fs/cgroup"
    write(group, memory_of_max="max", memory_of_current="500", memory_of_stat="anon 1\ninactive_file 200\n")
    assert memory.free_memory(tmp_path) == 4000 * 1024
    write(group, memory_of_max="1000")
    assert memory.free_memory(tmp_path) == 700
    write(group, memory_of_current="5000")
    assert memory.free_memory(tmp_path) == 0


def test_the_first_version_of_control_groups(tmp_path):
    group = tmp_path / "sys/fs/cgroup/memory"
    for name, content in (("limit_in_bytes", "1000"), ("usage_in_bytes", "500"), ("stat", "total_inactive_file 100\n")):
        write(group, **{f"memory_of_{name}": content})
    assert memory.free_memory(tmp_path) == 600


def test_what_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 2e9)
    memory.check_fits(1e9, "a.npz")
    with pytest.raises(InputError, match=r"^a.npz: reading it takes about 3.0 GB of memory, 2.0 GB are free"):
        memory.check_fits(3e9, "a.npz")
