"""`scanwise label`: words in, a word for every point out."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from scanwise.app.console import progress
from scanwise.app.options import (
    ColumnsOption,
    DeviceOption,
    ResultsOption,
    SceneArgument,
    UnitOption,
    UpOption,
    read_scan,
)
from scanwise.progress import Stopwatch


def label(
    scene: SceneArgument,
    text: Annotated[list[str], typer.Option("--text", help="Words or phrases, separated by commas; may be repeated.")],
    out: ResultsOption = None,
    vision: Annotated[
        str | None,
        typer.Option("--vision", help="2D model: rooms[:WEIGHTS], conse, or hf:PATH_OR_ID for CLIP or SigLIP."),
    ] = None,
    purify: Annotated[
        str | None,
        typer.Option(
            "--purify", metavar="off|geometry|learned|PATH", help="How labels are cleaned. [default: geometry]"
        ),
    ] = None,
    shapes: Annotated[
        str | None,
        typer.Option(
            "--shapes",
            metavar="off|WEIGHTS",
            help="A 3D network that has a say too. [default: ours, for rooms in colour]",
        ),
    ] = None,
    device: DeviceOption = "auto",
    up: UpOption = "auto",
    unit: UnitOption = None,
    columns: ColumnsOption = None,
) -> None:
    """Label every point of a scan with the likeliest of your words.

    Writes labels.<format of the input, or ply>, labels.json, picture.png and view.html.

    Examples:

        scanwise label recordings/kitchen --text chair,table,sink,wall,floor

        scanwise label transforms.json --text "coffee mug,laptop" --text desk,floor --out out/desk

        scanwise label scan/ --text chair,floor --vision hf:openai/clip-vit-base-patch16

        scanwise label room.ply --text sofa,table,wall,floor --up y --unit mm

        scanwise label scan/ --text chair,floor --purify out/geopurify-rooms-tiny
    """
    from scanwise import devices
    from scanwise.app.results import check_out, new_folder, write_label_results
    from scanwise.understand.labels import check_texts
    from scanwise.understand.prepared import prepare
    from scanwise.understand.purification import check_purify

    texts, purify = check_texts([part for option in text for part in option.split(",")]), check_purify(purify)
    where = devices.find(device)
    out = out or new_folder(scene)
    check_out(out, scene)
    watch = Stopwatch()
    with watch("reading"):
        scan = read_scan(scene, up, unit, columns)
    with progress() as show:
        prepared = prepare(scan, vision=vision, purify=purify, shapes=shapes, device=where, up=None, progress=show)
        labels = prepared.label(texts)
    prepared.seconds = watch.seconds | prepared.seconds
    summary = {"scene": str(scene), "command": sys.argv[1:], "purify": purify}
    written = write_label_results(out, prepared, labels, summary)
    _show_counts(labels.texts, labels.counts)
    print(f"{len(scan):,} points in {sum(prepared.seconds.values()):.1f} s")
    for file in written:
        print(file)


def _show_counts(texts: list[str], counts: list[int]) -> None:
    total = max(sum(counts), 1)
    width = max(map(len, texts))
    for text, count in sorted(zip(texts, counts, strict=True), key=lambda item: -item[1]):
        print(f"  {text:<{width}}  {count:>10,}  {100 * count / total:5.1f} %")
