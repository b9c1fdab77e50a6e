"""A coarse mesh stands for its surface, splats have colours; vertices that say more stay what they are."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import mesh, ply
from scanwise.formats.ply_elements import Element, ListColumn, Ply
from scanwise.formats.ply_writing import write_elements


def _box(quads: bool = False, **columns: np.ndarray) -> Ply:
    box = trimesh.creation.box((4, 3, 2.6))
    vertices = {name: axis.astype("f4") for name, axis in zip("xyz", np.asarray(box.vertices).T, strict=True)}
    faces = np.asarray(box.faces, "i4")
    lists = ListColumn(np.full(12, 3, "u1"), faces.reshape(-1))
    if quads:
        rings = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]], "i4")
        lists = ListColumn(np.full(6, 4, "u1"), rings.reshape(-1))
    face = Element(len(lists.counts), {"vertex_indices": lists})
    return Ply({"vertex": Element(8, vertices | columns), "face": face})


@pytest.mark.parametrize("quads", [False, True])
def test_a_coarse_mesh_is_sampled_as_the_same_obj_is(tmp_path, quads):
    colors = {name: np.full(8, shade, "u1") for name, shade in (("red", 9), ("green", 99), ("blue", 199))}
    write_elements(_box(quads, **colors), tmp_path / "a.ply")
    trimesh.creation.box((4, 3, 2.6)).export(tmp_path / "a.obj")
    with pytest.warns(ScanwiseWarning, match="a mesh of 8 vertices; 500,000 points drawn"):
        scene = ply.read(tmp_path / "a.ply")
    assert len(scene) == len(mesh.read(tmp_path / "a.obj"))
    assert (scene.colors == [9, 99, 199]).all()
    assert np.allclose(np.abs(scene.points).max(0), [2, 1.5, 1.3], atol=1e-3)
    assert scene.normals is not None
    assert len(ply.read_vertices(tmp_path / "a.ply")) == 8


def test_vertices_that_say_more_stay(tmp_path):
    write_elements(_box(label=np.arange(8, dtype="i4")), tmp_path / "a.ply")
    assert ply.read(tmp_path / "a.ply").labels.tolist() == list(range(8))


def test_the_vertices_of_a_fine_mesh_stay(tmp_path):
    trimesh.creation.icosphere(subdivisions=6, radius=2).export(tmp_path / "a.ply")
    assert len(ply.read(tmp_path / "a.ply")) == 40_962


def test_faces_that_name_no_vertex_are_passed_over(tmp_path):
    content = _box()
    content.elements["face"].columns["vertex_indices"].values[3] = 88
    write_elements(content, tmp_path / "a.ply")
    assert len(ply.read(tmp_path / "a.ply")) == 8


def test_gaussian_splats_have_the_colour_of_f_dc(tmp_path):
    columns = {name: np.zeros(4, "f4") for name in ("x", "y", "z", "nx", "ny", "nz")}
    columns["x"] = np.arange(4, dtype="f4")
    columns |= {"f_dc_0": np.array([0, 9, -9, 1], "f4"), "f_dc_1": np.zeros(4, "f4"), "f_dc_2": np.zeros(4, "f4")}
    columns |= {"opacity": np.array([5, -5, 0, 0], "f4"), "scale_0": np.zeros(4, "f4"), "rot_0": np.zeros(4, "f4")}
    write_elements(Ply({"vertex": Element(4, columns)}), tmp_path / "a.ply")
    with pytest.warns(ScanwiseWarning) as notes:
        scene = ply.read(tmp_path / "a.ply")
    assert any(
        "gaussian splats" in str(n.message) and "1 of 4 that can hardly be seen" in str(n.message) for n in notes
    )
    assert scene.colors.tolist() == [[128, 128, 128], [255, 128, 128], [0, 128, 128], [199, 128, 128]]
    assert scene.normals is None
    assert "opacity" in scene.attributes


def test_compressed_splats_are_one_line(tmp_path):
    columns = {name: np.zeros(4, "u4") for name in ("packed_position", "packed_rotation", "packed_color")}
    write_elements(Ply({"vertex": Element(4, columns)}), tmp_path / "a.ply")
    with pytest.raises(InputError, match="compressed gaussian splats"):
        ply.read(tmp_path / "a.ply")


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_file_that_rounds_its_coordinates_is_told(tmp_path, dtype):
    exact = np.random.default_rng(0).uniform(0, 9, (50, 3)) + np.array([691234.5, 5337000.25, 512])
    rounded = exact.astype("f4").astype(dtype)
    columns = dict(zip("xyz", rounded.T.copy(), strict=True))
    write_elements(Ply({"vertex": Element(50, columns)}), tmp_path / "a.ply")
    with pytest.warns(ScanwiseWarning, match=r"the file is rounded to 0\.5 m"):
        ply.read(tmp_path / "a.ply")
    columns = dict(zip("xyz", exact.T.copy(), strict=True))
    write_elements(Ply({"vertex": Element(50, columns)}), tmp_path / "b.ply")
    ply.read(tmp_path / "b.ply")  # with float64 there is nothing to tell, and a note would be an error here
