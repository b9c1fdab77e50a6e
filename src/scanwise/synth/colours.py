"""The word for a thing's colour."""

from __future__ import annotations

import numpy as np

from scanwise.synth.mesh import Mesh, face_normals
from scanwise.synth.render import sample_texture, to_linear

COLOR_WORDS = (
    "black", "white", "grey", "brown", "beige", "red", "orange", "yellow", "green", "blue", "purple", "pink",
)  # fmt: skip
CLEAR = 0.5
"""Share of the surface that must have one colour for the whole to be called by it."""
HIDDEN = 0.9
"""Cosine from straight down, or straight back, within which a face is turned away."""
PATCH = 16
"""Textures are seen as this many patches a side, so that the grain of wood does not count as colours."""


def mesh_color_word(mesh: Mesh, *, at_wall: bool = False) -> str:
    """The word for what one sees of the surface; "" where no colour has half of it.

    Nobody sees undersides, nor, of what stands or hangs at a wall, its back.

    Args:
        mesh: front towards -y.
        at_wall: it stands or hangs at a wall.

    Returns:
        A word of COLOR_WORDS, or "".
    """
    area, albedo = _surface(mesh)
    outward = face_normals(mesh.vertices, mesh.faces)
    area[(outward[:, 2] < -HIDDEN) | (at_wall & (outward[:, 1] > HIDDEN))] = 0
    total = area.sum()
    if total <= 0:
        return ""
    shares = np.bincount(color_words(albedo), weights=area, minlength=len(COLOR_WORDS)) / total
    best = int(shares.argmax())
    return COLOR_WORDS[best] if shares[best] >= CLEAR else ""


def color_words(colors: np.ndarray) -> np.ndarray:
    """Colours (N, 3), sRGB 0..255, to (N,) index into COLOR_WORDS."""
    lightness, a, b = lab(colors).T
    chroma, hue = np.hypot(a, b), np.rad2deg(np.arctan2(b, a)) % 360
    earthy = (hue >= 42) & (hue < 100)
    rules = [
        ((lightness < 20) & (chroma < 18), "black"),
        (earthy & (chroma >= 7) & (chroma < 42) & (lightness >= 69), "beige"),
        ((chroma < 11) & (lightness < 28), "black"),
        ((chroma < 11) & (lightness > 82), "white"),
        (chroma < 11, "grey"),
        (earthy & ((lightness < 58) | ((lightness < 69) & (chroma < 55))), "brown"),
        (((hue >= 335) | (hue < 38)) & (lightness > 62), "pink"),
        ((hue >= 345) | (hue < 45), "red"),
        (hue < 78, "orange"),
        (hue < 110, "yellow"),
        (hue < 195, "green"),
        ((hue < 297) | ((hue < 312) & (lightness <= 48)), "blue"),
    ]
    words = np.select([test for test, _ in rules], [COLOR_WORDS.index(word) for _, word in rules], -1)
    return np.where(words < 0, COLOR_WORDS.index("purple"), words)


def lab(colors: np.ndarray) -> np.ndarray:
    """Colours (N, 3), sRGB 0..255, to CIE L*a*b* (N, 3) under D65."""
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                       [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip
    xyz = to_linear(colors).astype(np.float64) @ to_xyz.T / np.array([0.95047, 1.0, 1.08883])
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * root[:, 1] - 16, 500 * (root[:, 0] - root[:, 1]), 200 * (root[:, 1] - root[:, 2])], axis=1)


def _surface(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """(F,) area in m^2, 0 where the texture is transparent, and (F, 3) sRGB 0..255 of each face."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]].astype(np.float64) for corner in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    albedo = mesh.colors.astype(np.float32)
    for index in np.unique(mesh.texture[mesh.texture >= 0]):
        chosen = np.flatnonzero(mesh.texture == index)
        texels = sample_texture(_patches(mesh.textures[index]), mesh.uv[chosen].mean(1))
        albedo[chosen] = texels[:, :3]
        area[chosen[texels[:, 3] < 128]] = 0
    return area, albedo


def _patches(texture: np.ndarray) -> np.ndarray:
    """The texture as at most PATCH x PATCH means."""
    rows, columns = (np.linspace(0, size, min(size, PATCH) + 1).astype(int) for size in texture.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(texture.astype(np.float64), rows[:-1], 0), columns[:-1], 1)
    return sums / (np.diff(rows)[:, None, None] * np.diff(columns)[None, :, None])
