"""How a room looks: paint, floors and tiles, light, the colour of a thing in a word, and swapped appearances."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, replace

import numpy as np

from scanwise.synth.mesh import Mesh, with_alpha
from scanwise.synth.render import AreaLight
from scanwise.synth.textures import TEXTURES, texture

SWAPPED_SHARE = 0.3
"""Share of rooms whose things and surfaces get appearances drawn at random."""


@dataclass(frozen=True, eq=False)
class Material:
    """A surface.

    Attributes:
        color: sRGB, plain or the mean of the texture.
        texture: uint8 (h, w, 3) or None.
        tile: metres after which the texture repeats.
    """

    color: tuple[int, int, int]
    texture: np.ndarray | None = None
    tile: float = 1.0


@dataclass(frozen=True, eq=False)
class Look:
    """What a room's structure is made of.

    Attributes:
        floor: of the floor.
        walls: of each wall.
        ceiling: of the ceiling.
        trim: sRGB of frames and skirting boards.
        front: sRGB of cabinet fronts.
        swapped: objects get random appearances too.
    """

    floor: Material
    walls: list[Material]
    ceiling: Material
    trim: tuple[int, int, int]
    front: tuple[int, int, int]
    swapped: bool


def draw_look(kind: str, walls: int, generator: np.random.Generator) -> Look:
    """Materials for a room of this kind with so many walls: most share one paint, one may be an accent."""
    if generator.random() < SWAPPED_SHARE:
        surfaces = [random_material(generator) for _ in range(3)]
        trim, front = any_color(generator), any_color(generator)
        return Look(surfaces[0], [surfaces[1]] * walls, surfaces[2], trim, front, swapped=True)
    paint = [wall_material(kind, generator)] * walls
    if kind != "bathroom" and generator.random() < 0.25:
        paint[int(generator.integers(walls))] = Material(any_color(generator, lightness=(0.35, 0.75)))
    white = int(generator.integers(225, 251))
    trim = (white, white, white - 4) if generator.random() < 0.7 else wood_color(generator)
    return Look(
        floor_material(kind, generator), paint, Material((white, white, white)), trim, front_color(generator), False
    )


def wall_material(kind: str, generator: np.random.Generator) -> Material:
    """Paint, wallpaper, or tiles in most bathrooms and some kitchens."""
    if generator.random() < {"bathroom": 0.7, "kitchen": 0.2}.get(kind, 0.0):
        return patterned("tiles", generator, (0.5, 1.0))
    if generator.random() < 0.2:
        return patterned("wallpaper" if generator.random() < 0.8 else "bricks", generator, (0.6, 1.2))
    return Material(pastel(generator))


def floor_material(kind: str, generator: np.random.Generator) -> Material:
    """Wood, tiles, carpet or stone, as the kind of room has it."""
    shares = {"bathroom": (0.1, 0.85, 0.0), "kitchen": (0.4, 0.5, 0.0), "office": (0.25, 0.15, 0.5)}
    wood, tile, carpet = shares.get(kind, (0.6, 0.15, 0.2))
    drawn = generator.random()
    if drawn < wood:
        return patterned("planks", generator, (0.4, 0.8))
    if drawn < wood + tile:
        return patterned("tiles", generator, (0.6, 1.6))
    return patterned("carpet" if drawn < wood + tile + carpet else "stone", generator, (0.8, 1.5))


def patterned(name: str, generator: np.random.Generator, tile: tuple[float, float]) -> Material:
    """A material of `textures.texture` that repeats every so many metres."""
    picture = texture(name, generator)
    return Material(_rgb(picture.reshape(-1, 3).mean(0)), picture, float(generator.uniform(*tile)))


def random_material(generator: np.random.Generator) -> Material:
    """Any colour and pattern, whatever the surface is."""
    color = any_color(generator)
    if generator.random() < 0.2:
        return Material(color)
    names = sorted(TEXTURES)
    picture = texture(names[int(generator.integers(len(names)))], generator)
    if generator.random() < 0.6:
        picture = repainted(picture, color)
    return Material(color, picture, float(generator.uniform(0.4, 1.6)))


# Colours


def any_color(
    generator: np.random.Generator,
    *,
    saturation: tuple[float, float] = (0.05, 0.9),
    lightness: tuple[float, float] = (0.15, 0.9),
) -> tuple[int, int, int]:
    """A colour of any hue, sRGB.

    Args:
        generator: of random numbers.
        saturation: range in HLS, 0..1.
        lightness: range in HLS, 0..1.
    """
    color = colorsys.hls_to_rgb(generator.random(), generator.uniform(*lightness), generator.uniform(*saturation))
    return _rgb(np.array(color) * 255)


def pastel(generator: np.random.Generator) -> tuple[int, int, int]:
    """A light wall paint: white more often than not."""
    if generator.random() < 0.5:
        return any_color(generator, saturation=(0, 0.2), lightness=(0.88, 0.97))
    return any_color(generator, saturation=(0.1, 0.5), lightness=(0.72, 0.9))


def wood_color(generator: np.random.Generator) -> tuple[int, int, int]:
    """A brown of wood, light or dark, sRGB."""
    hue, lightness = generator.uniform(0.05, 0.11), generator.uniform(0.2, 0.72)
    return _rgb(np.array(colorsys.hls_to_rgb(hue, lightness, generator.uniform(0.2, 0.55))) * 255)


def front_color(generator: np.random.Generator) -> tuple[int, int, int]:
    """Of cabinet fronts: white and grey, wood, or a colour."""
    drawn = generator.random()
    if drawn < 0.45:
        return any_color(generator, saturation=(0, 0.08), lightness=(0.25, 0.95))
    return wood_color(generator) if drawn < 0.8 else any_color(generator, saturation=(0.2, 0.7))


def _rgb(color: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in np.clip(np.rint(color), 0, 255))
    return red, green, blue


# Objects


def swapped_appearance(mesh: Mesh, generator: np.random.Generator) -> Mesh:
    """The mesh with each of its materials in another colour, or all of it under one pattern."""
    if generator.random() < 0.35:
        material = random_material(generator)
        if material.texture is not None:
            return replace(
                mesh,
                uv=_projected(mesh, max(material.tile / 2, 0.2)),
                texture=np.zeros(len(mesh.faces), np.int32),
                textures=[with_alpha(material.texture)],
            )
    plain, where = np.unique(mesh.colors, axis=0, return_inverse=True)
    fresh = np.array([any_color(generator) for _ in plain], np.uint8).reshape(-1, 3)
    textures = [
        np.concatenate([repainted(picture, any_color(generator, lightness=(0.25, 0.8))), picture[..., 3:]], axis=2)
        for picture in mesh.textures
    ]
    return replace(mesh, colors=fresh[where.reshape(-1)], textures=textures)


def repainted(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """A picture's light and dark, uint8 (h, w, 3), in another colour."""
    value = (picture[..., :3] * np.array([0.3, 0.6, 0.1], np.float32)).sum(2, keepdims=True)
    return np.clip(value / max(float(value.mean()), 1.0) * np.array(color, np.float32), 0, 255).astype(np.uint8)


