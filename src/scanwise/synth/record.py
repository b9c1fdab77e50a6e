"""A made world, as a camera that is carried through it records it: a labelled `Scene`."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from scanwise.files import EncodedImage
from scanwise.formats.fusion import fuse
from scanwise.geometry.cameras import nearest_pixels, project
from scanwise.scene import ArrayRaster, Scene, View
from scanwise.synth.render import Renderer
from scanwise.synth.sensors import SENSORS, Exposure, measure
from scanwise.synth.world import SCANNET_20, World

JPEG_QUALITY = 88
_CLOSE = 0.06  # metres between a fused point and the surface that a view shows there


def record(
    world: World, poses: list[np.ndarray], sensor: str, size: tuple[int, int], generator: np.random.Generator
) -> Scene:
    """What a sensor records from these poses, fused at 2 cm and labelled.

    Args:
        world: with its lights.
        poses: (4, 4) OpenCV cameras to world.
        sensor: "kinect" or "phone".
        size: (H, W) of colour and depth.
        generator: of random numbers.

    Returns:
        A scene with ScanNet-20 labels (-1 where a body has none), instances, boxes of the objects with at least one
        point, views with JPEG pictures, normals. Sentences are the caller's.
    """
    bodies = world.bodies
    renderer = Renderer([(body.mesh, np.eye(4)) for body in bodies], world.lights)
    camera, exposure = SENSORS[sensor], Exposure.drawn(generator)
    intrinsics = _intrinsics(sensor, size)
    views, shown, truths = [], [], []
    for number, pose in enumerate(poses):
        image, depth, body = renderer.render(intrinsics, pose, size)
        photo = EncodedImage(_jpeg(exposure.photograph(image, generator)), ".jpg")
        measured = np.rint(measure(depth, intrinsics, camera, generator) * 1000) / 1000  # stored as millimetres
        views.append(View(photo, intrinsics, pose, ArrayRaster(measured.astype(np.float32)), name=f"{number:06d}"))
        shown.append(body)
        truths.append(depth)
    points, colors, normals = fuse(views)
    body_of_point = vote(points, views, truths, shown, len(bodies))
    kept = body_of_point >= 0
    points, colors, normals, body_of_point = points[kept], colors[kept], normals[kept], body_of_point[kept]
    kinds = np.array([SCANNET_20.index(body.kind) if body.kind in SCANNET_20 else -1 for body in bodies])
    instances = np.array([-1 if body.box is None else body.box.instance for body in bodies])
    present = set(instances[body_of_point].tolist())
    return Scene(
        points,
        colors,
        normals,
        labels=kinds[body_of_point],
        instances=instances[body_of_point],
        classes=list(SCANNET_20),
        boxes=[body.box for body in bodies if body.box is not None and body.box.instance in present],
        views=views,
        name=world.name,
    )


def vote(
    points: np.ndarray, views: list[View], depths: list[np.ndarray], shown: list[np.ndarray], bodies: int
) -> np.ndarray:
    """The body that most views show at each point.

    Args:
        points: (N, 3) metres.
        views: the V cameras.
        depths: true depth (H, W) of each, metres.
        shown: body (H, W) that each shows, -1 = none.
        bodies: how many there are.

    Returns:
        (N,) int32, -1 where none shows a surface within 6 cm.
    """
    result, disputed, votes = np.full(len(points), -1, np.int32), np.zeros(len(points), bool), []
    for view, depth, body in zip(views, depths, shown, strict=True):
        rows, found = _seen(points, view, depth, body)
        fresh = result[rows] < 0
        result[rows[fresh]] = found[fresh]
        disputed[rows] |= found != result[rows]
        votes.append((rows, found))
    keys = [rows[disputed[rows]].astype(np.int64) * bodies + found[disputed[rows]] for rows, found in votes]
    pairs, counts = np.unique(np.concatenate(keys), return_counts=True)
    order = np.lexsort((counts, pairs // bodies))  # the last of each point's pairs has the most votes
    result[pairs[order] // bodies] = pairs[order] % bodies
    return result


def _seen(points: np.ndarray, view: View, depth: np.ndarray, body: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the points that a view shows, and the body that it shows at each."""
    to_image = np.eye(4)
    to_image[:3] = view.intrinsics @ np.linalg.inv(view.camera_to_world)[:3]  # at once, so that it is rounded once
    pixels, z = project(points, np.eye(3), to_image)
    row, column, inside = nearest_pixels(pixels, depth.shape)
    found = body[row, column]
    rows = np.flatnonzero(inside & (z > 0.05) & (np.abs(depth[row, column] - z) < _CLOSE) & (found >= 0))
    return rows, found[rows]


def _intrinsics(sensor: str, size: tuple[int, int]) -> np.ndarray:
    height, width = size
    focal = {"kinect": 525 / 640, "phone": 480 / 640}[sensor] * width
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])


def _jpeg(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
