"""Built-in plants, rugs, cushions and small things."""

from __future__ import annotations

import numpy as np

from scanwise.synth.drawing import BARK, BLACK, STEEL, WHITE, Draw, Finish, leaf_blade
from scanwise.synth.mesh import Mesh
from scanwise.synth.textures import CLOTH


def plant(draw: Draw) -> list[Mesh]:
    """A pot with long leaves, a bush, a stem with a crown, or upright blades."""
    w, _, h = draw.size
    pot, leaf = draw.pot(), draw.leaf()
    r, tall = min(w * 0.3, h * 0.22), h * draw.between(0.22, 0.32)
    parts = [pot.lathe([(0, 0), (r * 0.75, 0), (r, tall), (r * 0.9, tall), (r * 0.88, tall - 0.01), (0, tall - 0.015)])]
    start = tall
    if draw.style == 2:
        start = h * 0.6
        parts.append(draw.plain(BARK).rod((0, 0, tall - 0.02), (0, 0, start), r * 0.12))
    for _ in range(draw.count(16, 28)):
        angle, rise = draw.between(0, 6.28), draw.between(0.3, 1.4)
        if draw.style == 3:
            rise = draw.between(1.3, 1.55)
        length, width = (h - start) * draw.between(0.6, 1.0), w * draw.between(0.08, 0.16)
        base = (
            r * 0.3 * np.cos(angle),
            r * 0.3 * np.sin(angle),
            start + (draw.between(0, 0.5) * (h - start) if draw.style == 1 else 0),
        )
        parts.append(
            leaf_blade(leaf, base, angle, length, width, rise, 0.2 if draw.style == 3 else draw.between(0.8, 2.0))
        )
    return parts


def rug(draw: Draw) -> list[Mesh]:
    """A rug with a border, round in one style."""
    w, d, h = draw.size
    inner, border = (
        draw.one(draw.material("carpet", 0.8), draw.material("stripes", 1.2), draw.material("wallpaper", 1.0)),
        draw.plain(CLOTH),
    )
    edge = draw.between(0.03, 0.12) * min(w, d)
    if draw.style == 2:
        return [border.disc(w / 2, 0, h - 0.001, sides=32), inner.disc(w / 2 - edge, h - 0.001, h, sides=32)]
    return [
        border.box((-w / 2, -d / 2, 0), (w / 2, d / 2, h - 0.001)),
        inner.box((-w / 2 + edge, -d / 2 + edge, h - 0.001), (w / 2 - edge, d / 2 - edge, h)),
    ]


def pillow(draw: Draw) -> list[Mesh]:
    """A cushion."""
    w, d, h = draw.size
    return [draw.cloth().cushion((-w / 2, -d / 2, 0), (w / 2, d / 2, h), 0.45)]


def trash_can(draw: Draw) -> list[Mesh]:
    """A round or square bin, some with a lid."""
    w, d, h = draw.size
    body, r = draw.one(draw.plastic(), draw.metal()), w / 2
    if draw.style % 2:
        lid = draw.one(body, BLACK)
        return [
            body.taper((-w * 0.45, -d * 0.45, 0), (w * 0.45, d * 0.45, h * 0.85), -0.02, -0.02, -0.02),
            lid.cushion((-w / 2, -d / 2, h * 0.84), (w / 2, d / 2, h), 0.7),
        ]
    return [body.lathe([(0, 0), (r * 0.8, 0), (r, h), (r * 0.96, h), (r * 0.77, 0.02), (0, 0.02)])]


def carton(draw: Draw) -> list[Mesh]:
    """A cardboard box: closed with tape, or its flaps open."""
    w, d, h = draw.size
    card, tape = Finish((178 + draw.count(-12, 12), 138, 92)), Finish((206, 180, 130))
    if draw.style % 2 == 0:
        return [
            card.box((-w / 2, -d / 2, 0), (w / 2, d / 2, h)),
            tape.box((-w / 2 - 0.001, -0.025, h * 0.8), (w / 2 + 0.001, 0.025, h + 0.001)),
        ]
    t, rim = 0.006, h * 0.8
    parts = [card.box((-w * 0.4, -d * 0.4, 0), (w * 0.4, d * 0.4, t))]
    for s in (-1, 1):
        parts.append(card.box((s * w * 0.4 - t, -d * 0.4, 0), (s * w * 0.4 + t, d * 0.4, rim)))
        parts.append(card.box((-w * 0.4, s * d * 0.4 - t, 0), (w * 0.4, s * d * 0.4 + t, rim)))
        parts.append(card.rod((s * w * 0.4, 0, rim), (s * w * 0.5, 0, h), d * 0.3, sides=4))
    return parts[:-1] if draw.chance(0.3) else parts


def storage_box(draw: Draw) -> list[Mesh]:
    """A box with a lid."""
    w, d, h = draw.size
    body, lid = draw.one(draw.plastic(), draw.wood(), draw.cloth()), draw.one(draw.plastic(), draw.wood())
    return [
        body.box((-w * 0.48, -d * 0.48, 0), (w * 0.48, d * 0.48, h * 0.9)),
        lid.box((-w / 2, -d / 2, h * 0.82), (w / 2, d / 2, h)),
    ]


