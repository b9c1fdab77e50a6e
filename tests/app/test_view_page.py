"""The page as a person uses it, in Debian's Chromium: open, type, see pixels change, click, correct, reload, learn."""

import importlib.util
import shutil
import time
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")

from tests.app.service_running import running
from tests.app.service_scene import box_rows, small_room, write_room

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WANTED = {"playwright": importlib.util.find_spec("playwright"), "chromium": CHROMIUM}
MISSING = [name for name, there in WANTED.items() if not there]
if MISSING:
    warnings.warn(f"the page is NOT tested: {' and '.join(MISSING)} missing (apt install chromium)", stacklevel=1)
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} missing, so nobody looks at the page"),
    pytest.mark.filterwarnings("default::scanwise.errors.ScanwiseWarning"),
]
DRAWING = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
PAGE = Path(__file__).parents[2] / "src" / "scanwise" / "app" / "service" / "page"


class Visit:
    """A page that was opened, with what a person does on it."""

    def __init__(self, browser, address: str, size=(720, 480)) -> None:
        self.page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        self.said, self.asked = [], []
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.set_default_timeout(300_000)
        self.page.goto(address)
        self.until("Boolean(window.scanwise && scanwise.ready && scanwise.renderer.frames > 1)")
        self.page.evaluate("Object.assign(scanwise.view, { rings: 1 })")  # less to draw

    def until(self, condition: str, seconds: float = 600) -> None:
        until = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < until, f"{condition} {self.page.inner_text('#panel')} {self.said}"
            time.sleep(0.05)

    def pixels(self) -> np.ndarray:
        """What is drawn: the page without its panel."""
        self.until("scanwise.cloud.settled && !scanwise.renderer.waiting")
        picture = Image.open(BytesIO(self.page.screenshot()))
        return np.asarray(picture.convert("RGB"), np.int16)[80:, : int(0.6 * picture.width)]

    def place_of(self, point) -> tuple[float, float]:
        """Where a point in scene coordinates is on the screen."""
        place = self.page.evaluate("point => scanwise.camera.project(point)", [float(value) for value in point])
        return place["x"], place["y"]

    def tab(self, name: str) -> None:
        self.page.click(f"[data-tab={name}]")

    def label(self, words: str) -> None:
        self.tab("words")
        self.page.fill("#words", words)
        self.page.click("#label-form button")
        self.until("Boolean(scanwise.labels) && document.getElementById('job').hidden")

    def click_box(self) -> None:
        self.page.click("[data-tool=pick]")
        self.page.mouse.click(*self.place_of([1.0, 1.0, 0.5]))
        self.until("Boolean(scanwise.selection)")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=DRAWING)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    with running(folder, only=write_room(folder)) as client:
        yield client


def changed(before: np.ndarray, after: np.ndarray) -> float:
    return float((np.abs(before - after).max(2) > 12).mean())


def test_open_label_click_correct_reload(browser, service):
    visit = Visit(browser, str(service.base_url))
    plain = visit.pixels()
    assert changed(plain, np.full_like(plain, 247)) > 0.1, "nothing is drawn"
    visit.label("cabinet, wall, floor")
    labelled = visit.pixels()
    assert changed(plain, labelled) > 0.1, "labels change no pixel"
    assert "3 words" in visit.page.inner_text("#legend-about")
    visit.page.mouse.move(*visit.place_of([1.0, 1.98, 1.0]))
    visit.until("!document.getElementById('tip').hidden")
    tip = visit.page.inner_text("#tip")
    assert tip.startswith("wall 1 · ")
    assert tip.endswith(" m")
    visit.click_box()
    chosen = visit.page.evaluate("scanwise.selection.points")
    assert 0.5 * len(box_rows(small_room())) < chosen < 3 * len(box_rows(small_room()))
    visit.page.fill("#word", "crate")
    visit.page.click("#apply")
    visit.until("scanwise.labels.texts.includes('crate')")
    corrected = visit.pixels()
    assert changed(labelled, corrected) > 0.01, "the correction changes no pixel"
    again = Visit(browser, str(service.base_url))
    assert "crate" in again.page.evaluate("scanwise.labels.texts")
    assert changed(again.pixels(), plain) > 0.1, "what was corrected is not shown again"
    again.tab("correct")
    assert "1, kept beside the scan" in again.page.inner_text("#kept")
    again.page.click("#undo")
    again.until("!scanwise.labels.texts.includes('crate')")
    visit.until("!scanwise.labels.texts.includes('crate')")  # who looks on sees it too
    assert [*visit.said, *again.said] == []
    assert all(url.startswith((str(service.base_url), "data:", "blob:")) for url in visit.asked), "asks the network"


