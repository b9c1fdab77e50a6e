"""ScanNet's label sets: NYU40 ids to the 20 classes of the benchmark, raw categories to the ids of ScanNet-200."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from scanwise.errors import InputError

NYU40_OF_20 = {
    "wall": 1,
    "floor": 2,
    "cabinet": 3,
    "bed": 4,
    "chair": 5,
    "sofa": 6,
    "table": 7,
    "door": 8,
    "window": 9,
    "bookshelf": 10,
    "picture": 11,
    "counter": 12,
    "desk": 14,
    "curtain": 16,
    "refrigerator": 24,
    "shower curtain": 28,
    "toilet": 33,
    "sink": 34,
    "bathtub": 36,
    "otherfurniture": 39,
}
"""The benchmark's 20 classes in its order, each with its NYU40 id."""

SCANNET_20 = tuple(NYU40_OF_20)

# Written as ranges (first, last): these ids of the tsv file's column `id` are the classes of ScanNet-200.
_RUNS_200 = (
    *((1, 11), (13, 19), (21, 24), (26, 29), (31, 36), (38, 42), (44, 52), (54, 59), (62, 80), (82, 82), (84, 84)),
    *((86, 90), (93, 93), (95, 107), (110, 110), (112, 112), (115, 116), (118, 118), (120, 122), (125, 125)),
    *((128, 128), (130, 132), (134, 134), (136, 136), (138, 141), (145, 145), (148, 148), (154, 157), (159, 159)),
    *((161, 161), (163, 163), (165, 166), (168, 170), (177, 177), (180, 180), (185, 185), (188, 188), (191, 191)),
    *((193, 193), (195, 195), (202, 202), (208, 208), (213, 214), (221, 221), (229, 230), (232, 233), (242, 242)),
    *((250, 250), (261, 261), (264, 264), (276, 276), (283, 283), (286, 286), (300, 300), (304, 304), (312, 312)),
    *((323, 323), (325, 325), (331, 331), (342, 342), (356, 356), (370, 370), (392, 392), (395, 395), (399, 399)),
    *((408, 408), (417, 417), (488, 488), (540, 540), (562, 562), (570, 570), (572, 572), (581, 581), (609, 609)),
    *((748, 748), (776, 776), (1156, 1156), (1163, 1176), (1178, 1191)),
)
SCANNET_200_IDS = tuple(number for first, last in _RUNS_200 for number in range(first, last + 1))
"""The 200 ids, ascending."""

TSV = "scannetv2-labels.combined.tsv"


def to_scannet20(nyu40: np.ndarray) -> np.ndarray:
    """NYU40 ids of any shape to int32 index into SCANNET_20, -1 where the id is none of its classes."""
    table = np.full(41, -1, np.int32)
    table[list(NYU40_OF_20.values())] = np.arange(len(NYU40_OF_20))
    ids = np.asarray(nyu40).astype(np.int64)
    return np.where((ids >= 0) & (ids <= 40), table[np.clip(ids, 0, 40)], -1).astype(np.int32)


def read_scannet200(scene: Path) -> dict[str, int] | None:
    """ScanNet-200 id of each raw category that has one, from scannetv2-labels.combined.tsv.

    Args:
        scene: a scene's folder; the file is looked for there and in the two folders above.

    Returns:
        The ids; None where there is no file.

    Raises:
        InputError: unreadable, or columns id or raw_category are missing or hold no numbers.
    """
    scene = scene.resolve()
    path = next((file for place in (scene, *scene.parents[:2]) if (file := place / TSV).is_file()), None)
    if path is None:
        return None
    ids: dict[str, int] = {}
    for line, row in enumerate(read_tsv(path, ("id", "raw_category")), 2):
        try:
            number = int(row["id"])
        except ValueError as error:
            raise InputError(f"{path}: line {line}: {error}; download the file again") from error
        if number in _IDS_200:
            ids[row["raw_category"]] = number
    return ids


def read_tsv(path: Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a tab-separated file with a header line.

    Raises:
        InputError: unreadable, not text, or a needed column is missing.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE, restval="")
            rows = list(reader)
            columns = list(reader.fieldnames or ())
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror or error})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a tab-separated text ({error})") from error
    missing = [name for name in needed if name not in columns]
    if missing:
        raise InputError(
            f"{path}: no column {missing[0]} in its first line; it has {', '.join(columns)[:200] or 'none'}"
        )
    return rows


_IDS_200 = frozenset(SCANNET_200_IDS)
