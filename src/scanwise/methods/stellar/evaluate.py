"""A trained network of STELLAR: where to get one, and what its tokens are good for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch.nn import functional

from scanwise.data.image_views import centered
from scanwise.data.images import ImageSet, to_float
from scanwise.errors import InputError
from scanwise.evaluation.image_probes import batches, reconstruction_errors
from scanwise.evaluation.perceptual import LPIPS, fid
from scanwise.files import ImageFile
from scanwise.methods.stellar.model import Stellar
from scanwise.methods.stellar.official import load_stellar
from scanwise.nn.sparse_tokens import SparseTokens
from scanwise.nn.text import file_sha256
from scanwise.nn.transport import match
from scanwise.progress import Progress, silent
from scanwise.training.checkpoints import locate
from scanwise.training.images import load_tokens
from scanwise.vision.stellar import Features, StellarTrunk

LEAST = 32  # pixels a side that LPIPS takes
PART = 4096  # pictures whose spread is looked at
ENOUGH = 4  # tokens a channel; of fewer the mean alone is subtracted
SHRINK = 1e-3  # of the mean variance, added to each direction's: chosen on Rooms-1's validation rooms


def load_network(weights: Path) -> SparseTokens:
    """STELLAR's network, in evaluation mode.

    Args:
        weights: one of our runs (its folder or best.ckpt), the name or file of shipped weights, or a published file.

    Raises:
        InputError: no such file, damaged, or of something else.
    """
    return load_stellar(weights) if is_published(weights) else load_tokens(weights)


def best_weights() -> Path:
    """Published weights where the user's Hugging Face cache has them, else the small ones that come with scanwise.

    Nothing is fetched. Of several that with sixteen tokens and the smallest network is taken.
    """
    found = sorted(hub_cache().glob("models--microsoft--STELLAR*/snapshots/*/**/*.safetensors"))
    return min(found, key=lambda path: ("16" not in path.stem, path.stat().st_size)) if found else Path("stellar-small")


def hub_cache() -> Path:
    """Where Hugging Face's libraries keep what they fetched."""
    home = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub")


def is_published(weights: Path) -> bool:
    """Whether a file holds weights as STELLAR's authors publish them, and not of scanwise."""
    return weights.suffix == ".safetensors" and not _has_facts(weights)


def _has_facts(weights: Path) -> bool:
    """Whether a safetensors file says what it is, as those that scanwise writes do."""
    try:
        with safe_open(weights, "pt") as stored:
            return "facts" in (stored.metadata() or {})
    except (OSError, SafetensorError):
        return False


def load_trunk(weights: Path, features: Features = "dense", side: int | None = None) -> StellarTrunk:
    """A network as frozen features of patches.

    Args:
        weights: as `load_network` takes them.
        features: as of `StellarTrunk`.
        side: as of `StellarTrunk`.

    Raises:
        InputError: as of `load_network`.
    """
    file = locate(weights)
    return StellarTrunk(load_network(file), features, side, {file.name: file_sha256(file)})


def read_image(
    path: Path, network: SparseTokens, side: int = 0, *, square: bool = False
) -> tuple[np.ndarray, torch.Tensor]:
    """A picture as a network takes it.

    Args:
        path: of the picture.
        network: whose patches divide the result's sides.
        side: pixels that the shorter side is scaled to; 0 = the network's own.
        square: cut to the square in the middle, of `side` pixels.

    Returns:
        The scaled picture, uint8 (H, W, 3), and the same as a batch (1, 3, H, W) in [0, 1].

    Raises:
        InputError: no such picture, or `side` is smaller than a patch.
    """
    return scaled(ImageFile(path).read(), network, side, square=square)


