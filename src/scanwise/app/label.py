"""`scanwise label`: words in, a word for every point out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scanwise.app.console import note, progress
from scanwise.app.options import (
    ColumnsOption,
    DeviceOption,
    ProcessesOption,
    RayOption,
    ResultsOption,
    ScansArgument,
    ShapesOption,
    ThingsOption,
    UnitOption,
    UpOption,
    VisionOption,
    read_scan,
)
from scanwise.progress import Stopwatch

if TYPE_CHECKING:
    from scanwise.understand.labels import Labels


def label(
    scene: ScansArgument,
    text: Annotated[list[str], typer.Option("--text", help="Words or phrases, separated by commas; may be repeated.")],
    out: ResultsOption = None,
    vision: VisionOption = None,
    purify: Annotated[
        str | None,
        typer.Option(
            "--purify", metavar="off|geometry|learned|PATH", help="How labels are cleaned. [default: geometry]"
        ),
    ] = None,
    shapes: ShapesOption = None,
    things: ThingsOption = None,
    learned: Annotated[
        Path | None, typer.Option("--learned", metavar="FOLDER", help="Labels by what `scanwise learn` learned there.")
    ] = None,
    frames: Annotated[
        str,
        typer.Option(
            "--frames", metavar="all|auto", help="auto: half of the pictures, without those that look like others."
        ),
    ] = "all",
    unsure: Annotated[
        float,
        typer.Option("--unsure", metavar="P", min=0, max=1, help="Leave unlabelled what is less sure than this, 0..1."),
    ] = 0.0,
    split: Annotated[bool, typer.Option("--split", help="Also one file an object, in objects/.")] = False,
    las_classes: Annotated[
        bool, typer.Option("--las-classes", help="LAS and LAZ: codes of ASPRS as classification.")
    ] = False,
    painted: Annotated[
        bool, typer.Option("--painted", help="Points of labels.* have the colour of their word.")
    ] = False,
    device: DeviceOption = "auto",
    up: UpOption = "auto",
    unit: UnitOption = None,
    columns: ColumnsOption = None,
    processes: ProcessesOption = 0,
    ray: RayOption = None,
) -> None:
    """Label every point of a scan with the likeliest of your words, and find the objects of each.

    Writes labels.<format of the input, or ply> with label, confidence and object of each point; objects.csv and
    objects.json with word, box, size and height of each object; labels.json, picture.png and view.html.

    Examples:

        scanwise label recordings/kitchen --text chair,table,sink,wall,floor

        scanwise label transforms.json --text "coffee mug,laptop" --text desk,floor --out out/desk

        scanwise label scan/ --text chair,floor --vision hf:openai/clip-vit-base-patch16

        scanwise label room.ply --text sofa,table,wall,floor --up y --unit mm

        scanwise label scan/ --text chair,table,floor --unsure 0.5 --split

        scanwise label velodyne/000000.bin --text road,sidewalk,building,car,vegetation,terrain,pole

        scanwise label tile.laz --text ground,tree,building --shapes out/streets --las-classes

        scanwise label room.ply --text chair,table,wall,floor --learned out/learn-office

        scanwise label recordings/long --text chair,table,floor --frames auto

        scanwise label scan/ --text chair,floor --purify out/geopurify-rooms-tiny

        scanwise label scans/ --text chair,floor --out out/scans --processes 2
    """
    given = dict(locals())
    from scanwise.app.scans import are_many

    several = are_many(scene)

    from scanwise import devices
    from scanwise.app.results import check_out, new_folder
    from scanwise.understand.calls import prepare
    from scanwise.understand.frames import check_frames, without_near_duplicates
    from scanwise.understand.labels import check_texts
    from scanwise.understand.purification import check_purify

    texts, purify = check_texts([part for option in text for part in option.split(",")]), check_purify(purify)
    check_frames(frames)
    if several:
        from scanwise.app.many import run_many

        return run_many("label", given, processes=processes, ray=ray)
    where = devices.find(device)
    out = out or new_folder(scene)
    check_out(out, scene)
    watch = Stopwatch()
    with watch("reading"):
        scan = read_scan(scene, up, unit, columns)
    with progress() as show:
        if frames == "auto":
            before = len(scan.views)
            with watch("choosing frames"):
                scan = without_near_duplicates(scan, device=where, progress=show)
            note(f"{len(scan.views)} of {before} pictures are looked at; --frames all takes every one")
        prepared = prepare(
            scan, vision=vision, purify=purify, shapes=shapes, things=things, learned=learned, device=where, up=None,
            progress=show,
        )  # fmt: skip
        prepared.seconds |= watch.seconds
        labels = prepared.label(texts, unsure=unsure)
    summary = {"scene": str(scene), "command": sys.argv[1:], "purify": purify, "unsure": unsure, "frames": frames}
    written = labels.save(out, split=split, las_classes=las_classes, painted=painted, summary=summary)
    _show_counts(labels)
    print(f"{len(scan):,} points in {sum(prepared.seconds.values()):.1f} s")
    for file in written:
        print(file)


def _show_counts(labels: Labels) -> None:
    total = max(len(labels.indices[labels.scene.finite]), 1)
    width = max(map(len, labels.texts))
    rows = zip(labels.texts, labels.counts, labels.object_counts, strict=True)
    for text, count, objects in sorted(rows, key=lambda row: -row[1]):
        many = f"  {objects} object{'' if objects == 1 else 's'}" if objects else ""
        print(f"  {text:<{width}}  {count:>10,}  {100 * count / total:5.1f} %{many}")
    unlabelled = total - sum(labels.counts)
    if unlabelled:
        print(f"  {'unlabelled':<{width}}  {unlabelled:>10,}  {100 * unlabelled / total:5.1f} %")
