"""Long runs in the background: takes the next unfinished recipe of a list, one thread, lowest priority.

    make long-runs                                  # goes on with what is not finished, until all are
    nohup make long-runs > /dev/null 2>&1 &         # the same, while you do something else
    python scripts/long_runs.py --status

The list is recipes/long-runs.txt. A run may be stopped in any way, at any time, and the next `make long-runs` goes on
with it. Runs are kept in out/, or in the folder that SCANWISE_RUNS names, so that they outlive a checkout; beside them
are long-runs/NAME.log, what a run said, and long-runs/NAME.json, how it stands and what it has cost so far.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

import yaml

from scanwise.errors import InputError, ScanwiseError
from scanwise.files import write_json

ROOT = Path(__file__).parents[1]
LIST = ROOT / "recipes" / "long-runs.txt"
SCANWISE = (sys.executable, "-m", "scanwise")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
LOOK_EVERY = 20.0  # seconds; what a kill -9 of everything can lose of the processor time
ENDS = {0: "finished", 130: "stopped"}  # exit codes; another is a failure, a signal a stop
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def main() -> None:
    """Runs what is not finished, or says how all stand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--status", action="store_true", help="say how the runs stand, and start nothing")
    parser.add_argument("--list", type=Path, default=LIST, metavar="FILE", help="of the runs")
    arguments = parser.parse_args()
    try:
        runs, entries = runs_folder(), read_list(arguments.list)
        if arguments.status:
            print("\n".join(status(entry, runs) for entry in entries))
        elif not run_all(entries, runs):
            raise SystemExit(1)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except ScanwiseError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


# What there is to run


@dataclass(frozen=True)
class Entry:
    """One run of the list.

    Attributes:
        verb: words of the command, such as ("train", "segment").
        recipe: its file.
    """

    verb: tuple[str, ...]
    recipe: Path

    @property
    def name(self) -> str:
        """Of the run, its folder, its log."""
        return self.recipe.stem


@dataclass(frozen=True)
class Account:
    """What is known of a run from one start to the next.

    Attributes:
        state: "waiting", "running", "stopped", "failed" or "finished".
        cpu_seconds: processor time of all its processes, over all starts.
        starts: how often it was started.
        command: what was started.
    """

    state: str = "waiting"
    cpu_seconds: float = 0.0
    starts: int = 0
    command: str = ""


def runs_folder() -> Path:
    """Where runs are kept: what SCANWISE_RUNS says, or out/ of this checkout."""
    return Path(os.environ.get("SCANWISE_RUNS") or ROOT / "out").absolute()


def read_list(path: Path) -> list[Entry]:
    """The runs of a list, in its order.

    Args:
        path: a text file, a line each: VERB METHOD RECIPE; `#` begins a comment.

    Raises:
        InputError: no such file, a line that is none, a recipe that is not there, or two runs of one name.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    entries: list[Entry] = []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 3:
            raise InputError(f"{path}, line {number}: write VERB METHOD RECIPE, such as train segment recipes/x.yaml")
        entry = Entry(tuple(words[:-1]), ROOT / words[-1])
        if not entry.recipe.exists():
            raise InputError(f"{path}, line {number}: there is no {words[-1]}")
        if entry.name in {other.name for other in entries}:
            raise InputError(f"{path}, line {number}: {entry.name} is there twice")
        entries.append(entry)
    return entries


def account_of(entry: Entry, runs: Path) -> Account:
    """What is known of a run; of one that never started, that it waits."""
    try:
        values = json.loads(_account_file(entry, runs).read_text(encoding="utf-8"))
        return Account(**{name: values[name] for name in asdict(Account())})
    except FileNotFoundError:
        return Account()
    except (ValueError, KeyError) as error:
        path = _account_file(entry, runs)
        raise InputError(f"{path}: damaged ({error}); delete it to begin its account anew") from error


def _keep(entry: Entry, runs: Path, account: Account) -> None:
    more = {"name": entry.name, "step": step_of(entry, runs)}
    write_json(_account_file(entry, runs), {**asdict(account), **more})


def _account_file(entry: Entry, runs: Path) -> Path:
    return runs / "long-runs" / f"{entry.name}.json"


def step_of(entry: Entry, runs: Path) -> int:
    """The last step in the log of a run's losses; 0 where there is none yet."""
    try:
        last = (runs / entry.name / "log.csv").read_text(encoding="utf-8").splitlines()[-1]
        return int(last.partition(",")[0])
    except (OSError, IndexError, ValueError):
        return 0


