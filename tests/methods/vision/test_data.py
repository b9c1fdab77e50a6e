"""Labels stay with the pixels they belong to, however a crop is cut, and objects change without their neighbours."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scanwise.data.frames import Pixels
from scanwise.methods.vision import data
from scanwise.methods.vision.data import Crops, Vocabulary, collate, repainted, through_camera

CLASSES = ["wall", "floor", "chair", "otherfurniture", "ceiling"]
PALETTE = np.array([[10, 10, 10], [240, 20, 20], [20, 240, 20], [20, 20, 240]], np.uint8)


def blocks(generator: np.random.Generator, height: int = 120, width: int = 160) -> tuple[np.ndarray, Pixels]:
    """Blocks of 40 pixels in colours that say their labels."""
    labels = generator.integers(0, 4, (height // 40, width // 40)).astype(np.int32)
    image = PALETTE[np.kron(labels, np.ones((40, 40), np.int32))]
    half = np.kron(labels, np.ones((20, 20), np.int32))
    return image, Pixels(half, half, half)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_labels_are_where_their_colours_are(seed, random):
    generator = np.random.default_rng(seed)
    image, pixels = blocks(generator)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "through_camera", lambda image, generator: image)
        patch.setattr(data, "repainted", lambda image, objects, generator: image)
        sample = Crops(96, random)(image, pixels, generator)
    assert sample.image.shape == (3, 96, 96)
    assert sample.words.shape == (24, 24)
    # A label is that of the middle of 4 x 4 pixels, which lies between the four inner ones.
    middles = sample.image.reshape(3, 24, 4, 24, 4)[:, :, 1:3, :, 1:3].mean((2, 4)).transpose(1, 2, 0)
    shown = np.abs(middles[:, :, None] - PALETTE).sum(-1)
    clear = shown.min(-1) < 30  # not a blend across an edge
    assert (shown.argmin(-1) == sample.words)[clear].mean() > 0.97
    assert clear.mean() > 0.5


def test_a_draw_gives_the_same_crop_again():
    image, pixels = blocks(np.random.default_rng(0))
    one, two = (Crops(64)(image, pixels, np.random.default_rng(5)) for _ in range(2))
    assert (one.image == two.image).all()
    assert (one.words == two.words).all()


@pytest.mark.parametrize("seed", range(8))
def test_repainting_leaves_what_is_no_object(seed):
    image, pixels = blocks(np.random.default_rng(seed))
    objects = np.kron(pixels.objects, np.ones((2, 2), np.int32)) - 1  # label 0 is no object
    result = repainted(image, objects, np.random.default_rng(seed))
    assert (result[objects < 0] == image[objects < 0]).all()


def test_repainting_changes_objects_now_and_then():
    image, pixels = blocks(np.random.default_rng(0))
    objects = np.kron(pixels.objects, np.ones((2, 2), np.int32))
    changed = [(repainted(image, objects, np.random.default_rng(seed)) != image).any() for seed in range(40)]
    assert 5 < sum(changed) < 30


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(8, 70), st.integers(8, 70))
def test_a_camera_keeps_size_and_range(seed, height, width):
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (height, width, 3), np.uint8)
    result = through_camera(image, generator)
    assert result.shape == image.shape
    assert result.dtype == np.uint8


def test_a_batch_of_crops():
    image, pixels = blocks(np.random.default_rng(0))
    batch = collate([Crops(64)(image, pixels, np.random.default_rng(seed)) for seed in range(3)]).to("cpu")
    assert len(batch) == 3
    assert batch.images.shape == (3, 3, 64, 64)
    assert batch.images.dtype == torch.uint8
    assert batch.words.shape == batch.classes.shape == (3, 16, 16)
    assert batch.words.dtype == torch.int64


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(["chair", "office chair", "mug", "floor"], CLASSES)


def test_a_general_word_is_no_rival_of_a_special_one(vocabulary):
    place = {name: number for number, name in enumerate(vocabulary.names)}
    assert not vocabulary.rivals[place["office chair"], place["chair"]]  # an office chair is a chair as well
    assert vocabulary.rivals[place["chair"], place["office chair"]]
    assert vocabulary.rivals[place["mug"], place["chair"]]
    assert vocabulary.rivals.diagonal().all()


def test_words_are_said_in_many_ways(vocabulary):
    assert vocabulary.classes == ["wall", "floor", "chair", "ceiling"]
    assert vocabulary.class_row.tolist() == [0, 1, 2, -1, 3]
    assert vocabulary.phrasings.shape[0] == len(vocabulary.names) + len(vocabulary.classes)
    assert torch.allclose(vocabulary.phrasings.norm(dim=2), torch.ones(vocabulary.phrasings.shape[:2]), atol=1e-5)
    chair, floor = vocabulary.phrasings[0], vocabulary.phrasings[3]
    assert (chair @ chair.T).mean() > (chair @ floor.T).mean() + 0.2
