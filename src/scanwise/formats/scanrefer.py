"""Sentences about the objects of ScanNet scenes: ScanRefer, Multi3DRefer, Nr3D and Sr3D, in the files they come in.

    ScanRefer_filtered_train.json     a list of scene_id, object_id, object_name, description
    multi3drefer_train.json           a list of scene_id, object_ids, eval_type, description; no ids = nothing is meant
    nr3d.csv, sr3d.csv                columns scan_id, target_id, utterance, stimulus_id; all splits in one file

Objects are ScanNet's, by the ids of the aggregation, which `Scene.instances` of a ScanNet scene has.
"""

from __future__ import annotations

import csv
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import read_bytes, read_json
from scanwise.formats.scannet_labels import SCANNET_20, read_tsv
from scanwise.scene import Referral, Scene

_OTHERS = "others"
_CLASSES = frozenset(SCANNET_20) - {"wall", "floor", "otherfurniture"}  # ScanRefer's 17, and others
_EASY = 2  # objects of one kind, the target among them, up to which Nr3D counts a sentence as easy
_TRUE = ("true", "1", "1.0")
_COUNTED = ("mentions_target_class", "correct_guess")  # columns that must say so, where they are there
Sentences = dict[str, list[Referral]]
"""Sentences by the name of their scene ("scene0000_00"), in the file's order."""


def read_sentences(path: Path, categories: Path | None = None) -> Sentences:
    """The sentences of a file, whichever of these data sets it is of.

    `group` of a referral is what its data set is measured by: "unique" or "multiple" in ScanRefer (where `categories`
    is given), "easy" or "hard" in Nr3D and Sr3D, `eval_type` in Multi3DRefer.

    Args:
        path: a .json or .csv file.
        categories: scannetv2-labels.combined.tsv, by which ScanRefer tells unique objects from others.

    Raises:
        InputError: unreadable, or no such file; the entry is named.
    """
    if path.suffix.lower() == ".csv":
        return _referit3d(path)
    entries = _entries(path)
    if entries and isinstance(entries[0], dict) and "object_ids" in entries[0]:
        return _multi3drefer(entries, path)
    return _scanrefer(entries, path, categories)


def read_scanrefer(json_path: Path) -> Sentences:
    """The sentences of ScanRefer_filtered_train.json or ..._val.json; as of `read_sentences`, without groups.

    Raises:
        InputError: unreadable, no JSON, or an entry without scene_id, object_id and description.
    """
    return _scanrefer(_entries(json_path), json_path, None)


def with_sentences(scene: Scene, referrals: Mapping[str, Sequence[Referral]]) -> Scene:
    """The scene with the sentences of its name after its own; as it was where there are none for it.

    Args:
        scene: with instances.
        referrals: what `read_sentences` gave.

    Raises:
        InputError: a sentence means an object that the scene does not have, or the scene has no instances.
    """
    mine = list(referrals.get(scene.name, ()))
    if not mine:
        return scene
    if scene.instances is None:
        raise InputError(f"{scene.name}: no instances for the sentences to mean; add its aggregation and segs files")
    meant = {instance for referral in mine for instance in referral.instances}
    if strangers := meant - set(scene.instances.tolist()):
        raise InputError(f"{scene.name}: a sentence means object {min(strangers)}, which this scene does not have")
    return replace(scene, sentences=[*scene.sentences, *mine])


def _entries(path: Path) -> list[Any]:
    entries = read_json(path)
    if not isinstance(entries, list):
        raise InputError(f"{path}: should hold a list of descriptions, as ScanRefer_filtered_train.json does")
    return entries


def _scanrefer(entries: list[Any], path: Path, categories: Path | None) -> Sentences:
    found: dict[str, list[tuple[Referral, str]]] = {}
    for index, entry in enumerate(entries):
        try:
            referral = Referral(str(entry["description"]), int(entry["object_id"]))
            name = str(entry.get("object_name", "")).replace("_", " ")
            found.setdefault(str(entry["scene_id"]), []).append((referral, name))
        except (KeyError, TypeError, ValueError) as error:
            said = f"entry {index} has no scene_id, description and whole number object_id"
            raise InputError(f"{path}: {said}; the hidden test file has no objects") from error
    kinds = None if categories is None else _kinds(categories)
    return {scene: _counted(named, kinds) for scene, named in found.items()}


def _kinds(path: Path) -> dict[str, str]:
    """ScanRefer's class of each raw category."""
    rows = read_tsv(path, ("raw_category", "nyu40class"))
    return {row["raw_category"]: row["nyu40class"] if row["nyu40class"] in _CLASSES else _OTHERS for row in rows}


def _counted(named: Sequence[tuple[Referral, str]], kinds: Mapping[str, str] | None) -> list[Referral]:
    """A scene's referrals; with classes, each object "unique" if no other that the file speaks of is of its class."""
    if kinds is None:
        return [referral for referral, _ in named]
    first = {referral.instance: kinds.get(name, _OTHERS) for referral, name in reversed(named)}
    counts = Counter(first.values())
    return [
        replace(referral, group="unique" if counts[kinds.get(name, _OTHERS)] == 1 else "multiple")
        for referral, name in named
    ]


def _multi3drefer(entries: Iterable[Any], path: Path) -> Sentences:
    found: Sentences = {}
    for index, entry in enumerate(entries):
        try:
            ids = [int(number) for number in entry["object_ids"]] or [-1]
            referral = Referral(str(entry["description"]), ids[0], tuple(ids[1:]), str(entry.get("eval_type", "")))
            found.setdefault(str(entry["scene_id"]), []).append(referral)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: entry {index} has no scene_id, description and list object_ids") from error
    return found


def _referit3d(path: Path) -> Sentences:
    text = read_bytes(path).decode("utf-8", "replace")
    rows = list(csv.DictReader(text.splitlines(keepends=True)))
    kept = [row for row in rows if all((row.get(key) or "true").lower() in _TRUE for key in _COUNTED)]
    found: Sentences = {}
    for index, row in enumerate(kept):
        try:
            objects = int((row.get("stimulus_id") or "").split("-")[2])
            group = "easy" if objects <= _EASY else "hard"
        except (IndexError, ValueError):
            group = ""
        try:
            found.setdefault(row["scan_id"], []).append(Referral(row["utterance"], int(row["target_id"]), group=group))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: row {index} has no scan_id, utterance and whole number target_id") from error
    if not found:
        raise InputError(f"{path}: no sentences; a CSV needs the columns scan_id, target_id and utterance")
    if len(kept) < len(rows):
        text = (
            f"{len(rows) - len(kept)} of {len(rows)} sentences do not name their target, or a listener got them wrong"
        )
        warnings.warn(f"{path}: {text}; they are left out, as the benchmark does", ScanwiseWarning, stacklevel=4)
    return found
