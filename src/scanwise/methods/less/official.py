"""LESS's official checkpoints (mellody11/LESS) into our module."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

import torch

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.methods.less.model import LESS
from scanwise.methods.less.recipe import LESSRecipe
from scanwise.nn.sentence import TransformersEncoder
from scanwise.nn.state_dicts import Weights, fill, read_weights, renamed

UNUSED = re.compile(
    r"query_decoder\.out_(cls|score)\..*|language_encoder\.pooler\..*|.*\.num_batches_tracked|.*\.position_ids"
)
_LEVEL = {
    r"pwca\.attn\.in_proj_(weight|bias)": (r"fusion", r"attention.project.\1"),
    r"pwca\.attn\.out_proj\.(weight|bias)": (r"fusion", r"attention.out.\1"),
    r"pwca\.norm\.(weight|bias)": (r"fusion", r"norm.\1"),
    r"pwca\.mlp\.0\.(weight|bias)": (r"fusion", r"gate.\1"),
    r"conv\.0\.(\w+)": (r"backbone.levels", r"down.norm.\1"),
    r"conv\.2\.weight": (r"backbone.levels", r"down.conv.weight"),
    r"deconv\.0\.(\w+)": (r"backbone.levels", r"up.norm.\1"),
    r"deconv\.2\.weight": (r"backbone.levels", r"up.conv.weight"),
}  # fmt: skip
for _official, _own in (("blocks", "encoder"), ("blocks_tail", "decoder")):
    for _number, _name in ((0, "norm1"), (2, "conv1"), (3, "norm2"), (5, "conv2")):
        _key = rf"{_official}\.block(\d+)\.conv_branch\.{_number}\.(\w+)"
        _LEVEL[_key] = (r"backbone.levels", rf"{_own}.\1.{_name}.\2")
    _LEVEL[rf"{_official}\.block(\d+)\.i_branch\.0\.weight"] = (r"backbone.levels", rf"{_own}.\1.skip.weight")
_LAYER = r"query_decoder\.{}_layers\.(\d+)\."
NAMES = [
    (r"language_encoder\.(.*)", r"text.model.\1"),
    (r"input_conv\.0\.weight", r"backbone.stem.weight"),
    (r"output_layer\.0\.(\w+)", r"backbone.norm.\1"),
    (r"sentense_output_layer\.(\d)\.(\w+)", r"sentence.\1.\2"),
    (r"query_decoder\.query\.weight", r"decoder.queries"),
    (r"query_decoder\.out_norm\.(\w+)", r"decoder.out_norm.\1"),
    (r"query_decoder\.input_proj\.(\d)\.(\w+)", r"decoder.inputs.\1.\2"),
    (r"query_decoder\.x_mask\.(\d)\.(\w+)", r"decoder.masks.\1.\2"),
    (_LAYER.format("cross_attn") + r"attn\.in_proj_(\w+)", r"decoder.layers.\1.cross.project.\2"),
    (_LAYER.format("cross_attn") + r"attn\.out_proj\.(\w+)", r"decoder.layers.\1.cross.out.\2"),
    (_LAYER.format("self_attn") + r"attn\.in_proj_(\w+)", r"decoder.layers.\1.self_attention.project.\2"),
    (_LAYER.format("self_attn") + r"attn\.out_proj\.(\w+)", r"decoder.layers.\1.self_attention.out.\2"),
    (_LAYER.format("self_attn") + r"norm\.(\w+)", r"decoder.layers.\1.self_norm.\2"),
    (_LAYER.format("ffn") + r"net\.0\.(\w+)", r"decoder.layers.\1.feed_forward.0.\2"),
    (_LAYER.format("ffn") + r"net\.3\.(\w+)", r"decoder.layers.\1.feed_forward.2.\2"),
    (_LAYER.format("ffn") + r"norm\.(\w+)", r"decoder.layers.\1.feed_forward_norm.\2"),
]
THROWN_AWAY = re.compile(r"query_decoder\.cross_attn_layers\.\d+\.norm\..*")


def load_less(weights: Weights, config: Mapping[str, Any] | None = None) -> LESS:
    """LESS with these weights, in evaluation mode, doing as the official code does (`official`).

    The official checkpoint lacks the five layers that bring words to the voxels' widths: they live in a plain dict, so
    they were never trained and never saved. They start at random here, with a warning: such a model answers no better
    than its random layers let it until it is trained further. Weights that do have them name them
    `fuse.word_fuse_layer_{C}.{0,3}.*`.

    Args:
        weights: a state dict under the official names, or the file.
        config: official values: `roberta` (its configuration; the published model's otherwise), `qmp`. Widths and
            depths are read off the weights.

    Raises:
        InputError: weights that cannot be read, or are not LESS's, or do not fit the configuration.
    """
    state = {name.removeprefix("module."): value for name, value in read_weights(weights)[0].items()}
    config = config or {}
    recipe = less_recipe(state, config)
    model = LESS(recipe, TransformersEncoder("roberta-base", _roberta(config.get("roberta", {})), recipe.train_text))
    fusing = {name: value for name, value in state.items() if name.startswith("fuse.")}
    rest = {
        name: value for name, value in state.items()
        if name not in fusing and not UNUSED.fullmatch(name) and not THROWN_AWAY.fullmatch(name)
    }  # fmt: skip
    ours = renamed(
        {name: _as_ours(name, value) for name, value in rest.items()}, [*_level_names(recipe.levels), *NAMES]
    )
    if fusing:
        for level in range(recipe.levels):
            width = recipe.media * (level + 1)
            rule = (rf"fuse\.word_fuse_layer_{width}\.(\d)\.(\w+)", rf"fusion.{level}.project.\1.\2")
            ours |= renamed({name: v for name, v in fusing.items() if f"layer_{width}." in name}, [rule])
    else:
        warnings.warn(
            "these weights have no word-fusion layers (the official code never saves them): they start at random, so "
            "train further before trusting an answer", ScanwiseWarning, stacklevel=2,
        )  # fmt: skip
        ours |= {name: value for name, value in model.state_dict().items() if re.match(r"fusion\.\d+\.project\.", name)}
    ours["threshold"] = model.threshold
    own = model.state_dict()
    ours |= {name: own[name] for name in own if name.endswith((".num_batches_tracked", ".position_ids"))}
    fill(model, ours, "LESS's weights")
    return model.eval()


def less_recipe(state: Mapping[str, torch.Tensor], config: Mapping[str, Any]) -> LESSRecipe:
    """Our recipe for weights under the official names.

    Args:
        state: tensors by name.
        config: official values, as of `load_less`.

    Raises:
        InputError: a name is missing.
    """
    try:
        media = len(state["input_conv.0.weight"])
        queries, width = state["query_decoder.query.weight"].shape
        hidden = len(state["query_decoder.ffn_layers.0.net.0.bias"])
    except KeyError as error:
        raise InputError(f"LESS's weights: {error.args[0]} is missing; is this a file of LESS?") from error
    nested = [re.match(r"unet\.((?:u\.)*)", name) for name in state]
    levels = 1 + max(found[1].count("u") for found in nested if found)
    layers = {name.split(".")[2] for name in state if name.startswith("query_decoder.ffn_layers.")}
    blocks = {name.split(".")[2] for name in state if name.startswith("unet.blocks.")}
    values = {
        "data": ".", "official": True, "text": "roberta", "train_text": True, "media": media, "levels": levels,
        "blocks": len(blocks), "queries": queries, "width": width, "hidden": hidden, "layers": len(layers),
        "presence": 0, "area": 10, "sentences": 1, "heads": int(config.get("qmp", {}).get("heads", 1)),
        "word_heads": int(config.get("pwca_heads", 1)), "learning_rate": 1e-4, "points": 50_000, "voxel": 0.02,
    }  # fmt: skip
    return LESSRecipe.model_validate(values)


def _level_names(levels: int) -> list[tuple[str, str]]:
    """Rules for the U-Net's levels, which are nested: `unet.u.u.conv.0.weight` belongs to level 2."""
    rules = []
    for level in range(levels):
        nested = r"unet\." + r"u\." * level
        rules += [(nested + official, f"{part}.{level}.{own}") for official, (part, own) in _LEVEL.items()]
    return rules


def _as_ours(name: str, value: torch.Tensor) -> torch.Tensor:
    """A 1x1x1 kernel is stored as (Cout, 1, 1, 1, Cin) and read by spconv, in the same memory, as (Cin, Cout)."""
    if ".i_branch." not in name:
        return value
    out_channels, in_channels = value.shape[0], value.shape[-1]
    return value.reshape(in_channels, out_channels).T.reshape(value.shape).contiguous()


def _roberta(values: Mapping[str, Any]) -> Any:
    from transformers import RobertaConfig, RobertaModel

    published = {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
    return RobertaModel(RobertaConfig(**{**published, **values}), add_pooling_layer=False)
