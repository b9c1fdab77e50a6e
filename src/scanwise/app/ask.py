"""`scanwise ask`: a sentence in, the points that it means out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scanwise.app.console import note
from scanwise.app.options import (
    ColumnsOption,
    DeviceOption,
    ResultsOption,
    SceneArgument,
    UnitOption,
    UpOption,
    read_scan,
)

if TYPE_CHECKING:
    from scanwise.understand.answer import Answer


def ask(
    scene: SceneArgument,
    sentences: Annotated[list[str], typer.Argument(metavar="SENTENCE...", help="One thing each, in quotes.")],
    model: Annotated[
        Path, typer.Option("--model", "-m", help="best.ckpt of a `scanwise train less` run, its folder, or a name.")
    ] = Path("less-rooms"),
    out: ResultsOption = None,
    device: DeviceOption = "auto",
    up: UpOption = "auto",
    unit: UnitOption = None,
    columns: ColumnsOption = None,
) -> None:
    """Find the one thing that a sentence describes; several sentences cost far less than several commands.

    Writes of each sentence answer-1.ply (the scene's points with mask and score), answer-1.png and, of what was found,
    answer-1-crop.png from the picture that shows it best; and answers.json with centre, oriented box, the objects one
    by one where "all" are asked for, runners-up and the words that mattered.

    Examples:

        scanwise ask recordings/kitchen "the chair between the table and the window"

        scanwise ask scan.ply "the lamp" "all chairs at the table" --model best.ckpt --out out/asked

        scanwise ask scan.ply "the lamp" --up -y
    """
    from scanwise import devices
    from scanwise.app.results import check_out, new_folder, write_answers
    from scanwise.geometry.units import unit_of
    from scanwise.understand.answer import check_sentences
    from scanwise.understand.prepared import Prepared, check_askable, load_model

    texts = check_sentences(sentences)
    where = devices.find(device)
    out = out or new_folder(scene, verb="ask")
    check_out(out, scene)
    network = load_model(model).to(where)
    scan = read_scan(scene, up, unit, columns)
    check_askable(scan, model)
    answers = Prepared(scan, model=network, shapes="off", device=where, up=None).ask(texts, explain=True)
    write_answers(out, scan, answers, {"scene": str(scene), "model": str(model)})
    for number, answer in enumerate(answers, 1):
        print(f"{number}. {answer.text}: {_in_words(answer, unit_of(scan))}")
    if up == "auto" and not scan.views and not any(answer.found for answer in answers):
        note("nothing was found: if this scan's z axis does not point up, say which does (--up y, --up -y, ...)")
    print(out)


def _in_words(answer: Answer, unit: str) -> str:
    if answer.place is None:
        return "nothing like it here"
    center = ", ".join(f"{value:.2f}" for value in answer.place.center)
    nearest = "" if answer.found else "not here; the nearest is "
    several = f"{len(answer.objects)} objects, " if len(answer.objects) > 1 else ""
    what = f"{nearest}{several}{int(answer.mask.sum()):,} points"
    return f"{what} about ({center}) {unit}, presence {answer.presence:.2f}"
