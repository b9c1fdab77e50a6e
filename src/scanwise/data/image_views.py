"""Views of pictures: what the workers make of each, and what is drawn at random on the device.

For training the workers read whole pictures and squeeze them to squares of one size (`Whole`); crops are cut from
these on the device (`crops`), blurred and changed in colour (`color_jitter`), all images of a step at once.
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
        aspect: width over height of a whole picture that was squeezed; None = `image` is a view of it.
        label: row of its class, -1 = none.
    """

    image: np.ndarray
    aspect: float | None = None
    label: int = -1


@dataclass(frozen=True)
class Views:
    """Picture and random numbers -> an ImageSample.

    Attributes:
        size: S, side of an image in pixels.
        scale: share of the picture's area that an image shows, drawn from this range; None = the middle of the
            picture, nothing random.
        flip: mirrored, one time in two.
    """

    size: int
    scale: tuple[float, float] | None = (0.2, 1.0)
    flip: bool = True

    def __call__(self, picture: Image.Image, generator: np.random.Generator) -> ImageSample:
        """A sample without a label."""
        if self.scale is None:
            return ImageSample(_planes(centered(picture, self.size)))
        box = random_box(picture.size, self.scale, generator)
        planes = _planes(picture.resize((self.size, self.size), Image.Resampling.BICUBIC, box, reducing_gap=2.0))
        return ImageSample(planes[:, :, ::-1] if self.flip and generator.random() < 0.5 else planes)


@dataclass(frozen=True)
class Whole:
    """Picture -> an ImageSample of all of it, from which views are drawn on the device.

    Attributes:
        size: S, pixels of the square that it is squeezed to.
    """

    size: int

    def __call__(self, picture: Image.Image, generator: np.random.Generator) -> ImageSample:
        """A sample without a label; nothing is random about it."""
        squeezed = picture
        if picture.size != (self.size, self.size):
            squeezed = picture.resize((self.size, self.size), Image.Resampling.BICUBIC, reducing_gap=2.0)
        return ImageSample(_planes(squeezed), picture.width / picture.height)


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


@torch.no_grad()
def crops(
    pictures: torch.Tensor, aspect: torch.Tensor, count: int, size: tuple[int, int], scale: tuple[float, float]
) -> torch.Tensor:
    """Crops of whole pictures at random, mirrored one time in two; random numbers are torch's.

    They are resampled as Pillow's `resize(size, BICUBIC, box)` does: along each axis a product with a matrix for each
    crop, which holds the box, the mirroring and a cubic kernel that is wider where pixels are put together.

    Args:
        pictures: (B, 3, S, S) in [0, 1], squeezed to squares.
        aspect: (B,) width over height of each before.
        count: V, of each picture.
        size: height and width of a crop, pixels.
        scale: share of the picture's area that a crop shows, drawn from this range.

    Returns:
        (B, V, 3, height, width) in [0, 1], of 3:4 to 4:3 times the shape of `size`.
    """
    shape, device = (len(pictures), count), pictures.device

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.empty(shape, device=device).uniform_(low, high)

    height, width = size
    area = uniform(*scale)
    ratio = uniform(math.log(3 / 4), math.log(4 / 3)).exp() * (width / height) / aspect[:, None]  # of squeezed ones
    wide, high = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    left, top = uniform(0, 1) * (1 - wide), uniform(0, 1) * (1 - high)
    mirrored = uniform(0, 1) < 0.5
    side = pictures.shape[2]
    along_x = _sampling(torch.where(mirrored, left + wide, left), torch.where(mirrored, -wide, wide), width, side)
    along_y = _sampling(top, high, height, side)
    rows = pictures.flatten(1, 2) @ along_x.flatten(1, 2).mT  # (B, 3 S, V width)
    rows = rows.unflatten(1, (3, side)).unflatten(3, (count, width)).permute(0, 3, 1, 2, 4)
    return (along_y[:, :, None] @ rows).clamp(0, 1)


def _sampling(start: torch.Tensor, length: torch.Tensor, size: int, side: int) -> torch.Tensor:
    """(..., size, side): rows that read `size` pixels from `start` on, over `length` (shares of `side` pixels).

    A negative length reads backwards.
    """
    steps = (torch.arange(size, device=start.device) + 0.5) / size
    centers = (start[..., None] + length[..., None] * steps) * side - 0.5
    wide = (length.abs() * side / size).clamp(min=1)[..., None, None]
    away = (centers[..., None] - torch.arange(side, device=start.device)).abs() / wide
    near = (1.5 * away - 2.5) * away**2 + 1  # Keys' kernel, a = -1/2
    far = ((2.5 - 0.5 * away) * away - 4) * away + 2
    weights = torch.where(away < 1, near, torch.where(away < 2, far, torch.zeros_like(away)))
    return weights / weights.sum(-1, keepdim=True)


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
        sigma = uniform(0.1, 2.0).flatten()
        (chosen,) = (uniform(0, 1).flatten() < blur).nonzero(as_tuple=True)
        changed = changed.index_copy(0, chosen, _blurred(changed[chosen], sigma[chosen]).to(changed.dtype))
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
