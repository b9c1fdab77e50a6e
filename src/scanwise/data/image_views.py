"""Views of a picture: crops at random, and colours changed at random.

Crops are cut from the whole picture by the workers; colours are changed on the device, all images of a step at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

LUMA = (0.299, 0.587, 0.114)
TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


@dataclass(frozen=True)
class ImageSample:
    """One picture as training sees it.

    Attributes:
        image: uint8 (3, S, S).
        second: another view of the same kind, or None.
        crops: uint8 (V, 3, s, s) small crops, or None.
        label: row of its class, -1 = none.
    """

    image: np.ndarray
    second: np.ndarray | None = None
    crops: np.ndarray | None = None
    label: int = -1


@dataclass(frozen=True)
class Views:
    """Picture and random numbers -> an ImageSample.

    Attributes:
        size: S, side of an image in pixels.
        scale: share of the picture's area that an image shows, drawn from this range; None = the middle of the
            picture, nothing random.
        flip: mirrored, one time in two.
        second: a second view of the same kind.
        crops: V, small crops.
        crop_size: s, side of a small crop in pixels.
        crop_scale: share of the picture's area that a small crop shows, drawn from this range.
    """

    size: int
    scale: tuple[float, float] | None = (0.2, 1.0)
    flip: bool = True
    second: bool = False
    crops: int = 0
    crop_size: int = 16
    crop_scale: tuple[float, float] = (0.05, 0.25)

    def __call__(self, picture: Image.Image, generator: np.random.Generator) -> ImageSample:
        """A sample without a label."""
        if self.scale is None:
            return ImageSample(_planes(centered(picture, self.size)))
        image = self._crop(picture, self.size, self.scale, generator)
        second = self._crop(picture, self.size, self.scale, generator) if self.second else None
        crops = [self._crop(picture, self.crop_size, self.crop_scale, generator) for _ in range(self.crops)]
        return ImageSample(image, second, np.stack(crops) if crops else None)

    def _crop(
        self, picture: Image.Image, size: int, scale: tuple[float, float], generator: np.random.Generator
    ) -> np.ndarray:
        box = random_box(picture.size, scale, generator)
        planes = _planes(picture.resize((size, size), Image.Resampling.BICUBIC, box, reducing_gap=2.0))
        return planes[:, :, ::-1] if self.flip and generator.random() < 0.5 else planes


def random_box(
    size: tuple[int, int], scale: tuple[float, float], generator: np.random.Generator
) -> tuple[float, float, float, float]:
    """A box within a picture, of 3:4 to 4:3.

    Args:
        size: width and height of the picture, pixels.
        scale: range of the share of its area.
        generator: of everything random.

    Returns:
        left, top, right, bottom in pixels.
    """
    width, height = size
    area = width * height * generator.uniform(*scale)
    aspect = math.exp(generator.uniform(math.log(3 / 4), math.log(4 / 3)))
    wide, high = min(width, math.sqrt(area * aspect)), min(height, math.sqrt(area / aspect))
    left, top = generator.uniform(0, width - wide), generator.uniform(0, height - high)
    return left, top, left + wide, top + high


def centered(picture: Image.Image, size: int) -> Image.Image:
    """The largest square in the middle, as size x size pixels."""
    width, height = picture.size
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    if (width, height) == (size, size):
        return picture
    return picture.resize((size, size), Image.Resampling.BICUBIC, (left, top, left + side, top + side))


def _planes(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture).transpose(2, 0, 1)


def color_jitter(images: torch.Tensor, *, blur: float = 0.5) -> torch.Tensor:
    """Images in other colours: brightness, contrast, saturation and hue in four of five, grey one in five.

    Random numbers are torch's.

    Args:
        images: (N, 3, H, W) in [0, 1].
        blur: share of them that are blurred.
    """
    count, device = len(images), images.device

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.empty(count, 1, 1, 1, device=device).uniform_(low, high)

    jittered = images * uniform(0.6, 1.4)
    luma = torch.tensor(LUMA, device=device).view(1, 3, 1, 1)
    middle = (jittered * luma).sum(1, keepdim=True).mean((2, 3), keepdim=True)
    jittered = middle + (jittered - middle) * uniform(0.6, 1.4)
    jittered = _toned(jittered, uniform(0.8, 1.2).flatten(), uniform(-0.1, 0.1).flatten())
    changed = torch.where(uniform(0, 1) < 0.8, jittered.clamp(0, 1), images)
    grey = (changed * luma).sum(1, keepdim=True).expand_as(changed)
    changed = torch.where(uniform(0, 1) < 0.2, grey, changed)
    if blur > 0:
        changed = torch.where(uniform(0, 1) < blur, _blurred(changed, uniform(0.1, 2.0).flatten()), changed)
    return changed.clamp(0, 1)  # sums of weights may be a rounding error above 1


def _toned(images: torch.Tensor, saturation: torch.Tensor, hue: torch.Tensor) -> torch.Tensor:
    """Scales (N,) and turns (N,) (in turns) the colour plane of YIQ."""
    to_yiq = torch.tensor(TO_YIQ, device=images.device)
    angle = 2 * math.pi * hue
    sine, cosine = saturation * angle.sin(), saturation * angle.cos()
    turn = torch.zeros(len(images), 3, 3, device=images.device)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = cosine
    turn[:, 1, 2], turn[:, 2, 1] = -sine, sine
    matrix = torch.linalg.inv(to_yiq) @ turn @ to_yiq
    return (matrix @ images.flatten(2)).view_as(images)


def _blurred(images: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Gaussian blur, (N,) sigma in units of 1/32 of the side; beyond the edges the image is mirrored.

    Along each axis it is a product with a matrix for each image, which holds its kernel row by row: many small
    products in one call, where a convolution of as many groups as planes goes plane by plane.
    """
    height, width = images.shape[2:]
    unit = max(height, width) / 32
    reach = max(1, min(round(3 * unit), min(height, width) - 1))
    offsets = torch.arange(-reach, reach + 1, device=images.device)
    kernel = torch.exp(-(offsets**2) / (2 * (unit * sigma[:, None]) ** 2))
    kernel = kernel / kernel.sum(1, keepdim=True)
    along_x, along_y = _bands(kernel, width), _bands(kernel, height)
    images = (images.flatten(1, 2) @ along_x.mT).view_as(images)
    return along_y[:, None] @ images


def _bands(kernel: torch.Tensor, size: int) -> torch.Tensor:
    """(N, S, S): row i of an image's matrix adds up what its kernel (N, 2 r + 1) reads around pixel i of S."""
    reach = kernel.shape[1] // 2
    read = torch.arange(size, device=kernel.device)[:, None] + torch.arange(-reach, reach + 1, device=kernel.device)
    read = read.abs()  # mirrored at the first pixel, then at the last
    read = torch.where(read < size, read, 2 * (size - 1) - read)
    bands = kernel.new_zeros(len(kernel), size, size)
    return bands.scatter_add_(2, read.expand(len(kernel), -1, -1), kernel[:, None].expand(-1, size, -1))
