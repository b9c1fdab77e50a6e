"""Every table of docs/results/ and docs/performance.md is made from the rows of docs/results/data/, byte for byte."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "scripts"
PAGES = sorted(path.relative_to(ROOT / "docs") for path in (ROOT / "docs" / "results").glob("*.md"))
PAGES.append(Path("performance.md"))
ROW = {
    "name": "a run", "params": {"part": "ladder"}, "seed": 1, "metrics": {"miou": 17.1}, "unit": "%",
    "cpu_seconds": None, "command": "python run.py", "machine": "2 cores", "source": "measured",
}  # fmt: skip


@pytest.fixture(scope="module")
def results():
    """The package scripts/results/."""
    sys.path.insert(0, str(SCRIPTS))
    yield SimpleNamespace(**{name: importlib.import_module(f"results.{name}") for name in ("rows", "tables", "less")})
    sys.path.remove(str(SCRIPTS))


@pytest.fixture
def docs(tmp_path):
    """A copy of the pages whose tables are empty, and of the rows."""
    shutil.copytree(ROOT / "docs" / "results" / "data", tmp_path / "results" / "data")
    for page in PAGES:
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        emptied, count = re.subn(r"(<!-- (?!end).+? -->\n).*?(<!-- end -->)", r"\1\2", text, flags=re.DOTALL)
        assert count
        (tmp_path / page).write_text(emptied, encoding="utf-8")
    return tmp_path


def made(docs):
    """Runs scripts/make_results.py with the standard library alone."""
    command = [sys.executable, "-S", str(SCRIPTS / "make_results.py"), "--docs", str(docs)]
    return subprocess.run(command, capture_output=True, text=True, cwd=docs)


def changed(docs, file, change):
    """Changes a row, which `change` says, of a file of rows."""
    path = docs / "results" / "data" / file
    rows = json.loads(path.read_text())
    rows = change(rows) or rows
    path.write_text(json.dumps(rows))


def table(docs, page, name):
    text = (docs / page).read_text(encoding="utf-8")
    return re.search(f"<!-- {name} -->\n(.*?)<!-- end -->", text, re.DOTALL)[1]


def test_pages_are_made_from_rows(docs):
    assert made(docs).returncode == 0
    for page in PAGES:
        assert (docs / page).read_bytes() == (ROOT / "docs" / page).read_bytes(), page


def test_no_table_is_written_by_hand():
    for page in PAGES:
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        outside = re.sub(r"<!-- (?!end).+? -->\n.*?<!-- end -->", "", text, flags=re.DOTALL)
        assert not re.search(r"^\|", outside, re.MULTILINE), page


def test_every_row_is_whole_and_there_once(results):
    files = sorted((ROOT / "docs" / "results" / "data").glob("*.json"))
    assert files
    for path in files:
        rows = json.loads(path.read_text())
        assert len({(row["name"], json.dumps(row["params"], sort_keys=True), row["seed"]) for row in rows}) == len(rows)
        for row in rows:
            assert tuple(row) == results.rows.KEYS
            assert row["metrics"]
            assert all(row[key] for key in ("unit", "command", "machine", "source"))


def test_a_new_run_replaces_its_row_alone(docs, results):
    made(docs)
    before = table(docs, "results/dos.md", "ladder")
    assert "| random weights | 17.1 | 16.4 | 17.4 | **17.0** ± 0.5 |" in before
    row = ROW | {"name": "random", "metrics": {"miou": 18.4}, "cpu_seconds": 1234.4}
    results.rows.add_row(docs / "results" / "data" / "dos.json", row)
    assert made(docs).returncode == 0
    after = table(docs, "results/dos.md", "ladder")
    assert "| random weights | 18.4 | 16.4 | 17.4 | **17.4** ± 1.0 |  | 1,234 |" in after
    assert "| softmaps, alpha 2 | 20.7 |  |  | **20.7** (1 seed) |  |  |" in after
    assert "`python run.py`" in after
    assert len(after.splitlines()) >= len(before.splitlines())


def test_what_is_not_run_has_no_row_and_says_so(docs):
    changed(docs, "less.json", lambda rows: [row for row in rows if row["name"] != "bce"])
    made(docs)
    assert "| cross-entropy alone | not run | not run | not run | not run | not run |" in table(
        docs, "results/less.md", "losses"
    )


def test_masks_taken_apart_are_means_of_seeds(docs, results):
    file = docs / "results" / "data" / "less.json"
    for seed, value in ((1, 39.0), (2, 42.0)):
        params = {"part": "why", "second_pass": False, "sentences": "all"}
        metrics = {"object_right": value, "name_right": 50.0, "nothing": 1.0, "iou_when_right": 51.0}
        results.rows.add_row(file, ROW | {"name": "less", "params": params, "seed": seed, "metrics": metrics})
    made(docs)
    assert "| LESS: binary masks | all | 1, 2 | 40.5 | 50.0 | 1.0 | 51.0 |  |" in table(docs, "results/less.md", "why")


def test_a_page_without_the_place_is_refused_in_one_line(docs):
    page = docs / "results" / "rooms-1.md"
    page.write_text(page.read_text().replace("<!-- splits -->", "<!-- halves -->"))
    run = made(docs)
    assert run.returncode == 1
    assert run.stderr.splitlines() == ["results/rooms-1.md: has places for classes, halves; there are classes, splits"]


def test_two_rows_for_one_cell_are_refused_in_one_line(docs):
    changed(docs, "dos.json", lambda rows: [*rows, rows[0] | {"params": {"part": "ladder", "steps": 400}}])
    run = made(docs)
    assert run.returncode == 1
    assert run.stderr.splitlines() == ["two rows of random, seed 1, differ in what the table does not tell"]


# Rows


def test_add_row_replaces_the_row_of_its_name_params_and_seed(tmp_path, results):
    file = tmp_path / "new" / "rows.json"
    for change in ({}, {"seed": 2}, {"params": {"part": "tail"}}, {"metrics": {"miou": 1.5}}, {"name": "another"}):
        results.rows.add_row(file, ROW | change)
    rows = results.rows.read_rows(file)
    assert [(row["name"], row["params"]["part"], row["seed"]) for row in rows] == [
        ("a run", "ladder", 1), ("a run", "ladder", 2), ("a run", "tail", 1), ("another", "ladder", 1),
    ]  # fmt: skip
    assert rows[0]["metrics"] == {"miou": 1.5}
    assert len(file.read_text().splitlines()) == len(rows) + 2  # a line a row
    assert [path.name for path in file.parent.iterdir()] == ["rows.json"]


def test_add_row_refuses_other_keys(tmp_path, results):
    with pytest.raises(ValueError, match=r"^a row has name, params, seed, .*, not name, value$"):
        results.rows.add_row(tmp_path / "rows.json", {"name": "a run", "value": 1})
    assert not (tmp_path / "rows.json").exists()


def test_two_processes_lose_no_row(tmp_path):
    code = (
        f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\n"
        "from pathlib import Path\nfrom results.rows import add_row, make_row\n"
        "for number in range(40):\n"
        "    add_row(Path('rows.json'), make_row(sys.argv[1], {'x': number}, '1', command='c', seed=number))\n"
    )
    both = [subprocess.Popen([sys.executable, "-S", "-c", code, name], cwd=tmp_path) for name in ("one", "two")]
    assert [process.wait(60) for process in both] == [0, 0]
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert sorted((row["name"], row["seed"]) for row in rows) == [
        (name, number) for name in ("one", "two") for number in range(40)
    ]


def test_processor_seconds_count_children(results):
    work = "import time\nwhile time.process_time() < 0.3: pass"
    with results.rows.processor_seconds() as spent:
        subprocess.run([sys.executable, "-S", "-c", work], check=True)
    assert 0.3 <= spent() < 3


# Tables


@pytest.mark.parametrize(
    ("values", "said"),
    [([], "not run"), ([19.04], "19.0 (1 seed)"), ([1.0, 3.0], "2.0 ± 1.4"), ([1.0, 2.0, 6.0], "3.0 ± 2.6")],
)
def test_deviation_needs_two_seeds(results, values, said):
    assert results.tables.mean_of(values) == said


def test_a_table_says_what_it_is_from(results):
    one = results.tables.Table("x")
    assert str(one).endswith("\n\nNot run.\n")
    one.add(["1"], [ROW])
    assert str(one) == ("| x |\n|---|\n| 1 |\n\n1 seed; CPU seconds not recorded; 2 cores. `python run.py`.\n")
    one.add(["2"], [ROW | {"seed": 2, "cpu_seconds": 3600.0, "source": "told"}])
    one.add(["3"], [ROW | {"seed": 2, "cpu_seconds": 10.0}, ROW | {"seed": 3, "cpu_seconds": 20.0}])
    assert str(one) == (
        "| x | CPU s |\n|---|---|\n| 1 |  |\n| 2 | 3,600 |\n| 3 | 15 |\n\n"
        "Seeds 1, 2, 3; CPU seconds of 3 of 4 rows; 2 cores. `python run.py`. 1 of 4 rows: told.\n"
    )


def test_benchmark_tells_shared_params_once(results):
    rows = [
        ROW | {"name": "fast", "params": {"C": 3, "n": 1}, "seed": None, "unit": "s",
               "metrics": {"value": 0.5, "reference": 2.0, "ratio": 0.25}},
        ROW | {"name": "slow", "params": {"C": 3, "n": 2}, "seed": None, "unit": "s", "metrics": {"value": 12.345}},
    ]  # fmt: skip
    assert results.tables.benchmark(rows).splitlines()[:6] == [
        "C 3.", "", "| what | value | reference | ratio |", "|---|---|---|---|",
        "| fast n 1 | 0.5 s | 2 s | 0.25 |", "| slow n 2 | 12.3 s |  |  |",
    ]  # fmt: skip


# What writes rows


def test_runs_write_rows_that_the_tables_know(tmp_path, results, monkeypatch, docs):
    """The ladder of DOS with a command that only leaves a probe's JSON behind."""
    commands, runs = (importlib.import_module(name) for name in ("commands", "dos_runs"))
    asked = []

    def scanwise(*words):
        asked.append(words[0])
        out = Path(words[words.index("--out") + 1])
        out.parent.mkdir(parents=True, exist_ok=True)
        if words[0] == "probe":
            out.write_text(json.dumps([{"miou": 0.31}, {"miou": 0.33}]))
        else:
            out.mkdir()

    for module in (commands, runs):
        monkeypatch.setattr(module, "scanwise", scanwise)
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(runs, "ROWS", docs / "results" / "data")
    runs.pretrain("4-softmap", 2)
    runs.pretrain("4-softmap", 2)
    assert asked == ["pretrain", "probe"]
    assert made(docs).returncode == 0
    assert "| softmaps, alpha 0 | 21.5 | 32.0 | 21.1 |" in table(docs, "results/dos.md", "ladder")


