"""Small made worlds for tests: a room whose sides have plain colours, and a 2D model that knows colours."""

from __future__ import annotations

import numpy as np
import torch

from scanwise.scene import ArrayRaster, Scene, View

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 220), "white": (240, 240, 240)}
INTRINSICS = np.array([[60.0, 0, 39.5], [0, 60.0, 29.5], [0, 0, 1]])
SIZE = (60, 80)


class ColourVision:
    """Embeds a picture's pixels as their distances to named colours, and a colour's name as a unit vector."""

    def __init__(self) -> None:
        self.name, self.dim, self.scale = "colour", len(COLOURS), 10.0
        self.model_hashes = {"colours": "1"}
        self.encoded = 0
        self.device = torch.device("cpu")

    def to(self, device: torch.device) -> ColourVision:
        self.device = device
        return self

    def encode_image(self, image: np.ndarray) -> torch.Tensor:
        self.encoded += 1
        pixels = torch.from_numpy(image[::2, ::2].astype(np.float32))
        known = torch.tensor(list(COLOURS.values()), dtype=torch.float32)
        distance = (pixels[:, :, None] - known).norm(dim=3)
        return torch.exp(-distance / 50).permute(2, 0, 1).to(self.device)

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        return torch.eye(self.dim)[[list(COLOURS).index(text) for text in texts]]

    def class_scores(self, features: torch.Tensor) -> torch.Tensor:
        return features


def corner_views(count: int = 3) -> list[View]:
    """Cameras 1.5 m above a green floor (z = 0), looking at a red wall (y = 3) with a blue one at x = 2."""
    return [render(_looking_at_the_corner(np.array([-0.5 + 0.3 * number, 0.0, 1.5]))) for number in range(count)]


def corner_scene(count: int = 3) -> Scene:
    """Points of the corner on a 5 cm grid with their colours and the views; rows are shuffled."""
    u, v = (axis.reshape(-1) for axis in np.meshgrid(np.arange(-1, 2, 0.05), np.arange(0, 2.5, 0.05)))
    floor = np.stack([u, v + 0.5, 0 * u], 1)
    wall = np.stack([u, 0 * u + 3, v], 1)
    side = np.stack([0 * u + 2, u + 1, v], 1)
    points = np.concatenate([floor, wall, side])
    names = ["green"] * len(u) + ["red"] * len(u) + ["blue"] * len(u)
    order = np.random.default_rng(0).permutation(len(points))
    colors = np.array([COLOURS[name] for name in names], np.uint8)
    return Scene(points[order], colors[order], views=corner_views(count), name="corner")


def _looking_at_the_corner(centre: np.ndarray) -> np.ndarray:
    forward = np.array([0.35, 0.9, -0.35]) / np.linalg.norm([0.35, 0.9, -0.35])
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], 1)
    pose[:3, 3] = centre
    return pose


def render(pose: np.ndarray) -> View:
    """What a camera at this pose (4, 4) sees of the corner."""
    centre = pose[:3, 3]
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    pixels = np.stack([columns, rows, np.ones_like(rows)], -1).reshape(-1, 3)
    rays = pixels @ np.linalg.inv(INTRINSICS).T @ pose[:3, :3].T
    planes = [
        (np.array([0, 0, 1.0]), 0.0, "green"),
        (np.array([0, 1.0, 0]), 3.0, "red"),
        (np.array([1.0, 0, 0]), 2.0, "blue"),
    ]
    depth = np.full(len(rays), np.inf)
    image = np.zeros((len(rays), 3), np.uint8)
    for normal, offset, colour in planes:
        with np.errstate(divide="ignore"):
            distance = (offset - centre @ normal) / (rays @ normal)
        nearer = (distance > 0) & (distance < depth)
        depth[nearer] = distance[nearer]
        image[nearer] = COLOURS[colour]
    depth[~np.isfinite(depth) | (depth > 8)] = 0
    return View(
        ArrayRaster(image.reshape(*SIZE, 3)),
        INTRINSICS,
        pose,
        ArrayRaster(depth.reshape(SIZE).astype(np.float32)),
    )
