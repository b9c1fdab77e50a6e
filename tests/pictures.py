"""Pictures that tests make, and a tokenizer of patches."""

import io
import tarfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from scanwise.nn.sparse_tokens import SparseTokens, TokenConfig
from scanwise.nn.vit import ViTConfig

COLOURS = {"blue": (40, 60, 220), "green": (30, 190, 60), "red": (230, 40, 40)}


def picture(colour: tuple[int, int, int], seed: int, size: tuple[int, int] = (40, 32)) -> Image.Image:
    """A disc of a colour at a random place on noise, (width, height)."""
    rng = np.random.default_rng(seed)
    width, height = size
    pixels = rng.integers(90, 160, (height, width, 3)).astype(np.uint8)
    x, y = rng.uniform(0.3, 0.7, 2) * size
    rows, columns = np.mgrid[:height, :width]
    pixels[(columns - x) ** 2 + (rows - y) ** 2 < (min(size) / 3) ** 2] = colour
    return Image.fromarray(pixels)


def tiny_tokens(patch: int) -> SparseTokens:
    """A STELLAR network of a few channels that has learned nothing, for pictures of 2 x 2 patches."""
    torch.manual_seed(0)
    return SparseTokens(TokenConfig(
        ViTConfig(image=2 * patch, patch=patch, width=24, depth=1, heads=3, mlp=48), tokens=4, decoder_width=16,
        decoder_depth=1, decoder_heads=2, decoder_mlp=32, prototypes=12, prototype_width=8, predictor=20,
    ))  # fmt: skip


def write_folder(root: Path, count: int, split: str = "train", seed: int = 0) -> Path:
    """root/split/CLASS/*.png, `count` of each of three classes."""
    for number, (name, colour) in enumerate(COLOURS.items()):
        (root / split / name).mkdir(parents=True)
        for index in range(count):
            picture(colour, seed + 1000 * number + index).save(root / split / name / f"{index:03d}.png")
    return root


def write_shard(path: Path, pictures: list[tuple[bytes, int]], suffix: str = "png") -> None:
    """A WebDataset shard: NAME.png and NAME.cls."""
    with tarfile.open(path, "w") as tar:
        for index, (content, label) in enumerate(pictures):
            for kind, data in ((suffix, content), ("cls", str(label).encode())):
                member = tarfile.TarInfo(f"{path.stem}-{index:04d}.{kind}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def encoded(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "png")
    return stream.getvalue()


class PatchVQ:
    """A tiny VQ model: patches are said by the nearest of the codebook's, which k-means found."""

    def __init__(self, images: torch.Tensor, patch: int, codes: int) -> None:
        self.patch, self.codes = patch, codes
        every = self._patches(images).flatten(0, 1)
        torch.manual_seed(0)
        self.book = every[torch.randperm(len(every))[:codes]].clone()
        for _ in range(10):
            near = torch.cdist(every, self.book).argmin(1)
            for code in near.unique().tolist():
                self.book[code] = every[near == code].mean(0)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return torch.cdist(self._patches(images), self.book.expand(len(images), -1, -1)).argmin(2)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        side = round(codes.shape[1] ** 0.5) * self.patch
        planes = self.book[codes].transpose(1, 2)
        return torch.nn.functional.fold(planes, side, self.patch, stride=self.patch)

    def _patches(self, images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.unfold(images, self.patch, stride=self.patch).transpose(1, 2)
