"""What our modules make of each golden file: functions of its tensors and description that give (key, value)."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from checks.less import less
from checks.sonata import serialization, sonata
from checks.stellar import stellar_functions, stellar_model

Check = Callable[[dict[str, torch.Tensor], dict[str, Any]], Iterator[tuple[str, torch.Tensor]]]

CHECKS: dict[str, Check] = {
    "less": less,
    "serialization": serialization,
    "sonata": sonata,
    "stellar_functions": stellar_functions,
    "stellar_model": stellar_model,
}
