"""What pooling does to labels that are true, or spoilt in a known way."""

import numpy as np
import pytest

from scanwise.data.surface import Surface
from scanwise.errors import InputError
from scanwise.evaluation.segmentation import Confusion
from scanwise.formats import folder
from scanwise.methods.geopurify.evaluate import POOLINGS, comparison_table, confusion_of, evaluate, labelled_scene
from scanwise.methods.geopurify.model import load_student
from scanwise.methods.geopurify.noise import Noise, corrupted
from tests.methods.geopurify.corners import coloured
from tests.worlds import ColourVision


def test_true_labels_in_place_of_a_2d_model_label_nearly_everything(run):
    scene, student = coloured(5), load_student(run[0])
    clean = labelled_scene(scene, student, ColourVision(), noise=Noise("flip", 0.0))
    assert confusion_of([clean], "off").metrics()["miou"] > 0.9  # not all, as edges hide a part
    flipped = labelled_scene(scene, student, ColourVision(), noise=Noise("flip", 0.5))
    off, geometry = (confusion_of([flipped], way).metrics()["miou"] for way in ("off", "geometry"))
    assert off < 0.85
    assert geometry > off + 0.1
    assert len(flipped.scores) == len(Surface(scene))


def test_noise_spoils_what_it_says():
    random = np.random.default_rng(0)
    labels = np.repeat([[0, 1, -1]], 60, axis=0).repeat(20, axis=1)
    objects = labels.copy()
    flipped = corrupted(labels, objects, 3, Noise("flip", 0.6), random)
    assert (flipped.argmax(0).numpy() != labels)[:, :40].mean() == pytest.approx(0.4, abs=0.05)  # a third are their own
    assert flipped[:, :, 40:].sum() == 0
    regions = [corrupted(labels, objects, 3, Noise("region", 0.6), random).argmax(0).numpy() for _ in range(200)]
    assert all(len(np.unique(region[:, :20])) == 1 for region in regions)
    assert np.mean([region[0, 0] != 0 for region in regions]) == pytest.approx(0.4, abs=0.12)
    blurred = corrupted(labels, objects, 3, Noise("blur", 4.0), random)
    assert blurred[0, 30, 5] == pytest.approx(1, abs=1e-3)
    assert blurred[0, 30, 19] + blurred[1, 30, 19] == pytest.approx(1, abs=1e-3)
    assert 0.5 < blurred[0, 30, 19] < 0.7


@pytest.mark.parametrize("text", ["flip", "flip:2", "swap:0.1", "blur:-1", "region:x"])
def test_noise_that_is_none(text):
    with pytest.raises(InputError, match=f"^{text}: give flip:0.3") as caught:
        Noise.parse(text)
    assert caught.value.option == "noise"


def test_several_scenes_are_counted_together(run, tmp_path):
    student = load_student(run[0])
    paths, noise = [tmp_path / "5", tmp_path / "6"], Noise("flip", 0.5)
    for path in paths:
        folder.write(coloured(int(path.name)), path)
    found = evaluate(paths, student, ColourVision(), noise=noise)
    assert tuple(found) == POOLINGS
    scenes = [labelled_scene(folder.read(path), student, ColourVision(), noise=noise) for path in paths]
    for pooling, confusion in found.items():
        assert confusion.matrix.sum() == sum(len(scene.labels) for scene in scenes)
        np.testing.assert_array_equal(confusion.matrix, confusion_of(scenes, pooling, student).matrix)


def test_the_table_leaves_out_what_the_truth_has_not():
    half = Confusion(["red", "green", "blue"], np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]]))
    whole = Confusion(["red", "green", "blue"], np.diag([2, 2, 0]))
    lines = comparison_table({"off": half, "learned": whole}).splitlines()
    assert lines[0] == "| class | off | learned |"
    assert lines[2:] == ["| red | 50.0 | 100.0 |", "| green | 66.7 | 100.0 |", "| **mean** | **58.3** | **100.0** |"]
