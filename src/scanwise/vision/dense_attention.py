"""What a vision transformer's last block says of each patch: three published ways that need no training.

    "value"  each patch's own value; residual and feed-forward stay ("Extract Free Dense Labels from CLIP",
             arXiv 2112.01071)
    "clear"  patches attend to those with like queries; no residual, no feed-forward (ClearCLIP, arXiv 2407.12442)
    "near"   patches attend to those with like keys, near ones more; no residual, no feed-forward (NACLIP,
             arXiv 2404.08181)

Shapes: T tokens, of which the last h w are patches; D channels in H heads.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch

Way = Literal["value", "clear", "near"]
WAYS: tuple[Way, ...] = get_args(Way)
SPREAD = 5.0  # patches; deviation of the Gaussian of "near", as in NACLIP


def last_block(block: Any, x: torch.Tensor, way: Way, size: tuple[int, int]) -> torch.Tensor:
    """Tokens (1, T, D) behind the last block.

    Args:
        block: of transformers' CLIP or SigLIP.
        x: (1, T, D) before it.
        way: as above.
        size: (h, w) of the patches.
    """
    normal, attention = block.layer_norm1(x), block.self_attn
    values = attention.v_proj(normal)
    if way == "value":
        x = x + attention.out_proj(values)
        return x + block.mlp(block.layer_norm2(x))
    alike = _heads((attention.q_proj if way == "clear" else attention.k_proj)(normal), attention.num_heads)
    scores = alike @ alike.transpose(1, 2) * attention.scale
    if way == "near":
        patches = size[0] * size[1]
        scores[:, -patches:, -patches:] += nearness(size, SPREAD).to(scores)
    mixed = scores.softmax(-1) @ _heads(values, attention.num_heads)
    return attention.out_proj(mixed.transpose(0, 1).flatten(1))[None]


def nearness(size: tuple[int, int], spread: float) -> torch.Tensor:
    """(h w, h w) Gaussian of the distance of patches, 1 for a patch and itself."""
    rows, columns = torch.meshgrid(*(torch.arange(side, dtype=torch.float32) for side in size), indexing="ij")
    places = torch.stack([rows.flatten(), columns.flatten()], 1)
    return torch.exp(-(torch.cdist(places, places) ** 2) / (2 * spread**2))


def _heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """(1, T, D) -> (H, T, D / H)."""
    return x[0].unflatten(-1, (heads, -1)).transpose(0, 1)
