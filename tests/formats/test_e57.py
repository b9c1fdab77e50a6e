"""E57: several scans by their poses, colours, intensity, normals; without pye57 one line says what to install."""

from __future__ import annotations

import sys
import warnings
from contextlib import suppress

import numpy as np
import pytest

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import e57
from scanwise.formats.registry import read_scene, write_scene

N = 40


def _points(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-3, 3, (N, 3)).astype(np.float32)


def _columns(seed: int, **further: np.ndarray) -> dict[str, np.ndarray]:
    names = ("cartesianX", "cartesianY", "cartesianZ")
    return dict(zip(names, _points(seed).astype(np.float64).T, strict=True)) | further


def _file(path, *scans, **poses):
    pye57 = pytest.importorskip("pye57")
    with pye57.E57(str(path), mode="w") as file:
        for number, scan in enumerate(scans):
            file.write_scan_raw(scan, **poses if number else {})
    return path


def test_scans_are_placed_by_their_poses(tmp_path):
    colors = dict(zip(("colorRed", "colorGreen", "colorBlue"), np.arange(3 * N).reshape(3, N) % 256, strict=True))
    colors = {name: channel.astype(np.uint8) for name, channel in colors.items()}
    strength = np.linspace(-1024, 1023, N).astype(np.float32)
    half = np.sqrt(0.5)
    pose = {"rotation": np.array([half, 0, 0, half]), "translation": np.array([700000.0, 5000000, 10])}
    path = _file(tmp_path / "a.e57", _columns(0, **colors, intensity=strength), _columns(1), **pose)
    with pytest.warns(ScanwiseWarning, match="1 of 2 scans have no colours"):
        scene = read_scene(path)
    turned = _points(1)[:, [1, 0, 2]] * [-1, 1, 1] + pose["translation"]
    assert np.abs(scene.points_in_source() - np.concatenate([_points(0), turned])).max() < 1e-5
    assert scene.attributes["scan"].tolist() == [0] * N + [1] * N
    assert np.array_equal(scene.colors[:N].T, list(colors.values()))
    assert (scene.colors[N:] == 255).all()
    assert np.allclose(scene.intensity[:N], np.linspace(0, 1, N), atol=1e-6)
    assert scene.source_format == "e57"


def test_what_it_holds_goes_out_in_other_formats(tmp_path):
    grid = {"rowIndex": np.arange(N, dtype=np.uint16), "columnIndex": np.arange(N, dtype=np.uint16)[::-1].copy()}
    path = _file(tmp_path / "a.e57", _columns(0, **grid, intensity=np.linspace(0.2, 0.8, N).astype(np.float32)))
    scene = read_scene(path)
    write_scene(scene, tmp_path / "b.ply")
    again = read_scene(tmp_path / "b.ply")
    assert np.array_equal(again.attributes["row"], np.arange(N))
    assert np.allclose(again.intensity, np.linspace(0.2, 0.8, N), atol=1e-6)
    assert np.array_equal(again.points_in_source(), scene.points_in_source())


def test_points_without_coordinates_are_left_out_and_counted(tmp_path):
    state = (np.arange(N) < 7).astype(np.int8) * 2
    with pytest.warns(ScanwiseWarning, match="7 points without coordinates are left out"):
        scene = read_scene(_file(tmp_path / "a.e57", _columns(0, cartesianInvalidState=state)))
    assert np.abs(scene.points - _points(0)[7:]).max() < 1e-6


def test_spherical_coordinates_are_those_of_the_standard():
    spherical = np.array([[2, 0, 0], [2, np.pi / 2, 0], [2, 0, np.pi / 2]])
    assert np.allclose(e57._cartesian(spherical), [[2, 0, 0], [0, 2, 0], [0, 0, 2]])


def test_damage_is_one_line_and_leaves_the_file(tmp_path):
    content = _file(tmp_path / "a.e57", _columns(0)).read_bytes()
    for number, damaged in enumerate((b"", b"hello", content[:100], content[:-200], content[:1500] + bytes(9))):
        path = tmp_path / f"{number}.e57"
        path.write_bytes(damaged)
        with pytest.raises(InputError) as caught:
            read_scene(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert path.read_bytes() == damaged


def test_any_byte_may_be_wrong(tmp_path):
    content = _file(tmp_path / "a.e57", _columns(0)).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(content)
        damaged[rng.integers(len(damaged))] = rng.integers(256)
        (tmp_path / "b.e57").write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with suppress(InputError):
                assert read_scene(tmp_path / "b.e57").points.shape[1] == 3


def test_without_pye57_a_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pye57", None)
    (tmp_path / "a.e57").write_bytes(b"")
    with pytest.raises(InputError, match=r"pip install 'scanwise\[e57\]'"):
        read_scene(tmp_path / "a.e57")
