"""The supply, with catalogues that the test writes: none, a tiny one, a changed one."""

import io
import zipfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.synth import store
from scanwise.synth.classes import NAMES, PIECES
from scanwise.synth.furniture import PROPERTIES
from scanwise.synth.store import ENOUGH, add_catalogues, attributions, furniture_supply, held_out_pieces

MTL = "newmtl m\nKd 1 1 1\nmap_Kd wood.png\n"
OBJ = "\n".join(
    [
        "mtllib s.mtl", "v 0 0 0", "v 2 0 0", "v 2 0 1", "v 0 1 0", "vt 0 0", "vt 1 0", "vt 1 1", "usemtl m",
        "f 1/1 2/2 3/3", "f 1/1 2/2 4/3", "f 2/1 3/2 4/3", "f 3/1 1/2 4/3",
    ]
)  # fmt: skip


def wood() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((512, 1024, 3), (200, 20, 25), np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def write_catalogue(path, pieces: dict[str, str], licence: str = "CC0"):
    """A catalogue of these pieces, id -> label, all of one model with a texture of 1024 x 512."""
    entries = [
        f"id#{n}={id}\nname#{n}={label}\nmodel#{n}=/s/s.obj\nwidth#{n}=40\ndepth#{n}=30\nheight#{n}=45\ncreator#{n}=Zoe\n"
        for n, (id, label) in enumerate(pieces.items(), 1)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(PROPERTIES, f"license={licence}\n" + "".join(entries))
        for name, content in {"s/s.obj": OBJ, "s/s.mtl": MTL, "s/wood.png": wood()}.items():
            archive.writestr(name, content)
    return path


@pytest.fixture(autouse=True)
def nothing_here(monkeypatch, tmp_path):
    """A machine without catalogues."""
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SCANWISE_FURNITURE", raising=False)
    monkeypatch.setattr(store, "DEBIAN", tmp_path / "nowhere")


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A folder that SCANWISE_FURNITURE names."""
    place = tmp_path / "mine"
    place.mkdir()
    monkeypatch.setenv("SCANWISE_FURNITURE", str(place))
    return place


def test_without_catalogues_built_in_pieces_stand_in():
    with pytest.warns(ScanwiseWarning, match="scanwise furniture fetch"):
        supply = furniture_supply()
    assert len(supply.names()) >= 30
    assert supply.names() == sorted(supply.names())
    assert all(model.id.startswith("built-in#") for model in supply.all())
    chair = supply.models("office chair", held_out=False)[0]
    assert len(chair.load(np.random.default_rng(0)).faces) > 10
    assert supply.models("flux capacitor", held_out=True) == []
    assert supply.vocabulary()["office chair"] == NAMES["office chair"].synonyms


def test_a_piece_of_a_catalogue_is_a_model(folder):
    write_catalogue(folder / "Tiny.sh3f", {"Tiny#a": "Red office chair", "Tiny#b": "Flux capacitor"})
    supply = furniture_supply()
    (chair,) = [model for model in supply.all() if model.id.startswith("Tiny")]
    assert (chair.id, chair.name, chair.kind, chair.held_out) == ("Tiny#a", "office chair", "chair", False)
    assert chair.size == pytest.approx((0.4, 0.3, 0.45))
    mesh = chair.load(np.random.default_rng(0))
    np.testing.assert_allclose(mesh.bounds, [[-0.2, -0.15, 0], [0.2, 0.15, 0.45]], atol=1e-6)
    assert mesh.textures[0].shape == (128, 256, 4), "textures are made smaller"
    assert (mesh.textures[0][..., :3] == (200, 20, 25)).all()


def test_built_in_pieces_join_where_there_are_few(folder):
    few = {f"Tiny#few{n}": "Office chair" for n in range(ENOUGH - 1)}
    enough = {f"Tiny#enough{n}": "Bathtub" for n in range(ENOUGH)}
    write_catalogue(folder / "Tiny.sh3f", few | enough)
    sources = {
        name: Counter(model.id.partition("#")[0] for model in furniture_supply().models(name, held_out=True))
        for name in ("office chair", "bathtub")
    }
    assert sources["office chair"]["Tiny"] == ENOUGH - 1
    assert sources["office chair"]["built-in"] > 0
    assert sources["bathtub"] == {"Tiny": ENOUGH}


def test_of_two_pieces_with_one_id_the_first_stays(folder):
    for name, label in (("A.sh3f", "Bathtub"), ("B.sh3f", "Office chair")):
        write_catalogue(folder / name, {"Tiny#a": label})
    assert [model.name for model in furniture_supply().all() if model.id == "Tiny#a"] == ["bathtub"]


def test_a_quarter_of_the_known_pieces_is_held_out():
    known = Counter(name for name in PIECES.values() if name)
    chosen = Counter(PIECES[id] for id in held_out_pieces())
    for name, count in known.items():
        assert chosen[name] < count, f"some {name} must be left to train with"
        if count >= ENOUGH:
            assert chosen[name] == (count + 2) // 4
    assert sum(chosen.values()) / sum(known.values()) == pytest.approx(0.25, abs=0.04)


def test_a_piece_is_held_out_whatever_else_is_there(folder):
    """The same pieces, alone and among others, and one that the table does not know."""
    name = Counter(name for name in PIECES.values() if name).most_common(1)[0][0]
    ids = [id for id in PIECES if PIECES[id] == name]
    unknown = {f"Tiny#{n}": name for n in range(200)}

    def held_out(pieces):
        write_catalogue(folder / "Tiny.sh3f", pieces)
        return {model.id for model in furniture_supply().all() if model.held_out and model.id in pieces}

    alone, among = held_out(dict.fromkeys(ids[:3], "x")), held_out(dict.fromkeys(ids, "x") | unknown)
    assert alone == among & set(ids[:3])
    assert among & set(ids) == held_out_pieces() & set(ids)
    assert 0.15 < len(among & set(unknown)) / 200 < 0.35


def test_training_sees_no_held_out_model():
    with pytest.warns(ScanwiseWarning):
        supply = furniture_supply()
    seen, everything = (supply.models("office chair", held_out=flag) for flag in (False, True))
    assert not any(model.held_out for model in seen)
    assert [model for model in everything if not model.held_out] == list(seen)
    assert len(everything) > len(seen) > 0


def test_a_synonym_finds_the_models_of_what_it_means():
    with pytest.warns(ScanwiseWarning):
        supply = furniture_supply()
    name, synonyms = next((name, words) for name, words in supply.vocabulary().items() if words)
    assert set(supply.models(name, held_out=True)) <= set(supply.models(synonyms[0], held_out=True))


def test_another_file_by_a_known_name_warns(folder):
    path = write_catalogue(folder / "Scopia.sh3f", {"Tiny#a": "Office chair"})
    with pytest.warns(ScanwiseWarning, match=r"Scopia\.sh3f: not the catalogue that was recorded"):
        furniture_supply()
    assert path.exists()


def test_a_catalogue_that_changed_after_it_was_added_warns_until_it_is_added_again(tmp_path):
    path = write_catalogue(tmp_path / "Tiny.sh3f", {"Tiny#a": "Office chair"})
    (kept,) = add_catalogues([path])
    assert kept.read_bytes() == path.read_bytes()
    assert store.catalogue_paths() == [kept]
    furniture_supply()
    write_catalogue(kept, {"Tiny#a": "Office chair", "Tiny#b": "Bathtub"})
    with pytest.warns(ScanwiseWarning, match="other scenes than elsewhere"):
        furniture_supply()
    add_catalogues([write_catalogue(path, {"Tiny#b": "Bathtub"})])
    assert "Tiny#b" in {model.id for model in furniture_supply().all()}


def test_a_mesh_is_read_from_the_cache_and_from_the_catalogue_when_that_is_damaged(folder, tmp_path, monkeypatch):
    path = write_catalogue(folder / "Tiny.sh3f", {"Tiny#a": "Office chair"})
    (model,) = [model for model in furniture_supply().all() if model.id == "Tiny#a"]
    first = model.load(np.random.default_rng(0))
    (cached,) = (tmp_path / "cache" / "furniture-meshes").rglob("*.npz")
    moved = path.rename(folder / "gone")
    again = model.load(np.random.default_rng(0))
    for name in ("vertices", "faces", "normals", "colors", "uv", "texture"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    np.testing.assert_array_equal(first.textures[0], again.textures[0])
    cached.write_bytes(cached.read_bytes()[:100])
    with pytest.raises(InputError, match="Tiny"):
        model.load(np.random.default_rng(0))
    moved.rename(path)
    np.testing.assert_array_equal(model.load(np.random.default_rng(0)).vertices, first.vertices)
    assert cached.stat().st_size > 100


def test_attributions_say_whose_models_they_are(folder):
    write_catalogue(folder / "Tiny.sh3f", {"Tiny#a": "Office chair", "Tiny#b": "Bathtub"}, licence="CC-BY 3.0")
    assert attributions(["Tiny#b", "Tiny#a", "Tiny#a", "", "built-in#bed-0", "Lost#x"]) == [
        "Zoe (CC-BY 3.0; Tiny.sh3f): Tiny#a, Tiny#b",
        "of a catalogue that is not on this machine: Lost#x",
        "scanwise's built-in shapes (Apache-2.0): built-in#bed-0",
    ]


def test_a_wrong_folder_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("SCANWISE_FURNITURE", str(tmp_path / "absent"))
    with pytest.raises(InputError, match=r"absent: no such folder; SCANWISE_FURNITURE"):
        furniture_supply()


def test_a_damaged_catalogue_is_said(folder):
    (folder / "Tiny.sh3f").write_bytes(b"no zip")
    with pytest.raises(InputError, match=r"Tiny\.sh3f"):
        furniture_supply()
