"""An RGB-D camera: Embree rays, textures, area lights with soft shadows, one bounce of indirect light."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from scanwise.geometry.cameras import pixel_rays
from scanwise.synth.mesh import Mesh, dot, face_normals, joined, unit

OFFSET = 1e-3
"""Metres by which a secondary ray starts off its surface."""
MAX_LAYERS = 6
"""Transparent texels that a camera ray passes through at most."""
BRIGHTEST_BOUNCE = 1.5
"""One random ray that meets a lamp's neighbourhood would leave a bright spot."""


@dataclass(frozen=True)
class AreaLight:
    """A rectangle that shines along `right` x `up`.

    Attributes:
        corner: (x, y, z) metres.
        right: one side.
        up: the other.
        radiance: linear RGB; a white wall that sees nothing but radiance 1 renders white.
    """

    corner: tuple[float, float, float]
    right: tuple[float, float, float]
    up: tuple[float, float, float]
    radiance: tuple[float, float, float]


@dataclass(frozen=True)
class Quality:
    """How much light transport to pay for.

    Attributes:
        supersample: rays along each side of a pixel.
        shadow_rays: rays from each sample to each light; 0 = lights cast no shadows.
        bounce_rays: rays from each sample to gather indirect light; 0 = ambient light alone.
        seed: of the random directions. The same seed gives the same picture.
    """

    supersample: int = 1
    shadow_rays: int = 0
    bounce_rays: int = 0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class _Hits:
    """Where N rays ended.

    Attributes:
        face: (N,), -1 = nowhere.
        distance: (N,) in lengths of the ray's direction.
        position: (N, 3).
        normal: (N, 3) towards the ray's origin.
        albedo: (N, 3) linear.
    """

    face: np.ndarray
    distance: np.ndarray
    position: np.ndarray
    normal: np.ndarray
    albedo: np.ndarray


