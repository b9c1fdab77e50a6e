"""Cameras that err as real ones do: a structured-light sensor, a phone with LiDAR, and what both do to colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class DepthCamera:
    """How a depth sensor measures.

    Attributes:
        near: metres below which it does not read.
        far: metres beyond which it does not read.
        noise: standard deviation in metres at depth z: noise[0] + noise[1] (z - near)^2.
        disparity_step: smallest step of the disparity in pixels, for a baseline in metres; 0 = no steps.
        baseline: metres between projector and camera.
        edge: pixels by which outlines are jagged or, for `smooth`, blurred.
        smooth: the sensor interpolates a sparse grid: no holes at outlines, but ramps across them.
        grazing: cosine between ray and surface below which nothing comes back.
        dropout: share of readings lost for no visible reason.
    """

    near: float
    far: float
    noise: tuple[float, float]
    disparity_step: float
    baseline: float
    edge: float
    smooth: bool
    grazing: float
    dropout: float


# Noise after Nguyen, Izadi, Lovell, "Modeling Kinect sensor noise" (3DIMPVT 2012), equation 4.
KINECT = DepthCamera(0.5, 6.0, (0.0012, 0.0019), 0.125, 0.075, 1.0, False, 0.2, 0.005)
PHONE = DepthCamera(0.2, 5.0, (0.004, 0.0015), 0.0, 0.0, 1.5, True, 0.08, 0.0)
SENSORS = {"kinect": KINECT, "phone": PHONE}


def measure(
    depth: np.ndarray, intrinsics: np.ndarray, camera: DepthCamera, generator: np.random.Generator
) -> np.ndarray:
    """What the sensor reports of a true depth map (H, W) in metres: float32, 0 = no reading."""
    height, width = depth.shape
    rows, columns = np.mgrid[:height, :width]
    if camera.smooth:
        valid = depth > 0
        weight = ndimage.gaussian_filter(valid.astype(np.float32), camera.edge)
        measured = ndimage.gaussian_filter(np.where(valid, depth, 0), camera.edge) / np.maximum(weight, 1e-3)
        measured = np.where(weight > 0.5, measured, 0)
    else:
        shift = generator.normal(0, 0.5 * camera.edge, (2, height, width))
        row = np.clip(np.rint(rows + shift[0]), 0, height - 1).astype(int)
        column = np.clip(np.rint(columns + shift[1]), 0, width - 1).astype(int)
        measured = depth[row, column]
    measured = measured + (camera.noise[0] + camera.noise[1] * np.square(measured - camera.near)) * _speckle(
        depth.shape, generator
    )
    if camera.disparity_step:
        focal = camera.baseline * intrinsics[0, 0]
        steps = np.rint(focal / np.maximum(measured, 1e-3) / camera.disparity_step)
        measured = focal / (np.maximum(steps, 1) * camera.disparity_step)
    lost = (depth <= 0) | (measured < camera.near) | (measured > camera.far)
    lost |= facing(depth, intrinsics) < camera.grazing
    lost |= generator.random(depth.shape) < camera.dropout
    return np.where(lost, 0, measured).astype(np.float32)


def facing(depth: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """(H, W) |cosine| between the viewing ray and the normal of the surface, from the depth's gradient."""
    height, width = depth.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    x = (columns - intrinsics[0, 2]) / intrinsics[0, 0]
    y = (rows - intrinsics[1, 2]) / intrinsics[1, 1]
    along_x = np.gradient(depth, axis=1) * intrinsics[0, 0]
    along_y = np.gradient(depth, axis=0) * intrinsics[1, 1]
    normal = np.stack([along_x, along_y, -(depth + x * along_x + y * along_y)])
    ray = np.stack([x, y, np.ones_like(x)])
    lengths = np.linalg.norm(normal, axis=0) * np.linalg.norm(ray, axis=0)
    return np.abs((normal * ray).sum(0)) / np.maximum(lengths, 1e-9)


@dataclass
class Exposure:
    """A camera's automatic exposure and white balance, which wander from frame to frame.

    Attributes:
        gain: (3,) factors on linear RGB.
        noise: standard deviation of a mid-grey pixel, of 255.
    """

    gain: np.ndarray
    noise: float

    @classmethod
    def drawn(cls, generator: np.random.Generator) -> Exposure:
        """One to start from."""
        balance = np.exp(generator.normal(0, 0.08, 3))
        return cls(balance * np.exp(generator.normal(0, 0.15)), generator.uniform(1.5, 6.0))

    def photograph(self, image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """The picture (H, W, 3) uint8 as this camera takes it: exposure, vignette, motion blur, noise."""
        self.gain = self.gain * np.exp(generator.normal(0, 0.03) + generator.normal(0, 0.005, 3))
        height, width = image.shape[:2]
        rows, columns = np.mgrid[:height, :width].astype(np.float32)
        radius = np.hypot(rows / height - 0.5, columns / width - 0.5)
        light = np.square(image.astype(np.float32) / 255) * self.gain * (1 - 0.35 * np.square(radius))[:, :, None]
        light = moved(light, generator.exponential(0.8), generator.uniform(0, np.pi))
        picture = 255 * np.sqrt(np.clip(light, 0, 1))
        picture += generator.normal(0, self.noise, picture.shape) * (0.5 + np.sqrt(picture / 255))
        return np.clip(picture, 0, 255).astype(np.uint8)


def moved(light: np.ndarray, length: float, angle: float) -> np.ndarray:
    """Light (H, W, 3) of a camera that moved by `length` pixels in a direction while the shutter was open."""
    steps = int(np.ceil(length))
    if steps < 1:
        return light
    places = np.linspace(-length / 2, length / 2, steps + 1)
    shifts = {(round(place * np.sin(angle)), round(place * np.cos(angle))) for place in places}
    height, width = light.shape[:2]
    padded = np.pad(light, ((steps, steps), (steps, steps), (0, 0)), mode="edge")
    total = sum(padded[steps + y : steps + y + height, steps + x : steps + x + width] for y, x in sorted(shifts))
    return np.asarray(total) / len(shifts)


def _speckle(shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Unit normal noise that is alike over a few pixels, as block matching makes it."""
    fine = generator.normal(0, 1, shape)
    grid = generator.normal(0, 1, (-(-shape[0] // 4), -(-shape[1] // 4)))
    coarse = ndimage.zoom(grid, 4, order=1)[: shape[0], : shape[1]]
    return (0.6 * fine + 0.8 * coarse / max(coarse.std(), 1e-6)).astype(np.float32)
