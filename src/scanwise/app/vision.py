"""`scanwise train vision`."""

from __future__ import annotations

from scanwise.app.train import DeviceOption, OutOption, RecipeArgument, SetOption, percents, run_training


def train_vision(
    recipe: RecipeArgument, out: OutOption = None, changes: SetOption = None, device: DeviceOption = "auto"
) -> None:
    """The 2D encoder of `--vision rooms`: what each place of a picture is called, from made rooms.

    Examples:

        scanwise train vision recipes/vision-rooms-small.yaml

        scanwise label SCAN --text chair,table --vision rooms:out/vision-rooms-small/rooms-vision.safetensors
    """
    from scanwise.methods.vision.model import RoomsVisionRecipe, train

    done = run_training(RoomsVisionRecipe, train, recipe, out, changes, device)
    if done is not None:
        print(f"{done[0] / 'rooms-vision.safetensors'}: {percents(done[1], 'miou', 'macc', 'names')} on val")
