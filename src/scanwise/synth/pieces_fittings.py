"""Built-in fittings: curtains, pictures, screens and lamps."""

from __future__ import annotations

import numpy as np

from scanwise.synth.drawing import BLACK, GLOW, SKINS, STEEL, WHITE, Draw, Finish, four_legs, panel, turned
from scanwise.synth.mesh import Mesh
from scanwise.synth.textures import noise


def curtain(draw: Draw) -> list[Mesh]:
    """Cloth in folds that hangs from a rod, or, in one style, is gathered below."""
    w, d, h = draw.size
    cloth = draw.cloth()
    x, z = np.linspace(-1, 1, 49), np.linspace(0, 1, 9)
    folds = max(3, round(w / draw.between(0.12, 0.2)))
    wave = np.sin(np.pi * folds * x + draw.between(0, 6)) * d * 0.42
    narrow = 1 - (0.45 * np.exp(-(((z - 0.4) / 0.2) ** 2)) if draw.style == 3 else 0 * z)
    grid = np.stack(
        np.broadcast_arrays(x * w / 2 * narrow[:, None], wave * (0.7 + 0.3 * z[:, None]), z[:, None] * (h - 0.03)),
        axis=2,
    )
    rod = draw.one(STEEL, BLACK, draw.wood())
    return [cloth.sheet(grid), rod.rod((-w / 2, 0, h - 0.02), (w / 2, 0, h - 0.02), 0.012)]


def blind(draw: Draw) -> list[Mesh]:
    """Slats, or a cloth that is rolled, under a box."""
    w, d, h = draw.size
    finish = draw.one(WHITE, draw.cloth(), draw.wood())
    head = WHITE.box((-w / 2, -d / 2, h - 0.05), (w / 2, d / 2, h))
    if draw.style % 2:
        return [
            head,
            finish.box((-w / 2, -0.004, 0.0), (w / 2, 0.004, h - 0.04)),
            finish.rod((-w / 2, 0, 0.01), (w / 2, 0, 0.01), 0.012),
        ]
    slats = [
        finish.taper((-w / 2, -0.018, z), (w / 2, 0.018, z + 0.012), 0, 0.014, -0.014)
        for z in np.arange(0, h - 0.06, 0.03)
    ]
    return [head, *slats]


def painting(draw: Draw) -> np.ndarray:
    """A landscape, shapes, somebody, or clouds of colour: uint8 (h, w, 3)."""
    g, size = draw.generator, 96
    rows, columns = np.mgrid[:size, :size] / size
    palette = g.integers(20, 240, (6, 3)).astype(np.float64)
    image = np.ones((size, size, 3)) * palette[0]
    kind = draw.count(0, 3)
    if kind == 0:
        image = (1 - rows[..., None]) * np.array([90, 150, 220]) + rows[..., None] * np.array([230, 215, 190])
        for layer, level in enumerate((0.45, 0.6, 0.78)):
            ridge = level + 0.1 * np.sin(columns * g.uniform(3, 9) + g.uniform(0, 6)) + 0.02 * noise(g, (9, 9), size)
            image[rows > ridge] = palette[layer + 1] * [0.4, 0.7, 0.4]
    elif kind == 1:
        for color in palette[1:]:
            x, y, r = g.uniform(0.1, 0.9, 3)
            inside = (
                (np.hypot(columns - x, rows - y) < r / 3)
                if g.random() < 0.5
                else ((abs(columns - x) < r / 3) & (abs(rows - y) < r / 4))
            )
            image[inside] = color
    elif kind == 2:
        skin = np.array(SKINS[int(g.integers(len(SKINS)))])
        image[((columns - 0.5) / 0.38) ** 2 + ((rows - 1.05) / 0.38) ** 2 < 1] = palette[1]
        image[((columns - 0.5) / 0.23) ** 2 + ((rows - 0.38) / 0.28) ** 2 < 1] = palette[2] * 0.4
        image[((columns - 0.5) / 0.18) ** 2 + ((rows - 0.45) / 0.25) ** 2 < 1] = skin
    else:
        field = noise(g, (8, 8), size)
        for color, level in zip(palette[1:], (-1, -0.3, 0.3, 1), strict=False):
            image[field > level] = color
    return np.clip(image * (1 + 0.03 * noise(g, (1, 1), size)[..., None]), 0, 255).astype(np.uint8)


