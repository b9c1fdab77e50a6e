"""Things from a supply, and parts, put into a street where there is room; and what moves along a course."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from scanwise.scene import Box
from scanwise.synth.mesh import Mesh, standing
from scanwise.synth.relief import Relief
from scanwise.synth.street_parts import Course, Part
from scanwise.synth.world import SEMANTIC_KITTI_19, Body, Model, Supply

SIZES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "car": ((2.4, 6.5), (1.2, 2.4), (1.0, 2.6)),
    "truck": ((4.5, 22.0), (1.6, 3.2), (1.6, 4.6)),
    "other-vehicle": ((3.0, 14.5), (1.2, 3.2), (1.2, 4.6)),
    "person": ((0.1, 0.8), (0.2, 1.0), (1.2, 2.2)),
    "bicycle": ((1.0, 2.2), (0.1, 1.0), (0.6, 1.6)),
    "motorcycle": ((1.2, 2.8), (0.3, 1.3), (0.7, 1.8)),
}
"""Length, width and height (from, to) in metres of what may stand in a street: no toys, no ships."""
CONES = ("cone", "traffic cone", "road cone")


@dataclass(eq=False)
class Actor:
    """Something that moves along a course at a steady speed.

    Attributes:
        body: its mesh in its own frame (x forward, standing on z = 0) and its box in the world at time 0.
        course: that it follows.
        start: metres along it at time 0.
        left: metres beside it.
        speed: metres per second along the course, negative = against it.
        z: metres above the ground.
    """

    body: Body
    course: Course
    start: float
    left: float
    speed: float
    z: float = 0.0

    def pose_at(self, time: float) -> np.ndarray:
        """(4, 4) in the world at `time` seconds."""
        turn = np.pi if self.speed < 0 else 0.0
        return self.course.pose(self.start + self.speed * time, self.left, turn, self.z)

    def velocity_at(self, time: float) -> np.ndarray:
        """(2,) metres per second in the world."""
        ahead, behind = (self.pose_at(time + step)[:2, 3] for step in (0.01, -0.01))
        return (ahead - behind) / 0.02


@dataclass
class Placer:
    """Collects the bodies and actors of a street.

    Attributes:
        supply: of models.
        generator: of random numbers.
        held_out: whether models that training never sees may stand here.
        bodies: what stands.
        actors: what moves.
        taken: discs (x, y, radius) of the ground where something stands.
        instances: how many objects there are.
        pools: the supply's models of each kind (or "cone") that have the size of a thing in a street.
    """

    supply: Supply
    generator: np.random.Generator
    held_out: bool
    bodies: list[Body] = field(default_factory=list)
    actors: list[Actor] = field(default_factory=list)
    taken: list[tuple[float, float, float]] = field(default_factory=list)
    instances: int = 0

    def __post_init__(self) -> None:
        self.pools: dict[str, list[Model]] = {kind: [] for kind in (*SIZES, "cone")}
        for name in self.supply.names():
            for model in self.supply.models(name, held_out=self.held_out):
                role = "cone" if name.lower() in CONES else model.kind
                if role in self.pools and _fits(role, model.size):
                    self.pools[role].append(model)

    def structure(self, name: str, kind: str, mesh: Mesh) -> None:
        """Puts something there that is no object of its own."""
        self.bodies.append(Body(name, kind, mesh))

    def add(self, pieces: list[Part], pose: np.ndarray, radius: float | None) -> None:
        """Puts parts there unless something stands within `radius` metres; None = whatever stands there."""
        if radius is not None and not self._claim(pose, radius):
            return
        for name, kind, mesh in pieces:
            self.structure(name, kind, mesh.moved(pose))

    def _claim(self, pose: np.ndarray, radius: float, length: float = 0.0) -> bool:
        """Takes discs along the x axis of the pose, `length` metres from end to end, unless one is taken."""
        reach = max(length / 2 - radius, 0.0)
        along = np.linspace(-reach, reach, 1 + 2 * int(np.ceil(reach / max(radius, 0.1))))
        discs = [(float(x), float(y), radius) for x, y in pose[:2, 3] + along[:, None] * pose[:2, 0]]
        if any(np.hypot(x - a, y - b) < radius + other for x, y, _ in discs for a, b, other in self.taken):
            return False
        self.taken += discs
        return True

    def load(self, kind: str) -> tuple[Model, Mesh] | None:
        """A model of a kind, with its mesh turned to x forward and put on the ground; None where there is none."""
        pool = self.pools[kind]
        if not pool:
            return None
        model = pool[int(self.generator.integers(len(pool)))]
        mesh = model.load(self.generator).moved(standing(0, 0, 0, np.pi / 2))
        low, high = mesh.bounds.astype(np.float64)
        return model, mesh.moved(standing(-(low[0] + high[0]) / 2, -(low[1] + high[1]) / 2, -low[2], 0))

    def thing(self, model: Model, mesh: Mesh, pose: np.ndarray, kind: str) -> None:
        """Puts a loaded model there, as an object, unless the place is taken."""
        if self._claim(pose, max(extent(mesh)[1] / 2, 0.2), extent(mesh)[0]):
            body = Body(
                model.name, _label(model.kind, kind), mesh.moved(pose), self._box(model, model.name, mesh, pose)
            )
            self.bodies.append(body)

    def actor(self, model: Model, mesh: Mesh, kind: str, name: str, course: Course, s: float, left: float,
               speed: float, z: float = 0.0) -> None:  # fmt: skip
        """Lets a loaded model move along a course; see `Actor`."""
        body = Body(name, kind, mesh)
        actor = Actor(body, course, s, left, speed, z)
        body.box = replace(self._box(model, name, mesh, actor.pose_at(0)), velocity=_pair(actor.velocity_at(0)))
        self.actors.append(actor)

    def lift(self, relief: Relief) -> None:
        """Puts everything, made for level land, onto a relief: objects stay as they are, what is none bends with it."""
        for body in self.bodies:
            vertices = body.mesh.vertices.astype(np.float64)
            if body.box is None:
                up = relief.at(vertices)
            else:
                up = np.asarray(relief.at(np.array(body.box.center)))
                body.box = _lifted(body.box, float(up))
            vertices[:, 2] += up
            body.mesh = replace(body.mesh, vertices=vertices.astype(np.float32))
        for actor in self.actors:
            actor.course = replace(actor.course, relief=relief)
            assert actor.body.box is not None
            actor.body.box = _lifted(actor.body.box, float(relief.at(np.array(actor.body.box.center))))

    def _box(self, model: Model, name: str, mesh: Mesh, pose: np.ndarray) -> Box:
        length, width, height = extent(mesh)
        x, y, z = pose[:3, 3].tolist()
        self.instances += 1
        return Box(
            instance=self.instances - 1,
            name=name,
            center=(x, y, z + height / 2),
            size=(length, width, height),
            heading=float(np.arctan2(pose[1, 0], pose[0, 0])),
            velocity=(0.0, 0.0),
            model=model.id,
            held_out=model.held_out,
        )


def _fits(role: str, size: tuple[float, float, float]) -> bool:
    if role == "cone":
        return size[2] < 1.3
    width, length, height = size
    return all(low <= value <= high for value, (low, high) in zip((length, width, height), SIZES[role], strict=True))


def _label(kind: str, role: str) -> str:
    return role if role in SEMANTIC_KITTI_19 else kind


def extent(mesh: Mesh) -> tuple[float, float, float]:
    """Length (x), width (y) and height of a mesh in its own frame."""
    length, width, height = (mesh.bounds[1] - mesh.bounds[0]).tolist()
    return length, width, height


def _lifted(box: Box, up: float) -> Box:
    x, y, z = box.center
    return replace(box, center=(x, y, z + up))


def _pair(vector: np.ndarray) -> tuple[float, float]:
    return float(vector[0]), float(vector[1])
