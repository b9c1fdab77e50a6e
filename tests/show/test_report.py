import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scanwise.errors import OutputError
from scanwise.show.page import ClassLayer, write_page
from scanwise.show.raster import BACKGROUND, ceiling_cut
from scanwise.show.report import UNLABELLED, draw_cloud, write_html, write_picture
from scanwise.show.words import word_colors


def plane(n: int = 80, size: float = 4.0) -> np.ndarray:
    """(n*n, 3) grid in x and y at height 0."""
    x, y = np.meshgrid(np.linspace(0, size, n), np.linspace(0, size, n))
    return np.stack([x.ravel(), y.ravel(), np.zeros(n * n)], 1).astype(np.float32)


def room(rng: np.random.Generator, n: int = 6000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, inward normals and face (0 floor, 1 ceiling, 2.. walls) of an empty 5 x 4 x 2.5 m room."""
    size = np.array([5, 4, 2.5])
    points, normals, faces = [], [], []
    for face, (axis, side) in enumerate([(2, 0), (2, 1), (0, 0), (0, 1), (1, 0), (1, 1)]):
        part = rng.random((n, 3)) * size
        part[:, axis] = side * size[axis]
        points.append(part)
        normals.append(np.tile(np.eye(3)[axis] * (1 - 2 * side), (n, 1)))
        faces.append(np.full(n, face))
    return np.concatenate(points).astype(np.float32), np.concatenate(normals), np.concatenate(faces)


def colors_near(picture: np.ndarray, color: tuple[int, ...], tolerance: int = 12) -> np.ndarray:
    return (np.abs(picture.astype(int) - np.array(color)) <= tolerance).all(-1)


def hue_share(picture: np.ndarray, color: tuple[int, ...]) -> float:
    """Share of pixels that are `color` in light or shade."""
    pixels = picture.reshape(-1, 3) / 255.0
    wanted = np.array(color) / np.linalg.norm(color)
    length = np.linalg.norm(pixels, axis=1)
    return float(((pixels @ wanted > 0.998 * length) & (length > 0.1)).mean())


class Page(HTMLParser):
    """The parts of a written page that tests look at."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        found = re.search(r'<script type="application/json" id="data">(.*?)</script>', self.source, re.S)
        assert found
        self.data = json.loads(found[1])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open:
            self.text[self.open[-1]] = self.text.get(self.open[-1], "") + data

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def array(self, text: str, dtype: str) -> np.ndarray:
        return np.frombuffer(base64.b64decode(text), dtype)

    def points(self) -> np.ndarray:
        grid = self.array(self.data["points"], "<u2").reshape(-1, 3)
        return np.array(self.data["origin"]) + grid / 65535 * np.array(self.data["extent"])

    def layer(self, name: str) -> dict:
        return next(layer for layer in self.data["layers"] if layer["name"] == name)


@given(st.lists(st.text("abcdefgh", min_size=1, max_size=9), max_size=120, unique=True))
def test_no_two_words_have_one_colour(texts: list[str]) -> None:
    colors = word_colors(texts)
    assert colors.shape == (len(texts), 3)
    assert colors.dtype == np.uint8
    assert len(np.unique(colors, axis=0)) == len(texts)
    assert not (colors == UNLABELLED).all(1).any()
    assert np.array_equal(word_colors(texts[::-1]), colors[::-1])


def test_a_usual_word_has_its_colour_whatever_else_there_is() -> None:
    alone = word_colors(["chair"])[0]
    assert np.array_equal(word_colors(["zebra", "moka pot", "chair", "wall"])[2], alone)
    assert np.array_equal(word_colors([f"thing {k}" for k in range(60)] + ["Chair"])[-1], alone)


def test_first_colors_are_far_apart() -> None:
    colors = word_colors([f"thing {k}" for k in range(20)]).astype(float)
    distance = np.linalg.norm(colors[:, None] - colors[None], axis=-1) + 1e3 * np.eye(20)
    assert distance.min() > 35


def test_drawing_from_above_puts_points_where_they_are() -> None:
    points = plane()
    colors = np.zeros((len(points), 3), np.uint8)
    right, far = points[:, 0] > 2, points[:, 1] > 2
    colors[~right & ~far] = (200, 30, 30)
    colors[right & ~far] = (30, 160, 30)
    colors[~right & far] = (30, 30, 200)
    colors[right & far] = (200, 180, 30)
    picture = draw_cloud(points, colors, size=(300, 200), view=(-90, 90))  # x to the right, y up
    assert picture.shape == (200, 300, 3)
    assert picture.dtype == np.uint8
    corners = {(60, 110): (30, 30, 200), (60, 190): (200, 180, 30)}
    corners |= {(140, 110): (200, 30, 30), (140, 190): (30, 160, 30)}
    for (y, x), color in corners.items():
        assert colors_near(picture[y, x], color), (y, x, picture[y, x])
    assert (picture[100, 5] == BACKGROUND).all()


def test_surfaces_close_and_the_nearer_one_hides_the_other() -> None:
    low, high = plane(60), plane(60) + np.float32([0, 0, 0.5])
    points = np.concatenate([high, low])
    colors = np.repeat(np.uint8([[220, 40, 40], [40, 40, 220]]), [len(high), len(low)], axis=0)
    picture = draw_cloud(points, colors, size=(300, 300), view=(-90, 89.9))
    middle = picture[80:220, 80:220]
    assert colors_near(middle, (220, 40, 40), 25).all()


def test_outliers_do_not_shrink_the_rest() -> None:
    points = np.concatenate([plane(), np.float32([[5000, 5000, 0], [-8000, 300, 10]])])
    colors = np.full((len(points), 3), 90, np.uint8)
    picture = draw_cloud(points, colors, size=(200, 200), view=(-90, 90))
    assert (picture != BACKGROUND).any(-1).mean() > 0.4


@pytest.mark.parametrize("with_normals", [True, False])
def test_rooms_are_cut_open(with_normals: bool) -> None:
    points, normals, faces = room(np.random.default_rng(0))
    table = np.uint8([[200, 160, 40], [220, 0, 220], [40, 90, 200], [40, 90, 200], [40, 90, 200], [40, 90, 200]])
    picture = draw_cloud(points, table[faces], size=(400, 300), normals=normals if with_normals else None)
    assert hue_share(picture, (200, 160, 40)) > 0.15  # the floor is seen,
    assert hue_share(picture, (220, 0, 220)) < 0.005  # the ceiling is not


def test_ceilings_are_found_and_tables_are_none() -> None:
    points, _, faces = room(np.random.default_rng(0))
    assert ceiling_cut(points) == pytest.approx(2.5 * 0.85, abs=0.05)
    assert ceiling_cut(points[faces != 1]) is None
    assert ceiling_cut(points * 0.2) is None


def test_normals_without_sides_are_ignored() -> None:
    points, normals, faces = room(np.random.default_rng(0))
    colors = np.full((len(points), 3), 80, np.uint8)
    flipped = normals * np.random.default_rng(1).choice([-1, 1], (len(points), 1))
    kwargs = {"size": (120, 90), "view": (30.0, 35.0)}
    assert np.array_equal(draw_cloud(points, colors, normals=flipped, **kwargs), draw_cloud(points, colors, **kwargs))
    assert (faces >= 0).all()


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_points_and_rows_that_are_not_finite(count: int, tmp_path: Path) -> None:
    points = np.full((count + 2, 3), np.nan, np.float32)
    points[-1] = (np.inf, 0, 0)
    points[:count] = np.arange(3 * count).reshape(count, 3)
    labels = np.full(len(points), 0, np.int32)
    colors = np.full((len(points), 3), (200, 20, 20), np.uint8)
    picture = draw_cloud(points, colors, size=(64, 48))
    assert colors_near(picture, (200, 20, 20), 60).any() == (count > 0)
    write_picture(tmp_path / "p.png", points, None, labels, ["a"], title="few")
    write_html(tmp_path / "v.html", points, None, labels, ["a"], None, title="few")
    page = Page(tmp_path / "v.html")
    assert page.points() == pytest.approx(points[:count], abs=1e-3)
    assert page.layer("labels")["items"][0]["count"] == count


def test_picture_shows_every_label_and_has_its_size(tmp_path: Path) -> None:
    points = plane(120)
    labels = (points[:, 0] * 2).astype(np.int32).clip(0, 7) - 1  # -1..6 in stripes
    texts = [f"thing {k}" for k in range(7)]
    colors = np.full((len(points), 3), (120, 130, 140), np.uint8)
    write_picture(tmp_path / "p.png", points, colors, labels, texts, title="Stripes")
    picture = np.asarray(Image.open(tmp_path / "p.png"))
    assert picture.shape[1] == 1832
    assert 780 < picture.shape[0] < 1000
    left, right = picture[98:758, 24:904], picture[98:758, 928:1808]
    legend = picture[770:]
    for color in [*word_colors(texts).tolist(), list(UNLABELLED)]:
        assert colors_near(right, color).sum() > 500
        assert colors_near(legend, color, 0).sum() > 200
    assert colors_near(left, (120, 130, 140)).mean() > 0.1
    assert colors_near(left, tuple(word_colors(texts)[0])).sum() == 0


def test_many_classes_long_names_and_no_class(tmp_path: Path) -> None:
    points = plane(120)
    labels = (np.arange(len(points)) % 60).astype(np.int32)
    texts = [f"class {k} " + "very " * 2000 + "long" for k in range(60)]
    write_picture(tmp_path / "many.png", points, None, labels, texts, title="x" * 10_000)
    assert Image.open(tmp_path / "many.png").size[1] < 1200
    write_picture(tmp_path / "none.png", points, None, np.full(len(points), -1, np.int32), [], title="")
    write_html(tmp_path / "none.html", points, None, np.full(len(points), -1, np.int32), [], None, title="")
    assert Page(tmp_path / "none.html").layer("labels")["order"] == [0]
    picture = np.asarray(Image.open(tmp_path / "none.png"))
    assert colors_near(picture[98:758, 928:1808], UNLABELLED).mean() > 0.05


def test_page_holds_the_data(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    points = (rng.random((500, 3)) * (10, 6, 3) - 4).astype(np.float32)
    points[7] = np.nan
    kept = np.delete(np.arange(500), 7)
    colors = rng.integers(0, 256, (500, 3)).astype(np.uint8)
    labels = rng.integers(-1, 3, 500).astype(np.int32)
    confidence = rng.random(500).astype(np.float32)
    write_html(tmp_path / "v.html", points, colors, labels, ["a", "b", "c"], confidence, title="A room")
    page = Page(tmp_path / "v.html")
    assert np.abs(page.points() - points[kept]).max() < 10 / 65535
    assert np.array_equal(page.array(page.layer("colour")["data"], "u1").reshape(-1, 3), colors[kept])
    categories = page.array(page.layer("labels")["data"], "u1").astype(int)
    assert np.array_equal(np.where(categories == 3, -1, categories), labels[kept])
    counts = [item["count"] for item in page.layer("labels")["items"]]
    assert counts == [int((labels[kept] == k).sum()) for k in (0, 1, 2, -1)]
    assert [item["color"] for item in page.layer("labels")["items"]][:3] == word_colors(["a", "b", "c"]).tolist()
    levels = page.array(page.layer("confidence")["data"], "u1")
    assert levels / 255 == pytest.approx(confidence[kept], abs=0.003)
    assert page.text["h1"] == "A room"
    assert "499 points" in page.source


def test_page_needs_no_network(tmp_path: Path) -> None:
    write_html(tmp_path / "v.html", plane(5), None, np.zeros(25, np.int32), ["a"], None, title="t")
    page = Page(tmp_path / "v.html")
    assert not re.search(r"https?:|//cdn|@import|url\(|fetch\(|XMLHttpRequest|import\(", page.source)
    assert not [tag for tag, attrs in page.tags if "src" in attrs or "href" in attrs or tag == "link"]


def test_page_of_many_classes(tmp_path: Path) -> None:
    labels = np.arange(400, dtype=np.int32) - 1
    write_html(tmp_path / "v.html", plane(20), None, labels, [str(k) for k in range(399)], None, title="t")
    page = Page(tmp_path / "v.html")
    assert page.layer("labels")["bits"] == 16
    categories = page.array(page.layer("labels")["data"], "<u2").astype(int)
    assert np.array_equal(np.where(categories == 399, -1, categories), labels)


NASTY = "</script><b>bold</b><!-- {{data}} \u2028 & \"quoted\" 'single' $1 \\u0041 <script>alert(1)</script>"


def test_texts_cannot_break_out(tmp_path: Path) -> None:
    write_html(tmp_path / "v.html", plane(5), None, np.zeros(25, np.int32), [NASTY], None, title=NASTY)
    page = Page(tmp_path / "v.html")
    assert page.layer("labels")["items"][0]["text"] == NASTY
    assert page.text["h1"] == NASTY
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert "b" not in [tag for tag, _ in page.tags]


@settings(max_examples=15, deadline=None)
@given(st.text(max_size=40))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("page") / "v.html"
    write_html(path, plane(2), None, np.zeros(4, np.int32), [text], None, title="t")
    assert Page(path).layer("labels")["items"][0]["text"] == text


def test_large_clouds_are_thinned_and_the_page_says_so(tmp_path: Path) -> None:
    points, labels = plane(100), np.zeros(10_000, np.int32)
    for name in ("a.html", "b.html"):
        write_html(tmp_path / name, points, None, labels, ["floor"], None, title="t", max_points=3000)
    page = Page(tmp_path / "a.html")
    assert len(page.points()) == 3000
    assert "10,000 points (3,000 of them shown)" in page.source
    assert page.layer("labels")["items"][0]["count"] == 10_000
    assert page.source == (tmp_path / "b.html").read_text(encoding="utf-8")


def test_page_size(tmp_path: Path) -> None:
    points, normals, faces = room(np.random.default_rng(0), 33_334)
    colors = np.random.default_rng(0).integers(0, 256, (len(points), 3)).astype(np.uint8)
    score = np.full(len(points), 0.5, np.float32)
    write_html(tmp_path / "v.html", points, colors, faces, list("abcdef"), score, title="t", normals=normals)
    assert (tmp_path / "v.html").stat().st_size < 4_000_000
    assert Page(tmp_path / "v.html").data["normals"]


def test_layers_are_general(tmp_path: Path) -> None:
    mask = np.array([0, -1, 0, -1])
    layer = ClassLayer("answer", mask, ["the chair"], word_colors(["the chair"]), ("everything else", (10, 20, 30)))
    write_page(tmp_path / "v.html", plane(2), [layer], title="ask", first="answer")
    items = Page(tmp_path / "v.html").layer("answer")["items"]
    assert [(item["text"], item["count"]) for item in items] == [("the chair", 2), ("everything else", 2)]
    assert items[1]["color"] == [10, 20, 30]


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bad, labels = tmp_path / "file" / "p.png", np.zeros(4, np.int32)
    with pytest.raises(OutputError, match="cannot write"):
        write_picture(bad, plane(2), None, labels, ["a"], title="t")
    with pytest.raises(OutputError, match="cannot write"):
        write_html(bad, plane(2), None, labels, ["a"], None, title="t")


def test_page_knows_the_objects(tmp_path: Path) -> None:
    points = plane(10)
    labels = (points[:, 0] > 2).astype(np.int32)
    object_of = np.where(points[:, 1] > 2, 2 * labels + 1, 2 * labels).astype(np.int32)
    object_of[0] = -1
    names = [f"{text} {number}" for text in ("a", "b") for number in (1, 2)]
    write_html(
        tmp_path / "v.html", points, None, labels, ["a", "b"], None, title="t", object_of=object_of, objects=names
    )
    layer = Page(tmp_path / "v.html").layer("objects")
    assert layer["texts"] == names
    assert layer["words"] == [0, 0, 1, 1]
    found = Page(tmp_path / "v.html").array(layer["data"], "<u4").astype(int)
    assert np.array_equal(np.where(found == 4, -1, found), object_of)