def book(draw: Draw) -> list[Mesh]:
    """A closed book that lies."""
    w, d, h = draw.size
    cover, t = draw.plain(CLOTH), min(0.003, h / 4)
    parts = [cover.box((-w / 2, -d / 2, 0), (w / 2, d / 2, t)), cover.box((-w / 2, -d / 2, h - t), (w / 2, d / 2, h))]
    return [
        *parts,
        cover.box((-w / 2, -d / 2, 0), (-w / 2 + t, d / 2, h)),
        WHITE.box((-w / 2 + t, -d * 0.48, t), (w * 0.48, d * 0.48, h - t)),
    ]


def cup(draw: Draw) -> list[Mesh]:
    """A cup with a handle."""
    w, d, h = draw.size
    clay, r = draw.one(draw.ceramic(), draw.plastic(), draw.pot()), d / 2
    low = r * (0.9, 0.65, 0.5, 1.0)[draw.style]
    body = clay.lathe([(0, 0), (low, 0), (r, h), (r - 0.004, h), (low - 0.004, 0.006), (0, 0.006)])
    return [
        body,
        *clay.path(
            [(r * 0.9, 0, h * 0.8), (w - r, 0, h * 0.75), (w - r, 0, h * 0.35), (low * 0.95, 0, h * 0.25)], 0.005
        ),
    ]


def bowl(draw: Draw) -> list[Mesh]:
    """A bowl; a plate is a flat one."""
    w, _, h = draw.size
    r = w / 2
    profile = [
        (0, 0),
        (r * 0.45, 0),
        (r * 0.8, h * 0.4),
        (r, h),
        (r - 0.004, h),
        (r * 0.75, h * 0.45),
        (r * 0.4, h * 0.12),
        (0, h * 0.1),
    ]
    return [draw.one(draw.ceramic(), draw.plastic(), draw.pot()).lathe(profile, sides=28)]


def bottle(draw: Draw) -> list[Mesh]:
    """A bottle with a cap and a label."""
    w, _, h = draw.size
    r, neck = w / 2, (0.62, 0.75, 0.55, 0.68)[draw.style] * h
    body, cap = draw.one(draw.plastic(), Finish((40, 80, 50)), Finish((190, 214, 222))), draw.plastic()
    parts = [
        body.lathe([(0, 0), (r, 0), (r, neck), (r * 0.4, neck + (h - neck) * 0.5), (r * 0.35, h - 0.02), (0, h - 0.02)])
    ]
    return [*parts, cap.disc(r * 0.42, h - 0.03, h), draw.ceramic().disc(r * 1.01, neck * 0.3, neck * 0.8)]


def kettle(draw: Draw) -> list[Mesh]:
    """A kettle with a spout, a handle and a lid."""
    w, d, h = draw.size
    body, r = draw.one(STEEL, draw.plastic(), draw.ceramic()), d / 2
    parts = [
        body.lathe([(0, 0), (r, 0), (r * 0.95, h * 0.3), (r * 0.65, h * 0.85), (0, h * 0.88)]),
        BLACK.ball((0.018, 0.018, 0.02), (0, 0, h * 0.92)),
    ]
    parts.append(body.rod((-r * 0.6, 0, h * 0.55), (-w + r, 0, h * 0.82), 0.02, tip=0.012))
    return [
        *parts,
        *BLACK.path([(r * 0.6, 0, h * 0.85), (w - r, 0, h * 0.8), (w - r, 0, h * 0.3), (r * 0.9, 0, h * 0.2)], 0.011),
        BLACK.disc(0.015, h * 0.9, h),
    ]


def vase(draw: Draw) -> list[Mesh]:
    """A vase of one of four outlines."""
    w, _, h = draw.size
    z = np.linspace(0, 1, 14)
    bulge = (0.65 + 0.35 * np.sin(z * np.pi), 1 - 0.6 * z, 0.6 + 0.4 * np.cos(z * 6), 0.4 + 0.6 * z**2)[draw.style]
    radius = w / 2 * bulge / bulge.max()
    outside = [(0.0, 0.0), *((float(r), float(v)) for r, v in zip(radius, z * h, strict=True))]
    return [
        draw.one(draw.pot(), draw.plastic()).lathe(
            [*outside, (float(radius[-1]) * 0.85, h), (float(radius[-1]) * 0.8, h * 0.5), (0, h * 0.45)]
        )
    ]


def towel(draw: Draw) -> list[Mesh]:
    """A towel over a rod."""
    w, d, h = draw.size
    cloth = draw.one(draw.material("carpet", 0.5), draw.cloth())
    fall = h * draw.between(0.5, 0.85)
    rod = STEEL.rod((-w / 2, 0, h - 0.02), (w / 2, 0, h - 0.02), 0.012)
    return [
        rod,
        cloth.box((-w * 0.45, -d / 2, 0), (w * 0.45, -d * 0.3, h)),
        cloth.box((-w * 0.45, d * 0.3, h - fall), (w * 0.45, d / 2, h)),
        cloth.box((-w * 0.45, -d / 2, h - 0.012), (w * 0.45, d / 2, h)),
    ]


