"""Things by name: our own, those added in code, and those of other packages' entry points."""

import sys

import numpy as np
import pytest

from scanwise.errors import InputError, OutputError
from scanwise.formats import registry
from scanwise.formats.registry import find_scenes, read_scene, register_format, write_scene
from scanwise.nn.backbone import backbone_names, build_backbone
from scanwise.plugins import Plugins
from scanwise.scene import Scene
from scanwise.vision import load_vision, register_vision, vision_names


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Installs packages: name, and entry points of "scanwise.things" to the package's own module."""

    def install(name: str, *points: str) -> None:
        module = name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(f"what = {name!r}\n")
        metadata = tmp_path / f"{module}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [f"{point} = {module}:what" for point in points]
        (metadata / "entry_points.txt").write_text("\n".join(["[scanwise.things]", *lines]))

    monkeypatch.syspath_prepend(tmp_path)
    return install


def things(**own: str) -> Plugins[str]:
    return Plugins("thing", "scanwise.things", own)


def test_ours_those_added_and_those_of_other_packages(packages):
    packages("their-package", "theirs")
    found = things(ours="o")
    found.add("mine", "m")
    assert found.names() == ["mine", "ours", "theirs"]
    assert "their_package" not in sys.modules
    assert [found[name] for name in found.names()] == ["m", "o", "their-package"]


def test_a_wrong_name_is_answered_with_the_right_ones(packages):
    packages("their-package", "theirs")
    with pytest.raises(InputError, match=r"^unknown thing 'other'; there are ours, theirs$"):
        things(ours="o")["other"]
    with pytest.raises(InputError, match="there are none"):
        Plugins("thing", "scanwise.nothing")["other"]


def test_a_name_that_two_have_is_an_error(packages):
    packages("first", "same", "alone")
    packages("second", "same", "ours")
    found = things(ours="o")
    for name in ("same", "alone", "ours"):
        with pytest.raises(ValueError, match=f"there is a thing '{name}' already"):
            found.add(name, "m")
    with pytest.raises(InputError, match=r"thing 'same': .* each bring one"):
        found["same"]
    with pytest.raises(InputError, match="thing 'ours': scanwise and second each bring one"):
        found["ours"]
    assert found["alone"] == "first"


def test_backbones_are_such_things():
    assert "small" in backbone_names()
    with pytest.raises(InputError, match=r"unknown backbone 'huge'; there are .*small"):
        build_backbone("huge", 3)


def test_2d_models_are_such_things(monkeypatch):
    from scanwise import vision

    monkeypatch.setattr(vision._MODELS, "_here", dict(vision._MODELS._here))
    register_vision("echo", lambda argument: argument)
    assert load_vision("echo") == ""
    assert load_vision("echo:a:b") == "a:b"
    assert vision_names() == ["conse", "echo", "hf", "rooms"]
    with pytest.raises(ValueError, match="a vision model 'echo' already"):
        register_vision("echo", lambda argument: argument)
    with pytest.raises(ValueError, match="no part of the name"):
        register_vision("echo:1", lambda argument: argument)
    for name, said in {
        "conse:x": "write conse alone",
        "hf": "name a folder or an id",
        "no:x": "unknown .* 'no'",
    }.items():
        with pytest.raises(InputError, match=said):
            load_vision(name)


class Spots:
    """A format of one number a point."""

    def read(self, path):
        return Scene(np.repeat(np.frombuffer(path.read_bytes(), np.float32)[:, None], 3, 1), name=path.stem)

    def write(self, scene, path):
        path.write_bytes(scene.points[:, 0].tobytes())


class Logs:
    """Folders with a log in them."""

    def recognises(self, path):
        return (path / "log.dat").is_file()

    def read(self, path):
        return Scene(np.zeros((3, 3)), name=path.name)


@pytest.fixture
def formats(monkeypatch):
    monkeypatch.setattr(registry._OTHERS, "_here", {})
    register_format("spot", Spots())
    register_format("logs", Logs())


def test_formats_are_such_things(formats, tmp_path):
    scene = Scene(np.repeat(np.arange(5.0)[:, None], 3, 1))
    write_scene(scene, tmp_path / "a.spot")
    assert np.array_equal(read_scene(tmp_path / "a.spot").points, scene.points)
    (tmp_path / "drive").mkdir()
    (tmp_path / "drive" / "log.dat").write_bytes(b"")
    assert len(read_scene(tmp_path / "drive")) == 3
    (tmp_path / "notes.doc").write_bytes(b"")
    found = [tmp_path / "a.spot", tmp_path / "drive"], [tmp_path / "notes.doc"]
    assert find_scenes(tmp_path) == found
    with pytest.raises(OutputError, match=r"choose one of ply, .*, spot, or a name"):
        write_scene(scene, tmp_path / "a.logs")
    with pytest.raises(InputError, match=r"known are ply, .*, spot, and folders"):
        read_scene(tmp_path / "notes.doc")
    for name in ("spot", "ply", "folder"):
        with pytest.raises(ValueError, match="already"):
            register_format(name, Spots())
