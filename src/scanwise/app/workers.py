"""Many scans at once: processes of this machine, each of which may die alone, or tasks of a Ray cluster."""

from __future__ import annotations

import contextlib
import io
import logging
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from scanwise.app.scans import Scan
from scanwise.errors import InputError, ScanwiseError
from scanwise.files import write_text
from scanwise.threads import USERS_OWN, free_cores

THUMB = 320  # pixels a side of the pictures of the report, at most
Done = dict[str, Any]
"""What became of a scan: `name`, `seconds`, `reason` ("" = it worked), `processor_seconds`, `peak_memory_bytes`."""


def do(verb: str, options: Mapping[str, Any], scan: Scan, out: Path) -> Done:
    """One scan, whatever becomes of it; what it said is kept in logs/NAME.txt.

    Args:
        verb: "label" or "ask".
        options: of the verb's function.
        scan: which.
        out: folder of all results.
    """
    from scanwise.app.ask import ask
    from scanwise.app.console import notes_for_warnings
    from scanwise.app.label import label
    from scanwise.memory import peak_memory

    started, processor, said, reason = time.perf_counter(), time.process_time(), io.StringIO(), ""
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), notes_for_warnings():
            asked = {**options, "scene": scan.path, "out": out / scan.name}
            if verb == "label":
                label(**asked)
            else:
                ask(**asked)
            _thumbnail(out / scan.name)
    except ScanwiseError as error:
        reason = str(error)
    except MemoryError:
        reason = "not enough memory for this scan"
    except Exception as error:  # one bad scan does not stop the rest
        reason = f"{type(error).__name__}: {error}; a fault of scanwise, its traceback is in logs/"
        said.write(traceback.format_exc())
    write_text(out / "logs" / f"{scan.name}.txt", said.getvalue() + (f"error: {reason}\n" if reason else ""))
    return {
        "name": scan.name, "path": str(scan.path), "key": scan.key, "reason": " ".join(reason.split()),
        "seconds": round(time.perf_counter() - started, 2),
        "processor_seconds": round(time.process_time() - processor, 2), "peak_memory_bytes": peak_memory(),
    }  # fmt: skip


def _thumbnail(folder: Path) -> None:
    from PIL import Image

    from scanwise.files import replacing

    picture = next((folder / name for name in ("picture.png", "answer-1.png") if (folder / name).exists()), None)
    if picture is not None:
        with Image.open(picture) as image, replacing(folder / "thumb.jpg") as temporary:
            small = image.convert("RGB")
            small.thumbnail((THUMB, THUMB))
            small.save(temporary, quality=80)


# Processes of this machine


def in_processes(verb: str, options: Mapping[str, Any], scans: Sequence[Scan], out: Path, count: int) -> Iterator[Done]:
    """What becomes of each scan, as they end; a process that dies costs the scan it was at, and is replaced.

    Args:
        verb: as of `do`.
        options: as of `do`.
        scans: in this order.
        out: as of `do`.
        count: of processes.
    """
    waiting, at_work = list(reversed(scans)), dict[Connection, tuple[BaseProcess, Scan, float]]()
    idle = list[tuple[BaseProcess, Connection]]()
    try:
        while waiting or at_work:
            while waiting and len(at_work) < count:
                process, pipe = idle.pop() if idle else _start(verb, options, out, count)
                try:
                    pipe.send(waiting[-1])
                except OSError:  # it died while it had nothing to do
                    process.join()
                    continue
                scan = waiting.pop()
                at_work[pipe] = (process, scan, time.perf_counter())
            for ready in wait(list(at_work)):
                assert isinstance(ready, Connection)
                process, scan, began = at_work.pop(ready)
                try:
                    yield ready.recv()
                    idle.append((process, ready))
                except (EOFError, ConnectionError):
                    process.join()
                    yield _died(scan, process.exitcode, time.perf_counter() - began)
    finally:
        for process, pipe in [*idle, *((process, pipe) for pipe, (process, _, _) in at_work.items())]:
            pipe.close()
            process.terminate()
            process.join()


def _start(verb: str, options: Mapping[str, Any], out: Path, count: int) -> tuple[BaseProcess, Connection]:
    """A process that waits for scans; spawned, as on every system, so that it shares nothing."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    threads = max(1, free_cores() // count)
    before = {name: os.environ.get(name) for name in USERS_OWN}
    if not any(before.values()):
        os.environ[USERS_OWN[0]] = str(threads)
    process = context.Process(target=_work, args=(there, verb, dict(options), out), daemon=True)
    process.start()
    if not any(before.values()):
        del os.environ[USERS_OWN[0]]
    there.close()
    return process, here


def _work(pipe: Connection, verb: str, options: Mapping[str, Any], out: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the first process's business, which ends this one
    with contextlib.suppress(EOFError, OSError):
        while True:
            pipe.send(do(verb, options, pipe.recv(), out))


def _died(scan: Scan, code: int | None, seconds: float) -> Done:
    why = {-9: "killed, most likely for want of memory; fewer --processes leave more for each", -11: "crashed"}
    reason = f"its process was {why.get(code or 0, f'ended with code {code}')}"
    return {
        "name": scan.name, "path": str(scan.path), "key": scan.key, "reason": reason, "seconds": round(seconds, 2),
        "processor_seconds": 0.0, "peak_memory_bytes": None,
    }  # fmt: skip


# A Ray cluster


def on_ray(
    verb: str, options: Mapping[str, Any], scans: Sequence[Scan], out: Path, address: str, retries: int = 3
) -> Iterator[Done]:
    """What becomes of each scan, as tasks of a cluster end; those of a machine that is lost are done elsewhere.

    Scans and results must be at the same paths on every machine, as on a shared file system.

    Args:
        verb: as of `do`.
        options: as of `do`.
        scans: in any order.
        out: as of `do`.
        address: of the cluster, as `ray.init` takes it; "local" starts one here.
        retries: of a scan whose machine was lost.

    Raises:
        InputError: Ray is not installed, or there is no such cluster.
    """
    try:
        import ray
    except ImportError as error:
        raise InputError("ray is not installed: pip install 'scanwise[ray]'") from error
    if not ray.is_initialized():
        try:
            ray.init(address=None if address == "local" else address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError) as error:
            raise InputError(f"{address}: no Ray cluster there ({error})", option="ray") from error
    task = ray.remote(max_retries=retries, num_cpus=1)(do)
    options = {name: str(value.resolve()) if isinstance(value, Path) else value for name, value in options.items()}
    waiting, pending = list(reversed(scans)), dict[Any, tuple[Scan, float]]()
    while waiting or pending:
        most = 4 * max(1, int(ray.cluster_resources().get("CPU", 1)))  # a million tasks at once would fill the head
        while waiting and len(pending) < most:
            scan = waiting.pop()
            pending[task.remote(verb, options, _absolute(scan), out.resolve())] = (scan, time.perf_counter())
        ended, _ = ray.wait(list(pending), num_returns=1)
        scan, began = pending.pop(ended[0])
        try:
            done = ray.get(ended[0])
        except ray.exceptions.RayError as error:
            reason = f"Ray: {' '.join(str(error).split())[:200]}"
            done = _died(scan, None, time.perf_counter() - began) | {"reason": reason}
        yield done | {"path": str(scan.path)}


def _absolute(scan: Scan) -> Scan:
    return Scan(scan.path.resolve(), scan.name, scan.size, scan.key)
