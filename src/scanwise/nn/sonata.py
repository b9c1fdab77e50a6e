"""Sonata's released weights (facebookresearch/sonata) into our Point Transformer V3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scanwise.nn.ptv3 import SIZES, PointTransformerV3, PTv3Config
from scanwise.nn.state_dicts import Weights, fill, read_weights, renamed

_BLOCK = {
    r"cpe\.0\.(weight|bias)": r"position.\1",
    r"cpe\.1\.(weight|bias)": r"position_linear.\1",
    r"cpe\.2\.(weight|bias)": r"position_norm.\1",
    r"norm1\.0\.(weight|bias)": r"attention_norm.\1",
    r"attn\.qkv\.(weight|bias)": r"attention.qkv.\1",
    r"attn\.proj\.(weight|bias)": r"attention.project.\1",
    r"norm2\.0\.(weight|bias)": r"mlp_norm.\1",
    r"mlp\.0\.fc1\.(weight|bias)": r"mlp.0.\1",
    r"mlp\.0\.fc2\.(weight|bias)": r"mlp.2.\1",
}
NAMES = [
    (r"embedding\.stem\.(linear|norm)\.(weight|bias)", r"embedding.\1.\2"),
    (r"embedding\.mask_token", r"embedding.mask_token"),
    (r"enc\.enc(\d+)\.down\.proj\.(weight|bias)", r"stages.\1.pool.linear.\2"),
    (r"enc\.enc(\d+)\.down\.norm\.0\.(weight|bias)", r"stages.\1.pool.norm.\2"),
    (r"dec\.dec(\d+)\.up\.proj\.(\d)\.(weight|bias)", r"decoder.\1.up.\2.\3"),
    (r"dec\.dec(\d+)\.up\.proj_skip\.(\d)\.(weight|bias)", r"decoder.\1.skip.\2.\3"),
]
for _part, _ours in (("enc", "stages"), ("dec", "decoder")):
    for _official, _own in _BLOCK.items():
        _shifted = _own.replace(r"\1", r"\3")
        NAMES.append((rf"{_part}\.{_part}(\d+)\.block(\d+)\.{_official}", rf"{_ours}.\1.blocks.\2.{_shifted}"))


def load_sonata(
    weights: Weights, config: PTv3Config | Mapping[str, Any] | None = None, *, official: bool = True
) -> PointTransformerV3:
    """Sonata's network with these weights, in evaluation mode.

    Args:
        weights: a state dict under the official names, or the released file (`sonata.pth`), whose configuration is
            used unless one is given.
        config: ours, or the official keys (`enc_depths`, `enc_channels`, ..., `dec_*`).
        official: keep what the official code does with the curves' depth and small clouds, so that features are
            the published ones; features of a cloud then depend on its batch mates.

    Raises:
        InputError: weights that cannot be read, or that do not fit the configuration.
    """
    state, facts = read_weights(weights)
    if config is None:
        config = facts.get("config", {})
    if not isinstance(config, PTv3Config):
        config = sonata_config(config, official=official, mask_token="embedding.mask_token" in state)
    network = PointTransformerV3(config)
    fill(network, renamed(state, NAMES), "Sonata's weights")
    return network.eval()


def sonata_config(values: Mapping[str, Any], *, official: bool, mask_token: bool) -> PTv3Config:
    """Our configuration for the official keys; those not given are the published model's.

    Args:
        values: `enc_depths`, `enc_channels`, ..., `dec_*`.
        official: as of `load_sonata`.
        mask_token: whether the weights have one.
    """
    keys = {"in_channels": "in_channels", "depths": "enc_depths", "channels": "enc_channels", "heads": "enc_num_head",
            "decoder_depths": "dec_depths", "decoder_channels": "dec_channels", "decoder_heads": "dec_num_head",
            "mlp_ratio": "mlp_ratio"}  # fmt: skip
    given = {own: values[key] for own, key in keys.items() if key in values}
    given = {key: tuple(value) if isinstance(value, list | tuple) else value for key, value in given.items()}
    if "enc_patch_size" in values:
        given["patch"] = int(values["enc_patch_size"][0])
    return replace(SIZES["sonata"], drop_path=0.0, official=official, mask_token=mask_token, **given)
