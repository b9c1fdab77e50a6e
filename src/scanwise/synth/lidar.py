"""A spinning LiDAR: beams on a turning head, cast by Embree, with what such sensors lose and blur.

The sensor's frame has x forward, y left, z up. A turn starts at the rear and goes clockwise, so that the head looks
forward at the sweep's reference time, half-way through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from scanwise.synth.mesh import Mesh, dot, face_normals, joined
from scanwise.synth.render import to_linear

FAINTEST = 5e-6
"""Reflectivity x cosine / range^2 that is still detected: a road (0.2) from 1.73 m above is lost beyond 40 m."""
GRAZING = 0.075
"""Cosine below which the returned strength falls: the sensors correct their intensity for range, not for this."""
EDGE = 0.5
"""Metres between neighbouring columns that make an edge."""
OUTDOORS = {
    "road": 0.2, "parking": 0.23, "sidewalk": 0.3, "other-ground": 0.3, "terrain": 0.34, "vegetation": 0.35,
    "trunk": 0.32, "building": 0.32, "fence": 0.28, "pole": 0.25, "traffic-sign": 0.8, "person": 0.35,
}  # fmt: skip
"""Infrared reflectivity of kinds of surface, around which colour varies it; other things have that of their colour."""


@dataclass(frozen=True)
class LidarModel:
    """A spinning LiDAR.

    Attributes:
        elevations: degrees above the horizon, in the order of the ring numbers.
        columns: shots of each beam in a turn.
        rate: turns per second.
        nearest: metres below which it does not measure.
        farthest: metres beyond which it does not measure.
        height: metres above the ground.
        noise: standard deviation of the range, metres.
        jitter: standard deviation of the azimuth, degrees.
        loss: share of shots lost whatever they hit.
        mixed: share of shots at an edge that return a range between both sides.
        gain: intensity of a white wall.
    """

    elevations: tuple[float, ...]
    columns: int
    rate: float
    nearest: float
    farthest: float
    height: float
    noise: float = 0.02
    jitter: float = 0.01
    loss: float = 0.015
    mixed: float = 0.1
    gain: float = 1.0


HDL64 = LidarModel(
    elevations=(*np.linspace(2.0, -8.33, 32).tolist(), *np.linspace(-8.83, -24.8, 32).tolist()),
    columns=2160,  # KITTI's head turns a little slower than the 10 Hz and 2083 columns of the data sheet
    rate=10.0,
    nearest=2.5,
    farthest=80.0,  # where SemanticKITTI's sweeps end, of the 120 m that the sensor reaches
    height=1.73,
)
"""64 beams in two blocks, as on KITTI's car; ring 0 is the highest."""
HDL32 = LidarModel(
    elevations=tuple(np.linspace(-30.67, 10.67, 32).tolist()),
    columns=1084,
    rate=20.0,
    nearest=1.5,
    farthest=100.0,
    height=1.84,
    gain=0.16,
)
"""32 beams, as on nuScenes' cars; ring 0 is the lowest."""

PoseAt = Callable[[float], np.ndarray]


@dataclass(frozen=True)
class Mover:
    """Something that moves.

    Attributes:
        mesh: in its own frame.
        kind: class, for its reflectivity.
        pose_at: seconds -> (4, 4) pose in the world.
    """

    mesh: Mesh
    kind: str
    pose_at: PoseAt


@dataclass(frozen=True, eq=False)
class Sweep:
    """One turn.

    Attributes:
        points: (N, 3) float32 in the sensor's frame at the reference time.
        intensity: (N,) float32 in 0..1.
        ring: (N,) uint16 index of the beam.
        body: (N,) int32, which body was hit: standing ones first, then movers; -1 where two were mixed.
        time: (N,) float32 seconds since the reference time.
    """

    points: np.ndarray
    intensity: np.ndarray
    ring: np.ndarray
    body: np.ndarray
    time: np.ndarray


