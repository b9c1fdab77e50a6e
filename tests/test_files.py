"""Files that are whole or absent, and depth maps on disk: what is no reading, and what is no depth map."""

import errno
import json

import numpy as np
import pytest
from PIL import Image

from scanwise.errors import InputError, OutputError
from scanwise.files import DepthFile, adding_files, replacing, replacing_folder, write_json, write_text


def test_what_is_no_reading_is_zero(tmp_path):
    Image.fromarray(np.array([[0, 500], [65535, 9000]], np.uint16)).save(tmp_path / "a.png")
    assert DepthFile(tmp_path / "a.png", far=6).read().tolist() == [[0, 0.5], [0, 0]]
    np.save(tmp_path / "a.npy", np.array([[np.nan, -1], [np.inf, 2.5]]))
    depth = DepthFile(tmp_path / "a.npy", 1.0)
    assert depth.read().tolist() == [[0, 0], [0, 2.5]]
    assert depth.size() == (2, 2)


@pytest.mark.parametrize("name", ["text.png", "text.npy", "absent.png", "absent.npy", "cut.npy", "colour.png"])
def test_what_is_no_depth_map_is_one_line(tmp_path, name):
    path = tmp_path / name
    if name.startswith("text"):
        path.write_text("hello")
    elif name == "cut.npy":
        np.save(path, np.ones((4, 4)))
        path.write_bytes(path.read_bytes()[:-9])
    elif name == "colour.png":
        Image.new("RGB", (2, 2)).save(path)
    with pytest.raises(InputError) as caught:
        DepthFile(path).read()
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_what_is_written_replaces_what_was_there(tmp_path):
    for text in ("one", "zwölf"):
        write_text(tmp_path / "new" / "a.txt", text)
        assert (tmp_path / "new" / "a.txt").read_bytes() == text.encode()
    write_json(tmp_path / "new" / "a.json", {"a": [1]})
    assert (tmp_path / "new" / "a.json").read_text() == json.dumps({"a": [1]}, indent=1) + "\n"
    for content in ("one", "two"):
        with replacing_folder(tmp_path / "new") as folder:
            (folder / content).write_text(content)
        assert [path.name for path in (tmp_path / "new").iterdir()] == [content]
    with adding_files(tmp_path / "new") as folder:
        (folder / "three").write_text("three")
        assert not (tmp_path / "new" / "three").exists()
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["three", "two"]
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


@pytest.mark.parametrize("writing", [replacing, replacing_folder, adding_files])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (OSError(errno.ENOSPC, "No space left"), "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied"), "cannot write here (Permission denied)"),
    ],
)
def test_a_failed_write_leaves_all_as_it_was_and_says_which_parameter(tmp_path, writing, fault, words):
    target = tmp_path / "there"
    if writing is replacing:
        target.write_text("mine")
    else:
        target.mkdir()
    with pytest.raises(OutputError) as caught, writing(target):
        raise fault
    assert str(caught.value).startswith(f"{target}: {words}")
    assert "--" not in str(caught.value)
    assert caught.value.option == "out"
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert target.is_dir() or target.read_text() == "mine"
