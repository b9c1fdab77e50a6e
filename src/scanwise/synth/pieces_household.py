"""Built-in kitchens, bathrooms and appliances."""

from __future__ import annotations

import numpy as np

from scanwise.synth.drawing import BLACK, GLASS, STEEL, WHITE, Draw, Finish
from scanwise.synth.mesh import Mesh
from scanwise.synth.pieces_furniture import storage


def kitchen_cabinet(draw: Draw) -> list[Mesh]:
    """One or two columns of doors and drawers, without a worktop."""
    front = draw.wood()
    cells = (["door"], ["drawers"], ["door", "door"], ["drawers", "door"])[draw.style]
    return storage(draw, cells, body=draw.one(WHITE, front), front=front, base=0.1)


def tall_cabinet(draw: Draw) -> list[Mesh]:
    """One or two columns of tall doors."""
    front = draw.wood()
    cells = (["door"], ["door", "door"], ["door"], ["door", "open"])[draw.style]
    return storage(draw, cells, body=draw.one(WHITE, front), front=front, base=0.1)


def wall_cabinet(draw: Draw) -> list[Mesh]:
    """Columns of doors that hang, some with an open shelf."""
    front = draw.wood()
    columns = max(1, round(draw.size[0] / 0.45))
    cells = ["open" if draw.style == 3 and number == 0 else "door" for number in range(columns)]
    return storage(draw, cells, body=draw.one(WHITE, front), front=front, base=0.0)


def counter(draw: Draw) -> list[Mesh]:
    """A worktop with doors and drawers below."""
    w, d, h = draw.size
    front = draw.wood()
    columns = max(2, round(w / 0.5))
    cells = ["drawers" if draw.chance(0.25) else "door" for _ in range(columns)]
    below = Draw((w - 0.02, d - 0.02, h - 0.04), draw.style, draw.generator)
    top = draw.one(draw.material("stone", 0.6), draw.wood())
    return [*storage(below, cells, body=front, front=front, base=0.1),
            top.box((-w / 2, -d / 2, h - 0.04), (w / 2, d / 2, h), "x")]  # fmt: skip


def island(draw: Draw) -> list[Mesh]:
    """Cupboards under a worktop that stands out over them."""
    w, d, h = draw.size
    body, top = draw.wood(), draw.one(draw.material("stone", 0.6), draw.wood())
    over = (0.02, 0.25, 0.1, 0.3)[draw.style]
    below = Draw((w - 0.06, d - over - 0.04, h - 0.04), draw.style, draw.generator)
    cells = ["door"] * max(2, round(w / 0.5))
    return [*storage(below, cells, body=body, front=body, base=0.1),
            top.box((-w / 2, -d / 2 + over / 2, h - 0.04), (w / 2, d / 2 + over / 2, h), "x")]  # fmt: skip


def _slab_with_bowl(top: Finish, bowl: Finish, half: tuple[float, float], z: float, hole: tuple[float, float],
                    deep: float) -> list[Mesh]:  # fmt: skip
    """A slab around a square basin: `hole` is the basin's half size."""
    (x, y), (a, b) = half, hole
    parts = [top.box((-x, -y, z - 0.04), (-a, y, z)), top.box((a, -y, z - 0.04), (x, y, z)),
             top.box((-a, -y, z - 0.04), (a, -b, z)), top.box((-a, b, z - 0.04), (a, y, z))]  # fmt: skip
    shape = [(0, z + 0.004), (0.004, z + 0.004), (0.02, z - deep), (0.02, z - deep), (min(hole), z - deep)]
    return [*parts, bowl.vessel(hole, shape, 0.85)]


def _tap(x: float, y: float, z: float, reach: float, tall: float) -> list[Mesh]:
    """A tap that stands at a point and bends to the front."""
    high = z + tall
    return STEEL.path([(x, y, z), (x, y, high), (x, y - reach * 0.5, high + 0.02), (x, y - reach, high - 0.03)], 0.014)


