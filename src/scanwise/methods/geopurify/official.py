"""GeoPurify's released student (tj12323/GeoPurify, MinkowskiEngine) into our affinity network."""

from __future__ import annotations

import torch

from scanwise.methods.geopurify.network import AffinityConfig, AffinityNetwork
from scanwise.nn.state_dicts import Weights, fill, read_weights, renamed

_NORM = r"(weight|bias|running_mean|running_var|num_batches_tracked)"
NAMES = [
    (r"input_layer\.0\.kernel", r"stem.weight"),
    (rf"input_layer\.1\.bn\.{_NORM}", r"norm.\1"),
    (r"res_blocks\.(\d+)\.conv([12])\.kernel", r"blocks.\1.conv\2.weight"),
    (rf"res_blocks\.(\d+)\.norm([12])\.bn\.{_NORM}", r"blocks.\1.norm\2.\3"),
    (r"output_layer\.kernel", r"head.weight"),
]


def load_geopurify(weights: Weights) -> AffinityNetwork:
    """The student with these weights, in evaluation mode; its shape is read off them.

    Args:
        weights: a state dict under the official names, or its file. Kernels are MinkowskiEngine's: (27, Cin, Cout),
            the x offset fastest, and (Cin, Cout) for 1^3.

    Raises:
        InputError: weights that cannot be read, or names that are missing or left over.
    """
    state, _ = read_weights(weights)
    state = {name.removeprefix("module."): value for name, value in state.items()}
    ours = {name: _as_ours(value, name) for name, value in renamed(state, NAMES).items()}
    blocks = 1 + max((int(name.split(".")[1]) for name in ours if name.startswith("blocks.")), default=-1)
    head = ours.get("head.weight", torch.zeros(128, 1, 1, 1, 512))
    stem = ours.get("stem.weight", torch.zeros(512, 3, 3, 3, 518))
    config = AffinityConfig(stem.shape[4], stem.shape[0], head.shape[0], blocks)
    network = AffinityNetwork(config)
    counts = {name: value for name, value in network.state_dict().items() if name.endswith("num_batches_tracked")}
    fill(network, counts | ours, "GeoPurify's weights")
    return network.eval()


def _as_ours(value: torch.Tensor, name: str) -> torch.Tensor:
    """Kernels as (Cout, x, y, z, Cin)."""
    if value.ndim == 3:
        return value.view(3, 3, 3, *value.shape[1:]).permute(4, 2, 1, 0, 3).contiguous()
    if name == "head.weight":
        return value.t()[:, None, None, None, :].contiguous()
    return value
