import numpy as np
import pytest

from scanwise.data.datasets import scene_paths
from scanwise.data.few_labels import WithFewLabels, few_labels
from scanwise.data.label_sets import LABEL_SETS, Relabelled, with_labels
from scanwise.errors import InputError
from scanwise.evaluation.segmentation import Confusion, group_metrics
from scanwise.scene import Scene
from tests import layouts
from tests.scenes import labelled_scene


def test_scannet200_is_the_benchmarks():
    names = LABEL_SETS["scannet200"]
    assert len(names.classes) == 200
    assert [names.classes[k] for k in (0, 1, 26, 199)] == ["wall", "chair", "towel", "mattress"]
    assert names.numbers[1191] == 199
    groups = names.groups
    assert [len(groups[kind]) for kind in ("head", "common", "tail", "foreground")] == [66, 68, 66, 197]


def test_scannet200_of_a_scene(tmp_path):
    root = layouts.scannet(tmp_path)
    scene = with_labels(scene_paths(root, "val"), "scannet200")[0].read()
    names = {scene.classes[label] for label in np.unique(scene.labels)}
    assert names == {"wall", "chair", "office chair", "table", "floor", "ceiling"}
    assert scene.classes[int(scene.labels[scene.instances == 1][0])] == "office chair"


def test_matterport21_has_the_ceiling(tmp_path):
    root = layouts.matterport(tmp_path)
    scene = with_labels(scene_paths(root, "train"), "matterport21")[0].read()
    assert scene.classes[20] == "ceiling"
    ceiling = scene.points[scene.labels == 20]
    assert len(ceiling) > 0
    assert ceiling[:, 2].min() > 2.3


def test_other_scenes_are_refused():
    class Elsewhere:
        def read(self) -> Scene:
            return labelled_scene(0, 50)

    with pytest.raises(InputError, match="has no scannet200 for the points"):
        Relabelled(Elsewhere(), "scannet200").read()
    with pytest.raises(InputError, match="no such set of labels; there are scannet20, scannet200"):
        with_labels([Elsewhere()], "ade")


def test_waymos_labelled_frames_alone(tmp_path):
    root = layouts.waymo(tmp_path)
    frames = scene_paths(root, "train")
    assert [frame.labelled for frame in frames] == [True, True, False]
    assert len(with_labels(frames, "waymo")) == 2


def test_groups_by_hand():
    """a: IoU 2/3, accuracy 1; b: IoU 1/2, accuracy 1/2."""
    counts = Confusion(["a", "b", "c"])
    counts.add(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]))
    found = group_metrics(counts, {"both": frozenset("ab"), "one": frozenset("b"), "none": frozenset("c")})
    assert found == pytest.approx({"both_miou": 7 / 12, "both_macc": 0.75, "one_miou": 0.5, "one_macc": 0.5})


def test_few_labels_are_the_same_each_time():
    labels = np.array([-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    kept = few_labels(labels, 0.3, "room")
    assert (kept >= 0).sum() == 3
    np.testing.assert_array_equal(kept[kept >= 0], labels[kept >= 0])
    np.testing.assert_array_equal(kept, few_labels(labels, 0.3, "room"))
    assert (few_labels(labels, 1e-6, "room") >= 0).sum() == 1


def test_few_labels_of_a_scene(tmp_path):
    root = layouts.scannet(tmp_path)
    source = WithFewLabels(with_labels(scene_paths(root, "train"), "scannet20")[0], 0.1)
    scene = source.read()
    whole = source.source.read()
    assert len(source.classes) == 20
    assert (scene.labels >= 0).sum() == round(0.1 * (whole.labels >= 0).sum())