def kitchen_sink(draw: Draw) -> list[Mesh]:
    """A worktop with a square basin and a tap, doors below."""
    w, d, h = draw.size
    tall = 0.2
    z = h - tall - 0.04
    front = draw.wood()
    below = Draw((w - 0.01, d - 0.01, z - 0.04), draw.style, draw.generator)
    bowl, top = draw.one(STEEL, draw.ceramic()), draw.one(STEEL, draw.material("stone", 0.6))
    parts = storage(below, ["door"] * max(1, round(w / 0.5)), body=WHITE, front=front, base=0.1, lid=False)
    slab = _slab_with_bowl(top, bowl, (w / 2, d / 2), z, (min(0.24, w * 0.4), d * 0.3), 0.18)
    return [*parts, *slab, *_tap(0, d * 0.4, z, 0.2, tall)]


def washbasin(draw: Draw) -> list[Mesh]:
    """A bowl on a pedestal with a tap."""
    w, d, h = draw.size
    white, z = draw.ceramic(), h - 0.12
    square = (0.2, 0.6, 0.0, 0.75)[draw.style]
    bowl = white.vessel((w / 2, d / 2), [(w * 0.28, z - 0.18), (0.02, z - 0.05), (0, z), (0.02, z + 0.01),
                                         (0.05, z), (0.1, z - 0.1), (min(w, d) / 2, z - 0.11)], square)  # fmt: skip
    foot = white.lathe([(0, 0), (0.13, 0), (0.09, 0.1), (0.09, z - 0.17), (0.1, z - 0.14)], (0, d * 0.1, 0))
    return [bowl, foot, *_tap(0, d * 0.42, z, 0.12, 0.1)]


def vanity(draw: Draw) -> list[Mesh]:
    """A washbasin with a tap on doors and drawers."""
    w, d, h = draw.size
    z, front = h - 0.14, draw.wood()
    below = Draw((w - 0.01, d - 0.01, z - 0.06), draw.style, draw.generator)
    cells = (["door", "door"], ["drawers"], ["door", "drawers"], ["drawers", "drawers"])[draw.style]
    white = draw.ceramic()
    shape = [(0, z - 0.07), (0, z), (0, z), (0.04, z), (0.09, z - 0.05), (min(w, d) / 2, z - 0.055)]
    return [*storage(below, cells, body=front, front=front, base=0.12), white.vessel((w / 2, d / 2), shape, 0.85),
            *_tap(0, d * 0.42, z, 0.14, 0.11)]  # fmt: skip


def toilet(draw: Draw) -> list[Mesh]:
    """A bowl that is open at the top, a seat, a lid that leans on the tank, the tank."""
    w, d, h = draw.size
    white = draw.ceramic()
    square, seat = (0.1, 0.3, 0.2, 0.45)[draw.style], 0.42
    half, middle = (w * 0.46, d * 0.36), -d * 0.14
    lip = [(0.07, 0.0), (0.09, 0.12), (0.03, 0.3), (0, seat - 0.03), (0, seat), (0.05, seat), (0.1, seat - 0.12),
           (min(half), seat - 0.16)]  # fmt: skip
    parts = [white.vessel(half, lip, square, (0, middle, 0))]
    tank = d / 2 - 0.19
    parts.append(white.cushion((-w / 2, tank, seat - 0.05), (w / 2, d / 2, h - 0.03), 0.85))
    parts.append(white.cushion((-w / 2, tank - 0.005, h - 0.05), (w / 2, d / 2, h), 0.85))
    parts.append(white.box((-0.12, tank - 0.1, 0), (0.12, d / 2 - 0.03, seat - 0.03)))
    lid = draw.one(white, white, draw.wood(), draw.plastic())
    if draw.chance(0.5):
        parts.append(lid.vessel(half, [(min(half), seat + 0.005), (0, seat + 0.005), (0, seat + 0.03),
                                       (min(half), seat + 0.035)], square, (0, middle, 0)))  # fmt: skip
    else:
        parts.append(
            lid.cushion((-w * 0.42, tank - 0.05, seat), (w * 0.42, tank - 0.01, min(h - 0.02, seat + 0.42)), 0.5)
        )
    return parts


