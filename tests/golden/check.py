"""Our modules on the official implementations' inputs and weights, against their outputs.

    python tests/golden/check.py                       the subsets in this folder
    python tests/golden/check.py ../shared/golden      all of another folder in the same layout
    python tests/golden/check.py FOLDER sonata         some of it

A line a key: name, key, largest error over the largest value, tolerance; exit code 1 when one is missed. A file may
hold some keys only, with other seeds and shapes: what is there is checked, and all of it must be known.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from checks import CHECKS, INPUTS  # noqa: E402


@dataclass
class Line:
    """How one key came out; `tolerance` 0 = must be exact."""

    name: str
    key: str
    error: float
    tolerance: float
    passed: bool

    def __str__(self) -> str:
        limit = "exact" if self.tolerance == 0 else f"{self.tolerance:.0e}"
        return f"{'ok  ' if self.passed else 'MISS'} {self.name:16} {self.key:34} {self.error:9.1e}  {limit}"


def load(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and description of one golden file; int8 weights with a scale are expanded."""
    tensors = load_file(path)
    for key in [key for key in tensors if key.endswith(".scale") and f"{key[:-6]}" in tensors]:
        if tensors[key[:-6]].dtype == torch.int8:
            tensors[key[:-6]] = tensors[key[:-6]].float() * tensors.pop(key)
    return tensors, json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def compare(name: str, key: str, mine: torch.Tensor, gold: torch.Tensor, rtol: float = 1e-3) -> Line:
    """|mine - gold| <= rtol |gold| + rtol / 10 max|gold|; integers must be equal."""
    if tuple(mine.shape) != tuple(gold.shape):
        return Line(name, f"{key} {tuple(mine.shape)} for {tuple(gold.shape)}", float("inf"), rtol, False)
    exact = not gold.is_floating_point()
    mine, gold = mine.detach().double(), gold.double()
    endless = torch.isinf(gold) & (mine == gold)
    mine, gold = mine.masked_fill(endless, 0), gold.masked_fill(endless, 0)
    largest = gold.abs().max().clamp(min=1e-30)
    error = (mine - gold).abs()
    limit = torch.zeros_like(error) if exact else rtol * gold.abs() + rtol / 10 * largest
    return Line(name, key, float(error.max() / largest), 0 if exact else rtol, bool((error <= limit).all()))


def check(folder: Path, name: str) -> Iterator[Line]:
    """The lines of one golden file."""
    tensors, meta = load(folder / f"{name}.safetensors")
    found: set[str] = set()
    for key, mine in CHECKS[name](tensors, meta):
        if key in tensors:
            found.add(key)
            yield compare(name, key, mine, tensors[key])
    for key in sorted(tensors.keys() - found):
        if not key.startswith((*inputs_of(meta), *INPUTS.get(name, ()))):
            yield Line(name, f"{key}: nothing of ours gives it", float("inf"), 0, False)


def inputs_of(meta: Mapping[str, Any]) -> tuple[str, ...]:
    """Prefixes of keys that are inputs or weights, or that no implementation but the official one has."""
    return ("in.", "sd", *meta.get("not_checked", ()))


def main(arguments: list[str]) -> int:
    """Checks what the command line names; gives the exit code."""
    folder = Path(arguments[0]) if arguments else HERE
    names = arguments[1:] or [name for name in CHECKS if (folder / f"{name}.safetensors").exists()]
    unknown = [name for name in names if name not in CHECKS or not (folder / f"{name}.safetensors").exists()]
    if unknown or not names:
        what = ", ".join(unknown) if unknown else "any of them"
        print(f"{folder}: no golden file for {what}; there are checks of {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    missed = 0
    for name in names:
        for line in check(folder, name):
            print(line)
            missed += not line.passed
    print(f"{missed} missed" if missed else "all within tolerance")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