@pytest.mark.parametrize(("broke_off", "known"), [(False, True), (True, False)])
def test_processor_time_of_a_training_that_went_on_is_not_known(tmp_path, results, monkeypatch, broke_off, known):
    commands = importlib.import_module("commands")
    out = tmp_path / "run"
    out.mkdir()
    if broke_off:
        (out / "last.ckpt").touch()
    monkeypatch.setattr(commands, "scanwise", lambda *words: None)
    assert commands.training_seconds(out) is None
    commands.train_once(out, "train", "segment", "recipe.yaml")
    assert (commands.training_seconds(out) is not None) is known


def test_a_set_is_counted_into_rows(tmp_path, results, monkeypatch):
    rows = importlib.import_module("set_rows")
    scenes = [
        {"split": split, "points": points, "objects": 2, "held_out": 1, "sentences": 3, "bytes": 1_500_000}
        for split, points in (("train", 10), ("train", 20), ("test", 5))
    ]
    index = {"name": "Rooms-1", "kind": "rooms", "scenes": scenes, "points": {"wall": 30, "bed": 5},
             "instances": {"bed": 1}}  # fmt: skip
    (tmp_path / "index.json").write_text(json.dumps(index))
    monkeypatch.setattr(rows, "DATA", tmp_path)
    monkeypatch.setattr(sys, "argv", ["scripts/set_rows.py", str(tmp_path)])
    rows.main()
    found = {row["name"]: row["metrics"] for row in json.loads((tmp_path / "rooms-1.json").read_text())}
    assert found["train"] == {"scenes": 2, "points": 30, "objects": 4, "held out": 2, "sentences": 6, "MB": 3}
    assert found["val"]["scenes"] == 0
    assert found["bed"] == {"points": 5, "instances": 1}
    assert found["wall"] == {"points": 30, "instances": 0}