def bathtub(draw: Draw) -> list[Mesh]:
    """A tub with a tap."""
    w, d, h = draw.size
    white = draw.ceramic()
    square = (0.9, 0.4, 0.75, 0.6)[draw.style]
    profile = [(0.06 if draw.style == 1 else 0.0, 0.0), (0, h), (0, h), (0.06, h), (0.06, h), (0.1, h * 0.5),
               (0.16, 0.12), (min(w, d) / 2, 0.1)]  # fmt: skip
    side = white if draw.chance(0.7) else draw.material("tiles", 0.5)
    tub = white.vessel((w / 2, d / 2), profile, square)
    return [
        tub,
        STEEL.rod((w * 0.42, 0, h - 0.02), (w * 0.3, 0, h - 0.02), 0.02),
        side.box((-w * 0.3, -d * 0.3, 0), (w * 0.3, d * 0.3, 0.05)),
    ]


def shower_cabin(draw: Draw) -> list[Mesh]:
    """A tray, two walls, posts and a shower head; its glass is not drawn."""
    w, d, h = draw.size
    white, wall = draw.ceramic(), draw.one(draw.material("tiles", 0.6), WHITE)
    parts = [
        white.box((-w / 2, -d / 2, 0), (w / 2, d / 2, 0.12)),
        wall.box((-w / 2, d / 2 - 0.02, 0), (w / 2, d / 2, h)),
    ]
    parts.append(wall.box((-w / 2, -d / 2, 0.1), (-w / 2 + 0.02, d / 2, h)))
    for z in (0.12, h - 0.04):
        parts.append(STEEL.box((-w / 2, -d / 2, z), (w / 2, -d / 2 + 0.03, z + 0.04)))
        parts.append(STEEL.box((w / 2 - 0.03, -d / 2, z), (w / 2, d / 2, z + 0.04)))
    parts += [
        STEEL.box((x - 0.03, y, 0.1), (x, y + 0.03, h))
        for x, y in ((w / 2, -d / 2), (0.0, -d / 2), (w / 2, d / 2 - 0.03))
    ]
    parts += STEEL.path([(0, d / 2 - 0.04, 1.0), (0, d / 2 - 0.04, h * 0.95), (0, d * 0.2, h * 0.97)], 0.012)
    return [*parts, STEEL.disc(0.1, h * 0.94, h * 0.96, (0, d * 0.2, 0))]


def fridge(draw: Draw) -> list[Mesh]:
    """A refrigerator with one, two or three doors."""
    w, d, h = draw.size
    paint = draw.appliance()
    parts = [
        paint.box((-w / 2, -d / 2 + 0.1, 0.03), (w / 2, d / 2, h)),
        BLACK.box((-w * 0.45, -d / 2 + 0.1, 0), (w * 0.45, d * 0.4, 0.05)),
    ]
    split = (0.65, 0.33, 0.0, 0.5)[draw.style]
    leaves = [(-w / 2, 0.0, w / 2, split * h), (-w / 2, split * h, w / 2, h)]
    if draw.style in (2, 3):
        leaves = [(-w / 2, split * h + 0.04, 0.0, h), (0.0, split * h + 0.04, w / 2, h)]
        leaves += [(-w / 2, 0.0, w / 2, split * h)] if split else []
    for number, (x0, z0, x1, z1) in enumerate(leaves):
        parts.append(
            paint.box((x0 + 0.004, -d / 2 + 0.04, max(z0, 0.06) + 0.005), (x1 - 0.004, -d / 2 + 0.1, z1 - 0.005))
        )
        grip = x1 - 0.05 if draw.style > 1 and number == 0 else x0 + 0.05
        middle, long = (max(z0, 0.06) + z1) / 2, (z1 - z0) * 0.25
        parts.append(STEEL.box((grip - 0.012, -d / 2, middle - long), (grip + 0.012, -d / 2 + 0.03, middle + long)))
    return parts


