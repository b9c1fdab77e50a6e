"""The command line as a person uses it: results, one-line errors with exit code 2, nothing half-written."""

import errno
import html.parser
import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import scanwise
from scanwise.errors import InputError
from scanwise.formats.registry import column_suffixes
from scanwise.scene import Scene
from scanwise.understand import label_files
from scanwise.understand.calls import prepare
from tests.worlds import ColourVision, corner_scene


@pytest.fixture
def corner(tmp_path, monkeypatch):
    """A scene folder of the corner; `label` sees it with the colour model."""
    monkeypatch.setattr("scanwise.understand.prepared.load_vision", lambda name: ColourVision())
    scanwise.write_scene(corner_scene(), tmp_path / "corner")
    return tmp_path / "corner"


def one_line(text: str, *words: str) -> None:
    assert text.startswith("error: "), text
    assert text.count("\n") == 1
    assert "Traceback" not in text
    for word in words:
        assert word in text


def test_label_leaves_cloud_summary_picture_and_page(run, corner, tmp_path):
    out = tmp_path / "new" / "out"
    code, said, _ = run("label", corner, "--text", "red,green", "--text", "blue", "--out", out)
    assert code == 0
    assert str(out / "labels.ply") in said
    names = ["labels.json", "labels.ply", "objects.csv", "objects.json", "picture.png", "view.html"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert scanwise.read_scene(out / "labels.ply").classes == ["red", "green", "blue"]

    scene, labelled = corner_scene(), scanwise.read_scene(out / "labels.ply")
    np.testing.assert_array_equal(labelled.points, scene.points)
    np.testing.assert_array_equal(labelled.colors, scene.colors)
    summary = json.loads((out / "labels.json").read_text())
    assert summary["texts"] == ["red", "green", "blue"]
    assert summary["counts"] == {
        text: int((labelled.labels == k).sum()) for k, text in enumerate(("red", "green", "blue"))
    }
    assert summary["peak_memory_bytes"] > 1e7
    assert {"reading", "2d features", "lifting", "pooling"} <= set(summary["seconds"])
    assert summary["models"]["colour"] == {"colours": "1"}
    assert list(summary["models"]["shapes"]) == ["segment-things.safetensors"]
    assert Image.open(out / "picture.png").size[0] > 1000
    html.parser.HTMLParser().feed((out / "view.html").read_text())


def test_a_second_run_replaces_its_results_and_leaves_other_files(run, corner, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    for texts in ("red,green", "blue,green"):
        assert run("label", corner, "--text", texts, "--out", out)[0] == 0
    assert json.loads((out / "labels.json").read_text())["texts"] == ["blue", "green"]
    assert (out / "notes.txt").read_text() == "mine"
    names = ["labels.json", "labels.ply", "notes.txt", "objects.csv", "objects.json", "picture.png", "view.html"]
    assert sorted(path.name for path in out.iterdir()) == names


def test_files_of_an_earlier_run_go(run, corner, tmp_path):
    out = tmp_path / "out"
    assert run("label", corner, "--text", "red,green", "--out", out, "--split")[0] == 0
    parts = sorted(path.name for path in (out / "objects").iterdir())
    assert parts
    assert {name.split("-")[0] for name in parts} <= {"red", "green"}
    assert run("label", corner, "--text", "red,green", "--out", out)[0] == 0
    assert not (out / "objects").exists()


@pytest.mark.parametrize("suffix", sorted(column_suffixes()))
def test_labels_come_back_in_the_format_of_the_input(suffix, tmp_path, monkeypatch):
    scene = corner_scene()
    scanwise.write_scene(Scene(scene.points, scene.colors), tmp_path / f"cloud.{suffix}")
    read = scanwise.read_scene(tmp_path / f"cloud.{suffix}")
    read.views = scene.views
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path / "cache"))
    prepared = prepare(read, vision=ColourVision())
    labels = prepared.label(["red", "green", "blue"])
    labels.save(tmp_path / "out")
    again = scanwise.read_scene(tmp_path / "out" / f"labels.{suffix}")
    np.testing.assert_array_equal(again.points_in_source(), read.points_in_source())
    columns = again.attributes | {"label": again.labels if again.labels is not None else again.attributes.get("label")}
    np.testing.assert_array_equal(columns["label"], labels.indices)
    np.testing.assert_allclose(columns["confidence"], labels.confidence, rtol=1e-6)


@pytest.mark.parametrize(
    ("texts", "words"),
    [("", ["empty"]), ("wall,,floor", ["text 2 of 3 is empty"]), ("x" * 10_000, ["10000 characters", "500"])],
)
def test_texts_that_cannot_be_asked(run, corner, tmp_path, texts, words):
    code, _, said = run("label", corner, "--text", texts, "--out", tmp_path / "out")
    assert code == 2
    one_line(said, *words)
    assert not (tmp_path / "out").exists()


def test_duplicate_texts_are_noted_once(run, corner, tmp_path):
    code, _, said = run("label", corner, "--text", "red,green,red", "--out", tmp_path / "out")
    assert code == 0
    assert said.count("note: given more than once, used once: red") == 1


def test_missing_scan_names_a_close_one(run, corner, tmp_path):
    code, _, said = run("label", tmp_path / "cornr", "--text", "red,green")
    assert code == 2
    one_line(said, "no such file or folder", "did you mean", "corner")


