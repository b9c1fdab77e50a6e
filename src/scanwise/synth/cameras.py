"""Where a person who scans a room with a phone holds it: a walk with looks around, and close looks at surfaces."""

from __future__ import annotations

import numpy as np

from scanwise.synth.clutter import CARRIERS
from scanwise.synth.shell import inside
from scanwise.synth.world import Body, World

EYE = (1.25, 1.75)
"""Metres above the floor."""
CLOSE_SHARE = 0.2
PERSON = 0.22
"""Metres that are kept from walls and furniture."""
FIELD = np.cos(np.deg2rad(28))
HIGHEST_TOP = 1.25
"""Metres; what is higher is not looked down at."""
CANDIDATES = 12
"""Directions that are tried for each view; the one with most unseen things is taken."""


def walk(world: World, generator: np.random.Generator, *, views: int) -> list[np.ndarray]:
    """Poses (4, 4) of an OpenCV camera, in the order of a walk through the room.

    Most look across the room from eye height, chosen so that every thing comes into view; a fifth look down at
    tables, counters and the like from close by.

    Args:
        world: with a floor plan.
        generator: of random numbers.
        views: how many poses.
    """
    assert world.floor_plan is not None
    places = _standpoints(world, world.floor_plan)
    targets = np.array([body.box.center for body in world.bodies if body.box is not None])
    carriers = [body for body in world.bodies if body.name in CARRIERS and _top(body) < HIGHEST_TOP]
    close = min(round(CLOSE_SHARE * views), 2 * len(carriers))
    poses = [_close_look(carriers[int(generator.integers(len(carriers)))], places, generator) for _ in range(close)]
    seen = np.zeros(len(targets))
    poses += [_look_around(places, targets, seen, generator) for _ in range(views - close)]
    return [poses[place] for place in _tour(poses)]


def _standpoints(world: World, plan: np.ndarray) -> np.ndarray:
    """(n, 2) places where a person fits; the room's middle where there are none."""
    low, high = plan.min(0), plan.max(0)
    grid = np.stack(np.meshgrid(*[np.arange(low[k] + 0.1, high[k], 0.2) for k in (0, 1)], indexing="ij"), -1)
    grid = grid.reshape(-1, 2)
    ring = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]) * 1.3 * PERSON
    free = np.all([inside(plan, grid + shift) for shift in ring], axis=0)
    for body in world.bodies:
        if body.box is not None and body.box.center[2] - body.box.size[2] / 2 < 1.7 and body.box.size[2] > 0.1:
            free &= ~_within(body, grid, PERSON)
    return grid[free] if free.any() else (low + high)[None] / 2


def _within(body: Body, points: np.ndarray, margin: float) -> np.ndarray:
    assert body.box is not None
    box = body.box
    cosine, sine = np.cos(box.heading), np.sin(box.heading)
    local = np.abs((points - box.center[:2]) @ np.array([[cosine, -sine], [sine, cosine]]))
    return np.asarray((local < np.array(box.size[:2]) / 2 + margin).all(1))


def _look_around(
    places: np.ndarray, targets: np.ndarray, seen: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """The best of some random poses; counts in `seen` how often each target has been in view."""
    best, best_gain, best_view = None, -1.0, None
    for _ in range(CANDIDATES):
        x, y = places[int(generator.integers(len(places)))]
        eye = np.array([x, y, generator.uniform(*EYE)])
        if len(targets) and generator.random() < 0.7:
            aim = targets[int(generator.integers(len(targets)))] + generator.normal(0, 0.3, 3)
        else:
            aim = np.append(places[int(generator.integers(len(places)))], generator.uniform(0.2, 1.2))
        if np.linalg.norm(aim[:2] - eye[:2]) < 0.4:
            continue
        away = targets - eye
        distance = np.linalg.norm(away, axis=1)
        forward = (aim - eye) / np.linalg.norm(aim - eye)
        view = (away @ forward > FIELD * distance) & (distance > 0.5) & (distance < 4.5)
        gain = float((1 / (1 + 2 * seen[view])).sum())
        if gain > best_gain:
            best, best_gain, best_view = looking(eye, aim, generator.normal(0, 0.04)), gain, view
    if best is None or best_view is None:
        angle = generator.uniform(0, 2 * np.pi)
        eye = np.append(places[0], 1.5)
        return looking(eye, eye + np.array([np.cos(angle), np.sin(angle), -0.4]), 0.0)
    seen += best_view
    return best


def _close_look(carrier: Body, places: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """From the nearest standpoint over a thing's top, half a metre to a metre away."""
    assert carrier.box is not None
    box, top = carrier.box, _top(carrier)
    heading = np.array([np.cos(box.heading), np.sin(box.heading)])
    side = np.array([-heading[1], heading[0]])
    aim = np.array([*(np.array(box.center[:2]) + side * generator.uniform(-0.35, 0.35) * box.size[1]), top])
    nearest = places[np.linalg.norm(places - aim[:2], axis=1).argmin()]
    away = nearest - aim[:2]
    away = away / max(float(np.linalg.norm(away)), 1e-6) * min(float(np.linalg.norm(away)), generator.uniform(0.4, 0.8))
    eye = np.array([*(aim[:2] + away), top + generator.uniform(0.35, 0.75)])
    return looking(eye, aim, generator.normal(0, 0.06))


def _top(body: Body) -> float:
    """Height of a thing's upper edge, metres; structure has none (inf)."""
    return np.inf if body.box is None else body.box.center[2] + body.box.size[2] / 2


def looking(eye: np.ndarray, aim: np.ndarray, roll: float) -> np.ndarray:
    """(4, 4) pose of a camera at `eye` that looks at `aim`, upright but for `roll` radians."""
    forward = (aim - eye) / np.linalg.norm(aim - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= max(float(np.linalg.norm(right)), 1e-9)
    down = np.cross(forward, right)
    cosine, sine = np.cos(roll), np.sin(roll)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1] = cosine * right + sine * down, cosine * down - sine * right
    pose[:3, 2], pose[:3, 3] = forward, eye
    return pose


def _tour(poses: list[np.ndarray]) -> list[int]:
    """An order in which each pose is the one nearest to that before, by place and direction."""
    eyes = np.array([pose[:3, 3] for pose in poses])
    forwards = np.array([pose[:3, 2] for pose in poses])
    left, order = list(range(1, len(poses))), [0]
    while left:
        last = order[-1]
        costs = np.linalg.norm(eyes[left] - eyes[last], axis=1) + (1 - forwards[left] @ forwards[last])
        order.append(left.pop(int(costs.argmin())))
    return order