def picture(draw: Draw) -> list[Mesh]:
    """A frame with a painting in it, some with a white mount; leaning back a little where it stands."""
    w, d, h = draw.size
    frame, edge = draw.one(draw.wood(), BLACK, WHITE, draw.metal()), min(w, h) * draw.between(0.04, 0.1)
    rim = [
        frame.box((-w / 2, -d / 2, 0), (w / 2, d / 2, edge), "x"),
        frame.box((-w / 2, -d / 2, h - edge), (w / 2, d / 2, h), "x"),
        frame.box((-w / 2, -d / 2, 0), (-w / 2 + edge, d / 2, h)),
        frame.box((w / 2 - edge, -d / 2, 0), (w / 2, d / 2, h)),
    ]
    inner = edge * (2.2 if draw.style % 2 else 1.0)
    low, high = (-w / 2 + inner, inner), (w / 2 - inner, h - inner)
    return [
        *rim,
        WHITE.box((-w / 2, -d * 0.1, 0), (w / 2, d / 2, h)),
        panel(painting(draw), low, high, -d * 0.1 - 0.001),
    ]


def photo_frame(draw: Draw) -> list[Mesh]:
    """A small picture that leans on a strut."""
    w, d, h = draw.size
    flat = Draw((w, 0.015, h), draw.style, draw.generator)
    return [*turned(picture(flat), -0.2, "x", (0, 0, 0)), BLACK.rod((0, 0.03, h * 0.5), (0, d * 0.9, 0), 0.006)]


def _screen(draw: Draw) -> np.ndarray:
    """What a screen shows: nothing, a picture, or windows with lines."""
    if draw.chance(0.6):
        return np.full((8, 8, 3), draw.count(8, 30), np.uint8)
    if draw.chance(0.5):
        return painting(draw)
    page = np.full((64, 96, 3), draw.count(30, 245), np.uint8)
    for row in range(6, 58, 5):
        page[row : row + 2, 6 : draw.count(20, 90)] = draw.generator.integers(0, 256, 3)
    return page


def television(draw: Draw) -> list[Mesh]:
    """A flat screen on a foot or on two feet; a monitor is a small one."""
    w, d, h = draw.size
    case = draw.one(BLACK, BLACK, Finish((70, 72, 76)))
    low = h * (0.25 if w < 0.75 else 0.08)
    parts = [
        case.box((-w / 2, -0.02, low), (w / 2, 0.02, h)),
        panel(_screen(draw), (-w / 2 + 0.012, low + 0.015), (w / 2 - 0.012, h - 0.012), -0.021),
    ]
    if draw.style % 2 and w > 0.75:
        return parts + [case.box((x - 0.015, -d / 2, 0), (x + 0.015, d / 2, low + 0.02)) for x in (-w * 0.35, w * 0.35)]
    return [
        *parts,
        case.box((-0.04, 0.0, 0), (0.04, 0.03, low + 0.1)),
        case.box((-w * 0.2, -d / 2, 0), (w * 0.2, d / 2, 0.015)),
    ]


def wall_television(draw: Draw) -> list[Mesh]:
    """A flat screen alone."""
    w, d, h = draw.size
    low, high = (-w / 2 + 0.012, 0.014), (w / 2 - 0.012, h - 0.012)
    return [BLACK.box((-w / 2, -d / 2, 0), (w / 2, d / 2, h)), panel(_screen(draw), low, high, -d / 2 - 0.001)]


def laptop(draw: Draw) -> list[Mesh]:
    """A keyboard and an open lid with a screen."""
    w, d, h = draw.size
    case = draw.one(STEEL, BLACK, draw.plastic())
    deep = d * 0.75
    hinge = -d / 2 + deep
    lid = [
        case.box((-w / 2, hinge - 0.006, 0.012), (w / 2, hinge, h)),
        panel(_screen(draw), (-w / 2 + 0.01, 0.03), (w / 2 - 0.01, h - 0.01), hinge - 0.007),
    ]
    keys = BLACK.box((-w * 0.43, hinge - deep * 0.55, 0.014), (w * 0.43, hinge - 0.03, 0.018))
    return [case.box((-w / 2, -d / 2, 0), (w / 2, hinge, 0.015)), keys, *turned(lid, -0.3, "x", (0, hinge, 0.012))]


