"""Weights of a run as they are shipped: half precision safetensors with the run's facts, and a card beside them.

    python scripts/export_weights.py out/segment-rooms-small segment-rooms-small "PTv3-small, ScanNet's 20 classes"
    python scripts/export_weights.py out/dos-rooms-small dos-rooms-small "DOS encoder for rooms" --keep backbone.

A head on a backbone that is shipped already (--backbone-of) is shipped alone. The card says what they are, the recipe,
the metrics, the data's licence and attribution.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import safetensors.torch
import yaml

from scanwise.files import replacing
from scanwise.training.checkpoints import BACKBONE_OF, SHIPPED, load

MADE = "They were learned from rooms and streets that scanwise made."


def main() -> None:
    """Writes weights and card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("what", help="one line for the card")
    parser.add_argument("--keep", default="", metavar="PREFIX", help="only tensors whose names begin so")
    parser.add_argument("--backbone-of", default="", metavar="NAME", help="shipped weights whose backbone it has")
    parser.add_argument("--metrics", type=Path, nargs="+", default=[], help="JSON of what was measured, for the card")
    parser.add_argument("--data", default=MADE, help="a sentence on the data for the card's licence")
    arguments = parser.parse_args()
    checkpoint = load(arguments.run)
    kept = {name: value for name, value in checkpoint.tensors.items() if name.startswith(arguments.keep)}
    facts = dict(checkpoint.facts)
    if arguments.backbone_of:
        under = load(Path(arguments.backbone_of)).under("backbone.")
        if any(not value.equal(kept.pop(f"backbone.{name}")) for name, value in under.items()):
            raise SystemExit(f"{arguments.run}: its backbone is not that of {arguments.backbone_of}")
        facts[BACKBONE_OF] = arguments.backbone_of
    half = {name: value.half() if value.is_floating_point() else value for name, value in kept.items()}
    content = safetensors.torch.save(half, {"facts": json.dumps(facts)})
    SHIPPED.mkdir(exist_ok=True)
    with replacing(SHIPPED / f"{arguments.name}.safetensors") as temporary:
        temporary.write_bytes(content)
    count = sum(value.numel() for value in half.values())
    lines = [
        f"# {arguments.name}",
        "",
        arguments.what,
        "",
        f"{count / 1e6:.3g} M numbers, {len(content) / 1e6:.2g} MB, SHA-256 {hashlib.sha256(content).hexdigest()}.",
        "",
        "## Recipe",
        "```",
        yaml.safe_dump(checkpoint.facts["recipe"], sort_keys=False).strip(),
        "```",
        "",
        "## Metrics",
        f"On validation, when these weights were kept: {json.dumps(checkpoint.facts.get('metrics', {}))}",
    ]
    for metrics in arguments.metrics:
        lines += ["", f"On test ({metrics.stem}): {json.dumps(json.loads(metrics.read_text()))}"]
    lines += ["", "## Licence", f"That of scanwise (LICENSE). {arguments.data}"]
    for attribution in attributions(checkpoint.facts["recipe"]):
        copy = SHIPPED / f"attribution-{attribution.parent.name}.md"
        shutil.copyfile(attribution, copy)
        lines += ["", f"Whose models stand in those rooms: {copy.name}."]
    card = SHIPPED / f"{arguments.name}.md"
    card.write_text("\n".join(lines) + "\n")
    print(SHIPPED / f"{arguments.name}.safetensors", card)


def attributions(recipe: dict[str, Any]) -> list[Path]:
    """Of the data that a recipe names."""
    roots = [Path(recipe[key]) for key in ("data", "also") if recipe.get(key)]
    return [root / "ATTRIBUTION.md" for root in roots if (root / "ATTRIBUTION.md").exists()]


if __name__ == "__main__":
    main()
