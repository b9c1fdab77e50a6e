"""Frames of a recording that say something new: near-duplicates by their tokens are left out before 2D features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional

from scanwise.errors import InputError
from scanwise.methods.stellar.evaluate import Spread, best_weights, is_published, load_network
from scanwise.methods.stellar.index import batches_of
from scanwise.progress import Progress, silent
from scanwise.scene import Scene, View
from scanwise.training.checkpoints import locate

SHARE = 0.5  # of the frames that is kept
FEWEST = 8  # frames; of fewer none is left out
CHOICES = ("all", "auto")


def check_frames(frames: str) -> str:
    """One of "all" and "auto".

    Raises:
        InputError: something else.
    """
    if frames not in CHOICES:
        raise InputError(f"{frames}: frames are all, or auto (near-duplicates are left out)", option="frames")
    return frames


def without_near_duplicates(scene: Scene, *, device: str | torch.device = "cpu", progress: Progress = silent) -> Scene:
    """A scene with half of its views: those that look least like one another.

    Args:
        scene: with views; with fewer than 8 it is given back as it is.
        device: that pictures are encoded on.
        progress: told the share of "choosing frames" that is done.
    """
    if len(scene.views) < FEWEST:
        return scene
    rows = spread_out(frame_tokens(scene.views, device, progress), round(SHARE * len(scene.views)))
    return replace(scene, views=[scene.views[row] for row in rows])


@torch.no_grad()
def frame_tokens(views: Sequence[View], device: str | torch.device, progress: Progress = silent) -> torch.Tensor:
    """(V, r, D) tokens of views, by the best network at hand."""
    weights = best_weights()
    network, whole = load_network(weights).to(device), not is_published(locate(weights))
    found: list[torch.Tensor] = []
    done = 0
    for keys, pixels in batches_of(network, ((None, view.image) for view in views), whole=whole):
        found.append(network.encode(pixels.to(device)).sparse.cpu())
        done += len(keys)
        progress("choosing frames", done / len(views))
    return torch.cat(found)


def spread_out(tokens: torch.Tensor, count: int) -> list[int]:
    """Pictures that are far from one another: each next one is that which is least like the most like of those taken.

    Args:
        tokens: (V, r, D).
        count: how many.

    Returns:
        Rows in order.
    """
    units = functional.normalize(Spread.of(tokens.numpy())(tokens), dim=2).flatten(1)
    taken = [0]
    nearest = units @ units[0]
    while len(taken) < min(count, len(units)):
        nearest[taken] = np.inf
        taken.append(int(nearest.argmin()))
        nearest = torch.maximum(nearest, units @ units[taken[-1]])
    return sorted(taken)
