"""A box room rendered with a few lines of ray-plane intersection, to be written in every layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

LOW, HIGH = np.array([-2.0, -1.5, 0.0]), np.array([2.0, 1.5, 2.5])
PAINT = np.array(
    [[200, 40, 40], [40, 200, 40], [40, 40, 200], [200, 200, 40], [200, 40, 200], [40, 200, 200]], np.uint8
)
SIZE = (60, 80)
CAMERA = np.array([[70.0, 0, 39.5], [0, 70, 29.5], [0, 0, 1]])


def poses(count: int = 6) -> list[np.ndarray]:
    """Camera to world, OpenCV axes, z-up world: from near the middle, all round, a little downwards."""
    result = []
    for angle in np.arange(count) * 2 * np.pi / count + 0.3:
        forward = np.array([np.cos(angle), np.sin(angle), -0.2])
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0, 0, 1])
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], 1)
        pose[:3, 3] = [-0.2 * np.cos(angle), -0.2 * np.sin(angle), 1.3]
        result.append(pose)
    return result


def render(
    pose: np.ndarray, camera: np.ndarray = CAMERA, size: tuple[int, int] = SIZE
) -> tuple[np.ndarray, np.ndarray]:
    """Colours (H, W, 3) uint8 and depth (H, W) metres."""
    rows, columns = np.indices(size)
    rays = np.stack([columns, rows, np.ones(size)], -1) @ np.linalg.inv(camera).T @ pose[:3, :3].T
    with np.errstate(divide="ignore"):
        reach = np.concatenate([(LOW - pose[:3, 3]) / rays, (HIGH - pose[:3, 3]) / rays], -1)
    reach[reach <= 0] = np.inf
    return PAINT[reach.argmin(-1)], reach.min(-1)


def save_depth(path: Path, depth: np.ndarray, units: float = 1000.0) -> None:
    Image.fromarray(np.rint(depth * units).astype(np.uint16)).save(path)


def wall_distance(points: np.ndarray) -> np.ndarray:
    """(N,) metres to the nearest wall's plane."""
    return np.abs(np.concatenate([points - LOW, points - HIGH], 1)).min(1)


def right_paint(points: np.ndarray, colors: np.ndarray) -> float:
    """Share of the points, of those away from edges, that have their wall's colour."""
    distance = np.abs(np.concatenate([points - LOW, points - HIGH], 1))
    inner = np.sort(distance, 1)[:, 1] > 0.15
    error = np.abs(colors[inner].astype(int) - PAINT[distance[inner].argmin(1)]).max(1)
    return float((error <= 8).mean())
