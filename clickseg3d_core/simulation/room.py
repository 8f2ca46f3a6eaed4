"""Rooms: walls, furniture along them and in the middle, things on the furniture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import (
    appliances,
    cabinets,
    chairs,
    fixtures,
    furniture,
    goods,
    seating,
    shapes,
    tables,
    tableware,
)
from clickseg3d_core.simulation.clutter import ClutterStyle, fill, random_style
from clickseg3d_core.simulation.layouts import FREE_GROUPS, WALL_GROUPS, Group, Piece, half_width
from clickseg3d_core.simulation.mesh import FloatArray, Mesh, rotation_z
from clickseg3d_core.simulation.objects import ObjectSource
from clickseg3d_core.simulation.stacking import HeightMap, Profile, profile
from clickseg3d_core.simulation.world import Item, World, WorldBuilder

Rng = np.random.Generator
Maker = Callable[[Rng], Item]
_CELL = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomPlan:
    """Size and purpose of a room.

    Attributes:
        size: Inner length, width and height in metres; the floor's center is the origin.
        purpose: "office", "living", "bedroom", "kitchen", "bath", "storage" or "mixed".
        clutter: 0 for a tidy and 1 for a crowded room.
    """

    size: tuple[float, float, float]
    purpose: str
    clutter: float


def random_plan(rng: Rng) -> RoomPlan:
    """Draw a room of 2.5-9 m by 2.5-7 m, 2.3-3.2 m high."""
    purpose = str(
        rng.choice(
            ["office", "living", "bedroom", "kitchen", "bath", "storage", "mixed"],
            p=[0.22, 0.2, 0.15, 0.13, 0.06, 0.08, 0.16],
        )
    )
    small = purpose == "bath" or rng.random() < 0.3
    length = rng.uniform(2.5, 4.0) if small else rng.uniform(3.2, 9.0)
    width = rng.uniform(2.5, 3.5) if small else rng.uniform(3.0, 7.0)
    return RoomPlan(
        size=(length, width, rng.uniform(2.3, 3.2)), purpose=purpose, clutter=rng.random()
    )


def wall_pieces(plan: RoomPlan, source: ObjectSource) -> list[tuple[Maker, float]]:
    """Makers of furniture that stands against walls, with weights, for a purpose."""
    always: list[tuple[Maker, float]] = [
        (furniture.cabinet, 0.6), (furniture.shelf, 0.6), (fixtures.floor_lamp, 0.5),
        (furniture.wardrobe, 0.4), (cabinets.sideboard, 0.6), (cabinets.bookcase, 0.6),
        (cabinets.wire_rack, 0.4), (cabinets.open_wardrobe, 0.4), (cabinets.glass_case, 0.25),
        (cabinets.locker, 0.4), (cabinets.nightstand, 0.3), (tables.side_table, 0.3),
        (chairs.bench, 0.15), (fixtures.bin_, 0.5), (fixtures.box_pile, 0.4),
        (seating.chair, 0.7), (_floor_plant, 0.5), (goods.backpack, 0.3), (fixtures.suitcase, 0.2),
        (source.indoor_furniture, 1.2 if source.library is not None else 0.0),
    ]  # fmt: skip
    special: dict[str, list[tuple[Maker, float]]] = {
        "office": [
            (furniture.desk, 2.0),
            (tables.plain_desk, 2.0),
            (tables.corner_desk, 0.7),
            (furniture.shelf, 1.0),
            (furniture.wardrobe, 0.5),
        ],
        "living": [(seating.sofa, 3.0), (furniture.table, 0.6), (furniture.cabinet, 1.0)],
        "bedroom": [(furniture.bed, 2.0), (furniture.wardrobe, 1.0), (furniture.desk, 0.8)],
        "kitchen": [
            (furniture.counter, 3.0),
            (fixtures.appliance, 0.6),
            (appliances.fridge, 0.7),
            (appliances.stove, 0.5),
            (appliances.washer, 0.4),
        ],
        "bath": [(seating.toilet, 2.0), (fixtures.basin, 2.0), (appliances.washer, 0.8)],
        "storage": [(furniture.shelf, 4.0), (fixtures.box_pile, 2.5)],
    }
    every = [pair for pairs in special.values() for pair in pairs]
    return always + special.get(plan.purpose, every)


def _floor_plant(rng: Rng) -> Item:
    return tableware.potted_plant(rng, rng.uniform(2.2, 4.5))


def _draw(makers: list[tuple[Maker, float]], rng: Rng) -> Item:
    weights = np.array([w for _, w in makers])
    return makers[int(rng.choice(len(makers), p=weights / weights.sum()))][0](rng)


@dataclass(slots=True, eq=False)
class RoomBuilder:
    """Puts a room together piece by piece."""

    plan: RoomPlan
    source: ObjectSource
    rng: Rng
    builder: WorldBuilder
    floor: HeightMap
    walls: dict[int, HeightMap]

    def shell(self) -> None:
        """Floor, walls and ceiling."""
        x, y, z = self.plan.size
        rng = self.rng
        skin = paint.wood(rng) if rng.random() < 0.5 else paint.fabric(rng)
        self.builder.add(Item(mesh=shapes.panel(x, y), classes=("floor",), materials=(skin,)))
        white = paint.plain(paint.pale(rng))
        self.builder.add(
            Item(mesh=shapes.panel(x, y), classes=("ceiling",), materials=(white,)), (0, 0, z)
        )
        base, first = _wall_material(rng), None
        whole = rng.random() < 0.2
        for side in range(4):
            own = base if rng.random() < 0.85 else _wall_material(rng)
            mesh = fixtures.upright(self.wall_length(side), z, 0.0)
            wall = Item(mesh=mesh, classes=("wall",), materials=(own,))
            place, yaw = self.wall_frame(side, 0.0, 0.0)
            used = self.builder.add(wall, place, yaw, instance=first if whole else None)
            first = used if first is None else first

    def wall_length(self, side: int) -> float:
        """Length of wall 0 (+y), 1 (-x), 2 (-y) or 3 (+x) in metres."""
        return self.plan.size[side % 2]

    def wall_frame(self, side: int, along: float, out: float) -> tuple[FloatArray, float]:
        """Position and yaw of a piece with its back to a wall.

        Args:
            side: Wall number.
            along: Metres from the wall's middle.
            out: Metres from the wall to the piece's origin.
        """
        yaw = side * np.pi / 2
        away = self.plan.size[1 - side % 2] / 2 - out
        return rotation_z(yaw) @ np.array([along, away, 0.0]), float(yaw)

    def stand(self, item: Item, place: FloatArray, yaw: float) -> bool:
        """Put an item on the floor if the place is free, with things on it."""
        turned = item.mesh.turned(rotation_z(yaw))
        shape = profile(turned, _CELL, self.rng)
        cells = self.floor.cells_at(place[0], place[1], shape)
        if cells is None or (cells < 0).any():
            return False
        low = shape.bottom < 1.6
        if (self.floor.height[cells[low, 0], cells[low, 1]] > 0.02).any():
            return False
        self.floor.occupy(place[0], place[1], 0.0, shape)
        self.builder.add(item, place, yaw)
        self.decorate(item, place, yaw)
        return True

    def arrange(self, group: Group, place: FloatArray, yaw: float, side: int | None) -> bool:
        """Put up a group; False if its first piece does not fit.

        Pieces stand clear of what was there before, but may overlap each other: chairs go under
        tables. `side` is the wall behind the group.
        """
        before, turn = self.floor.height.copy(), rotation_z(yaw)
        kept: dict[int, list[Piece]] = {}
        for index, piece in enumerate(group):
            spot = turn @ piece.place + place
            shape = profile(piece.item.mesh.turned(rotation_z(yaw + piece.yaw)), _CELL, self.rng)
            if piece.owner is not None:
                if piece.owner in kept:
                    kept[piece.owner].append(piece)
                continue
            fits = _fits(self.floor, before, spot, shape)
            if fits and piece.hung:
                fits = side is not None and self._take_wall(side, piece.item, spot)
            if not fits and index == 0:
                return False
            if not fits:
                continue
            kept[index] = []
            self.floor.occupy(spot[0], spot[1], spot[2], shape)
        for index, carried in kept.items():
            self._put(group[index], carried, place, yaw)
        return True

    def _put(self, piece: Piece, carried: Group, place: FloatArray, yaw: float) -> None:
        spot, angle = rotation_z(yaw) @ piece.place + place, yaw + piece.yaw
        self.builder.add(piece.item, spot, angle)
        taken = []
        for one in carried:
            where = rotation_z(yaw) @ one.place + place
            self.builder.add(one.item, where, yaw + one.yaw)
            local = rotation_z(-angle) @ (where - spot)
            taken.append((one.item.mesh.turned(rotation_z(one.yaw - piece.yaw)), local))
        self.decorate(piece.item, spot, angle, taken)

    def _take_wall(self, side: int, item: Item, spot: FloatArray) -> bool:
        """Reserve the wall behind a hung piece; False if it is taken or too small."""
        low, high = item.mesh.vertices.min(axis=0), item.mesh.vertices.max(axis=0)
        along = float((rotation_z(-side * np.pi / 2) @ spot)[0])
        half = self.wall_length(side) / 2
        inside = along + low[0] > -half and along + high[0] < half
        if not inside or spot[2] + high[2] > self.plan.size[2]:
            return False
        return self._reserve(side, along, float(spot[2]), low, high)

    def _reserve(
        self, side: int, along: float, level: float, low: FloatArray, high: FloatArray
    ) -> bool:
        field, shift = self.walls[side], self.wall_length(side) / 2
        columns = slice(
            int((along + low[0] + shift) / _CELL), int((along + high[0] + shift) / _CELL) + 1
        )
        rows = slice(max(int((level + low[2]) / _CELL), 0), int((level + high[2]) / _CELL) + 1)
        if (field.height[columns, rows] > 0).any():
            return False
        field.height[columns, rows] = 1.0
        return True

    def groups(self, count: int) -> None:
        """Furniture set up together, along the walls or standing free."""
        walls = WALL_GROUPS[self.plan.purpose]
        free = FREE_GROUPS.get(self.plan.purpose, ())
        x, y, _ = self.plan.size
        for attempt in range(3 * count):
            alone = len(free) > 0 and self.rng.random() < 0.45
            choice = free if alone else walls
            make = choice[int(self.rng.integers(len(choice)))]
            side = int(self.rng.integers(4))
            group = make(self.rng, (min(x, y) if alone else self.wall_length(side)) - 0.1)
            count -= self._find_place(group, None if alone else side)
            if count == 0 or attempt > 14:
                break

    def _find_place(self, group: Group, side: int | None) -> bool:
        """Try places in the room, or along one wall, until a group fits."""
        x, y, _ = self.plan.size
        for _ in range(8):
            if side is None:
                place = np.array([*(self.rng.uniform(-0.4, 0.4, 2) * [x, y]), 0.0])
                yaw = float(self.rng.integers(4) * np.pi / 2 + self.rng.normal(0, 0.06))
            else:
                most = max(self.wall_length(side) / 2 - half_width(group[0].item) - 0.02, 0.0)
                along = float(self.rng.uniform(-most, most))
                place, yaw = self.wall_frame(side, along, 0.0)
            if self.arrange(group, place, yaw, side):
                return True
        return False

    def decorate(
        self,
        item: Item,
        place: FloatArray,
        yaw: float,
        taken: Sequence[tuple[Mesh, FloatArray]] = (),
    ) -> None:
        """Put small things on the supports of an item, beside what is there already."""
        if not item.supports:
            return
        name = item.classes[0]
        make = {
            "counter": self.source.kitchen, "shelf": self.source.shelf,
            "cabinet": self.source.shelf,
            "table": self.source.desk if self.plan.purpose == "office" else self.source.any_object,
        }.get(name, self.source.any_object)  # fmt: skip
        for support in item.supports:
            room = support.size[0] * support.size[1]
            busy = self.plan.clutter * (0.4 if name in ("bed", "sofa", "chair") else 1.0)
            if self.rng.random() > (0.05 if name == "chair" else 0.25) + 0.7 * busy:
                continue
            most = max(1, int(min(10.0 + 25.0 * room, 60.0 * room) * (0.2 + 0.8 * busy)))
            style = random_style(self.rng, most)
            if name == "shelf" and self.rng.random() < 0.4:
                make_one = self.books()
                style = ClutterStyle(count=most, stack=0.3, touch=0.6, topple=0.0)
                fill(
                    self.builder,
                    support,
                    (place, yaw),
                    make_one,
                    self.rng,
                    style,
                    cell=0.015,
                    taken=taken,
                )
                continue
            fill(
                self.builder, support, (place, yaw), make, self.rng, style, cell=0.015, taken=taken
            )

    def books(self) -> Maker:
        """A maker of upright or lying books and boxes."""
        standing = self.rng.random() < 0.7

        def make(rng: Rng) -> Item:
            one = goods.book(rng) if rng.random() < 0.8 else goods.carton(rng)
            if not standing:
                return one
            upright = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
            return replace(one, mesh=one.mesh.turned(upright).grounded())

        return make

    def along_walls(self, count: int) -> None:
        """Furniture with its back against the walls."""
        makers = wall_pieces(self.plan, self.source)
        for _ in range(count):
            item = _draw(makers, self.rng)
            depth = float(item.mesh.vertices[:, 1].max())
            reach = float(np.abs(item.mesh.vertices[:, 0]).max())
            for _ in range(10):
                side = int(self.rng.integers(4))
                free = self.wall_length(side) / 2 - reach - 0.03
                if free <= 0:
                    continue
                along = float(self.rng.uniform(-free, free))
                if self.rng.random() < 0.25:
                    along = float(np.sign(along) * free)
                gap = depth + self.rng.uniform(0.005, 0.08)
                place, yaw = self.wall_frame(side, along, gap)
                if self.stand(item, place, yaw):
                    self.seat(item, place, yaw)
                    break

    def seat(self, item: Item, place: FloatArray, yaw: float) -> None:
        """Chairs at a table: one in front of a desk, several around a free table."""
        if item.classes[0] != "table" or item.mesh.extent[2] < 0.6:
            return
        back = item.mesh.extent[1] / 2
        for turn in (0.0, np.pi, np.pi / 2, -np.pi / 2):
            if self.rng.random() < 0.45:
                continue
            side = back if abs(np.cos(turn)) > 0.5 else item.mesh.extent[0] / 2
            chair = seating.chair(self.rng)
            away = side + self.rng.uniform(-0.12, 0.35) + 0.22
            angle = yaw + turn
            offset = rotation_z(angle) @ np.array([self.rng.normal(0, 0.1), -away, 0.0])
            self.stand(chair, place + offset, angle + np.pi + self.rng.normal(0, 0.25))

    def middle(self, count: int) -> None:
        """Furniture and things standing free."""
        makers: list[tuple[Maker, float]] = [
            (furniture.table, 1.0), (tables.side_table, 0.7), (seating.chair, 3.0),
            (lambda r: furniture.table(r, low=True), 1.5), (seating.sofa, 0.8),
            (chairs.bean_bag, 0.2), (fixtures.bin_, 0.6), (goods.backpack, 0.5),
            (goods.cardboard, 1.0), (fixtures.suitcase, 0.4), (furniture.cabinet, 0.4),
            (goods.handbag, 0.4), (fixtures.box_pile, 0.4), (_floor_plant, 0.3),
            (self.source.any_object, 1.2), (furniture.desk, 0.5),
            (self.source.indoor_furniture, 1.2 if self.source.library is not None else 0.0),
        ]  # fmt: skip
        x, y, _ = self.plan.size
        for _ in range(count):
            item = _draw(makers, self.rng)
            for _ in range(5):
                place = np.array([*self.rng.uniform([-x / 2, -y / 2], [x / 2, y / 2]), 0.0])
                yaw = float(self.rng.integers(4) * np.pi / 2 + self.rng.normal(0, 0.2))
                if self.stand(item, place, yaw):
                    self.seat(item, place, yaw)
                    break

    def hang(self, count: int) -> None:
        """Doors, windows, pictures and the like on the walls, clear of furniture."""
        makers: list[tuple[Maker, float, float | None]] = [
            (fixtures.door, 2.0, 0.0), (fixtures.window, 2.0, 0.9), (fixtures.picture, 3.0, None),
            (fixtures.curtain, 1.0, 0.05), (fixtures.wall_screen, 0.6, 1.1),
            (fixtures.wall_cabinet, 0.8, 1.4), (fixtures.wall_shelf, 0.8, 1.3),
            (fixtures.radiator, 0.6, 0.0),
        ]  # fmt: skip
        weights = np.array([w for _, w, _ in makers])
        for _ in range(count):
            make, _, level = makers[int(self.rng.choice(len(makers), p=weights / weights.sum()))]
            item = make(self.rng)
            for _ in range(5):
                height = float(self.rng.uniform(0.9, 1.8)) if level is None else level
                if self._hang_one(item, int(self.rng.integers(4)), height):
                    break

    def _hang_one(self, item: Item, side: int, level: float) -> bool:
        low, high = item.mesh.vertices.min(axis=0), item.mesh.vertices.max(axis=0)
        free = self.wall_length(side) / 2 - max(-low[0], high[0]) - 0.05
        if free <= 0 or level + high[2] > self.plan.size[2]:
            return False
        along = float(self.rng.uniform(-free, free))
        place, yaw = self.wall_frame(side, along, 0.004)
        if not self._clear(place, yaw, item, level):
            return False
        if not self._reserve(side, along, level, low, high):
            return False
        place[2] = level
        self.builder.add(item, place, yaw)
        self.decorate(item, place, yaw)
        return True

    def _clear(self, place: FloatArray, yaw: float, item: Item, level: float) -> bool:
        """Whether the floor in front of a wall thing holds nothing that reaches its height."""
        shape = profile(item.mesh.turned(rotation_z(yaw)), _CELL, self.rng)
        cells = self.floor.cells_at(place[0], place[1], shape)
        if cells is None:
            return True
        inside = cells[cells[:, 0] >= 0]
        return bool((self.floor.height[inside[:, 0], inside[:, 1]] < level + 0.05).all())

    def ceiling(self, count: int) -> None:
        """Lamps below the ceiling."""
        x, y, z = self.plan.size
        for _ in range(count):
            item = fixtures.ceiling_lamp(self.rng)
            place = self.rng.uniform([-x * 0.4, -y * 0.4], [x * 0.4, y * 0.4])
            self.builder.add(item, (*place, z - item.mesh.extent[2] + 0.02))

    def scatter(self, count: int) -> None:
        """Small things on the floor and rugs."""
        for _ in range(count):
            x, y, _ = self.plan.size
            place = np.array([*self.rng.uniform([-x / 2, -y / 2], [x / 2, y / 2]), 0.0])
            self.stand(self.source.any_object(self.rng), place, self.rng.uniform(0, 6.3))


def _fits(floor: HeightMap, before: FloatArray, spot: FloatArray, shape: Profile) -> bool:
    """Whether a profile at a (3,) spot lies in the room, clear of the tops `before`."""
    cells = floor.cells_at(spot[0], spot[1], shape)
    if cells is None:
        return False
    inside = cells[:, 0] >= 0
    if spot[2] < 0.5 and not inside.all():
        return False
    bottom = spot[2] + shape.bottom[inside]
    tops = before[cells[inside, 0], cells[inside, 1]]
    return not bool((tops > np.maximum(bottom, 0.02))[bottom < 1.6].any())


def _wall_material(rng: Rng) -> paint.Material:
    if rng.random() < 0.8:
        return paint.plain(paint.pale(rng) if rng.random() < 0.8 else paint.anything(rng))
    near = paint.pale(rng)
    kind = str(rng.choice(["noise", "stripes", "checker", "speckle"]))
    return paint.patterned(kind, [near, near * rng.uniform(0.7, 0.95)], rng.uniform(0.08, 0.3), rng)


def build_room(rng: Rng, source: ObjectSource) -> tuple[World, RoomPlan, HeightMap]:
    """Build one furnished room; also its plan and the height of what stands on its floor."""
    plan = random_plan(rng)
    x, y, z = plan.size
    walls = {s: HeightMap.flat(((x, y)[s % 2], 2 * z), _CELL) for s in range(4)}
    room = RoomBuilder(plan, source, rng, WorldBuilder(), HeightMap.flat((x, y), _CELL), walls)
    room.shell()
    if rng.random() < 0.35:
        room.builder.add(fixtures.rug(rng), (rng.normal(0, x / 8), rng.normal(0, y / 8), 0.0))
    area = x * y
    busy = 0.3 + 0.7 * plan.clutter
    room.groups(_upto(rng, 1, 4 + area * 0.25))
    if rng.random() < 0.3:
        room.middle(_upto(rng, 1, 3 + area * 0.2 * busy))
    room.along_walls(_upto(rng, 2, 5 + (x + y) * 0.8 * busy))
    room.middle(_upto(rng, 0, 2 + area * 0.2 * busy))
    room.hang(_upto(rng, 2, 6 + (x + y) * 0.6))
    room.ceiling(_upto(rng, 0, 5))
    room.scatter(_upto(rng, 0, 2 + 10 * plan.clutter**2))
    return room.builder.build(), plan, room.floor


def _upto(rng: Rng, low: int, high: float) -> int:
    return int(rng.integers(low, int(high)))
