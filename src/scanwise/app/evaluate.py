"""`scanwise evaluate`: tables and metrics of what was trained."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scanwise.app import evaluate_images
from scanwise.app.console import progress
from scanwise.app.options import (
    DataArgument,
    DeviceOption,
    LabelsOption,
    MetricsOption,
    ScenesOption,
    SplitOption,
    WeightsArgument,
)
from scanwise.errors import InputError

if TYPE_CHECKING:
    from scanwise.evaluation.referring import Evaluation

app = typer.Typer(no_args_is_help=True, help="Measure what was trained.")
app.command()(evaluate_images.stellar)

SpokenOption = Annotated[
    Path | None,
    typer.Option("--sentences", metavar="FILE", help="Sentences about DATA's scenes: ScanRefer_filtered_val.json, ..."),
]
SentenceSplitOption = Annotated[
    str | None, typer.Option("--split", help="Which scenes. [default: test; of --sentences what they are of, or val]")
]
SentencesArgument = Annotated[Path, typer.Argument(metavar="DATA", help="Root of scenes with sentences.")]
FallbackOption = Annotated[
    bool, typer.Option("--official-fallback", help="Add the 5000 likeliest points to masks of fewer than 100.")
]
SecondPassOption = Annotated[
    bool, typer.Option("--second-pass", help="Sharpen each mask, and keep one piece of it, as `ask` does.")
]


@app.command()
def segment(
    weights: WeightsArgument,
    data: DataArgument,
    split: SplitOption = "test",
    labels: LabelsOption = None,
    out: MetricsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """mIoU, mAcc, a table by class, a confusion picture; objects of seen and unseen models apart.

    Classes are matched by name. Points of classes that the weights do not know count as unlabelled, and scenes without
    a class of theirs are refused.

    Examples:

        scanwise evaluate segment out/segment-rooms-small data/rooms-1 --split test

        scanwise evaluate segment out/dos-scannet200-linear data/scannet --split val
    """
    from scanwise.data.datasets import scene_paths
    from scanwise.data.label_sets import LABEL_SETS, check_label_set, with_labels
    from scanwise.evaluation.segmentation import group_line, group_metrics
    from scanwise.files import write_json, write_text
    from scanwise.methods.segment.evaluate import evaluate
    from scanwise.methods.segment.model import load_segmenter
    from scanwise.training.launch import make_fabric

    fabric = make_fabric(device=device)
    model = load_segmenter(weights).to(fabric.device)
    name = check_label_set(model.recipe.labels if labels is None else labels)
    counts = evaluate(model, with_labels(scene_paths(data, split), name), fabric)
    if not fabric.is_global_zero:
        return
    folder = out or _folder_of(weights)
    metrics = {name: confusion.metrics() for name, confusion in counts.items() if confusion.matrix.any()}
    left_out = {"left_out": counts["all"].left_out} if counts["all"].left_out else {}
    groups = group_metrics(counts["all"], LABEL_SETS[name].groups) if name else {}
    write_json(folder / f"{split}.json", metrics | left_out | ({"groups": groups} if groups else {}))
    write_text(folder / f"{split}.md", counts["all"].table())
    counts["all"].draw(folder / f"{split}.png")
    print(counts["all"].table(), end="")
    for part, values in metrics.items():
        print(f"{part}: mIoU {100 * values['miou']:.1f}, mAcc {100 * values['macc']:.1f}")
    if groups:
        print(f"mIoU of {group_line(groups)}")


@app.command()
def detect(
    weights: WeightsArgument,
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Root of sweeps with boxes.")],
    split: SplitOption = "test",
    scenes: ScenesOption = 0,
    out: MetricsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """NDS and mAP as nuScenes measures them, errors of place, size, heading and velocity, a table by class.

    Attributes are not detected: NDS counts their error as 1, its worst.

    Examples:

        scanwise evaluate detect out/detect-streets data/streets-boxes --split test
    """
    from scanwise.data.datasets import scene_paths
    from scanwise.files import write_json, write_text
    from scanwise.methods.detect.evaluate import evaluate
    from scanwise.methods.detect.model import load_detector
    from scanwise.training.launch import make_fabric

    fabric = make_fabric(device=device)
    model = load_detector(weights).to(fabric.device)
    sources = scene_paths(data, split)[: scenes or None]
    with progress() as show:
        found = evaluate(model, sources, fabric, progress=show)
    if not fabric.is_global_zero:
        return
    folder = out or _folder_of(weights)
    metrics = found.metrics()
    report = {"all": metrics} | {
        name: found.of_class(index) for index, name in enumerate(found.classes) if found.truths[index]
    }
    known = {name: {key: None if isnan(value) else value for key, value in of.items()} for name, of in report.items()}
    write_json(folder / f"{split}.json", {"scenes": len(sources), **known})
    write_text(folder / f"{split}.md", found.table())
    print(found.table(), end="")
    print(f"NDS {100 * metrics['nds']:.1f} (attributes count as wrong), mAP {100 * metrics['map']:.1f}")


@app.command()
def less(
    weights: WeightsArgument,
    data: SentencesArgument,
    split: SentenceSplitOption = None,
    spoken: SpokenOption = None,
    scenes: ScenesOption = 0,
    out: MetricsOption = None,
    fallback: FallbackOption = False,
    again: SecondPassOption = False,
    device: DeviceOption = "auto",
) -> None:
    """mIoU, Acc@0.25, Acc@0.5, unique and multiple, by length and relation; "not here"; failures taken apart; seconds.

    Examples:

        scanwise evaluate less out/less-rooms-small data/rooms-1 --split test

        scanwise evaluate less out/less-scanrefer data/scannet --sentences ScanRefer_filtered_val.json
    """
    from scanwise.methods.less.evaluate import evaluate, load_trained

    _evaluate_on_sentences(load_trained, evaluate, weights, data, split, spoken, scenes, out, fallback, again, device)


@app.command()
def two_stage(
    weights: WeightsArgument,
    data: SentencesArgument,
    split: SentenceSplitOption = None,
    spoken: SpokenOption = None,
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
    from scanwise.methods.two_stage.evaluate import evaluate, load_trained

    _evaluate_on_sentences(load_trained, evaluate, weights, data, split, spoken, scenes, out, fallback, again, device)


def _evaluate_on_sentences(
    load: Any, evaluate: Any, weights: Path, data: Path, split: str | None, spoken: Path | None, scenes: int,
    out: Path | None, fallback: bool, again: bool, device: str,
) -> None:  # fmt: skip
    from scanwise.data.datasets import scene_paths
    from scanwise.data.spoken import split_said, spoken_scenes
    from scanwise.training.launch import make_fabric

    if spoken is not None:
        split = split or split_said(spoken) or "val"
        sources = spoken_scenes(data, spoken, split)
    else:
        split = split or "test"
        sources = scene_paths(data, split)

    fabric = make_fabric(device=device)
    model = load(weights).to(fabric.device)
    reach = model.recipe.voxel if again else 0.0
    found = evaluate(model, sources[: scenes or None], fabric, fallback=fallback, reach=reach)
    if fabric.is_global_zero:
        name = split if spoken is None else f"{spoken.stem}-{split}"
        _show(found, float(model.threshold), (out or _folder_of(weights)) / f"{name}.json")


def _show(found: Evaluation, threshold: float, path: Path) -> None:
    from scanwise.evaluation.referring import breakdown, failures, metrics
    from scanwise.files import write_json

    result, parts = metrics(found.sentences, threshold), breakdown(found.sentences)
    why, timing = failures(found.sentences), found.timing()
    write_json(path, {"all": result, "parts": parts, "failures": why, "timing": timing})
    for name, value in result.items():
        print(f"{name:20} {value:7.0f}" if name.endswith("sentences") else f"{name:20} {100 * value:7.1f}")
    for name, values in parts.items():
        print(f"{name:20} {100 * values['miou']:7.1f} mIoU, {values['sentences']:.0f} sentences")
    for name, values in why.items():
        if name == "presence":
            _show_presence(values)
        else:
            _show_failures(name, values)
    print(
        f"{timing['seconds_a_scene']:.3f} s a scene ({timing['processor_seconds_a_scene']:.3f} s of processor), "
        f"{timing['seconds_a_sentence']:.3f} s a sentence"
    )


def _show_failures(name: str, values: dict[str, float]) -> None:
    words = {
        "object_right": "right object", "name_right": "right name", "nothing": "no object",
        "iou_when_right": "mIoU where the object is right", "ceiling": "mIoU that voxels allow",
    }  # fmt: skip
    said = ", ".join(f"{word} {100 * values[key]:.1f}" for key, word in words.items() if key in values)
    print(f"{name + ', why':20} {said}")


def _show_presence(values: dict[str, float]) -> None:
    words = {"": "all absent", "kind_": "none of its kind here", "attribute_": "some here, none that fits"}
    said = [
        f"{word} {100 * values[f'{key}auc']:.1f} ({values[f'{key}sentences']:.0f})"
        for key, word in words.items()
        if f"{key}auc" in values
    ]
    print(f"{'presence, AUC':20} {', '.join(said)}")


@app.command()
def geopurify(
    weights: WeightsArgument,
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Root of labelled scenes with pictures.")],
    split: SplitOption = "test",
    scenes: ScenesOption = 0,
    vision: Annotated[str | None, typer.Option("--vision", help="2D model. [default: the student's]")] = None,
    noise: Annotated[
        str,
        typer.Option("--noise", metavar="KIND:AMOUNT", help="True 2D labels, spoilt: flip:0.3, region:0.3, blur:2."),
    ] = "",
    labels: LabelsOption = None,
    out: MetricsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Measures mIoU of the scenes' class names: without pooling, by geometry, and by the student.

    With --noise the scenes' own labels, as the pictures show them and spoilt, take the 2D model's place: pixels get any
    class alone (flip) or as whole objects (region), or classes are blurred over so many pixels.

    Examples:

        scanwise evaluate geopurify out/geopurify-rooms-tiny data/rooms-1 --split test

        scanwise evaluate geopurify out/geopurify-rooms-tiny data/rooms-1 --noise region:0.3 --scenes 10
    """
    from scanwise import devices
    from scanwise.data.datasets import scene_paths
    from scanwise.data.label_sets import LABEL_SETS, check_label_set, with_labels
    from scanwise.evaluation.segmentation import group_line, group_metrics
    from scanwise.files import write_json, write_text
    from scanwise.methods.geopurify.evaluate import comparison_table, evaluate
    from scanwise.methods.geopurify.model import load_student
    from scanwise.methods.geopurify.noise import Noise
    from scanwise.training.checkpoints import load
    from scanwise.vision import load_vision

    spoil = Noise.parse(noise) if noise else None
    where = devices.find(device)
    student = load_student(weights).to(where)
    model = load_vision(vision or student.config.vision or None).to(where)
    own = load(weights).facts.get("recipe", {}).get("labels", "") if labels is None else labels
    sources = with_labels(scene_paths(data, split), check_label_set(own))[: scenes or None]
    with progress() as show:
        confusions = evaluate(sources, student, model, noise=spoil, progress=show)
    folder = out or _folder_of(weights)
    name = split + (f"-{noise.replace(':', '-')}" if noise else "")
    table = comparison_table(confusions)
    report: dict[str, Any] = {"scenes": len(sources), "vision": model.name, "noise": noise}
    report |= {pooling: confusion.metrics() for pooling, confusion in confusions.items()}
    groups = {pooling: group_metrics(counts, LABEL_SETS[own].groups) for pooling, counts in confusions.items() if own}
    write_json(folder / f"{name}.json", report | {"labels": own, "groups": groups})
    write_text(folder / f"{name}.md", table)
    print(table, end="")
    for pooling, found in groups.items():
        if found:
            print(f"{pooling}: mIoU of {group_line(found)}")