def test_less_runs_write_metrics_and_why_masks_fail(tmp_path, results, monkeypatch, docs):
    runs = importlib.import_module("less_runs")
    overall = dict.fromkeys((*results.less.METRICS, *results.less.SURE), 0.4567)
    why = {"all": {"object_right": 0.39, "name_right": 0.5, "nothing": 0.01, "iou_when_right": 0.51, "sentences": 9.0}}
    found = {"all": overall, "parts": {}, "failures": why | {"presence": {"auc": 0.62, "sentences": 4.0}}}

    def scanwise(*words):
        out = Path(words[words.index("--out") + 1])
        out.mkdir(parents=True)
        (out / "test.json").write_text(json.dumps(found))

    monkeypatch.setattr(runs, "scanwise", scanwise)
    monkeypatch.setattr(runs, "ROWS", docs / "results" / "data")
    runs.measure("less", "less", tmp_path / "run", tmp_path / "run" / "second", 2, second_pass=True)
    assert made(docs).returncode == 0
    assert "| LESS: binary masks, with the second pass | 2 | 45.7 |" in table(docs, "results/less.md", "main")
    assert "second pass | all | 2 (1 seed) | 39.0 | 50.0 | 1.0 | 51.0 |" in table(docs, "results/less.md", "why")
    assert "second pass | 2 (1 seed) | 62.0 |" in table(docs, "results/less.md", "presence")
    rows = results.rows.read_rows(docs / "results" / "data" / "less.json")
    counted = results.rows.find(rows, "less", part="why", second_pass=True, sentences="all")
    assert counted[0]["metrics"]["sentences"] == 9


