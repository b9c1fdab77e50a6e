import json
import os
from itertools import islice, pairwise

import numpy as np
import pytest

from scanwise.data.classes import class_counts, class_names
from scanwise.data.datasets import Draw, Loader, SceneDataset, read_source, scene_paths
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats.registry import read_scene, write_scene
from scanwise.scene import Scene
from tests.geometry.rooms import furnished_room
from tests.scenes import CLASSES, write_scenes


def describe(scene, generator):
    return scene.name, float(generator.random())


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"), train=7, val=2)


def loader(root, **options):
    return Loader(SceneDataset(scene_paths(root, "train"), describe), seed=3, collate=list, **options)


def test_scenes_are_found_with_and_without_an_index(root, tmp_path):
    assert [path.name for path in scene_paths(root, "val")] == ["0000", "0001"]
    assert len(scene_paths(root / "train", "train")) == 7
    (tmp_path / "index.json").write_text(json.dumps({"scenes": [{"split": "test", "path": "x/y"}]}))
    assert scene_paths(tmp_path, "test") == [tmp_path / "x" / "y"]
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(InputError, match="not an index"):
        scene_paths(tmp_path, "test")


def test_unfinished_scenes_are_not_found(root, tmp_path):
    write_scenes(tmp_path, train=1)
    (tmp_path / "train" / "0000").rename(tmp_path / "train" / ".scanwise-half")
    with pytest.raises(InputError, match="no scene folders"):
        scene_paths(tmp_path, "train")


def test_scenes_behind_symbolic_links_are_found(root, tmp_path):
    (tmp_path / "train").mkdir()
    for name in ("0001", "0003"):
        (tmp_path / "train" / name).symlink_to(root / "train" / name, target_is_directory=True)
    (tmp_path / "train" / "back").symlink_to(tmp_path, target_is_directory=True)  # one that leads in a circle
    assert scene_paths(tmp_path, "train") == [tmp_path / "train" / name for name in ("0001", "0003")]


def test_where_a_split_has_no_folder_it_is_said_what_is_taken(root, tmp_path):
    write_scenes(tmp_path, train=2)
    with pytest.warns(ScanwiseWarning, match="has no folder val, so every scene in it \(2\) is taken for val"):
        assert scene_paths(tmp_path, "val") == scene_paths(tmp_path, "train")


def test_classes_of_scene_folders_are_listed_without_reading_points(root, monkeypatch):
    monkeypatch.setattr("scanwise.data.classes.read_source", lambda source: pytest.fail("read"))
    assert class_names(scene_paths(root, "train")) == CLASSES


def test_files_of_other_programs_are_trained_on_upright_and_without_strays(tmp_path):
    points = np.concatenate([furnished_room().points[:, [1, 2, 0]], [[900, 0, 0]]])
    write_scene(Scene(points), tmp_path / "room.ply")
    with pytest.warns(ScanwiseWarning) as said:
        scene = read_source(tmp_path / "room.ply")
    assert len(said) == 2
    assert np.flatnonzero(~scene.finite).tolist() == [len(points) - 1]
    np.testing.assert_allclose(scene.points[:-1, 2], points[:-1, 1], atol=0.05)


def test_files_in_millimetres_become_scene_folders_first(tmp_path):
    write_scene(Scene(furnished_room().points * 1000), tmp_path / "room.ply")
    with pytest.raises(InputError, match=r"millimetres\? Say so with unit mm; `scanwise convert` makes a scene folder"):
        read_source(tmp_path / "room.ply")
    write_scene(read_scene(tmp_path / "room.ply", unit="mm"), tmp_path / "room")
    np.testing.assert_allclose(read_source(tmp_path / "room").points, furnished_room().points, atol=1e-3)


def test_a_smaller_share_is_part_of_a_larger(root):
    shares = [set(scene_paths(root, "train", share)) for share in (0.01, 0.3, 0.6, 1.0)]
    assert [len(share) for share in shares] == [1, 2, 4, 7]
    assert all(small <= large for small, large in pairwise(shares))


def test_batches_go_on_from_any_step_as_if_nothing_had_happened(root):
    whole = list(islice(loader(root, batch=2).batches(0), 8))
    assert list(islice(loader(root, batch=2).batches(5), 3)) == whole[5:]
    first_epoch = [name for batch in whole[:3] for name, _ in batch]
    assert len(set(first_epoch)) == 6
    assert whole[0] != whole[3]


def test_processes_share_out_the_batch_of_one(root):
    whole = list(islice(loader(root, batch=4).batches(0), 3))
    parts = [list(islice(loader(root, batch=4, rank=rank, world=2).batches(0), 3)) for rank in range(2)]
    for step, batch in enumerate(whole):
        assert sorted(parts[0][step] + parts[1][step]) == sorted(batch)


def test_workers_make_what_one_process_makes(root):
    assert list(islice(loader(root, batch=2, workers=2).batches(1), 3)) == list(
        islice(loader(root, batch=2).batches(1), 3)
    )


def in_process(scene, generator):
    return os.getpid()


def test_workers_stay_from_epoch_to_epoch(root):
    dataset = SceneDataset(scene_paths(root, "train"), in_process)
    batches = list(islice(Loader(dataset, batch=3, seed=3, collate=list, workers=1).batches(1), 5))
    workers = {process for batch in batches for process in batch}
    assert len(workers) == 1
    assert os.getpid() not in workers


def test_points_of_each_class_are_counted(root):
    labels = np.concatenate([read_source(path).labels for path in scene_paths(root, "train")])
    assert class_counts(scene_paths(root, "train")) == (CLASSES, np.bincount(labels).tolist())


def test_counts_reach_as_far_as_the_longest_list_of_classes():
    scenes = [
        Readable(Scene(np.zeros((3, 3), np.float32), labels=np.array(labels, np.int32), classes=classes, name="x"))
        for labels, classes in (([0, -1, 1], ["a", "b"]), ([1, 1, 0], ["a", "b", "b"]))
    ]
    assert class_counts(scenes) == (["a", "b", "b"], [2, 3, 0])


class Readable:
    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def read(self) -> Scene:
        return self.scene


def test_a_draw_has_random_numbers_of_its_own():
    assert Draw(1, (3, 0, 1)).generator().random() == np.random.default_rng((3, 0, 1)).random()


@pytest.mark.parametrize(
    ("options", "said"), [({"batch": 8}, "fewer than a batch of 8"), ({"batch": 3, "world": 2}, "cannot be shared")]
)
def test_batches_that_cannot_be_are_refused(root, options, said):
    with pytest.raises(InputError, match=said):
        loader(root, **options)
