"""What the 2D encoder calls the pixels of labelled frames."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from scanwise.data.datasets import Draw
from scanwise.data.frames import FrameDataset, Pixels
from scanwise.evaluation.segmentation import Confusion
from scanwise.methods.vision.data import Vocabulary
from scanwise.nn.dense_text import DenseTextEncoder
from scanwise.vision.rooms import scaled


def whole(image: np.ndarray, pixels: Pixels, generator: np.random.Generator) -> tuple[np.ndarray, Pixels]:
    """A frame as it is, for `FrameDataset`."""
    return image, pixels


def evaluate(encoder: DenseTextEncoder, frames: FrameDataset, vocabulary: Vocabulary) -> dict[str, float]:
    """Pixels' labels found again, by the words of all classes and by all open names.

    Args:
        encoder: of images.
        frames: of `whole`.
        vocabulary: of these frames.

    Returns:
        miou, macc: over the classes with a word. names: mean over the open names met of the share of their pixels
        whose likeliest open name, general ones aside, is theirs.
    """
    count = len(vocabulary.names)
    texts = functional.normalize(vocabulary.phrasings.mean(1), dim=1)
    confusion = Confusion(vocabulary.classes)
    hits, met = np.zeros(count), np.zeros(count)
    device = encoder.log_scale.device
    for number in range(len(frames)):
        image, pixels = frames[Draw(number, (0,))]
        with torch.no_grad():
            planes = torch.from_numpy(scaled(image).transpose(2, 0, 1).copy())[None].to(device)
            grid = functional.interpolate(encoder(planes), pixels.words.shape, mode="bilinear", align_corners=False)
            scores = (grid[0].flatten(1).T @ texts.to(device).T).cpu()
        classes = pixels.classes.ravel()
        truth = np.where(classes >= 0, vocabulary.class_row.numpy()[classes], -1)
        confusion.add(truth, scores[:, count:].argmax(1).numpy().astype(np.int32))
        rows = np.flatnonzero((pixels.words.ravel() >= 0) & (pixels.words.ravel() < count))
        wanted = pixels.words.ravel()[rows]
        found = scores[rows, :count].masked_fill(~vocabulary.rivals[wanted], -torch.inf).argmax(1).numpy()
        met += np.bincount(wanted, minlength=count)
        hits += np.bincount(wanted[found == wanted], minlength=count)
    metrics = confusion.metrics()
    return {"miou": metrics["miou"], "macc": metrics["macc"], "names": float((hits[met > 0] / met[met > 0]).mean())}
