"""Built-in vehicles, people and cones. Front to -y."""

from __future__ import annotations

import numpy as np

from scanwise.synth.drawing import BLACK, GLASS, GLOW, SKINS, STEEL, WHITE, Draw, Finish
from scanwise.synth.mesh import Mesh
from scanwise.synth.textures import CLOTH

PAINTS = ((240, 240, 240), (30, 30, 34), (150, 154, 160), (160, 30, 34), (40, 70, 130), (90, 96, 90), (210, 200, 170))
RED = Finish((180, 30, 30))


def _wheels(half: float, places: tuple[float, ...], radius: float, width: float) -> list[Mesh]:
    parts = []
    for y in places:
        for side in (-1, 1):
            x = side * (half - width / 2)
            parts += [
                BLACK.wheel(radius, width, (x, y, radius)),
                STEEL.wheel(radius * 0.6, width + 0.02, (x, y, radius)),
            ]
    return parts


def car(draw: Draw) -> list[Mesh]:
    """A sedan, a hatchback, a van, an estate: body, cabin of dark glass with a painted roof, wheels, lights."""
    w, d, h = draw.size
    paint, r = draw.plain(PAINTS), 0.32
    waist = h * (0.62 if draw.style != 2 else 0.5)
    front, back = (0.28, 0.16, 0.1, 0.28)[draw.style] * d, (0.16, 0.03, 0.01, 0.02)[draw.style] * d
    outline = [(-d / 2, 0.28), (-d / 2, waist * 0.75), (-d / 2 + 0.15, waist * 0.88), (-d / 2 + front, waist),
               (d / 2 - 0.1, waist),
               (d / 2, waist * 0.9), (d / 2, 0.3), (d / 2 - 0.2, 0.2), (-d / 2 + 0.2, 0.2)]  # fmt: skip
    x = w / 2 * 0.94
    parts = [paint.prism(outline, -w / 2 + 0.02, w / 2 - 0.02), *_wheels(w / 2, (-d * 0.31, d * 0.3), r, 0.2)]
    low, high = (-x, -d / 2 + front, waist - 0.01), (x, d / 2 - back, h - 0.04)
    rake = 0.1 * d
    drop = (0.1, 0.08, 0.03, 0.05)[draw.style] * d
    parts.append(GLASS.taper(low, high, 0.14, rake, drop))
    parts.append(paint.cushion((-x + 0.13, low[1] + rake, h - 0.07), (x - 0.13, high[1] - drop, h), 0.8))
    for side in (-1, 1):
        parts += [
            paint.rod((side * x, y, waist), (side * (x - 0.13), y, h - 0.05), 0.035)
            for y in (low[1] + rake + 0.9, high[1] - drop - 0.1)
        ]
        parts.append(
            GLOW.box(
                (side * w * 0.36 - 0.14, -d / 2 - 0.01, waist * 0.62),
                (side * w * 0.36 + 0.14, -d / 2 + 0.05, waist * 0.75),
            )
        )
        parts.append(
            RED.box(
                (side * w * 0.38 - 0.1, d / 2 - 0.05, waist * 0.65), (side * w * 0.38 + 0.1, d / 2 + 0.01, waist * 0.85)
            )
        )
    return parts


def truck(draw: Draw) -> list[Mesh]:
    """A cab and a closed or open load, three axles."""
    w, d, h = draw.size
    cab, load = draw.plain(PAINTS), draw.one(WHITE, draw.plain(PAINTS))
    length, r = min(2.2, d * 0.3), 0.45
    y, top = -d / 2 + length, h * 0.8
    parts = [
        cab.taper((-w / 2, -d / 2, 0.5), (w / 2, y - 0.15, top), 0.05, 0.25),
        BLACK.box((-w * 0.3, -d / 2 + 0.3, 0.5), (w * 0.3, d / 2, 0.9)),
    ]
    parts.append(GLASS.taper((-w * 0.46, -d / 2 + 0.08, top * 0.6), (w * 0.46, y - 0.5, top * 0.92), 0.03, 0.14))
    parts.append(load.box((-w / 2, y, 0.9), (w / 2, d / 2, h if draw.style != 2 else 1.6)))
    if draw.style == 2:
        parts.append(load.box((-w / 2, y, 0.9), (w / 2, y + 0.1, h)))
    return [*parts, *_wheels(w / 2, (-d / 2 + length * 0.5, d * 0.25, d * 0.25 + 1.0), r, 0.28)]


def bus(draw: Draw) -> list[Mesh]:
    """A long box with windows all round."""
    w, d, h = draw.size
    paint = draw.plain(PAINTS)
    parts = [
        paint.cushion((-w / 2, -d / 2, 0.3), (w / 2, d / 2, h), 0.93),
        *_wheels(w / 2, (-d * 0.33, d * 0.28), 0.48, 0.3),
    ]
    parts += [
        GLASS.box((-w / 2 - 0.01, y, h * 0.48), (w / 2 + 0.01, y + 1.2, h * 0.84))
        for y in np.arange(-d / 2 + 0.4, d / 2 - 1.2, 1.35)
    ]
    return [*parts, GLASS.box((-w * 0.44, -d / 2 - 0.01, h * 0.4), (w * 0.44, -d / 2 + 0.1, h * 0.85))]


