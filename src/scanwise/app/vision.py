"""`scanwise train vision`."""

from __future__ import annotations

from pathlib import Path

from scanwise.app.console import note, progress
from scanwise.app.train import DeviceOption, OutOption, RecipeArgument, SetOption


def train_vision(
    recipe: RecipeArgument, out: OutOption = None, changes: SetOption = None, device: DeviceOption = "auto"
) -> None:
    """The 2D encoder of `--vision rooms`: what each place of a picture is called, from made rooms.

    Examples:

        scanwise train vision recipes/vision-rooms-small.yaml

        scanwise label SCAN --text chair,table --vision rooms:out/vision-rooms-small/rooms-vision.safetensors
    """
    from scanwise.methods.rooms_vision import RoomsVisionRecipe, train
    from scanwise.training.launch import make_fabric
    from scanwise.training.recipe import read_recipe

    settings = read_recipe(recipe, RoomsVisionRecipe, changes or ())
    folder = out or Path("out") / recipe.stem
    fabric = make_fabric(device=device, precision=settings.precision)
    with progress() as show:
        first = fabric.is_global_zero
        options = {"progress": show, "say": note} if first else {}
        figures = train(settings, folder, fabric, **options)
    if first:
        found = ", ".join(f"{name} {100 * figures[name]:.1f}" for name in ("miou", "macc", "names"))
        print(f"{folder / 'rooms-vision.safetensors'}: {found} on val")
