import math
import os
import subprocess
import sys

import pytest

from scanwise import threads
from scanwise.threads import Readings, free_cores, quota


@pytest.mark.parametrize(
    ("cores", "allowed", "limit", "load", "spent", "free"),
    [
        (2, 2, math.inf, 0.0, 0.0, 2),
        (2, 2, math.inf, 0.3, 0.0, 2),  # what a system always has to do
        (2, 2, math.inf, 1.0, 0.0, 1),
        (2, 2, math.inf, 9.0, 0.0, 1),  # at least one
        (2, 2, math.inf, 0.95, 180.0, 2),  # the load is our own: three minutes of work make .95 of it
        (2, 2, math.inf, 1.95, 180.0, 1),
        (16, 4, math.inf, 0.0, 0.0, 4),
        (16, 4, math.inf, 10.0, 0.0, 4),  # six are free, four are ours
        (16, 16, 2.5, 0.0, 0.0, 2),
        (16, 16, 0.5, 0.0, 0.0, 1),
        (16, 16, 64.0, 4.0, 0.0, 12),
    ],
)
def test_free_cores_by_hand(cores, allowed, limit, load, spent, free):
    assert Readings(cores, allowed, limit, load, spent).free == free


def test_what_is_read_is_this_machine():
    found = Readings.take()
    assert 1 <= found.allowed <= found.cores == os.cpu_count()
    assert found.quota > 0
    assert found.spent > 0
    assert 1 <= free_cores() <= found.allowed


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_least_quota_of_all_groups_above_is_taken(tmp_path):
    groups = tmp_path / "cgroup"
    write(groups, "0::/work/inner\n")
    root = tmp_path / "fs"
    assert quota(groups, root) == math.inf
    write(root / "work" / "cpu.max", "150000 100000\n")
    write(root / "work" / "inner" / "cpu.max", "max 100000\n")
    assert quota(groups, root) == 1.5
    write(root / "work" / "inner" / "cpu.max", "50000 100000\n")
    assert quota(groups, root) == 0.5
    write(groups, "0::/\n")
    assert quota(groups, root) == math.inf


def test_the_quota_of_older_groups(tmp_path):
    groups, root = tmp_path / "cgroup", tmp_path / "fs"
    write(groups, "5:memory:/x\n4:cpu,cpuacct:/x\n1:name=systemd:/\n")
    write(root / "cpu,cpuacct" / "x" / "cpu.cfs_quota_us", "200000\n")
    write(root / "cpu,cpuacct" / "x" / "cpu.cfs_period_us", "100000\n")
    assert quota(groups, root) == 2
    write(root / "cpu,cpuacct" / "x" / "cpu.cfs_quota_us", "-1\n")
    assert quota(groups, root) == math.inf


def test_a_system_without_groups_has_no_quota(tmp_path):
    assert quota(tmp_path / "nothing", tmp_path) == math.inf


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize(("own", "expected"), [("", "1"), ("2", "2")])
def test_torch_computes_with_them_unless_the_user_has_said(own, expected, order):
    loading, setting = "import torch", "threads.use_free_cores()"
    lines = [
        "from scanwise import threads",
        "threads.Readings.take = classmethod(lambda cls: cls(8, 8, 1.9, 0.0, 0.0))",
        *((setting, loading) if order == "before" else (loading, setting)),
        "print(torch.get_num_threads())",
    ]
    code = "\n".join(lines)
    environment = {name: value for name, value in os.environ.items() if name not in threads.USERS_OWN}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=environment | ({"OMP_NUM_THREADS": own} if own else {}),
    )  # fmt: skip
    assert found.stdout.strip() == expected
