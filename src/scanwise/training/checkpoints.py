"""Checkpoints that are whole or absent: safetensors behind a hash, written beside and renamed.

    scanwise checkpoint 1\\n   SHA-256 of the rest, 32 bytes   safetensors: tensors, and JSON in its metadata

A run keeps `last.ckpt`, `previous.ckpt` (used when the last is damaged) and `best.ckpt`.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import nn

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import read_bytes, replacing

MAGIC = b"scanwise checkpoint 1\n"


@dataclass
class Checkpoint:
    """A state of a run: tensors by name, and what can be said in JSON."""

    tensors: dict[str, torch.Tensor]
    facts: dict[str, Any] = field(default_factory=dict)

    def under(self, prefix: str) -> dict[str, torch.Tensor]:
        """Tensors whose names begin with a prefix, without it."""
        return {name[len(prefix) :]: value for name, value in self.tensors.items() if name.startswith(prefix)}


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Writes a checkpoint; at any moment there is the old one or the new one.

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
    """Reads a checkpoint.

    Raises:
        InputError: there is none, or it is truncated or changed.
    """
    content = read_bytes(path)
    digest, payload = content[len(MAGIC) : len(MAGIC) + 32], content[len(MAGIC) + 32 :]
    if not content.startswith(MAGIC):
        raise InputError(f"{path}: not a checkpoint of scanwise")
    if hashlib.sha256(payload).digest() != digest:
        raise InputError(f"{path}: damaged, its content does not fit its hash")
    length = int.from_bytes(payload[:8], "little")
    header = json.loads(payload[8 : 8 + length])
    return Checkpoint(safetensors.torch.load(payload), json.loads(header["__metadata__"]["facts"]))


def start_from(backbone: nn.Module, path: Path) -> None:
    """Takes over a checkpoint's backbone; of a point transformer, a decoder that the checkpoint lacks stays random.

    Raises:
        InputError: the checkpoint has another backbone.
    """
    weights, own = load(path).under("backbone."), backbone.state_dict()
    wanted = [name for name in own if not name.startswith("network.decoder.")]
    wrong = [name for name in wanted if name not in weights or weights[name].shape != own[name].shape]
    if wrong:
        raise InputError(
            f"{path}: its backbone does not fit ({wrong[0]}); are its size and features those of that run?"
        )
    backbone.load_state_dict({name: value for name, value in weights.items() if name in own}, strict=False)


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
