"""The command line. Each verb parses, calls the library, and shows what came out."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from scanwise.app import ask, features, furniture, pretrain, purify, refer, synth, tokens, train, vision
from scanwise.app.annotate import annotate
from scanwise.app.console import note, notes_for_warnings, progress
from scanwise.errors import InputError, ScanwiseError
from scanwise.scene import Scene

app = typer.Typer(
    name="scanwise",
    help="3D scenes, understood from few labels: label every point of a scan with any words.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(synth.app, name="synth")
app.add_typer(furniture.app, name="furniture")
app.add_typer(pretrain.app, name="pretrain")
app.add_typer(train.train_app, name="train")
app.add_typer(train.evaluate_app, name="evaluate")
app.command()(ask.ask)
train.train_app.command(name="less")(refer.train_less)
train.train_app.command(name="vision")(vision.train_vision)
train.evaluate_app.command(name="less")(refer.evaluate_less)
train.train_app.command(name="two-stage")(refer.train_two_stage)
train.evaluate_app.command(name="two-stage")(refer.evaluate_two_stage)
app.command()(annotate)
train.train_app.command(name="geopurify")(purify.train_geopurify)
train.evaluate_app.command(name="geopurify")(purify.evaluate_geopurify)
app.command()(features.features)
app.command()(features.probe)
app.command()(tokens.tokens)
app.command()(tokens.reconstruct)
app.command()(tokens.similar)
pretrain.app.command()(tokens.stellar)
pretrain.app.command()(tokens.images)

DEMO_TEXTS = "sofa,table,chair,television,bookcase,plant,lamp,refrigerator,rug,wall,floor"
DEMO_SENTENCES = ("the sofa", "all chairs at the table", "the bathtub")

SceneArgument = Annotated[
    Path, typer.Argument(metavar="SCENE", help="A point cloud, a mesh, or the folder of an RGB-D recording.")
]
VisionOption = Annotated[
    str | None,
    typer.Option("--vision", help="2D model: rooms[:WEIGHTS], conse, or hf:PATH_OR_ID for CLIP or SigLIP."),
]
DeviceOption = Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:1, ... [default: cuda if there]")]
PurifyOption = Annotated[
    str | None,
    typer.Option("--purify", metavar="off|geometry|learned|PATH", help="How labels are cleaned. [default: geometry]"),
]
ShapesOption = Annotated[
    str | None,
    typer.Option(
        "--shapes", metavar="off|WEIGHTS", help="A 3D network that has a say too. [default: ours, for rooms in colour]"
    ),
]
OutOption = Annotated[Path | None, typer.Option("--out", help="Folder for the results. [default: out/NAME-DATE-TIME]")]


@app.callback()
def _settings(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    pass  # `main` looks for --debug itself, so that it also covers errors in parsing


@app.command()
def label(
    scene: SceneArgument,
    text: Annotated[list[str], typer.Option("--text", help="Words or phrases, separated by commas; may be repeated.")],
    out: OutOption = None,
    vision: VisionOption = None,
    purify: PurifyOption = None,
    shapes: ShapesOption = None,
    device: DeviceOption = None,
    up: ask.UpOption = None,
) -> None:
    """Label every point of a scan with the likeliest of your words.

    Writes labels.<format of the input, or ply>, labels.json, picture.png and view.html.

    Examples:

        scanwise label recordings/kitchen --text chair,table,sink,wall,floor

        scanwise label transforms.json --text "coffee mug,laptop" --text desk,floor --out out/desk

        scanwise label scan/ --text chair,floor --vision hf:openai/clip-vit-base-patch16

        scanwise label room.ply --text sofa,table,wall,floor --up y

        scanwise label scan/ --text chair,floor --purify out/geopurify-rooms-tiny
    """
    _label(scene, [part for option in text for part in option.split(",")], out, vision, purify, shapes, device, up)


@app.command()
def demo(out: OutOption = None) -> None:
    """Label the small recording that ships with scanwise, and ask it for three things, to see what comes out.

    Example:

        scanwise demo --out out/demo
    """
    scan = Path(str(files("scanwise") / "demo"))
    out = out or _folder(scan)
    _label(scan, DEMO_TEXTS.split(","), out)
    ask.ask(scan, [*DEMO_SENTENCES], ask.MODEL, out / "asked")


@app.command()
def info(scene: SceneArgument) -> None:
    """Say what is in a scan: points, extent, columns, pictures.

    Examples:

        scanwise info scan.ply

        scanwise info recordings/kitchen
    """
    from scanwise.app.info import describe
    from scanwise.formats.registry import read_scene

    print(describe(read_scene(scene)))


@app.command()
def convert(
    scene: SceneArgument,
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Where to; the suffix names the format.")],
) -> None:
    """Write a scan in another format; a name without suffix makes a scanwise scene folder.

    Examples:

        scanwise convert scan.laz scan.ply

        scanwise convert recordings/kitchen kitchen.pcd

        scanwise convert recordings/kitchen scenes/kitchen
    """
    from scanwise.formats.registry import read_scene, write_scene

    converted = read_scene(scene)
    write_scene(converted, target)
    print(f"{target}: {len(converted):,} points")


def _label(
    path: Path, texts: list[str], out: Path | None = None, vision: str | None = None, purify: str | None = None,
    shapes: str | None = None, device: str | None = None, up: str | None = None,
) -> None:  # fmt: skip
    from scanwise.app.results import check_out, write_label_results
    from scanwise.formats.registry import read_scene
    from scanwise.geometry.upright import stand_up
    from scanwise.understand.labels import check_texts
    from scanwise.understand.prepared import prepare
    from scanwise.understand.purification import check_purify

    texts, purify = check_texts(texts), check_purify(purify)
    out = out or _folder(path)
    check_out(out, path)
    started = time.perf_counter()
    scene: Scene = read_scene(path) if up is None else stand_up(read_scene(path), up)
    reading = time.perf_counter() - started
    with progress() as show:
        prepared = prepare(scene, vision=vision, purify=purify, shapes=shapes, device=device, progress=show)
        labels = prepared.label(texts)
    prepared.seconds = {"reading": reading} | prepared.seconds
    written = write_label_results(
        out, prepared, labels, {"scene": str(path), "command": sys.argv[1:], "purify": purify}
    )
    _show_counts(labels.texts, labels.counts)
    print(f"{len(scene):,} points in {sum(prepared.seconds.values()):.1f} s")
    for file in written:
        print(file)


def _show_counts(texts: list[str], counts: list[int]) -> None:
    total = max(sum(counts), 1)
    width = max(map(len, texts))
    for text, count in sorted(zip(texts, counts, strict=True), key=lambda item: -item[1]):
        print(f"  {text:<{width}}  {count:>10,}  {100 * count / total:5.1f} %")


def _folder(scan: Path) -> Path:
    return Path("out") / f"{scan.resolve().stem or 'scan'}-{datetime.now():%Y%m%d-%H%M%S}"


def main() -> None:
    """Runs the command line; an error that the user can mend is one line on standard error, and exit code 2."""
    debug = "--debug" in sys.argv
    try:
        with notes_for_warnings():
            app()
    except ScanwiseError as error:
        _fail(str(error), debug)
    except OSError as error:
        _fail(f"{error.filename or 'input or output'}: {error.strerror or error}", debug)
    except MemoryError:
        _fail(str(InputError("not enough memory for this scan; make it smaller with `scanwise convert`")), debug)
    except KeyboardInterrupt:
        note("stopped; what was computed is kept, the same command goes on from there")
        raise SystemExit(130) from None


def _fail(text: str, debug: bool) -> None:
    if debug:
        raise
    note("error: " + " ".join(text.split()))
    raise SystemExit(2) from None


if __name__ == "__main__":
    main()
