"""`scanwise ask`: a sentence in, the points that it means out."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from scanwise.scene import Scene

MODEL = Path("less-rooms")
UpOption = Annotated[
    str | None,
    typer.Option("--up", metavar="AXIS", help="The file's axis that points up: x, y, z, -x, -y, -z. [default: z]"),
]
_SIZE = (1600, 900)
_OTHERS = np.array([40, 120, 220])


def ask(
    scene: Annotated[Path, typer.Argument(metavar="SCENE", help="A point cloud, a mesh, or a recording's folder.")],
    sentences: Annotated[list[str], typer.Argument(metavar="SENTENCE...", help="One thing each, in quotes.")],
    model: Annotated[
        Path, typer.Option("--model", "-m", help="best.ckpt of a `scanwise train less` run, its folder, or a name.")
    ] = MODEL,
    out: Annotated[Path | None, typer.Option("--out", help="Folder. [default: out/NAME-ask-DATE-TIME]")] = None,
    up: UpOption = None,
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
    from scanwise.app.console import note
    from scanwise.app.results import check_out, staging
    from scanwise.formats.registry import read_scene
    from scanwise.geometry.upright import stand_up
    from scanwise.understand.answer import check_sentences
    from scanwise.understand.prepared import Prepared, load_model

    texts = check_sentences(sentences)
    out = out or Path("out") / f"{scene.resolve().stem or 'scan'}-ask-{datetime.now():%Y%m%d-%H%M%S}"
    check_out(out, scene)
    network = load_model(model)
    cloud: Scene = read_scene(scene) if up is None else stand_up(read_scene(scene), up)
    answers = Prepared(cloud, model=network, shapes="off").ask(texts, explain=True)
    raster = _raster(cloud)
    with staging(out) as place:
        for number, answer in enumerate(answers, 1):
            _write(place, number, cloud, raster, answer)
        report = {"scene": str(scene), "model": str(model), "answers": [_facts(cloud, each) for each in answers]}
        (place / "answers.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for number, answer in enumerate(answers, 1):
        print(f"{number}. {answer.text}: {_in_words(answer)}")
    if up is None and not cloud.views and not any(answer.found for answer in answers):
        note("nothing was found: if this scan's z axis does not point up, say which does (--up y, --up -y, ...)")
    print(out)


def _raster(scene: Scene) -> Any:
    """What is seen of the scene at each pixel, for pictures of every answer."""
    from scanwise.app.raster import rasterise

    shown = scene.finite
    normals = None if scene.normals is None else scene.normals[shown]
    return rasterise(scene.points[shown], size=_SIZE, normals=normals)


def _write(folder: Path, number: int, scene: Scene, raster: Any, answer: Any) -> None:
    from PIL import Image

    from scanwise.app.crop import FOUND, crop_of, muted
    from scanwise.formats.registry import write_scene

    columns = {"mask": answer.mask.astype(np.uint8), "score": answer.scores}
    write_scene(scene.with_columns(**columns), folder / f"answer-{number}.ply")
    colors = muted(scene)
    for other in answer.runners_up:
        colors[other.rows] = _OTHERS
    colors[answer.mask] = FOUND
    picture = raster.paint(colors[scene.finite].clip(0, 255).astype(np.uint8))
    Image.fromarray(picture).save(folder / f"answer-{number}.png")
    if answer.place is not None:
        Image.fromarray(crop_of(scene, answer.place)).save(folder / f"answer-{number}-crop.png")


def _facts(scene: Scene, answer: Any) -> dict[str, Any]:
    """Centres are given in the scan's own frame and units as well."""

    def described(found: Any) -> dict[str, Any]:
        own = scene.to_source[:3, :3] @ found.center + scene.to_source[:3, 3]
        return found.facts() | {"center_in_source": np.round(own, 4).tolist()}

    return {
        "text": answer.text,
        "found": answer.found,
        "presence": round(answer.presence, 4),
        "object": None if answer.place is None else described(answer.place),
        "objects": [described(each) for each in answer.objects],
        "runners_up": [described(each) for each in answer.runners_up],
        "words": [[word, round(share, 4)] for word, share in answer.words],
    }


def _in_words(answer: Any) -> str:
    if answer.place is None:
        return "nothing like it here"
    center = ", ".join(f"{value:.2f}" for value in answer.place.center)
    nearest = "" if answer.found else "not here; the nearest is "
    several = f"{len(answer.objects)} objects, " if len(answer.objects) > 1 else ""
    return f"{nearest}{several}{int(answer.mask.sum()):,} points about ({center}) m, presence {answer.presence:.2f}"
