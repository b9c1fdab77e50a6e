import math
from pathlib import Path

import pytest

from scanwise.errors import InputError
from scanwise.methods.dos.recipe import DOSRecipe
from scanwise.training.recipe import read_recipe
from tests.methods.dos.small import batch_of, model_of


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("token_jitter=0.1", "masking: tokens"),
        ("teacher_temperature=0.2", "student_temperature"),
        ("student_temperature=0.04", "student_temperature"),
        ("crop=[0.8, 0.4]", "least, most"),
        ("alhpa=1", "alpha"),
    ],
)
def test_recipes_that_cannot_be_are_refused_in_a_line(tmp_path, change, words):
    path = tmp_path / "recipe.yaml"
    path.write_text("data: somewhere\n")
    with pytest.raises(InputError, match=words):
        read_recipe(path, DOSRecipe, [change])


RECIPES = sorted((Path(__file__).parents[3] / "recipes").rglob("dos-*.yaml")) + sorted(
    (Path(__file__).parents[3] / "recipes" / "dos-ladder").glob("*.yaml")
)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_take_a_step(path):
    """With fewer prototypes and a smaller network, so that it is quick."""
    recipe = read_recipe(path, DOSRecipe, ["backbone=tiny", "prototypes=32", "hidden=32", "channels=16"])
    found = model_of(recipe).train().training_step(batch_of(recipe), 0.0)
    assert all(math.isfinite(float(value.detach())) for value in found.values())


def test_steps_of_the_ladder_differ_in_what_they_are_about_alone():
    assert len([path for path in RECIPES if path.parent.name != "paper"]) == 13
    tiny = read_recipe(RECIPES[0].parent / "dos-rooms-tiny.yaml", DOSRecipe).model_dump()
    for path in RECIPES:
        if path.parent.name == "dos-ladder":
            step = read_recipe(path, DOSRecipe).model_dump()
            differing = {name for name, value in tiny.items() if step[name] != value}
            assert differing <= {"masking", "token_jitter", "target", "alpha", "prototypes"}, path