class _Target:
    """Triangles that can be hit: whose they are, how they face, how much they reflect."""

    def __init__(self, meshes: Sequence[Mesh], kinds: Sequence[str], first: int) -> None:
        mesh = joined(meshes)
        counts = [len(part.faces) for part in meshes]
        self.body = np.repeat(np.arange(first, first + len(meshes), dtype=np.int32), counts)
        self.normal = face_normals(mesh.vertices, mesh.faces).astype(np.float32)
        self.reflectivity = np.concatenate([reflectivity(*pair) for pair in zip(meshes, kinds, strict=True)])
        low, high = mesh.bounds.astype(np.float64)
        self.centre, self.radius = (low + high) / 2, float(np.linalg.norm(high - low) / 2)
        self._scene = EmbreeScene()
        TriangleMesh(self._scene, mesh.vertices, mesh.faces)

    def cast(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N,) distance, inf = none, and (N,) face of rays (N, 3)."""
        found = self._scene.run(origins.astype(np.float32), directions.astype(np.float32), output=1)
        face = found["primID"]
        return np.where(face < 0, np.float32(np.inf), found["tfar"]), face


class LidarWorld:
    """What a LiDAR drives through.

    Args:
        standing: (mesh in the world, kind) of each body that stands.
        movers: bodies that move.
    """

    def __init__(self, standing: Sequence[tuple[Mesh, str]], movers: Sequence[Mover] = ()) -> None:
        self._standing = _Target([mesh for mesh, _ in standing], [kind for _, kind in standing], 0)
        first = len(standing)
        self._moving = [
            (_Target([mover.mesh], [mover.kind], first + index), mover.pose_at) for index, mover in enumerate(movers)
        ]

    def scan(
        self,
        model: LidarModel,
        start: np.ndarray,
        end: np.ndarray,
        generator: np.random.Generator,
        *,
        time: float = 0.0,
    ) -> Sweep:
        """One turn that begins at `time` seconds.

        Args:
            model: of the sensor.
            start: sensor-to-world pose (4, 4) at the turn's beginning.
            end: the same at its end.
            generator: of random numbers.
            time: seconds, for the movers.

        Returns:
            What was hit, motion compensated: in the sensor's frame at `between(start, end, 0.5)`.
        """
        local, moment = _shots(model, generator)
        rotation, origin = _paths(start, end, model.columns)
        directions = np.einsum("cij,cbj->cbi", rotation, local).reshape(-1, 3)
        origins = np.repeat(origin, len(model.elevations), axis=0)
        distance, cosine, strength, body = self._cast(origins, directions, time + moment / model.rate)
        distance, mixed = _mix(distance.reshape(local.shape[:2]), model, generator)
        signal = strength * cosine / np.maximum(distance, 1e-3) ** 2
        seen = (distance >= model.nearest) & (distance <= model.farthest)
        seen &= signal * generator.lognormal(0, 0.5, len(signal)) > FAINTEST
        seen &= generator.random(len(signal)) >= model.loss
        distance = distance + generator.normal(0, model.noise, len(distance))
        world = origins[seen] + distance[seen, None] * directions[seen]
        middle = between(start, end, 0.5)
        intensity = strength * np.minimum(cosine / GRAZING, 1)
        intensity = intensity * np.where(mixed, 0.5, 1) * generator.normal(1, 0.15, len(intensity)) * model.gain
        ring = np.tile(np.arange(len(model.elevations), dtype=np.uint16), model.columns)
        return Sweep(
            points=((world - middle[:3, 3]) @ middle[:3, :3]).astype(np.float32),
            intensity=np.clip(np.round(intensity[seen], 2), 0, 1).astype(np.float32),
            ring=ring[seen],
            body=np.where(mixed, -1, body)[seen].astype(np.int32),
            time=((moment[seen] - 0.5) / model.rate).astype(np.float32),
        )

    def _cast(
        self, origins: np.ndarray, directions: np.ndarray, time: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(N,) each: distance (inf = nothing), cosine of incidence, reflectivity, body."""
        distance, face = self._standing.cast(origins, directions)
        cosine = np.abs(dot(self._standing.normal[face], directions))
        strength, body = self._standing.reflectivity[face], self._standing.body[face]
        for target, pose_at in self._moving:
            rays, nearby = _near(target, pose_at, origins, directions, time)
            if not len(rays):
                continue
            there, hit = target.cast(*nearby)
            closer = there < distance[rays]
            rays, hit = rays[closer], hit[closer]
            distance[rays] = there[closer]
            cosine[rays] = np.abs(dot(target.normal[hit], nearby[1][closer]))
            strength[rays], body[rays] = target.reflectivity[hit], target.body[hit]
        return distance, cosine, strength, body


def between(start: np.ndarray, end: np.ndarray, share: float) -> np.ndarray:
    """The (4, 4) pose at `share` (0..1) of a steady motion from `start` to `end`."""
    angle, axis = _turn(start, end)
    pose = np.eye(4)
    pose[:3, :3] = start[:3, :3] @ _rotation(axis, np.array([share * angle]))[0]
    pose[:3, 3] = (1 - share) * start[:3, 3] + share * end[:3, 3]
    return pose


