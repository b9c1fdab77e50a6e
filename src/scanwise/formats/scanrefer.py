"""ScanRefer's sentences about the objects of ScanNet scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from scanwise.errors import InputError
from scanwise.files import read_json
from scanwise.scene import Referral, Scene


def read_scanrefer(json_path: Path) -> dict[str, list[Referral]]:
    """The sentences of ScanRefer_filtered_train.json or ..._val.json.

    Args:
        json_path: the file.

    Returns:
        By scene id ("scene0000_00"), in the file's order. A referral's instance is ScanNet's object id, as
        `Scene.instances` of a ScanNet scene has it.

    Raises:
        InputError: unreadable, no JSON, or an entry without scene_id, object_id and description.
    """
    entries = read_json(json_path)
    if not isinstance(entries, list):
        raise InputError(f"{json_path}: should hold a list of descriptions, as ScanRefer_filtered_train.json does")
    found: dict[str, list[Referral]] = {}
    for index, entry in enumerate(entries):
        try:
            referral = Referral(str(entry["description"]), int(entry["object_id"]))
            found.setdefault(str(entry["scene_id"]), []).append(referral)
        except (KeyError, TypeError, ValueError) as error:
            said = f"entry {index} has no scene_id, description and whole number object_id"
            raise InputError(f"{json_path}: {said}; the hidden test file has no objects") from error
    return found


def with_sentences(scene: Scene, referrals: Mapping[str, Sequence[Referral]]) -> Scene:
    """The scene with the sentences of its name after its own; as it was where there are none for it.

    Args:
        scene: with instances.
        referrals: what `read_scanrefer` gave.

    Raises:
        InputError: a sentence means an object that the scene does not have, or the scene has no instances.
    """
    mine = list(referrals.get(scene.name, ()))
    if not mine:
        return scene
    if scene.instances is None:
        raise InputError(f"{scene.name}: no instances for the sentences to mean; add its aggregation and segs files")
    strangers = {referral.instance for referral in mine} - set(scene.instances.tolist())
    if strangers:
        raise InputError(f"{scene.name}: a sentence means object {min(strangers)}, which this scene does not have")
    return replace(scene, sentences=[*scene.sentences, *mine])
