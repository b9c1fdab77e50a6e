"""Features looked at: how many directions they use, and what they look like as colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from scanwise.files import replacing


def rank_me(second_moment: torch.Tensor) -> torch.Tensor:
    """How many directions features use (RankMe, Garrido et al., arXiv 2210.02885, equation 1).

    It is exp of the entropy of the singular values' shares; 1 where all features point the same way.

    Args:
        second_moment: (C, C), sum over features (n, C) of their outer products, in any scale.

    Returns:
        Scalar, 1..C.
    """
    values = torch.linalg.eigvalsh(second_moment.double()).clamp(min=0).sqrt()
    shares = values / values.sum().clamp(min=1e-30)
    return torch.exp(-torch.xlogy(shares, shares).sum()).float()


def pca_colors(feats: np.ndarray) -> np.ndarray:
    """The three main directions of features as red, green and blue, robust to outliers.

    Args:
        feats: (N, C).

    Returns:
        (N, 3) uint8.
    """
    values = torch.from_numpy(np.asarray(feats, np.float32)).double()
    values = values - values.mean(0)
    _, directions = torch.linalg.eigh(values.T @ values)
    main = directions[:, -3:].flip(1)
    sign = torch.where(main.sum(0) < 0, -1.0, 1.0)  # so that small changes of the features do not swap colours
    shown = (values @ (main * sign)).numpy()
    low, high = np.percentile(shown, (1, 99), axis=0)
    shares = np.clip((shown - low) / np.maximum(high - low, 1e-12), 0, 1)
    colors = np.zeros((len(feats), 3), np.uint8)
    colors[:, : shares.shape[1]] = np.rint(255 * shares)
    return colors


def draw_voxels(path: Path, positions: np.ndarray, edge: float, *columns: tuple[str, np.ndarray]) -> None:
    """Draws voxels from above and aslant.

    Args:
        path: of the picture.
        positions: (N, 3) of the voxels, metres.
        edge: of the voxels, metres.
        *columns: title and colours (N, 3) uint8 of each column of pictures.

    Raises:
        OutputError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    low, high = np.percentile(positions[:, 2], (0, 99))
    open_room = np.flatnonzero(positions[:, 2] <= low + 0.85 * (high - low))  # a ceiling would hide what is below
    figure = Figure(figsize=(5.5 * len(columns), 9), layout="constrained")
    axes = figure.subplots(2, len(columns), squeeze=False)
    side = 5 * 72 * edge / max(float(np.ptp(positions[:, :2], axis=0).max()), edge)  # of a voxel, in points
    aslant = positions @ _camera()
    above, behind = open_room[np.argsort(positions[open_room, 2])], open_room[np.argsort(-aslant[open_room, 2])]
    for column, (title, colors) in enumerate(columns):
        axes[0, column].set_title(title)
        for axis, plane, rows in ((axes[0, column], positions, above), (axes[1, column], aslant, behind)):
            x, y = plane[rows, :2].T
            axis.scatter(x, y, c=colors[rows] / 255, s=max(side, 0.5) ** 2, marker="s", linewidths=0)
    for axis in axes.flat:
        axis.set_aspect("equal")
        axis.set_axis_off()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=90)


def _camera() -> np.ndarray:
    """(3, 3) from scene axes to right, up and away, looking down at 35 degrees from the south-west."""
    around, down = np.radians(30), np.radians(35)
    right = np.array([np.cos(around), -np.sin(around), 0])
    away = np.array([np.sin(around) * np.cos(down), np.cos(around) * np.cos(down), -np.sin(down)])
    return np.stack([right, np.cross(right, away), away], 1)
