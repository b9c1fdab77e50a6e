"""`rooms`: dense open-vocabulary features learned from made rooms, fused with what `conse` knows of other things.

A place is an embedding that sentence embeddings are compared with (`scanwise.nn.pixel_text`), beside the ImageNet
classes that `conse` sees there. The score of a text is the sum of both models' logits, weighted as the weights' card
says; as softmax over texts forgets what they have in common, that is the weighted sum of their log-probabilities.

    weights: safetensors in half precision; metadata "facts": JSON of kind, recipe, names, classes, metrics, fusion, and
    network, the shape of the STELLAR trunk of those that have one
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from scanwise import cache as store
from scanwise.errors import InputError
from scanwise.files import replacing
from scanwise.nn.pixel_text import DIM, WHOLE, PixelText, PlaceText
from scanwise.nn.sparse_tokens import SparseTokens, token_config
from scanwise.nn.text import MiniLM, file_sha256, minilm_folder
from scanwise.vision import conse
from scanwise.vision.stellar import PatchText

KIND = "rooms-vision"
SHIPPED = "rooms-vision.safetensors"
SHORTER_SIDE = 352  # pixels an image is scaled to
LONGEST_SHAPE = 4  # longer strips than this ratio of sides are squeezed to it
CROP_STRIDE = 120  # pixels between conse's crops here, where it is not alone: less than half of its time
TEMPLATES = ("{}", "a {}", "a photo of a {}", "there is a {} in the room")
UNNAMED = "otherfurniture"
FUSION = {"rooms": 1.0, "conse": 1.0}


class Rooms:
    """Features are an embedding (384) of length 1 and the probabilities of conse's 1000 classes; so are texts, the
    second part weighted. Where its weight is 0 it is left out.

    Args:
        path: of weights; None = those shipped.

    Attributes:
        fusion: weights of both models' logits.

    Raises:
        InputError: no such file, or not such weights.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.name = "rooms" if path is None else f"rooms:{path}"
        self._path = shipped_weights() if path is None else path
        self._tensors, self.card = load_weights(self._path)
        if "log_scale" not in self._tensors:
            raise InputError(f"{self._path}: its tensors are not those of this version (no log_scale)")
        self.fusion: dict[str, float] = self.card.get("fusion", FUSION)
        self._conse = conse.Conse() if self.fusion["conse"] else None
        self.dim = DIM + (conse.CLASSES if self._conse else 0)
        self.scale = self.fusion["rooms"] * float(self._tensors["log_scale"].float().exp())

    @cached_property
    def _encoder(self) -> PlaceText:
        """Made when the first picture comes, as a scan that was asked before needs none."""
        shape = self.card.get("network")
        encoder: PlaceText = PatchText(SparseTokens(token_config(shape))) if shape else PixelText(imagenet_trunk())
        try:
            encoder.load_state_dict({name: value.float() for name, value in self._tensors.items()})
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:120]
            raise InputError(f"{self._path}: its tensors are not those of this version ({reason})") from error
        return encoder.eval().requires_grad_(False)

    @cached_property
    def model_hashes(self) -> dict[str, str]:
        """Of the weights, and of conse's."""
        return {self._path.name: file_sha256(self._path), **(self._conse.model_hashes if self._conse else {})}

    @torch.inference_mode()
    def encode_image(self, image: np.ndarray) -> torch.Tensor:
        """uint8 (H, W, 3) or (H, W) -> float32 (dim, h, w), cells of 8 pixels of an image whose shorter
        side is 352."""
        seen = self.embed_image(image)
        if self._conse is None:
            return seen
        known = classes_seen(self._conse, image)
        known = F.interpolate(known[None], seen.shape[1:], mode="bilinear", align_corners=False)[0]
        return torch.cat([seen, known])

    @torch.inference_mode()
    def embed_image(self, image: np.ndarray) -> torch.Tensor:
        """uint8 (H, W, 3) or (H, W) -> float32 (384, h, w) of length 1, without conse's part."""
        planes = torch.from_numpy(resized(image).transpose(2, 0, 1).copy())[None]
        return F.normalize(F.avg_pool2d(self._encoder(planes), 2), dim=1)[0]

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """K texts -> float32 (K, dim)."""
        if self._conse is None:
            return embed_texts(texts)
        share = self.fusion["conse"] * self._conse.scale / self.scale
        return torch.cat([embed_texts(texts), share * self._conse.encode_texts(texts)], 1)

    def class_scores(self, features: torch.Tensor) -> torch.Tensor:
        """Features (n, dim) -> logits (n, V) of the words that the encoder was trained with."""
        return self.scale * (features.float() @ self._vocabulary.to(features.device).T)

    @cached_property
    def _vocabulary(self) -> torch.Tensor:
        """(V, dim) of the card's words; made once and kept in the user's cache, as it takes seconds."""
        words = list(dict.fromkeys([*self.card["names"], *self.card["classes"]]))
        words = [word for word in words if word != UNNAMED]
        key = store.key_of("1", str(sorted(self.model_hashes.items())), str(self.fusion), *words)
        found = store.arrays("rooms-words", key, lambda: {"words": self.encode_texts(words).numpy()})
        return torch.from_numpy(np.array(found["words"], np.float32))


