"""Optional parts: what each adds, and what to type where one is missing."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True)
class Extra:
    """An optional part.

    Attributes:
        name: of the extra, as pip takes it.
        modules: that it brings.
        adds: what becomes possible.
    """

    name: str
    modules: tuple[str, ...]
    adds: str

    @property
    def missing(self) -> list[str]:
        """Its modules that are not installed; none is imported to find out."""
        return [module for module in self.modules if find_spec(module) is None]


EXTRAS = (
    Extra("hf", ("transformers",), "CLIP and SigLIP (--vision hf:...), RoBERTa for sentences"),
    Extra("synth", ("embreex",), "made rooms and streets (scanwise synth)"),
    Extra("train", ("lightning_fabric",), "pretrain, train and evaluate"),
    Extra("e57", ("pye57",), "reading E57"),
    Extra("record3d", ("lzfse",), "depth of Record3D's .r3d"),
    Extra("waymo", ("pyarrow",), "reading Waymo's parquet files"),
    Extra("ray", ("ray",), "many scans on a cluster (--ray)"),
    Extra("serve", ("fastapi", "uvicorn"), "scanwise serve and view"),
    Extra("index", ("faiss",), "similar --approximate"),
    Extra("board", ("tensorboard",), "TensorBoard logs of training runs"),
)


def missing_part(module: str) -> str | None:
    """What to say where a module cannot be imported; None = no optional part brings it.

    Args:
        module: its full name.
    """
    for extra in EXTRAS:
        if module.partition(".")[0] in extra.modules:
            return f"this needs {module.partition('.')[0]}, for {extra.adds}: pip install 'scanwise[{extra.name}]'"
    return None
