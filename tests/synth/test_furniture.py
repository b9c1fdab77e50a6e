"""Catalogues: a tiny one that holds every trap, and the real ones where they are installed."""

import io
import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scanwise.errors import InputError
from scanwise.synth.furniture import PROPERTIES, Catalogue
from scanwise.synth.mesh import face_normals

PLACES = [os.environ.get("SCANWISE_FURNITURE", ""), "/usr/share/sweethome3d/furniture"]
PLACES.append("/tmp/sh3d/usr/share/sweethome3d/furniture")
REAL = next((Path(place) for place in PLACES if place and list(Path(place).glob("*.sh3f"))), None)
real = pytest.mark.skipif(REAL is None, reason="sweethome3d-furniture is not installed")

HEADER = "# a comment\nid=Tiny\nlicense=CC-BY 3.0 \xa9 Zo\xeb\n"


def wedge(material: str) -> str:
    """A ramp in y-up: 2 wide (x), 1 high (y), 4 deep (z); its high edge is at the back (-z)."""
    corners = [(3, 5, 0), (5, 5, 0), (5, 5, 4), (3, 5, 4), (3, 6, 0), (5, 6, 0)]
    faces = ["1/1 2/2 3/3", "1/1 3/3 4/4", "4/4 3/3 6/2", "4/4 6/2 5/1"]
    lines = ["mtllib m.mtl", *(f"v {x} {y} {z}" for x, y, z in corners)]
    lines += ["vt 0 0", "vt 1 0", "vt 1 1", "vt 0 1", f"usemtl {material}", *(f"f {face}" for face in faces)]
    return "\n".join(lines) + "\n"


def without_uv(text: str) -> str:
    lines = [line for line in text.splitlines() if not line.startswith("vt")]
    return "\n".join("f " + " ".join(c.split("/")[0] for c in x[2:].split()) if x[:2] == "f " else x for x in lines)


