"""`scanwise train geopurify`, `evaluate geopurify` and `label --purify` as a person uses them."""

import json

import pytest

from scanwise.formats import folder
from tests.methods.geopurify.corners import TINY, coloured
from tests.worlds import ColourVision


@pytest.fixture(autouse=True)
def colours(monkeypatch):
    for place in ("scanwise.vision.load_vision", "scanwise.understand.prepared.load_vision"):
        monkeypatch.setattr(place, lambda name: ColourVision())


@pytest.fixture
def data(tmp_path):
    for split, count in (("train", 2), ("val", 1), ("test", 1)):
        for number in range(count):
            folder.write(coloured(10 * count + number), tmp_path / "data" / split / f"{number:04d}")
    values = {"data": tmp_path / "data", "vision": "colour", "batch": 1, "steps": 4, "scenes": 1, "validate_every": 4}
    lines = [f"{key}: {value}" for key, value in (values | TINY).items()]
    (tmp_path / "tiny.yaml").write_text("\n".join(lines))
    return tmp_path


def test_from_scans_to_labels_by_the_student(run, data):
    code, said, errors = run("train", "geopurify", data / "tiny.yaml", "--out", data / "run")
    assert (code, errors.count("error")) == (0, 0)
    assert "best.ckpt: mIoU" in said

    code, said, _ = run("evaluate", "geopurify", data / "run", data / "data")
    assert code == 0
    assert said.startswith("| class | off | geometry | learned |")
    metrics = json.loads((data / "run" / "test.json").read_text())
    assert metrics["scenes"] == 1
    assert metrics["geometry"]["miou"] > 0.9
    code, said, _ = run("evaluate", "geopurify", data / "run", data / "data", "--noise", "flip:0.5")
    assert code == 0
    spoilt = json.loads((data / "run" / "test-flip-0.5.json").read_text())
    assert spoilt["off"]["miou"] < metrics["off"]["miou"] < spoilt["learned"]["miou"] + 0.2
    assert (data / "run" / "test-flip-0.5.md").read_text() == said

    scan = data / "data" / "test" / "0000"
    code, _, _ = run("label", scan, "--text", "red,green,blue", "--purify", data / "run", "--out", data / "labels")
    assert code == 0
    summary = json.loads((data / "labels" / "labels.json").read_text())
    assert summary["purify"] == str(data / "run" / "best.ckpt")
    assert min(summary["counts"].values()) > 0.8 * max(summary["counts"].values())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["label", "{data}/data/test/0000", "--text", "red,blue", "--purify", "learnt"], ["learnt", "no such student"]),
        (["train", "geopurify", "{data}/tiny.yaml", "--set", "teacher=no/run"], ["no/run"]),
        (["train", "geopurify", "{data}/tiny.yaml", "--set", "scenes=9"], ["9 scenes", "pool of 2"]),
        (["evaluate", "geopurify", "{data}/none", "{data}/data"], ["none"]),
        (["evaluate", "geopurify", "{data}/none", "{data}/data", "--noise", "flip"], ["flip: give", "--noise"]),
    ],
)
def test_one_line_says_what_is_wrong(run, data, arguments, words):
    code, _, said = run(*[argument.format(data=data) for argument in arguments], *(["--out", data / "out"]))
    assert code == 2
    assert "Traceback" not in said
    assert all(word in said for word in words), said
    assert not (data / "out" / "best.ckpt").exists()
