"""Pictures of materials, drawn by numbers: wood, fabric, tiles and others, for floors, walls and built-in pieces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

SIZE = 128
WOODS = ((205, 170, 125), (176, 128, 82), (130, 86, 54), (90, 58, 38), (224, 200, 164), (150, 75, 48), (222, 216, 206))
PALE = ((244, 243, 240), (236, 230, 218), (214, 222, 226), (226, 214, 200), (208, 216, 200), (232, 220, 224))
CLOTH = (
    (60, 66, 80), (150, 148, 142), (190, 178, 156), (120, 40, 44), (50, 84, 60), (40, 70, 120), (205, 150, 60),
    (110, 80, 64), (236, 232, 224), (34, 34, 36), (150, 100, 120), (90, 130, 140),
)  # fmt: skip


def pick(generator: np.random.Generator, palette: tuple[tuple[int, int, int], ...], spread: float = 8) -> np.ndarray:
    """A colour of the palette, uint8 (3,), a little off."""
    color = np.array(palette[int(generator.integers(len(palette)))])
    return np.clip(color + generator.normal(0, spread, 3), 0, 255).round().astype(np.uint8)


def texture(name: str, generator: np.random.Generator) -> np.ndarray:
    """A material, uint8 (h, w, 3), that repeats without a seam.

    Args:
        name: of TEXTURES ("wood", "planks", "fabric", "tiles", ...); another is a KeyError.
        generator: of random numbers.
    """
    return np.clip(TEXTURES[name](generator), 0, 255).round().astype(np.uint8)


def noise(generator: np.random.Generator, scale: tuple[float, float], size: int = SIZE) -> np.ndarray:
    """(size, size) smooth and periodic, mean 0, deviation 1; `scale` = size of blobs in pixels down and across."""
    white = np.fft.rfft2(generator.normal(size=(size, size)))
    down, across = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    shape = np.exp(-2 * (np.pi**2) * ((down * scale[0]) ** 2 + (across * scale[1]) ** 2))
    result = np.fft.irfft2(white * shape, (size, size))
    result -= result.mean()
    return result / max(float(result.std()), 1e-9)


def _wood(generator: np.random.Generator) -> np.ndarray:
    grain = noise(generator, (30, 1.2)) * 0.6 + noise(generator, (40, 5)) * 0.8
    return pick(generator, WOODS) * (1 + generator.uniform(0.04, 0.1) * grain[..., None])


def _planks(generator: np.random.Generator) -> np.ndarray:
    count = int(generator.choice([2, 4]))
    picture = _wood(generator)
    width = SIZE // count
    for plank in range(count):
        part = slice(plank * width, (plank + 1) * width)
        picture[:, part] = np.roll(picture[:, part], int(generator.integers(SIZE)), axis=0) * generator.normal(1, 0.06)
        end = int(generator.integers(SIZE))
        picture[end : end + 1, part] *= 0.6
        picture[:, plank * width] *= 0.6
    return picture


def _tiles(generator: np.random.Generator) -> np.ndarray:
    count = int(generator.choice([1, 2, 4]))
    ground = pick(generator, (*PALE, *WOODS[:1], (120, 124, 128)))
    grout = pick(generator, ((200, 200, 198), (90, 90, 90)))
    picture = ground * (1 + 0.02 * noise(generator, (6, 6))[..., None])
    width = SIZE // count
    if generator.random() < 0.25 and count > 1:
        other = pick(generator, CLOTH)
        rows, columns = np.mgrid[:SIZE, :SIZE] // width
        picture[(rows + columns) % 2 == 1] = other
    for line in range(count):
        picture[line * width : line * width + 2] = grout
        picture[:, line * width : line * width + 2] = grout
    return picture


def _fabric(generator: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    weave = ((rows // 2 + columns // 2) % 2 - 0.5) * 0.08
    return pick(generator, CLOTH) * (1 + (weave + 0.05 * noise(generator, (2, 2)))[..., None])


def _stripes(generator: np.random.Generator) -> np.ndarray:
    width = int(generator.choice([4, 8, 16, 32]))
    colors = [pick(generator, CLOTH), pick(generator, PALE)]
    picture = np.where(((np.arange(SIZE) // width) % 2)[None, :, None], colors[0], colors[1])
    return np.repeat(picture.astype(np.float64), SIZE, axis=0) * (1 + 0.03 * noise(generator, (1, 1))[..., None])


def _carpet(generator: np.random.Generator) -> np.ndarray:
    return pick(generator, CLOTH) * (1 + 0.12 * noise(generator, (0.7, 0.7))[..., None])


def _plaster(generator: np.random.Generator) -> np.ndarray:
    return pick(generator, PALE) * (1 + 0.015 * noise(generator, (3, 3))[..., None])


def _stone(generator: np.random.Generator) -> np.ndarray:
    base = pick(generator, ((120, 118, 116), (60, 60, 62), (200, 196, 188), (160, 150, 138)))
    speckle = noise(generator, (0.8, 0.8)) * 0.1 + noise(generator, (8, 8)) * 0.06
    return base * (1 + speckle[..., None])


def _bricks(generator: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    course = rows // 16
    shifted = (columns + 16 * (course % 2)) % SIZE
    tint = generator.normal(1, 0.08, (8, 4))[course, shifted // 32]
    picture = pick(generator, ((160, 82, 62), (190, 150, 120), (214, 208, 200))) * tint[..., None]
    picture[(rows % 16 < 2) | (shifted % 32 < 2)] = (200, 196, 190)
    return picture * (1 + 0.05 * noise(generator, (1, 1))[..., None])


def _wallpaper(generator: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE] * (2 * np.pi / SIZE)
    k = int(generator.choice([2, 4, 8]))
    pattern = np.sin(k * rows) * np.sin(k * columns) + 0.5 * np.sin(2 * k * columns)
    base, other = pick(generator, PALE), pick(generator, (*PALE, *CLOTH))
    return np.where((pattern > generator.uniform(0.2, 0.8))[..., None], 0.7 * base + 0.3 * other, base)


TEXTURES: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "wood": _wood,
    "planks": _planks,
    "tiles": _tiles,
    "fabric": _fabric,
    "stripes": _stripes,
    "carpet": _carpet,
    "plaster": _plaster,
    "stone": _stone,
    "bricks": _bricks,
    "wallpaper": _wallpaper,
}