def person(draw: Draw) -> list[Mesh]:
    """Somebody who walks or stands, in trousers and a jacket."""
    w, d, h = draw.size
    skin, top, trousers = draw.plain(SKINS), draw.plain(CLOTH), draw.plain(CLOTH)
    hair = draw.one(BLACK, Finish((90, 60, 40)), Finish((190, 160, 110)), Finish((150, 150, 150)))
    head, shoulder, hip = h * 0.065, h * 0.82, h * 0.5
    stride = d * 0.35 if draw.style % 2 == 0 else 0.03
    parts = [
        skin.ball((head * 0.85, head, head * 1.2), (0, 0, h - head * 1.2)),
        skin.rod((0, 0, shoulder - 0.02), (0, 0, h - head * 2), head * 0.5),
    ]
    parts.append(hair.ball((head * 0.95, head * 1.05, head), (0, head * 0.25, h - head)))
    parts.append(top.cushion((-w * 0.36, -0.12, hip - 0.05), (w * 0.36, 0.12, shoulder + 0.03), 0.45))
    for side in (-1, 1):
        x, y = side * w * 0.16, side * stride
        parts += [
            trousers.rod((x, y, 0.05), (x, 0, hip + 0.03), h * 0.035, tip=h * 0.05),
            BLACK.cushion((x - 0.05, y - 0.17, 0), (x + 0.05, y + 0.09, 0.09), 0.4),
        ]
        elbow = (side * w * 0.42, -y * 0.4, h * 0.63)
        hand = (side * w * 0.43, -y * 0.9 - 0.04, h * 0.48)
        parts += [
            top.rod((side * w * 0.34, 0, shoulder - 0.03), elbow, 0.05),
            top.rod(elbow, hand, 0.04),
            skin.ball((0.04, 0.04, 0.06), hand),
        ]
    if draw.style == 3:
        parts.append(draw.plain(CLOTH).cushion((-w * 0.28, 0.08, hip + 0.1), (w * 0.28, 0.28, shoulder), 0.5))
    return parts


def bicycle(draw: Draw) -> list[Mesh]:
    """Two spoked wheels, a frame, a saddle, a handlebar and pedals."""
    w, d, h = draw.size
    paint, r = draw.plastic(), min(0.34, d * 0.2)
    front, rear, crank = (0, -d / 2 + r, r), (0, d / 2 - r, r), (0, 0.06, r * 0.85)
    seat, head = (0, 0.18, h * 0.8), (0, -d / 2 + r + 0.14, h * 0.82)
    tube = (0, 0.14, h * 0.62) if draw.style != 1 else (0, 0.08, h * 0.45)
    parts = []
    for hub in (front, rear):
        parts.append(BLACK.ring(r, 0.025, hub))
        for angle in np.pi * np.arange(6) / 6:
            reach = np.array([0, np.cos(angle), np.sin(angle)]) * (r - 0.03)
            parts.append(STEEL.rod((hub - reach).tolist(), (hub + reach).tolist(), 0.004, sides=4))
    parts += [
        paint.rod(start, end, 0.018)
        for start, end in ((rear, crank), (rear, tube), (crank, seat), (tube, head), (crank, head), (head, front))
    ]
    bar = (0, head[1] + 0.03, h - 0.03)
    parts += [
        paint.rod(head, bar, 0.015),
        *STEEL.path([(-w / 2, bar[1] + 0.12, h - 0.01), (0, *bar[1:]), (w / 2, bar[1] + 0.12, h - 0.01)], 0.014),
    ]
    parts += [
        BLACK.cushion((-0.08, seat[1] - 0.14, seat[2]), (0.08, seat[1] + 0.12, seat[2] + 0.07), 0.3),
        STEEL.wheel(0.09, 0.01, crank),
    ]
    if draw.style == 2:
        parts += STEEL.path(
            [
                (-0.06, 0.25, h * 0.66),
                (-0.06, d / 2 - 0.05, h * 0.66),
                (0.06, d / 2 - 0.05, h * 0.66),
                (0.06, 0.25, h * 0.66),
            ],
            0.01,
        )
    return [*parts, STEEL.rod((-0.14, 0.06, r * 0.5), (0.14, 0.06, r * 1.2), 0.01)]


