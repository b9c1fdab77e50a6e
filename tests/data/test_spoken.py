from pathlib import Path

import pytest

from scanwise.data.spoken import Spoken, file_of, split_said, spoken_scenes
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.scene import Referral
from tests import layouts


@pytest.mark.parametrize(
    ("name", "split", "expected"),
    [
        ("ScanRefer_filtered_train.json", "val", "ScanRefer_filtered_val.json"),
        ("multi3drefer_val.json", "train", "multi3drefer_train.json"),
        ("nr3d.csv", "val", "nr3d.csv"),
        ("restrained.json", "val", "restrained.json"),
    ],
)
def test_the_file_of_a_split_lies_beside(tmp_path, name, split, expected):
    (tmp_path / expected).touch()
    assert file_of(tmp_path / name, split) == tmp_path / expected


def test_what_a_name_says():
    assert split_said(Path("ScanRefer_filtered_val.json")) == "val"
    assert split_said(Path("nr3d.csv")) is None


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"a_val\.json: no such file; the sentences of val"):
        file_of(tmp_path / "a_train.json", "val")


def test_scanrefer_and_its_unique_objects(tmp_path):
    """Chair and office chair are of one class, the table is the only one of its."""
    spoken = layouts.scanrefer(tmp_path)
    scenes = spoken_scenes(tmp_path, spoken, "val")
    assert [scene.read().name for scene in scenes] == ["scene0011_00", "scene0015_00"]
    told = [(each.instance, each.group) for each in scenes[0].read().sentences]
    assert told == [(3, "unique"), (1, "multiple"), (2, "multiple")]


def test_an_epoch_of_sentences(tmp_path):
    spoken = layouts.scanrefer(tmp_path)
    parts = spoken_scenes(tmp_path, spoken, "train", each=2)
    assert [len(part.referrals) for part in parts] == [2, 1, 2, 1]


@pytest.mark.filterwarnings("ignore:.*do not name their target")
def test_one_file_of_all_splits_needs_lists(tmp_path):
    spoken = layouts.nr3d(tmp_path)
    assert [scene.source.name for scene in spoken_scenes(tmp_path, spoken, "val")] == ["scene0011_00", "scene0015_00"]
    (tmp_path / "scannetv2_val.txt").unlink()
    with pytest.raises(InputError, match=r"put scannetv2_val\.txt"):
        spoken_scenes(tmp_path, spoken, "val")


def test_what_is_not_there_is_told(tmp_path):
    spoken = layouts.scanrefer(tmp_path)
    (tmp_path / "scans" / "scene0001_00").rename(tmp_path / "gone")
    with pytest.warns(ScanwiseWarning, match="1 of its 2 scenes are not in"):
        scenes = spoken_scenes(tmp_path, spoken, "train")
    stranger = Spoken(scenes[0].source, (Referral("a lamp", 77), Referral("a table", 3)))
    with pytest.warns(ScanwiseWarning, match="1 sentences mean objects that it does not have"):
        assert [each.text for each in stranger.read().sentences] == ["a table"]
    layouts.imagenet(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"no scene folders of split|none of the 2 scenes"):
        spoken_scenes(tmp_path / "elsewhere", spoken, "val")
