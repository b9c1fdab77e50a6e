"""Fabric for the machine at hand: alone, or one of the processes that torchrun (or Ray) started."""

from __future__ import annotations

import os
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy, FSDPStrategy

from scanwise.errors import InputError


def make_fabric(
    *, device: str = "auto", precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true",
    strategy: Literal["ddp", "fsdp"] = "ddp",
) -> Fabric:  # fmt: skip
    """A launched Fabric.

    Under torchrun every process is one of its workers (gloo on CPU, nccl on CUDA); else it is one process.

    Args:
        device: "auto", "cpu" or "cuda".
        precision: of the matrix products.
        strategy: what several processes do with the weights: each keeps all of them, or (CUDA alone) a share.

    Raises:
        InputError: CUDA is asked for and is not there, or FSDP without CUDA.
    """
    cuda = torch.cuda.is_available()
    if device == "cuda" and not cuda:
        raise InputError("cuda: no CUDA device here; use cpu", option="device")
    if strategy == "fsdp" and (device == "cpu" or not cuda):
        raise InputError("fsdp: needs CUDA; use ddp on a CPU", option="strategy")
    accelerator = "cuda" if cuda and device != "cpu" else "cpu"
    world, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    plan: Any = "auto"
    if world > 1:
        plan = FSDPStrategy(state_dict_type="full") if strategy == "fsdp" else DDPStrategy()
    fabric = Fabric(
        accelerator=accelerator, devices=local, num_nodes=max(1, world // local), strategy=plan, precision=precision
    )
    fabric.launch()
    return fabric
