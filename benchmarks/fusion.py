"""Fusing a recording: seconds, peak memory, points, and how well the calibration aligns colour with depth.

    python benchmarks/fusion.py ../shared/data/kitchen --json out/fusion.json

The recording has frames as 7-Scenes has them (`*.color.jpg`, `*.depth.png` in millimetres, `*.pose.txt` of the
depth camera); the cameras below are those of the kitchen. Colour deviation is the standard deviation, over the
views that saw a place, of the colour that each gives it; the reference takes colour as registered to depth.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
from rows import Rows, machine
from scipy.spatial import cKDTree

from scanwise.files import DepthFile, ImageFile
from scanwise.formats.fusion import fuse
from scanwise.geometry.upright import upright_rotation
from scanwise.scene import View

DEPTH_CAMERA = np.array([[585.0, 0, 320], [0, 585, 240], [0, 0, 1]])
COLOR_CAMERA = np.array([[522.0, 0, 321], [0, 522, 236.4], [0, 0, 1]])
DEPTH_TO_COLOR_X = -0.0256
VOXEL, FAR = 0.02, 6.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    rows = Rows(__doc__ or "", parser)
    folder = rows.arguments.folder
    views = recording(folder, COLOR_CAMERA, DEPTH_TO_COLOR_X)
    params = {"frames": len(views), "voxel": VOXEL, "machine": machine()}

    started = time.perf_counter()
    points, _, normals = fuse(views, voxel=VOXEL)
    rows.add("fuse", time.perf_counter() - started, "s", **params)
    rows.add("peak memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, "GB", **params)
    rows.add("points", len(points), "1", **params)
    started = time.perf_counter()
    rotation = upright_rotation(points, normals, views)
    rows.add("upright", time.perf_counter() - started, "s", **params)
    level = points if rotation is None else points @ rotation.T
    facing_up = (normals if rotation is None else normals @ rotation.T)[:, 2] > np.cos(np.radians(20))
    rows.add("tilt of the largest level plane", largest_level_plane(level[facing_up]), "deg", **params)
    registered = color_deviation(recording(folder, DEPTH_CAMERA, 0.0), points)
    rows.add("colour deviation across views", color_deviation(views, points), "of 255", registered, **params)
    rows.write()


def recording(folder: Path, color_camera: np.ndarray, shift: float) -> list[View]:
    """The frames, with a colour camera of these intrinsics at this shift (metres along x)."""
    depth_to_color = np.eye(4)
    depth_to_color[0, 3] = shift
    views = []
    for path in sorted(folder.glob("*.pose.txt")):
        pose, stem = np.loadtxt(path), path.name.removesuffix(".pose.txt")
        image, depth = ImageFile(folder / f"{stem}.color.jpg"), DepthFile(folder / f"{stem}.depth.png", far=FAR)
        color_pose = pose @ np.linalg.inv(depth_to_color)
        views.append(View(image, color_camera, color_pose, depth, DEPTH_CAMERA, pose, stem))
    return views


def color_deviation(views: list[View], points: np.ndarray) -> float:
    """Root of the mean variance of the colours that views give a point, over points of three views or more."""
    sums = np.zeros((3, len(points), 3))
    for view in views:
        positions, colors, _ = fuse([view], voxel=VOXEL)
        distance, nearest = cKDTree(positions).query(points, distance_upper_bound=VOXEL)
        met = np.isfinite(distance)
        paint = colors[nearest[met]].astype(float)
        sums[:, met] += np.stack([np.ones_like(paint), paint, paint**2])
    count, total, squares = sums[:, sums[0, :, 0] >= 3]
    return float(np.sqrt((squares / count - (total / count) ** 2).mean()))


def largest_level_plane(points: np.ndarray) -> float:
    """Degrees from z of the plane through the most frequent height of points (n, 3) whose normals face up."""
    counts, edges = np.histogram(points[:, 2], bins=np.arange(points[:, 2].min(), points[:, 2].max() + 0.05, 0.05))
    middle = edges[counts.argmax()] + 0.025
    near = points[np.abs(points[:, 2] - middle) < 0.06].astype(float)
    plane = near
    for _ in range(8):
        centre = plane.mean(0)
        normal = np.linalg.svd(plane - centre, full_matrices=False)[2][2]
        plane = near[np.abs((near - centre) @ normal) < 0.015]
    return float(np.degrees(np.arccos(min(abs(normal[2]), 1))))


if __name__ == "__main__":
    main()
