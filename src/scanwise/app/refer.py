"""`scanwise train` and `scanwise evaluate`, of LESS and its two-stage baseline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from scanwise.app.train import (
    DeviceOption,
    OutOption,
    RecipeArgument,
    SetOption,
    metrics_folder,
    percents,
    run_training,
)
from scanwise.errors import InputError
from scanwise.files import replacing

if TYPE_CHECKING:
    from scanwise.evaluation.referring import Measured


FromOption = Annotated[
    str, typer.Option("--from", metavar="FILE", help="Sentences and masks of your own, from `scanwise annotate`.")
]
InitOption = Annotated[str, typer.Option("--init", metavar="WEIGHTS", help="What to start from; a run, or a name.")]


def train_less(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="[RECIPE]", help="YAML file; left out, that of the --init weights.")
    ] = None,
    annotations: FromOption = "",
    init: InitOption = "",
    out: OutOption = None,
    changes: SetOption = None,
    device: DeviceOption = "auto",
) -> None:
    """LESS: to find what a sentence means, from binary masks alone.

    Examples:

        scanwise train less recipes/less-rooms-small.yaml

        scanwise train less --from ours.jsonl --init less-rooms

        scanwise train less recipes/less-rooms-tiny.yaml --set text=gru --set share=0.1
    """
    from scanwise.methods.less.model import ReferRecipe, train

    given = {"annotations": annotations, "init": init}
    changes = [f"{key}={json.dumps(value)}" for key, value in given.items() if value] + (changes or [])
    if recipe is None:
        if not (annotations and init):
            raise InputError("give a recipe, or --from FILE and --init WEIGHTS to go on with your own sentences")
        out = out or Path("out") / f"less-{Path(annotations).stem}"
        recipe = recipe_of(Path(init), out)
    _train(ReferRecipe, train, recipe, out, changes, device)


def recipe_of(weights: Path, folder: Path) -> Path:
    """The recipe that weights of LESS were made by, shorter and gentler, for scenes of one's own: a file in the run's
    folder, which is left alone where it is there.

    Raises:
        InputError: they are of something else.
    """
    from scanwise.methods.less.model import load_trained

    path = folder / "recipe.yaml"
    if not path.exists():
        made = load_trained(weights).recipe.model_dump(mode="json")
        others = {key: value for key, value in made.items() if key not in ("data", "share", "annotations", "init")}
        short = {
            "batch": 1,
            "steps": 300,
            "validate_every": 100,
            "checkpoint_every": 50,
            "learning_rate": made["learning_rate"] / 3,
        }
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(yaml.safe_dump(others | short, sort_keys=False), encoding="utf-8")
    return path


def train_two_stage(
    recipe: RecipeArgument, out: OutOption = None, changes: SetOption = None, device: DeviceOption = "auto"
) -> None:
    """The baseline of LESS: objects from classes and instances, then which one a sentence means.

    Example:

        scanwise train two-stage recipes/two-stage-rooms-tiny.yaml
    """
    from scanwise.methods.two_stage.model import TwoStageRecipe, train

    _train(TwoStageRecipe, train, recipe, out, changes, device)


def _train(kind: Any, train: Any, recipe: Path, out: Path | None, changes: list[str] | None, device: str) -> None:
    done = run_training(kind, train, recipe, out, changes, device)
    if done is not None:
        print(f"{done[0] / 'best.ckpt'}: {percents(done[1], 'miou', 'acc25', 'acc50', 'balanced')} on val")


WeightsArgument = Annotated[
    Path, typer.Argument(metavar="WEIGHTS", help="best.ckpt of a run, its folder, or shipped weights by name.")
]
DataArgument = Annotated[Path, typer.Argument(metavar="DATA", help="Root of scenes with sentences.")]
SplitOption = Annotated[str, typer.Option("--split", help="Which scenes.")]
ScenesOption = Annotated[int, typer.Option("--scenes", help="The first so many of them; 0 = all.")]
MetricsOption = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the metrics.")]
FallbackOption = Annotated[
    bool, typer.Option("--official-fallback", help="Add the 5000 likeliest points to masks of fewer than 100.")
]

SecondPassOption = Annotated[
    bool, typer.Option("--second-pass", help="Sharpen each mask, and keep one piece of it, as `ask` does.")
]


def evaluate_less(
    weights: WeightsArgument,
    data: DataArgument,
    split: SplitOption = "test",
    scenes: ScenesOption = 0,
    out: MetricsOption = None,
    fallback: FallbackOption = False,
    again: SecondPassOption = False,
    device: DeviceOption = "auto",
) -> None:
    """mIoU, Acc@0.25, Acc@0.5, unique and multiple, by length and relation; "not here"; seconds.

    Examples:

        scanwise evaluate less out/less-rooms-small data/rooms-1 --split test
    """
    from scanwise.methods.less.model import evaluate, load_trained

    _evaluate(load_trained, evaluate, weights, data, split, scenes, out, fallback, again, device)


def evaluate_two_stage(
    weights: WeightsArgument,
    data: DataArgument,
    split: SplitOption = "test",
    scenes: ScenesOption = 0,
    out: MetricsOption = None,
    fallback: FallbackOption = False,
    again: SecondPassOption = False,
    device: DeviceOption = "auto",
) -> None:
    """The metrics and seconds of `scanwise evaluate less`, by the same loop, of its baseline.

    Example:

        scanwise evaluate two-stage out/two-stage-rooms-tiny data/rooms-1
    """
    from scanwise.methods.two_stage.model import evaluate, load_two_stage

    _evaluate(load_two_stage, evaluate, weights, data, split, scenes, out, fallback, again, device)


def _evaluate(
    load: Any, evaluate: Any, weights: Path, data: Path, split: str, scenes: int, out: Path | None, fallback: bool,
    again: bool, device: str,
) -> None:  # fmt: skip
    from scanwise.data.datasets import scene_paths
    from scanwise.training.launch import make_fabric

    fabric = make_fabric(device=device)
    model = load(weights).to(fabric.device)
    reach = model.recipe.voxel if again else 0.0
    measured = evaluate(model, scene_paths(data, split)[: scenes or None], fabric, fallback=fallback, reach=reach)
    if fabric.is_global_zero:
        write_metrics(measured, float(model.threshold), out or metrics_folder(weights), split)


def write_metrics(measured: Measured, threshold: float, folder: Path, split: str) -> None:
    """Into SPLIT.json and onto the screen."""
    from scanwise.evaluation.referring import breakdown, metrics

    result, parts = metrics(measured.outcomes, threshold), breakdown(measured.outcomes)
    timing = measured.timing()
    with replacing(folder / f"{split}.json") as temporary:
        content = {"all": result, "parts": parts, "timing": timing}
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for name, value in result.items():
        print(f"{name:20} {value:7.0f}" if name.endswith("sentences") else f"{name:20} {100 * value:7.1f}")
    for name, values in parts.items():
        print(f"{name:20} {100 * values['miou']:7.1f} mIoU, {values['sentences']:.0f} sentences")
    print(
        f"{timing['seconds_a_scene']:.3f} s a scene ({timing['processor_seconds_a_scene']:.3f} s of processor), "
        f"{timing['seconds_a_sentence']:.3f} s a sentence"
    )
