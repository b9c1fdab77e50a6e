"""The queue of long runs: what it takes next, that it goes on after any stop, and what it counts."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scanwise.errors import InputError

PATIENCE = 600  # seconds that a test waits on a busy machine for what is to come
SCRIPT = Path(__file__).parents[1] / "scripts" / "long_runs.py"

# A program that works for about .1 s of the processor a step, and goes on after the last that its log has.
PROGRAM = """
import os, sys, time
from pathlib import Path
verb, method, recipe, _, out = sys.argv[1:]
if "broken" in recipe:
    sys.exit("error: no such data")
log = Path(out) / "log.csv"
log.parent.mkdir(parents=True, exist_ok=True)
done = len(log.read_text().splitlines()) - 1 if log.exists() else 0
if not done:
    log.write_text("step,loss,nice,threads\\n")
for step in range(done + 1, int(Path(recipe).read_text().split("steps: ")[1]) + 1):
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    with log.open("a") as stream:
        stream.write(f"{step},0.5,{os.getpriority(os.PRIO_PROCESS, 0)},{os.environ['OMP_NUM_THREADS']}\\n")
print("done")
"""

QUEUE = """
import sys
from pathlib import Path
sys.path.insert(0, {scripts!r})
import long_runs
long_runs.LOOK_EVERY = 0.1
runs = long_runs.runs_folder()
sys.exit(not long_runs.run_all(long_runs.read_list(Path({names!r})), runs, (sys.executable, {program!r})))
"""


@pytest.fixture(scope="module")
def long_runs():
    spec = importlib.util.spec_from_file_location("long_runs", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["long_runs"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def queue(tmp_path):
    """A list of runs with so many steps each, and how to start its queue."""

    def start(**steps: int) -> subprocess.Popen:
        lines = []
        for name, count in steps.items():
            (tmp_path / f"{name}.yaml").write_text(f"steps: {count}\n")
            lines.append(f"train segment {tmp_path / name}.yaml  # a comment")
        (tmp_path / "list.txt").write_text("\n".join(["# what there is", "", *lines]))
        (tmp_path / "program.py").write_text(PROGRAM)
        code = QUEUE.format(
            scripts=str(SCRIPT.parent), names=str(tmp_path / "list.txt"), program=str(tmp_path / "program.py")
        )
        return subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"SCANWISE_RUNS": str(tmp_path / "runs")},
        )  # fmt: skip

    return start


def log_lines(folder: Path) -> list[str]:
    try:
        return (folder / "log.csv").read_text().splitlines()[1:]
    except FileNotFoundError:
        return []


def wait_for(steps: int, folder: Path) -> None:
    until = time.monotonic() + PATIENCE
    while len(log_lines(folder)) < steps:
        assert time.monotonic() < until
        time.sleep(0.02)


def account(tmp_path: Path, name: str) -> dict:
    return json.loads((tmp_path / "runs" / "long-runs" / f"{name}.json").read_text())


def test_all_runs_are_finished_in_order_one_thread_lowest_priority(queue, tmp_path):
    running = queue(one=3, two=2)
    said, wrong = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0, wrong
    assert [line.partition(",")[0] for line in log_lines(tmp_path / "runs" / "one")] == ["1", "2", "3"]
    assert {line.partition("0.5,")[2] for line in log_lines(tmp_path / "runs" / "two")} == {"19,1"}
    assert said.index("one: begins") < said.index("one: finished at step 3") < said.index("two: begins")
    assert (tmp_path / "runs" / "long-runs" / "one.log").read_text() == "done\n"
    found = account(tmp_path, "one")
    assert (found["state"], found["starts"], found["step"]) == ("finished", 1, 3)
    assert found["cpu_seconds"] >= 0.3
    again = queue(one=3, two=2)
    said, _ = again.communicate(timeout=PATIENCE)
    assert "one: finished, passed over" in said
    assert account(tmp_path, "one")["starts"] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux to stop the run with its queue")
def test_a_killed_queue_goes_on_and_its_cost_adds_up(queue, tmp_path):
    killed = queue(one=30)
    until = time.monotonic() + PATIENCE
    wait_for(1, tmp_path / "runs" / "one")
    while account(tmp_path, "one")["cpu_seconds"] < 0.2:
        assert time.monotonic() < until
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    first = account(tmp_path, "one")["cpu_seconds"]
    while (second := queue(one=30)) and (found := second.communicate(timeout=PATIENCE))[1]:
        assert "going on there already" in found[1]  # the run that is stopping still holds the lock
        assert time.monotonic() < until
    begun = int(found[0].partition("goes on after step ")[2].partition(";")[0])
    steps = [int(line.partition(",")[0]) for line in log_lines(tmp_path / "runs" / "one")]
    assert steps == list(range(1, 31))
    assert 0 < begun < 30
    assert account(tmp_path, "one")["starts"] == 2
    assert account(tmp_path, "one")["cpu_seconds"] >= first + 0.1 * (30 - begun)


def test_a_stopped_queue_stops_its_run_and_says_so(queue, tmp_path):
    running = queue(one=500)
    wait_for(2, tmp_path / "runs" / "one")
    beside = queue(one=500)
    assert "long runs are going on there already" in beside.communicate(timeout=PATIENCE)[1]
    running.send_signal(signal.SIGTERM)
    said, _ = running.communicate(timeout=PATIENCE)
    assert "one: stopped at step" in said
    before = len(log_lines(tmp_path / "runs" / "one"))
    time.sleep(0.3)
    assert len(log_lines(tmp_path / "runs" / "one")) == before
    assert account(tmp_path, "one")["state"] == "stopped"


def test_a_run_that_fails_is_named_and_the_next_is_run(queue, tmp_path):
    running = queue(broken=1, two=1)
    said, _ = running.communicate(timeout=PATIENCE)
    assert running.returncode == 1
    assert "broken: error: no such data" in said
    assert account(tmp_path, "broken")["state"] == "failed"
    assert account(tmp_path, "two")["state"] == "finished"


def test_status_starts_nothing(tmp_path):
    command = [sys.executable, str(SCRIPT), "--status"]
    found = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | {"SCANWISE_RUNS": str(tmp_path)}
    )
    assert found.stdout.startswith("segment-rooms: waiting, step 0 of ")
    assert not (tmp_path / "segment-rooms").exists()


def test_processor_time_is_that_of_a_whole_group(long_runs):
    code = (
        "import subprocess, sys, time\n"
        "subprocess.run([sys.executable, '-c', 'sum(range(20_000_000))'])\n"
        "time.sleep(900)"
    )
    running = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    until = time.monotonic() + PATIENCE
    while long_runs.cpu_seconds(running.pid) < 0.15:  # its child's alone
        assert time.monotonic() < until
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train segment", "line 1: write VERB METHOD RECIPE"),
        ("\ntrain segment nowhere.yaml", "line 2: there is no nowhere.yaml"),
        ("train segment recipes/segment-rooms.yaml\n" * 2, "line 2: segment-rooms is there twice"),
    ],
)
def test_a_list_that_is_none_is_refused_in_one_line(long_runs, tmp_path, text, said):
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(InputError, match=said):
        long_runs.read_list(tmp_path / "list.txt")


def test_the_committed_list_can_be_read(long_runs):
    assert next(entry.name for entry in long_runs.read_list(long_runs.LIST)) == "segment-rooms"
