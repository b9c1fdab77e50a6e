from pathlib import Path

import pytest

from scanwise.errors import InputError
from scanwise.methods.segment.recipe import SegmentRecipe
from scanwise.training.recipe import read_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("segment-*.yaml"))


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return path


def test_there_are_recipes():
    assert RECIPES


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_ours_is_one(path):
    assert read_recipe(path, SegmentRecipe).steps > 0


def test_changes_count_over_the_file(tmp_path):
    path = written(tmp_path, "data: d\nsteps: 5\n")
    recipe = read_recipe(path, SegmentRecipe, ["steps=7", "features=[coord]", "init=a/b.ckpt"])
    assert (recipe.steps, recipe.features, recipe.init, recipe.data) == (7, ("coord",), "a/b.ckpt", Path("d"))


@pytest.mark.parametrize(
    ("text", "changes", "said"),
    [
        ("data: d\nlearning_rat: 1\n", [], "did you mean learning_rate"),
        ("data: d\nzzz: 1\n", [], "no such key; there are data"),
        ("steps: 3\n", [], "data: Field required"),
        ("data: d\nsteps: many\n", [], "steps: Input should be a valid integer"),
        ("data: [\n", [], "not YAML"),
        ("- 3\n", [], "lines of `key: value`"),
        ("data: d\n", ["steps"], "steps: write key=value"),
        ("data: d\n", ["steps=["], "the value is not YAML"),
        ("data: d\n", ["steps=0"], "greater than or equal to 1"),
    ],
)
def test_a_wrong_recipe_is_one_clear_line(tmp_path, text, changes, said):
    with pytest.raises(InputError, match=said) as caught:
        read_recipe(written(tmp_path, text), SegmentRecipe, changes)
    assert "\n" not in str(caught.value)


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml"):
        read_recipe(tmp_path / "none.yaml", SegmentRecipe)