class Renderer:
    """A lit scene of meshes in metres; body number i of the list gets instance id i.

    Example:
        >>> renderer = Renderer([(floor, np.eye(4)), (cup, pose)], lights)
        >>> image, depth, instance = renderer.render(intrinsics, camera_to_world, (480, 640))

    Args:
        bodies: (mesh, (4, 4) pose in the world) of each.
        lights: area lights; they have no surface of their own.
        ambient: linear RGB from everywhere.
        background: linear RGB where a ray leaves the scene.
    """

    def __init__(
        self,
        bodies: Sequence[tuple[Mesh, np.ndarray]],
        lights: Sequence[AreaLight] = (),
        *,
        ambient: Sequence[float] = (0.3, 0.3, 0.3),
        background: Sequence[float] = (0.8, 0.9, 1.0),
    ) -> None:
        self.lights = list(lights)
        self.ambient = np.asarray(ambient, np.float32)
        self.background = np.asarray(background, np.float32)
        self._mesh = joined([_moved(mesh, pose) for mesh, pose in bodies])
        counts = [len(mesh.faces) for mesh, _ in bodies]
        self._instance = np.repeat(np.arange(len(bodies), dtype=np.int32), counts)
        self._flat = face_normals(self._mesh.vertices, self._mesh.faces).astype(np.float32)
        self._color = to_linear(self._mesh.colors)
        self._see_through = any((texture[..., 3] < 128).any() for texture in self._mesh.textures)
        self._scene = EmbreeScene()
        TriangleMesh(self._scene, self._mesh.vertices, self._mesh.faces)

    def cast(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What rays hit; transparent texels count as solid.

        Args:
            origins: (N, 3) metres.
            directions: (N, 3) of any length.

        Returns:
            (N,) float32 distance in lengths of the direction (inf = no hit), (N,) int32 instance (-1 = none).
        """
        face, distance, _ = self._run(origins, directions)
        instance = np.where(face < 0, -1, self._instance[face])
        return np.where(face < 0, np.float32(np.inf), distance), instance

    def render(
        self,
        intrinsics: np.ndarray,
        camera_to_world: np.ndarray,
        size: tuple[int, int],
        quality: Quality = Quality(),
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What an OpenCV camera sees.

        Args:
            intrinsics: (3, 3), pixel centres at whole numbers.
            camera_to_world: (4, 4), x right, y down, z forward.
            size: (height, width).
            quality: how much light transport to pay for.

        Returns:
            image uint8 (H, W, 3) sRGB, depth float32 (H, W) metres along z (0 = nothing there),
            instance int32 (H, W) (-1 = none). Depth and instance are those of the pixel's centre.
        """
        generator = np.random.default_rng(quality.seed)
        hits = self._trace(*pinhole_rays(intrinsics, camera_to_world, size))
        radiance = np.zeros((*size, 3), np.float32)
        offsets = (np.arange(quality.supersample) + 0.5) / quality.supersample - 0.5
        for dy in offsets:
            for dx in offsets:
                centred = dx == dy == 0
                seen = hits if centred else self._trace(*pinhole_rays(intrinsics, camera_to_world, size, (dx, dy)))
                radiance += self._radiance(seen, size, quality, generator)
        radiance /= quality.supersample**2
        depth = np.where(hits.face < 0, 0, hits.distance).astype(np.float32).reshape(size)
        instance = np.where(hits.face < 0, -1, self._instance[hits.face]).reshape(size)
        return to_srgb(film(radiance)), depth, instance

    def _run(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(N,) face, (N,) distance, (N, 2) barycentric weights of the second and third corner."""
        found = self._scene.run(
            np.ascontiguousarray(origins, np.float32), np.ascontiguousarray(directions, np.float32), output=1
        )
        return found["primID"], found["tfar"], np.stack([found["u"], found["v"]], axis=1)

    def _trace(self, origins: np.ndarray, directions: np.ndarray) -> _Hits:
        face, distance, weights = self._run(origins, directions)
        albedo, alpha = self._surface(face, weights)
        through = np.flatnonzero((face >= 0) & (alpha < 0.5)) if self._see_through else np.empty(0, np.int64)
        for _ in range(MAX_LAYERS):
            if not len(through):
                break
            step = distance[through] + OFFSET / np.linalg.norm(directions[through], axis=1)
            start = origins[through] + step[:, None] * directions[through]
            face[through], further, weights[through] = self._run(start, directions[through])
            distance[through] = step + further
            albedo[through], alpha[through] = self._surface(face[through], weights[through])
            through = through[(face[through] >= 0) & (alpha[through] < 0.5)]
        normal = self._facing_normal(face, weights, directions)
        reach = np.where(face < 0, 0, distance)[:, None]
        return _Hits(face, distance, origins + reach * directions, normal, albedo)

    def _facing_normal(self, face: np.ndarray, weights: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Smooth normals on the side of the surface that the ray comes from."""
        corners = self._mesh.normals[face]
        smooth = unit(_blend(corners, weights)).astype(np.float32)
        flat = self._flat[face]
        toward = -np.sign(dot(flat, directions))[:, None]
        flat = flat * toward
        agrees = np.sign(dot(smooth, flat))[:, None]
        return np.where(agrees == 0, flat, smooth * agrees)

    def _surface(self, face: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Linear albedo (N, 3) and alpha (N,) where rays hit; misses get those of any face."""
        albedo = self._color[face].copy()
        alpha = np.ones(len(face), np.float32)
        texture = np.where(face < 0, -1, self._mesh.texture[face])
        for index in np.unique(texture[texture >= 0]):
            chosen = np.flatnonzero(texture == index)
            uv = _blend(self._mesh.uv[face[chosen]], weights[chosen])
            texels = sample_texture(self._mesh.textures[index], uv)
            albedo[chosen] = _LINEAR[np.rint(texels[:, :3]).astype(np.uint8)]
            alpha[chosen] = texels[:, 3] / 255
        return albedo, alpha

    def _radiance(
        self, hits: _Hits, size: tuple[int, int], quality: Quality, generator: np.random.Generator
    ) -> np.ndarray:
        """Light towards the camera (H, W, 3); random light is smoothed before the texture multiplies it."""
        light = self._direct(hits, quality.shadow_rays, generator)
        light += self._indirect(hits, quality, generator)
        if quality.shadow_rays or quality.bounce_rays:
            light = smoothed(light.reshape(*size, 3), hits.position.reshape(*size, 3), hits.normal.reshape(*size, 3))
        light = light.reshape(-1, 3)
        return np.where(hits.face[:, None] < 0, self.background, hits.albedo * light).reshape(*size, 3)

    def _direct(self, hits: _Hits, rays: int, generator: np.random.Generator) -> np.ndarray:
        """Irradiance / pi (N, 3) from the area lights."""
        result = np.zeros((len(hits.face), 3), np.float32)
        start = hits.position + OFFSET * hits.normal
        for light in self.lights:
            for s, t in _light_samples(len(start), rays, generator):
                result += self._from_light(light, s, t, start, hits.normal, shadows=rays > 0) / max(rays, 1)
        return result

    def _from_light(
        self,
        light: AreaLight,
        s: np.ndarray,
        t: np.ndarray,
        start: np.ndarray,
        normal: np.ndarray,
        *,
        shadows: bool,
    ) -> np.ndarray:
        right, up = np.asarray(light.right, np.float32), np.asarray(light.up, np.float32)
        toward = np.asarray(light.corner, np.float32) + s[:, None] * right + t[:, None] * up - start
        cross = np.cross(right, up)
        squared = np.maximum(dot(toward, toward), 1e-4)
        at_surface = np.maximum(dot(toward, normal), 0)
        at_light = np.maximum(-(toward @ cross), 0)
        factor = at_surface * at_light / (np.pi * squared**2)
        if shadows:
            lit = np.flatnonzero(factor > 1e-5)
            _, distance, _ = self._run(start[lit], toward[lit])
            factor[lit[distance < 1 - 1e-3]] = 0
        return factor[:, None] * np.asarray(light.radiance, np.float32)

    def _indirect(self, hits: _Hits, quality: Quality, generator: np.random.Generator) -> np.ndarray:
        """Irradiance / pi (N, 3) from other surfaces, one bounce, and ambient light beyond that."""
        count = len(hits.face)
        result = np.zeros((count, 3), np.float32)
        if quality.bounce_rays == 0:
            return result + self.ambient
        start = (hits.position + OFFSET * hits.normal).astype(np.float32)
        for _ in range(quality.bounce_rays):
            second = self._trace(start, cosine_directions(hits.normal, generator))
            light = self._direct(second, min(quality.shadow_rays, 1), generator) + self.ambient
            bounced = np.where(second.face[:, None] < 0, self.background, second.albedo * light)
            result += np.minimum(bounced, BRIGHTEST_BOUNCE)
        return result / quality.bounce_rays


def _moved(mesh: Mesh, pose: np.ndarray) -> Mesh:
    return mesh if np.array_equal(pose, np.eye(4)) else mesh.moved(pose)


def pinhole_rays(
    intrinsics: np.ndarray,
    camera_to_world: np.ndarray,
    size: tuple[int, int],
    offset: tuple[float, float] = (0.0, 0.0),
) -> tuple[np.ndarray, np.ndarray]:
    """Origins and directions (H*W, 3) float32, row by row; directions have depth 1, not length 1."""
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float64)
    pixels = np.stack([columns + offset[0], rows + offset[1]], axis=-1).reshape(-1, 2)
    directions = pixel_rays(pixels, intrinsics) @ camera_to_world[:3, :3].T
    origins = np.broadcast_to(camera_to_world[:3, 3], directions.shape)
    return origins.astype(np.float32), directions.astype(np.float32)


def look_at(eye: Sequence[float], target: Sequence[float]) -> np.ndarray:
    """(4, 4) pose of an upright OpenCV camera at `eye` that looks at `target`, z up."""
    forward = unit(np.subtract(target, eye, dtype=np.float64))
    right = unit(np.cross(forward, [0.0, 0.0, 1.0]))
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = eye
    return pose


def sample_texture(texture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """A texture at (N, 2) coordinates, bilinear, repeating.

    Args:
        texture: uint8 (h, w, C).
        uv: (N, 2), (0, 0) is the lower left corner.

    Returns:
        float32 (N, C).
    """
    height, width = texture.shape[:2]
    column = np.mod(uv[:, 0], 1) * width - 0.5
    row = (1 - np.mod(uv[:, 1], 1)) * height - 0.5
    left, top = np.floor(column).astype(np.int64), np.floor(row).astype(np.int64)
    fx, fy = (column - left)[:, None].astype(np.float32), (row - top)[:, None].astype(np.float32)
    columns, rows = (left % width, (left + 1) % width), (top % height, (top + 1) % height)
    upper = texture[rows[0], columns[0]] * (1 - fx) + texture[rows[0], columns[1]] * fx
    lower = texture[rows[1], columns[0]] * (1 - fx) + texture[rows[1], columns[1]] * fx
    return upper * (1 - fy) + lower * fy


def smoothed(light: np.ndarray, position: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Light (H, W, 3) averaged over neighbours on the same smooth surface (an a-trous filter).

    Neighbours count by how well their normal agrees and how near they are to the pixel's tangent plane.
    """
    for step in (1, 2, 4, 8):
        total, weight = light.copy(), np.ones((*light.shape[:2], 1), np.float32)
        for dy, dx in itertools.product((-step, 0, step), repeat=2):
            if dy == dx == 0:
                continue
            here, there = _overlap(light.shape[0], dy), _overlap(light.shape[1], dx)
            inside = (here[0], there[0])
            beside = (here[1], there[1])
            agreement = np.maximum((normal[inside] * normal[beside]).sum(2), 0) ** 32
            off_plane = ((position[beside] - position[inside]) * normal[inside]).sum(2)
            share = (agreement * np.exp(-((off_plane / 0.01) ** 2)) * (0.7 if dy and dx else 0.85))[..., None]
            total[inside] += share * light[beside]
            weight[inside] += share
        light = total / weight
    return light


def _overlap(length: int, shift: int) -> tuple[slice, slice]:
    """Slices of an axis: the places that have a neighbour `shift` away, and those neighbours."""
    start, stop = max(0, -shift), min(length, length - shift)
    return slice(start, max(stop, start)), slice(start + shift, max(stop, start) + shift)


def cosine_directions(normal: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Random unit directions (N, 3) about normals, as likely as their cosine."""
    height = 1 - 2 * generator.random(len(normal), dtype=np.float32)
    angle = 2 * np.pi * generator.random(len(normal), dtype=np.float32)
    radius = np.sqrt(np.maximum(1 - height**2, 0))
    sphere = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
    return unit(normal + 0.999 * sphere).astype(np.float32)


def film(radiance: np.ndarray) -> np.ndarray:
    """Linear up to 0.6, then rolled off towards 1, as a phone's camera does with bright windows."""
    knee = 0.6
    excess = np.maximum(radiance - knee, 0) / (1 - knee)
    return np.minimum(radiance, knee) + (1 - knee) * (1 - np.exp(-excess))


def to_linear(color: np.ndarray) -> np.ndarray:
    """Colours, sRGB 0..255, to linear 0..1, float32."""
    value = np.asarray(color, np.float32) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


_LINEAR = to_linear(np.arange(256))


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Colours, linear 0..1, to sRGB uint8."""
    return _SRGB[(np.clip(linear, 0, 1) * (len(_SRGB) - 1)).astype(np.int32)]


def _srgb_table() -> np.ndarray:
    value = (np.arange(1 << 14) + 0.5) / (1 << 14)
    curve = np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
    return (curve * 255).round().astype(np.uint8)


_SRGB = _srgb_table()


def _blend(corners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Values at the corners (N, 3, C) mixed by the weights (N, 2) of the second and third."""
    all_weights = np.column_stack([1 - weights[:, 0] - weights[:, 1], weights])
    return np.einsum("nkc,nk->nc", corners, all_weights)


def _light_samples(count: int, rays: int, generator: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`rays` stratified places (s, t) in 0..1 on a light for `count` points; the centre for 0 rays."""
    if rays == 0:
        half = np.full(count, 0.5, np.float32)
        yield half, half
    for index in range(rays):
        s = (index + generator.random(count, dtype=np.float32)) / rays
        yield s, generator.random(count, dtype=np.float32)
