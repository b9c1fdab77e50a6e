"""Meshes become even clouds with the colours of their surface, the same ones every time."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from PIL import Image

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import mesh


def _box() -> trimesh.Trimesh:
    """1 x 2 x 3 metres, standing on the origin."""
    box = trimesh.creation.box((1, 2, 3))
    box.apply_translation((0.5, 1, 1.5))
    return box


@pytest.mark.parametrize("suffix", ["obj", "stl", "off", "glb", "gltf"])
def test_points_lie_evenly_on_the_surface(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "gltf":
        for name, content in trimesh.Scene(_box()).export(file_type="gltf").items():
            (tmp_path / (path.name if name == "model.gltf" else name)).write_bytes(content)
    else:
        _box().export(path)
    scene = mesh.read(path)
    assert len(scene) == 220_000
    size = np.array([1, 2, 3])
    source = scene.points_in_source()
    on_side = np.isclose(source, 0, atol=1e-5) | np.isclose(source, size, atol=1e-5)
    assert on_side.any(1).all()
    assert ((source > -1e-5) & (source < size + 1e-5)).all()
    share = np.isclose(source[:, 0], 0, atol=1e-6).mean()
    assert abs(share - 6 / 22) < 0.002
    normals = scene.normals_in_source()
    assert np.allclose(normals[np.isclose(source[:, 0], 1, atol=1e-6) & (on_side.sum(1) == 1)], [1, 0, 0], atol=1e-5)
    assert np.array_equal(mesh.read(path).points, scene.points)


def test_gltf_is_turned_upright(tmp_path):
    _box().export(tmp_path / "a.glb")
    scene = mesh.read(tmp_path / "a.glb")
    assert np.allclose(scene.points.max(0) - scene.points.min(0), [1, 3, 2], atol=0.01)
    assert scene.points[:, 2].min() > -1e-5
    assert np.allclose(np.linalg.det(scene.to_source), 1)


def test_a_thing_of_many_metres_stays_within_bounds(tmp_path):
    trimesh.creation.box((100, 100, 100)).export(tmp_path / "a.stl")
    trimesh.creation.box((0.01, 0.01, 0.01)).export(tmp_path / "b.stl")
    assert len(mesh.read(tmp_path / "a.stl")) == mesh.MOST
    assert len(mesh.read(tmp_path / "b.stl")) == mesh.FEWEST


def test_vertex_and_face_colours(tmp_path):
    box = _box()
    box.visual.vertex_colors = np.where(box.vertices[:, 2:] > 1, [255, 0, 0, 255], [0, 0, 255, 255]).astype(np.uint8)
    box.export(tmp_path / "a.glb")
    scene = mesh.read(tmp_path / "a.glb")
    height = scene.points_in_source()[:, 2] / 3
    assert np.abs(scene.colors[:, 0] - 255 * height).max() <= 1.5
    flat = _box()
    flat.visual.face_colors = np.where(flat.face_normals[:, 2:] > 0.5, [9, 99, 199, 255], [1, 2, 3, 255])
    _, normals, colors = mesh._sample([flat], tmp_path)
    assert (colors[normals[:, 2] > 0.5] == [9, 99, 199]).all()
    assert (colors[normals[:, 2] < 0.5] == [1, 2, 3]).all()


@pytest.mark.parametrize("suffix", ["obj", "glb"])
def test_textures(tmp_path, suffix):
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:2] = [250, 10, 20]
    picture[2:] = [10, 250, 20]
    plane = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]], process=False)
    uv = plane.vertices[:, :2]
    image = Image.fromarray(picture)
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=image, baseColorFactor=[255, 255, 127, 255])
    plane.visual = trimesh.visual.TextureVisuals(uv=uv, image=image, material=material if suffix == "glb" else None)
    blue = 10 if suffix == "glb" else 20
    plane.export(tmp_path / f"a.{suffix}")
    scene = mesh.read(tmp_path / f"a.{suffix}")
    up = scene.points_in_source()[:, 1]
    assert (scene.colors[up > 0.7] == [250, 10, blue]).all()
    assert (scene.colors[up < 0.3] == [10, 250, blue]).all()


def test_without_colours(tmp_path):
    _box().export(tmp_path / "a.stl")
    assert mesh.read(tmp_path / "a.stl").colors is None


def test_without_faces_there_are_the_vertices(tmp_path):
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 2 3\n")
    scene = mesh.read(tmp_path / "a.obj")
    assert scene.points.tolist() == [[0, 0, 0], [1, 0, 0], [0, 2, 3]]
    assert scene.normals is None
    colored = trimesh.PointCloud([[0, 0, 0], [1, 2, 3]], colors=[[1, 2, 3, 255], [4, 5, 6, 255]])
    trimesh.Scene(colored).export(tmp_path / "b.glb")
    scene = mesh.read(tmp_path / "b.glb")
    assert scene.points_in_source().tolist() == [[0, 0, 0], [1, 2, 3]]
    assert scene.colors.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.obj", b""),
        ("a.glb", b"glTF"),
        ("a.glb", b""),
        ("a.gltf", b"{"),
        ("a.stl", b"\x00" * 90),
        ("a.stl", b"solid"),
        ("a.off", b"OFF\n3 1 0\n0 0 0\n"),
        ("a.obj", b"v 0 0 0\nv 0 0 0\nv 0 0 0\nf 1 2 3\n"),
        ("a.obj", b"v 0 0 nan\nv 0 1 0\nv 1 0 0\nf 1 2 3\n"),
    ],
)
def test_damage_is_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        mesh.read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_glb(tmp_path):
    _box().export(tmp_path / "a.glb")
    content = (tmp_path / "a.glb").read_bytes()
    (tmp_path / "a.glb").write_bytes(content[:-300])
    with pytest.raises(InputError):
        mesh.read(tmp_path / "a.glb")


@pytest.mark.parametrize(
    ("material", "said"),
    [("", False), ("newmtl wall\nKd 0.4 0.4 0.4\n", True), ("newmtl wall\nmap_Kd gone.png\n", False)],
    ids=["no material", "a grey one", "no picture"],
)
def test_the_grey_of_a_lost_material_is_no_colour(tmp_path, material, said):
    if material:
        (tmp_path / "a.mtl").write_text(material)
    corners = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\n"
    (tmp_path / "a.obj").write_text(f"mtllib a.mtl\n{corners}usemtl wall\nf 1/1 2/2 3/3\n")
    if said:
        assert (mesh.read(tmp_path / "a.obj").colors == 102).all()
        return
    with pytest.warns(ScanwiseWarning, match="1 of 1 parts have a material or a picture that is missing"):
        assert mesh.read(tmp_path / "a.obj").colors is None


def test_a_picture_that_is_too_large_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "a.mtl").write_text("newmtl wall\nmap_Kd a.png\n")
    corners = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\n"
    (tmp_path / "a.obj").write_text(f"mtllib a.mtl\n{corners}usemtl wall\nf 1/1 2/2 3/3\n")
    with pytest.warns(ScanwiseWarning, match="a picture that is missing"):
        assert mesh.read(tmp_path / "a.obj").colors is None
