"""Recipes of STELLAR: those that ship, and those that make no sense."""

from pathlib import Path

import pytest

from scanwise.errors import InputError
from scanwise.methods.stellar.recipe import StellarRecipe
from scanwise.nn.sparse_tokens import SparseTokens
from scanwise.training.recipe import read_recipe
from tests.methods.stellar.test_model import recipe

RECIPES = Path(__file__).parents[3] / "recipes"


def test_the_recipes_that_ship_are_read():
    shipped = read_recipe(RECIPES / "stellar-cifar-tiny.yaml", StellarRecipe, ["bottleneck=dense", "tokens=8"])
    assert shipped.network().bottleneck == "dense"
    assert sum(value.numel() for value in SparseTokens(shipped.network()).encoder.parameters()) < 2_000_000
    small = read_recipe(RECIPES / "stellar-small.yaml", StellarRecipe)
    assert (small.image, small.crop_size, small.also) == (64, 32, Path("data/rooms-1"))
    assert not small.network().unit_prototypes  # as its weights were made
    larger = read_recipe(RECIPES / "stellar-small-128.yaml", StellarRecipe)
    assert (96, 128) in larger.shapes
    assert {larger.shape_at(step / larger.steps) for step in range(60)} == set(larger.shapes)
    assert shipped.network().unit_prototypes
    with pytest.raises(InputError, match="did you mean tokens"):
        read_recipe(RECIPES / "stellar-cifar-tiny.yaml", StellarRecipe, ["token=8"])


@pytest.mark.parametrize(
    ("name", "change"),
    [("8", {"tokens": 8}), ("4", {"tokens": 4}), ("all", {"tokens": 0}), ("dense", {"bottleneck": "dense"})],
)
def test_variants_differ_in_one_key(name, change):
    main, variant = (read_recipe(RECIPES / f"stellar-cifar-{kind}.yaml", StellarRecipe) for kind in ("tiny", name))
    assert variant == main.model_copy(update=change)


def test_recipes_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="set teacher"):
        recipe(second_view=True)
    with pytest.raises(ValueError, match="no multiple of patch"):
        StellarRecipe(data=".", image=30, patch=4)