@pytest.mark.slow
def test_ask_and_say_what_was_meant(browser, service):
    visit = Visit(browser, str(service.base_url))
    visit.tab("ask")
    visit.page.fill("#sentence", "the crate")
    visit.page.press("#sentence", "Enter")
    visit.until("Boolean(scanwise.answer)")
    before = visit.pixels()
    visit.click_box()
    visit.page.click("#meant")
    visit.until("Boolean(scanwise.answer && scanwise.answer.corrected)")
    visit.tab("ask")
    assert "as you said" in visit.page.inner_text("#answer-about")
    assert changed(before, visit.pixels()) > 0.01
    visit.page.click("#clear-answer")
    visit.tab("correct")
    visit.page.click("#undo")
    visit.until("document.getElementById('kept').textContent === 'none yet'")
    assert visit.said == []


@pytest.mark.slow
def test_measure_lasso_brush_modes_and_clip(browser, service):
    visit = Visit(browser, str(service.base_url))
    page = visit.page
    if not page.evaluate("Boolean(scanwise.labels)"):
        visit.label("cabinet, wall, floor")
    visit.tab("look")
    seen = {}
    for mode in ("colour", "words", "things", "confidence", "height"):
        page.click(f"[data-mode={mode}]")
        seen[mode] = visit.pixels()
    pairs = [("colour", "words"), ("words", "things"), ("things", "confidence"), ("confidence", "height")]
    assert all(changed(seen[one], seen[other]) > 0.02 for one, other in pairs)
    page.click("[data-mode=colour]")
    page.click("[data-tool=measure]")
    ends = [[0.3, 0.3, 0.0], [1.7, 0.3, 0.0]]
    for end in ends:
        page.mouse.click(*visit.place_of(end))
        time.sleep(0.4)  # two clicks, and not a double one
    visit.until("Boolean(document.getElementById('measured').textContent)")
    assert float(page.inner_text("#measured").split()[0]) == pytest.approx(1.4, abs=0.08)
    place = [float(value) for value in page.get_attribute("#coordinates", "data-plain").split(",")]
    np.testing.assert_allclose(place, ends[1], atol=0.06)
    page.click("[data-tool=lasso]")
    corners = [visit.place_of(point) for point in ([0.1, 0.1, 0], [0.6, 0.1, 0], [0.6, 0.6, 0], [0.1, 0.6, 0])]
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner, steps=3)
    page.mouse.up()
    visit.until("Boolean(scanwise.selection)")
    inside = ((small_room().points[:, :2] > 0.1) & (small_room().points[:, :2] < 0.6)).all(1)
    assert page.evaluate("scanwise.selection.points") == pytest.approx(int(inside.sum()), rel=0.25)
    page.click("[data-tool=brush]")
    page.mouse.click(*visit.place_of([1.6, 0.4, 0.0]))
    many = int(inside.sum())
    visit.until(f"scanwise.selection.points > {many} + 3")
    page.keyboard.press("Escape")
    visit.tab("look")
    before = visit.pixels()
    page.fill("#clip input[data-axis='2'][data-end='high']", "0.2")
    assert changed(before, visit.pixels()) > 0.05
    assert visit.said == []


def test_on_a_phone(browser, service):
    visit = Visit(browser, str(service.base_url), (390, 780))
    page = visit.page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box = page.locator("#sheet").bounding_box()
    assert box["y"] > 400
    for name in ("look", "words", "ask", "correct"):
        visit.tab(name)
        outside = """Array.from(document.querySelectorAll('#sheet button, #sheet input, #toolbar button'))
            .filter(e => e.offsetParent).map(e => e.getBoundingClientRect())
            .filter(box => box.right > innerWidth + 1 || box.left < -1).length"""
        assert page.evaluate(outside) == 0
    page.click("#fold")
    assert page.locator("#sheet").bounding_box()["y"] > box["y"]
    x, y = visit.place_of([1.0, 1.0, 0.5])
    assert 0 < x < 390
    assert 0 < y < 780
    assert visit.said == []


def test_files_of_the_page_are_of_a_size_one_can_read():
    assert {path.name: lines for path in PAGE.iterdir() if (lines := len(path.read_text().splitlines())) > 400} == {}


def test_the_page_names_no_other_place():
    for path in PAGE.iterdir():
        assert "http://" not in path.read_text().replace("http://www.w3.org/", "")
        assert "https://" not in path.read_text()
