"""`scanwise ask`: a sentence in, the points that it means out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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


def ask(
    scene: ScansArgument,
    sentences: Annotated[list[str], typer.Argument(metavar="SENTENCE...", help="One thing each, in quotes.")],
    model: Annotated[
        Path, typer.Option("--model", "-m", help="best.ckpt of a `scanwise train less` run, its folder, or a name.")
    ] = Path("less-rooms"),
    vision: VisionOption = None,
    shapes: ShapesOption = None,
    things: ThingsOption = None,
    without: Annotated[
        list[str], typer.Option(help="Do not look at: words, relations, less; may be given more than once.")
    ] = [],  # noqa: B006
    out: ResultsOption = None,
    device: DeviceOption = "auto",
    up: UpOption = "auto",
    unit: UnitOption = None,
    columns: ColumnsOption = None,
    processes: ProcessesOption = 0,
    ray: RayOption = None,
) -> None:
    """Find what a sentence describes among the things of a scan; many sentences cost little more than one.

    Nouns are told as labels are (by pictures, and by shape), relations by geometry, the rest by LESS; an answer says
    how likely it is right, "not sure" with the likeliest three where it is not, or "not here".

    Writes answers.json (status, confidence, centre, oriented box, objects one by one, candidates), the scan with
    mask_N and score_N of each sentence, answer-N.png, answer-N-crop.png from the picture that shows it best, and
    ask.html with all of them in 3D.

    Examples:

        scanwise ask recordings/kitchen "the chair between the table and the window"

        scanwise ask scan.ply "the lamp" "all chairs at the table" --model best.ckpt --out out/asked

        scanwise ask scan.ply "everything but the floor" "a chair that is not red" "the two lamps"

        scanwise ask scan.ply "the mug left of the laptop" --without less

        scanwise ask "scans/*.laz" "the fire extinguisher" --out out/asked
    """
    given = dict(locals())
    from scanwise.app.scans import are_many

    several = are_many(scene)

    from scanwise import devices
    from scanwise.app.results import check_out, in_words, new_folder, write_answers
    from scanwise.geometry.units import unit_of
    from scanwise.understand.answer import check_sentences
    from scanwise.understand.answering import check_askable, load_model
    from scanwise.understand.choosing.asking import check_without
    from scanwise.understand.prepared import Prepared

    texts = check_sentences(sentences)
    check_without(without)
    if several:
        from scanwise.app.many import run_many

        return run_many("ask", given, processes=processes, ray=ray)
    where = devices.find(device)
    out = out or new_folder(scene, verb="ask")
    check_out(out, scene)
    network = load_model(model).to(where)
    scan = read_scan(scene, up, unit, columns)
    check_askable(scan, model)
    with progress() as tell:
        prepared = Prepared(
            scan, vision=vision, shapes=shapes, things=things, model=network, device=where, up=None, progress=tell
        )
        answers = prepared.ask(texts, explain=True, without=without)
    write_answers(out, scan, answers, {"scene": str(scene), "model": str(model)})
    for number, answer in enumerate(answers, 1):
        print(f"{number}. {answer.text}: {in_words(answer, unit_of(scan))}")
    if up == "auto" and not scan.views and not any(answer.found for answer in answers):
        note("nothing was found: if this scan's z axis does not point up, say which does (--up y, --up -y, ...)")
    print(out)
