"""What stands in a room of each kind, in arrangements that make sense."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from scanwise.synth.classes import NAMES
from scanwise.synth.clutter import about_the_floor, on_furniture
from scanwise.synth.kitchen import kitchen_run
from scanwise.synth.placing import Footprint, Room, Thing, turned_to
from scanwise.synth.world import Model


def furnish(room: Room) -> None:
    """Fills a room of its kind: furniture first, then what hangs, what lies on it, and what stands about."""
    FURNITURE[room.kind](room)
    under_windows(room)
    on_walls(room)
    on_furniture(room)
    about_the_floor(room)
    overhead(room)


# Furniture


def living_room(room: Room) -> None:
    """A sofa with what belongs to it, perhaps a table to dine at, shelves and cabinets."""
    sofa = room.at_wall("corner sofa" if room.chance(0.25) else "sofa", "sofa", front=1.0, tries=40)
    if sofa is not None:
        seating(room, sofa)
    if room.chance(0.7):
        dining(room, chairs=int(room.generator.integers(2, 7)))
    for _ in range(int(room.generator.integers(1, 4))):
        room.at_wall(*_one_of(room, "bookshelf", "cabinet", "bookshelf", "wall unit", "chest of drawers"), front=0.4)
    for share, name in ((0.5, "floor lamp"), (0.12, "piano"), (0.15, "fireplace"), (0.15, "fish tank")):
        if room.chance(share) and "floor" in NAMES[name].support:
            room.at_wall(name, front=0.2, corner=name == "floor lamp")
    if room.chance(0.3):
        room.somewhere(*_one_of(room, "bean bag", "lounge chair", "stool", "armchair"))


def seating(room: Room, sofa: Thing) -> None:
    """A coffee table before the sofa, armchairs about it, a rug under it, and a television across."""
    if room.chance(0.5):
        rug_before(room, sofa)
    low_table = room.model("coffee table", "table", largest=(1.6, 1.1, 0.6))
    table = room.before(sofa, low_table, room.generator.uniform(0.3, 0.5))
    television(room, sofa)
    if table is not None:
        for side in (-1, 1):
            if room.chance(0.5):
                at_side(room, table, room.model("armchair", "chair", largest=(1.1, 1.1, 1.3)), side, 0.3)
    if room.chance(0.35):
        room.beside(sofa, room.model("nightstand", "stool", largest=(0.6, 0.6, 0.7)), 1 if room.chance(0.5) else -1)


def at_side(room: Room, table: Thing, chair: Model | None, side: int, gap: float) -> Thing | None:
    """A chair at an end of a table, facing it.

    Args:
        room: to put it into.
        table: that it belongs to.
        chair: its model; None = no chair.
        side: right (1) or left (-1).
        gap: metres between the two.
    """
    if chair is None:
        return None
    right, _ = table.foot.axes
    center = table.foot.center + right * side * (table.foot.half[0] + gap + chair.size[1] / 2)
    angle = turned_to(-side * right) + room.generator.normal(0, 0.15)
    if room.free(room.footprint(chair.size, center[0], center[1], angle)):
        return room.add(chair, center[0], center[1], angle)
    return None


def rug_before(room: Room, anchor: Thing) -> None:
    """A rug under what will stand before a thing; furniture may stand on it."""
    model = room.model("rug", largest=(3.2, 2.6, 0.1))
    if model is None:
        return
    _, back = anchor.foot.axes
    center = anchor.foot.center - back * (anchor.foot.half[1] + model.size[1] / 2 - 0.2)
    if room.free(room.footprint(model.size, center[0], center[1], anchor.foot.angle), but=[anchor], gap=0.0):
        rug = room.add(model, center[0], center[1], anchor.foot.angle)
        lie_flat(room, rug)


def lie_flat(room: Room, thing: Thing) -> None:
    """Lets furniture stand on a flat thing."""
    room.things[thing.instance].foot = room.footprint(
        (0.02, 0.02, 0.0), thing.foot.center[0], thing.foot.center[1], 0.0, -1.0
    )


def television(room: Room, sofa: Thing) -> None:
    """A television across from a sofa: on a stand, or on the wall."""
    _, back = sofa.foot.axes
    across = [place for place, wall in enumerate(room.walls) if wall.inward @ back > 0.9]
    if not across:
        return
    if room.chance(0.3):
        room.hang("wall-mounted television", wall=across[int(room.generator.integers(len(across)))])
        return
    stand = room.at_wall(*_one_of(room, "TV stand", "TV stand", "cabinet", "chest of drawers"), walls=across, front=0.4,
                         largest=(2.2, 0.7, 1.1))  # fmt: skip
    if stand is not None:
        room.put_on(stand, "television", level=-1, facing=True)


def dining(room: Room, chairs: int) -> None:
    """A table with chairs along its sides, somewhere on the floor."""
    table = room.somewhere("table", largest=(2.4, 1.6, 0.9), gap=0.45, tries=30)
    if table is None:
        return
    around(room, table, room.model("chair", largest=(0.7, 0.75, 1.3)), chairs)


def around(room: Room, table: Thing, chair: Model | None, count: int) -> None:
    """Chairs of one model at the sides of a table, pushed in a little, some pulled out or turned."""
    if chair is None:
        return
    sides = [np.array(side) for side in ((0, -1), (0, 1), (-1, 0), (1, 0))]
    seats = []
    for side in sides:
        along = table.foot.half[1 if side[0] else 0]
        number = max(1, int(2 * along / 0.65))
        seats += [(side, (place + 0.5) / number * 2 * along - along) for place in range(number)]
    for pick in room.generator.permutation(len(seats))[:count]:
        side, shift = seats[pick]
        outward, sideways = side @ table.foot.axes, np.array([-side[1], side[0]]) @ table.foot.axes
        reach = table.foot.half[0 if side[0] else 1] + chair.size[1] / 2 + room.generator.uniform(-0.22, 0.2)
        center = table.foot.center + outward * reach + sideways * shift
        angle = turned_to(-outward) + room.generator.normal(0, 0.2)
        foot = room.footprint(chair.size, center[0], center[1], angle)
        if room.free(foot, but=[table]) and not seat_hits(table, foot, chair.size):
            room.add(chair, center[0], center[1], angle)


def seat_hits(table: Thing, foot: Footprint, size: Sequence[float]) -> bool:
    """Whether a chair's back, the rear third of it, would be inside the table."""
    depth = size[1]
    rear = foot.center + foot.axes[1] * depth / 3
    local = np.abs(table.foot.axes @ (rear - table.foot.center))
    return bool((local < table.foot.half + np.array([size[0] / 2, depth / 6])).all())


