"""Small recipes of the baselines."""

from scanwise.methods.image_baselines.recipe import BaselineRecipe


def recipe(method, data=".", **changes):
    values = {"size": "nano", "image": 16, "crop_size": 8, "crops": 2, "prototypes": 12, "predictor": 16,
              "prototype_width": 8, "decoder_width": 16, "decoder_depth": 1, "steps": 2, "batch": 4,
              "validate_every": 2, "checkpoint_every": 2}  # fmt: skip
    return BaselineRecipe(data=data, method=method, **(values | changes))
