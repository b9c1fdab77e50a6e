"""Shards: what goes in comes out, once each, over any number of readers; damage is named."""

from __future__ import annotations

import json
import tarfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scanwise.data.shards import read_shards, write_shards
from scanwise.errors import InputError, OutputError
from scanwise.files import DepthFile, ImageFile
from scanwise.scene import ArrayRaster, Box, Referral, Scene, View

SCENES = 11


def _scene(index: int) -> Scene:
    rng = np.random.default_rng(index)
    return Scene(points=rng.normal(size=(5, 3)), labels=rng.integers(-1, 3, 5), name=f"scene-{index}")


def _full_scene(folder) -> Scene:
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 255, (6, 8, 3), np.uint8)).save(folder / "a.jpg")
    Image.fromarray(np.array([[1000, 0], [65535, 2000]], np.uint16)).save(folder / "a.png")
    pose = np.eye(4)
    pose[0, 3] = 1.5
    return Scene(
        points=rng.normal(size=(4, 3)),
        colors=rng.integers(0, 255, (4, 3)),
        normals=np.tile([0, 0, 1], (4, 1)),
        intensity=rng.random(4),
        labels=[0, 1, -1, 0],
        instances=[0, 1, -1, 0],
        classes=["chair", "sofa"],
        boxes=[Box(0, "chair", (0.0, 1.0, 2.0), (1.0, 1.0, 1.0), 0.5, (1.0, 0.0))],
        sentences=[Referral("the chair", 0)],
        views=[
            View(ImageFile(folder / "a.jpg"), np.eye(3), pose, DepthFile(folder / "a.png"), name="a"),
            View(ArrayRaster(np.full((3, 4, 3), 9, np.uint8)), np.eye(3), np.eye(4), ArrayRaster(np.ones((2, 2)))),
        ],
        attributes={"ring.number": np.arange(4, dtype=np.uint8)},
        to_source=pose,
        name="kitchen.1",
    )


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    return write_shards((_scene(index) for index in range(SCENES)), folder, scenes_per_shard=4)


def _names(*args, **options):
    return [scene.name for scene in read_shards(*args, **options)]


def test_every_field_comes_back(tmp_path):
    scene = _full_scene(tmp_path)
    (path,) = write_shards([scene], tmp_path / "out", scenes_per_shard=10)
    (back,) = read_shards(path)
    for name in ("points", "colors", "normals", "intensity", "labels", "instances", "to_source"):
        assert np.array_equal(getattr(back, name), getattr(scene, name)), name
    for name in ("classes", "boxes", "sentences", "name", "source_format"):
        assert getattr(back, name) == getattr(scene, name), name
    assert back.attributes["ring.number"].dtype == np.uint8
    for old, new in zip(scene.views, back.views, strict=True):
        assert np.array_equal(old.image, new.image)
        assert np.array_equal(old.depth, new.depth)
        assert (old.image_size, old.name) == (new.image_size, new.name)
        assert old.depth_raster.size() == new.depth_raster.size()
        assert np.array_equal(old.camera_to_world, new.camera_to_world)
    assert back.views[0].digest() == scene.views[0].digest()


def test_odd_pictures_read_as_from_their_files(tmp_path):
    """Grey of 16 bits, a palette, an alpha channel; and depth that is stored as an array."""
    grey = Image.fromarray(np.array([[0, 25700], [65535, 514]], np.uint16))
    clear = Image.fromarray(np.full((2, 2, 4), (9, 8, 7, 0), np.uint8))
    for name, picture in {"grey": grey, "palette": clear.convert("RGB").quantize(4), "clear": clear}.items():
        picture.save(tmp_path / f"{name}.png")
    far = ArrayRaster(np.full((2, 2), 70.5, np.float32))
    views = [View(ImageFile(path), np.eye(3), np.eye(4), far) for path in sorted(tmp_path.glob("*.png"))]
    (path,) = write_shards([Scene(np.zeros((1, 3)), views=views)], tmp_path / "out", scenes_per_shard=1)
    (back,) = read_shards(path)
    for old, new in zip(views, back.views, strict=True):
        np.testing.assert_array_equal(new.image, old.image)
        np.testing.assert_array_equal(new.depth, old.depth)
        assert new.depth_raster.size() == (2, 2)
    assert back.views[1].image[..., 0].tolist() == [[0, 100], [255, 2]]


def test_shards_are_filled_in_order(shards):
    assert [path.name for path in shards] == [f"shard-{index:06d}.tar" for index in range(3)]
    expected = [f"scene-{index}" for index in range(SCENES)]
    assert _names(shards) == _names(shards[0].parent) == _names(str(shards[0].parent / "shard-*.tar")) == expected