def reflectivity(mesh: Mesh, kind: str) -> np.ndarray:
    """(F,) float32 infrared reflectivity, from the kind of thing and the colours of the faces."""
    linear = to_linear(mesh.colors) @ np.full(3, 1 / 3, np.float32)
    for index, texture in enumerate(mesh.textures):
        linear[mesh.texture == index] = to_linear(texture[..., :3].reshape(-1, 3)).mean()
    usual = OUTDOORS.get(kind)
    if usual is None or kind == "building":  # glass is dark and so are black cars
        dark = np.clip(linear / 0.1, 0.03, 1)
        return ((usual or 0.15 + 0.4 * linear) * dark).astype(np.float32)
    return (usual * (0.7 + 0.3 * np.clip(linear / 0.2, 0, 3))).astype(np.float32)


def _shots(model: LidarModel, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Unit directions (columns, beams, 3) in the sensor's frame, and the moment (columns * beams,) in 0..1."""
    share = (np.arange(model.columns) + 0.5) / model.columns
    azimuth = np.pi - 2 * np.pi * share[:, None]
    azimuth = azimuth + np.deg2rad(model.jitter) * generator.standard_normal((model.columns, len(model.elevations)))
    elevation = np.broadcast_to(np.deg2rad(model.elevations), azimuth.shape)
    flat = np.cos(elevation)
    local = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=2)
    return local, np.repeat(share, len(model.elevations))


def _paths(start: np.ndarray, end: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (columns, 3, 3) and places (columns, 3) of the sensor as it turns."""
    share = (np.arange(columns) + 0.5) / columns
    angle, axis = _turn(start, end)
    rotation = start[:3, :3] @ _rotation(axis, share * angle)
    return rotation, start[:3, 3] + share[:, None] * (end[:3, 3] - start[:3, 3])


def _turn(start: np.ndarray, end: np.ndarray) -> tuple[float, np.ndarray]:
    """Angle and unit axis of the rotation from `start` to `end`, below half a turn."""
    relative = start[:3, :3].T @ end[:3, :3]
    skew = np.array([relative[2, 1] - relative[1, 2], relative[0, 2] - relative[2, 0], relative[1, 0] - relative[0, 1]])
    sine = np.linalg.norm(skew) / 2
    angle = float(np.arctan2(sine, (np.trace(relative) - 1) / 2))
    return angle, skew / (2 * sine) if sine > 1e-12 else np.array([0.0, 0.0, 1.0])


def _rotation(axis: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """(N, 3, 3) rotations about a unit axis."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    sine, cosine = np.sin(angles)[:, None, None], np.cos(angles)[:, None, None]
    return np.eye(3) + sine * cross + (1 - cosine) * (cross @ cross)


def _near(
    target: _Target, pose_at: PoseAt, origins: np.ndarray, directions: np.ndarray, time: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Rays that may hit a mover: their indices, and their origins and directions in its frame."""
    first, last = pose_at(float(time[0])), pose_at(float(time[-1]))
    share = (time - time[0]) / max(float(time[-1] - time[0]), 1e-9)
    where = [pose[:3, :3] @ target.centre + pose[:3, 3] for pose in (first, last)]
    away = where[0] + share[:, None] * (where[1] - where[0]) - origins
    ahead = dot(away, directions)
    rays = np.flatnonzero((dot(away, away) - ahead**2 <= (target.radius * 1.05) ** 2) & (ahead > -target.radius))
    angle, axis = _turn(first, last)
    turn = first[:3, :3] @ _rotation(axis, share[rays] * angle)
    place = first[:3, 3] + share[rays, None] * (last[:3, 3] - first[:3, 3])
    back = np.einsum("nji,nj->ni", turn, origins[rays] - place)
    return rays, (back, np.einsum("nji,nj->ni", turn, directions[rays]))


def _mix(distance: np.ndarray, model: LidarModel, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Distances (columns, beams) -> (N,), where a shot over an edge may end between both sides; (N,) which did."""
    beside = np.roll(distance, -1, axis=0)
    with np.errstate(invalid="ignore"):
        gap = np.abs(beside - distance)
    mixed = np.isfinite(distance) & np.isfinite(beside) & (gap > EDGE) & (gap < 5)
    mixed &= generator.random(distance.shape) < model.mixed
    share = generator.random(distance.shape)
    with np.errstate(invalid="ignore"):
        blended = np.where(mixed, distance + share * (beside - distance), distance)
    return blended.reshape(-1), mixed.reshape(-1)
