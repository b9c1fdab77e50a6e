"""A sheet of scenes from a set.

Each room is seen from above in its colours and its classes, with two of its pictures; each sweep in its classes.

    python scripts/contact_sheet.py data/rooms-1 docs/rooms.png 12
    python scripts/contact_sheet.py data/streets-1 docs/streets.png 6
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import scanwise
from scanwise.scene import Scene
from scanwise.show.report import draw_cloud, label_colors

TILE = (240, 320)


def main() -> None:
    """Draws the sheet of a set's folder, of so many scenes."""
    folder, out, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    entries = json.loads((folder / "index.json").read_text())["scenes"]
    chosen = [entries[place] for place in np.linspace(0, len(entries) - 1, count).astype(int)]
    strips = [strip(scanwise.read_scene(folder / entry["path"]), entry["path"]) for entry in chosen]
    columns = 2
    rows = -(-len(strips) // columns)
    height, width = strips[0].shape[:2]
    sheet = np.full((rows * (height + 6), columns * (width + 6), 3), 255, np.uint8)
    for number, picture in enumerate(strips):
        top, left = number // columns * (height + 6), number % columns * (width + 6)
        sheet[top : top + height, left : left + width] = picture
    picture = Image.fromarray(sheet)
    picture.thumbnail((1800, 4000))
    picture.quantize(200).save(out, optimize=True)


def strip(scene: Scene, title: str) -> np.ndarray:
    """Pictures of one scene side by side, (240, n * 320, 3)."""
    labels = label_colors(scene.labels, len(scene.classes or []))
    size = TILE[::-1]
    if scene.views:
        inside = scene.points[:, 2] < np.quantile(scene.points[:, 2], 0.99) - 0.3
        points, normals = scene.points[inside], scene.normals[inside]
        tiles = [
            draw_cloud(points, scene.colors[inside], size=size, normals=normals),
            draw_cloud(points, labels[inside], size=size, normals=normals),
            *(np.asarray(Image.fromarray(scene.views[k].image).resize(size)) for k in (3, len(scene.views) // 2)),
        ]
    else:
        near = np.linalg.norm(scene.points[:, :2], axis=1) < 40
        tiles = [draw_cloud(scene.points[near], labels[near], size=(4 * size[0] // 2, size[1]))]
    picture = Image.fromarray(np.concatenate(tiles, axis=1))
    ImageDraw.Draw(picture).text((6, 4), title, fill=(0, 0, 0))
    return np.asarray(picture)


if __name__ == "__main__":
    main()
