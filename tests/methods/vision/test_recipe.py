"""Recipes of the 2D encoder: those that ship, and what is checked."""

from pathlib import Path

import pytest

from scanwise.errors import InputError
from scanwise.methods.vision.recipe import RoomsVisionRecipe
from scanwise.training.recipe import read_recipe


def test_what_the_recipe_says_is_checked(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("data: here\ncrop: 100\n")
    with pytest.raises(InputError, match="crop"):
        read_recipe(path, RoomsVisionRecipe)


def test_the_shipped_recipe_is_one():
    recipes = Path(__file__).parents[3] / "recipes"
    assert read_recipe(recipes / "vision-stellar.yaml", RoomsVisionRecipe).trunk == "stellar-small"
    recipe = read_recipe(recipes / "vision-rooms-small.yaml", RoomsVisionRecipe)
    assert recipe.crop % 32 == 0
    assert recipe.batch % recipe.accumulate == 0
