"""Built-in seats, tables, beds and storage."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from scanwise.synth.drawing import BLACK, STEEL, Draw, Finish, four_legs
from scanwise.synth.mesh import Mesh


def chair(draw: Draw) -> list[Mesh]:
    """Legs, seat and back: slats, a panel, an upholstered back, rungs."""
    w, d, h = draw.size
    frame, cloth = draw.wood(), draw.cloth()
    seat, thick = draw.between(0.43, 0.48), draw.between(0.03, 0.05)
    parts = four_legs(frame, (w / 2 - thick, d / 2 - thick), seat, thick, round_=draw.style == 2)
    if draw.style == 2 or draw.chance(0.3):
        parts.append(cloth.cushion((-w / 2, -d / 2, seat - 0.01), (w / 2, d / 2, seat + 0.06), 0.7))
    else:
        parts.append(frame.box((-w / 2, -d / 2, seat - 0.015), (w / 2, d / 2, seat + 0.02), "y"))
    back = d / 2 - thick
    parts += [frame.box((x, back, seat), (x + thick, d / 2, h)) for x in (-w / 2, w / 2 - thick)]
    if draw.style == 0:
        parts.append(frame.box((-w / 2, back, h - 0.08), (w / 2, d / 2, h), "x"))
        parts += [
            frame.box((x - 0.012, back, seat), (x + 0.012, d / 2 - 0.01, h - 0.05))
            for x in np.linspace(-w / 2, w / 2, draw.count(4, 7))[1:-1]
        ]
    elif draw.style == 3:
        parts += [
            frame.box((-w / 2, back, z), (w / 2, d / 2 - 0.005, z + 0.06), "x")
            for z in np.linspace(seat + 0.15, h - 0.07, draw.count(2, 4))
        ]
    else:
        finish = cloth if draw.style == 2 else frame
        parts.append(finish.cushion((-w / 2, back - 0.02, seat + 0.12), (w / 2, d / 2, h), 0.8))
    return parts


def office_chair(draw: Draw) -> list[Mesh]:
    """A star of five feet with castors, a column, seat, back and arms."""
    w, d, h = draw.size
    cloth, frame = draw.cloth(), draw.one(BLACK, STEEL, draw.plastic())
    seat = draw.between(0.43, 0.5)
    parts = [frame.disc(0.03, 0.09, seat)]
    for angle in 2 * np.pi * np.arange(5) / 5 + np.pi / 2:
        foot = (w * 0.48 * np.cos(angle), d * 0.48 * np.sin(angle))
        parts += [
            frame.rod((0, 0, 0.11), (*foot, 0.07), 0.03, tip=0.018),
            BLACK.ball((0.03, 0.03, 0.03), (*foot, 0.03)),
        ]
    parts.append(cloth.cushion((-w * 0.4, -d * 0.42, seat), (w * 0.4, d * 0.38, seat + 0.08), 0.7))
    low = seat + (0.12 if draw.style else 0.2)
    parts.append(cloth.cushion((-w * 0.36, d * 0.32, low), (w * 0.36, d * 0.44, h), 0.65 if draw.style else 0.8))
    parts.append(frame.box((-0.04, d * 0.4, seat), (0.04, d * 0.45, low + 0.15)))
    if draw.style != 1:
        for x in (-w * 0.44, w * 0.44):
            parts.append(frame.box((x - 0.025, -d * 0.15, seat + 0.2), (x + 0.025, d * 0.25, seat + 0.23)))
            parts.append(frame.rod((x, 0.05, seat + 0.02), (x, 0.05, seat + 0.2), 0.015))
    return parts


def stool(draw: Draw) -> list[Mesh]:
    """A round or square seat on legs, or on a column."""
    w, d, h = draw.size
    frame, top = draw.wood(), draw.one(draw.wood(), draw.cloth())
    if draw.style == 3:
        return [frame.disc(w / 2, 0, 0.03), STEEL.disc(0.03, 0.03, h - 0.05), top.disc(w * 0.42, h - 0.06, h)]
    parts = four_legs(frame, (w * 0.32, d * 0.32), h - 0.03, 0.05, splay=0.12 * w if draw.style else 0.0)
    parts.append(
        top.disc(w * 0.5, h - 0.04, h) if draw.style else top.box((-w / 2, -d / 2, h - 0.04), (w / 2, d / 2, h))
    )
    parts += [frame.rod((-w * 0.36, y, h * 0.35), (w * 0.36, y, h * 0.35), 0.012) for y in (-d * 0.34, d * 0.34)]
    return parts


def sofa(draw: Draw) -> list[Mesh]:
    """Base, seat cushions, back and arms; an armchair is a narrow one."""
    w, d, h = draw.size
    cloth, foot = draw.cloth(), draw.wood()
    seats = max(1, round((w - 0.3) / draw.between(0.6, 0.75)))
    arm = draw.between(0.1, 0.2) if draw.style != 1 else 0.08
    seat, square = draw.between(0.38, 0.45), (0.8, 0.9, 0.6, 0.7)[draw.style]
    parts = four_legs(foot, (w / 2 - 0.08, d / 2 - 0.08), 0.1, 0.05)
    parts.append(cloth.box((-w / 2 + 0.02, -d / 2 + 0.03, 0.08), (w / 2 - 0.02, d / 2 - 0.02, seat - 0.12)))
    parts.append(cloth.cushion((-w / 2, d / 2 - 0.22, 0.1), (w / 2, d / 2, h), square))
    high = seat + draw.between(0.1, 0.22)
    parts += [
        cloth.cushion((low, -d / 2, 0.08), (end, d / 2, high), square)
        for low, end in ((-w / 2, -w / 2 + arm), (w / 2 - arm, w / 2))
    ]
    edges = np.linspace(-w / 2 + arm, w / 2 - arm, seats + 1)
    for left, right in itertools.pairwise(edges):
        parts.append(cloth.cushion((left, -d / 2, seat - 0.14), (right, d / 2 - 0.15, seat + 0.03), 0.8))
        parts.append(cloth.cushion((left, d / 2 - 0.36, seat), (right, d / 2 - 0.14, h - 0.02), square))
    if draw.chance(0.4):
        accent = draw.cloth()
        parts.append(accent.cushion((edges[0], d / 2 - 0.5, seat), (edges[0] + 0.38, d / 2 - 0.34, seat + 0.36), 0.5))
    return parts


def bed(draw: Draw) -> list[Mesh]:
    """Frame, mattress, blanket, pillows and a headboard at the back."""
    w, d, h = draw.size
    frame, sheet, blanket = draw.wood(), Finish((238, 236, 230)), draw.cloth()
    base, top = draw.between(0.22, 0.32), draw.between(0.42, 0.52)
    parts = four_legs(frame, (w / 2 - 0.05, d / 2 - 0.05), base, 0.07)
    parts.append(frame.box((-w / 2, -d / 2, base - 0.12), (w / 2, d / 2 - 0.01, base + 0.02), "y"))
    board = draw.cloth() if draw.style == 2 else frame
    if draw.style == 3:
        parts += [frame.box((x, d / 2 - 0.04, 0.1), (x + 0.03, d / 2, h)) for x in np.linspace(-w / 2, w / 2 - 0.03, 9)]
        parts.append(frame.box((-w / 2, d / 2 - 0.045, h - 0.06), (w / 2, d / 2, h), "x"))
    else:
        parts.append(board.box((-w / 2, d / 2 - 0.05, 0.05), (w / 2, d / 2, h), "x"))
    parts.append(sheet.cushion((-w / 2 + 0.02, -d / 2 + 0.02, base), (w / 2 - 0.02, d / 2 - 0.05, top), 0.9))
    fold = d / 2 - draw.between(0.55, 0.9)
    parts.append(blanket.cushion((-w / 2 - 0.01, -d / 2, base + 0.04), (w / 2 + 0.01, fold, top + 0.03), 0.85, "y"))
    count = 1 if w < 1.2 else 2
    edges = np.linspace(-w / 2 + 0.08, w / 2 - 0.08, count + 1)
    pillow = draw.one(sheet, draw.cloth())
    parts += [
        pillow.cushion((left + 0.03, d / 2 - 0.48, top), (right - 0.03, d / 2 - 0.08, top + 0.13), 0.5)
        for left, right in itertools.pairwise(edges)
    ]
    return parts


def table(draw: Draw) -> list[Mesh]:
    """A top on four legs, on slanted ones, on a column (round), or on two side panels."""
    w, d, h = draw.size
    top = draw.wood()
    legs = draw.one(top, draw.metal())
    thick = draw.between(0.025, 0.045)
    if draw.style == 2:
        ring = top.on(
            Finish(top.color).vessel(
                (w / 2, d / 2),
                [(min(w, d) / 2, h - thick), (0, h - thick), (0, h - thick), (0, h), (0, h), (min(w, d) / 2, h)],
                0.0,
            )
        )
        return [ring, legs.disc(0.05, 0.03, h - thick), legs.lathe([(0, 0), (w * 0.3, 0), (w * 0.28, 0.03), (0, 0.05)])]
    parts = [top.box((-w / 2, -d / 2, h - thick), (w / 2, d / 2, h), draw.one("x", "y"))]
    if draw.style == 3:
        parts += [
            top.box((x, -d / 2 + 0.04, 0), (x + 0.04, d / 2 - 0.04, h - thick)) for x in (-w / 2 + 0.05, w / 2 - 0.09)
        ]
        parts.append(top.box((-w / 2 + 0.05, -0.015, h * 0.4), (w / 2 - 0.05, 0.015, h * 0.6), "x"))
        return parts
    leg = draw.between(0.045, 0.08)
    parts += four_legs(
        legs, (w / 2 - leg - 0.03, d / 2 - leg - 0.03), h - thick, leg, splay=0.05 if draw.style else 0.0
    )
    parts.append(legs.box((-w / 2 + 0.1, -d / 2 + 0.1, h - thick - 0.07), (w / 2 - 0.1, d / 2 - 0.1, h - thick), "x"))
    return parts


def desk(draw: Draw) -> list[Mesh]:
    """A top with legs or panels, and in most styles drawers under one end or both."""
    w, d, h = draw.size
    wood = draw.wood()
    parts = [wood.box((-w / 2, -d / 2, h - 0.03), (w / 2, d / 2, h), "x")]
    block = min(0.42, w * 0.32)
    sides = {0: (1,), 1: (-1, 1), 2: (), 3: (-1,)}[draw.style]
    for side in (-1, 1):
        if side in sides:
            left = side * (w / 2 - block / 2 - 0.01) - block / 2
            parts += _drawers(draw, wood, wood, (left, 0.05), (left + block, h - 0.03), d, draw.count(2, 4))
        else:
            x = side * (w / 2 - 0.03)
            parts.append(wood.box((x - 0.02, -d / 2 + 0.03, 0), (x + 0.02, d / 2 - 0.03, h - 0.03)))
    parts.append(wood.box((-w / 2 + 0.04, d / 2 - 0.05, h * 0.45), (w / 2 - 0.04, d / 2 - 0.03, h - 0.03), "x"))
    return parts


def _handle(finish: Finish, x: float, y: float, z: float, *, upright: bool) -> Mesh:
    long, wide = (0.012, 0.06) if upright else (0.06, 0.008)
    return finish.box((x - long, y, z - wide), (x + long, y + 0.022, z + wide))


def _drawers(draw: Draw, body: Finish, front: Finish, low: Sequence[float], high: Sequence[float], depth: float,
             count: int) -> list[Mesh]:  # fmt: skip
    """A block with drawers between (x, z) corners; its back is at depth / 2."""
    (left, bottom), (right, top) = low, high
    y = -depth / 2
    parts = [body.box((left, y + 0.04, bottom), (right, depth / 2, top))]
    edges = np.linspace(bottom, top, count + 1)
    metal = draw.metal()
    for z0, z1 in itertools.pairwise(edges):
        parts.append(front.box((left + 0.006, y + 0.022, z0 + 0.006), (right - 0.006, y + 0.042, z1 - 0.006), "x"))
        parts.append(_handle(metal, (left + right) / 2, y, (z0 + z1) / 2, upright=False))
    return parts


def storage(draw: Draw, cells: Sequence[str], *, body: Finish, front: Finish, base: float = 0.08,
            legs: bool = False, lid: bool = True) -> list[Mesh]:  # fmt: skip
    """Columns side by side, with doors, drawers or shelves that things can stand on.

    Args:
        draw: the choices of the piece.
        cells: of each column, "door", "drawers" or "open".
        body: of its sides.
        front: of its doors and drawers.
        base: metres from the floor to its bottom.
        legs: it stands on legs, not on a plinth.
        lid: it has a top.
    """
    w, d, h = draw.size
    t, y = 0.02, -d / 2 + 0.04
    metal = draw.metal()
    parts = four_legs(body, (w / 2 - 0.04, d / 2 - 0.06), base, 0.04) if legs else []
    if not legs and base:
        parts.append(body.box((-w / 2 + 0.02, y + 0.05, 0), (w / 2 - 0.02, d / 2, base)))
    parts += [body.box((-w / 2, y, z), (w / 2, d / 2, z + t), "x") for z in ((base, h - t) if lid else (base,))]
    parts.append(body.box((-w / 2, d / 2 - 0.012, base), (w / 2, d / 2, h)))
    edges = np.linspace(-w / 2, w / 2, len(cells) + 1)
    for x in edges:
        inner = float(np.clip(x - t / 2, -w / 2, w / 2 - t))
        parts.append(body.box((inner, y, base), (inner + t, d / 2, h)))
    for number, (cell, left, right) in enumerate(zip(cells, edges, edges[1:], strict=False)):
        if cell == "open":
            shelves = max(0, round((h - base) / draw.between(0.3, 0.4)) - 1)
            parts += [
                body.box((left, y, z), (right, d / 2, z + t), "x") for z in np.linspace(base, h - t, shelves + 2)[1:-1]
            ]
        elif cell == "door":
            parts.append(front.box((left + 0.003, y - 0.02, base + 0.003), (right - 0.003, y, h - 0.003)))
            side = right - 0.05 if number % 2 == 0 else left + 0.05
            parts.append(_handle(metal, side, -d / 2, min(base + (h - base) * 0.6, 1.05), upright=True))
        else:
            count = max(2, round((h - base) / draw.between(0.18, 0.28)))
            levels = np.linspace(base, h, count + 1)
            for z0, z1 in itertools.pairwise(levels):
                parts.append(front.box((left + 0.004, y - 0.02, z0 + 0.004), (right - 0.004, y, z1 - 0.004), "x"))
                parts.append(_handle(metal, (left + right) / 2, -d / 2, (z0 + z1) / 2, upright=False))
    return parts


def bookshelf(draw: Draw) -> list[Mesh]:
    """Columns of open shelves."""
    columns = max(1, round(draw.size[0] / 0.8))
    body = draw.wood()
    return storage(draw, ["open"] * columns, body=body, front=body, base=(0.06, 0.0, 0.1, 0.04)[draw.style])


def cabinet(draw: Draw) -> list[Mesh]:
    """Columns of doors, some with drawers or a shelf among them."""
    body = draw.wood()
    columns = max(2, round(draw.size[0] / 0.45))
    cells = ["door"] * columns
    if draw.style == 1:
        cells[0] = "drawers"
    elif draw.style == 3:
        cells[columns // 2] = "open"
    return storage(draw, cells, body=body, front=draw.one(body, draw.wood()), legs=draw.style in (1, 3), base=0.1)


def chest(draw: Draw) -> list[Mesh]:
    """One or two columns of drawers."""
    body = draw.wood()
    cells = ["drawers"] * (2 if draw.size[0] > 0.95 else 1)
    return storage(draw, cells, body=body, front=draw.one(body, draw.wood()), legs=draw.style == 3)


def wardrobe(draw: Draw) -> list[Mesh]:
    """Tall doors side by side."""
    body = draw.wood()
    return storage(draw, ["door"] * max(2, round(draw.size[0] / 0.5)), body=body, front=draw.one(body, draw.wood()))


def nightstand(draw: Draw) -> list[Mesh]:
    """One small column."""
    body = draw.wood()
    return storage(draw, [("drawers", "door", "open", "drawers")[draw.style]], body=body, front=body,
                   legs=draw.style > 1, base=0.12)  # fmt: skip


def tv_stand(draw: Draw) -> list[Mesh]:
    """Low columns side by side."""
    body = draw.wood()
    cells = (["drawers", "open", "drawers"], ["door", "open", "door"], ["open", "open"], ["door", "drawers", "open"])
    return storage(
        draw, cells[draw.style], body=body, front=draw.one(body, draw.wood()), legs=draw.style == 3, base=0.1
    )


def wall_shelf(draw: Draw) -> list[Mesh]:
    """Boards on brackets."""
    w, d, h = draw.size
    wood, metal = draw.wood(), draw.metal()
    boards = 1 if h < 0.3 else max(2, round(h / 0.3))
    heights = np.linspace(h, 0.1, boards)
    parts = [wood.box((-w / 2, -d / 2, z - 0.022), (w / 2, d / 2, z), "x") for z in heights]
    for x in (-w * 0.35, w * 0.35):
        parts.append(metal.box((x - 0.01, d / 2 - 0.015, 0), (x + 0.01, d / 2, h - 0.01)))
        parts.append(metal.rod((x, d / 2 - 0.01, 0.01), (x, -d * 0.3, heights[-1] - 0.025), 0.008))
    return parts


PIECES = {
    "chair": (chair, ((0.45, 0.5, 0.86), (0.42, 0.48, 0.92), (0.48, 0.54, 0.84), (0.44, 0.5, 0.98))),
    "office chair": (office_chair, ((0.62, 0.62, 0.98), (0.6, 0.6, 0.88), (0.66, 0.66, 1.12), (0.64, 0.64, 1.05))),
    "armchair": (sofa, ((0.85, 0.85, 0.8), (0.75, 0.8, 0.78), (0.95, 0.9, 0.95), (0.8, 0.82, 0.9))),
    "stool": (stool, ((0.36, 0.3, 0.45), (0.35, 0.35, 0.46), (0.38, 0.38, 0.5), (0.36, 0.36, 0.48))),
    "bar stool": (stool, ((0.38, 0.36, 0.75), (0.38, 0.38, 0.7), (0.4, 0.4, 0.8), (0.4, 0.4, 0.78))),
    "sofa": (sofa, ((2.0, 0.9, 0.85), (1.6, 0.82, 0.78), (2.3, 0.98, 0.9), (1.8, 0.86, 0.82))),
    "bed": (bed, ((1.0, 2.1, 0.95), (1.5, 2.1, 0.9), (1.7, 2.15, 1.1), (0.95, 2.05, 0.85))),
    "table": (table, ((1.4, 0.85, 0.75), (1.7, 0.9, 0.74), (1.1, 1.1, 0.75), (2.0, 0.95, 0.76))),
    "coffee table": (table, ((1.1, 0.6, 0.42), (0.9, 0.55, 0.45), (0.8, 0.8, 0.4), (1.2, 0.65, 0.38))),
    "desk": (desk, ((1.3, 0.65, 0.74), (1.6, 0.75, 0.75), (1.2, 0.6, 0.73), (1.4, 0.7, 0.76))),
    "bookshelf": (bookshelf, ((0.8, 0.3, 2.0), (1.6, 0.32, 1.8), (0.6, 0.28, 1.3), (1.2, 0.35, 2.1))),
    "cabinet": (cabinet, ((0.9, 0.42, 0.85), (1.5, 0.45, 0.8), (0.8, 0.4, 1.2), (1.3, 0.42, 1.0))),
    "chest of drawers": (chest, ((0.8, 0.45, 0.8), (1.2, 0.48, 0.78), (0.6, 0.42, 1.1), (0.9, 0.45, 0.95))),
    "filing cabinet": (chest, ((0.42, 0.6, 0.7), (0.42, 0.6, 1.0), (0.45, 0.62, 1.32), (0.4, 0.55, 0.62))),
    "wardrobe": (wardrobe, ((1.0, 0.58, 2.0), (1.5, 0.6, 2.1), (2.0, 0.62, 2.2), (1.2, 0.55, 1.9))),
    "nightstand": (nightstand, ((0.45, 0.4, 0.5), (0.4, 0.38, 0.55), (0.5, 0.4, 0.48), (0.42, 0.36, 0.6))),
    "TV stand": (tv_stand, ((1.4, 0.4, 0.48), (1.7, 0.42, 0.5), (1.1, 0.4, 0.42), (1.5, 0.45, 0.55))),
    "wall shelf": (wall_shelf, ((0.8, 0.22, 0.2), (1.0, 0.24, 0.6), (0.6, 0.2, 0.18), (0.9, 0.25, 0.8))),
}
