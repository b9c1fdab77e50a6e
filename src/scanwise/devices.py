"""Devices by name: which there are, and how much they hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scanwise.errors import InputError

if TYPE_CHECKING:
    import torch

NAMES = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
SCRATCH = 256 << 20
"""Bytes of working memory where nothing is known of the device."""
_MOST_SCRATCH = 2 << 30
_SHARE = 8  # a part of what is free


def check_name(name: str) -> str:
    """The name, if devices have such; torch is not loaded for it.

    Args:
        name: "auto", "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        InputError: it is none of these.
    """
    if not NAMES.fullmatch(name):
        raise InputError(f"{name}: a device is auto, cpu, cuda, cuda:0, cuda:1, ... or mps", option="device")
    return name


def find(name: str | torch.device = "auto") -> torch.device:
    """The device of this name; "auto" = CUDA where there is one, else the CPU. MPS was never tried.

    Args:
        name: as of `check_name`, or a device that is taken as it is.

    Raises:
        InputError: there is no such name, or no such device on this machine.
    """
    import torch

    if isinstance(name, torch.device):
        return name
    kind, _, number = check_name(name).partition(":")
    cuda, mps = torch.cuda.device_count() if torch.cuda.is_available() else 0, torch.backends.mps.is_available()
    if kind == "auto":
        kind = "cuda" if cuda else "cpu"
    if kind == "cuda" and int(number or 0) >= cuda:
        there = f"there are {cuda}, cuda:0 to cuda:{cuda - 1}" if cuda else "torch finds no CUDA device here; use cpu"
        raise InputError(f"{name}: {there}", option="device")
    if kind == "mps" and not mps:
        raise InputError(f"{name}: torch finds no MPS device here; use cpu", option="device")
    return torch.device(kind, int(number)) if number else torch.device(kind)


def at_once(device: torch.device, in_cache: int, each: int) -> int:
    """How many numbers to work on at a time: on a CPU what its cache holds, elsewhere what memory is left for.

    Args:
        device: that works on them.
        in_cache: for a CPU.
        each: bytes that one of them takes, with all that is made of it.
    """
    return in_cache if device.type == "cpu" else max(1, scratch(device) // each)


def scratch(device: torch.device) -> int:
    """Bytes that one step of work may take for a while on a device."""
    import torch

    if device.type != "cuda":
        return SCRATCH
    free, _ = torch.cuda.mem_get_info(device)
    return max(1 << 20, min(_MOST_SCRATCH, int(free) // _SHARE))
