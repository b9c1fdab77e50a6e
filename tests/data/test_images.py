"""Pictures from folders, archives, shards and scenes; batches that can be resumed."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from scanwise.data.datasets import Draw, Loader
from scanwise.data.image_views import Views, Whole
from scanwise.data.images import ImageDataset, collate, joined, read_images, subset
from scanwise.errors import InputError
from scanwise.formats import folder as scene_folder
from scanwise.formats.registry import write_scene
from tests.pictures import COLOURS, encoded, picture, write_folder, write_shard
from tests.worlds import corner_scene

CIFAR = Path(__file__).parents[2].parent / "shared" / "data" / "cifar10.zip"


@pytest.fixture
def pictures(tmp_path):
    return read_images(write_folder(tmp_path / "set", 4))


def test_folders_name_the_classes(pictures):
    assert pictures.classes == ["blue", "green", "red"]
    assert pictures.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert np.array_equal(np.asarray(pictures[9]), np.asarray(picture(COLOURS["red"], 2001)))


def test_pictures_below_no_split_and_in_no_class(tmp_path):
    picture(COLOURS["red"], 1).save(tmp_path / "a.png")
    found = read_images(tmp_path)
    assert found.labels.tolist() == [-1]
    assert found.classes == []


def test_an_archive_is_read_as_its_folder(tmp_path, pictures):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in sorted((tmp_path / "set").rglob("*.png")):
            archive.write(path, path.relative_to(tmp_path / "set"))
    zipped = read_images(tmp_path / "set.zip")
    assert (zipped.classes, zipped.labels.tolist()) == (pictures.classes, pictures.labels.tolist())
    assert all(np.array_equal(np.asarray(zipped[row]), np.asarray(pictures[row])) for row in range(len(pictures)))
    (tmp_path / "no.zip").write_bytes(b"no archive")
    with pytest.raises(InputError, match="ZIP"):
        read_images(tmp_path / "no.zip")


def test_shards_in_the_layout_of_webdataset(tmp_path):
    contents = [(encoded(picture(colour, row)), row % 3) for row, colour in enumerate(2 * list(COLOURS.values()))]
    write_shard(tmp_path / "train-000.tar", contents[:4])
    write_shard(tmp_path / "train-001.tar", contents[4:])
    write_shard(tmp_path / "test-000.tar", contents[:1])
    found = read_images(tmp_path)
    assert found.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert len(found.classes) == 3
    assert np.array_equal(np.asarray(found[4]), np.asarray(picture(COLOURS["green"], 4)))
    assert len(read_images(tmp_path, "test")) == 1


def test_shards_that_webdataset_writes(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    with webdataset.TarWriter(str(tmp_path / "a.tar")) as writer:
        for row in range(3):
            image = np.asarray(picture(COLOURS["red"], row))
            writer.write({"__key__": f"dir/{row:03d}", "png": image, "json": {"label": 2 - row}})
    found = read_images(tmp_path / "a.tar")
    assert found.labels.tolist() == [2, 1, 0]
    assert np.array_equal(np.asarray(found[1]), np.asarray(picture(COLOURS["red"], 1)))


def test_frames_of_scenes(tmp_path):
    scene = corner_scene()
    scene_folder.write(scene, tmp_path / "train" / "a")
    found = read_images(tmp_path)
    assert len(found) == len(scene.views)
    assert np.abs(np.asarray(found[0], int) - scene.views[0].image).mean() < 5  # stored as JPEG, perhaps


def test_frames_of_one_scene_and_of_a_recording(tmp_path):
    scene = corner_scene()
    scene_folder.write(scene, tmp_path / "scene")
    write_scene(scene, tmp_path / "recording" / "transforms.json")
    for name in ("scene", "recording"):
        found = read_images(tmp_path / name)  # and not its depth maps
        assert len(found) == len(scene.views)
        assert name in found.source.name(0)
        assert np.abs(np.asarray(found[1], int) - scene.views[1].image).mean() < 5


def test_joined_pictures_are_those_of_both(tmp_path, pictures):
    (tmp_path / "more").mkdir()
    picture(COLOURS["blue"], 7).save(tmp_path / "more" / "a.png")
    both = joined(pictures, read_images(tmp_path / "more"))
    last = len(pictures)
    assert len(both) == last + 1
    assert both.classes == pictures.classes
    assert both.labels[:last].tolist() == pictures.labels.tolist()
    assert set(both.labels[last:]) == {-1}
    assert np.array_equal(np.asarray(both[last - 1]), np.asarray(pictures[last - 1]))
    assert np.array_equal(np.asarray(both[last]), np.asarray(picture(COLOURS["blue"], 7)))
    assert both.source.name(last).endswith("a.png")


def test_what_is_damaged_or_missing_is_said_in_one_line(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        read_images(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no pictures"):
        read_images(tmp_path)
    (tmp_path / "bad.png").write_bytes(encoded(picture(COLOURS["red"], 1))[:300])
    with pytest.raises(InputError, match=r"bad\.png: truncated or corrupt"):
        read_images(tmp_path)[0]
    (tmp_path / "bad.tar").write_bytes(b"x" * 2000)
    with pytest.raises(InputError, match=r"bad\.tar: cannot be read"):
        read_images(tmp_path / "bad.tar")


def test_cifar_that_is_not_there_says_where_to_get_it(tmp_path):
    said = r"cifar10\.zip: no such .*cs\.toronto\.edu/~kriz/cifar\.html.*train/CLASS"
    with pytest.raises(InputError, match=said) as error:
        read_images(tmp_path / "cifar10.zip")
    assert error.value.option == "changes"
    assert "--set" not in str(error.value)
    with pytest.raises(InputError) as error:
        read_images(tmp_path / "photos.zip")
    assert "CIFAR" not in str(error.value)


def test_a_smaller_share_is_in_a_larger_and_has_all_classes(pictures):
    half, quarter = subset(pictures, 0.5), subset(pictures, 0.25)
    assert np.bincount(half.labels).tolist() == [2, 2, 2]
    assert np.bincount(quarter.labels).tolist() == [1, 1, 1]
    names = [{part.source.name(row) for row in range(len(part))} for part in (quarter, half, pictures)]
    assert names[0] < names[1] < names[2]


def test_batches_go_on_from_any_step_and_are_dealt_out(pictures):
    dataset = ImageDataset(pictures, Whole(16))

    def loader(**options):
        return Loader(dataset, batch=4, seed=3, collate=collate, **options)

    stream = loader().batches(0)
    batches = [next(stream) for _ in range(5)]
    first = batches[0]
    assert first.images.shape == (4, 3, 16, 16)
    assert first.aspect.tolist() == pytest.approx([1.25] * 4)
    assert first.images.dtype == torch.uint8
    later = next(loader().batches(4))
    assert torch.equal(later.images, batches[4].images)
    ranks = [next(loader(rank=rank, world=2).batches(0)) for rank in range(2)]
    assert torch.equal(torch.stack([part.images for part in ranks], 1).flatten(0, 1), first.images)


def test_a_draw_is_what_its_seed_says(pictures):
    dataset = ImageDataset(pictures, Views(16))
    one, same, other = (dataset[Draw(5, seed)] for seed in ((1, 0, 5), (1, 0, 5), (1, 1, 5)))
    assert np.array_equal(one.image, same.image)
    assert not np.array_equal(one.image, other.image)
    assert one.label == 1


def test_a_label_in_json_that_is_no_number_is_none(tmp_path):
    write_shard(tmp_path / "a.tar", [(encoded(picture(COLOURS["red"], 0)), json.dumps("cat"))])
    assert read_images(tmp_path / "a.tar").labels.tolist() == [-1]


@pytest.mark.skipif(not CIFAR.exists(), reason="needs ../shared/data/cifar10.zip")
def test_cifar_is_read_as_it_is():
    train, test = read_images(CIFAR, "train"), read_images(CIFAR, "test")
    assert np.bincount(train.labels).tolist() == [5000] * 10
    assert np.bincount(test.labels).tolist() == [1000] * 10
    assert train.classes[:2] == ["airplane", "automobile"]
    assert train[49_999].size == (32, 32)
