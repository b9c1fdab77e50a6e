"""Labels by a trained student, and what it refuses."""

import numpy as np
import pytest

import scanwise
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.methods.geopurify.train import train
from scanwise.training.launch import make_fabric
from tests.methods.geopurify.corners import CLASSES, coloured, recipe
from tests.worlds import ColourVision


def test_labels_by_the_trained_student(run):
    scene = coloured(77)
    labels = scanwise.label(scene, CLASSES, vision=ColourVision(), purify=run[0])
    assert (labels.indices == scene.labels).mean() > 0.97
    others = {way: scanwise.label(scene, CLASSES, vision=ColourVision(), purify=way) for way in ("off", "geometry")}
    assert not np.allclose(labels.scores, others["off"].scores)
    assert not np.allclose(labels.scores, others["geometry"].scores)
    default = scanwise.label(scene, CLASSES, vision=ColourVision())
    np.testing.assert_array_equal(default.scores, others["geometry"].scores)


def test_a_student_of_another_2d_model_is_refused(run):
    other = ColourVision()
    other.name = "shades"
    with pytest.raises(InputError, match="features of colour, not of shades"):
        scanwise.prepare(coloured(77), vision=other, purify=run[0])


def test_a_changed_student_is_not_taken_from_the_cache(run, data, teacher, tmp_path):
    more = recipe(data, seed=2, steps=2)
    train(more, tmp_path, make_fabric(device="cpu"), teacher=teacher, vision=ColourVision())
    scene = coloured(77)
    first = scanwise.label(scene, CLASSES, vision=ColourVision(), purify=run[0])
    second = scanwise.label(scene, CLASSES, vision=ColourVision(), purify=tmp_path)
    assert not np.array_equal(first.scores, second.scores)


@pytest.mark.filterwarnings("ignore:the weights of scanwise are not installed")
def test_the_shipped_student_gives_way_to_geometry_for_another_2d_model(run, monkeypatch, tmp_path):
    monkeypatch.setattr("scanwise.training.checkpoints.SHIPPED", tmp_path)
    with pytest.raises(InputError, match="no student is shipped"):
        scanwise.prepare(coloured(77), vision=ColourVision(), purify="learned")
    monkeypatch.setattr("scanwise.understand.purification.DEFAULT_PURIFY", str(run[0]))
    other = ColourVision()
    other.name = "shades"
    with pytest.warns(ScanwiseWarning, match="does not know features of shades"):
        labels = scanwise.label(coloured(77), CLASSES, vision=other)
    by_geometry = scanwise.label(coloured(77), CLASSES, vision=other, purify="geometry")
    np.testing.assert_array_equal(labels.scores, by_geometry.scores)


@pytest.mark.parametrize("purify", ["learnt", "no/such.ckpt"])
def test_no_such_student(purify):
    with pytest.raises(InputError, match="no such student"):
        scanwise.prepare(coloured(1), vision=ColourVision(), purify=purify)