def png(*colors: tuple[int, int, int]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.array([colors], np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def entry(number: int, id: str, size=(200, 400, 100), **more: str) -> str:
    values = {"id": f"Tiny#{id}", "name": "Caf\xe9 table", "category": "Kitchen", "creator": "Zo\xeb"}
    values |= dict(zip(("width", "depth", "height"), map(str, size), strict=True))
    values |= {"model": f"/tiny/{id}/{id}.obj"} | more
    return "".join(f"{key}#{number}={value}\n" for key, value in values.items())


@pytest.fixture
def write(tmp_path):
    """Makes a catalogue of given entries and files under tiny/<id>/."""

    def make(entries: str, files: dict[str, str | bytes]) -> Catalogue:
        path = tmp_path / "tiny.sh3f"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(PROPERTIES, (HEADER + entries).encode("latin-1"))
            for name, content in files.items():
                archive.writestr(f"tiny/{name}", content)
        return Catalogue([path])

    return make


PLAIN = "newmtl m\nKd 1 0.5 0\n"


def test_properties_are_latin_1_and_sizes_metres(write):
    (piece,) = write(entry(1, "a", size=(59.4, 62.7, 105)), {}).pieces
    assert (piece.id, piece.name, piece.category) == ("Tiny#a", "Café table", "Kitchen")
    assert piece.size == pytest.approx((0.594, 0.627, 1.05))
    assert (piece.licence, piece.creator) == ("CC-BY 3.0 © Zoë", "Zoë")
    assert piece.catalogue.name == "tiny.sh3f"


def test_escapes_continuations_and_order(write):
    text = entry(2, "b", name="Caf\\u00e9 \\\n    long") + entry(10, "c") + entry(1, "a")
    catalogue = write(text, {})
    assert [piece.id for piece in catalogue.pieces] == ["Tiny#a", "Tiny#b", "Tiny#c"]
    assert catalogue["Tiny#b"].name == "Café long"


def test_model_stands_on_the_floor_z_up_front_towards_minus_y(write):
    catalogue = write(entry(1, "a"), {"a/a.obj": wedge("m"), "a/m.mtl": PLAIN})
    mesh = catalogue.load(catalogue["Tiny#a"])
    np.testing.assert_allclose(mesh.bounds, [[-1, -2, 0], [1, 2, 1]], atol=1e-6)
    top = mesh.vertices[mesh.vertices[:, 2] > 0.5]
    assert (top[:, 1] > 1.9).all(), "the high edge is at the back"
    assert mesh.colors[0].tolist() == [255, 128, 0]
    assert (face_normals(mesh.vertices, mesh.faces)[2:, 2] > 0).all(), "the slope still looks up"
    assert (mesh.texture == -1).all()


def test_model_is_scaled_to_the_catalogue(write):
    catalogue = write(entry(1, "a", size=(100, 50, 300)), {"a/a.obj": wedge("m"), "a/m.mtl": PLAIN})
    mesh = catalogue.load(catalogue["Tiny#a"])
    np.testing.assert_allclose(mesh.bounds, [[-0.5, -0.25, 0], [0.5, 0.25, 3]], atol=1e-6)


def test_model_rotation_is_applied_row_by_row(write):
    quarter = "0 0 1 0 1 0 -1 0 0"
    text = entry(1, "a", size=(400, 200, 100), modelRotation=quarter)
    catalogue = write(text, {"a/a.obj": wedge("m"), "a/m.mtl": PLAIN})
    mesh = catalogue.load(catalogue["Tiny#a"])
    np.testing.assert_allclose(mesh.bounds, [[-2, -1, 0], [2, 1, 1]], atol=1e-6)
    top = mesh.vertices[mesh.vertices[:, 2] > 0.5]
    assert (top[:, 0] < -1.9).all(), "(x, y, z) becomes (z, y, -x): the back, -z, is at the left"


def test_rotation_that_the_size_was_measured_without_is_ignored(write):
    text = entry(1, "a", size=(200, 400, 100), modelRotation="0 0 1 0 1 0 -1 0 0")
    catalogue = write(text, {"a/a.obj": wedge("m"), "a/m.mtl": PLAIN})
    top = (mesh := catalogue.load(catalogue["Tiny#a"])).vertices[mesh.vertices[:, 2] > 0.5]
    assert (top[:, 1] > 1.9).all()


def test_texture_keeps_its_coordinates(write):
    material = "newmtl m\nKd 1 1 1\nmap_Kd a picture.png\n"
    files = {"a/a.obj": wedge("m"), "a/m.mtl": material, "a/a picture.png": png((255, 0, 0), (0, 0, 255))}
    catalogue = write(entry(1, "a"), files)
    mesh = catalogue.load(catalogue["Tiny#a"])
    assert mesh.textures[0].tolist() == [[[255, 0, 0, 255], [0, 0, 255, 255]]]
    assert (mesh.texture == 0).all()
    corners = mesh.vertices[mesh.faces]
    base = corners[:2].reshape(-1, 3)
    expected = np.stack([(base[:, 0] + 1) / 2, (2 - base[:, 1]) / 4], axis=1)
    np.testing.assert_allclose(mesh.uv[:2].reshape(-1, 2), expected, atol=1e-6)


def test_picture_without_coordinates_gives_its_mean_colour(write):
    files = {"a/a.obj": without_uv(wedge("m")), "a/m.mtl": "newmtl m\nmap_Kd p.png\n"}
    catalogue = write(entry(1, "a"), files | {"a/p.png": png((200, 0, 100), (100, 50, 0))})
    mesh = catalogue.load(catalogue["Tiny#a"])
    assert mesh.textures == []
    assert mesh.colors[0].tolist() == [150, 25, 50]


@pytest.mark.parametrize("dead", ["/Users/me/3D TEXTURES/P.PNG", "C:\\\\art\\\\p.png", "elsewhere.png"])
def test_dead_path_finds_the_picture_beside_it(write, dead):
    files = {"a/a.obj": wedge("m"), "a/m.mtl": f"newmtl m\nmap_Kd {dead}\n", "a/p.png": png((1, 2, 3))}
    catalogue = write(entry(1, "a"), files)
    assert catalogue.load(catalogue["Tiny#a"]).textures[0][0, 0].tolist() == [1, 2, 3, 255]


def test_dead_path_without_a_picture_leaves_the_colour(write):
    files = {"a/a.obj": wedge("m"), "a/m.mtl": PLAIN + "map_Kd gone.png\n"}
    catalogue = write(entry(1, "a"), files)
    mesh = catalogue.load(catalogue["Tiny#a"])
    assert mesh.textures == []
    assert mesh.colors[0].tolist() == [255, 128, 0]


@pytest.mark.parametrize(("line", "kept"), [("d 0.59", False), ("d 0.6", True), ("Tr 0.7", False), ("Tr 0", True)])
def test_transparent_faces_are_left_out(write, line, kept):
    glass = "usemtl glass\nf 1/1 3/3 6/2\n"
    material = PLAIN + f"newmtl glass\nKd 0 0 1\n{line}\n"
    catalogue = write(entry(1, "a"), {"a/a.obj": wedge("m") + glass, "a/m.mtl": material})
    assert len(catalogue.load(catalogue["Tiny#a"]).faces) == (5 if kept else 4)


def test_glass_that_is_left_out_counts_for_the_size(write):
    top = "v 3 7 0\nv 5 7 0\nv 5 7 4\nusemtl glass\nf 7 8 9\n"
    files = {"a/a.obj": wedge("m") + top, "a/m.mtl": PLAIN + "newmtl glass\nd 0.2\n"}
    catalogue = write(entry(1, "a", size=(200, 400, 200)), files)
    np.testing.assert_allclose(catalogue.load(catalogue["Tiny#a"]).bounds, [[-1, -2, 0], [1, 2, 1]], atol=1e-6)


def test_nothing_but_glass_is_an_error(write):
    catalogue = write(entry(1, "a"), {"a/a.obj": wedge("m"), "a/m.mtl": "newmtl m\nd 0.1\n"})
    with pytest.raises(InputError, match="no opaque face"):
        catalogue.load(catalogue["Tiny#a"])


def test_flat_piece_keeps_its_thickness_of_zero(write):
    flat = "\n".join(line for line in wedge("m").splitlines() if line not in ("f 4/4 3/3 6/2", "f 4/4 6/2 5/1"))
    catalogue = write(entry(1, "a", size=(100, 100, 1)), {"a/a.obj": flat, "a/m.mtl": PLAIN})
    mesh = catalogue.load(catalogue["Tiny#a"])
    np.testing.assert_allclose(mesh.vertices[mesh.faces][..., 2], 0, atol=1e-7)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut off"])
def test_broken_catalogue(tmp_path, content):
    path = tmp_path / "broken.sh3f"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.sh3f"):
        Catalogue([path])


def test_missing_things_are_named(write, tmp_path):
    with pytest.raises(InputError, match="no such catalogue"):
        Catalogue([tmp_path / "absent.sh3f"])
    with pytest.raises(InputError, match=r"no \.sh3f catalogue here"):
        Catalogue.in_folder(tmp_path)
    with pytest.raises(InputError, match=r"Tiny#a: missing or unreadable entry"):
        write("id#1=Tiny#a\nname#1=x\n", {})
    catalogue = write(entry(1, "a"), {})
    with pytest.raises(InputError, match=r"cannot read tiny/a/a\.obj"):
        catalogue.load(catalogue["Tiny#a"])
    with pytest.raises(InputError, match="'Tiny#b'"):
        catalogue["Tiny#b"]


@real
def test_the_real_catalogues():
    catalogue = Catalogue.in_folder(REAL)
    assert len(catalogue) == 820
    assert len({piece.id for piece in catalogue.pieces}) == 820
    assert {piece.creator for piece in catalogue.pieces} >= {"Scopia", "Kator Legaz", "Jay-Artist"}
    assert all("Creative Commons" in piece.licence or "Public domain" in piece.licence for piece in catalogue.pieces)


@real
@pytest.mark.parametrize(
    "id", ["Scopia#table4", "Kator Legaz#oriental-rug", "Blend Swap CC-0#oakChair", "Blend Swap CC-BY#laptop"]
)
def test_a_real_model_has_its_size(id):
    catalogue = Catalogue.in_folder(REAL)
    piece = catalogue[id]
    low, high = catalogue.load(piece).bounds
    np.testing.assert_allclose(high - low, piece.size, atol=1e-4)
    np.testing.assert_allclose([*(low + high)[:2], low[2]], 0, atol=1e-4)


@real
@pytest.mark.slow
def test_every_real_model_loads():
    catalogue = Catalogue.in_folder(REAL)
    glass = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for piece in catalogue.pieces:
            try:
                mesh = catalogue.load(piece)
            except InputError as error:
                assert "no opaque face" in str(error)  # noqa: PT017
                glass.append(piece.id)
                continue
            assert np.isfinite(mesh.vertices).all()
            assert mesh.texture.max() < len(mesh.textures) or not mesh.textures
    assert len(glass) < 10