def stove(draw: Draw) -> list[Mesh]:
    """A cooker with an oven, knobs and rings."""
    w, d, h = draw.size
    paint, y = draw.appliance(), -d / 2 + 0.04
    parts = [
        paint.box((-w / 2, y, 0), (w / 2, d / 2, h - 0.02)),
        BLACK.box((-w / 2, y, h - 0.02), (w / 2, d / 2, h - 0.008)),
    ]
    parts.append(GLASS.box((-w * 0.38, y - 0.01, h * 0.25), (w * 0.38, y, h * 0.65)))
    parts.append(STEEL.box((-w * 0.4, -d / 2, h * 0.72), (w * 0.4, -d / 2 + 0.02, h * 0.75)))
    parts += [
        draw.one(BLACK, STEEL).rod((x, y, h * 0.88), (x, -d / 2 + 0.01, h * 0.88), 0.02)
        for x in np.linspace(-w * 0.38, w * 0.38, 5)
    ]
    ring = Finish((120, 60, 50)) if draw.style % 2 else Finish((90, 90, 94))
    for x in (-w * 0.23, w * 0.23):
        parts += [ring.disc(draw.between(0.07, 0.1), h - 0.01, h, (x, v, 0)) for v in (-d * 0.2, d * 0.22)]
    return parts


def washer(draw: Draw) -> list[Mesh]:
    """A washing machine with a round door."""
    w, d, h = draw.size
    paint, y = draw.appliance(), -d / 2 + 0.03
    z, r = h * 0.47, w * draw.between(0.3, 0.36)
    parts = [
        paint.box((-w / 2, y, 0), (w / 2, d / 2, h)),
        GLASS.rod((0, y + 0.01, z), (0, y - 0.02, z), r * 0.8, sides=24),
    ]
    parts.append(draw.one(STEEL, BLACK, WHITE).ring(r, 0.03, (0, y, z), "y"))
    parts.append(BLACK.box((w * 0.1, y - 0.004, h * 0.87), (w * 0.4, y, h * 0.95)))
    parts.append(WHITE.box((-w * 0.45, y - 0.006, h * 0.86), (-w * 0.12, y, h * 0.96)))
    return [*parts, STEEL.rod((0, y, h * 0.91), (0, -d / 2, h * 0.91), 0.03, sides=16)]


def microwave(draw: Draw) -> list[Mesh]:
    """A microwave oven with a door and knobs."""
    w, d, h = draw.size
    paint, y = draw.appliance(), -d / 2 + 0.03
    parts = [
        paint.box((-w / 2, y, 0), (w / 2, d / 2, h)),
        GLASS.box((-w * 0.45, y - 0.01, h * 0.12), (w * 0.22, y, h * 0.88)),
    ]
    parts.append(STEEL.box((w * 0.24, -d / 2, h * 0.15), (w * 0.27, y, h * 0.85)))
    parts.append(BLACK.box((w * 0.3, y - 0.006, h * 0.7), (w * 0.46, y, h * 0.88)))
    parts += [STEEL.rod((w * 0.38, y, z * h), (w * 0.38, y - 0.012, z * h), 0.018) for z in np.linspace(0.15, 0.55, 3)]
    return parts


def hood(draw: Draw) -> list[Mesh]:
    """A hood that tapers to a pipe."""
    w, d, h = draw.size
    metal = draw.one(draw.metal(), draw.appliance())
    pipe = d / 2 - 0.26
    body = metal.taper(
        (-w / 2, -d / 2, 0.05),
        (w / 2, d / 2, h * draw.between(0.35, 0.5)),
        w * (0.1, 0.32, 0.36, 0.0)[draw.style],
        d * 0.4,
    )
    return [
        metal.box((-w / 2, -d / 2, 0), (w / 2, d / 2, 0.05)),
        body,
        metal.box((-0.13, pipe, h * 0.3), (0.13, d / 2, h)),
    ]