def classes_seen(model: conse.Conse, image: np.ndarray) -> torch.Tensor:
    """What `conse` sees in an image, (1000, h, w), by fewer crops than it takes alone."""
    pixels = conse.scaled(image)
    rows, columns = (_starts(length) for length in pixels.shape[:2])
    crops = np.stack([pixels[y : y + conse.CROP, x : x + conse.CROP] for y in rows for x in columns])
    logits = conse.class_logits(model._classifier, torch.from_numpy(crops))
    logits = logits.reshape(len(rows), len(columns), conse.NET_CELLS, conse.NET_CELLS, conse.CLASSES)
    merged = conse.merge_crops(logits, rows, columns, (pixels.shape[0], pixels.shape[1]))
    return conse.likeliest(merged).permute(2, 0, 1)


def _starts(length: int) -> list[int]:
    """Evenly from the first pixel to where the last crop ends at the border."""
    last = length - conse.CROP
    return [round(place) for place in np.linspace(0, last, 1 + math.ceil(last / CROP_STRIDE))]


def resized(image: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) of whole 32s, its shorter side 352 pixels, its longer at most 4 times that."""
    picture = Image.fromarray(np.ascontiguousarray(image)).convert("RGB")
    factor = SHORTER_SIDE / min(picture.size)
    width, height = (WHOLE * round(min(side * factor, LONGEST_SHAPE * SHORTER_SIDE) / WHOLE) for side in picture.size)
    return np.array(picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0))


def embed_texts(texts: Sequence[str]) -> torch.Tensor:
    """K texts -> (K, 384) of length 1: the mean of each as it is and in sentences about rooms."""
    said = text_encoder().encode([template.format(text) for text in texts for template in TEMPLATES])
    return F.normalize(said.reshape(len(texts), len(TEMPLATES), DIM).mean(1), dim=1)


@cache
def text_encoder() -> MiniLM:
    """The sentence encoder, loaded once."""
    return MiniLM(minilm_folder())


def imagenet_trunk() -> Any:
    """EfficientNet-Lite0 with its ImageNet weights, batch norms folded, frozen."""
    return conse.load_classifier(conse.classifier_path())


# Weights


def shipped_weights() -> Path:
    """The weights that come with the package. Raises InputError where there are none."""
    path = Path(str(files("scanwise") / "weights" / SHIPPED))
    if not path.is_file():
        raise InputError(
            "vision rooms: no weights come with this version; train them (scanwise train vision "
            "recipes/vision-rooms-small.yaml) and give --vision rooms:out/vision-rooms-small/rooms-vision.safetensors"
        )
    return path


def save_weights(tensors: Mapping[str, torch.Tensor], card: Mapping[str, Any], path: Path) -> None:
    """Writes tensors in half precision under a card. Raises OutputError."""
    from safetensors.torch import save

    half = {name: value.detach().half().contiguous().cpu() for name, value in tensors.items()}
    with replacing(path) as temporary:
        temporary.write_bytes(save(half, {"facts": json.dumps(card)}))


def load_weights(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and card. Raises InputError when there are none, damaged, or of something else."""
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
