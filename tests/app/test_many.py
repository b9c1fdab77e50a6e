"""Many scans: each once, whatever becomes of the others; what is done stays done."""

import csv
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

import scanwise
from scanwise.app import many, workers
from scanwise.app.scans import Scan, are_many, find_scans
from scanwise.errors import InputError
from tests.worlds import corner_scene

DONE = {"seconds": 1.0, "processor_seconds": 1.0, "peak_memory_bytes": 10**9}


@pytest.fixture
def scans(tmp_path):
    """A folder with a recording, two clouds of one name, one that is damaged, and something else."""
    root = tmp_path / "scans"
    scene = corner_scene()
    scanwise.write_scene(scene, root / "a" / "corner")
    scene.views = []
    for name in ("room.ply", "room.xyz"):
        scanwise.write_scene(scene, root / name)
    (root / "bad.ply").write_text("ply\nformat ascii 1.0\n")
    (root / "letter.docx").write_text("")
    return root


def test_a_folder_that_is_a_recording_is_one_scan(scans):
    assert are_many(scans)
    assert not are_many(scans / "a" / "corner")
    assert not are_many(scans / "room.ply")
    assert are_many(scans / "*.ply")
    assert are_many(Path("@list.txt"))
    with pytest.raises(InputError, match="did you mean"):
        are_many(scans / "rom.ply")


def test_scans_of_a_folder_a_glob_and_a_list(scans, tmp_path):
    found, passed_over = find_scans(scans, tmp_path / "out", {})
    assert [scan.name for scan in found] == ["a/corner", "bad", "room.ply", "room.xyz"]
    assert passed_over.endswith("1 .docx")
    assert [scan.name for scan in find_scans(scans / "*.ply", tmp_path / "out", {})[0]] == ["bad", "room"]
    (scans / "list.txt").write_text("# mine\nroom.ply\n\na/corner\nroom.ply\nnot-there.ply\n")
    listed, _ = find_scans(scans / "@list.txt", tmp_path / "out", {})
    assert [scan.name for scan in listed] == ["room", "a/corner", "not-there"]
    with pytest.raises(InputError, match="no scan in it"):
        find_scans(scans / "*.e57", tmp_path / "out", {})
    with pytest.raises(InputError, match="a path a line"):
        find_scans(scans / "@none.txt", tmp_path / "out", {})


def test_results_within_the_folder_are_no_scans(scans):
    scanwise.write_scene(corner_scene(), scans / "out" / "corner")
    assert "out/corner" not in [scan.name for scan in find_scans(scans, scans / "out", {})[0]]


def test_a_scan_that_changed_or_another_question_has_another_key(scans, tmp_path):
    def key(question):
        return find_scans(scans / "room.p*", tmp_path / "out", question)[0][0].key

    before = key({"text": ["a"]})
    assert key({"text": ["a"]}) == before
    assert key({"text": ["b"]}) != before
    with (scans / "room.ply").open("ab") as stream:
        stream.write(b" ")
    assert key({"text": ["a"]}) != before


@pytest.fixture
def made_up(monkeypatch):
    """Runs whose scans all work but those whose name has "bad" in it; the names that were worked on."""
    worked = []

    def ends(verb, options, scans, out, count):
        for scan in scans:
            worked.append(scan.name)
            reason = f"{scan.path}: <b>damaged</b>" if "bad" in scan.name else ""
            if not reason:
                (out / scan.name).mkdir(parents=True, exist_ok=True)
                content = {"counts": {"wall": 30, "floor": 70}, "objects": {"wall": 2, "floor": 0}}
                (out / scan.name / "labels.json").write_text(json.dumps(content))
            yield {"name": scan.name, "path": str(scan.path), "key": scan.key, "reason": reason, **DONE}

    monkeypatch.setattr(many, "in_processes", ends)
    return worked


