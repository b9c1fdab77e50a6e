"""What someone meets first: versions, help in no time, options wherever they stand, one line for what is wrong."""

import os
import signal
import subprocess
import sys
import time
import warnings

import pytest

import scanwise
from scanwise.app import cli, doctor
from scanwise.app.extras import EXTRAS, missing_part
from scanwise.errors import ScanwiseWarning


def test_version(run):
    assert run("--version") == (0, f"scanwise {scanwise.__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("label", "x", "--text", "a", "--unsure", "abc"),
            "--unsure abc: should be a valid number; see scanwise label",
        ),
        (("label", "x", "--text", "a", "--unsure=2"), "--unsure 2: should be less than or equal to 1"),
        (("label",), "SCENE is missing; see scanwise label --help"),
        (("label", "x"), "--text is missing"),
        (("lable", "x"), "did you mean 'label'"),
        (("info", "x", "--unti", "mm"), "--unit"),
        (("info", "x", "--log"), "write --log FILE"),
        (("info", "x", "-q", "-v"), "one of the two"),
        (("info", "x", "--log", "/proc/none/log.txt"), "cannot write the log here"),
    ],
)
def test_what_is_mistyped_is_one_line_and_2(run, arguments, told):
    code, said, wrong = run(*arguments)
    assert (code, said) == (2, "")
    assert wrong.startswith("error: ")
    assert wrong.count("\n") == 1
    assert told.lower() in wrong.lower()


def test_no_verb_is_help(run):
    code, said, _ = run()
    assert code == 0
    assert "label" in said


def test_a_group_without_verb_is_its_help(run):
    code, said, wrong = run("cache")
    assert code == 2
    assert "clear" in said + wrong
    assert "error" not in wrong


@pytest.fixture
def noisy(monkeypatch):
    """`scanwise cache info` that warns, as ours and as another library."""
    from scanwise import cache

    def parts():
        warnings.warn("ours", ScanwiseWarning, stacklevel=1)
        warnings.warn("theirs", DeprecationWarning, stacklevel=1)
        return []

    monkeypatch.setattr(cache, "parts", parts)
    monkeypatch.setattr(warnings, "filters", [("always", None, Warning, None, 0)])


def test_quiet_and_verbose_wherever_they_stand(run, noisy):
    assert run("cache", "info")[2] == "note: ours\n"
    assert run("cache", "info", "-q")[2] == ""
    said = run("-v", "cache", "info")[2]
    assert "note: ours\n" in said
    assert "DeprecationWarning" in said
    assert "theirs" in said


def test_the_log_keeps_what_was_said_and_the_traceback(run, noisy, tmp_path):
    log = tmp_path / "logs" / "log.txt"
    assert run("cache", "info", "--log", log)[2] == "note: ours\n"
    assert run("info", tmp_path / "none", "--log", log, "-q")[0] == 2
    kept = log.read_text()
    for words in ("--- scanwise cache info", "note: ours", "theirs", "no such file", "Traceback", "InputError"):
        assert words in kept


def test_ctrl_c_while_modules_are_imported_is_one_line(tmp_path):
    (tmp_path / "typer.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    with subprocess.Popen(
        [sys.executable, "-m", "scanwise", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert (process.returncode, said) == (130, "stopped\n")


def test_an_import_broken_off_by_ctrl_c_is_no_fault_of_ours(run, monkeypatch):
    from scanwise import cache

    def fail():
        cli._ctrl_c.append(signal.SIGINT)
        raise ImportError("numpy failed to import")

    monkeypatch.setattr(cache, "parts", fail)
    code, _, said = run("cache", "info")
    assert code == 130
    assert said.startswith("stopped; ")


def test_help_is_there_in_no_time():
    command = [sys.executable, "-X", "importtime", "-m", "scanwise", "--help"]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert "numpy" not in loaded
    before = os.times()
    subprocess.run(command[:1] + command[3:], capture_output=True, check=True)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < 2.0, "0.4 s on a free machine; much more on a busy one"


def test_a_missing_part_is_told_with_its_extra(run, monkeypatch):
    from scanwise import cache

    def fail():
        raise ModuleNotFoundError("No module named 'embreex'", name="embreex.rtcore_scene")

    monkeypatch.setattr(cache, "parts", fail)
    code, _, said = run("cache", "info")
    assert code == 2
    assert "pip install 'scanwise[synth]'" in said
    assert missing_part("json") is None


def test_every_extra_is_in_pyproject():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert {extra.name for extra in EXTRAS} <= set(project["optional-dependencies"])


def test_doctor_says_what_is_there(run):
    code, said, _ = run("doctor", "--no-test")
    assert code == 0
    for words in ("scanwise", "torch", "cores", "free", "MiniLM, whole", "sets", "[hf]", "[ray]"):
        assert words in said


def test_doctor_says_what_is_wrong(run, monkeypatch, tmp_path):
    monkeypatch.setattr("scanwise.shipped.weights_folder", lambda: tmp_path)
    code, said, wrong = run("doctor", "--no-test")
    assert code == 2
    assert "there are none" in said
    assert wrong.startswith("error: weights: there are none; pip install")
    (tmp_path / "a.safetensors").write_bytes(b"other")
    (tmp_path / "a.md").write_text("SHA-256 0123")
    assert "other bytes than the card" in run("doctor", "--no-test")[2]


@pytest.mark.slow
def test_the_self_test_labels_a_corner(run, tmp_path):
    started = time.process_time()
    said = doctor._self_test()
    assert said.startswith("works: ")
    assert time.process_time() - started < 60


def test_completion_knows_the_verbs():
    environment = os.environ | {"_SCANWISE_COMPLETE": "complete_bash", "COMP_WORDS": "scanwise lab", "COMP_CWORD": "1"}
    code = "import sys; sys.argv=['scanwise']; from scanwise.__main__ import run; run()"
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "label" in found.stdout.split()