@app.command()
def reconstruction(
    weights: Annotated[Path, typer.Argument(metavar="WEIGHTS", help="As of `scanwise tokens`.")],
    data: Annotated[Path, typer.Argument(metavar="PICTURES", help="Folder, ZIP, shards, or a recording.")],
    split: SplitOption = "test",
    lpips: Annotated[
        Path | None, typer.Option("--lpips", help="AlexNet's weights (alexnet-owt-7be5be79.pth): LPIPS too.")
    ] = None,
    inception: Annotated[
        Path | None, typer.Option("--inception", help="inception-2015-12-05.pt: rFID too, of 10,000 pictures or more.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="JSON file for the metrics too.")] = None,
    device: DeviceOption = "auto",
) -> None:
    """MSE, PSNR and SSIM of what comes back of pictures from STELLAR's tokens; LPIPS and rFID with weights you have.

    Examples:

        scanwise evaluate reconstruction stellar-small data/cifar10.zip

        scanwise evaluate reconstruction out/stellar photos/ --lpips alexnet-owt-7be5be79.pth

        scanwise evaluate reconstruction out/stellar photos/ --inception inception-2015-12-05.pt
    """
    from scanwise import devices
    from scanwise.data.images import read_images
    from scanwise.files import write_json
    from scanwise.methods.stellar.evaluate import load_network, reconstruction_report

    where = devices.find(device)
    network = load_network(weights).to(where)
    if network.config.codes:
        raise InputError(f"{weights}: reconstructs codes of a tokenizer that is not in the file; in Python, "
                         "network.reconstruct(images, tokenizer) takes one")  # fmt: skip
    images = read_images(data, split)
    found = reconstruction_report(network, images, lpips=lpips, inception=inception)
    if out is not None:
        write_json(out, {"pictures": len(images), **found})
    print(f"{len(images):,} pictures: " + ", ".join(f"{name} {value:.4g}" for name, value in found.items()))


def _folder_of(weights: Path) -> Path:
    """Where the metrics of these weights go: the run's own folder; of weights known by name, out/NAME."""
    if not weights.exists():
        return Path("out") / weights
    return weights if weights.is_dir() else weights.parent
