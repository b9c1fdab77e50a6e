"""Losses of a centre-based head (CenterPoint, Yin et al., CVPR 2021, arXiv 2006.11275; CornerNet, arXiv 1808.01244).

Shapes: B maps of K classes and H x W cells, M boxes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from scanwise.nn.processes import mean_over_processes

LEAST_RADIUS = 1.0
"""Cells: even a person warms its neighbours."""
OVERLAP = 0.1
"""IoU that a box moved by the radius still has with itself."""


def gaussian_radius(length: float, width: float, overlap: float = OVERLAP) -> float:
    """How far, along both axes at once, a rectangle may be moved so that it keeps an overlap with itself.

    Args:
        length: of the rectangle.
        width: of the rectangle.
        overlap: IoU, above 0 and below 1.

    Returns:
        r in the unit of the sides, from (l - r)(w - r) = s (2 l w - (l - r)(w - r)).
    """
    wanted = 2 * overlap / (1 + overlap) * length * width  # (l - r)(w - r)
    both = length + width
    return float((both - np.sqrt(both**2 - 4 * (length * width - wanted))) / 2)


def draw_gaussian(heat: np.ndarray, column: float, row: float, radius: float) -> None:
    """Raises a heat map (H, W) to a Gaussian of height 1 around the middle of a cell, in place.

    Args:
        heat: 0..1.
        column: of the cell, whole number.
        row: of the cell, whole number.
        radius: cells; a third of it is the standard deviation.
    """
    reach = int(np.ceil(radius))
    low_row, high_row = max(int(row) - reach, 0), min(int(row) + reach + 1, heat.shape[0])
    low_column, high_column = max(int(column) - reach, 0), min(int(column) + reach + 1, heat.shape[1])
    rows = np.arange(low_row, high_row)[:, None] - row
    columns = np.arange(low_column, high_column)[None] - column
    bell = np.exp(-(rows**2 + columns**2) / (2 * ((2 * radius + 1) / 6) ** 2))
    window = heat[low_row:high_row, low_column:high_column]
    np.maximum(window, bell, out=window)


def focal_loss(logits: torch.Tensor, heat: torch.Tensor) -> torch.Tensor:
    """The penalty-reduced focal loss (equation 1 of CornerNet, alpha 2, beta 4), per box of all processes.

    Args:
        logits: (B, K, H, W).
        heat: (B, K, H, W) 0..1; 1 at the cell of each box's middle.

    Returns:
        Scalar.
    """
    likely = logits.sigmoid()
    peak = heat == 1
    at_peaks = (1 - likely) ** 2 * functional.logsigmoid(logits)
    elsewhere = (1 - heat) ** 4 * likely**2 * functional.logsigmoid(-logits)
    total = -torch.where(peak, at_peaks, elsewhere).sum()
    return mean_over_processes(total, peak.sum())


def box_loss(found: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """L1 of what is regressed at the boxes' cells, per box of all processes.

    Args:
        found: (M, V).
        wanted: (M, V); NaN = not known, and not taught.
        weights: (V,) of the values.

    Returns:
        Scalar; 0 without boxes.
    """
    known = wanted.isfinite()
    away = torch.where(known, found - torch.nan_to_num(wanted), found.new_zeros(())).abs()
    return mean_over_processes((away * weights).sum(), len(wanted))
