"""`scanwise train`: networks that learn from labels, from masks, or from what another network sees."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from scanwise.app.console import note, progress
from scanwise.app.options import DeviceOption, RecipeArgument, RunOption, SetOption
from scanwise.errors import InputError

SCANREFER = Path(__file__).parents[3] / "recipes" / "less-scanrefer.yaml"
app = typer.Typer(no_args_is_help=True, help="Train on labelled scenes, alone or under torchrun.")


@app.command()
def segment(
    recipe: RecipeArgument,
    out: RunOption = None,
    changes: SetOption = None,
    device: DeviceOption = "auto",
    strategy: Annotated[str, typer.Option("--strategy", help="Of several processes: ddp, or fsdp (CUDA).")] = "ddp",
) -> None:
    """Semantic segmentation with labels: from scratch, as a linear probe, or fine-tuning.

    Examples:

        scanwise train segment recipes/segment-rooms-small.yaml

        scanwise train segment recipes/segment-rooms-small.yaml --set init=out/dos/best.ckpt --set freeze=true

        torchrun --nproc-per-node 2 -m scanwise train segment recipes/segment-rooms-small.yaml
    """
    from scanwise.methods.segment.recipe import SegmentRecipe
    from scanwise.methods.segment.train import train

    done = run_training(SegmentRecipe, train, recipe, out, changes, device, _strategy(strategy))
    if done is not None:
        print(f"{done[0] / 'best.ckpt'}: {_percents(done[1], 'miou', 'macc')} on val")


@app.command()
def detect(
    recipe: RecipeArgument, out: RunOption = None, changes: SetOption = None, device: DeviceOption = "auto"
) -> None:
    """3D boxes of cars, people and other things of streets, from sweeps with boxes.

    Examples:

        scanwise synth streets data/streets-boxes --set streets-boxes

        scanwise train detect recipes/detect-streets.yaml

        scanwise train detect recipes/detect-streets.yaml --set backbone=small --set init=dos-streets-small
    """
    from scanwise.methods.detect.recipe import DetectRecipe
    from scanwise.methods.detect.train import train

    done = run_training(DetectRecipe, train, recipe, out, changes, device)
    if done is not None:
        print(f"{done[0] / 'best.ckpt'}: {_percents(done[1], 'nds', 'map')} on val")


@app.command()
def less(
    recipe: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RECIPE|DATA]",
            help="YAML file; left out, that of the --init weights; a folder of scenes: the paper's, on them.",
        ),
    ] = None,
    spoken: Annotated[
        str, typer.Option("--sentences", metavar="FILE", help="About the scenes: ScanRefer_filtered_train.json, ...")
    ] = "",
    annotations: Annotated[
        str, typer.Option("--from", metavar="FILE", help="Sentences and masks of your own, from `scanwise annotate`.")
    ] = "",
    init: Annotated[str, typer.Option("--init", metavar="WEIGHTS", help="What to start from; a run, or a name.")] = "",
    out: RunOption = None,
    changes: SetOption = None,
    device: DeviceOption = "auto",
) -> None:
    """LESS: to find what a sentence means, from binary masks alone.

    Examples:

        scanwise train less recipes/less-rooms-small.yaml

        scanwise train less --from ours.jsonl --init less-rooms

        scanwise train less recipes/less-rooms-tiny.yaml --set text=gru --set share=0.1

        scanwise train less data/scannet --sentences ScanRefer_filtered_train.json --out out/less-scanrefer
    """
    import yaml

    from scanwise.files import write_text
    from scanwise.methods.less.recipe import LESSRecipe
    from scanwise.methods.less.train import recipe_to_go_on, train

    given = {"annotations": annotations, "init": init, "spoken": spoken}
    if recipe is not None and recipe.is_dir():
        given["data"], name = str(recipe), f"less-{recipe.name}"
        out, recipe = out or Path("out") / name, _paper_recipe(SCANREFER)
    changes = [f"{key}={json.dumps(value)}" for key, value in given.items() if value] + (changes or [])
    if recipe is None:
        if not (annotations and init):
            raise InputError("give a recipe, or --from FILE and --init WEIGHTS to go on with your own sentences")
        out = out or Path("out") / f"less-{Path(annotations).stem}"
        recipe = out / "recipe.yaml"
        if not recipe.exists():
            write_text(recipe, yaml.safe_dump(recipe_to_go_on(Path(init)), sort_keys=False))
    _train_on_sentences(LESSRecipe, train, recipe, out, changes, device)


def _paper_recipe(path: Path) -> Path:
    if not path.is_file():
        text = f"a folder of scenes is trained on by {path.name} of scanwise's recipes, which is not installed here"
        raise InputError(f"{text}; name a recipe and its data: RECIPE --set data=FOLDER")
    return path


@app.command()
def two_stage(
    recipe: RecipeArgument, out: RunOption = None, changes: SetOption = None, device: DeviceOption = "auto"
) -> None:
    """The baseline of LESS: objects from classes and instances, then which one a sentence means.

    Example:

        scanwise train two-stage recipes/two-stage-rooms-tiny.yaml
    """
    from scanwise.methods.two_stage.recipe import TwoStageRecipe
    from scanwise.methods.two_stage.train import train

    _train_on_sentences(TwoStageRecipe, train, recipe, out, changes, device)


def _train_on_sentences(
    kind: Any, train: Any, recipe: Path, out: Path | None, changes: list[str] | None, device: str
) -> None:
    done = run_training(kind, train, recipe, out, changes, device)
    if done is not None:
        print(f"{done[0] / 'best.ckpt'}: {_percents(done[1], 'miou', 'acc25', 'acc50', 'balanced')} on val")


@app.command()
def geopurify(
    recipe: RecipeArgument, out: RunOption = None, changes: SetOption = None, device: DeviceOption = "auto"
) -> None:
    """GeoPurify: which places of a scan belong together, learned from a few scans without labels.

    Examples:

        scanwise train geopurify recipes/geopurify-rooms-tiny.yaml

        scanwise train geopurify recipes/geopurify-rooms-tiny.yaml --set data=my/scans --set teacher=out/dos-rooms-small

        scanwise train geopurify recipes/geopurify-rooms-tiny.yaml --set teacher=sonata.pth --set scenes=50
    """
    from scanwise.methods.geopurify.recipe import GeoPurifyRecipe
    from scanwise.methods.geopurify.teacher import load_teacher
    from scanwise.methods.geopurify.train import train
    from scanwise.vision import load_vision

    def with_models(settings: GeoPurifyRecipe, folder: Path, fabric: Any, **options: Any) -> dict[str, float]:
        teacher, vision = load_teacher(settings.teacher), load_vision(settings.vision).to(fabric.device)
        return train(settings, folder, fabric, teacher=teacher, vision=vision, **options)

    done = run_training(GeoPurifyRecipe, with_models, recipe, out, changes, device)
    if done is None:
        return
    folder, metrics = done
    if "miou" in metrics:
        found = _percents(metrics, "off", "geometry")
        print(f"{folder / 'best.ckpt'}: mIoU {100 * metrics['miou']:.1f} on val ({found})")
    else:
        print(f"{folder / 'best.ckpt'}: loss {metrics['val_loss']:.3f} on other anchors; val has no labels")


@app.command()
def things(
    recipe: RecipeArgument, out: RunOption = None, changes: SetOption = None, device: DeviceOption = "auto"
) -> None:
    """Which parts of a scan belong to one thing, from scenes with instances; minutes, most of them to look at them.

    Examples:

        scanwise train things recipes/things-rooms.yaml

        scanwise label SCAN --text chair,table,floor --things out/things-rooms
    """
    from scanwise.methods.things.recipe import ThingsRecipe
    from scanwise.methods.things.train import train
    from scanwise.understand.shapes import class_list, predict_shapes
    from scanwise.understand.things import seen_by

    def with_network(settings: ThingsRecipe, folder: Path, fabric: Any, **options: Any) -> dict[str, float]:
        network = Path(settings.network) if settings.network else None

        def look(surface: Any) -> Any:
            return seen_by(None if network is None else predict_shapes(surface, network, fabric.device))

        return train(settings, folder, fabric, look=look, classes=class_list(network), **options)

    done = run_training(ThingsRecipe, with_network, recipe, out, changes, device)
    if done is not None:
        print(f"{done[0] / 'best.ckpt'}: {100 * done[1]['right']:.1f} % of held-out pairs right")


@app.command()
def vision(
    recipe: RecipeArgument, out: RunOption = None, changes: SetOption = None, device: DeviceOption = "auto"
) -> None:
    """The 2D encoder of `--vision rooms`: what each place of a picture is called, from made rooms.

    Examples:

        scanwise train vision recipes/vision-rooms-small.yaml

        scanwise label SCAN --text chair,table --vision rooms:out/vision-rooms-small/rooms-vision.safetensors
    """
    from scanwise.methods.vision.recipe import RoomsVisionRecipe
    from scanwise.methods.vision.train import train

    done = run_training(RoomsVisionRecipe, train, recipe, out, changes, device)
    if done is not None:
        print(f"{done[0] / 'rooms-vision.safetensors'}: {_percents(done[1], 'miou', 'macc', 'names')} on val")


def run_training(
    kind: Any,
    train: Callable[..., dict[str, float]],
    recipe: Path,
    out: Path | None,
    changes: list[str] | None,
    device: str,
    strategy: Literal["ddp", "fsdp"] = "ddp",
) -> tuple[Path, dict[str, float]] | None:
    """What every verb that trains does.

    Args:
        kind: class of the recipe.
        train: (recipe, folder, fabric, progress=, say=) -> metrics; only the first process is given something to show
            its progress with.
        recipe: its file.
        out: folder of the run; None = out/RECIPE.
        changes: "key=value" each, over what the file says.
        device: as of `devices.find`.
        strategy: of several processes.

    Returns:
        The run's folder and its metrics on the first process, None on the others.
    """
    from scanwise.training.launch import make_fabric
    from scanwise.training.recipe import read_recipe

    settings = read_recipe(recipe, kind, changes or ())
    folder = out or Path("out") / recipe.stem
    fabric = make_fabric(device=device, precision=settings.precision, strategy=strategy)
    if not fabric.is_global_zero:
        train(settings, folder, fabric)
        return None
    with progress() as show:
        return folder, train(settings, folder, fabric, progress=show, say=note)


def _percents(metrics: dict[str, float], *names: str) -> str:
    """Those of the metrics that are there, such as "miou 47.9, macc 61.9"."""
    return ", ".join(f"{name} {100 * metrics[name]:.1f}" for name in names if name in metrics)


def _strategy(name: str) -> Literal["ddp", "fsdp"]:
    if name == "fsdp":
        return "fsdp"
    if name == "ddp":
        return "ddp"
    raise InputError(f"--strategy {name}: there are ddp and fsdp")
