"""STELLAR's released weights (microsoft/STELLAR) into our network: B/16, L/16 and H/14, any number of tokens."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping
from typing import Any

import torch

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.nn.sparse_tokens import SparseTokens, TokenConfig
from scanwise.nn.state_dicts import Weights, fill, read_weights, renamed
from scanwise.nn.vit import ViTConfig

HEADS = {384: 6, 512: 8, 768: 12, 1024: 16, 1280: 16}
UNUSED = re.compile(r"(encoder|decoder)\.pooler\..*|decoder\.embeddings\..*")
NAMES = [
    (r"sparse_tokens", r"tokens"),
    (r"encoder\.embeddings\.cls_token", r"encoder.cls"),
    (r"encoder\.embeddings\.position_embeddings", r"encoder.positions"),
    (r"encoder\.embeddings\.patch_embeddings\.projection\.(weight|bias)", r"encoder.patches.\1"),
    (r"(dense|sparse)_proj\.(weight|bias)", r"\1_project.\2"),
    (r"decoder_proj\.(weight|bias)", r"decoder.project.\1"),
    (r"reconstruction_head\.(weight|bias)", r"decoder.head.\1"),
    (r"position_embedding\.positional_encoding_gaussian_matrix", r"decoder.positions.matrix"),
    (r"clustering_head\.layer\.weight", r"token_head.prototypes.weight"),
    (r"cls_cluster_head\.layer\.weight", r"cls_head.prototypes.weight"),
    (r"clustering_head\.predictor\.layers\.(\d+)\.(weight|bias)", r"token_head.predictor.\1.\2"),
    (r"cls_cluster_head\.predictor\.layers\.(\d+)\.(weight|bias)", r"cls_head.predictor.\1.\2"),
    (r"(encoder|decoder)\.layernorm\.(weight|bias)", r"\1.transformer.norm.\2"),
]
_BLOCK = {
    r"layernorm_before": "attention_norm",
    r"layernorm_after": "mlp_norm",
    r"attention\.qkv": "attention.qkv",
    r"attention\.output\.dense": "attention.project",
    r"intermediate\.dense": "mlp.0",
    r"output\.dense": "mlp.2",
}
for _official, _ours in _BLOCK.items():
    NAMES.append(
        (rf"(encoder|decoder)\.encoder\.layer\.(\d+)\.{_official}\.(weight|bias)",
         rf"\1.transformer.blocks.\2.{_ours}.\3")
    )  # fmt: skip


def load_stellar(weights: Weights, config: TokenConfig | Mapping[str, Any] | None = None) -> SparseTokens:
    """STELLAR's network with published weights, in evaluation mode: `.encode(images)`, `.reconstruct(images)`.

    Args:
        weights: a state dict under the official names, or a published .safetensors file.
        config: ours, or official keys (`encoder` and `decoder` with `num_attention_heads`, `spatial_temp`). The rest
            is read off the weights' shapes, and so are, for the published widths, the heads.

    Raises:
        InputError: weights that cannot be read, or that are not STELLAR's, or that do not fit the configuration.
    """
    state = {name.removeprefix("module."): value for name, value in read_weights(weights)[0].items()}
    if not isinstance(config, TokenConfig):
        config = stellar_config(state, config or {})
    network = SparseTokens(config)
    ours = renamed(fused({name: value for name, value in state.items() if not UNUSED.fullmatch(name)}), NAMES)
    if "tokens" in ours:
        ours["tokens"] = ours["tokens"].reshape(-1, config.encoder.width)
    if config.codes and ours["decoder.head.weight"].ndim == 4:  # a 1 x 1 convolution
        ours["decoder.head.weight"] = ours["decoder.head.weight"].flatten(1)
    if not any(name.startswith(("token_head.", "cls_head.")) for name in ours):
        warnings.warn("these weights have no cluster heads: encoding and reconstruction work, training on starts "
                      "with fresh prototypes", ScanwiseWarning, stacklevel=2)  # fmt: skip
        ours |= {name: v for name, v in network.state_dict().items() if name.startswith(("token_head.", "cls_head."))}
    fill(network, ours, "STELLAR's weights")
    return network.eval()


def fused(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state dict with `attention.attention.{query,key,value}` stacked into one `attention.qkv`.

    Args:
        weights: under the official names.

    Raises:
        InputError: one of the three is missing.
    """
    result: dict[str, torch.Tensor] = {}
    for name, value in weights.items():
        found = re.fullmatch(r"(.*)\.attention\.attention\.(query|key|value)\.(weight|bias)", name)
        if not found:
            result[name] = value
        elif found[2] == "query":
            names = [f"{found[1]}.attention.attention.{part}.{found[3]}" for part in ("query", "key", "value")]
            missing = [part for part in names if part not in weights]
            if missing:
                raise InputError(f"STELLAR's weights: {missing[0]} is missing; is the file whole?")
            result[f"{found[1]}.attention.qkv.{found[3]}"] = torch.cat([weights[part] for part in names])
    return result


def stellar_config(state: Mapping[str, torch.Tensor], values: Mapping[str, Any]) -> TokenConfig:
    """Our configuration for weights under the official names.

    Args:
        state: the weights.
        values: official keys, as of `load_stellar`.

    Raises:
        InputError: these are not STELLAR's weights.
    """
    try:
        width, _, patch, _ = state["encoder.embeddings.patch_embeddings.projection.weight"].shape
        positions = state["encoder.embeddings.position_embeddings"].shape[1] - 1
        head = state["reconstruction_head.weight"]
        decoder_width = state["decoder_proj.weight"].shape[0]
        mlp, decoder_mlp = (
            len(state[f"{part}.encoder.layer.0.intermediate.dense.bias"]) for part in ("encoder", "decoder")
        )
        tokens = state["sparse_tokens"].numel() // width
    except KeyError as error:
        raise InputError(f"STELLAR's weights: {error.args[0]} is missing; is this a file of STELLAR?") from error
    heads, decoder_heads = (
        int(values.get(part, {}).get("num_attention_heads", HEADS.get(size, max(1, size // 64))))
        for part, size in (("encoder", width), ("decoder", decoder_width))
    )
    pixels = head.ndim == 4 and head.shape[1] == 3
    sizes: dict[str, Any] = {}
    if "clustering_head.layer.weight" in state:
        prototypes, dim = state["clustering_head.layer.weight"].shape
        hidden = len(state["clustering_head.predictor.layers.0.bias"])
        sizes = {"prototypes": prototypes, "prototype_width": dim, "predictor": hidden}
    return TokenConfig(
        encoder=ViTConfig(patch * math.isqrt(positions), patch, width, _depth(state, "encoder"), heads, mlp),
        tokens=tokens, temperature=float(values.get("spatial_temp", 0.06)), codes=0 if pixels else len(head),
        decoder_width=decoder_width, decoder_depth=_depth(state, "decoder"), decoder_heads=decoder_heads,
        decoder_mlp=decoder_mlp, **sizes,
    )  # fmt: skip


def _depth(state: Mapping[str, torch.Tensor], part: str) -> int:
    layers = [re.match(rf"{part}\.encoder\.layer\.(\d+)\.", name) for name in state]
    return 1 + max(int(layer[1]) for layer in layers if layer)
