"""`hf:PATH_OR_ID`, `hf:PATH_OR_ID@WAY`: dense features of CLIP and SigLIP models from transformers.

The last block mixes places, so what a patch says of itself is read out of it in one of three ways
(`vision/dense_attention.py`): "near" (for CLIP unless said otherwise), "clear" or "value" (for SigLIP). From there on
as the model treats its pooled token: CLIP through post-layernorm and visual projection; SigLIP, whose text space is
reached through the attention-pooling head, through post-layernorm and that head, by each patch's own value. A word is
the mean of what seven sentences make of it.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from scanwise import cache
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.nn.text import file_sha256
from scanwise.vision.dense_attention import WAYS, Way, last_block
from scanwise.vision.resize import resize

SUPPORTED = ("clip", "siglip")
SHORTER_SIDE = 336  # pixels, rounded to whole patches
TEMPLATES = (
    *("a {} in a scene", "a photo of a {}", "a photo of a {} in a room", "there is a {} in the scene"),
    *("a close-up photo of a {}", "a photo of the large {}", "a photo of the small {}"),
)
DEFAULT_WAYS: dict[str, Way] = {"clip": "near", "siglip": "value"}
_TEXT_BATCH = 64
_VERSION = "1"
_NORMALISATION = {
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "siglip": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
_NAMES = (
    "wall, floor, ceiling, door, window, curtain, blinds, stairs, column, railing, chair, armchair, sofa, "
    "stool, bench, table, desk, bed, pillow, blanket, mattress, wardrobe, cabinet, drawer, shelf, "
    "bookcase, book, paper, box, bag, basket, bin, lamp, light, picture, mirror, clock, television, "
    "monitor, keyboard, mouse, computer, printer, telephone, speaker, radiator, fan, rug, towel, clothes, "
    "shoe, hat, toy, ball, plant, flower, vase, cup, glass, bottle, bowl, plate, knife, pan, kettle, "
    "toaster, microwave, oven, stove, sink, tap, refrigerator, dishwasher, counter, toilet, bathtub, "
    "shower, board, piano, guitar, person, cat, dog, building, house, roof, fence, gate, road, pavement, "
    "grass, tree, bush, car, truck, bus, bicycle, motorcycle, pole, bridge, sky, water, rock, sand, "
    "washing machine, traffic light, traffic sign"
)
VOCABULARY = _NAMES.split(", ")


class HuggingFace:
    """CLIP or SigLIP from the user's disk or the local Hugging Face cache; the network is never asked.

    Features and texts have length 1, so `scale * (feature . text)` is the model's own logit (of SigLIP, but for
    a bias that all texts share).

    Args:
        source: a folder with `config.json`, or an id such as "openai/clip-vit-base-patch16", and behind "@" the way.
            SigLIP 2 works in its fixed-size checkpoints.

    Raises:
        InputError: no such folder or cached id, files missing or damaged, a kind of model not supported.
    """

    def __init__(self, source: str) -> None:
        place, way = _way_of(source)
        folder = find_folder(place)
        self._kind = str(_read_json(folder / "config.json").get("model_type"))
        if self._kind not in SUPPORTED:
            raise InputError(
                f"{folder}: models of type {self._kind!r} are not supported; supported are {', '.join(SUPPORTED)}"
            )
        self._way: Way = way or DEFAULT_WAYS[self._kind]
        self.name = f"hf:{place}@{self._way}"
        self.model_hashes = {path.name: file_sha256(path) for path in weight_files(folder)}
        self._mean, self._std = _normalisation(folder, self._kind)
        self.device = torch.device("cpu")
        model, self._tokenizer = _load(folder)
        self._model = model
        text, vision = model.config.text_config, model.config.vision_config
        self._patch = int(vision.patch_size)
        self._most_tokens = int(text.max_position_embeddings)
        self.dim = int(model.config.projection_dim if self._kind == "clip" else vision.hidden_size)
        self.scale = float(model.logit_scale.detach().exp())

    def to(self, device: torch.device) -> HuggingFace:
        """Moves the model; returns itself."""
        self.device = device
        self._model.to(device)
        return self

    @torch.inference_mode()
    def encode_image(self, image: np.ndarray) -> torch.Tensor:
        """Image, uint8 (H, W, 3) or (H, W) -> float32 (C, h, w), one cell a patch, each of length 1."""
        pixels = resize(image, SHORTER_SIDE, multiple=self._patch)
        height, width = pixels.shape[0] // self._patch, pixels.shape[1] // self._patch
        normal = ((pixels / np.float32(255) - self._mean) / self._std).transpose(2, 0, 1)
        features = self._dense(torch.from_numpy(normal)[None].to(self.device), (height, width))
        return F.normalize(features, dim=1).T.reshape(-1, height, width)

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Texts -> float32 (K, C) of length 1, on the CPU: the mean over `TEMPLATES`; kept in the cache."""
        if not len(texts):
            return torch.empty(0, self.dim)
        key = cache.key_of(_VERSION, str(sorted(self.model_hashes.items())), *TEMPLATES, *texts)
        found = cache.arrays("hf-words", key, lambda: {"words": self._encoded(texts).numpy()})
        return torch.from_numpy(np.array(found["words"]))

    def _encoded(self, texts: Sequence[str]) -> torch.Tensor:
        sentences = [template.format(text) for text in texts for template in TEMPLATES]
        each = torch.empty(len(sentences), self.dim)
        for start in range(0, len(sentences), _TEXT_BATCH):
            pooled = self._model.get_text_features(**self._tokens(sentences[start : start + _TEXT_BATCH]))
            each[start : start + _TEXT_BATCH] = F.normalize(pooled.pooler_output, dim=1).cpu()
        return F.normalize(each.unflatten(0, (len(texts), -1)).mean(1), dim=1)

    def class_scores(self, features: torch.Tensor) -> torch.Tensor:
        """Features (n, C) -> logits (n, V) of the names in `VOCABULARY`."""
        return self.scale * (features.float() @ self._vocabulary.to(features.device).T)

    @cached_property
    def _vocabulary(self) -> torch.Tensor:
        return self.encode_texts(VOCABULARY)

    def _tokens(self, sentences: list[str]) -> dict[str, torch.Tensor]:
        """SigLIP was trained on lower case, padded to full length with the padding attended to."""
        options: dict[str, Any] = {"truncation": True, "max_length": self._most_tokens, "return_tensors": "pt"}
        if self._kind == "siglip":
            tokens = self._tokenizer([text.lower() for text in sentences], padding="max_length", **options)
            return {"input_ids": tokens["input_ids"].to(self.device)}
        tokens = self._tokenizer(sentences, padding=True, **options)
        return {name: tokens[name].to(self.device) for name in ("input_ids", "attention_mask")}

    def _dense(self, pixels: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """Normalised pixels (1, 3, H, W) -> (h w, C) in the space of texts."""
        vision = self._model.vision_model
        x = vision.embeddings(pixels, interpolate_pos_encoding=True)
        if self._kind == "clip":
            x = vision.pre_layrnorm(x)
        *blocks, last = vision.encoder.layers
        for block in blocks:
            x = block(x, None)
        x = vision.post_layernorm(last_block(last, x, self._way, size))[0]
        if self._kind == "clip":
            return self._model.visual_projection(x[1:])
        return _pool_alone(vision.head, x)


def _pool_alone(head: Any, x: torch.Tensor) -> torch.Tensor:
    """SigLIP's attention-pooling head on patches (n, C), each the only one that the probe attends to."""
    attention = head.attention
    weight, bias = attention.in_proj_weight.chunk(3)[2], attention.in_proj_bias.chunk(3)[2]
    x = attention.out_proj(F.linear(x, weight, bias))
    return x + head.mlp(head.layernorm(x))


def _way_of(source: str) -> tuple[str, Way | None]:
    """A source without its way, and the way; None where it says none."""
    place, at, said = source.rpartition("@")
    way = next((each for each in WAYS if each == said), None)
    return (place, way) if at and way else (source, None)


def find_folder(source: str) -> Path:
    """The folder with the model's files.

    Args:
        source: as of `HuggingFace`.

    Raises:
        InputError: neither a folder nor in the local cache.
    """
    folder = Path(source).expanduser()
    if folder.exists():
        if not (folder / "config.json").is_file():
            raise InputError(f"{folder}: has no config.json; give the folder that save_pretrained wrote")
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(source, local_files_only=True))
    except HFValidationError as error:
        raise InputError(f"{source}: no such folder, and not an id such as openai/clip-vit-base-patch16") from error
    except LocalEntryNotFoundError as error:
        raise InputError(
            f"{source}: no such folder, and not in the local Hugging Face cache; where there is a network run "
            f"huggingface-cli download {source} --local-dir DIR, then use hf:DIR"
        ) from error
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder}: has no config.json; run huggingface-cli download {source} again")
    return folder


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model.

    Args:
        folder: with the model's files.

    Raises:
        InputError: there are none; pickles are not loaded.
    """
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise InputError(f"{folder}: has no model.safetensors; get the model's safetensors files, not its .bin ones")
    return files


def _load(folder: Path) -> tuple[Any, Any]:
    """The model, float32 and frozen, and its tokeniser. Raises InputError when either is damaged or not whole."""
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        model, report = AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # transformers raises many kinds for damaged files
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{folder}: transformers cannot load this model ({reason}); download it anew") from error
    if missing := sorted(report["missing_keys"]):
        raise InputError(f"{folder}: the weights lack {len(missing)} tensors, {missing[0]} first; download it anew")
    return model.eval().requires_grad_(False), tokenizer


def _normalisation(folder: Path, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (3,) of pixels in 0..1 that the model was trained with."""
    for name in ("preprocessor_config.json", "processor_config.json"):
        if (folder / name).is_file():
            config = _read_json(folder / name)
            config = config.get("image_processor", config)
            if "image_mean" in config and "image_std" in config:
                return np.array(config["image_mean"], np.float32), np.array(config["image_std"], np.float32)
    warnings.warn(
        f"{folder}: has no preprocessor_config.json; colours are normalised as the first {kind} models did, "
        "which lowers quality if this one was trained otherwise",
        ScanwiseWarning,
        stacklevel=3,
    )
    mean, std = _NORMALISATION[kind]
    return np.array(mean, np.float32), np.array(std, np.float32)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot read ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: is not a JSON object")
    return content
