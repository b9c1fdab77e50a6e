"""stub"""

from __future__ import annotations

from typing import Any


def knn_accuracy(*a: Any) -> dict[str, float]:
    return {}


def reconstruction_errors(*a: Any) -> dict[str, float]:
    return {}
