"""`rooms`: dense open-vocabulary features learned from made rooms, fused with what `conse` knows of other things.

A cell is an embedding that sentence embeddings are compared with (`scanwise.nn.dense_text`), beside the ImageNet
classes that `conse` sees there. The score of a text is the sum of both models' logits, weighted as the weights' card
says; as softmax over texts forgets what they have in common, that is the weighted sum of their log-probabilities.

    weights: safetensors in half precision; metadata "facts": JSON of kind, recipe, names, classes, metrics, fusion, and
    network, the shape of the STELLAR trunk of those that have one
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from scanwise import cache as store
from scanwise.errors import InputError
from scanwise.files import replacing
from scanwise.nn.dense_text import DIM, DIVISOR, DenseTextEncoder, PyramidTextEncoder
from scanwise.nn.sparse_tokens import SparseTokens, token_config
from scanwise.nn.text import MiniLM, file_sha256, shared_minilm
from scanwise.shipped import HOW, weights_folder
from scanwise.vision import conse
from scanwise.vision.resize import resize
from scanwise.vision.stellar import PatchTextEncoder

KIND = "rooms-vision"
SHIPPED = "rooms-vision.safetensors"
SHORTER_SIDE = 352  # pixels an image is scaled to
CROP_STRIDE = 120  # pixels between conse's crops here, where it is not alone: less than half of its time
TEMPLATES = ("{}", "a {}", "a photo of a {}", "there is a {} in the room")
UNNAMED = "otherfurniture"
FUSION = {"rooms": 1.0, "conse": 1.0}


class Rooms:
    """Words for what made rooms show, and ImageNet's classes for the rest.

    Features are an embedding (384) of length 1 and the probabilities of conse's 1000 classes; so are texts, the
    second part weighted. Where its weight is 0 it is left out.

    Args:
        path: of weights; None = those shipped.

    Attributes:
        card: what the weights say of themselves: kind, recipe, names, classes, metrics.
        fusion: weights of both models' logits.

    Raises:
        InputError: no such file, or not such weights.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.device = torch.device("cpu")
        self.name = "rooms" if path is None else f"rooms:{path}"
        self._path = shipped_weights() if path is None else path
        self._tensors, self.card = load_weights(self._path)
        if "log_scale" not in self._tensors:
            raise InputError(f"{self._path}: its tensors are not those of this version (no log_scale)")
        self.fusion: dict[str, float] = self.card.get("fusion", FUSION)
        self._conse = conse.Conse() if self.fusion["conse"] else None
        self.dim = DIM + (conse.CLASSES if self._conse else 0)
        self.scale = self.fusion["rooms"] * float(self._tensors["log_scale"].float().exp())

    def to(self, device: torch.device) -> Rooms:
        """Moves the encoder, and conse's classifier; returns itself."""
        self.device = device
        if "encoder" in vars(self):
            self.encoder.to(device)
        if self._conse is not None:
            self._conse.to(device)
        return self

    @cached_property
    def encoder(self) -> DenseTextEncoder:
        """The network; made when the first image comes, as a scan that was asked before needs none."""
        shape = self.card.get("network")
        encoder: DenseTextEncoder = (
            PatchTextEncoder(SparseTokens(token_config(shape))) if shape else PyramidTextEncoder(imagenet_trunk())
        )
        try:
            encoder.load_state_dict({name: value.float() for name, value in self._tensors.items()})
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:120]
            raise InputError(f"{self._path}: its tensors are not those of this version ({reason})") from error
        return encoder.eval().requires_grad_(False).to(self.device)

    @cached_property
    def model_hashes(self) -> dict[str, str]:
        """Of the weights, and of conse's."""
        return {self._path.name: file_sha256(self._path), **(self._conse.model_hashes if self._conse else {})}

    @torch.inference_mode()
    def encode_image(self, image: np.ndarray) -> torch.Tensor:
        """Image, uint8 (H, W, 3) or (H, W) -> float32 (dim, h, w), cells of 8 pixels where its shorter side is 352."""
        embeddings = self.embed_image(image)
        if self._conse is None:
            return embeddings
        classes = self._conse.encode_image(image, even_starts)[None]
        classes = F.interpolate(classes, embeddings.shape[1:], mode="bilinear", align_corners=False)[0]
        return torch.cat([embeddings, classes])

    @torch.inference_mode()
    def embed_image(self, image: np.ndarray) -> torch.Tensor:
        """Image, uint8 (H, W, 3) or (H, W) -> float32 (384, h, w) of length 1, without conse's part."""
        planes = torch.from_numpy(scaled(image).transpose(2, 0, 1).copy())[None].to(self.device)
        return F.normalize(F.avg_pool2d(self.encoder(planes), 2), dim=1)[0]

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Texts -> float32 (K, dim)."""
        if self._conse is None:
            return embed_texts(texts)
        share = self.fusion["conse"] * self._conse.scale / self.scale
        return torch.cat([embed_texts(texts), share * self._conse.encode_texts(texts)], 1)

    def class_scores(self, features: torch.Tensor) -> torch.Tensor:
        """Features (n, dim) -> logits (n, V) of the words that the encoder was trained with."""
        return self.scale * (features.float() @ self._vocabulary.to(features.device).T)

    @cached_property
    def words(self) -> list[str]:
        """The words that the encoder was trained with."""
        words = dict.fromkeys([*self.card["names"], *self.card["classes"]])
        return [word for word in words if word != UNNAMED]

    @cached_property
    def words_of_others(self) -> list[str]:
        """ImageNet's, where conse has a say."""
        return self._conse.words if self._conse else []

    @cached_property
    def _vocabulary(self) -> torch.Tensor:
        """(V, dim) of the card's words; made once and kept in the user's cache, as it takes seconds."""
        key = store.key_of("1", str(sorted(self.model_hashes.items())), str(self.fusion), *self.words)
        found = store.arrays("rooms-words", key, lambda: {"words": self.encode_texts(self.words).numpy()})
        return torch.from_numpy(np.array(found["words"], np.float32))