def bedroom(room: Room) -> None:
    """A bed with nightstands, a wardrobe, perhaps a desk."""
    name = _one_of(room, "bed", "bed", "bed", "bed", "children's bed", "bunk bed", "day bed", "loft bed")
    bed = room.at_wall(*name, "bed", front=0.5, tries=60)
    if bed is not None:
        if room.chance(0.35):
            rug_before(room, bed)
        stand = room.model("nightstand", largest=(0.7, 0.6, 0.8))
        for side in (-1, 1):
            table = room.beside(bed, stand, side) if room.chance(0.75) else None
            if table is not None and room.chance(0.7):
                room.put_on(table, "table lamp", level=-1)
        for _ in range(int(room.generator.integers(0, 4))):
            room.put_on(bed, "pillow", level=-1)
    room.at_wall("wardrobe", largest=(2.4, 0.8, room.height - 0.1), front=0.6, tries=30)
    if room.chance(0.6):
        workplace(room)
    _some(room.at_wall, room, (
        ("chest of drawers", 0.5), ("dressing table", 0.2), ("bookshelf", 0.4), ("armchair", 0.25), ("crib", 0.08),
        ("clothes rack", 0.15), ("floor lamp", 0.2), ("trunk", 0.1),
    ), front=0.4)  # fmt: skip


def workplace(room: Room) -> None:
    """A desk at a wall with a chair at it and a screen on it."""
    desk = room.at_wall("desk", largest=(2.0, 1.0, 1.2), front=0.75, tries=30)
    if desk is not None:
        equip(room, desk)


def equip(room: Room, desk: Thing) -> None:
    """A chair before a desk, and what one works with on it."""
    chair = room.model(*_one_of(room, "office chair", "office chair", "chair"), "chair", largest=(0.75, 0.75, 1.3))
    if chair is not None:
        for _ in range(3):
            pulled = room.generator.uniform(-0.25, 0.25)
            if room.before(desk, chair, pulled, aside=room.generator.uniform(-0.2, 0.2), but=[desk]) is not None:
                break
    room.put_on(desk, *_one_of(room, "monitor", "monitor", "laptop"), "laptop", facing=True)
    if room.chance(0.5):
        room.put_on(desk, "desk lamp", "table lamp")


