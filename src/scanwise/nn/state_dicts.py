"""State dicts of other people's releases: read without running their code, renamed, none left over."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scanwise.errors import InputError

Weights = Mapping[str, torch.Tensor] | str | os.PathLike[str]


def read_weights(source: Weights) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """A state dict, and what else its file holds (a configuration, say).

    Args:
        source: the state dict itself, a .safetensors file, or one that torch saved, read with `weights_only=True`.

    Raises:
        InputError: no such file, or it holds no state dict, or more than tensors and plain values.
    """
    if isinstance(source, Mapping):
        return dict(source), {}
    path = Path(source)
    if not path.is_file():
        raise InputError(f"{path}: no such file of weights")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path), {}
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, ValueError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: cannot be read as weights ({reason})") from error
    facts = {key: value for key, value in content.items() if not isinstance(value, torch.Tensor | Mapping)}
    for key in ("state_dict", "model", "net"):
        if isinstance(content.get(key), Mapping):
            other = {name: value for name, value in content.items() if name != key}
            return dict(content[key]), other
    tensors = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise InputError(f"{path}: holds no state dict")
    return tensors, facts


def renamed(weights: Mapping[str, torch.Tensor], rules: Sequence[tuple[str, str]]) -> dict[str, torch.Tensor]:
    """The state dict under our names.

    Args:
        weights: under the official names.
        rules: regular expressions that match a whole official name, and what takes its place; the first that matches
            counts.

    Raises:
        InputError: a name that no rule knows.
    """
    result: dict[str, torch.Tensor] = {}
    for name, value in weights.items():
        for pattern, replacement in rules:
            if re.fullmatch(pattern, name):
                result[re.sub(pattern, replacement, name)] = value
                break
        else:
            raise InputError(f"these weights have {name!r}, which no part of the network is known for")
    return result


def fill(module: nn.Module, weights: Mapping[str, torch.Tensor], what: str) -> None:
    """Loads a state dict that must fit exactly.

    Args:
        module: that is filled.
        weights: under its own names.
        what: the weights are, for the error.

    Raises:
        InputError: names that are missing or left over, or another shape.
    """
    own = module.state_dict()
    missing, extra = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    if missing or extra:
        fault = f"{missing[0]} is missing" if missing else f"{extra[0]} is left over"
        raise InputError(
            f"{what}: {fault} ({len(missing)} missing, {len(extra)} left over); is the configuration right?"
        )
    for name, value in weights.items():
        if value.shape != own[name].shape:
            raise InputError(
                f"{what}: {name} is {tuple(value.shape)}, not {tuple(own[name].shape)}; wrong configuration"
            )
    module.load_state_dict(dict(weights))
