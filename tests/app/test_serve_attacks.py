"""What a service refuses: paths, archives, bombs, endless bodies, strangers, other sites, too many jobs."""

import asyncio
import os
import threading
import zlib

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")

from fastapi.testclient import TestClient

from scanwise.app.service.application import application
from scanwise.app.service.masks import mask_of, packed, unpacked
from scanwise.app.service.problems import Problem
from scanwise.app.service.settings import Settings, check_token
from scanwise.errors import InputError
from tests.app.service_scene import write_room

TOKEN = "a-token-of-enough-letters"


def service(tmp_path, **said):
    root = tmp_path / "scans"
    root.mkdir(exist_ok=True)
    write_room(root)
    (tmp_path / "state").mkdir(exist_ok=True)
    settings = Settings(root=root, state=tmp_path / "state", hosts=said.pop("hosts", ("testserver",)), **said)
    return TestClient(application(settings))


@pytest.fixture
def client(tmp_path):
    with service(tmp_path, upload=100_000) as client:
        yield client


@pytest.mark.parametrize("name", [
    "../x.ply", "..\\x.ply", "/etc/x.ply", "a/b.ply", ".x.ply", "C:x.ply", "x\0.ply", "-x.ply", "x.ply.corrections.db",
    "", " x.ply", "a" * 130 + ".ply",
])  # fmt: skip
def test_names_that_are_paths(client, name, tmp_path):
    assert client.post("/api/scans", params={"name": name}, content=b"ply\n").status_code in (415, 422)
    assert not list((tmp_path / "state").rglob("*.ply"))


@pytest.mark.parametrize("path", [
    "/page/../../../../pyproject.toml", "/page/%2e%2e/%2e%2e/engine.py", "/page/..%2fengine.py", "/page//etc/passwd",
    "/api/scans/..%2f..%2fetc", "/api/scans/%2e%2e",
])  # fmt: skip
def test_paths_in_addresses(client, path):
    answer = client.get(path)
    assert answer.status_code in (404, 405)
    assert "root:" not in answer.text
    assert "import" not in answer.text


@pytest.mark.parametrize(("name", "start"), [
    ("x.ply", b"PK\x03\x04" + bytes(50)), ("x.npy", b"\x1f\x8b" + bytes(50)), ("x.xyz", b"Rar!" + bytes(50)),
    ("x.ply", b"\x89PNG" + bytes(50)), ("x.txt", b"7z\xbc\xaf" + bytes(50)),
])  # fmt: skip
def test_archives_and_pictures_by_their_content(client, name, start):
    assert client.post("/api/scans", params={"name": name}, content=start).status_code == 415


@pytest.mark.parametrize("name", ["x.zip", "x.r3d", "x.npz", "x.pkl", "x.pth", "x.gltf", "x.obj", "x.png", "x"])
def test_kinds_that_are_no_single_cloud(client, name):
    assert client.post("/api/scans", params={"name": name}, content=b"abc").status_code == 415


def test_an_upload_that_says_it_is_too_large(client, tmp_path):
    answer = client.post("/api/scans", params={"name": "x.ply"}, content=bytes(200_000))
    assert answer.status_code == 413
    assert not list((tmp_path / "state").rglob("x.ply"))


def endlessly(app, path: str, query: bytes, piece: bytes) -> tuple[int, int]:
    """The status that an endless body gets, and how many bytes of it were taken."""
    taken, statuses = 0, []

    async def receive():
        nonlocal taken
        taken += len(piece)
        assert taken < 300 * 2**20, "reads on and on"
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(message):
        statuses.append(message.get("status"))

    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": query,
        "headers": [(b"host", b"testserver"), (b"content-type", b"application/json")], "http_version": "1.1",
        "scheme": "http", "client": ("127.0.0.1", 9), "server": ("testserver", 80), "root_path": "",
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return statuses[0], taken


def test_an_upload_without_end(client, tmp_path):
    status, taken = endlessly(client.app, "/api/scans", b"name=x.xyz", b"1 2 3\n" * 1000)
    assert status == 413
    assert taken < 200_000
    assert os.listdir(tmp_path / "state" / "uploads") == []


def test_a_body_without_end(client):
    status, taken = endlessly(client.app, "/api/scans/x/labels", b"", b"a" * 2**20)
    assert status == 413
    assert taken <= 34 * 2**20


def test_bits_that_unpack_to_more(client):
    bomb = packed(np.zeros(10_000_000, bool))
    with pytest.raises(Problem, match="bits"):
        unpacked(bomb, 100)
    with pytest.raises(Problem, match="bits"):
        unpacked("not base64!", 100)
    with pytest.raises(Problem, match="bits"):
        unpacked(packed(np.zeros(50, bool)), 100)
    with pytest.raises(Problem, match="points 0 to 9"):
        mask_of({"rows": [10]}, 10, np.arange(10))
    assert zlib.MAX_WBITS  # deflate it is


