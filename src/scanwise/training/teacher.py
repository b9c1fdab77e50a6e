"""Teachers that are the moving average of their student (mean teacher, arXiv 1703.01780)."""

from __future__ import annotations

import math

import torch
from torch import nn


def momentum(progress: float, start: float) -> float:
    """From `start` to 1 along half a cosine.

    Args:
        progress: share of the run that is done, 0..1.
        start: momentum at the start, 0..1.
    """
    return 1 - (1 - start) * (1 + math.cos(math.pi * progress)) / 2


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, keep: float) -> None:
    """Moves the teacher: keep * teacher + (1 - keep) * student, for each of the student's parameters.

    Args:
        teacher: has a parameter of the name of each of the student's.
        student: what the optimiser moves.
        keep: momentum, 0..1.
    """
    for name, parameter in student.named_parameters():
        teacher.get_parameter(name).lerp_(parameter, 1 - keep)
