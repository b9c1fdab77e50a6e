"""Cuts from the full golden files what the tests keep in this folder.

    python tests/golden/make_subset.py ../shared/golden

`sonata`: the first encoder stage and the pooling into the second, and what comes out of them; integers narrowed,
outputs in half precision, which is finer than the tolerance.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent


def main() -> None:
    source = Path(sys.argv[1])
    for suffix in ("json", "safetensors"):
        target = HERE / f"serialization.{suffix}"
        target.unlink(missing_ok=True)
        shutil.copyfile(source / f"serialization.{suffix}", target)
    meta = json.loads((source / "sonata.json").read_text())
    encoder = meta["config"]["encoder"]
    for key in ("enc_depths", "enc_channels", "enc_num_head", "enc_patch_size"):
        encoder[key] = encoder[key][:2]
    encoder["enc_depths"][1] = 0
    kept = ("in.grid_coord", "in.feat", "in.offset", "pad.", "sd.embedding.", "sd.enc.enc0.", "sd.enc.enc1.down.",
            "enc_only.enc0.", "enc_only.enc1.pool")  # fmt: skip
    tensors = {
        key: narrowed(value, halve=key.startswith("enc_only"))
        for key, value in load_file(source / "sonata.safetensors").items()
        if key.startswith(kept) and not key.endswith((".coord", ".code"))
    }
    save_file(tensors, HERE / "sonata.safetensors")
    short = {"source": meta["source"], "config": {"encoder": encoder}, "tolerances": meta["tolerances"]}
    (HERE / "sonata.json").write_text(json.dumps(short, indent=1) + "\n")


def narrowed(value: torch.Tensor, *, halve: bool) -> torch.Tensor:
    if value.is_floating_point():
        return (value.half() if halve else value).contiguous()
    return value.to(torch.int16 if value.numel() and int(value.abs().max()) < 2**15 else torch.int32).contiguous()


if __name__ == "__main__":
    main()