def status(entry: Entry, runs: Path) -> str:
    """How a run stands, in a line."""
    account = account_of(entry, runs)
    state = account.state
    if state == "running" and not is_running(runs):
        state = "stopped"  # by something that left no time to say so
    steps = (yaml.safe_load(entry.recipe.read_text(encoding="utf-8")) or {}).get("steps", "?")
    cost = f"{account.cpu_seconds / 3600:.2f} CPU hours in {account.starts} starts"
    return f"{entry.name}: {state}, step {step_of(entry, runs)} of {steps}, {cost}; {runs / entry.name}"


# Running


def run_all(entries: Sequence[Entry], runs: Path, program: Sequence[str] = SCANWISE) -> bool:
    """Runs what is not finished, one after the other.

    Args:
        entries: of the list.
        runs: folder that they are kept in.
        program: what the words of an entry are handed to.

    Returns:
        Whether all are finished; one that fails is left for the next time.

    Raises:
        InputError: they are being run already.
        KeyboardInterrupt: it was stopped.
    """
    with _alone(runs) as lock:
        os.setpriority(os.PRIO_PROCESS, 0, 19)
        for entry in entries:
            if account_of(entry, runs).state == "finished":
                _say(f"{entry.name}: finished, passed over")
            else:
                run_one(entry, runs, lock, program)
    return all(account_of(entry, runs).state == "finished" for entry in entries)


def run_one(entry: Entry, runs: Path, lock: IO[str], program: Sequence[str]) -> None:
    """Starts a run, or goes on with it, and keeps its account until it ends.

    Args:
        entry: what is run.
        runs: folder of all runs.
        lock: held by the run too, so that nothing starts beside one whose queue was killed.
        program: what the words of the entry are handed to.

    Raises:
        KeyboardInterrupt: it was stopped.
    """
    command = [*program, *entry.verb, str(entry.recipe), "--out", str(runs / entry.name)]
    before = account_of(entry, runs)
    account = replace(before, state="running", starts=before.starts + 1, command=" ".join(command))
    _keep(entry, runs, account)
    log = runs / "long-runs" / f"{entry.name}.log"
    begun = f"goes on after step {step_of(entry, runs)}" if before.starts else "begins"
    _say(f"{entry.name}: {begun}; {log} has what it says")
    with log.open("ab") as said, _signals_to_interrupts():
        running = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=ROOT, env=os.environ | ONE_THREAD,
            pass_fds=(lock.fileno(),), start_new_session=True, preexec_fn=_die_with_parent,
        )  # fmt: skip
        spent = 0.0
        try:
            while not _has_ended(running.pid, LOOK_EVERY):
                spent = max(spent, cpu_seconds(running.pid))
                _keep(entry, runs, replace(account, cpu_seconds=before.cpu_seconds + spent))
        except KeyboardInterrupt:
            _say(f"{entry.name}: is being stopped; the step that it is at is finished and kept")
            running.send_signal(signal.SIGTERM)
            account = replace(account, state="stopped")
            raise
        finally:
            code, whole = _ended(running)
            cost = before.cpu_seconds + max(spent, whole)
            if account.state == "running":
                account = replace(account, state=ENDS.get(code, "failed" if code > 0 else "stopped"))
            _keep(entry, runs, replace(account, cpu_seconds=cost))
            _say(f"{entry.name}: {account.state} at step {step_of(entry, runs)}, {cost / 3600:.2f} CPU hours so far")
    if account.state == "failed":
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        _say(f"{entry.name}: {lines[-1] if lines else 'said nothing'}")


def _has_ended(pid: int, wait: float) -> bool:
    """Whether a child has ended, after `wait` seconds at most; it stays to be waited for."""
    until = time.monotonic() + wait
    while time.monotonic() < until:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return True
        time.sleep(min(0.2, wait))
    return False


def _ended(running: subprocess.Popen[bytes]) -> tuple[int, float]:
    """Waits for a child; its exit status and the processor time of it and its children."""
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    return running.returncode, usage.ru_utime + usage.ru_stime


def cpu_seconds(group: int) -> float:
    """Processor time of all processes of a process group, and of their children that have ended.

    Args:
        group: its number, that of its first process.
    """
    ticks = 0
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended just now
        if int(fields[2]) == group:
            ticks += sum(int(value) for value in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def is_running(runs: Path) -> bool:
    """Whether long runs are going on in a folder of runs."""
    try:
        with _alone(runs):
            return False
    except InputError:
        return True


@contextmanager
def _alone(runs: Path) -> Iterator[IO[str]]:
    """Holds the lock of a folder of runs, which ends with the last process that holds it."""
    folder = runs / "long-runs"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{folder}: long runs are going on there already; --status says which") from error
        yield lock


@contextmanager
def _signals_to_interrupts() -> Iterator[None]:
    """SIGTERM stops as Ctrl-C does."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _die_with_parent() -> None:
    """The run of a queue that is killed stops as soon as its step is done, so that nothing goes on unaccounted."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGTERM)


def _say(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    main()
