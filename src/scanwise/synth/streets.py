"""Streets: straight, bent or crossing, in towns, suburbs and the country, over land that is not level.

Ground, houses, plants and posts along them, and traffic that moves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from scanwise.synth import street_parts as parts
from scanwise.synth.mesh import Mesh, joined, standing
from scanwise.synth.mesh import box as block
from scanwise.synth.relief import Relief
from scanwise.synth.street_parts import Course, Part
from scanwise.synth.street_things import Actor, Placer, extent
from scanwise.synth.world import Model, Supply, World

KERB = 0.12
FAR_GROUND = 60.0
"""Metres beside the course where the ground ends."""
GROUND = {
    "road": (70, 70, 72), "parking": (95, 92, 90), "sidewalk": (150, 148, 142), "terrain": (85, 110, 55),
    "other-ground": (135, 125, 110),
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """What a street runs through.

    Attributes:
        parking: share of sides with a lane of parked cars.
        verge: share of sides with grass beside the kerb.
        verge_width: metres (from, to).
        pavement: share of sides with a pavement.
        pavement_width: metres (from, to).
        houses: share of lots with a house (from, to).
        setbacks: metres from the pavement to the houses, one of which is drawn.
        plants: times as much grows in gardens.
        woods: share of the lots without a house that are overgrown with trees.
    """

    parking: float
    verge: float
    verge_width: tuple[float, float]
    pavement: float
    pavement_width: tuple[float, float]
    houses: tuple[float, float]
    setbacks: tuple[float, ...]
    plants: float
    woods: float


SETTINGS = (
    Setting(0.5, 0.3, (1.2, 2.5), 0.95, (1.8, 5.0), (0.5, 0.9), (0.3, 3.0, 6.0), 2.5, 0.4),  # town
    Setting(0.2, 0.65, (1.5, 5.0), 0.9, (1.4, 4.0), (0.25, 0.6), (4.0, 7.0, 10.0), 3.5, 0.6),  # suburb
    Setting(0.0, 0.9, (2.0, 8.0), 0.4, (1.3, 2.5), (0.0, 0.15), (8.0, 12.0), 3.0, 0.6),  # country
)
SETTING_SHARES = (0.3, 0.45, 0.25)


@dataclass(eq=False)
class Street:
    """A street with its traffic.

    Attributes:
        world: what stands.
        actors: what moves; their instances go on after those of the world.
        course: the middle of the main road.
        lane: metres to the left of it where the recording car drives.
        start: where on the course it is at time 0, metres.
        speed: its own, metres per second.
    """

    world: World
    actors: list[Actor]
    course: Course
    lane: float
    start: float
    speed: float

    def ego_at(self, time: float) -> np.ndarray:
        """(4, 4) pose of the recording car on the road at `time` seconds."""
        return self.course.pose(self.start + self.speed * time, self.lane)


@dataclass(frozen=True)
class _Section:
    """Widths of one side of a road, from its middle outwards, metres; 0 = not there."""

    lane: float
    parking: float
    verge: float
    pavement: float

    @property
    def kerb(self) -> float:
        return self.lane + self.parking

    @property
    def edge(self) -> float:
        return self.kerb + self.verge + self.pavement


@dataclass(frozen=True)
class _Arm:
    """A stretch of road with both its sides, (1: left, -1: right); houses only within `built`."""

    course: Course
    span: tuple[float, float]
    built: tuple[float, float]
    sides: dict[int, _Section]


def make_street(supply: Supply, generator: np.random.Generator, *, held_out: bool, name: str) -> Street:
    """A street of 100 to 170 m with everything along it, and a car's way through it.

    Vehicles, people, bicycles and cones are those of the supply; kinds that it has none of are left out.
    """
    return _Maker(Placer(supply, generator, held_out), generator).street(name)


@dataclass
class _Maker:
    place: Placer
    generator: np.random.Generator

    def __post_init__(self) -> None:
        self.setting = SETTINGS[int(self.generator.choice(len(SETTINGS), p=SETTING_SHARES))]

    def street(self, name: str) -> Street:
        layout = ("straight", "curve", "crossing")[int(self.generator.integers(3))]
        length = self.generator.uniform(100, 170)
        bend = 0.0
        if layout == "curve":
            bend = float(self.generator.choice([-1, 1])) / self.generator.uniform(60, 200)
        course = Course((0.0, 0.0), 0.0, bend, (-length / 4, length / 4))
        course = replace(course, origin=(-course.at(0.0)[0], -course.at(0.0)[1]))
        sides = self._sides()
        main = [_Arm(course, (-length / 2, length / 2), (-length / 2, length / 2), sides)]
        side: list[_Arm] = []
        if layout == "crossing":
            main, side = self._crossing(course, length, sides)
        for arm in (*main, *side):
            self._ground(arm)
            for hand in (1, -1):
                self._kerbside(arm, hand)
                self._lots(arm, hand)
        speed = self.generator.uniform(5, 11)
        start = -self.generator.uniform(0.15, 0.3) * length
        self._traffic(course, length, start, speed, sides)
        if side:
            self._waiting(side)
        relief = Relief.drawn(self.generator)
        self.place.lift(relief)
        course = replace(course, relief=relief)
        return Street(
            World(name, "street", self.place.bodies), self.place.actors, course, -sides[-1].lane / 2, start, speed
        )

    # -- layout

    def _sides(self) -> dict[int, _Section]:
        lane = self.generator.uniform(3.0, 3.7)
        return {hand: self._section(lane) for hand in (1, -1)}

    def _section(self, lane: float) -> _Section:
        draw, setting = self.generator.random(3), self.setting
        parking = 2.3 if draw[0] < setting.parking else 0.0
        verge = self.generator.uniform(*setting.verge_width) if draw[1] < setting.verge else 0.0
        pavement = self.generator.uniform(*setting.pavement_width) if draw[2] < setting.pavement else 0.0
        return _Section(lane, parking, verge, pavement)

    def _crossing(self, course: Course, length: float, sides: dict[int, _Section]) -> tuple[list[_Arm], list[_Arm]]:
        """Four arms around a square of road with pavement in its corners."""
        across = self._sides()
        half_x = max(section.edge for section in across.values())
        half_y = max(section.edge for section in sides.values())
        self._square(half_x, half_y, sides, across)
        main = [_Arm(course, span, span, sides) for span in ((-length / 2, -half_x), (half_x, length / 2))]
        behind, reach = half_y + 16.0, length / 2
        side = []
        for heading in (np.pi / 2, -np.pi / 2):
            line = Course((0.0, 0.0), heading)
            sections = across if heading > 0 else {1: across[-1], -1: across[1]}
            side.append(_Arm(line, (half_y, reach), (min(behind, reach), reach), sections))
        return main, side

    def _square(self, x: float, y: float, sides: dict[int, _Section], across: dict[int, _Section]) -> None:
        middle = Course((0.0, 0.0), 0.0)
        self.place.structure("road", "road", parts.ribbon(middle, (-x, x), [(-y, 0.0), (y, 0.0)], GROUND["road"]))
        for hand in (1, -1):
            for end in (1, -1):
                near_x, near_y = across[-end].kerb, sides[hand].kerb
                corner = block(
                    (min(end * near_x, end * x), min(hand * near_y, hand * y), -0.1),
                    (max(end * near_x, end * x), max(hand * near_y, hand * y), KERB),
                    GROUND["sidewalk"],
                )
                self.place.structure("pavement", "sidewalk", corner)
                if self.generator.random() < 0.7 and x - near_x > 0.8 and y - near_y > 0.8:
                    place = standing(end * (near_x + 0.5), hand * (near_y + 0.5), KERB, 0 if hand < 0 else np.pi)
                    self.place.add(parts.traffic_light(self.generator), place, 0.3)

    def _ground(self, arm: _Arm) -> None:
        course, span, left, right = arm.course, arm.span, arm.sides[1], arm.sides[-1]
        crown = 0.02 * left.lane
        self._strip(arm, "road", [(-right.lane, 0.0), (0.0, crown), (left.lane, 0.0)])
        for s in np.arange(span[0] + 1, span[1] - 4, 9.0):
            paint = parts.ribbon(course, (s, s + 3.0), [(-0.08, crown + 0.005), (0.08, crown + 0.005)], (235, 235, 230))
            self.place.structure("lane marking", "road", paint)
        for hand, section in arm.sides.items():
            kerb, verge, edge = section.kerb, section.kerb + section.verge, section.edge
            if section.parking:
                self._strip(arm, "parking", _profile(hand, (section.lane, 0.0), (kerb, 0.0)))
            if section.verge:
                self._strip(arm, "terrain", _profile(hand, (kerb, 0.0), (kerb, KERB), (verge, KERB)), 0.02)
            if section.pavement:
                low = KERB if section.verge else 0.0
                self._strip(arm, "sidewalk", _profile(hand, (verge, low), (verge, KERB), (edge, KERB)))
            yard = ("terrain", "sidewalk", "other-ground")[int(self.generator.choice(3, p=[0.75, 0.15, 0.1]))]
            beside = [(edge, KERB if edge > kerb else 0.0), *((edge + step, KERB) for step in np.arange(0.5, 6.0, 0.5))]
            self._strip(arm, yard, _profile(hand, *beside), 0.025)
            last = edge + 5.5
            far = [(last, KERB), *((d, KERB) for d in np.arange(last + 1, FAR_GROUND, 2.0))]
            stop = arm.built if arm.built != span else span
            self._strip(replace(arm, span=stop), "terrain", _profile(hand, *far), 0.05)

    def _strip(self, arm: _Arm, kind: str, profile: list[tuple[float, float]], rough: float = 0.0) -> None:
        color = np.array(GROUND[kind]) + self.generator.integers(-12, 12)
        if arm.span[1] - arm.span[0] > 0.1:
            mesh = parts.ribbon(arm.course, arm.span, profile, color.tolist(), rough, self.generator if rough else None)
            self.place.structure({"sidewalk": "pavement", "terrain": "grass"}.get(kind, kind), kind, mesh)

    # -- along the kerb

    def _kerbside(self, arm: _Arm, hand: int) -> None:
        section, low, high = arm.sides[hand], *arm.span
        turn = 0.0 if hand > 0 else np.pi
        if section.parking:
            self._parked(arm, hand)
        post = section.kerb + 0.4
        green = section.verge > 0 or (section.pavement > 2.4 and self.generator.random() < 0.5)
        for s in np.arange(low + self.generator.uniform(3, 12), high - 2, self.generator.uniform(22, 32)):
            self.place.add(parts.lamp_post(self.generator), arm.course.pose(s, hand * post, turn, KERB), 0.4)
        if green:
            away = section.kerb + max(section.verge / 2, 0.8)
            for s in np.arange(low + self.generator.uniform(2, 8), high - 2, self.generator.uniform(7, 13)):
                self.place.add(parts.tree(self.generator), arm.course.pose(s, hand * away, turn, KERB), 0.5)
        for make, count in ((parts.traffic_sign, 3), (parts.bare_pole, 3), (parts.litter_bin, 2), (parts.bench, 1)):
            for _ in range(int(self.generator.integers(count + 1))):
                s, inset = self.generator.uniform(low + 2, high - 2), self.generator.uniform(0.3, 0.7)
                away = section.edge - 0.7 if make is parts.bench else section.kerb + inset
                self.place.add(make(self.generator), arm.course.pose(s, hand * away, turn, KERB), 0.5)
        if section.pavement:
            self._pavement_life(arm, hand)

    def _parked(self, arm: _Arm, hand: int) -> None:
        section, (s, high) = arm.sides[hand], arm.span
        s += self.generator.uniform(4, 8)
        occupancy = self.generator.uniform(0.15, 0.8)
        while s < high - 8:
            kind = str(self.generator.choice(["car", "truck", "other-vehicle"], p=[0.94, 0.03, 0.03]))
            found = self.place.load(kind)
            if found is None or self.generator.random() > occupancy:
                s += 5.5
                continue
            model, mesh = found
            length, width, _ = extent(mesh)
            away = section.lane + max(section.parking, width) - width / 2 - 0.1
            turn = (0.0 if hand < 0 else np.pi) + self.generator.normal(0, 0.02)
            self.place.thing(model, mesh, arm.course.pose(s + length / 2, hand * away, turn), kind)
            s += length + self.generator.uniform(0.6, 1.6)

    def _pavement_life(self, arm: _Arm, hand: int) -> None:
        section, (low, high) = arm.sides[hand], arm.span
        first = section.kerb + section.verge
        counts = {"person": 4, "bicycle": 3, "motorcycle": 2, "cone": 3}
        for kind, most in counts.items():
            for _ in range(int(self.generator.integers(most + 1))):
                found = self.place.load(kind)
                if found is None:
                    break
                s, share = self.generator.uniform(low + 2, high - 2), self.generator.uniform(0.3, 0.85)
                away, turn, z = first + share * section.pavement, self.generator.uniform(-np.pi, np.pi), KERB
                if kind == "cone" and section.parking:
                    away, z = section.lane + 0.25, 0.0
                if kind == "person" and self.generator.random() < 0.6:
                    self._walker(*found, arm, hand * away, s)
                else:
                    self.place.thing(*found, arm.course.pose(s, hand * away, turn, z), kind)

    # -- beyond the pavement

    def _lots(self, arm: _Arm, hand: int) -> None:
        """Houses with front gardens, gardens, and gaps, one beside the other."""
        s, high = arm.built
        edge = arm.sides[hand].edge
        setting = self.setting
        setback = float(self.generator.choice(setting.setbacks)) + self.generator.uniform(0, 0.5)
        share = self.generator.uniform(*setting.houses)
        while s < high - 5:
            width = min(self.generator.uniform(8, 20), high - s)
            middle = s + width / 2
            turn = 0.0 if hand > 0 else np.pi
            if self.generator.random() < share:
                house = parts.building(
                    self.generator, width - self.generator.uniform(0, 3), self.generator.uniform(8, 12)
                )
                self.place.add(house, arm.course.pose(middle, hand * (edge + setback), turn, KERB), None)
                self._garden(arm, hand, (s, s + width), edge, setback, wild=setting.plants)
            elif self.generator.random() < setting.woods:
                self._woods(arm, hand, (s, s + width), edge)
            else:
                self._garden(arm, hand, (s, s + width), edge, 16.0, wild=self.generator.uniform(0.3, 4))
            s += width

    def _woods(self, arm: _Arm, hand: int, span: tuple[float, float], edge: float) -> None:
        """Trees with bushes under them, as deep as one sees into them."""
        first = self.generator.uniform(0.5, 12)
        deep, tallest = self.generator.uniform(6, 18), self.generator.uniform(7, 16)
        for make, per_area in ((parts.bush, 0.08), (parts.tree, 0.045)):
            for _ in range(int(self.generator.poisson(per_area * deep * (span[1] - span[0])))):
                s, away = self.generator.uniform(*span), edge + first + deep * self.generator.random() ** 1.5
                pose = arm.course.pose(s, hand * away, self.generator.uniform(-np.pi, np.pi), KERB)
                grown = parts.bush(self.generator) if make is parts.bush else parts.tree(self.generator, tallest)
                self.place.add(grown, pose, 0.5)

    def _garden(
        self, arm: _Arm, hand: int, span: tuple[float, float], edge: float, deep: float, wild: float = 1.0
    ) -> None:
        """What encloses and grows in the ground between the pavement and a house; `wild` times as much grows."""
        if deep < 1.0:
            return
        turn = 0.0 if hand > 0 else np.pi
        border = self.generator.random()
        length, middle = span[1] - span[0] - 1.2, (span[0] + span[1]) / 2
        enclose: Callable[[np.random.Generator, float], list[Part]] | None = None
        if border < 0.75:
            enclose = (parts.hedge, parts.fence, parts.garden_wall)[int(border * 4)]
        if enclose is not None:
            piece = enclose(self.generator, length)
            self.place.add(piece, arm.course.pose(middle, hand * (edge + 0.5), turn, KERB), None)
        if deep < 1.8:
            return
        for make, per_area in ((parts.bush, 0.02), (parts.tree, 0.012 if deep > 4 else 0.0)):
            for _ in range(int(self.generator.poisson(wild * per_area * deep * length))):
                s, away = self.generator.uniform(*span), edge + self.generator.uniform(1.2, deep - 0.5)
                pose = arm.course.pose(s, hand * away, self.generator.uniform(-np.pi, np.pi), KERB)
                self.place.add(make(self.generator), pose, 1.0)

    # -- traffic

    def _traffic(self, course: Course, length: float, start: float, speed: float, sides: dict[int, _Section]) -> None:
        """Vehicles on both lanes, each lane at one speed so that nobody drives into another."""
        ahead, behind = start + self.generator.uniform(14, 40), start - self.generator.uniform(14, 25)
        for s in (ahead, ahead + self.generator.uniform(24, 40), behind):
            if self.generator.random() < 0.4:
                self._driver(course, s, -sides[-1].lane / 2, speed)
        oncoming = -self.generator.uniform(5, 13)
        for s in np.arange(start + self.generator.uniform(5, 30), length, self.generator.uniform(24, 40)):
            if self.generator.random() < 0.5:
                self._driver(course, s, sides[1].lane / 2, oncoming)
        for hand in (1, -1):
            if self.generator.random() < 0.5:
                self._rider(
                    course, start + self.generator.uniform(5, 40), -sides[-1].lane + 0.35, sides[1].lane - 0.35, hand
                )

    def _driver(self, course: Course, s: float, left: float, speed: float) -> None:
        kind = str(self.generator.choice(["car", "truck", "other-vehicle"], p=[0.84, 0.08, 0.08]))
        found = self.place.load(kind) or self.place.load("car")
        if found is not None:
            self.place.actor(found[0], found[1], found[0].kind, found[0].name, course, s, left, speed)

    def _rider(self, course: Course, s: float, right: float, left: float, hand: int) -> None:
        """Somebody on two wheels near the kerb; one object of its own class, as SemanticKITTI counts them."""
        kind, rider = (("bicycle", "bicyclist"), ("motorcycle", "motorcyclist"))[int(self.generator.random() < 0.4)]
        wheels, person = self.place.load(kind), self.place.load("person")
        if wheels is None or person is None:
            return
        seat = np.eye(4)
        seat[:3, :3] *= 0.85
        seat[2, 3] = 0.35
        mesh = joined([wheels[1], person[1].moved(seat)])
        name = {"bicyclist": "cyclist"}.get(rider, rider)
        self.place.actor(
            wheels[0], mesh, rider, name, course, s, left if hand > 0 else right, -hand * self.generator.uniform(3, 6)
        )

    def _walker(self, model: Model, mesh: Mesh, arm: _Arm, left: float, s: float) -> None:
        speed = float(self.generator.choice([-1, 1])) * self.generator.uniform(0.8, 1.7)
        self.place.actor(model, mesh, "person", model.name, arm.course, s, left, speed, KERB)

    def _waiting(self, arms: list[_Arm]) -> None:
        """Cars that stand in the side roads and wait."""
        for arm in arms:
            found = self.place.load("car")
            if found is not None and self.generator.random() < 0.7:
                model, mesh = found
                s = arm.span[0] + 1.0 + extent(mesh)[0] / 2
                self.place.thing(model, mesh, arm.course.pose(s, arm.sides[1].lane / 2, np.pi), "car")


def _profile(hand: int, *steps: tuple[float, float]) -> list[tuple[float, float]]:
    """(metres outwards, height) of one side as `ribbon` wants it, from right to left."""
    profile = [(hand * away, height) for away, height in steps]
    return profile if hand > 0 else profile[::-1]
