"""`scanwise learn`: a few known points in, better labels out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scanwise.app.console import note, progress
from scanwise.app.options import ColumnsOption, DeviceOption, UnitOption, UpOption, read_scan
from scanwise.errors import InputError

if TYPE_CHECKING:
    from scanwise.understand.known import KnownScan
    from scanwise.understand.learning import Learned


def learn(
    scans: Annotated[list[Path], typer.Argument(metavar="SCAN...", help="Scans, or folders of them.")],
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            "--labels",
            metavar="FILE",
            help="A labelled copy of a scan, a CSV (x,y,z,word), or a store of corrections; may be repeated. [default: "
            "the corrections beside the scans, and labels that they have]",
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option("--text", help="What else is there, as for `label`. [default: what the 3D network knows]"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for what is learned. [default: out/learn-SCAN]")
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", min=0, help="Also teach the 3D network itself, so many steps; 100 are minutes.")
    ] = 0,
    shapes: Annotated[
        str | None, typer.Option("--shapes", metavar="WEIGHTS", help="The 3D network. [default: ours, for rooms]")
    ] = None,
    vision: Annotated[str | None, typer.Option("--vision", help="2D model, as for `label`.")] = None,
    device: DeviceOption = "auto",
    up: UpOption = "auto",
    unit: UnitOption = None,
    columns: ColumnsOption = None,
) -> None:
    """Learn from a few labelled points: better labels of these scans, and of others like them.

    Learns a head on what the 3D network sees, in seconds, and writes it: `scanwise label SCAN --learned FOLDER` goes by
    it, without `--learned` labels are as shipped. With --steps the network itself is taught on, for `label --shapes
    FOLDER`; a run that was stopped goes on. Points without a known word count for nothing. Where eight things and more
    are known, every fourth of a word is first kept apart, to say what learning brings.

    Examples:

        scanwise learn room.ply

        scanwise learn scans/ --labels clicks.csv --text chair,table,wall,floor --out out/office

        scanwise label other.ply --text chair,table,wall,floor --learned out/office

        scanwise learn room.ply --labels room-labelled.ply --steps 100 --out out/office

        scanwise label other.ply --text chair,table --shapes out/office
    """
    from scanwise.app.results import check_out
    from scanwise.files import write_json
    from scanwise.formats.registry import find_scenes
    from scanwise.understand.gain import kept_apart, measured
    from scanwise.understand.known import KnownScan, know
    from scanwise.understand.learning import learn_head
    from scanwise.understand.prepared import Prepared
    from scanwise.understand.shapes import class_list

    paths = [found for path in scans for found in (find_scenes(path)[0] if path.exists() else [path])]
    if not paths:
        raise InputError(f"{scans[0]}: no scan is there", option="scans")
    folder = out or Path("out") / f"learn-{paths[0].resolve().stem or 'scan'}"
    check_out(folder, paths[0])
    with progress() as show:
        known = [
            KnownScan(path, Prepared(read_scan(path, up, unit, columns), vision=vision, shapes=shapes, device=device,
                                     up=None, progress=show))
            for path in paths
        ]  # fmt: skip
        words = know(known, labels or [])
        network = next((each.prepared.segmenter for each in known if each.prepared.segmenter is not None), None)
        asked = [part for option in text or [] for part in option.split(",") if part.strip()]
        texts = asked or [name for name in class_list(network) if name != "other"]
        used = [each for each in known if (each.known >= 0).any()]
        _tell(used, known, words)
        fitted, tested = kept_apart(used)
        gain = measured(used, fitted, tested, words, texts)
        pairs = [(each.prepared, each.known) for each in used]
        learned = learn_head(pairs, words, texts=texts, reviewed=any(each.reviewed for each in used), progress=show)
        learned.facts["gain"] = gain
        learned.save(folder / "head.ckpt")
        summary: dict[str, Any] = {
            "command": sys.argv[1:], "scans": [str(path) for path in paths], "words": words, "texts": learned.words,
            **learned.facts,
        }  # fmt: skip
        _show(gain, any(each.reviewed for each in used))
        print(f"{folder / 'head.ckpt'}: {learned.facts['corrected_things']} things of {len(words)} words, "
              f"learned in {learned.facts['seconds']:.1f} s")  # fmt: skip
        if steps:
            summary["taught on"] = _teach_on(used, learned, words, folder, network, steps, device, show)
    write_json(folder / "learn.json", summary)
    _what_next(folder, paths, learned, taught_on=bool(steps))


def _tell(used: list[KnownScan], all_scans: list[KnownScan], words: list[str]) -> None:
    points = sum(int((each.known >= 0).sum()) for each in used)
    total = sum(len(each.known) for each in used)
    others = f"; {len(all_scans) - len(used)} scans have none" if len(used) < len(all_scans) else ""
    note(f"{points:,} of {total:,} points of {len(used)} scans are known, of {len(words)} words{others}")


def _show(gain: dict[str, dict[str, float]], reviewed: bool) -> None:
    if not gain:
        note("fewer than 8 things are known, or none of them four times: all are learned from, and nothing is measured")
        return
    which = "things that were corrected, so shipped labels of them are mostly wrong" if reviewed else "known things"
    print(f"kept apart, a quarter of the {which}:")
    for name, values in gain.items():
        print(f"  {name:<13} mIoU {100 * values['miou']:5.1f}  accuracy {100 * values['accuracy']:5.1f}")


def _teach_on(
    used: list[KnownScan], learned: Learned, words: list[str], folder: Path, network: Path | None, steps: int,
    device: str, show: Any,
) -> dict[str, float]:  # fmt: skip
    """Fine-tunes the 3D network."""
    from scanwise.training.launch import make_fabric
    from scanwise.understand.fine_tuning import fine_tuned

    if network is None:
        raise InputError("no 3D network for these scans to be taught on; give one with --shapes, or leave out --steps")
    metrics = fine_tuned(
        used, learned, words, folder, make_fabric(device=device), weights=network, steps=steps, progress=show, say=note
    )
    print(f"{folder / 'best.ckpt'}: mIoU {100 * metrics['miou']:.1f} on the points that it learned from")
    return metrics


def _what_next(folder: Path, paths: list[Path], learned: Learned, *, taught_on: bool) -> None:
    words = ",".join(learned.words[:6])
    note(f"to label by it: scanwise label {paths[0]} --text {words} --learned {folder}")
    if taught_on:
        note(f"or by the network that was taught on: scanwise label {paths[0]} --text {words} --shapes {folder}")
