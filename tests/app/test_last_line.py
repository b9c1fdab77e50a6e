"""How the command line ends: one line and an exit code, whatever happens, in any encoding."""

import io
import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

import scanwise
from scanwise import cache
from scanwise.app.console import any_letters
from tests.worlds import ColourVision, corner_scene


@pytest.fixture
def failing(monkeypatch):
    """Has `scanwise cache info` fail in some way."""

    def fail_with(fault: BaseException) -> None:
        def fail() -> None:
            raise fault

        monkeypatch.setattr(cache, "parts", fail)

    return fail_with


@pytest.fixture(autouse=True)
def own_signals():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def one_line(said: str) -> str:
    assert said.count("\n") == 1
    assert "Traceback" not in said
    return said.strip()


def test_a_fault_of_ours_is_one_line_and_1(run, failing):
    failing(ZeroDivisionError("by zero\nat last"))
    code, out, said = run("cache", "info")
    assert (code, out) == (1, "")
    line = one_line(said)
    assert line.startswith("error: ZeroDivisionError in cache.py, line ")
    assert line.endswith(": by zero at last; this is a fault of scanwise, please report it; --debug shows more")


@pytest.mark.parametrize("arguments", [("--debug", "cache", "info"), ("cache", "info", "--debug")])
def test_debug_shows_it_all_wherever_it_is_put(run, failing, arguments):
    failing(ZeroDivisionError("by zero"))
    with pytest.raises(ZeroDivisionError, match="by zero"):
        run(*arguments)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (MemoryError("Unable to allocate 7.9 GiB"), "not enough memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "not enough memory"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
            "not enough memory",
        ),
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply"),
        (OSError(5, "Input/output error", "/mnt/scan.ply"), "/mnt/scan.ply: Input/output error"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_2(run, failing, fault, words):
    failing(fault)
    code, _, said = run("cache", "info")
    assert code == 2
    assert words in one_line(said)


def test_ctrl_c_says_what_was_kept(run, failing, tmp_path, monkeypatch):
    failing(KeyboardInterrupt())
    monkeypatch.setattr(cache, "_kept", set())
    assert run("cache", "info") == (130, "", "stopped; files that were finished are kept\n")
    cache.save_arrays("kind", cache.key_of("key"), {"a": np.arange(3)})
    code, _, said = run("cache", "info")
    assert code == 130
    assert str(cache.cache_dir()) in one_line(said)
    assert "the same command goes on from there" in said


def test_a_termination_leaves_no_unfinished_files(run, tmp_path, monkeypatch):
    from scanwise.files import replacing

    def stopped_while_writing() -> None:
        with replacing(tmp_path / "out.txt"):
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(600)  # the signal ends it

    monkeypatch.setattr(cache, "parts", stopped_while_writing)
    code, _, said = run("cache", "info")
    assert code == 143
    assert one_line(said).startswith("stopped; ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_pipe_that_nobody_reads_is_no_error():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "scanwise.app.cli", "cache", "info"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_no_encoding_of_the_output_loses_a_letter(encoding, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    monkeypatch.setattr(sys, "stdout", stream)
    any_letters()
    print("Stühle 椅子 caf\udce9")
    stream.flush()
    said = stream.buffer.getvalue().decode(encoding)
    assert said.endswith("caf\\udce9\n")
    assert "椅子" in said or "\\u6905\\u5b50" in said


@pytest.mark.skipif(sys.platform != "linux", reason="names of bytes")
def test_a_name_that_is_not_utf8_loses_no_results(run, tmp_path, monkeypatch):
    monkeypatch.setattr("scanwise.understand.prepared.load_vision", lambda name: ColourVision())
    scan = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    scanwise.write_scene(corner_scene(), scan)
    out = tmp_path / "out"
    code, _, wrong = run("label", scan, "--text", "red,green", "--out", out, "--shapes", "off")
    assert code == 0, wrong
    names = ["labels.json", "labels.ply", "objects.csv", "objects.json", "picture.png", "view.html"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert json.loads((out / "labels.json").read_text(encoding="utf-8"))["scene"] == scan


def test_a_word_that_is_not_utf8_is_refused_before_the_work(run, tmp_path):
    scanwise.write_scene(corner_scene(), tmp_path / "corner")
    code, _, said = run("label", tmp_path / "corner", "--text", "caf\udce9,wall", "--out", tmp_path / "out")
    assert code == 2
    assert 'text 1 ("caf\\udce9") is not UTF-8' in one_line(said)
    assert not (tmp_path / "out").exists()


def test_a_picture_too_large_for_pillow_is_one_line(run, tmp_path, monkeypatch):
    scanwise.write_scene(corner_scene(), tmp_path / "corner")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 80 * 60 // 3)
    code, _, said = run("info", tmp_path / "corner")
    assert code == 2
    assert "million pixels are not read; scale it down" in one_line(said)


def test_brackets_within_brackets_are_one_line(run, tmp_path):
    scanwise.write_scene(corner_scene(), tmp_path / "corner")
    description = tmp_path / "corner" / "scene.json"
    mark = description.read_text()[:80]
    description.write_text(mark.rstrip() + '"deep": ' + "[" * 200_000 + "]" * 200_000 + "}")
    code, _, said = run("info", tmp_path / "corner")
    assert code == 2
    assert str(description) in one_line(said)


def test_the_cache_is_shown_and_cleared(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SCANWISE_CACHE_GB", "500 MB")
    assert run("cache", "info")[1] == f"{tmp_path / 'cache'}: 0 bytes of at most 500.0 MB\n"
    cache.save_arrays("lifted", cache.key_of("1"), {"a": np.zeros(250_000)})
    cache.save_arrays("normals", cache.key_of("1"), {"a": np.zeros(10)})
    code, said, _ = run("cache", "info")
    assert code == 0
    assert said.splitlines() == [
        f"{tmp_path / 'cache'}: 2.0 MB of at most 500.0 MB",
        "  lifted         1 entries     2.0 MB",
        "  normals        1 entries  208 bytes",
    ]
    assert run("cache", "clear")[:2] == (0, f"{tmp_path / 'cache'}: 2.0 MB freed\n")
    assert cache.parts() == []


@pytest.mark.parametrize("verb", ["info", "clear"])
def test_help_shows_an_example(run, verb):
    code, said, _ = run("cache", verb, "--help")
    assert code == 0
    assert f"scanwise cache {verb}" in said