def test_empty_folder(run, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, said = run("info", tmp_path / "empty")
    assert code == 2
    one_line(said, "empty")


def test_out_that_is_a_file_or_the_scan_itself_or_not_writable(run, corner, tmp_path):
    (tmp_path / "file").write_text("mine")
    for out, words in (
        (tmp_path / "file", ["is a file"]),
        (corner, ["the scan itself"]),
        (tmp_path / "file" / "below", ["cannot write", "(--out)"]),
        ("/proc/out", ["cannot write", "(--out)"]),
    ):
        code, _, said = run("label", corner, "--text", "red,green", "--out", out)
        assert code == 2
        one_line(said, *words)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("convert", "{corner}", "/proc/out.ply"), "choose another place (OUT)"),
        (("annotate", "{corner}", "a wall", "--absent", "--to", "/proc/a.jsonl"), "choose another place (--to)"),
        (("annotate", "{corner}", "a wall", "--point", "9,9,9"), "click on the thing itself (--point)"),
        (("synth", "rooms", "/proc/rooms", "-n", "1"), "choose another place (OUT)"),
    ],
)
def test_an_error_from_below_says_what_to_type_here(run, corner, arguments, told):
    code, _, said = run(*[argument.format(corner=corner) for argument in arguments])
    assert code == 2
    one_line("".join(line for line in said.splitlines(keepends=True) if not line.startswith("note: ")))
    assert said.endswith(told + "\n")


def test_a_parameter_that_the_verb_has_not_is_not_named(run, corner, monkeypatch):
    def fail(path: object, **_: object) -> None:
        raise InputError("odd", option="vision")

    monkeypatch.setattr("scanwise.formats.registry.read_scene", fail)
    assert run("info", corner) == (2, "", "error: odd\n")


def test_a_disk_that_fills_up_leaves_nothing_half_written(run, corner, tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert run("label", corner, "--text", "red,green", "--out", tmp_path / "out")[0] == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    monkeypatch.setattr(label_files, "write_html", full)
    code, _, said = run("label", corner, "--text", "blue,green", "--out", tmp_path / "out")
    assert code == 2
    one_line(said, "disk is full")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_unknown_vision_and_device(run, corner, tmp_path, monkeypatch):
    monkeypatch.undo()
    code, _, said = run("label", corner, "--text", "red,green", "--out", tmp_path / "out", "--vision", "clip")
    assert code == 2
    one_line(said, "clip", "conse")
    code, _, said = run("label", corner, "--text", "red,green", "--out", tmp_path / "out", "--device", "tpu9")
    assert code == 2
    one_line(said, "tpu9")


def test_info_and_convert(run, corner, tmp_path):
    code, said, _ = run("info", corner)
    assert code == 0
    for words in ("points", f"{len(corner_scene()):,}", "3 of 80x60, depth 80x60", "colours"):
        assert words in said
    code, said, _ = run("convert", corner, tmp_path / "corner.pcd")
    assert code == 0
    np.testing.assert_array_equal(scanwise.read_scene(tmp_path / "corner.pcd").points, corner_scene().points)
    code, _, said = run("convert", corner, tmp_path / "corner.docx")
    assert code == 2
    one_line(said, "docx", "ply")
    assert not (tmp_path / "corner.docx").exists()


def test_debug_shows_the_traceback(tmp_path):
    command = [sys.executable, "-m", "scanwise.app.cli", "--debug", "info", str(tmp_path / "none")]
    shown = subprocess.run(command, capture_output=True, text=True)
    assert "Traceback" in shown.stderr
    assert "InputError" in shown.stderr


@pytest.mark.parametrize("verb", [[], ["label"], ["info"], ["convert"], ["demo"]])
def test_help_shows_examples(run, verb):
    code, said, _ = run(*verb, "--help")
    assert code == 0
    assert "scanwise" in said
    if verb:
        assert f"scanwise {verb[0]} " in said


TRUTH = json.loads((files("scanwise") / "demo" / "truth.json").read_text(encoding="utf-8"))["objects"]


def inside(points: np.ndarray, name: str) -> list[np.ndarray]:
    """(N,) bool of each thing of this name in the demo's room: the points in its box, 2 cm more and off the floor."""
    boxes = [(np.array(thing["low"]), np.array(thing["high"])) for thing in TRUTH if thing["label"] == name]
    low, high = ([box[end] for box in boxes] for end in (0, 1))
    return [
        ((points > first - 0.02) & (points < last + 0.02)).all(1) & (points[:, 2] > 0.06)
        for first, last in zip(low, high, strict=True)
    ]


def check_demo(out: Path) -> None:
    """What `scanwise demo` found is what its room was made of (demo/truth.json)."""
    texts = json.loads((out / "labels.json").read_text())["texts"]
    found = scanwise.read_scene(out / "labels.ply")
    for name in ("sofa", "table", "television", "bookcase", "lamp", "refrigerator", "chair"):
        shares = [float((found.labels[mask] == texts.index(name)).mean()) for mask in inside(found.points, name)]
        assert np.median(shares) > 0.7, (name, shares)  # one of the four chairs is taken for the table
    sofa, chairs, bathtub = json.loads((out / "asked" / "answers.json").read_text())["answers"]
    assert (sofa["found"], chairs["found"], bathtub["found"]) == (True, True, False)
    (truth,) = inside(found.points, "sofa")
    asked = scanwise.read_scene(out / "asked" / "answers.ply").attributes
    mask = asked["mask_1"].astype(bool)
    assert (mask & truth).sum() > 0.8 * (mask | truth).sum()
    covered = [float(asked["mask_2"][mask].mean()) for mask in inside(found.points, "chair")]
    assert sum(share > 0.5 for share in covered) >= 2, covered


def test_demo_finds_what_is_in_the_room(run, tmp_path):
    code, said, _ = run("demo", "--out", tmp_path / "demo")
    assert code == 0
    assert (tmp_path / "demo" / "picture.png").exists()
    assert str(tmp_path / "demo" / "view.html") in said
    check_demo(tmp_path / "demo")
