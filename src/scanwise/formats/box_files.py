"""Detected boxes as others read them: JSON in the scan's own frame, KITTI's lines, nuScenes' submission.

boxes.json       {"boxes": [{"class", "score", "center", "size", "heading", "up", "velocity", "points"}]}
kitti.txt        type truncated occluded alpha  left top right bottom  height width length  x y z  rotation_y score
nuscenes.json    {"meta": {...}, "results": {TOKEN: [{"translation", "size", "rotation", "velocity", ...}]}}
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scanwise.formats.kitti import SweepRecord
from scanwise.formats.kitti_object import USUAL_MOUNTING, ObjectRecord
from scanwise.formats.nuscenes import SampleRecord
from scanwise.geometry.box_arrays import Boxes
from scanwise.scene import Scene

KITTI_TYPES = {"car": "Car", "truck": "Truck", "pedestrian": "Pedestrian", "bicycle": "Cyclist"}
"""Types of KITTI's objects; what it has no type for is written as Misc."""
_VERTICAL = 0.9  # cosine from which an axis is taken for the vertical one


@dataclass(frozen=True, eq=False)
class Named:
    """Boxes of a sweep with the words for their classes.

    Attributes:
        boxes: in the scene's frame.
        names: K words that `boxes.classes` points into.
        points: (B,) how many points lie in each.
    """

    boxes: Boxes
    names: Sequence[str]
    points: np.ndarray

    def name(self, row: int) -> str:
        """The word for a box."""
        return self.names[int(self.boxes.classes[row])]


def facts(scene: Scene, found: Named) -> list[dict[str, Any]]:
    """The boxes for JSON, in the frame and unit of the scan's file, rounded.

    Args:
        scene: that they were found in.
        found: boxes.

    Returns:
        For each class, score, center (3), size (length, width, height), heading (radians of its front from the x axis,
        counter-clockwise about `up`; where x is vertical, from y), up (3), velocity (3) in units per second, points.
    """
    linear, shift = scene.to_source[:3, :3], scene.to_source[:3, 3]
    scale = float(np.linalg.norm(linear[:, 0]))
    up = linear @ (0, 0, 1) / scale
    start = np.eye(3)[1 if abs(up[0]) > _VERTICAL else 0]
    start = start - (start @ up) * up
    result = []
    boxes = found.boxes
    for row in range(len(boxes)):
        ahead = linear @ (np.cos(boxes.headings[row]), np.sin(boxes.headings[row]), 0) / scale
        velocity = linear @ np.append(boxes.velocities[row], 0)
        result.append(
            {
                "class": found.name(row),
                "score": round(float(boxes.scores[row]), 4),
                "center": np.round(linear @ boxes.centers[row] + shift, 4).tolist(),
                "size": np.round(boxes.sizes[row] * scale, 4).tolist(),
                "heading": round(float(np.arctan2(np.cross(start, ahead) @ up, start @ ahead)), 4),
                "up": np.round(up, 4).tolist(),
                "velocity": np.round(velocity, 3).tolist() if np.isfinite(velocity).all() else None,
                "points": int(found.points[row]),
            }
        )
    return result


def kitti_lines(scene: Scene, found: Named) -> list[str]:
    """A line a box, as KITTI's object detection writes results.

    With the frame's own calibration, boxes are in its camera's frame, with their rectangle in the picture, and those
    that the picture does not show are left out. Without, the usual mounting of KITTI's car is taken, rectangles are
    -1, and all boxes are written.

    Args:
        scene: a sweep with its LiDAR at the origin, x forward; `raw` may be an `ObjectRecord`.
        found: boxes.
    """
    record = scene.raw if isinstance(scene.raw, ObjectRecord) else None
    to_camera = USUAL_MOUNTING if record is None else record.to_camera
    boxes = found.boxes.moved(scene.to_source) if isinstance(scene.raw, SweepRecord) else found.boxes
    corners = boxes.corners() @ to_camera[:3, :3].T + to_camera[:3, 3]
    lines = []
    for row in range(len(boxes)):
        length, width, height = boxes.sizes[row]
        bottom = boxes.centers[row] - (0, 0, height / 2)
        x, y, z = to_camera[:3, :3] @ bottom + to_camera[:3, 3]
        ahead = to_camera[:3, :3] @ (np.cos(boxes.headings[row]), np.sin(boxes.headings[row]), 0)
        turn = float(np.arctan2(-ahead[2], ahead[0]))
        rectangle: tuple[float, ...] | None = (-1.0, -1.0, -1.0, -1.0)
        if record is not None:
            rectangle = _rectangle(corners[row], record, scene.views[0].image_size)
        if rectangle is None:
            continue
        alpha = (turn - np.arctan2(x, z) + np.pi) % (2 * np.pi) - np.pi
        numbers = (alpha, *rectangle, height, width, length, x, y, z, turn)
        kind = KITTI_TYPES.get(found.name(row), "Misc")
        lines.append(f"{kind} -1 -1 {' '.join(f'{value:.2f}' for value in numbers)} {boxes.scores[row]:.4f}")
    return lines


def _rectangle(corners: np.ndarray, record: ObjectRecord, size: tuple[int, int]) -> tuple[float, ...] | None:
    """Left, top, right, bottom in the picture of corners (8, 3) of the camera's frame; None = not in it."""
    if (corners[:, 2] < 0.1).any():
        return None
    pixels = corners @ record.projection[:3, :3].T + record.projection[:3, 3]
    plan = pixels[:, :2] / pixels[:, 2:]
    (left, top), (right, bottom) = plan.min(0), plan.max(0)
    if right <= 0 or bottom <= 0 or left >= size[1] or top >= size[0]:
        return None
    return max(left, 0.0), max(top, 0.0), min(right, size[1] - 1.0), min(bottom, size[0] - 1.0)


def nuscenes_submission(scene: Scene, found: Named) -> dict[str, Any]:
    """The boxes of a sweep in the form of nuScenes' detection task.

    A key frame of nuScenes gives its sample's token, and boxes in the world; another sweep its name, and boxes in its
    own frame. Attributes are not detected and left empty.

    Args:
        scene: the sweep; `raw` may be a `SampleRecord`.
        found: boxes.
    """
    record = scene.raw if isinstance(scene.raw, SampleRecord) else None
    token = scene.name if record is None else record.token
    boxes = found.boxes.moved(scene.to_source if record is None else record.to_world @ scene.to_source)
    results = []
    for row in range(len(boxes)):
        length, width, height = boxes.sizes[row].tolist()
        half = boxes.headings[row] / 2
        velocity = np.nan_to_num(boxes.velocities[row])
        results.append(
            {
                "sample_token": token,
                "translation": np.round(boxes.centers[row], 4).tolist(),
                "size": [round(width, 4), round(length, 4), round(height, 4)],
                "rotation": [round(float(np.cos(half)), 6), 0.0, 0.0, round(float(np.sin(half)), 6)],
                "velocity": np.round(velocity, 3).tolist(),
                "detection_name": found.name(row),
                "detection_score": round(float(boxes.scores[row]), 4),
                "attribute_name": "",
            }
        )
    used = {"use_camera": False, "use_lidar": True, "use_radar": False, "use_map": False, "use_external": True}
    return {"meta": used, "results": {token: results}}