def test_one_bad_scan_does_not_stop_the_rest_and_the_same_command_goes_on(run, scans, tmp_path, made_up):
    out = tmp_path / "out"
    command = ("label", scans, "--text", "wall,floor", "--out", out)
    code, said, wrong = run(*command)
    assert code == 2
    assert "3 of 4 scans done, 1 failed" in said
    assert "1 of 4 scans failed, such as bad: " in wrong
    assert len(made_up) == 4
    page = (out / "report.html").read_text()
    for words in ("floor 70 %, wall 30 % (2)", "a/corner/thumb.jpg", "&lt;b&gt;damaged", "3 scans done"):
        assert words in page
    rows = list(csv.DictReader((out / "report.csv").open()))
    assert [row["name"] for row in rows if row["reason"]] == ["bad"]

    made_up.clear()
    assert run(*command)[0] == 2
    assert made_up == ["bad"]  # what failed is tried again
    (scans / "bad.ply").unlink()
    made_up.clear()
    code, said, _ = run(*command)
    assert (code, made_up) == (0, [])
    assert "3 of 3 scans done" in said
    run("label", scans, "--text", "wall,sofa", "--out", out)
    assert len(made_up) == 3  # another question


def test_a_last_line_that_was_cut_off_costs_its_scan_alone(run, scans, tmp_path, made_up):
    out = tmp_path / "out"
    run("label", scans, "--text", "wall,floor", "--out", out)
    text = (out / "scans.jsonl").read_text()
    (out / "scans.jsonl").write_text(text[:-20])
    made_up.clear()
    run("label", scans, "--text", "wall,floor", "--out", out)
    assert set(made_up) == {"bad", "room.xyz"}


def test_options_are_checked_before_any_scan(run, scans, tmp_path, made_up):
    assert run("label", scans, "--text", "wall,", "--out", tmp_path / "out")[0] == 2
    assert run("ask", scans, "", "--out", tmp_path / "out")[0] == 2
    assert made_up == []


# Processes


def test_what_fails_is_told_and_kept(tmp_path, monkeypatch):
    def fail(**options):
        print("said before")
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("scanwise.app.label.label", fail)
    done = workers.do("label", {"text": ["a"]}, Scan(tmp_path / "a.ply", "b/a", 1, "key"), tmp_path)
    assert done["reason"].startswith("ZeroDivisionError: by zero; a fault of scanwise")
    log = (tmp_path / "logs" / "b" / "a.txt").read_text()
    assert "said before" in log
    assert "Traceback" in log


def test_memory_and_cores_limit_the_processes(monkeypatch, tmp_path):
    monkeypatch.setattr(many, "free_cores", lambda: 8)
    monkeypatch.setattr(many, "free_memory", lambda: 10e9)
    small = [Scan(tmp_path, str(number), 1000, "") for number in range(20)]
    large = [Scan(tmp_path, str(number), 10**9, "") for number in range(20)]
    assert many._processes_for(small) == 6
    assert many._processes_for(large) == 1  # 13.5 GB: still one is tried
    assert many._processes_for(small[:3]) == 3


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_process_that_is_killed_costs_one_scan(scans, tmp_path):
    """The first scan's process is killed; the others, and the same command again, go on."""
    found, _ = find_scans(scans / "room.*", tmp_path / "out", {})
    options = {"text": ["wall,floor"], "purify": "off"}
    ends = workers.in_processes("label", options, found, tmp_path / "out", 1)
    import multiprocessing
    import threading

    def kill():
        while not (children := multiprocessing.active_children()):
            time.sleep(0.01)
        os.kill(children[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    done = list(ends)
    killer.join()
    assert [bool(each["reason"]) for each in done] == [True, False]
    assert "killed" in done[0]["reason"]
    assert (tmp_path / "out" / done[1]["name"] / "labels.json").exists()
    assert (tmp_path / "out" / done[1]["name"] / "thumb.jpg").exists()


@pytest.mark.slow
def test_a_cluster_of_two_loses_one_and_labels_each_scan_once(scans, tmp_path):
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    for number in range(6):
        (scans / f"copy-{number}.ply").write_bytes((scans / "room.ply").read_bytes())
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False)
    try:
        found, _ = find_scans(scans / "copy-*.ply", tmp_path / "out", {})
        done = []
        options = {"text": ["wall,floor"], "purify": "off"}
        for each in workers.on_ray("label", options, found, tmp_path / "out", cluster.address):
            done.append(each)
            if len(done) == 2:
                cluster.remove_node(nodes[0], allow_graceful=False)
        assert sorted(each["name"] for each in done) == [f"copy-{number}" for number in range(6)]
        assert [each["reason"] for each in done] == [""] * 6
        assert all((tmp_path / "out" / each["name"] / "labels.json").exists() for each in done)
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_ray_that_is_not_installed_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match="scanwise\\[ray\\]"):
        list(workers.on_ray("label", {}, [], tmp_path, "local"))
