"""A session that corrects without end, as a process of its own: it prints the number of each that is kept."""

import sys
from pathlib import Path

import numpy as np

from scanwise.scene import Scene
from scanwise.understand.corrections import Correction, CorrectionStore


def scan() -> Scene:
    return Scene(np.random.default_rng(0).uniform(0, 1, (500, 3)), name="scan")


if __name__ == "__main__":
    store = CorrectionStore(Path(sys.argv[1]), scan())
    random = np.random.default_rng(int(sys.argv[2]))
    print("ready", flush=True)
    while True:
        mask = random.random(500) < 0.1
        print(store.add(Correction("word", mask, "chair", how="brush")).id, flush=True)
