"""A service that runs, on a free port of this machine."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn

from scanwise.app.service.application import application
from scanwise.app.service.settings import Settings

ENDS = ("done", "failed", "cancelled")


class Client(httpx.Client):
    """Requests to a service, and waiting for its jobs."""

    def job(self, path: str, seconds: float = 900, **value) -> dict:
        answer = self.post(path, json=value)
        assert answer.status_code == 202, answer.text
        return self.ended(answer.json()["id"], seconds)

    def ended(self, job: str, seconds: float = 900) -> dict:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            facts = self.get(f"/api/jobs/{job}").json()
            if facts["state"] in ENDS:
                return facts
            time.sleep(0.03)
        raise TimeoutError(job)


@contextmanager
def running(root: Path, **said) -> Iterator[Client]:
    """A service of the scans below a folder, and a client of it."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    state = said.pop("state", root / ".scanwise")
    state.mkdir(parents=True, exist_ok=True)
    app = application(Settings(root=root, state=state, **said))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    with Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=600) as client:
        client.app = app
        while not server.started:
            time.sleep(0.01)
        yield client
        server.should_exit = True
    thread.join(20)
    listening.close()
