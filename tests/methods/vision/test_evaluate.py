"""Pixels' labels are found again by embeddings that are right."""

import pytest
import torch

from scanwise.data.datasets import Draw, scene_paths
from scanwise.data.frames import FrameDataset
from scanwise.methods.vision.data import Vocabulary
from scanwise.methods.vision.evaluate import evaluate, whole
from tests.framed import write_framed


def test_evaluation_of_embeddings_that_are_right(tmp_path):
    """A stand-in encoder that says each pixel's own words: everything is found."""
    frames = FrameDataset(scene_paths(write_framed(tmp_path, train=4, val=1), "val"), whole)
    vocabulary = Vocabulary(frames.names, frames.classes)
    texts = torch.nn.functional.normalize(vocabulary.phrasings.mean(1), dim=1)
    known = {frames.names.index(name): texts[frames.names.index(name)] for name in ("floor", "chair", "mug")}

    class Oracle(torch.nn.Module):
        log_scale = torch.tensor(1.0)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            pixels = frames[Draw(self.number, (0,))][1]
            self.number += 1
            grid = torch.zeros(*pixels.words.shape, texts.shape[1])
            for word, text in known.items():
                grid[torch.from_numpy(pixels.words == word)] = text
            return grid.permute(2, 0, 1)[None]

    oracle = Oracle()
    oracle.number = 0
    metrics = evaluate(oracle, frames, vocabulary)
    assert metrics["names"] == pytest.approx(1.0)
    assert metrics["macc"] == pytest.approx(1.0)
