"""Placing furniture in a room: free floor, free wall, things on top, colors that match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation.bookrows import shelved
from clickseg3d_core.simulation.clutter import ClutterStyle, fill, random_style
from clickseg3d_core.simulation.displays import lay_out, random_display, small_thing
from clickseg3d_core.simulation.grouping import Group, Piece, at
from clickseg3d_core.simulation.mesh import FloatArray, Mesh, rotation_z
from clickseg3d_core.simulation.objects import ObjectSource
from clickseg3d_core.simulation.roomstock import Maker, books, soft_thing
from clickseg3d_core.simulation.stacking import HeightMap, Profile, profile
from clickseg3d_core.simulation.wallspace import take
from clickseg3d_core.simulation.world import Item, Support, WorldBuilder

Rng = np.random.Generator
CELL = 0.05
_ROWS = 0.15
"""Probability that a place carries rows of one thing instead of a mixture."""


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


@dataclass(slots=True, eq=False)
class RoomBuilder:
    """Puts a room together piece by piece.

    Attributes:
        plan: Size and purpose.
        source: Draws small things.
        rng: Source of everything random.
        builder: Receives everything placed.
        floor: Tops of what stands on the floor.
        walls: Per wall, which places are taken (along it, and up).
        skins: Materials of the walls and of the floor.
    """

    plan: RoomPlan
    source: ObjectSource
    rng: Rng
    builder: WorldBuilder
    floor: HeightMap
    walls: dict[int, HeightMap]
    skins: tuple[paint.Material, paint.Material]

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
        return self.arrange([at(item, 0.0, 0.0)], place, yaw, None)

    def arrange(self, group: Group, place: FloatArray, yaw: float, side: int | None) -> bool:
        """Put up a group; False if its first piece does not fit.

        Pieces stand clear of what was there before, but may overlap each other: chairs go under
        tables. `side` is the wall behind the group.
        """
        before, turn = self.floor.height.copy(), rotation_z(yaw)
        kept: dict[int, list[Piece]] = {}
        for index, piece in enumerate(group):
            spot = turn @ piece.place + place
            shape = profile(piece.item.mesh.turned(rotation_z(yaw + piece.yaw)), CELL, self.rng)
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
        item = self._colored(piece.item, hung=piece.hung)
        self.builder.add(item, spot, angle)
        taken = []
        for one in carried:
            where = rotation_z(yaw) @ one.place + place
            self.builder.add(echo(one.item, item.materials[0], self.rng), where, yaw + one.yaw)
            local = rotation_z(-angle) @ (where - spot)
            taken.append((one.item.mesh.turned(rotation_z(one.yaw - piece.yaw)), local))
        self.decorate(item, spot, angle, taken)

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
        across, up = (along + low[0], along + high[0]), (level + low[2], level + high[2])
        return take(self.walls[side], across, up)

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
            "chair": soft_thing, "sofa": soft_thing, "bed": soft_thing,
            "counter": self.source.kitchen, "appliance": self.source.kitchen,
            "shelf": self.source.shelf,
            "cabinet": self.source.shelf,
            "table": self.source.desk if self.plan.purpose == "office" else self.source.any_object,
        }.get(name, self.source.any_object)  # fmt: skip
        library = name == "shelf" and self.rng.random() < 0.45
        for support in item.supports:
            if library and self.rng.random() < 0.8:
                self._shelve(item, support, place, yaw)
                continue
            room = support.size[0] * support.size[1]
            busy = self.plan.clutter * (0.4 if name in ("bed", "sofa", "chair") else 1.0)
            if self.rng.random() > (0.05 if name == "chair" else 0.25) + 0.7 * busy:
                continue
            most = max(1, int(min(10.0 + 25.0 * room, 60.0 * room) * (0.2 + 0.8 * busy)))
            if name in ("chair", "sofa", "bed"):
                most = 1 + most // 12
            style = random_style(self.rng, most)
            one: Maker = make
            if name == "shelf" and self.rng.random() < 0.4:
                one = books(self.rng)
                style = ClutterStyle(count=most, stack=0.3, touch=0.6, topple=0.0)
            frame = (place, yaw)
            one = _echoed(one, item.materials[0])
            if name not in ("bed", "sofa", "chair") and self.rng.random() < _ROWS:
                thing, rows = small_thing(one, support, self.rng), random_display(self.rng)
                lay_out(self.builder, support, frame, thing, self.rng, rows, taken=taken)
                continue
            fill(self.builder, support, frame, one, self.rng, style, cell=0.015, taken=taken)

    def _shelve(self, item: Item, support: Support, place: FloatArray, yaw: float) -> None:
        """Put rows of books on one board of a shelf."""
        for row, spot in shelved(support, self.rng):
            row = echo(row, item.materials[0], self.rng) if self.rng.random() < 0.2 else row
            self.builder.add(row, place + rotation_z(yaw) @ np.array(spot), yaw)

    def _colored(self, item: Item, *, hung: bool) -> Item:
        """The item, now and then in the color of the wall or floor behind it."""
        return echo(item, self.skins[0 if hung or self.rng.random() < 0.5 else 1], self.rng)

    def hang_one(self, item: Item, side: int, level: float) -> bool:
        """Hang an item on a wall with its origin at a height, where wall and floor are free."""
        low, high = item.mesh.vertices.min(axis=0), item.mesh.vertices.max(axis=0)
        free = self.wall_length(side) / 2 - max(-low[0], high[0]) - 0.05
        if free <= 0 or level + high[2] > self.plan.size[2]:
            return False
        along = float(self.rng.uniform(-free, free))
        place, yaw = self.wall_frame(side, along, 0.004)
        if not self._clear(place, yaw, item, level + min(float(low[2]), 0.0)):
            return False
        if not self._reserve(side, along, level, low, high):
            return False
        place[2] = level
        item = self._colored(item, hung=True)
        self.builder.add(item, place, yaw)
        self.decorate(item, place, yaw)
        return True

    def _clear(self, place: FloatArray, yaw: float, item: Item, level: float) -> bool:
        """Whether the floor in front of a wall thing holds nothing that reaches its height."""
        shape = profile(item.mesh.turned(rotation_z(yaw)), CELL, self.rng)
        cells = self.floor.cells_at(place[0], place[1], shape)
        if cells is None:
            return True
        inside = cells[cells[:, 0] >= 0]
        return bool((self.floor.height[inside[:, 0], inside[:, 1]] < level + 0.05).all())


def echo(item: Item, behind: paint.Material, rng: Rng) -> Item:
    """The item with its main material, or all, close to what it stands on in one case of three."""
    if rng.random() > 0.33 or not item.materials:
        return item
    near = np.clip(behind.colors * rng.uniform(0.85, 1.1) + rng.normal(0, 0.02, 3), 0.0, 1.0)
    if rng.random() < 0.5:
        near = np.tile(near[:1], (4, 1))
    every = rng.random() < 0.3
    skins = [
        replace(skin, colors=near) if every or index == 0 else skin
        for index, skin in enumerate(item.materials)
    ]
    return replace(item, materials=tuple(skins))


def _echoed(make: Maker, behind: paint.Material) -> Maker:
    return lambda rng: echo(make(rng), behind, rng)


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
