"""How fast the service answers, and how many frames a second its page draws.

python benchmarks/serve.py requests [SCAN]        requests a second and p50, p99 for 1, 8, 32 clients on one warm scan;
                                                  memory over 500 requests
python benchmarks/serve.py frames 0.2 2 10        frames a second of clouds of so many million points, in headless
                                                  Chromium with software rendering
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from scanwise.formats.registry import write_scene
from scanwise.scene import Scene
from tests.app.service_running import Client, running
from tests.app.service_scene import small_room

CLIENTS = (1, 8, 32)
SECONDS = 5.0  # for each number of clients
FRAMES = 24
DRAWING = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def memory() -> float:
    """MB that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def load(address: str, paths: list[str], clients: int) -> dict[str, float]:
    """Requests a second, and milliseconds of them, of so many clients that ask for these paths one after the other."""
    spent, refused, lock, until = list[float](), [0], threading.Lock(), time.monotonic() + SECONDS

    def asking() -> None:
        with Client(base_url=address, timeout=60) as client:
            number = 0
            while time.monotonic() < until:
                begin = time.perf_counter()
                status = client.get(paths[number % len(paths)]).status_code
                number += 1
                with lock:
                    spent.append(1000 * (time.perf_counter() - begin))
                    refused[0] += status != 200

    threads = [threading.Thread(target=asking) for _ in range(clients)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    p50, p99 = np.percentile(spent, (50, 99))
    rate = len(spent) / (time.monotonic() - begin)
    return {"per_second": round(rate, 1), "p50_ms": round(p50, 1), "p99_ms": round(p99, 1), "refused": refused[0]}


def requests(scan: Path | None) -> dict:
    """What a warm scan answers: facts of labels and their columns; sentences through the queue; memory."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if scan is None:
            write_scene(small_room(), root / "room.ply")
            scan = root / "room.ply"
        with running(scan.parent, only=scan, state=root / "state") as client:
            number = client.get("/api/scans").json()[0]["id"]
            ended = client.job(f"/api/scans/{number}/labels", 600, texts=["cabinet", "wall", "floor"])
            result, address = ended["result"]["result"], str(client.base_url)
            paths = [f"/api/results/{result}/labels", f"/api/results/{result}/columns"]
            found = {str(count): load(address, paths, count) for count in CLIENTS}
            asked = []
            for _ in range(5):
                begin = time.perf_counter()
                client.job(f"/api/scans/{number}/answers", 600, sentence="the wall")
                asked.append(round(time.perf_counter() - begin, 2))
            before = memory()
            for turn in range(500):
                client.get(paths[turn % 2])
            return {"clients": found, "ask_seconds": asked, "memory_mb": [round(before, 1), round(memory(), 1)]}


def street(count: int) -> Scene:
    """A wavy ground with walls, 100 m long, of so many points."""
    random = np.random.default_rng(0)
    flat = random.uniform((0, 0), (100, 40), (count, 2))
    height = np.sin(flat[:, 0] / 5) * np.cos(flat[:, 1] / 4)
    wall = random.random(count) < 0.3
    flat[wall, 1] = np.round(flat[wall, 1] / 20) * 20
    height[wall] += random.uniform(0, 8, int(wall.sum()))
    points = np.column_stack([flat, height]).astype(np.float32)
    return Scene(points, (np.abs(points * [2.5, 6, 25]) % 255).astype(np.uint8), name="street")


def frames(millions: list[float]) -> dict:
    """Frames a second on a turn around each cloud: at most the page's million points, and everything."""
    from playwright.sync_api import sync_playwright

    found = {}
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=DRAWING)
        for each in millions:
            path = Path(folder) / f"street{each:g}.ply"
            write_scene(street(int(each * 1e6)), path)
            with running(Path(folder), only=path, state=Path(folder) / "state", up="z") as client:
                found[f"{each:g} million"] = _drawn(browser, str(client.base_url))
            path.unlink()
        browser.close()
    return found


def _drawn(browser, address: str) -> dict:
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    begin = time.monotonic()
    page.goto(address)
    _until(page, "Boolean(window.scanwise && scanwise.ready)")
    _until(page, "scanwise.cloud.settled && scanwise.renderer.frames > 2")
    result = {"seconds_until_drawn": round(time.monotonic() - begin, 1)}
    for name, budget in (("moving", 250_000), ("still", 1_000_000), ("everything", 100_000_000)):
        page.evaluate(f"scanwise.view.budget = {budget}; scanwise.renderer.draw()")
        time.sleep(0.5)
        _until(page, "scanwise.cloud.settled")
        spent = page.evaluate(f"scanwise.renderer.timed({FRAMES})")
        drawn = page.evaluate("scanwise.renderer.drawn")
        result[name] = {"points": drawn, "frames_per_second": round(1000 / float(np.median(spent)), 1)}
    page.close()
    return result


def _until(page, condition: str, seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while not page.evaluate(condition):
        if time.monotonic() > until:
            raise TimeoutError(condition)
        time.sleep(0.1)


if __name__ == "__main__":
    verb, rest = (sys.argv[1] if len(sys.argv) > 1 else "requests"), sys.argv[2:]
    made = frames([float(each) for each in rest or ("0.2", "2", "10")]) if verb == "frames" else None
    print(json.dumps(made or requests(Path(rest[0]) if rest else None), indent=1))
