"""The lie of the land under a street: a slope and long waves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SLOPE = 0.015
"""Standard deviation of the slope along each axis, and of the steepest slope of each wave."""
WAVES = 3
LENGTHS = (60.0, 250.0)
"""Metres from crest to crest (from, to)."""


@dataclass(frozen=True, eq=False)
class Relief:
    """A height for each place of the plan.

    Attributes:
        slope: (2,) metres a metre.
        waves: (n, 4): radians a metre along x and y, phase, metres of the crests.
    """

    slope: np.ndarray
    waves: np.ndarray

    @classmethod
    def drawn(cls, generator: np.random.Generator) -> Relief:
        """Land whose ground spans some two metres within 30 m of a place, as real sweeps' does."""
        number = 2 * np.pi / generator.uniform(*LENGTHS, WAVES)
        angle, phase = generator.uniform(0, 2 * np.pi, (2, WAVES))
        crest = SLOPE * generator.standard_normal(WAVES) / number
        waves = np.stack([number * np.cos(angle), number * np.sin(angle), phase, crest], 1)
        return cls(SLOPE * generator.standard_normal(2), waves)

    def at(self, places: np.ndarray) -> np.ndarray:
        """(...,) metres at places (..., 2 or more)."""
        plan = np.asarray(places, np.float64)[..., :2]
        return plan @ self.slope + np.sin(plan @ self.waves[:, :2].T + self.waves[:, 2]) @ self.waves[:, 3]