@settings(max_examples=40, deadline=None)
@given(world=st.integers(1, 5), workers=st.integers(1, 6), buffer=st.integers(0, 20), skip=st.integers(0, 3))
def test_readers_share_without_overlap_or_loss(shards, world, workers, buffer, skip):
    def share(rank, worker, skip=0):
        place = {"rank": rank, "world_size": world, "worker": (worker, workers)}
        return _names(shards, shuffle_buffer=buffer, seed=3, epoch=1, skip=skip, **place)

    shares = {(rank, worker): share(rank, worker) for rank in range(world) for worker in range(workers)}
    assert sorted(name for part in shares.values() for name in part) == sorted(f"scene-{i}" for i in range(SCENES))
    assert share(world - 1, workers - 1, skip) == shares[world - 1, workers - 1][skip:]


def test_the_seed_and_the_epoch_decide_the_order(shards):
    first = _names(shards, shuffle_buffer=20, seed=1)
    assert first == _names(shards, shuffle_buffer=20, seed=1)
    assert first != _names(shards, shuffle_buffer=20, seed=1, epoch=1)
    assert first != _names(shards, shuffle_buffer=20, seed=2)
    assert first != _names(shards)


def test_workers_of_a_dataloader_are_found(shards):
    from torch.utils.data import DataLoader, IterableDataset

    class Stream(IterableDataset):
        def __iter__(self):
            return (scene.name for scene in read_shards(shards))

    names = list(DataLoader(Stream(), batch_size=None, num_workers=2))
    assert sorted(names) == sorted(f"scene-{index}" for index in range(SCENES))


def test_webdataset_reads_ours(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    scene = _full_scene(tmp_path)
    (path,) = write_shards([scene, _scene(2)], tmp_path / "out", scenes_per_shard=10)
    first, second = webdataset.WebDataset(str(path), shardshuffle=False).decode("rgb8")
    assert np.array_equal(first["points.npy"], scene.points)
    assert np.array_equal(first["images-000000.jpg"], scene.views[0].image)
    assert first["json"]["classes"] == ["chair", "sofa"]
    assert (second["__key__"], second["json"]["name"]) == ("000001", "scene-2")


def test_ours_reads_webdatasets(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    points = np.arange(6, dtype=np.float32).reshape(2, 3)
    with webdataset.TarWriter(str(tmp_path / "a.tar")) as writer:
        writer.write({"__key__": "run/a", "points.npy": points, "json": {"name": "a"}})
        writer.write({"__key__": "run/b", "points.npy": points + 1})
    first, second = read_shards(tmp_path / "a.tar")
    assert (first.name, second.name) == ("a", "scene")
    assert np.array_equal(second.points, points + 1)


@pytest.mark.parametrize("left", [0, 100, 512, 3000, -10240])
def test_a_truncated_shard_is_named(shards, tmp_path, left):
    content = shards[0].read_bytes()
    cut = len(content.rstrip(b"\0")) // 512 * 512 if left < 0 else left
    (tmp_path / "cut.tar").write_bytes(content[:cut])
    with pytest.raises(InputError, match=r"cut\.tar"):
        list(read_shards(tmp_path / "cut.tar"))


def test_a_shard_that_ends_between_members_is_named(shards, tmp_path):
    with tarfile.open(shards[0]) as tar:
        end = next(member.offset for member in tar if member.name == "000001.json")
    (tmp_path / "cut.tar").write_bytes(shards[0].read_bytes()[:end])
    with pytest.raises(InputError, match=r"cut\.tar: truncated shard"):
        list(read_shards(tmp_path / "cut.tar"))


def test_one_wrong_byte_is_named(shards, tmp_path):
    with tarfile.open(shards[0]) as tar:
        place = tar.getmember("000002.points.npy").offset_data + 130
    content = bytearray(shards[0].read_bytes())
    content[place] ^= 1
    (tmp_path / "bad.tar").write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.tar: 000002\.points\.npy"):
        list(read_shards(tmp_path / "bad.tar"))


def test_a_missing_member_is_named(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        (tmp_path / "x").write_text(json.dumps({"name": "a"}))
        tar.add(tmp_path / "x", "a.json")
    with pytest.raises(InputError, match=r"a\.tar: points\.npy"):
        list(read_shards(tmp_path / "a.tar"))


def test_what_cannot_be_asked(shards, tmp_path):
    with pytest.raises(InputError, match="no shards"):
        read_shards(tmp_path)
    with pytest.raises(InputError, match=r"gone\.tar"):
        list(read_shards([tmp_path / "gone.tar"]))
    with pytest.raises(InputError, match="rank 2 of 2"):
        read_shards(shards, rank=2, world_size=2)
    with pytest.raises(OutputError, match="holds shards already"):
        write_shards([_scene(0)], shards[0].parent, scenes_per_shard=1)


def test_a_failing_source_leaves_no_half_shard(tmp_path):
    def scenes():
        yield _scene(0)
        yield _scene(1)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_shards(scenes(), tmp_path, scenes_per_shard=4)
    assert list(tmp_path.iterdir()) == []