def test_stellar_runs_write_rows_that_the_tables_know(results, monkeypatch, docs):
    runs = importlib.import_module("stellar_runs")
    monkeypatch.setattr(runs, "ROWS", docs / "results" / "data")
    errors = {"mse": 0.005, "psnr": 23.0, "ssim": 0.8, "frechet": 90.0}
    classes = {"linear_cls": 0.41, "knn_cls": 0.36, "linear_dense": 0.42, "knn_dense": 0.38}
    runs.record("dino-cifar-tiny", {"classes": classes, "decoder of dense": errors}, 2, 660.0)
    runs.record_frames("mae-cifar-tiny", {"frames": 400, "dense": {"miou": 0.055}}, 1.0, 1)
    assert made(docs).returncode == 0
    assert "| DINO | CLS | 36.3 | 41.0 |  | 38.6 ± 3.3 | 660 |" in table(docs, "results/stellar.md", "linear")
    assert "| DINO | mean of patches | 32.9 | 38.0 |" in table(docs, "results/stellar.md", "knn")
    assert "| DINO | dense U | fitted | 6.38 ± 1.96 |" in table(docs, "results/stellar.md", "reconstruction")
    assert "| 100 % | MAE | dense U | 5.5 |" in table(docs, "results/stellar.md", "frames")


def test_a_supervised_run_is_told_by_rows_and_figures(tmp_path, results, monkeypatch, docs):
    import torch

    from scanwise.evaluation.segmentation import Confusion
    from scanwise.training.checkpoints import Checkpoint, save

    rows = importlib.import_module("segment_rows")
    run = tmp_path / "segment-rooms-small"
    facts = {"kind": "segment", "recipe": {"seed": 4, "data": "data/rooms"}, "metrics": {"step": 20.0, "miou": 0.5}}
    save(Checkpoint({"weight": torch.zeros(1_500_000)}, facts), run / "best.ckpt")
    (run / "log.csv").write_text("step,seconds\n1,1800.0\n2,3600.0\n")
    confusion = Confusion(["wall", "shower curtain"])
    confusion.matrix[:] = [[3000, 1000], [0, 1000]]
    (run / "test.json").write_text(json.dumps({"all": confusion.metrics()}))
    (run / "test.md").write_text(confusion.table())
    for figure in ("test.png", "loss.png"):
        (run / figure).write_text(figure)
    for file in (docs / "results" / "data").glob("segment.json"):
        file.unlink()
    monkeypatch.setattr(rows, "DATA", docs / "results" / "data")
    monkeypatch.setattr(sys, "argv", ["segment_rows.py", str(run)])
    rows.main()
    assert made(docs).returncode == 0
    page = "results/segment.md"
    assert "| 1.5 M | 2 | 1.5 | 20 | 50.0 |" in table(docs, page, "run")
    assert "| all | 62.5 | 87.5 | 80.0 |" in table(docs, page, "test")  # IoU 3/4 and 1/2, accuracy 3/4 and 1
    told = table(docs, page, "classes")
    assert "| wall | 75.0 | 75.0 | 4,000 |\n| shower curtain | 50.0 | 100.0 | 1,000 |" in told
    assert "| **mean** | **62.5** | 87.5 | 5,000 |" in told
    assert (docs / "results" / "segment-confusion.png").read_text() == "test.png"
