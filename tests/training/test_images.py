"""What runs on images learn from and what they are validated on."""

from dataclasses import dataclass

import numpy as np
import pytest

from scanwise.data.images import ImageSet
from scanwise.errors import InputError
from scanwise.methods.stellar.recipe import StellarRecipe
from scanwise.training import images
from scanwise.training.images import split, training_images, validation_images
from tests.pictures import write_folder


@dataclass
class Named:
    """Pictures that are only called something."""

    count: int

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"{index}.png"

    def read(self, index: int) -> bytes:
        raise AssertionError("not read while a set is divided")


def numbers(images: ImageSet) -> list[int]:
    return [int(images.source.name(row).removesuffix(".png")) for row in range(len(images))]


@pytest.mark.parametrize(("count", "held"), [(2, 1), (14, 1), (15, 2), (1000, 100), (30_000, 2000)])
def test_a_tenth_is_held_out_and_2000_at_most(count, held):
    labels = (np.arange(count) % 7).astype(np.int32)
    learned, asked = split(ImageSet(Named(count), labels, list("abcdefg")))
    assert len(asked) == held
    assert sorted(numbers(learned) + numbers(asked)) == list(range(count))
    assert asked.labels.tolist() == [row % 7 for row in numbers(asked)]
    assert numbers(split(ImageSet(Named(count), labels, list("abcdefg")))[1]) == numbers(asked)


def test_one_picture_cannot_be_divided():
    with pytest.raises(InputError, match=r"^0\.png: one picture alone"):
        split(ImageSet(Named(1), np.zeros(1, np.int32), ["a"]))


def test_what_is_held_out_is_not_learned_and_test_pictures_are_not_looked_at(tmp_path, monkeypatch):
    root = write_folder(write_folder(tmp_path, 8), 2, "test", seed=500)
    read, asked_for = images.read_images, []
    monkeypatch.setattr(images, "read_images", lambda path, name: asked_for.append(name) or read(path, name))
    for share in (1.0, 0.5):
        recipe = StellarRecipe(data=root, image=16, patch=4, crop_size=8, share=share)
        learned = training_images(recipe).images
        known, held = validation_images(recipe)
        sets = [{pictures.source.name(row) for row in range(len(pictures))} for pictures in (learned, known, held)]
        assert len(sets[0]) in ((22,) if share == 1 else (11, 12))  # of each class the half, rounded
        assert len(sets[2]) == 2
        assert not sets[2] & (sets[0] | sets[1])
        assert all(f"{root.name}/train/" in name for name in sets[0] | sets[1] | sets[2])
    assert set(asked_for) == {"train"}