def test_a_header_that_promises_more_points_than_memory(tmp_path):
    header = b"ply\nformat binary_little_endian 1.0\nelement vertex 99999999999\n"
    header += b"property float x\nproperty float y\nproperty float z\nend_header\n"
    with service(tmp_path) as client:
        scan = client.post("/api/scans", params={"name": "x.ply"}, content=header).json()["id"]
        job = client.post(f"/api/scans/{scan}/open").json()["id"]
        while (facts := client.get(f"/api/jobs/{job}").json())["state"] in ("waiting", "running"):
            pass
        assert facts["state"] == "failed"
        assert "fault of scanwise" not in facts["error"]


def test_links_out_of_the_root_are_no_scans(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    write_room(tmp_path / "elsewhere")
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "link.ply").symlink_to(tmp_path / "elsewhere" / "room.ply")
    with service(tmp_path) as client:
        assert [scan["name"] for scan in client.get("/api/scans").json()] == ["room.ply"]


# Who asks


def test_a_token_is_needed_and_compared_whole(tmp_path, caplog):
    caplog.set_level("INFO")
    with service(tmp_path, token=TOKEN) as client:
        for brought in ({}, {"authorization": f"Bearer {TOKEN[:-1]}"}, {"authorization": f"Basic {TOKEN}"},
                        {"authorization": "Bearer ü"}):  # fmt: skip
            headers = {key: value.encode() for key, value in brought.items()}
            for path in ("/api/scans", "/api/jobs", "/api/openapi.json"):
                assert client.get(path, headers=headers).status_code == 401
        assert client.post("/api/scans", params={"name": "x.ply"}, content=b"ply\n").status_code == 401
        assert client.get("/api/scans", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert client.get("/").status_code == 200  # the page asks for it
        assert client.get("/api/health").json()["token"] is True
    assert TOKEN not in caplog.text


def test_tokens_that_can_be_guessed():
    with pytest.raises(InputError, match="at least 16"):
        check_token("secret")
    assert check_token(f" {TOKEN}\n") == TOKEN
    assert check_token("") is None


def test_other_names_and_other_sites(client):
    assert client.get("/api/scans", headers={"host": "evil.example"}).status_code == 421
    assert client.get("/api/scans", headers={"origin": "http://evil.example"}).status_code == 403
    assert client.get("/api/scans", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.get("/api/scans", headers={"origin": "http://testserver"}).status_code == 200
    assert "access-control-allow-origin" not in client.get("/api/scans").headers
    assert "default-src 'none'" in client.get("/").headers["content-security-policy"]


def test_more_jobs_than_may_wait(tmp_path):
    with service(tmp_path, queue=2) as client:
        (scan,) = client.get("/api/scans").json()
        engine = client.app.state.engine
        gate = threading.Event()
        engine.jobs.add("test", "", lambda job: gate.wait(20))
        while engine.jobs.current is None:
            pass
        answers = [client.post(f"/api/scans/{scan['id']}/open") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202, 202, 429]
        assert answers[2].headers["retry-after"]
        gate.set()


def test_scenes_in_memory_are_bounded(tmp_path):
    root = tmp_path / "scans"
    for place in ("a", "b"):
        (root / place).mkdir(parents=True)
        write_room(root / place)
    with service(tmp_path, scenes=1) as client:
        scans = client.get("/api/scans").json()
        assert len(scans) == 3
        for scan in scans:
            job = client.post(f"/api/scans/{scan['id']}/open").json()["id"]
            while client.get(f"/api/jobs/{job}").json()["state"] in ("waiting", "running"):
                pass
        assert [scan["open"] for scan in client.get("/api/scans").json()] == [False, False, True]
        assert client.get(f"/api/scans/{scans[0]['id']}").status_code == 409


def test_the_command_refuses_what_is_not_safe(run, tmp_path, monkeypatch):
    monkeypatch.delenv("SCANWISE_TOKEN", raising=False)
    code, _, said = run("serve", tmp_path, "--host", "0.0.0.0")
    assert code == 2
    assert "--tls-cert" in said
    code, _, said = run("serve", tmp_path / "none")
    assert code == 2
    assert "no such folder" in said
    monkeypatch.setenv("SCANWISE_TOKEN", "short")
    code, _, said = run("serve", tmp_path)
    assert code == 2
    assert "at least 16" in said
    assert "short" not in said.replace("shorter", "")
    code, _, said = run("view", tmp_path / "none.ply")
    assert code == 2
    assert "no such file" in said


def test_without_the_extra(run, tmp_path, monkeypatch):
    import importlib.util

    usual = importlib.util.find_spec
    hidden = {"fastapi"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in hidden else usual(name, *rest))
    code, _, said = run("serve", tmp_path)
    assert code == 2
    assert "pip install 'scanwise[serve]'" in said
