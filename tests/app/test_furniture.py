"""`scanwise furniture` with catalogues and packages that the test makes: no network, no apt."""

import hashlib
import io
import sys
import tarfile
import zipfile

import pytest

from scanwise.app import cli, furniture
from scanwise.synth import store

ENTRY = "id#1=Tiny#stool\nname#1=Stool\nmodel#1=/s/s.obj\nwidth#1=40\ndepth#1=40\nheight#1=45\ncreator#1=Zoe\n"
OBJ = "v 0 0 0\nv 1 0 0\nv 0 1 1\nf 1 2 3\n"


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SCANWISE_FURNITURE", raising=False)
    monkeypatch.setattr(store, "DEBIAN", tmp_path / "nowhere")

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["scanwise", "furniture", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def catalogue(tmp_path):
    path = tmp_path / "Tiny.sh3f"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", "license=CC0\n" + ENTRY)
        archive.writestr("s/s.obj", OBJ)
    return path


def package(path, members: dict[str, bytes], *, data_name: str = "data.tar.xz"):
    """A Debian package as the tool `ar` writes it: odd members are padded."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:xz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", data_name: stream.getvalue()}
    with path.open("wb") as out:
        out.write(b"!<arch>\n")
        for name, content in parts.items():
            out.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode())
            out.write(content + b"\n" * (len(content) % 2))
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


def test_fetch_takes_the_known_catalogues_from_a_package(run, catalogue, tmp_path, monkeypatch):
    content = catalogue.read_bytes()
    deb = package(tmp_path / "f.deb", {"./usr/share/Tiny.sh3f": content, "./usr/share/doc": b"text"})
    monkeypatch.setattr(furniture, "download", lambda folder, show: deb)
    monkeypatch.setattr(store, "KNOWN", {"Tiny.sh3f": hashlib.sha256(content).hexdigest()})
    assert run("fetch")[0] == 0
    assert (store.furniture_folder() / "Tiny.sh3f").read_bytes() == content


@pytest.mark.parametrize("fault", ["hash", "no package", "cut", "nothing known"])
def test_a_bad_package_is_one_line_and_adds_nothing(fault, run, catalogue, tmp_path, monkeypatch):
    deb = package(tmp_path / "f.deb", {"./Tiny.sh3f": catalogue.read_bytes()})
    if fault == "no package":
        deb.write_bytes(b"<html>")
    elif fault == "cut":
        deb.write_bytes(deb.read_bytes()[:-40])
    monkeypatch.setattr(furniture, "download", lambda folder, show: deb)
    monkeypatch.setattr(store, "KNOWN", {("Other" if fault == "nothing known" else "Tiny") + ".sh3f": "0" * 64})
    code, _, said = run("fetch")
    assert code == 2
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert not list(tmp_path.glob("cache/furniture/*.sh3f"))


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
