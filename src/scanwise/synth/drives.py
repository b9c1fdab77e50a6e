"""Drives: sweep after sweep of a LiDAR on a car that goes along a made street, labelled and boxed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scanwise.scene import Box, Scene
from scanwise.synth.lidar import LidarModel, LidarWorld, Mover, Sweep, between
from scanwise.synth.street_things import Actor
from scanwise.synth.streets import Street
from scanwise.synth.world import SEMANTIC_KITTI_19, Body

FEWEST = 5
"""Points that an object must have to get a box."""


def drive(
    street: Street, model: LidarModel, generator: np.random.Generator, *, sweeps: int, apart: float = 0.0
) -> list[Scene]:
    """What a car records that drives along the street.

    Args:
        street: with its traffic.
        model: of the LiDAR.
        generator: of random numbers.
        sweeps: how many.
        apart: seconds from one to the next; 0 = none is left out.

    Returns:
        A scene a sweep, in the sensor's frame at the sweep's reference time (half-way), z up; `to_source` is the
        sensor's pose (4, 4) in the street's frame. Labels are SemanticKITTI's 19 (-1 = none of them, or a point
        between two things), instances keep their number over the drive, -1 = structure. Attributes: "ring" uint16,
        "time" float32 seconds since the reference time, "moving" uint8. Boxes are of the objects with at least 5
        points, where they were when the beams passed over them, with the velocity over ground along the sensor's axes.
    """
    standing = street.world.bodies
    movers = [Mover(actor.body.mesh, actor.body.kind, actor.pose_at) for actor in street.actors]
    surroundings = LidarWorld([(body.mesh, body.kind) for body in standing], movers)
    scenes = []
    for number in range(sweeps):
        begin = number * (apart or 1 / model.rate)
        start, end = (sensor_at(street, model, time) for time in (begin, begin + 1 / model.rate))
        sweep = surroundings.scan(model, start, end, generator, time=begin)
        scenes.append(_scene(street, sweep, between(start, end, 0.5), begin + 0.5 / model.rate, number))
    return scenes


def sensor_at(street: Street, model: LidarModel, time: float) -> np.ndarray:
    """The (4, 4) pose of the LiDAR in the street's frame at `time` seconds."""
    pose = street.ego_at(time)
    pose[2, 3] += model.height
    return pose


def _scene(street: Street, sweep: Sweep, pose: np.ndarray, reference: float, number: int) -> Scene:
    bodies = [*street.world.bodies, *(actor.body for actor in street.actors)]
    kinds = [SEMANTIC_KITTI_19.index(body.kind) if body.kind in SEMANTIC_KITTI_19 else -1 for body in bodies]
    instances = [-1 if body.box is None else body.box.instance for body in bodies]
    moving = np.r_[np.zeros(len(street.world.bodies)), np.ones(len(street.actors)), 0]
    return Scene(
        sweep.points,
        intensity=sweep.intensity,
        labels=np.array([*kinds, -1])[sweep.body],
        instances=np.array([*instances, -1])[sweep.body],
        classes=list(SEMANTIC_KITTI_19),
        boxes=_boxes(street, bodies, sweep, pose, reference),
        name=f"{street.world.name}-{number:04d}",
        to_source=pose,
        attributes={"ring": sweep.ring, "time": sweep.time, "moving": moving[sweep.body].astype(np.uint8)},
    )


def _boxes(street: Street, bodies: list[Body], sweep: Sweep, pose: np.ndarray, reference: float) -> list[Box]:
    counts = np.bincount(sweep.body[sweep.body >= 0], minlength=len(bodies))
    first = len(street.world.bodies)
    boxes = []
    for index in np.flatnonzero(counts >= FEWEST).tolist():
        box = bodies[index].box
        if box is None:
            continue
        if index >= first:
            when = reference + float(np.median(sweep.time[sweep.body == index]))
            box = _moved(box, street.actors[index - first], when)
        boxes.append(_seen_from(box, pose))
    return boxes


def _moved(box: Box, actor: Actor, time: float) -> Box:
    """The box of an actor at a time, in the street's frame."""
    pose, velocity = actor.pose_at(time), actor.velocity_at(time)
    return replace(
        box,
        center=(float(pose[0, 3]), float(pose[1, 3]), float(pose[2, 3]) + box.size[2] / 2),
        heading=float(np.arctan2(pose[1, 0], pose[0, 0])),
        velocity=(float(velocity[0]), float(velocity[1])),
    )


def _seen_from(box: Box, pose: np.ndarray) -> Box:
    """A box of the street's frame in the frame of a level sensor at `pose`."""
    x, y, z = ((np.array(box.center) - pose[:3, 3]) @ pose[:3, :3]).tolist()
    turned = box.heading - np.arctan2(pose[1, 0], pose[0, 0])
    velocity = None if box.velocity is None else np.array(box.velocity) @ pose[:2, :2]
    return replace(
        box,
        center=(x, y, z),
        heading=float(np.arctan2(np.sin(turned), np.cos(turned))),
        velocity=None if velocity is None else (float(velocity[0]), float(velocity[1])),
    )
