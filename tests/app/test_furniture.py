"""`scanwise furniture` with catalogues that the test makes: no network, no apt."""

import zipfile
from functools import partial

import pytest

from scanwise.synth import packages, store

ENTRY = "id#1=Tiny#stool\nname#1=Stool\nmodel#1=/s/s.obj\nwidth#1=40\ndepth#1=40\nheight#1=45\ncreator#1=Zoe\n"
OBJ = "v 0 0 0\nv 1 0 0\nv 0 1 1\nf 1 2 3\n"


@pytest.fixture
def run(run, monkeypatch, tmp_path):
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SCANWISE_FURNITURE", raising=False)
    monkeypatch.setattr(store, "DEBIAN", tmp_path / "nowhere")

    return partial(run, "furniture")


@pytest.fixture
def catalogue(tmp_path):
    path = tmp_path / "Tiny.sh3f"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", "license=CC0\n" + ENTRY)
        archive.writestr("s/s.obj", OBJ)
    return path


def test_what_was_added_is_listed(run, catalogue):
    code, said, _ = run("add", catalogue)
    assert code == 0
    assert (store.furniture_folder() / "Tiny.sh3f").read_bytes() == catalogue.read_bytes()
    assert said.strip().endswith("Tiny.sh3f")
    code, said, _ = run("list")
    assert code == 0
    assert "Tiny" in said
    assert "refrigerator" in said


def test_fetch_says_what_was_added(run, catalogue, monkeypatch):
    monkeypatch.setattr(packages, "download", lambda folder, show: catalogue)
    monkeypatch.setattr(packages, "unpack", lambda package, folder: [package])
    monkeypatch.setattr(store, "KNOWN", {"Tiny.sh3f": store.sha256(catalogue)})
    code, said, _ = run("fetch")
    assert code == 0
    assert said.strip() == str(store.furniture_folder() / "Tiny.sh3f")


def test_a_bad_package_is_one_line(run, catalogue, monkeypatch):
    monkeypatch.setattr(packages, "download", lambda folder, show: catalogue)
    code, _, said = run("fetch")
    assert code == 2
    assert said == "error: Tiny.sh3f: not a Debian package; download it again\n"


@pytest.mark.parametrize("name", ["missing.sh3f", "text.sh3f", "model.obj"])
def test_a_bad_catalogue_is_one_line(name, run, catalogue, tmp_path):
    if name != "missing.sh3f":
        (tmp_path / name).write_text("text")
    code, _, said = run("add", catalogue, tmp_path / name)
    assert code == 2
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert name in said
    assert not store.furniture_folder().exists()
