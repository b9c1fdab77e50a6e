"""Built-in pieces: every one fills its size, looks as its seed says, and a quarter of each name is held out."""

from collections import Counter

import numpy as np
import pytest

from scanwise.synth.classes import NAMES
from scanwise.synth.procedural import built_in_models
from scanwise.synth.world import SCANNET_20, SEMANTIC_KITTI_19

MODELS = built_in_models()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_a_piece_fills_its_size_and_stands_on_the_floor(model):
    mesh = model.load(np.random.default_rng(5))
    low, high = mesh.bounds
    np.testing.assert_allclose(high - low, model.size, atol=1e-4)
    np.testing.assert_allclose([*(low + high)[:2], low[2]], 0, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=2), 1, atol=1e-3)
    assert mesh.texture.max() < len(mesh.textures)


@pytest.mark.parametrize("model", MODELS[::7], ids=lambda model: model.id)
def test_the_seed_decides_the_look(model):
    first, again, other = (model.load(np.random.default_rng(seed)) for seed in (1, 1, 2))
    for name in ("vertices", "faces", "normals", "colors", "uv", "texture"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    looks = {(m.vertices.tobytes(), m.colors.tobytes(), *(t.tobytes() for t in m.textures)) for m in (first, other)}
    assert len(looks) == 2


def test_names_kinds_and_ids():
    assert len({model.id for model in MODELS}) == len(MODELS)
    assert all(model.kind == NAMES[model.name].kind for model in MODELS)
    assert {model.kind for model in MODELS} <= {*SCANNET_20, *SEMANTIC_KITTI_19}
    assert len({model.name for model in MODELS}) >= 30
    assert len({model.kind for model in MODELS} & {*SCANNET_20}) >= 15


def test_a_quarter_of_every_name_is_held_out():
    total, held_out = Counter(m.name for m in MODELS), Counter(m.name for m in MODELS if m.held_out)
    assert all(count >= 4 and held_out[name] * 4 == count for name, count in total.items())
