"""A folder of arrays as Pointcept lays it out is one scene."""

from __future__ import annotations

import numpy as np
import pytest

from scanwise.errors import InputError
from scanwise.formats.registry import read_scene, write_scene

N = 5


def make(folder, **more: np.ndarray):
    folder.mkdir()
    arrays = {"coord": np.arange(15.0, dtype=np.float32).reshape(N, 3), "color": np.full((N, 3), 9, np.uint8)} | more
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def test_a_folder_of_arrays(tmp_path):
    labels = np.array([0, 1, 19, -1, 2])
    more = {
        "segment20": labels,
        "segment200": labels * 7,
        "instance": np.arange(N),
        "normal": np.eye(3)[[0, 1, 2, 0, 1]],
    }
    scene = read_scene(make(tmp_path / "scene0999_00", **more))
    assert scene.name == "scene0999_00"
    assert scene.colors.tolist() == [[9] * 3] * N
    assert scene.normals.tolist() == more["normal"].tolist()
    assert scene.labels.tolist() == labels.tolist()
    assert scene.classes[:2] == ["wall", "floor"]
    assert len(scene.classes) == 20
    assert scene.instances.tolist() == list(range(N))
    assert scene.attributes["segment200"].tolist() == (labels * 7).tolist()
    write_scene(scene, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as written:
        assert {"coord", "color", "segment20", "segment200", "instance", "normal"} <= set(written.files)


def test_labels_of_another_set_have_no_names(tmp_path):
    assert read_scene(make(tmp_path / "a", segment=np.arange(N))).classes is None
    only = read_scene(make(tmp_path / "b", segment200=np.arange(N)))
    assert (only.labels.tolist(), only.classes) == (list(range(N)), None)


def test_damage_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"segment \S+ is \(3,\) for 5 points|segment is \(3,\) for 5 points"):
        read_scene(make(tmp_path / "a", segment=np.arange(3)))
    folder = make(tmp_path / "b")
    (folder / "color.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match=r"color\.npy"):
        read_scene(folder)
    (tmp_path / "scene.pth").write_bytes(b"")
    with pytest.raises(InputError, match=r"scene\.pth: holds pickled objects.* save its arrays as \.npz"):
        read_scene(tmp_path / "scene.pth")