def scaled(
    image: np.ndarray, network: SparseTokens, side: int = 0, *, square: bool = False
) -> tuple[np.ndarray, torch.Tensor]:
    """A picture, uint8 (H, W, 3), as `read_image` gives those that it reads."""
    picture = Image.fromarray(image)
    patch, side = network.config.encoder.patch, side or network.config.encoder.image
    if side < patch:
        raise InputError(f"side {side}: smaller than a patch, {patch} pixels", option="side")
    if square:
        picture = centered(picture, side)
    else:
        scale = side / min(picture.size)
        width, height = (max(1, round(length * scale / patch)) * patch for length in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    pixels = np.array(picture)
    return pixels, to_float(torch.from_numpy(pixels).permute(2, 0, 1)[None])


def image_features(network: SparseTokens, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """One vector (B, D) an image, by each way to have one: "cls", mean of "sparse" tokens, mean of "dense"."""
    encoded = network.encode(images)
    return {"cls": encoded.cls, "sparse": encoded.sparse.mean(1), "dense": encoded.dense.mean(1)}


def similarity(query: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """How well the tokens of one image match those of others.

    Args:
        query: (r, D) tokens.
        others: (N, r, D) tokens.

    Returns:
        (N,) mean cosine of each token of the query and the one that it is matched to, -1..1.
    """
    query, others = functional.normalize(query, dim=-1), functional.normalize(others, dim=-1)
    query = query.expand(len(others), -1, -1)
    index, _ = match(query, others, epsilon=Stellar.match_epsilon, iterations=Stellar.match_iterations)
    matched = others.gather(1, index[:, :, None].expand_as(query))
    return (query * matched).sum(-1).mean(-1)


@dataclass(frozen=True)
class Spread:
    """How tokens of a set of pictures lie about their mean, so that what is in all of them says nothing.

    Attributes:
        mean: (D,).
        matrix: (D, D) that brings every direction to the same deviation; the identity for a few pictures.
    """

    mean: torch.Tensor
    matrix: torch.Tensor

    @classmethod
    def of(cls, tokens: np.ndarray) -> Spread:
        """Of (n, r, D) tokens; of many pictures some are looked at, evenly."""
        some = np.asarray(tokens[:: max(1, len(tokens) // PART)], np.float32)
        rows = torch.from_numpy(some).flatten(0, 1).double()
        width = rows.shape[1]
        mean, identity = rows.mean(0), torch.eye(width)
        if len(rows) < ENOUGH * width:
            return cls(mean.float(), identity)
        values, vectors = torch.linalg.eigh(torch.cov(rows.T))
        return cls(mean.float(), (vectors / (values + SHRINK * values.mean()).sqrt()).float())

    def __call__(self, tokens: torch.Tensor) -> torch.Tensor:
        """(..., D) -> (..., D)."""
        return (tokens - self.mean) @ self.matrix


@torch.no_grad()
def similarities(
    network: SparseTokens, query: torch.Tensor, images: ImageSet, progress: Progress = silent
) -> torch.Tensor:
    """`similarity` of an image and every one of a set, as `Spread` of the set has them.

    Args:
        network: STELLAR's.
        query: (1, 3, H, W) in [0, 1].
        images: looked at as squares of the network's own size.
        progress: told the share of `images` that was looked at.

    Returns:
        (N,) of the set's images, -1..1.
    """
    found, seen = [], 0
    for batch in batches(images, network.config.encoder.image, query.device):
        found.append(network.encode(batch).sparse.cpu())
        seen += len(batch)
        progress("looking", seen / len(images))
    tokens = torch.cat(found)
    spread = Spread.of(tokens.numpy())
    return similarity(spread(network.encode(query).sparse[0].cpu()), spread(tokens))


@torch.no_grad()
def reconstruction_report(
    network: SparseTokens, images: ImageSet, *, lpips: Path | None = None, inception: Path | None = None
) -> dict[str, float]:
    """What comes back of pictures, as squares of the network's own size.

    Args:
        network: STELLAR's, of pixels.
        images: that are reconstructed.
        lpips: AlexNet's weights, as of `perceptual.LPIPS`; None = without.
        inception: Inception's, as of `perceptual.fid`; None = without.

    Returns:
        "mse", "psnr", "ssim", and "lpips" and "rfid" where weights were given.

    Raises:
        InputError: weights that cannot be used, or pictures too small for LPIPS.
    """
    side, device = network.config.encoder.image, network.tokens.device
    if lpips is not None and side < LEAST:
        raise InputError(f"LPIPS needs pictures of {LEAST} pixels a side; this network's have {side}", option="lpips")
    distance = LPIPS(lpips) if lpips is not None else None

    def again(batch: torch.Tensor) -> torch.Tensor:
        return network.reconstruct(batch.to(device)).clamp(0, 1).cpu()

    found = reconstruction_errors(network.reconstruct, images, side, str(device))
    if distance is not None:
        parts = [distance(batch, again(batch)) for batch in batches(images, side)]
        found["lpips"] = float(torch.cat(parts).mean())
    if inception is not None:
        returned = (again(batch) for batch in batches(images, side))
        found["rfid"] = fid(batches(images, side), returned, inception)
    return found
