"""A trained network of STELLAR: where to get one, and what its tokens are good for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch.nn import functional

from scanwise.data.image_views import centered
from scanwise.data.images import ImageSet, to_float
from scanwise.errors import InputError
from scanwise.evaluation.image_probes import batches
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


def load_network(weights: Path) -> SparseTokens:
    """STELLAR's network, in evaluation mode.

    Args:
        weights: one of our runs (its folder or best.ckpt), the name or file of shipped weights, or a published file.

    Raises:
        InputError: no such file, damaged, or of something else.
    """
    published = weights.suffix == ".safetensors" and not _has_facts(weights)
    return load_stellar(weights) if published else load_tokens(weights)


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
    picture = Image.fromarray(ImageFile(path).read())
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


@torch.no_grad()
def similarities(
    network: SparseTokens, query: torch.Tensor, images: ImageSet, progress: Progress = silent
) -> torch.Tensor:
    """`similarity` of an image and every one of a set.

    Args:
        network: STELLAR's.
        query: (1, 3, H, W) in [0, 1].
        images: looked at as squares of the network's own size.
        progress: told the share of `images` that was looked at.

    Returns:
        (N,) of the set's images, -1..1.
    """
    tokens, found = network.encode(query).sparse[0], []
    for number, batch in enumerate(batches(images, network.config.encoder.image, query.device)):
        found.append(similarity(tokens, network.encode(batch).sparse).cpu())
        progress("looking", min(1.0, (number + 1) * len(found[0]) / len(images)))
    return torch.cat(found)
