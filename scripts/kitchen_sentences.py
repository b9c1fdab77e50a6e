"""Ten sentences asked of a scan, drawn on one sheet: docs/results/kitchen-asked.png.

python scripts/kitchen_sentences.py ../shared/data/kitchen docs/results/kitchen-asked.png [--model less-rooms]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageDraw, ImageFont

SENTENCES = (
    "the large wooden table",
    "all chairs at the table",
    "the chair nearest to the red kitchen cabinets",
    "the red kitchen cabinets",
    "the sink",
    "the television on the wall",
    "the red shelf under the television",
    "the purple book on the table",
    "the white mug",
    "the bed",
)
WIDTH, HEIGHT, CAPTION = 480, 300, 46


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--model", default="less-rooms")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        out = Path(folder) / "asked"
        command = [sys.executable, "-m", "scanwise", "ask", str(arguments.scan), *SENTENCES]
        done = subprocess.run(
            [*command, "--model", arguments.model, "--out", str(out)], check=True, stdout=subprocess.PIPE, text=True
        )
        print(done.stdout)
        said = [line.split(": ", 1)[1] for line in done.stdout.splitlines()[: len(SENTENCES)]]
        sheet(out, said).quantize(128).save(arguments.picture, optimize=True)


def sheet(folder: Path, said: list[str]) -> Image.Image:
    """Two columns: of each sentence the scan with the mask in red, and the crop beside it."""
    rows = (len(SENTENCES) + 1) // 2
    result = Image.new("RGB", (2 * 2 * WIDTH, rows * (HEIGHT + CAPTION)), "white")
    draw, font = ImageDraw.Draw(result), ImageFont.load_default(17)
    for place, (sentence, answer) in enumerate(zip(SENTENCES, said, strict=True)):
        left, top = place % 2 * 2 * WIDTH, place // 2 * (HEIGHT + CAPTION)
        draw.text((left + 6, top + 2), sentence, "black", font)
        draw.text((left + 6, top + 22), answer, "gray", font)
        for column, name in enumerate((f"answer-{place + 1}.png", f"answer-{place + 1}-crop.png")):
            if (folder / name).exists():
                shown = Image.open(folder / name).convert("RGB")
                shown.thumbnail((WIDTH, HEIGHT))
                result.paste(shown, (left + column * WIDTH, top + CAPTION))
    return result


if __name__ == "__main__":
    main()