def _projected(mesh: Mesh, tile: float) -> np.ndarray:
    """(F, 3, 2) texture coordinates from the coordinate plane that each face is most parallel to."""
    corners = mesh.vertices[mesh.faces]
    axis = np.abs(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])).argmax(1)
    across = np.where(axis == 0, 1, 0)
    upwards = np.where(axis == 2, 1, 2)
    rows = np.arange(len(corners))[:, None], np.arange(3)[None]
    return np.stack([corners[(*rows, plane[:, None])] for plane in (across, upwards)], axis=2) / np.float32(tile)


# Light


def ceiling_lights(low: np.ndarray, high: np.ndarray, height: float, generator: np.random.Generator) -> list[AreaLight]:
    """Lights that shine down, one for each stretch of 4 m.

    Args:
        low: (2,) corner of a part of the room, metres.
        high: (2,) corner across from it.
        height: of the ceiling, metres.
        generator: of random numbers.
    """
    extent = high - low
    counts = np.maximum(np.rint(extent / 4.0), 1).astype(int)
    tint, level = _tint(generator), generator.uniform(0.35, 0.8)
    side = float(generator.uniform(0.4, 1.0))
    distance = height - 0.8
    strength = level * np.pi * distance**2 / side**2 / np.sqrt(counts.prod())
    lights = []
    for column in range(counts[0]):
        for row in range(counts[1]):
            x, y = low + extent * (np.array([column, row]) + 0.5) / counts
            corner = (float(x - side / 2), float(y - side / 2), height - 0.01)
            red, green, blue = (float(strength * value) for value in tint)
            lights.append(AreaLight(corner, (0.0, side, 0.0), (side, 0.0, 0.0), (red, green, blue)))
    return lights


def window_light(corner: np.ndarray, right: np.ndarray, up: np.ndarray, generator: np.random.Generator) -> AreaLight:
    """Daylight through an opening, along `right` x `up`.

    Args:
        corner: (3,) of the opening, metres.
        right: (3,) one side of it.
        up: (3,) the other.
        generator: of random numbers.
    """
    level = generator.uniform(0.6, 3.0)
    sky = level * np.array([0.85, 0.95, 1.1])
    values = [tuple(float(value) for value in vector) for vector in (corner, right, up, sky)]
    return AreaLight(*values)  # type: ignore[arg-type]


def _tint(generator: np.random.Generator) -> np.ndarray:
    """Linear RGB of a lamp between warm white and daylight, mean 1."""
    warmth = generator.uniform(-0.1, 0.35)
    tint = np.array([1 + warmth, 1 + 0.1 * warmth, 1 - 1.1 * warmth])
    return tint / tint.mean()