def radiator(draw: Draw) -> list[Mesh]:
    """Two panels, the front one ribbed, or columns in a row on two pipes."""
    w, d, h = draw.size
    white = draw.one(draw.ceramic(), draw.ceramic(), draw.metal())
    if draw.style == 1:
        ribs = np.linspace(-w / 2, w / 2, 2 * round(w / 0.06) + 2)
        return [
            white.box((-w / 2, -d / 2 + 0.006, 0.02), (w / 2, -d / 2 + 0.026, h)),
            *[
                white.box((x, -d / 2, 0.02), (end, -d / 2 + 0.01, h))
                for x, end in zip(ribs[::2], ribs[1::2], strict=True)
            ],
            white.box((-w / 2, 0, 0.02), (w / 2, d / 2, h)),
            white.box((-w / 2, -d / 2 + 0.006, 0), (w / 2, d / 2, 0.03)),
        ]
    step = (0.06, 0.06, 0.08, 0.045)[draw.style]
    count = round(w / step)
    thick = 0.8 * step
    lefts = np.linspace(-w / 2, w / 2 - thick, count)
    first, last = lefts[0] + thick / 2, lefts[-1] + thick / 2
    return [
        *[white.cushion((x, -d / 2, 0), (x + thick, d / 2, h), 0.6) for x in lefts],
        white.rod((first, 0, 0.07), (last, 0, 0.07), 0.02),
        white.rod((first, 0, h - 0.07), (last, 0, h - 0.07), 0.02),
    ]


PIECES = {
    "kitchen cabinet": (kitchen_cabinet, ((0.45, 0.6, 0.86), (0.5, 0.6, 0.86), (0.8, 0.6, 0.86), (0.8, 0.6, 0.88))),
    "tall kitchen cabinet": (tall_cabinet, ((0.6, 0.6, 2.1), (0.8, 0.6, 2.0), (0.5, 0.58, 2.2), (0.9, 0.6, 2.1))),
    "kitchen wall cabinet": (wall_cabinet, ((0.45, 0.35, 0.7), (0.8, 0.35, 0.7), (0.6, 0.33, 0.6), (0.9, 0.35, 0.72))),
    "kitchen counter": (counter, ((1.0, 0.62, 0.9), (1.6, 0.62, 0.9), (2.4, 0.62, 0.9), (3.0, 0.64, 0.92))),
    "kitchen island": (island, ((1.4, 0.8, 0.92), (1.8, 0.95, 0.92), (1.2, 0.7, 0.9), (2.0, 1.0, 0.94))),
    "kitchen sink": (kitchen_sink, ((0.8, 0.6, 1.12), (1.0, 0.6, 1.12), (0.6, 0.6, 1.12), (1.2, 0.6, 1.14))),
    "washbasin": (washbasin, ((0.55, 0.45, 0.95), (0.6, 0.48, 0.96), (0.5, 0.42, 0.94), (0.65, 0.5, 0.98))),
    "bathroom vanity": (vanity, ((0.8, 0.5, 1.0), (0.6, 0.46, 0.98), (1.0, 0.5, 1.0), (1.2, 0.52, 1.0))),
    "toilet": (toilet, ((0.38, 0.68, 0.78), (0.4, 0.7, 0.82), (0.37, 0.65, 0.76), (0.4, 0.72, 0.85))),
    "bathtub": (bathtub, ((1.7, 0.75, 0.58), (1.65, 0.75, 0.6), (1.6, 0.7, 0.56), (1.8, 0.8, 0.6))),
    "shower cabin": (shower_cabin, ((0.9, 0.9, 2.05), (0.8, 0.8, 2.0), (1.0, 0.8, 2.1), (1.1, 0.9, 2.1))),
    "refrigerator": (fridge, ((0.6, 0.68, 1.8), (0.6, 0.65, 1.5), (0.9, 0.75, 1.8), (0.85, 0.72, 1.75))),
    "stove": (stove, ((0.6, 0.62, 0.88), (0.5, 0.6, 0.86), (0.7, 0.64, 0.9), (0.9, 0.64, 0.9))),
    "washing machine": (washer, ((0.6, 0.6, 0.85), (0.6, 0.5, 0.85), (0.6, 0.55, 0.84), (0.62, 0.62, 0.87))),
    "microwave": (microwave, ((0.5, 0.38, 0.29), (0.46, 0.34, 0.27), (0.54, 0.42, 0.32), (0.48, 0.36, 0.3))),
    "range hood": (hood, ((0.6, 0.48, 0.6), (0.6, 0.5, 0.8), (0.9, 0.5, 0.7), (0.75, 0.48, 0.65))),
    "radiator": (radiator, ((0.8, 0.12, 0.55), (1.2, 0.1, 0.6), (1.0, 0.14, 0.5), (0.6, 0.1, 0.6))),
}
