r"""Checkpoints that are whole or absent: safetensors behind a hash, written beside and renamed.

    scanwise checkpoint 1\n   SHA-256 of the rest, 32 bytes   safetensors: tensors, and JSON in its metadata

A run keeps `last.ckpt`, `previous.ckpt` (used when the last is damaged) and `best.ckpt`. Weights that are shipped are
plain safetensors with the same facts, in half precision.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import torch
from torch import nn

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import read_bytes, replacing
from scanwise.shipped import HOW, weights_folder

MAGIC = b"scanwise checkpoint 1\n"
SHIPPED = weights_folder()
BACKBONE_OF = "backbone_of"
"""The fact that names shipped weights whose backbone others have, that are shipped without one of their own."""
M = TypeVar("M", bound=nn.Module)


@dataclass
class Checkpoint:
    """A state of a run.

    Attributes:
        tensors: by name.
        facts: what can be said in JSON: the kind of model, its recipe, its metrics.
    """

    tensors: dict[str, torch.Tensor]
    facts: dict[str, Any] = field(default_factory=dict)

    def under(self, prefix: str) -> dict[str, torch.Tensor]:
        """Tensors whose names begin with a prefix, without it."""
        return {name[len(prefix) :]: value for name, value in self.tensors.items() if name.startswith(prefix)}


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Writes a checkpoint; at any moment there is the old one or the new one.

    Args:
        checkpoint: what is written.
        path: of the file.

    Raises:
        OutputError: the place cannot be written.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in checkpoint.tensors.items()}
    separate = {name: value.clone() for name, value in tensors.items()}  # safetensors refuses shared memory
    payload = safetensors.torch.save(separate, {"facts": json.dumps(checkpoint.facts)})
    with replacing(path) as temporary, temporary.open("wb") as stream:
        stream.write(MAGIC + hashlib.sha256(payload).digest() + payload)
        stream.flush()
        os.fsync(stream.fileno())


def load(path: Path) -> Checkpoint:
    """Reads a checkpoint, or weights as they are shipped.

    Args:
        path: as `locate` takes it.

    Raises:
        InputError: there is none, or it is truncated or changed.
    """
    path = locate(path)
    content = read_bytes(path)
    if path.suffix == ".safetensors":
        return _shipped(content, path)
    digest, payload = content[len(MAGIC) : len(MAGIC) + 32], content[len(MAGIC) + 32 :]
    if not content.startswith(MAGIC):
        raise InputError(f"{path}: not a checkpoint of scanwise")
    if hashlib.sha256(payload).digest() != digest:
        raise InputError(f"{path}: damaged, its content does not fit its hash")
    return Checkpoint(safetensors.torch.load(payload), _facts(payload))


def locate(weights: Path) -> Path:
    """The file that is meant.

    Args:
        weights: a file, a run's folder (its best.ckpt), or the name of weights that are shipped.

    Raises:
        InputError: there is no such thing.
    """
    if weights.is_dir():
        return weights / "best.ckpt"
    if weights.exists():
        return weights
    if is_shipped(weights):
        return SHIPPED / f"{weights}.safetensors"
    if len(weights.parts) == 1:
        known = ", ".join(sorted(path.stem for path in SHIPPED.glob("*.safetensors")))
        there = f"shipped are {known}" if known else f"none are installed: {HOW}"
        raise InputError(f"{weights}: no such file, run or shipped weights; {there}")
    return weights


def is_shipped(name: str | Path) -> bool:
    """Whether weights of this name come with scanwise; warns where none at all are installed."""
    if not any(SHIPPED.glob("*.safetensors")):
        warnings.warn(f"the weights of scanwise are not installed: {HOW}", ScanwiseWarning, stacklevel=3)
    return (SHIPPED / f"{name}.safetensors").is_file()


def _shipped(content: bytes, path: Path) -> Checkpoint:
    try:
        tensors, facts = safetensors.torch.load(content), _facts(content)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: damaged, or not weights of scanwise ({error})") from error
    tensors = {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    if facts.get(BACKBONE_OF):  # learned on a backbone that is shipped already, and left as it was
        under = load(Path(facts[BACKBONE_OF])).under("backbone.")
        tensors |= {f"backbone.{name}": value for name, value in under.items()}
    return Checkpoint(tensors, facts)


def _facts(payload: bytes) -> dict[str, Any]:
    length = int.from_bytes(payload[:8], "little")
    facts: dict[str, Any] = json.loads(json.loads(payload[8 : 8 + length])["__metadata__"]["facts"])
    return facts


def load_model(
    path: Path, kind: str, build: Callable[[Checkpoint], M], *, made_by: str, prefix: str = "", called: str = ""
) -> M:
    """A trained model, in evaluation mode.

    Args:
        path: as `locate` takes it.
        kind: that the checkpoint must say it is of.
        build: checkpoint -> a model of the right shape.
        made_by: the verb that makes such checkpoints ("train segment"), for the error.
        prefix: of the tensors that are the model's.
        called: what such a model is called, for the error; "" = "KIND model".

    Raises:
        InputError: no such file, damaged, or of another kind, or its tensors do not fit.
    """
    checkpoint = load(path)
    if checkpoint.facts.get("kind") != kind:
        wanted = called or f"{kind} model"
        raise InputError(f"{path}: holds no {wanted}; give the best.ckpt of a `scanwise {made_by}` run")
    return filled(build(checkpoint), checkpoint.under(prefix), path)


def filled(model: M, tensors: dict[str, torch.Tensor], path: Path) -> M:
    """The model with weights of a checkpoint, in evaluation mode.

    Args:
        model: is changed.
        tensors: one for each name in the model's state.
        path: where they are from, for the error.

    Raises:
        InputError: they do not fit.
    """
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"{path}: its weights do not fit its recipe ({' '.join(str(error).split())})") from error
    return model.eval()


def start_from(model: nn.Module, path: Path, kind: str = "") -> None:
    """Takes over a checkpoint's backbone; of a checkpoint of the model's own kind, everything that fits.

    Of a point transformer's backbone a decoder that the checkpoint lacks stays random.

    Args:
        model: has a `backbone`.
        path: as `locate` takes it.
        kind: of checkpoints that more than the backbone is taken from; "" = none.

    Raises:
        InputError: the checkpoint has another backbone, or nothing in it fits.
    """
    checkpoint, backbone = load(path), model.get_submodule("backbone")
    if kind and checkpoint.facts.get("kind") == kind:
        _take_what_fits(model, checkpoint, path)
        return
    weights, own = checkpoint.under("backbone."), backbone.state_dict()
    wanted = [name for name in own if not name.startswith("network.decoder.")]
    wrong = [name for name in wanted if name not in weights or weights[name].shape != own[name].shape]
    if wrong:
        raise InputError(
            f"{path}: its backbone does not fit ({wrong[0]}); are its size and features those of that run?"
        )
    backbone.load_state_dict({name: value for name, value in weights.items() if name in own}, strict=False)


def _take_what_fits(model: nn.Module, checkpoint: Checkpoint, path: Path) -> None:
    own = model.state_dict()
    fitting = {
        name: value for name, value in checkpoint.tensors.items() if name in own and value.shape == own[name].shape
    }
    if not any(name.startswith("backbone.") and value.ndim > 1 for name, value in fitting.items()):
        raise InputError(f"{path}: nothing in it fits this recipe; take over its media, levels, blocks and features")
    missing = [name for name in own if name not in fitting]
    if missing:
        text = f"{path}: {len(missing)} of {len(own)} tensors are not in it and start at random ({missing[0]}, ...)"
        warnings.warn(text, ScanwiseWarning, stacklevel=3)
    model.load_state_dict(fitting, strict=False)


def save_last(checkpoint: Checkpoint, folder: Path) -> None:
    """Makes it the run's last checkpoint, and the one before the previous."""
    last = folder / "last.ckpt"
    save(checkpoint, folder / "next.ckpt")
    if last.exists():
        last.replace(folder / "previous.ckpt")
    (folder / "next.ckpt").replace(last)


def load_last(folder: Path) -> Checkpoint | None:
    """The run's newest whole checkpoint; None where it has none. Warns where a newer one is damaged."""
    for name in ("next.ckpt", "last.ckpt", "previous.ckpt"):
        if not (folder / name).exists():
            continue
        try:
            return load(folder / name)
        except InputError as error:
            warnings.warn(f"{error}; going on from an older one", ScanwiseWarning, stacklevel=2)
    return None