def backpack(draw: Draw) -> list[Mesh]:
    """A bag with a pocket, straps and a loop."""
    w, d, h = draw.size
    cloth, strap = draw.plain(CLOTH), draw.one(BLACK, draw.plain(CLOTH))
    parts = [
        cloth.cushion((-w / 2, -d * 0.25, 0), (w / 2, d * 0.42, h * 0.95), 0.6),
        strap.cushion((-w * 0.38, -d / 2, 0.02), (w * 0.38, -d * 0.1, h * 0.5), 0.6),
    ]
    for x in (-w * 0.22, w * 0.22):
        parts += strap.path([(x, d * 0.3, h * 0.9), (x, d * 0.48, h * 0.6), (x, d * 0.4, h * 0.15)], 0.02)
    return [*parts, *strap.path([(-0.05, 0.05, h * 0.92), (0, 0.05, h), (0.05, 0.05, h * 0.92)], 0.008)]


def shoes(draw: Draw) -> list[Mesh]:
    """A pair of shoes side by side."""
    w, d, h = draw.size
    leather, sole = draw.plain(CLOTH), draw.one(BLACK, WHITE)
    parts = []
    for x in (-w * 0.27, w * 0.27):
        parts += [
            sole.cushion((x - w * 0.2, -d / 2, 0), (x + w * 0.2, d / 2, h * 0.25), 0.5),
            leather.cushion((x - w * 0.18, -d * 0.48, h * 0.1), (x + w * 0.18, d * 0.3, h * 0.6), 0.3),
        ]
        parts.append(
            leather.lathe([(w * 0.17, h * 0.2), (w * 0.15, h), (w * 0.12, h), (w * 0.12, h * 0.4)], (x, d * 0.28, 0))
        )
    return parts


PIECES = {
    "potted plant": (plant, ((0.5, 0.5, 0.8), (0.35, 0.35, 0.4), (0.7, 0.7, 1.4), (0.3, 0.3, 0.6))),
    "rug": (rug, ((1.6, 1.1, 0.015), (2.3, 1.6, 0.02), (1.5, 1.5, 0.015), (2.0, 1.4, 0.012))),
    "pillow": (pillow, ((0.45, 0.45, 0.16), (0.6, 0.4, 0.15), (0.4, 0.4, 0.14), (0.5, 0.35, 0.17))),
    "trash can": (trash_can, ((0.3, 0.3, 0.35), (0.35, 0.3, 0.6), (0.26, 0.26, 0.3), (0.3, 0.25, 0.45))),
    "cardboard box": (carton, ((0.4, 0.3, 0.3), (0.5, 0.4, 0.4), (0.6, 0.4, 0.35), (0.45, 0.35, 0.3))),
    "box": (storage_box, ((0.4, 0.3, 0.25), (0.5, 0.35, 0.3), (0.3, 0.22, 0.16), (0.6, 0.4, 0.32))),
    "book": (book, ((0.15, 0.22, 0.03), (0.2, 0.27, 0.04), (0.13, 0.19, 0.025), (0.22, 0.29, 0.02))),
    "cup": (cup, ((0.11, 0.08, 0.08), (0.1, 0.085, 0.065), (0.115, 0.09, 0.07), (0.1, 0.075, 0.085))),
    "mug": (cup, ((0.12, 0.085, 0.1), (0.125, 0.09, 0.095), (0.12, 0.09, 0.1), (0.115, 0.08, 0.11))),
    "bowl": (bowl, ((0.16, 0.16, 0.07), (0.24, 0.24, 0.1), (0.2, 0.2, 0.08), (0.28, 0.28, 0.11))),
    "plate": (bowl, ((0.24, 0.24, 0.022), (0.27, 0.27, 0.025), (0.2, 0.2, 0.02), (0.22, 0.22, 0.03))),
    "bottle": (bottle, ((0.075, 0.075, 0.28), (0.07, 0.07, 0.22), (0.08, 0.08, 0.31), (0.065, 0.065, 0.25))),
    "kettle": (kettle, ((0.28, 0.17, 0.24), (0.26, 0.16, 0.22), (0.3, 0.18, 0.26), (0.27, 0.16, 0.25))),
    "vase": (vase, ((0.15, 0.15, 0.3), (0.2, 0.2, 0.25), (0.14, 0.14, 0.4), (0.22, 0.22, 0.5))),
    "towel": (towel, ((0.5, 0.07, 0.7), (0.4, 0.06, 0.6), (0.6, 0.07, 0.8), (0.35, 0.06, 0.5))),
    "backpack": (backpack, ((0.32, 0.26, 0.46), (0.3, 0.22, 0.42), (0.34, 0.28, 0.5), (0.28, 0.22, 0.38))),
    "shoes": (shoes, ((0.24, 0.28, 0.11), (0.22, 0.26, 0.1), (0.25, 0.3, 0.16), (0.24, 0.29, 0.24))),
}