def motorcycle(draw: Draw) -> list[Mesh]:
    """Two wheels, engine, tank, seat, fork and handlebar; some have a windscreen."""
    w, d, h = draw.size
    paint, r = draw.plain(PAINTS), min(0.32, d * 0.16)
    front, rear = -d / 2 + r, d / 2 - r
    parts = [BLACK.wheel(r, 0.13, (0, y, r)) for y in (front, rear)] + [
        STEEL.wheel(r * 0.6, 0.15, (0, y, r)) for y in (front, rear)
    ]
    parts += [
        STEEL.cushion((-0.16, -0.3, 0.22), (0.16, 0.25, 0.6), 0.6),
        paint.cushion((-0.16, -0.4, 0.55), (0.16, 0.1, 0.92), 0.4),
    ]
    parts += [
        BLACK.cushion((-0.15, 0.05, 0.62), (0.15, rear + 0.1, 0.82), 0.5),
        paint.cushion((-0.1, rear - 0.25, 0.5), (0.1, d / 2 - 0.05, 0.72), 0.4),
    ]
    parts += [STEEL.rod((x, front, r), (x, front + 0.3, h * 0.88), 0.025) for x in (-0.09, 0.09)]
    parts += [
        GLOW.ball((0.09, 0.06, 0.09), (0, front + 0.18, h * 0.78)),
        *BLACK.path(
            [(-w / 2, front + 0.45, h - 0.08), (0, front + 0.3, h - 0.1), (w / 2, front + 0.45, h - 0.08)], 0.018
        ),
    ]
    if draw.style % 2:
        parts.append(paint.taper((-0.2, front + 0.1, h * 0.55), (0.2, front + 0.35, h), 0.08, 0.2))
    return [
        *parts,
        STEEL.rod((0.16, 0.1, 0.28), (0.2, rear + 0.1, 0.36), 0.05),
        BLACK.rod((0, front + 0.35, h * 0.8), (0, front + 0.4, h), 0.02),
    ]


def cone(draw: Draw) -> list[Mesh]:
    """An orange cone with white bands."""
    w, _, h = draw.size
    orange, r = Finish((232, 90 + draw.count(-20, 20), 30)), w * 0.38

    def at(share: float) -> float:
        return r * (1 - share * 0.85)

    bands = (0.35, 0.55, 0.7) if draw.style % 2 else (0.45, 0.7)
    parts = [orange.box((-w / 2, -w / 2, 0), (w / 2, w / 2, 0.03)), orange.lathe([(r, 0.03), (r * 0.15, h), (0, h)])]
    parts += [
        WHITE.lathe([(at(low) + 0.004, low * h), (at(low + 0.12) + 0.004, (low + 0.12) * h)])
        for low in bands[:: 2 if draw.style == 2 else 1]
    ]
    return parts


def wheelie_bin(draw: Draw) -> list[Mesh]:
    """A bin with a lid, a grip and two wheels."""
    w, d, h = draw.size
    body, lid = draw.one(Finish((50, 54, 58)), draw.plastic()), draw.plastic()
    parts = [body.taper((-w * 0.4, -d * 0.3, 0.06), (w * 0.4, d * 0.36, h * 0.9), -w * 0.08, -d * 0.12, -d * 0.06)]
    parts.append(lid.cushion((-w / 2, -d / 2, h * 0.88), (w / 2, d / 2, h), 0.8))
    return [
        *parts,
        *_wheels(w * 0.46, (d * 0.3,), 0.1, 0.05),
        body.box((-w * 0.4, d * 0.4, h * 0.85), (w * 0.4, d / 2, h * 0.89)),
    ]


PIECES = {
    "car": (car, ((1.78, 4.6, 1.45), (1.7, 3.95, 1.48), (1.9, 4.8, 1.95), (1.8, 4.65, 1.5),
                  (1.82, 4.85, 1.43), (1.75, 4.2, 1.46), (1.85, 4.4, 1.68), (1.78, 4.5, 1.52))),
    "truck": (truck, ((2.4, 7.0, 3.2), (2.5, 9.0, 3.6), (2.3, 6.2, 2.6), (2.5, 8.0, 3.4))),
    "bus": (bus, ((2.5, 11.5, 3.1), (2.4, 9.0, 3.0), (2.55, 12.5, 3.2), (2.3, 7.5, 2.9))),
    "person": (person, ((0.5, 0.6, 1.75), (0.48, 0.3, 1.68), (0.52, 0.65, 1.82), (0.5, 0.42, 1.72),
                        (0.46, 0.55, 1.6), (0.52, 0.32, 1.85), (0.48, 0.58, 1.7), (0.5, 0.4, 1.78))),
    "bicycle": (bicycle, ((0.58, 1.75, 1.05), (0.6, 1.72, 1.08), (0.62, 1.8, 1.1), (0.56, 1.68, 1.0))),
    "motorcycle": (motorcycle, ((0.8, 2.1, 1.15), (0.78, 2.05, 1.2), (0.85, 2.2, 1.12), (0.75, 2.0, 1.25))),
    "traffic cone": (cone, ((0.36, 0.36, 0.7), (0.4, 0.4, 0.75), (0.28, 0.28, 0.5), (0.38, 0.38, 0.9))),
    "wheelie bin": (wheelie_bin, ((0.56, 0.66, 1.06), (0.48, 0.54, 0.94), (0.58, 0.72, 1.1), (0.6, 0.8, 1.08))),
}  # fmt: skip
