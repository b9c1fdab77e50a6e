"""Fabric for the machine at hand: alone, or one of the processes that torchrun (or Ray) started."""

from __future__ import annotations

import os
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.strategies.fsdp import FSDPStrategy

from scanwise import devices
from scanwise.errors import InputError


def make_fabric(
    *, device: str = "auto", precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "32-true",
    strategy: Literal["ddp", "fsdp"] = "ddp",
) -> Fabric:  # fmt: skip
    """A launched Fabric.

    Under torchrun every process is one of its workers (gloo on CPU, nccl on CUDA); else it is one process.

    Args:
        device: as of `devices.find`.
        precision: of the matrix products; auto = bfloat16 on CUDA devices that have it, else 32 bits.
        strategy: what several processes do with the weights: each keeps all of them, or (CUDA alone) a share.

    Raises:
        InputError: there is no such device, several processes are given one card, or FSDP without CUDA.
    """
    found = devices.find(device)
    if strategy == "fsdp" and found.type != "cuda":
        raise InputError("fsdp: needs CUDA; use ddp on a CPU", option="strategy")
    world, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    plan: Any = "auto"
    if world > 1:
        plan = FSDPStrategy(state_dict_type="full") if strategy == "fsdp" else DDPStrategy()
    if found.index is not None and world > 1:
        raise InputError(f"{device}: each of {world} processes takes a card of its own; use cuda", option="device")
    if precision == "auto":
        precision = "bf16-mixed" if found.type == "cuda" and torch.cuda.is_bf16_supported(False) else "32-true"
    fabric = Fabric(
        accelerator=found.type, devices=local if found.index is None else [found.index],
        num_nodes=max(1, world // local), strategy=plan, precision=precision,
    )  # fmt: skip
    fabric.launch()
    return fabric
