"""What our modules make of each golden file: functions of its tensors and description that give (key, value)."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from checks.geopurify import geopurify
from checks.less import less
from checks.sonata import serialization, sonata
from checks.stellar import stellar_functions, stellar_model

Check = Callable[[dict[str, torch.Tensor], dict[str, Any]], Iterator[tuple[str, torch.Tensor]]]

INPUTS = {
    "geopurify": (
        "lift.visible", "lift.rows", "lift.cols", "lift.pred_", "lift.mask_embed", "lift.text_embed",
        "lift.logit_scale", "fuse.view_", "fuse.valid", "fuse.point_ids", "eval.point_features", "eval.knn",
        "train.anchor", "train.teacher_features", "pairs233.anchor",
    ),
}  # fmt: skip
"""Keys beside `in.` and `sd.` that are given to our modules."""

CHECKS: dict[str, Check] = {
    "geopurify": geopurify,
    "less": less,
    "serialization": serialization,
    "sonata": sonata,
    "stellar_functions": stellar_functions,
    "stellar_model": stellar_model,
}
