"""Cuts from the full golden files what the tests keep in this folder.

    python tests/golden/make_subset.py ../shared/golden

`stellar_functions`: whole. `stellar_model`: encoder, factorisation and decoder on the first picture, without the large
cluster heads. `sonata`: the first encoder stage and the pooling into the second, and what comes out of them. `less`:
losses, their gradients, IoU. Integers are narrowed, outputs in half precision, which is finer than the tolerance.
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
    for name in ("serialization", "stellar_functions"):
        for suffix in ("json", "safetensors"):
            target = HERE / f"{name}.{suffix}"
            target.unlink(missing_ok=True)
            shutil.copyfile(source / f"{name}.{suffix}", target)
    stellar(source)
    sonata(source)
    less(source)


def stellar(source: Path) -> None:
    meta = json.loads((source / "stellar_model.json").read_text())
    unused = ("sd.clustering", "sd.cls_cluster", "sd.decoder.embeddings", "sd.encoder.pooler", "sd.decoder.pooler")
    outputs = ("out.cls", "out.sparse", "out.dense", "out.spatial", "out.lowrank", "out.x_hat")
    tensors = {}
    for key, value in load_file(source / "stellar_model.safetensors").items():
        if key.startswith("sd.") and not key.startswith(unused):
            tensors[key] = value
        elif key in ("in.image", *outputs):
            tensors[key] = narrowed(value[:1], halve=key != "in.image")
    save_file(tensors, HERE / "stellar_model.safetensors")
    short = {"source": meta["source"], "config": meta["config"], "tolerances": meta["tolerances"]}
    (HERE / "stellar_model.json").write_text(json.dumps(short, indent=1) + "\n")


def sonata(source: Path) -> None:
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


def less(source: Path) -> None:
    meta = json.loads((source / "less.json").read_text())
    tensors = {
        key: narrowed(value, halve="grad" in key)
        for key, value in load_file(source / "less.safetensors").items()
        if key.startswith("f.") and not key.endswith(("intersection", "union"))
    }
    save_file(tensors, HERE / "less.safetensors")
    short = {"source": meta["source"], "config": meta["config"], "tolerances": meta["tolerances"]}
    (HERE / "less.json").write_text(json.dumps(short, indent=1) + "\n")


def narrowed(value: torch.Tensor, *, halve: bool) -> torch.Tensor:
    if value.is_floating_point():
        return (value.half() if halve else value).contiguous()
    return value.to(torch.int16 if value.numel() and int(value.abs().max()) < 2**15 else torch.int32).contiguous()


if __name__ == "__main__":
    main()
