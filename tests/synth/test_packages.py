"""Debian's package, as a file that the test makes: no network, no apt."""

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from scanwise.errors import InputError
from scanwise.synth import packages, store
from scanwise.synth.packages import fetch_catalogues, unpack

ENTRY = "id#1=Tiny#stool\nname#1=Stool\nmodel#1=/s/s.obj\nwidth#1=40\ndepth#1=40\nheight#1=45\ncreator#1=Zoe\n"
OBJ = "v 0 0 0\nv 1 0 0\nv 0 1 1\nf 1 2 3\n"


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SCANWISE_FURNITURE", raising=False)


@pytest.fixture
def catalogue(tmp_path) -> bytes:
    with zipfile.ZipFile(tmp_path / "Tiny.sh3f", "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", "license=CC0\n" + ENTRY)
        archive.writestr("s/s.obj", OBJ)
    return (tmp_path / "Tiny.sh3f").read_bytes()


def package(path: Path, members: dict[str, bytes], *, data_name: str = "data.tar.xz") -> Path:
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


def test_the_known_catalogues_of_a_package_are_added(catalogue, tmp_path, monkeypatch):
    deb = package(tmp_path / "f.deb", {"./usr/share/Tiny.sh3f": catalogue, "./usr/share/doc": b"text"})
    monkeypatch.setattr(packages, "download", lambda folder, show: deb)
    monkeypatch.setattr(store, "KNOWN", {"Tiny.sh3f": hashlib.sha256(catalogue).hexdigest()})
    told: list[tuple[str, float]] = []
    assert fetch_catalogues(lambda *what: told.append(what)) == [store.furniture_folder() / "Tiny.sh3f"]
    assert (store.furniture_folder() / "Tiny.sh3f").read_bytes() == catalogue
    assert told == [("adding", 1.0)]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("hash", "not the known catalogue"),
        ("no package", "not a Debian package"),
        ("cut", "damaged package"),
        ("nothing known", "none of the catalogues Other.sh3f in it"),
    ],
)
def test_a_bad_package_is_one_line_and_adds_nothing(fault, words, catalogue, tmp_path, monkeypatch):
    deb = package(tmp_path / "f.deb", {"./Tiny.sh3f": catalogue})
    if fault == "no package":
        deb.write_bytes(b"<html>")
    elif fault == "cut":
        deb.write_bytes(deb.read_bytes()[:-120])
    monkeypatch.setattr(packages, "download", lambda folder, show: deb)
    monkeypatch.setattr(store, "KNOWN", {("Other" if fault == "nothing known" else "Tiny") + ".sh3f": "0" * 64})
    with pytest.raises(InputError, match=words) as caught:
        fetch_catalogues()
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("cache/furniture/*.sh3f"))


def test_a_package_without_data_or_without_what_unpacks_it(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no data"):
        unpack(package(tmp_path / "f.deb", {}, data_name="other.tar.xz"), tmp_path / "one")
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="install dpkg"):
        unpack(package(tmp_path / "f.deb", {}, data_name="data.tar.zst"), tmp_path / "two")
