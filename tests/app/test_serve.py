"""The engine over HTTP, with our own weights on a small room: label, ask, select, correct, learn, and a restart."""

import io
import json

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")

import threading

from scanwise.app.service.masks import packed, unpacked
from scanwise.formats.registry import read_scene
from scanwise.understand.prepared import Prepared
from tests.app.service_running import running
from tests.app.service_scene import box_rows, small_room, write_room

pytestmark = pytest.mark.filterwarnings("default::scanwise.errors.ScanwiseWarning")
WORDS = ["cabinet", "wall", "floor"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    write_room(folder)
    return folder


@pytest.fixture(scope="module")
def client(root):
    with running(root) as client:
        yield client


@pytest.fixture(scope="module")
def scan(client):
    (scan,) = client.get("/api/scans").json()
    assert (scan["name"], scan["open"]) == ("room.ply", False)
    return scan["id"]


@pytest.fixture(scope="module")
def labels(client, scan):
    ended = client.job(f"/api/scans/{scan}/labels", texts=WORDS)
    assert ended["state"] == "done", ended
    return ended["result"]["result"]


@pytest.fixture
def uncorrected(client, scan, labels):
    yield
    while client.post(f"/api/scans/{scan}/undo", json={}).json()["can_undo"]:
        pass


def order_of(client, scan) -> np.ndarray:
    return np.frombuffer(client.get(f"/api/scans/{scan}/order").content, "<i4")


def columns_of(client, result, count):
    content = client.get(f"/api/results/{result}/columns").content
    assert len(content) == 7 * count
    things, words = np.frombuffer(content, "<i4", count), np.frombuffer(content, "<i2", count, 4 * count)
    return things, words, np.frombuffer(content, np.uint8, count, 6 * count)


def test_labels_are_those_of_the_library(client, scan, labels):
    import scanwise

    scene = small_room()
    with pytest.warns():
        expected = scanwise.label(scene, WORDS, up="z")
    order = order_of(client, scan)
    assert np.array_equal(np.sort(order), np.arange(len(scene)))
    things, words, confidence = columns_of(client, labels, len(scene))
    np.testing.assert_array_equal(words, expected.indices[order])
    np.testing.assert_array_equal(things, expected.object_of[order])
    np.testing.assert_allclose(confidence / 255, expected.confidence[order], atol=0.003)
    told = client.get(f"/api/results/{labels}/labels").json()
    assert told["counts"] == expected.counts
    assert [thing["points"] for thing in told["things"]] == [len(each.place.rows) for each in expected.objects]


def test_what_was_guessed_is_said(client, scan):
    notes = client.job(f"/api/scans/{scan}/open")["notes"]
    assert notes == []
    ended = client.job(f"/api/scans/{scan}/labels", texts=["wall", "blorptex"])
    assert ended["state"] == "done"


def test_cubes_hold_every_point_once_where_it_is(client, scan, labels):
    scene, order = small_room(), order_of(client, scan)
    cubes = client.get(f"/api/scans/{scan}/cubes").json()
    seen = 0
    for number, (_, start, count, x, y, z, size, _) in enumerate(cubes["rows"]):
        start, count = int(start), int(count)
        content = client.get(f"/api/scans/{scan}/cubes/{number}").content
        place = np.frombuffer(content, "<u2", 3 * count).reshape(-1, 3) / 65535 * size + [x, y, z]
        rows = order[start : start + count]
        np.testing.assert_allclose(place, scene.points[rows], atol=size / 60000)
        colors = np.frombuffer(content, np.uint8, 3 * count, 6 * count).reshape(-1, 3)
        np.testing.assert_array_equal(colors, scene.colors[rows])
        seen += count
    assert seen == cubes["points"] == len(scene)


def test_a_sentence_is_answered_and_kept(client, scan):
    ended = client.job(f"/api/scans/{scan}/answers", sentence="the wall")
    assert ended["state"] == "done", ended
    result = client.get(f"/api/results/{ended['result']['result']}").json()
    mask = client.get(f"/api/results/{result['id']}/mask").json()
    assert mask["points"] == result["facts"]["points"]
    assert 0 <= result["facts"]["confidence"] <= 1
    for number, _ in enumerate(result["facts"]["candidates"]):
        crop = client.get(f"/api/results/{result['id']}/crops/{number}")
        assert crop.headers["content-type"] == "image/png"
        assert crop.content.startswith(b"\x89PNG")


def test_a_refused_sentence_says_why(client, scan):
    answer = client.post(f"/api/scans/{scan}/answers", json={"sentence": "   "})
    assert answer.status_code == 422
    assert "empty" in str(answer.json()["detail"]) or "sentence" in str(answer.json()["detail"])


def test_progress_comes_as_events(client, scan):
    job = client.post(f"/api/scans/{scan}/labels", json={"texts": WORDS}).json()["id"]
    with client.stream("GET", f"/api/jobs/{job}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        text = "".join(stream.iter_text())
    states = [json.loads(line[6:])["state"] for line in text.splitlines() if line.startswith("data: ")]
    assert states[-1] == "done"
    assert set(states) <= {"waiting", "running", "done"}


def test_a_click_takes_the_thing(client, scan, labels):
    scene, order = small_room(), order_of(client, scan)
    row = int(box_rows(scene)[5])
    for at in ({"order": "rows", "point": row}, {"order": "view", "point": int(np.flatnonzero(order == row)[0])}):
        told = client.post(f"/api/scans/{scan}/selections", json={"kind": "thing", "result": labels, "at": at}).json()
        mask = unpacked(told["bits"], len(scene))
        things, _, _ = columns_of(client, labels, len(scene))
        np.testing.assert_array_equal(mask, things == things[order == row])
        assert told["object"] == things[order == row][0]


def test_a_lasso_takes_what_is_seen_or_all(client, scan):
    scene = small_room()
    # from above, over the whole box: its top hides nothing but its sides' lower parts
    screen = {
        "polygon": [[0, 0], [400, 0], [400, 400], [0, 400]], "eye": [1.0, 1.0, 5.0], "right": [1, 0, 0],
        "up": [0, 1, 0], "back": [0, 0, 1], "focal": 2000, "center": [200, 200], "low": [-9, -9, -9], "high": [9, 9, 9],
    }  # fmt: skip
    order = order_of(client, scan)
    got = {}
    for through in (False, True):
        body = {"kind": "screen", "screen": screen | {"through": through}}
        got[through] = unpacked(client.post(f"/api/scans/{scan}/selections", json=body).json()["bits"], len(scene))
    depth = 5.0 - scene.points[order, 2].astype(float)
    across = np.abs((scene.points[order, :2] - 1.0) * 2000 / depth[:, None]).max(1) < 200
    np.testing.assert_array_equal(got[True], across)
    assert (got[False] <= got[True]).all()
    tops = across & (scene.points[order, 2] > 0.49)
    assert got[False][tops].all()


def test_brush_box_grow_and_shrink(client, scan):
    scene, order = small_room(), order_of(client, scan)
    body = {"kind": "brush", "points": [[0.3, 0.3, 0.0]], "radius": 0.2}
    told = client.post(f"/api/scans/{scan}/selections", json=body).json()
    mask = unpacked(told["bits"], len(scene))
    np.testing.assert_array_equal(mask, np.linalg.norm(scene.points[order] - [0.3, 0.3, 0], axis=1) <= 0.2)
    more = {"kind": "grow", "mask": {"order": "view", "bits": told["bits"]}, "steps": 2}
    grown = unpacked(client.post(f"/api/scans/{scan}/selections", json=more).json()["bits"], len(scene))
    assert (grown >= mask).all()
    assert grown.sum() > mask.sum()
    less = {"kind": "shrink", "mask": {"order": "view", "bits": packed(grown)}, "steps": 1}
    shrunk = unpacked(client.post(f"/api/scans/{scan}/selections", json=less).json()["bits"], len(scene))
    assert (shrunk <= grown).all()
    assert 0 < shrunk.sum() < grown.sum()
    box = {"kind": "box", "points": [[0.7, 0.7, -0.1], [1.3, 1.3, 0.6]]}
    boxed = unpacked(client.post(f"/api/scans/{scan}/selections", json=box).json()["bits"], len(scene))
    assert set(order[boxed]) >= set(box_rows(scene).tolist())
    nowhere = {"kind": "box", "points": [[70, 70, 70], [71, 71, 71]]}
    assert client.post(f"/api/scans/{scan}/selections", json=nowhere).status_code == 422


@pytest.mark.usefixtures("uncorrected")
def test_a_correction_is_in_the_labels_at_once_and_undone(client, scan, labels):
    scene, order = small_room(), order_of(client, scan)
    rows = box_rows(scene)
    mask = {"order": "rows", "rows": rows.tolist()}
    body = {"corrections": [{"kind": "word", "text": "red box", "whole": True, "how": "click", "mask": mask}]}
    kept = client.post(f"/api/scans/{scan}/corrections", json=body)
    assert kept.status_code == 201
    assert [(each["text"], each["points"]) for each in kept.json()["corrections"]] == [("red box", len(rows))]
    told = client.get(f"/api/results/{labels}/labels").json()
    assert "red box" in told["texts"]
    assert told["revision"] == client.get(f"/api/scans/{scan}/revision").json()
    things, words, confidence = columns_of(client, labels, len(scene))
    of_box = np.isin(order, rows)
    assert (words[of_box] == told["texts"].index("red box")).all()
    assert (confidence[of_box] == 255).all()
    assert len(np.unique(things[of_box])) == 1
    assert not (words[~of_box] == told["texts"].index("red box")).any()
    cloud = client.get(f"/api/results/{labels}/cloud", params={"format": "npz"}).content
    with np.load(io.BytesIO(cloud), allow_pickle=False) as file:
        assert "corrected" in file.files
        np.testing.assert_array_equal(np.flatnonzero(file["corrected"]), rows)
    table = client.get(f"/api/scans/{scan}/corrections.csv").text.splitlines()
    assert len(table) == 2
    assert "red box" in table[1]
    assert client.post(f"/api/scans/{scan}/undo", json={}).json()["corrections"] == []
    assert "red box" not in client.get(f"/api/results/{labels}/labels").json()["texts"]
    assert client.post(f"/api/scans/{scan}/redo", json={}).json()["corrections"] != []


@pytest.mark.usefixtures("uncorrected")
def test_what_a_sentence_meant_answers_it(client, scan):
    rows = box_rows(small_room())
    mask = {"order": "rows", "rows": rows.tolist()}
    body = {"corrections": [{"kind": "meant", "text": "the crate", "mask": mask}], "author": "ada"}
    client.post(f"/api/scans/{scan}/corrections", json=body)
    line = json.loads(client.get(f"/api/scans/{scan}/sentences.jsonl").text.splitlines()[0])
    assert "the crate" in line.values()
    ended = client.job(f"/api/scans/{scan}/answers", sentence="The crate")
    result = client.get(f"/api/results/{ended['result']['result']}").json()
    assert result["facts"]["corrected"]
    bits = client.get(f"/api/results/{result['id']}/mask").json()["bits"]
    np.testing.assert_array_equal(np.sort(order_of(client, scan)[unpacked(bits, len(small_room()))]), rows)


@pytest.mark.usefixtures("uncorrected")
def test_two_people_at_once(client, scan):
    rows = box_rows(small_room())
    for author in ("ada", "bob"):
        mask = {"order": "rows", "rows": rows[:9].tolist()}
        body = {"corrections": [{"kind": "word", "text": author, "mask": mask}], "author": author}
        client.post(f"/api/scans/{scan}/corrections", json=body)
    left = client.post(f"/api/scans/{scan}/undo", json={"author": "ada"}).json()["corrections"]
    assert [each["author"] for each in left] == ["bob"]


@pytest.mark.usefixtures("uncorrected")
def test_learning_makes_the_labels_follow_and_is_reverted(client, scan, labels):
    scene, order = small_room(), order_of(client, scan)
    before = columns_of(client, labels, len(scene))[1]
    nothing = client.job(f"/api/scans/{scan}/learn", texts=WORDS)
    assert nothing["state"] == "failed"
    assert "give some things their words" in nothing["error"]
    rows = box_rows(scene)
    body = {"corrections": [{"kind": "word", "text": "cabinet", "mask": {"order": "rows", "rows": rows.tolist()}}]}
    client.post(f"/api/scans/{scan}/corrections", json=body)
    ended = client.job(f"/api/scans/{scan}/learn", texts=WORDS)
    assert ended["state"] == "done", ended
    assert ended["result"]["right_before"] < 0.1 < 0.9 < ended["result"]["right_after"]
    assert client.get(f"/api/scans/{scan}/corrections").json()["learned"]
    client.post(f"/api/scans/{scan}/undo", json={})
    words = columns_of(client, ended["result"]["result"], len(scene))[1]
    assert (words[np.isin(order, rows)] == WORDS.index("cabinet")).mean() > 0.9  # by itself, without the correction
    back = client.job(f"/api/scans/{scan}/revert", texts=WORDS)
    assert back["result"]["as_shipped"]
    np.testing.assert_array_equal(columns_of(client, back["result"]["result"], len(scene))[1], before)


def test_a_saved_cloud_can_be_read(client, labels, tmp_path):
    for form in ("ply", "las"):
        (tmp_path / f"x.{form}").write_bytes(
            client.get(f"/api/results/{labels}/cloud", params={"format": form}).content
        )
        scene = read_scene(tmp_path / f"x.{form}")
        assert len(scene) == len(small_room())
        assert "confidence" in scene.attributes


def test_a_point_is_told_as_the_file_has_it(client, scan):
    told = client.post(f"/api/scans/{scan}/point", json={"point": 7}).json()
    np.testing.assert_allclose(told["source"], small_room().points[7], rtol=1e-6)
    assert told["color"] == small_room().colors[7].tolist()
    assert told["unit"] == "m"


def test_a_job_can_be_taken_back(client, scan, monkeypatch):
    let_go, as_it_is = threading.Event(), Prepared.label

    def held(self, *arguments, **options):
        let_go.wait(60)
        return as_it_is(self, *arguments, **options)

    monkeypatch.setattr(Prepared, "label", held)
    jobs = [client.post(f"/api/scans/{scan}/labels", json={"texts": WORDS}).json()["id"] for _ in range(3)]
    assert client.delete(f"/api/jobs/{jobs[2]}").json()["state"] == "cancelled"
    let_go.set()
    assert client.ended(jobs[0])["state"] == "done"
    assert client.ended(jobs[2])["state"] == "cancelled"
    assert client.ended(jobs[1])["state"] == "done"


def test_uploads_are_scans_that_can_be_deleted(client):
    content = io.BytesIO()
    np.save(content, np.column_stack([small_room().points, small_room().colors]).astype(np.float32))
    made = client.post("/api/scans", params={"name": "mine.npy"}, content=content.getvalue())
    assert made.status_code == 201, made.text
    scan = made.json()
    assert scan["uploaded"]
    assert client.job(f"/api/scans/{scan['id']}/open")["state"] == "done"
    assert client.get(f"/api/scans/{scan['id']}").json()["points"] == len(small_room())
    assert client.delete(f"/api/scans/{scan['id']}").status_code == 204
    assert client.get(f"/api/scans/{scan['id']}").status_code == 404


def test_a_damaged_upload_fails_in_one_line(client):
    scan = client.post("/api/scans", params={"name": "bad.ply"}, content=b"ply\nformat ascii 1.0\n").json()["id"]
    ended = client.job(f"/api/scans/{scan}/open")
    assert ended["state"] == "failed"
    assert "\n" not in ended["error"]
    assert "bad.ply" in ended["error"]
    client.delete(f"/api/scans/{scan}")


def test_results_and_corrections_survive_a_restart(root, client, scan, labels):
    rows = box_rows(small_room())
    mask = {"order": "rows", "rows": rows.tolist()}
    body = {"corrections": [{"kind": "word", "text": "crate", "mask": mask}]}
    client.post(f"/api/scans/{scan}/corrections", json=body)
    before = client.get(f"/api/results/{labels}/columns").content
    job = client.job(f"/api/scans/{scan}/open")["id"]
    with running(root) as again:
        assert again.get(f"/api/jobs/{job}").json()["state"] == "done"
        assert again.get(f"/api/results/{labels}/columns").status_code == 409
        assert again.job(f"/api/scans/{scan}/open")["state"] == "done"
        assert labels in [each["id"] for each in again.get(f"/api/scans/{scan}/results").json()]
        assert again.get(f"/api/results/{labels}/columns").content == before
    client.post(f"/api/scans/{scan}/undo", json={})