def even_starts(length: int) -> list[int]:
    """Where conse's crops along a side of this many pixels start: evenly, from the first pixel to the border."""
    last = length - conse.CROP
    return [round(start) for start in np.linspace(0, last, 1 + math.ceil(last / CROP_STRIDE))]


def scaled(image: np.ndarray) -> np.ndarray:
    """An image as the encoder takes it: uint8 (H, W, 3) of whole 32s, its shorter side 352 pixels."""
    return resize(image, SHORTER_SIDE, multiple=DIVISOR, resample=Image.Resampling.BILINEAR)


def embed_texts(texts: Sequence[str]) -> torch.Tensor:
    """Texts -> (K, 384) of length 1: the mean of each as it is and in sentences about rooms."""
    phrasings = text_encoder().encode([template.format(text) for text in texts for template in TEMPLATES])
    return F.normalize(phrasings.reshape(len(texts), len(TEMPLATES), DIM).mean(1), dim=1)


def text_encoder() -> MiniLM:
    """The sentence encoder, loaded once."""
    return shared_minilm()


def imagenet_trunk() -> Any:
    """EfficientNet-Lite0 with its ImageNet weights, batch norms folded, frozen."""
    return conse.load_classifier(conse.classifier_path())


# Weights


def shipped_weights() -> Path:
    """The weights that come with the package.

    Raises:
        InputError: there are none.
    """
    path = weights_folder() / SHIPPED
    if not path.is_file():
        raise InputError(
            f"vision rooms: its weights are not installed: {HOW}; or train them (scanwise train vision "
            "recipes/vision-rooms-small.yaml) and give rooms:out/vision-rooms-small/rooms-vision.safetensors",
            option="vision",
        )
    return path


def save_weights(tensors: Mapping[str, torch.Tensor], card: Mapping[str, Any], path: Path) -> None:
    """Writes tensors in half precision.

    Args:
        tensors: of the encoder.
        card: what they are, for JSON.
        path: of the file.

    Raises:
        OutputError: the place cannot be written.
    """
    from safetensors.torch import save

    half = {name: value.detach().half().contiguous().cpu() for name, value in tensors.items()}
    with replacing(path) as temporary:
        temporary.write_bytes(save(half, {"facts": json.dumps(card)}))


def load_weights(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and card, as `save_weights` wrote them.

    Args:
        path: of the file.

    Raises:
        InputError: no such file, damaged, or of something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as stored:
            card = json.loads((stored.metadata() or {}).get("facts", "{}"))
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(f"{path}: cannot read these weights ({error})") from error
    if card.get("kind") != KIND:
        raise InputError(f"{path}: not weights of a rooms vision; `scanwise train vision` makes some")
    return tensors, card
