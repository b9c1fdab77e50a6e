"""The corner of `tests.worlds`, written to disk in the layouts that recordings come in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from scanwise.scene import View
from tests.worlds import INTRINSICS, corner_views

VIEWS = 4
OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])


def save_picture(view: View, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(view.image).save(path)


def save_depth(view: View, path: Path, units: float = 1000.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(view.depth * units).astype(np.uint16)).save(path)


def seven_scenes(folder: Path, units: float = 1000.0) -> Path:
    folder.mkdir(parents=True)
    np.savetxt(folder / "camera-intrinsics.txt", INTRINSICS)
    for number, view in enumerate(corner_views(VIEWS)):
        save_picture(view, folder / f"frame-{number:06d}.color.png")
        save_depth(view, folder / f"frame-{number:06d}.depth.png", units)
        np.savetxt(folder / f"frame-{number:06d}.pose.txt", view.camera_to_world)
    return folder


def scannet(folder: Path) -> Path:
    matrix = np.eye(4)
    matrix[:3, :3] = INTRINSICS
    (folder / "intrinsic").mkdir(parents=True)
    (folder / "pose").mkdir()
    for name in ("color", "depth"):
        np.savetxt(folder / "intrinsic" / f"intrinsic_{name}.txt", matrix)
    for number, view in enumerate(corner_views(VIEWS)):
        save_picture(view, folder / "color" / f"{number}.png")
        save_depth(view, folder / "depth" / f"{number}.png")
        np.savetxt(folder / "pose" / f"{number}.txt", view.camera_to_world)
    return folder


def tum(folder: Path) -> Path:
    folder.mkdir(parents=True)
    lists = {"rgb": ["# colour"], "depth": ["# depth"], "groundtruth": ["# t tx ty tz qx qy qz qw"]}
    for number, view in enumerate(corner_views(VIEWS)):
        stamp = 100.0 + number
        save_picture(view, folder / "rgb" / f"{stamp}.png")
        save_depth(view, folder / "depth" / f"{stamp}.png", 5000.0)
        lists["rgb"].append(f"{stamp} rgb/{stamp}.png")
        lists["depth"].append(f"{stamp + 0.01} depth/{stamp}.png")
        pose = view.camera_to_world
        numbers = [*pose[:3, 3], *quaternion(pose[:3, :3])]
        lists["groundtruth"].append(" ".join(f"{value:.9f}" for value in (stamp - 0.012, *numbers)))
        lists["groundtruth"].append(" ".join(f"{value:.9f}" for value in (stamp + 0.4, *numbers)))
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    k = INTRINSICS
    color = {"fx": k[0, 0], "fy": k[1, 1], "cx": k[0, 2], "cy": k[1, 2]}
    (folder / "calibration.json").write_text(json.dumps({"color": color}))
    return folder


def transforms_json(folder: Path) -> Path:
    folder.mkdir(parents=True)
    frames = []
    for number, view in enumerate(corner_views(VIEWS)):
        save_picture(view, folder / "images" / f"{number}.png")
        save_depth(view, folder / "depth" / f"{number}.png")
        matrix = (view.camera_to_world @ OPENGL).tolist()
        frames.append(
            {"file_path": f"images/{number}.png", "depth_file_path": f"depth/{number}.png", "transform_matrix": matrix}
        )
    content = {"fl_x": 60.0, "fl_y": 60.0, "cx": 40.0, "cy": 30.0, "w": 80, "h": 60, "frames": frames}
    (folder / "transforms.json").write_text(json.dumps(content))
    return folder


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """(x, y, z, w) of a rotation whose angle is under 180 degrees."""
    w = 0.5 * np.sqrt(max(1 + np.trace(rotation), 1e-12))
    x, y, z = rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]
    return np.array([x, y, z, 4 * w * w]) / (4 * w)
