"""Random changes to a cloud that leave it what it is.

Every function takes a `Cloud` and a numpy generator and gives a new `Cloud`; the input is not touched. Rotations are
about the vertical, or tilts so small that the floor stays the floor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scanwise.data.clouds import Cloud


@dataclass(frozen=True)
class Augmentation:
    """How much a cloud is changed; the defaults change nothing.

    Attributes:
        turn: rotation about z by any angle.
        tilt: largest rotation about x and y, radians.
        flip: mirrors x, y or both, each half of the time.
        scale: (low, high) factor.
        jitter: metres, standard deviation of each coordinate, cut off at five times that.
        color_jitter: of 255, standard deviation of each channel of each point.
        color_shift: of 255, the largest shift of each channel of the whole cloud.
        contrast: share of clouds whose channels are stretched to the full range, partly.
        drop_color: share of clouds that lose their colours, so that a network learns to do without.
        drop_normals: share of clouds that lose their normals.
        intensity_gain: standard deviation of the logarithm of a factor on all intensities: sensors differ in theirs.
        drop_intensity: share of clouds that lose their intensities.
        crop: most points that are kept, the nearest to one drawn at random; 0 = all.
    """

    turn: bool = False
    tilt: float = 0.0
    flip: bool = False
    scale: tuple[float, float] = (1.0, 1.0)
    jitter: float = 0.0
    color_jitter: float = 0.0
    color_shift: float = 0.0
    contrast: float = 0.0
    drop_color: float = 0.0
    drop_normals: float = 0.0
    intensity_gain: float = 0.0
    drop_intensity: float = 0.0
    crop: int = 0

    def __call__(self, cloud: Cloud, generator: np.random.Generator) -> Cloud:
        """The cloud, changed at random."""
        if self.crop:
            cloud = cropped(cloud, self.crop, generator)
        return self.changed(cloud, self.matrix(generator), generator)

    def changed(self, cloud: Cloud, matrix: np.ndarray, generator: np.random.Generator) -> Cloud:
        """The cloud under a linear map, with everything else changed at random; for clouds with boxes, which follow it.

        Args:
            cloud: stays as it is.
            matrix: (3, 3), of `matrix`.
            generator: of random numbers.
        """
        cloud = moved(cloud, matrix)
        if self.jitter:
            noise = np.clip(generator.standard_normal(cloud.points.shape, np.float32), -5, 5)
            cloud = replace(cloud, points=cloud.points + self.jitter * noise)
        if cloud.colors is not None:
            cloud = self._recolored(cloud, cloud.colors, generator)
        if cloud.normals is not None and generator.random() < self.drop_normals:
            cloud = replace(cloud, normals=None)
        if cloud.intensity is not None and (self.intensity_gain or self.drop_intensity):
            cloud = self._dimmed(cloud, cloud.intensity, generator)
        return cloud

    def _dimmed(self, cloud: Cloud, intensity: np.ndarray, generator: np.random.Generator) -> Cloud:
        factor = np.float32(np.exp(self.intensity_gain * generator.standard_normal()))
        if generator.random() < self.drop_intensity:
            return replace(cloud, intensity=None)
        return replace(cloud, intensity=np.clip(factor * intensity, 0, 1))

    def matrix(self, generator: np.random.Generator) -> np.ndarray:
        """(3, 3) linear map of points: rotation, mirroring and scale."""
        matrix = np.eye(3)
        if self.turn:
            matrix = rotation(2, generator.uniform(0, 2 * np.pi)) @ matrix
        if self.tilt:
            for axis in (0, 1):
                matrix = rotation(axis, generator.uniform(-self.tilt, self.tilt)) @ matrix
        if self.flip:
            matrix = np.diag([*(generator.choice([-1.0, 1.0], 2)), 1.0]) @ matrix
        return matrix * generator.uniform(*self.scale)

    def _recolored(self, cloud: Cloud, colors: np.ndarray, generator: np.random.Generator) -> Cloud:
        if generator.random() < self.drop_color:
            return replace(cloud, colors=None)
        if not (self.contrast or self.color_shift or self.color_jitter):
            return cloud
        values = colors.astype(np.float32)
        if generator.random() < self.contrast:
            low, high = values.min(0), values.max(0)
            stretched = (values - low) * (255 / np.maximum(high - low, 1))
            share = np.float32(generator.random())
            values = (1 - share) * values + share * stretched
        values += generator.uniform(-self.color_shift, self.color_shift, 3).astype(np.float32)
        if self.color_jitter:
            values += self.color_jitter * generator.standard_normal(values.shape, np.float32)
        return replace(cloud, colors=np.clip(values, 0, 255).astype(np.uint8))


def rotation(axis: int, angle: float) -> np.ndarray:
    """(3, 3) float64 right-handed rotation.

    Args:
        axis: 0 = x, 1 = y, 2 = z.
        angle: radians.
    """
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.eye(3)
    one, other = (axis + 1) % 3, (axis + 2) % 3
    matrix[[one, one, other, other], [one, other, one, other]] = [cosine, -sine, sine, cosine]
    return matrix


def moved(cloud: Cloud, matrix: np.ndarray) -> Cloud:
    """The cloud under a linear map; normals stay of length 1.

    Args:
        cloud: stays as it is.
        matrix: (3, 3) of rotation, mirroring and uniform scale.
    """
    linear = matrix.astype(np.float32)
    points = cloud.points @ linear.T
    if cloud.normals is None:
        return replace(cloud, points=points)
    scale = np.float32(np.cbrt(abs(np.linalg.det(matrix))))
    return replace(cloud, points=points, normals=cloud.normals @ (linear / scale).T)


def cropped(cloud: Cloud, most: int, generator: np.random.Generator) -> Cloud:
    """The points nearest, in the plan, to a point drawn at random.

    Args:
        cloud: stays as it is.
        most: points that are kept.
        generator: of the point.
    """
    if len(cloud) <= most:
        return cloud
    center = cloud.points[int(generator.integers(len(cloud)))]
    distance = np.square(cloud.points[:, :2] - center[:2]).sum(1)
    return cloud.take(np.sort(np.argpartition(distance, most)[:most]))
