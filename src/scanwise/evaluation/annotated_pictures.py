"""Pictures with a class a pixel, as ADE20K's scene parsing has them (ADEChallengeData2016).

ROOT/images/training/*.jpg        ROOT/annotations/training/*.png     0 = none, 1.. = classes
ROOT/images/validation/*.jpg      ROOT/annotations/validation/*.png
ROOT/objectInfo150.txt            names, the last column of a table with tabs; without it classes go by numbers
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scanwise.data.image_sources import SUFFIXES
from scanwise.data.splits import WORDS
from scanwise.errors import InputError
from scanwise.evaluation.image_probes import Frame
from scanwise.files import ImageFile, opened_picture, read_bytes

_NAMES = "objectInfo150.txt"


class AnnotatedPictures(Sequence[Frame]):
    """The pictures of a split with their classes, both scaled to a square; read when they are touched.

    Args:
        root: of the data set.
        split: "train" or "val".
        side: pixels.
        share: of the pictures, 0..1: the first of a fixed shuffle.

    Raises:
        InputError: no such pictures, or one without annotation.
    """

    def __init__(self, root: Path, split: str, side: int, share: float = 1.0) -> None:
        words = WORDS.get(split, (split,))
        place = next((root / "images" / word for word in words if (root / "images" / word).is_dir()), None)
        if place is None:
            raise InputError(f"{root}: no images/{' or images/'.join(words)} with annotations beside it, as ADE20K has")
        paths = sorted(path for path in place.iterdir() if path.suffix.lower() in SUFFIXES)
        rows = np.random.default_rng(0).permutation(len(paths))[: max(1, round(share * len(paths)))]
        self._pairs = [
            (paths[row], root / "annotations" / place.name / f"{paths[row].stem}.png") for row in sorted(rows)
        ]
        missing = next((label for _, label in self._pairs if not label.is_file()), None)
        if not self._pairs or missing is not None:
            raise InputError(f"{missing or place}: missing; each picture needs its annotation")
        self._side = side

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: Any) -> Any:
        picture, label = self._pairs[index]
        image = Image.fromarray(ImageFile(picture).read()).resize((self._side, self._side), Image.Resampling.BICUBIC)
        with opened_picture(label, str(label)) as stored:
            classes = stored.resize((self._side, self._side), Image.Resampling.NEAREST)
            return Frame(np.asarray(image).transpose(2, 0, 1), np.asarray(classes).astype(np.int64) - 1, index)


def class_names(root: Path) -> list[str]:
    """The names of the classes, or their numbers where no table is there."""
    path = root / _NAMES
    if not path.is_file():
        return [str(number) for number in range(1, 151)]
    rows = [line.split("\t") for line in read_bytes(path).decode("utf-8", "replace").splitlines()[1:] if line.strip()]
    return [row[-1].split(",")[0].strip() for row in rows]
