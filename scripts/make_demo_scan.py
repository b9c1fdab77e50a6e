"""Makes src/scanwise/demo: a small RGB-D recording of a furnished room.

    python scripts/make_demo_scan.py FOLDER_OF_SH3F [OUT]

The furniture is Debian's package sweethome3d-furniture 1.8 (`apt-get download`, then `dpkg -x`, needs no
root). The same furniture on the same machine gives the same files, byte for byte.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter

from scanwise.files import replacing_folder
from scanwise.scene import scale_intrinsics
from scanwise.synth.furniture import Catalogue, Piece
from scanwise.synth.mesh import Mesh, box, joined, rectangle
from scanwise.synth.render import AreaLight, Quality, Renderer, look_at

WIDTH, DEPTH, HEIGHT = 5.2, 4.2, 2.6
COLOR_SIZE, DEPTH_SIZE = (360, 480), (240, 320)
COLOR_CAMERA = np.array([[392.0, 0, 239.5], [0, 392.0, 179.5], [0, 0, 1]])
QUALITY = Quality(supersample=2, shadow_rays=2, bounce_rays=4, seed=7)
WINDOW = (1.0, 2.5, 0.95, 2.15)
"""In the east wall: from y, to y, from z, to z."""


@dataclass(frozen=True)
class Body:
    """Something in the room; `piece` is None for what this script builds itself."""

    label: str
    mesh: Mesh
    piece: Piece | None = None


FURNITURE: list[tuple[str, str, float, float, float]] = [
    # label, piece, x, y, degrees anticlockwise (0 = facing -y)
    ("rug", "Kator Legaz#oriental-rug", 1.55, 2.00, 0),
    ("sofa", "Blend Swap CC-0#sofa2", 1.50, 3.70, 0),
    ("teddy bear", "Blend Swap CC-0#teddyBear", 1.85, 3.62, -12),
    ("lamp", "Scopia#living_lamp", 0.42, 3.78, 20),
    ("bookcase", "Kator Legaz#full-bookcase", 0.20, 2.05, 90),
    ("coffee table", "Scopia#saloon_table", 1.55, 2.30, 0),
    ("book", "Blend Swap CC-BY#book", 1.25, 2.30, 25),
    ("television stand", "Blend Swap CC-BY#tvStand", 1.60, 0.26, 180),
    ("television", "Scopia#wall-flat-tv", 1.60, 0.24, 180),
    ("potted plant", "Blend Swap CC-0#plant", 0.52, 0.55, 40),
    ("refrigerator", "Kator Legaz#fridge", 4.05, 3.84, 0),
    # Chairs before the table, whose top is let down over their seats.
    ("chair", "Blend Swap CC-0#oakChair", 3.90, 0.50, 176),
    ("chair", "Blend Swap CC-0#oakChair", 4.02, 2.20, 4),
    ("chair", "Blend Swap CC-0#oakChair", 4.80, 1.32, -86),
    ("chair", "Blend Swap CC-0#oakChair", 3.08, 1.24, 102),
    ("table", "Blend Swap CC-0#oakTable", 3.95, 1.35, 0),
    ("laptop", "Blend Swap CC-BY#laptop", 3.88, 1.12, 172),
    ("bowl of fruit", "Scopia#bowlWithFruits", 4.08, 1.58, 0),
    ("cup", "Kator Legaz#coffee-mug", 3.62, 1.40, 60),
    ("potted plant", "Blend Swap CC-BY#decorativePlant", 2.85, 3.90, 0),
]

WALK: list[tuple[tuple[float, float], tuple[float, float, float]]] = [
    # the phone at 1.5 m over (x, y), looking at (x, y, z)
    ((2.75, 1.60), (1.40, 3.75, 0.60)),
    ((1.70, 1.45), (1.45, 3.75, 0.60)),
    ((1.95, 2.00), (0.60, 3.75, 0.75)),
    ((2.45, 2.60), (0.20, 2.00, 0.95)),
    ((2.30, 1.55), (0.20, 2.00, 1.05)),
    ((1.75, 1.75), (0.45, 0.60, 0.70)),
    ((1.70, 2.75), (1.55, 0.20, 0.70)),
    ((2.30, 1.90), (1.60, 0.25, 0.70)),
    ((2.45, 2.85), (3.85, 1.25, 0.65)),
    ((3.20, 2.75), (4.00, 1.20, 0.70)),
    ((2.60, 0.60), (4.10, 1.60, 0.70)),
    ((3.05, 2.05), (4.05, 3.75, 0.62)),
    ((2.75, 2.75), (4.05, 3.75, 0.62)),
    ((2.30, 1.95), (2.85, 3.90, 0.30)),
    ((3.15, 3.30), (4.90, 1.55, 1.15)),
    ((4.60, 2.90), (1.60, 1.60, 0.45)),
]


def main(furniture: Path, out: Path) -> None:
    """Makes the demo scan.

    Args:
        furniture: folder of the catalogues.
        out: folder that is replaced.
    """
    bodies = room() + furnish(Catalogue.in_folder(furniture))
    renderer = Renderer(
        [(body.mesh, np.eye(4)) for body in bodies],
        lights(),
        ambient=(0.2, 0.195, 0.185),
        background=(1.25, 1.4, 1.6),
    )
    with replacing_folder(out) as folder:
        record(renderer, folder)
        describe(bodies, folder)


def room() -> list[Body]:
    """Floor, walls with a window, ceiling, skirting, a picture."""
    rng = np.random.default_rng(1)
    paint, white = (222, 214, 198), (240, 239, 235)
    y0, y1, z0, z1 = WINDOW
    east = [
        rectangle((WIDTH, DEPTH, low), (0, -DEPTH, 0), (0, 0, high - low), color=paint)
        for low, high in ((0, z0), (z1, HEIGHT))
    ] + [
        rectangle((WIDTH, high, z0), (0, low - high, 0), (0, 0, z1 - z0), color=paint)
        for low, high in ((0, y0), (y1, DEPTH))
    ]
    walls = joined(
        [
            rectangle((0, DEPTH, 0), (WIDTH, 0, 0), (0, 0, HEIGHT), color=(158, 178, 182)),
            rectangle((WIDTH, 0, 0), (-WIDTH, 0, 0), (0, 0, HEIGHT), color=paint),
            rectangle((0, 0, 0), (0, DEPTH, 0), (0, 0, HEIGHT), color=paint),
            *east,
        ]
    )
    floor = rectangle((0, 0, 0), (WIDTH, 0, 0), (0, DEPTH, 0), texture=planks(rng), repeat=(WIDTH / 2.4, DEPTH / 2.4))
    ceiling = rectangle((0, DEPTH, HEIGHT), (WIDTH, 0, 0), (0, -DEPTH, 0), color=white)
    skirting = [
        box((0, DEPTH - 0.015, 0), (WIDTH, DEPTH, 0.08), white),
        box((0, 0, 0), (WIDTH, 0.015, 0.08), white),
        box((0, 0, 0), (0.015, DEPTH, 0.08), white),
        box((WIDTH - 0.015, 0, 0), (WIDTH, DEPTH, 0.08), white),
    ]
    picture = [
        box((0.98, DEPTH - 0.03, 1.28), (2.02, DEPTH, 2.02), (60, 44, 30)),
        rectangle((1.02, DEPTH - 0.032, 1.32), (0.96, 0, 0), (0, 0, 0.66), texture=landscape(rng)),
    ]
    return [
        Body("floor", floor),
        Body("wall", walls),
        Body("ceiling", ceiling),
        Body("skirting board", joined(skirting)),
        Body("window", window_frame(white)),
        Body("picture", joined(picture)),
    ]


def window_frame(color: tuple[int, int, int]) -> Mesh:
    """The frame, a bar and the sill."""
    y0, y1, z0, z1 = WINDOW
    near, far, bar = WIDTH - 0.03, WIDTH + 0.10, 0.06
    middle = (y0 + y1) / 2
    return joined(
        [
            box((near, y0, z0), (far, y0 + bar, z1), color),
            box((near, y1 - bar, z0), (far, y1, z1), color),
            box((near, y0, z1 - bar), (far, y1, z1), color),
            box((near - 0.12, y0 - 0.05, z0 - 0.03), (far, y1 + 0.05, z0 + 0.03), color),
            box((near + 0.05, middle - bar / 2, z0), (far, middle + bar / 2, z1), color),
        ]
    )


def lights() -> list[AreaLight]:
    """Daylight through the window, and two lamps near the ceiling."""
    y0, y1, z0, z1 = WINDOW
    day = AreaLight((WIDTH + 0.11, y0, z0), (0, 0, z1 - z0), (0, y1 - y0, 0), (7.5, 8.0, 8.8))
    lamps = [
        AreaLight((x - 0.35, DEPTH / 2 + 0.35, HEIGHT - 0.02), (0.7, 0, 0), (0, -0.7, 0), (13.5, 12.6, 11.2))
        for x in (1.4, 3.8)
    ]
    return [day, *lamps]


def planks(rng: np.random.Generator, pixels: int = 1024, rows: int = 20) -> np.ndarray:
    """Oak boards, uint8 (pixels, pixels, 3), repeating; 2.4 m of floor."""
    high = pixels // rows + 1
    picture = np.zeros((high * rows, pixels, 3))
    for row in range(rows):
        for start, stop in ((0, pixels // 2), (pixels // 2, pixels)):
            tone = np.array([176, 128, 82]) * (0.86 + 0.26 * rng.random()) + rng.normal(0, 3, 3)
            grain = gaussian_filter(rng.normal(0, 1, (high, stop - start)), (0.8, 28))
            waves = gaussian_filter(rng.normal(0, 1, (high, stop - start)), (4, 60))
            streaks = 1 + 0.05 * grain / grain.std() + 0.05 * waves / waves.std()
            board = tone * streaks[..., None]
            board[:1] *= 0.55
            board[:, :2] *= 0.6
            picture[row * high : (row + 1) * high, start:stop] = board
        picture[row * high : (row + 1) * high] = np.roll(
            picture[row * high : (row + 1) * high], int(rng.integers(pixels)), axis=1
        )
    return picture.clip(0, 255).astype(np.uint8)


def landscape(rng: np.random.Generator, height: int = 264, width: int = 384) -> np.ndarray:
    """Hills under an evening sky, uint8 (height, width, 3)."""
    fade = np.linspace(0, 1, height)[:, None, None]
    picture = (1 - fade) * np.array([92, 132, 178]) + fade * np.array([246, 206, 150])
    picture = np.repeat(picture, width, axis=1)
    columns = np.arange(width)
    colors = ((120, 130, 150), (88, 112, 104), (62, 88, 60), (48, 62, 40))
    for index, color in enumerate(colors):
        ridge = gaussian_filter(rng.normal(0, 1, width), 26 - 4 * index, mode="wrap")
        line = height * (0.5 + 0.12 * index) + 16 * ridge / ridge.std()
        picture[np.arange(height)[:, None] > line[columns][None]] = color
    return (picture * (1 + 0.04 * rng.normal(0, 1, (height, width, 1)))).clip(0, 255).astype(np.uint8)


def furnish(catalogue: Catalogue) -> list[Body]:
    """The furniture, each piece let down until it stands on what is below it."""
    floor = rectangle((0, 0, 0), (WIDTH, 0, 0), (0, DEPTH, 0))
    placed = [Body("floor", floor)]
    for label, piece_id, x, y, degrees in FURNITURE:
        piece = catalogue[piece_id]
        pose = np.eye(4)
        cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        pose[:2, :2] = [[cos, -sin], [sin, cos]]
        pose[:3, 3] = (x, y, HEIGHT)
        mesh = catalogue.load(piece).moved(pose)
        lower = np.eye(4)
        lower[2, 3] = -clearance(mesh, placed)
        placed.append(Body(label, mesh.moved(lower), piece))
    return placed[1:]


def clearance(mesh: Mesh, below: list[Body], spacing: float = 0.01) -> float:
    """Metres that `mesh` can sink, measured with rays on a grid under it, before it touches anything."""
    low, high = mesh.bounds
    x, y = (np.arange(low[axis] + spacing / 2, high[axis], spacing) for axis in range(2))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    start = np.concatenate([grid, np.full((len(grid), 1), low[2] - 1)], axis=1)
    up = np.tile([0.0, 0.0, 1.0], (len(grid), 1))
    underside, _ = Renderer([(mesh, np.eye(4))]).cast(start, up)
    start[:, 2] = low[2]
    gap, _ = Renderer([(body.mesh, np.eye(4)) for body in below]).cast(start, -up)
    return float((underside - 1 + gap)[np.isfinite(underside)].min())


def record(renderer: Renderer, folder: Path) -> None:
    """The frames of the walk in the layout of 7-Scenes."""
    rng = np.random.default_rng(2)
    depth_camera = scale_intrinsics(COLOR_CAMERA, COLOR_SIZE, DEPTH_SIZE)
    for number, ((x, y), target) in enumerate(WALK):
        pose = look_at((x, y, 1.5 + rng.normal(0, 0.02)), target)
        image, _, _ = renderer.render(COLOR_CAMERA, pose, COLOR_SIZE, QUALITY)
        _, depth, _ = renderer.render(depth_camera, pose, DEPTH_SIZE)
        image = (image + rng.normal(0, 1.5, image.shape)).clip(0, 255).round().astype(np.uint8)
        stem = folder / f"frame-{number:06d}"
        Image.fromarray(image).save(f"{stem}.color.jpg", quality=88)
        Image.fromarray(measured(depth, depth_camera[0, 0], rng)).save(f"{stem}.depth.png", optimize=True)
        np.savetxt(f"{stem}.pose.txt", pose, fmt="%.7e", delimiter="\t")
    np.savetxt(folder / "camera-intrinsics.txt", COLOR_CAMERA, fmt="%.3f", delimiter="\t")
    calibration = {
        "color": camera_entry(COLOR_CAMERA),
        "depth": camera_entry(depth_camera),
        "depth_to_color": np.eye(4).tolist(),
    }
    write_json(folder / "calibration.json", calibration)


def measured(depth: np.ndarray, focal: float, rng: np.random.Generator) -> np.ndarray:
    """What a structured-light camera makes of true depth: uint16 millimetres, 0 = no reading.

    Noise grows with the square of the distance, disparity comes in steps, and edges, grazing surfaces and
    whatever is beyond 5 m give no reading.
    """
    sigma = 0.0010 + 0.0014 * np.square(depth - 0.4)
    noisy = np.maximum(depth + sigma * gaussian_filter(rng.normal(0, 2.5, depth.shape), 0.8), 0.1)
    levels = 16 * 0.075 * 580  # sixteenths of a pixel of disparity at one metre
    stepped = levels / np.round(levels / noisy)
    relief = maximum_filter(depth, 3) - minimum_filter(depth, 3)
    usable = (depth > 0.35) & (depth < 5.0) & (relief < 0.02 + 24 * depth / focal * 0.5)
    return np.where(usable, stepped * 1000, 0).round().astype(np.uint16)


def camera_entry(intrinsics: np.ndarray) -> dict[str, float]:
    """A camera as calibration.json has it."""
    return {
        "fx": float(intrinsics[0, 0]),
        "fy": float(intrinsics[1, 1]),
        "cx": float(intrinsics[0, 2]),
        "cy": float(intrinsics[1, 2]),
    }


def describe(bodies: list[Body], folder: Path) -> None:
    """What is in the scene, and whom to thank for it."""
    objects = [
        {
            "label": body.label,
            "model": None if body.piece is None else body.piece.id,
            "low": np.round(body.mesh.bounds[0].astype(float), 3).tolist(),
            "high": np.round(body.mesh.bounds[1].astype(float), 3).tolist(),
        }
        for body in bodies
    ]
    write_json(folder / "truth.json", {"units": "metres, z up", "objects": objects})
    pieces = {body.piece.id: body.piece for body in bodies if body.piece is not None}
    rows = [
        f"| {piece.name} | `{piece.id}` | {piece.creator} | {licence(piece)} | {source(piece)} |"
        for piece in sorted(pieces.values(), key=lambda piece: piece.id)
    ]
    (folder / "ATTRIBUTION.md").write_text(ATTRIBUTION + "\n".join(rows) + "\n", encoding="utf-8")


def licence(piece: Piece) -> str:
    """The licence with its address, which CC-BY asks to travel with the work."""
    if "Public domain" in piece.licence:
        return "[CC0 1.0](https://creativecommons.org/publicdomain/zero/1.0/)"
    if "United States" in piece.licence:
        return "[CC BY 3.0 US](https://creativecommons.org/licenses/by/3.0/us/)"
    return "[CC BY 3.0](https://creativecommons.org/licenses/by/3.0/)"


def source(piece: Piece) -> str:
    """Where the model's own licence file says that it came from."""
    folder = piece.model.rsplit("/", 1)[0] + "/"
    with zipfile.ZipFile(piece.catalogue) as archive:
        names = [n for n in archive.namelist() if n.startswith(folder) and "license" in n.lower()]
        texts = [archive.read(name).decode("utf-8", "replace") for name in names]
    found = [re.search(r"blendswap\.com/[a-z/]*view/\d+", text) for text in texts]
    pages = [f"<http://www.{match[0]}>" for match in found if match]
    return pages[0] if pages else f"`{piece.catalogue.name}` of Sweet Home 3D"


ATTRIBUTION = """# The demo scan

These pictures and depth maps are renderings of a made-up room, by `scripts/make_demo_scan.py` of scanwise.
Room, light and camera are scanwise's own, under its licence. The furniture is from the Sweet Home 3D catalogues
(<http://www.sweethome3d.com/importModels.jsp>, Debian package `sweethome3d-furniture` 1.8), which were
cleaned and converted by Emmanuel Puybaret / eTeks. The models were scaled, turned, lit and rendered here,
without their transparent parts. Nobody named below endorses scanwise.

Kator Legaz: (c) 2003-2008 Andrew Kator & Jennifer Legaz. Scopia: (c) 2006-2020 Emmanuel Puybaret / eTeks and
Scopia Visual Interfaces Systems, s.l. (<http://www.scopia.es>). Blend Swap: authors on
<http://www.blendswap.com>, as named.

| model | id | creator | licence | from |
|---|---|---|---|---|
"""


def write_json(path: Path, content: object) -> None:
    """Writes JSON with a line for each value."""
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    default = Path(__file__).parents[1] / "src/scanwise/demo"
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else default)