def table_lamp(draw: Draw) -> list[Mesh]:
    """A foot, a stem and a shade; a floor lamp is a tall one."""
    w, _, h = draw.size
    foot, shade = draw.one(draw.metal(), draw.pot(), draw.wood()), draw.one(GLOW, draw.cloth())
    r, cut = w / 2, h - min(0.45 * h, w * draw.between(0.6, 0.9))
    top = r * (0.6, 0.95, 0.35, 0.75)[draw.style]
    parts = [
        foot.disc(0.012, 0, h - 0.03),
        foot.disc(r * 0.6, 0, 0.02),
        shade.lathe([(r, cut), (top, h), (top - 0.004, h), (r - 0.004, cut)]),
    ]
    if draw.style == 1 and h < 0.9:
        parts.append(foot.ball((r * 0.6, r * 0.6, cut * 0.4), (0, 0, cut * 0.45)))
    elif draw.style == 2:
        parts += four_legs(foot, (r * 0.15, r * 0.15), cut, 0.02, splay=r * 0.6)
    return parts


def ceiling_lamp(draw: Draw) -> list[Mesh]:
    """A flat shade at the ceiling, round or square."""
    w, _, h = draw.size
    r, metal = w / 2, draw.metal()
    if draw.style in (1, 3):
        return [
            metal.box((-r, -r, h * 0.7), (r, r, h)),
            GLOW.box((-r * 0.95, -r * 0.95, 0), (r * 0.95, r * 0.95, h * 0.7)),
        ]
    return [metal.disc(r, h * 0.8, h), GLOW.ball((r * 0.95, r * 0.95, h * 0.85), (0, 0, h * 0.85))]


def pendant(draw: Draw) -> list[Mesh]:
    """A shade on a cord."""
    w, _, h = draw.size
    r, shade = w / 2, draw.one(draw.plastic(), draw.metal(), draw.cloth())
    cut = min(h * 0.5, w * 0.7)
    hat = (
        shade.ball((r, r, cut / 2), (0, 0, cut / 2))
        if draw.style == 1
        else shade.lathe([(r, 0), (r * (0.15, 0, 0.8, 0.4)[draw.style], cut), (0.01, cut)])
    )
    return [
        hat,
        BLACK.disc(0.006, cut - 0.01, h),
        shade.disc(0.05, h - 0.025, h),
        GLOW.ball((0.04, 0.04, 0.04), (0, 0, 0.06)),
    ]


PIECES = {
    "curtain": (curtain, ((0.6, 0.14, 2.3), (0.9, 0.16, 2.2), (1.2, 0.18, 2.35), (0.7, 0.14, 1.6))),
    "shower curtain": (curtain, ((1.5, 0.14, 1.9), (1.2, 0.12, 1.85), (1.7, 0.16, 2.0), (0.8, 0.14, 1.9))),
    "window blind": (blind, ((1.0, 0.05, 1.0), (1.2, 0.05, 1.2), (1.4, 0.06, 0.9), (0.9, 0.05, 0.8))),
    "picture": (picture, ((0.5, 0.03, 0.4), (0.6, 0.03, 0.8), (1.0, 0.04, 0.7), (0.4, 0.03, 0.5))),
    "photo frame": (photo_frame, ((0.15, 0.12, 0.2), (0.2, 0.12, 0.15), (0.13, 0.1, 0.18), (0.24, 0.14, 0.3))),
    "television": (television, ((1.0, 0.22, 0.63), (1.2, 0.26, 0.74), (0.85, 0.2, 0.55), (1.1, 0.24, 0.68))),
    "wall-mounted television": (
        wall_television,
        ((1.1, 0.06, 0.63), (1.25, 0.05, 0.72), (0.9, 0.07, 0.52), (1.45, 0.05, 0.83)),
    ),
    "monitor": (television, ((0.55, 0.2, 0.45), (0.62, 0.2, 0.48), (0.5, 0.18, 0.42), (0.7, 0.22, 0.5))),
    "laptop": (laptop, ((0.34, 0.3, 0.23), (0.31, 0.28, 0.21), (0.37, 0.33, 0.25), (0.33, 0.31, 0.22))),
    "table lamp": (table_lamp, ((0.28, 0.28, 0.45), (0.32, 0.32, 0.55), (0.25, 0.25, 0.38), (0.3, 0.3, 0.6))),
    "floor lamp": (table_lamp, ((0.4, 0.4, 1.55), (0.45, 0.45, 1.6), (0.5, 0.5, 1.5), (0.38, 0.38, 1.7))),
    "ceiling lamp": (ceiling_lamp, ((0.4, 0.4, 0.14), (0.45, 0.45, 0.1), (0.35, 0.35, 0.16), (0.6, 0.6, 0.09))),
    "pendant lamp": (pendant, ((0.4, 0.4, 0.7), (0.35, 0.35, 0.6), (0.45, 0.45, 0.65), (0.3, 0.3, 0.75))),
}
