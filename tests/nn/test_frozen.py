from dataclasses import replace

import pytest
import torch

from scanwise.errors import ScanwiseWarning
from scanwise.nn.backbone import build_backbone
from scanwise.nn.frozen import Frozen
from tests.scenes import labelled_scene


@pytest.fixture(scope="module")
def frozen():
    torch.manual_seed(0)
    return Frozen(build_backbone("tiny", 6), 0.1, ("color", "normal"))


def test_tiles_give_nearly_the_features_of_the_whole(frozen):
    scene = labelled_scene(3, 3000)
    sample, whole = frozen.encode(scene)
    tiled, parts = Frozen(frozen.backbone, 0.1, frozen.features, most_voxels=len(sample) // 2).encode(scene)
    assert len(tiled) == len(sample)
    cosine = torch.cosine_similarity(torch.from_numpy(whole), torch.from_numpy(parts))
    assert 0.8 < float(cosine.mean()) < 1.0


def test_inputs_that_a_scene_does_not_have_are_warned_of(frozen):
    scene = labelled_scene(3)
    frozen.warn_of_missing(scene)
    with pytest.warns(ScanwiseWarning, match="corner-3: has no color, which the model was trained with"):
        frozen.warn_of_missing(replace(scene, colors=None))
