"""The offline vision model: seconds per picture and to the first texts, against the packages' own code.

    python benchmarks/vision.py --json out/vision.json

References: of a picture, the package's EfficientNet-Lite0 on all 24 crops at once; of texts, transformers'
BertModel; import included, both in a fresh process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet
from rows import Rows, machine, median_seconds

from scanwise.vision import conse

TEXTS = ["chair", "table", "cup", "cabinet", "television screen", "sink", "book", "wall", "floor", "lamp"]
OURS = "from scanwise.nn.text import MiniLM\nMiniLM().encode(texts)"
THEIRS = """
from scanwise.nn.text import minilm_folder
from tokenizers import Tokenizer
from transformers import BertModel
model = BertModel.from_pretrained(minilm_folder()).eval()
ids = [encoding.ids for encoding in Tokenizer.from_file(str(minilm_folder() / "tokenizer.json")).encode_batch(texts)]
model(torch.tensor(ids))
"""
CONSE = "from scanwise.vision import load_vision\nload_vision('conse').encode_texts(texts)"


def main() -> None:
    rows = Rows(__doc__ or "")
    torch.set_num_threads(2)
    params = {"threads": 2, "machine": machine()}
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    model = conse.Conse()
    seconds = median_seconds(lambda: model.encode_image(image))
    rows.add("conse: a 640 x 480 picture", seconds, "s", package_network(), crops=24, **params)
    rows.add("MiniLM: 10 texts, start included", fresh(OURS), "s", fresh(THEIRS), **params)
    with tempfile.TemporaryDirectory() as cache:
        cold = fresh(CONSE, SCANWISE_CACHE=cache)
        rows.add("conse: 10 texts, class names cached", fresh(CONSE, SCANWISE_CACHE=cache), "s", cold, **params)
    rows.write()


def package_network() -> float:
    """Seconds for the package's own network on 24 crops."""
    network = EfficientNet.from_name("efficientnet-lite0", image_size=conse.CROP).eval()
    crops = torch.randn(24, 3, conse.CROP, conse.CROP)
    with torch.inference_mode():
        return median_seconds(lambda: network(crops))


def fresh(code: str, **environment: str) -> float:
    """Seconds that this code takes in a new process, beyond those of importing torch."""
    lines = ["import time, torch", "started = time.perf_counter()", f"texts = {TEXTS!r}", code]
    lines.append("print(time.perf_counter() - started)")
    result = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    return float(result.stdout)


if __name__ == "__main__":
    main()