def kitchen(room: Room) -> None:
    """A run of cabinets and appliances, perhaps an island or a table."""
    kitchen_run(room)
    if room.chance(0.3):
        room.somewhere("kitchen island", gap=0.8, tries=10)
    if room.chance(0.75):
        dining(room, chairs=int(room.generator.integers(2, 5)))
    _some(room.at_wall, room, (
        ("refrigerator", 0.4), ("cabinet", 0.25), ("trash can", 0.5), ("high chair", 0.08),
    ), front=0.4)  # fmt: skip


def bathroom(room: Room) -> None:
    """A tub or a shower, a toilet, a basin, and what hangs beside them."""
    tub = None
    if room.chance(0.6):
        tub = room.at_wall("bathtub", largest=(1.9, 1.0, 1.2), front=0.4, corner=True, tries=30)
    if tub is None:
        room.at_wall("shower cabin", front=0.5, corner=True, tries=30)
    elif room.chance(0.7):
        shower_curtain(room, tub)
    room.at_wall("toilet", front=0.4, tries=40)
    basin = _one_of(room, "washbasin", "bathroom vanity", "bathroom vanity")
    if room.at_wall(*basin, "washbasin", front=0.5, tries=40) is None:
        room.hang("wall-mounted washbasin")
    _some(room.at_wall, room, (
        ("washing machine", 0.4), ("bidet", 0.15), ("laundry basket", 0.35), ("trash can", 0.5), ("cabinet", 0.2),
        ("tumble dryer", 0.1), ("toilet brush", 0.5), ("stool", 0.2),
    ), front=0.2)  # fmt: skip
    _some(room.hang, room, (
        ("towel rack", 0.5), ("toilet paper holder", 0.7), ("towel", 0.7), ("towel radiator", 0.4),
        ("water heater", 0.25),
    ))  # fmt: skip
    if room.chance(0.5):
        mat = room.somewhere("bath mat", "rug", largest=(1.0, 0.8, 0.1))
        if mat is not None:
            lie_flat(room, mat)


def shower_curtain(room: Room, tub: Thing) -> None:
    """A curtain along the front edge of a bathtub, drawn to one end."""
    model = room.model("shower curtain", largest=(2.0, 0.4, room.height - 0.05))
    if model is None:
        return
    right, back = tub.foot.axes
    end = (1 if room.chance(0.5) else -1) * max(0.0, tub.foot.half[0] - model.size[0] / 2)
    center = tub.foot.center - back * (tub.foot.half[1] - model.size[1] / 2) + right * end
    top = min(room.height - 0.1, 2.05)
    room.add(model, center[0], center[1], tub.foot.angle, z=max(top - model.size[2], 0.05))


def office(room: Room) -> None:
    """Desks with chairs and screens, a table to meet at, shelves and cabinets."""
    area = float(np.prod(np.ptp(room.plan, axis=0)))
    desk = room.model("desk", largest=(1.9, 1.0, 1.2))
    for _ in range(int(np.clip(area / 6, 1, 6))):
        if room.chance(0.5) or desk is None:
            workplace(room)
            continue
        placed = room.somewhere(desk.name, largest=desk.size, gap=0.5)
        if placed is not None:
            equip(room, placed)
    if area > 18 and room.chance(0.6):
        dining(room, chairs=int(room.generator.integers(4, 9)))
    _some(room.at_wall, room, (
        ("bookshelf", 0.8), ("bookshelf", 0.4), ("filing cabinet", 0.7), ("cabinet", 0.6), ("whiteboard", 0.5),
        ("safe", 0.1), ("water cooler", 0.3), ("trash can", 0.8), ("sofa", 0.2), ("fire extinguisher", 0.2),
        ("recycling bin", 0.3), ("cardboard box", 0.4),
    ), front=0.3)  # fmt: skip
    if room.chance(0.2):
        room.hang("air conditioner")


def corridor(room: Room) -> None:
    """What one leaves on the way in, along the walls."""
    _some(room.at_wall, room, (
        ("cabinet", 0.6), ("chest of drawers", 0.4), ("bench", 0.4), ("shoes", 0.8), ("shoes", 0.5), ("umbrella", 0.3),
        ("suitcase", 0.3), ("trash can", 0.3), ("bookshelf", 0.3), ("chair", 0.4), ("fire extinguisher", 0.3),
        ("stroller", 0.1), ("kick scooter", 0.2), ("backpack", 0.3), ("wardrobe", 0.2), ("stool", 0.2),
        ("cardboard box", 0.3), ("vase", 0.2),
    ), front=0.5, largest=(2.2, 0.6, room.height - 0.1))  # fmt: skip
    _some(room.hang, room, (("coat rack", 0.6), ("intercom", 0.4), ("exit sign", 0.2), ("wall lamp", 0.5)))
    if room.chance(0.6):
        mat = room.somewhere("doormat", "rug", largest=(2.6, 1.0, 0.1))
        if mat is not None:
            lie_flat(room, mat)


