"""How often up is found in rooms that lie in another way: what docs/recordings.md says of it.

    OMP_NUM_THREADS=1 python scripts/measure_upright.py data/rooms-1 --split val

Points alone, no cameras: whole rooms and the half of them with the lower x, as they stand and turned by three turns.
"right" is within 8 degrees, "stays" says nothing, "wrong" turns another way up. Rows are the figures, by turn.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from scanwise.data.datasets import read_source, scene_paths
from scanwise.errors import InputError
from scanwise.geometry.upright import found_up
from scanwise.scene import Scene

TURNS = {
    "upright": np.eye(3),
    "y up": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "x up": np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]]),
}
RIGHT = 0.99  # cosine


def main() -> None:
    """Counts and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of rooms")
    parser.add_argument("--split", default="val")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    found: Counter[tuple[str, str, str]] = Counter()
    try:
        paths = scene_paths(arguments.data, arguments.split)
    except InputError as error:
        parser.error(str(error))
    for number, path in enumerate(paths):
        points = read_source(path).points
        points = points[np.isfinite(points).all(1)]
        parts = {"whole": points, "half": points[points[:, 0] < np.median(points[:, 0])]}
        for turn, matrix in (TURNS | {"random": Rotation.random(random_state=1000 + number).as_matrix()}).items():
            for part, some in parts.items():
                up = found_up(Scene(some @ matrix.T))
                said = "stays" if up is None else "right" if up @ matrix[:, 2] > RIGHT else "wrong"
                found[turn, part, said] += 1
    print("| turn | part | right | stays | wrong |\n|---|---|---|---|---|")
    for turn in (*TURNS, "random"):
        for part in ("whole", "half"):
            counts = [found[turn, part, said] for said in ("right", "stays", "wrong")]
            print(f"| {turn} | {part} | {' | '.join(map(str, counts))} |")


if __name__ == "__main__":
    main()
