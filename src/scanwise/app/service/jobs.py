"""Long work, one piece after the other: a bounded queue, progress, cancellation."""

from __future__ import annotations

import logging
import secrets
import threading
import time
import warnings
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from scanwise.app.service.problems import Problem, not_found
from scanwise.errors import ScanwiseError, ScanwiseWarning

log = logging.getLogger("scanwise.service")
FINISHED = ("done", "failed", "cancelled")
_KEPT = 500  # finished jobs whose end can be asked for


class Cancelled(Exception):
    """Somebody took the job back."""


@dataclass(eq=False)
class Job:
    """A piece of work.

    Attributes:
        kind: "open", "label", "ask", ...
        scan: id of the scan that it is about.
        work: does it; is given the job, and returns what the job's result is.
        state: "waiting", "running", "done", "failed", "cancelled".
        stage: what it does just now.
        done: share of the stage, 0..1.
        notes: what was guessed or left out.
        error: one line, where it failed.
        result: what `work` returned.
        version: grows with every change.
    """

    kind: str
    scan: str
    work: Callable[[Job], Any]
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: str = "waiting"
    stage: str = ""
    done: float = 0.0
    notes: list[str] = field(default_factory=list)
    error: str = ""
    result: Any = None
    created: float = field(default_factory=time.time)
    started: float = 0.0
    ended: float = 0.0
    version: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)

    def tell(self, stage: str, done: float) -> None:
        """A `scanwise.progress.Progress`; where the job was cancelled the work ends here."""
        if self.cancelled.is_set():
            raise Cancelled
        self.stage, self.done = stage, float(done)
        self.version += 1

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        names = ("id", "kind", "scan", "state", "stage", "done", "notes", "error", "result", "created", "started")
        return {name: getattr(self, name) for name in (*names, "ended", "version")}


class Jobs:
    """The queue and the one thread that works it off.

    One at a time: a job takes all the cores that there are, and scans are prepared by one thread alone.

    Args:
        waiting: jobs that may wait at most.
        ended: is told the facts of each job that has ended.
    """

    def __init__(self, waiting: int, ended: Callable[[dict[str, Any]], None] = lambda facts: None) -> None:
        self._most, self._ended = waiting, ended
        self._queue: deque[Job] = deque()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._change = threading.Condition()
        self._stopping = False
        self.current: Job | None = None
        self._thread = threading.Thread(target=self._run, name="scanwise-jobs", daemon=True)
        self._thread.start()

    def add(self, kind: str, scan: str, work: Callable[[Job], Any]) -> Job:
        """Queues a piece of work.

        Raises:
            Problem: 429, too many wait already.
        """
        with self._change:
            if len(self._queue) >= self._most:
                raise Problem(f"{len(self._queue)} jobs wait already; try again later", 429, "busy")
            job = Job(kind, scan, work)
            self._queue.append(job)
            self._jobs[job.id] = job
            finished = [each.id for each in self._jobs.values() if each.state in FINISHED]
            for old in finished[: max(0, len(finished) - _KEPT)]:
                del self._jobs[old]
            self._change.notify()
        return job

    def find(self, number: str) -> Job:
        """A job by its id.

        Raises:
            Problem: 404.
        """
        job = self._jobs.get(number)
        if job is None:
            raise not_found("job")
        return job

    def all(self) -> list[Job]:
        """Every job that is known, the oldest first."""
        with self._change:
            return list(self._jobs.values())

    def place(self, job: Job) -> int:
        """How many run or wait before a job that waits; 0 for others."""
        with self._change:
            return self._queue.index(job) + (self.current is not None) if job in self._queue else 0

    def cancel(self, number: str) -> Job:
        """Takes a job back: at once where it waits, else when its stage next tells how far it is."""
        job = self.find(number)
        job.cancelled.set()
        with self._change:
            if job in self._queue:
                self._queue.remove(job)
                self._end(job, "cancelled")
        return job

    def close(self, seconds: float = 10.0) -> None:
        """Cancels everything, and waits for the thread."""
        with self._change:
            self._stopping = True
            for job in (*self._queue, *([self.current] if self.current else [])):
                job.cancelled.set()
            self._change.notify()
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._queue or self._stopping)
                if self._stopping:
                    return
                job = self.current = self._queue.popleft()
                job.state, job.started, job.version = "running", time.time(), job.version + 1
            self._do(job)
            self.current = None

    def _do(self, job: Job) -> None:
        try:
            job.tell("starting", 0.0)
            job.result = job.work(job)
            self._end(job, "done")
        except Cancelled:
            self._end(job, "cancelled")
        except ScanwiseError as error:
            self._end(job, "failed", " ".join(str(error).split()))
        except MemoryError:
            self._end(job, "failed", "not enough memory for this scan; make it smaller with `scanwise convert`")
        except Exception as error:
            log.exception("job %s (%s) failed", job.id, job.kind)
            self._end(job, "failed", f"{type(error).__name__}; this is a fault of scanwise, its log says more")

    def _end(self, job: Job, state: str, error: str = "") -> None:
        job.error, job.ended = error, time.time()
        try:
            self._ended(job.facts() | {"state": state})
        except Exception:
            log.exception("the end of job %s was not written down", job.id)
        job.state = state
        job.version += 1


class Notes:
    """Puts what the library warns of while a job runs into the job's notes; one hook as long as the service lives."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs, self._usual = jobs, warnings.showwarning
        self._catcher = warnings.catch_warnings()

    def __enter__(self) -> Notes:
        self._catcher.__enter__()
        warnings.simplefilter("always", ScanwiseWarning)
        warnings.showwarning = self._show
        return self

    def __exit__(self, *rest: object) -> None:
        self._catcher.__exit__(None, None, None)

    def _show(self, message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if not issubclass(category, ScanwiseWarning):
            self._usual(message, category, *rest, **more)
            return
        job = self._jobs.current
        if job is None or threading.current_thread() is not self._jobs._thread:
            log.info("note: %s", message)
        elif str(message) not in job.notes:
            job.notes.append(str(message))