FURNITURE: dict[str, Callable[[Room], None]] = {
    "living room": living_room, "bedroom": bedroom, "kitchen": kitchen, "bathroom": bathroom, "office": office,
    "corridor": corridor,
}  # fmt: skip


# What hangs


def under_windows(room: Room) -> None:
    """Radiators below windows, curtains or blinds at them."""
    for place, wall in enumerate(room.walls):
        for window in (opening for opening in wall.openings if opening.what == "window"):
            middle = (window.left + window.right) / 2
            if window.bottom > 0.6 and room.chance(0.5):
                room.hang("radiator", wall=place, along=middle, z=0.1, largest=(2.2, 0.3, window.bottom - 0.15))
            if room.kind in ("living room", "bedroom", "office") and room.chance(0.6):
                cloth = room.model("curtain", largest=(1.5, 0.3, room.height - 0.02))
                for side in (window.left - 0.1, window.right + 0.1):
                    _curtain(room, place, side, cloth, window.top)
            elif room.chance(0.25):
                size = (window.width + 0.3, 0.2, 2.0)
                room.hang("window blind", wall=place, along=middle, z=window.top - 0.9, largest=size)


def _curtain(room: Room, place: int, along: float, model: Model | None, top: float) -> None:
    if model is None:
        return
    wall, size = room.walls[place], model.size
    along = float(np.clip(along, size[0] / 2 + 0.02, max(wall.length - size[0] / 2 - 0.02, size[0] / 2 + 0.02)))
    x, y = wall.at(along, size[1] / 2 + 0.05)
    bottom = max(0.02, min(top + 0.15, room.height - 0.02) - size[2])
    foot = room.footprint(size, x, y, turned_to(wall.inward), bottom)
    doors = [other for other in wall.openings if other.what != "window"]
    blocked = any(abs((other.left + other.right) / 2 - along) < (other.width + size[0]) / 2 for other in doors)
    if not blocked and not any(foot.meets(thing.foot) for thing in room.things) and wall.length > size[0]:
        room.add(model, x, y, turned_to(wall.inward), z=bottom)


def on_walls(room: Room) -> None:
    """Pictures in most rooms, now and then other things that hang."""
    most = {"bathroom": 1, "kitchen": 2, "corridor": 4}.get(room.kind, 4)
    for _ in range(int(room.generator.integers(0, most + 1))):
        room.hang("picture")
    others = [name for name, entry in NAMES.items() if entry.support == ("wall",) and room.kind in entry.rooms]
    hung = ("picture", "curtain", "window blind", "radiator", "kitchen wall cabinet", "range hood", "urinal",
            "wall-mounted washbasin", "wall-mounted television")  # fmt: skip
    others = [name for name in others if name not in hung and NAMES[name].kind not in ("door", "window")]
    for _ in range(int(room.generator.integers(0, 3))):
        room.hang(others[int(room.generator.integers(len(others)))])


def overhead(room: Room) -> None:
    """A lamp at the ceiling in most rooms, over the middle or the table."""
    if not room.chance(0.7):
        return
    model = room.model(*_one_of(room, "ceiling lamp", "pendant lamp", "ceiling lamp", "chandelier"), "ceiling lamp",
                       largest=(1.2, 1.2, room.height - 1.9))  # fmt: skip
    if model is None:
        return
    tables = [thing for thing in room.things if thing.name == "table"]
    x, y = tables[0].foot.center if tables and room.chance(0.7) else (room.plan.min(0) + room.plan.max(0)) / 2
    foot = room.footprint(model.size, x, y, 0.0, room.height - model.size[2] - 0.002)
    if room.free(foot):
        room.add(model, x, y, 0.0, z=room.height - model.size[2] - 0.002)


def _some(put: Callable[..., Thing | None], room: Room, shares: Sequence[tuple[str, float]], **options: object) -> None:
    """Puts each of these names there in its share of the rooms."""
    for name, share in shares:
        if room.chance(share):
            put(name, **options)


def _one_of(room: Room, *names: str) -> list[str]:
    return [names[int(room.generator.integers(len(names)))]]
