"""Scenes whose sentences are in a file of their own, as those of ScanRefer and its like are about ScanNet.

for source in spoken_scenes(Path("scannet"), Path("ScanRefer_filtered_train.json"), "train"): source.read().sentences
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from scanwise.data.datasets import Source, read_source, scene_paths
from scanwise.data.splits import listed_scenes, places_of, split_file
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats.scannet_labels import TSV
from scanwise.formats.scanrefer import Sentences, read_sentences
from scanwise.scene import Referral, Scene

_SPLIT = re.compile(r"(?<![a-z])(train(?:ing)?|val(?:idation)?|test)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Spoken:
    """A scene with sentences from elsewhere in place of its own; read when it is touched.

    Attributes:
        source: the scene.
        referrals: its sentences.
    """

    source: Source
    referrals: tuple[Referral, ...]

    def read(self) -> Scene:
        """The scene; sentences about objects that it does not have are left out, with a warning.

        Raises:
            InputError: it is damaged, or has no instances.
        """
        scene = read_source(self.source)
        if scene.instances is None:
            text = "no instances for the sentences to mean; add its aggregation and segs files"
            raise InputError(f"{scene.name}: {text}")
        there = set(scene.instances.tolist())
        known = [each for each in self.referrals if there.issuperset(each.instances)]
        if len(known) < len(self.referrals):
            text = f"{len(self.referrals) - len(known)} sentences mean objects that it does not have, and are left out"
            warnings.warn(f"{scene.name}: {text}", ScanwiseWarning, stacklevel=2)
        return replace(scene, sentences=known)


def spoken_scenes(root: Path, file: Path, split: str, *, each: int = 0) -> list[Source]:
    """The scenes of a data set that a file has sentences about, with them.

    Args:
        root: of the scenes: ROOT/scene0000_00, or up to two folders deeper; or any root that `scene_paths` takes.
        file: of sentences, as of `formats.scanrefer.read_sentences`. Where its name says of which split it is
            ("..._train.json"), that of `split` is the file beside it; else it is of all splits, and ROOT must say which
            scenes are of which.
        split: "train" or "val".
        each: sentences of a source; a scene with more comes several times. 0 = all.

    Raises:
        InputError: the file is damaged, or none of its scenes is there.
    """
    own = file_of(file, split)
    categories = next((path for path in (root / TSV, *sorted(root.glob(f"*/{TSV}"))) if path.is_file()), None)
    sentences = dict(_read(own, categories))
    if not _SPLIT.search(own.stem):
        sentences = _of_split(sentences, root, split, own)
    found = _found(root, sentences)
    if not found:
        name = next(iter(sentences), "")
        raise InputError(f"{root}: none of the {len(sentences)} scenes of {own} is there, such as {name}")
    if len(found) < len(sentences):
        missing = next(name for name in sentences if name not in found)
        text = f"{len(sentences) - len(found)} of its {len(sentences)} scenes are not in {root}, such as {missing}"
        warnings.warn(f"{own}: {text}", ScanwiseWarning, stacklevel=2)
    return [Spoken(source, part) for name, source in found.items() for part in _parts(tuple(sentences[name]), each)]


def file_of(file: Path, split: str) -> Path:
    """The file of a split's sentences: the one beside a file whose name has that split's word, or the file itself."""
    beside = file.with_name(_SPLIT.sub(split, file.stem) + file.suffix)
    if beside != file and not beside.is_file():
        raise InputError(f"{beside}: no such file; the sentences of {split} must lie beside {file.name}")
    return beside


def split_said(file: Path) -> str | None:
    """The split that a file's name says it is of; None = it says none."""
    said = _SPLIT.search(file.stem)
    return None if said is None else {"tra": "train", "val": "val", "tes": "test"}[said[0].lower()[:3]]


_read = cache(read_sentences)


def _of_split(sentences: Sentences, root: Path, split: str, file: Path) -> Sentences:
    """The sentences of a file of all splits that are about scenes of one."""
    if split_file(root, split) is None and not (root / split).is_dir():
        text = f"{file} has all splits in one; put scannetv2_{split}.txt, which lists its scenes, into {root}"
        raise InputError(text)
    names = {_name(source) for source in listed_scenes(root, split) or scene_paths(root, split)}
    return {name: found for name, found in sentences.items() if name in names}


def _found(root: Path, sentences: Sentences) -> dict[str, Source]:
    """The scenes that are there, by name."""
    found: dict[str, Source] = {name: path for name, path in places_of(root, [*sentences]).items() if path is not None}
    if not found:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ScanwiseWarning)  # the file says which scene is of which split
            sources = [source for split in ("train", "val") for source in scene_paths(root, split)]
        found = {name: source for source in sources if (name := _name(source)) in sentences}
    return found


def _name(source: Source) -> str:
    return source.stem if isinstance(source, Path) else read_source(source).name


def _parts(referrals: Sequence[Referral], each: int) -> list[tuple[Referral, ...]]:
    size = each or len(referrals)
    return [tuple(referrals[start : start + size]) for start in range(0, len(referrals), size)]
