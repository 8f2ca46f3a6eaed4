"""Rooms: walls, furniture along them and in the middle, things on the furniture."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import fixtures, seating
from clickseg3d_core.simulation.grouping import Chairs, Group, alike, around, at, seats_of, spread
from clickseg3d_core.simulation.jutting import jut
from clickseg3d_core.simulation.layouts import FREE_GROUPS, WALL_GROUPS
from clickseg3d_core.simulation.objects import ObjectSource
from clickseg3d_core.simulation.roomplacing import CELL, RoomBuilder, RoomPlan
from clickseg3d_core.simulation.roomshell import build_shell, fittings
from clickseg3d_core.simulation.roomstock import SOFT, WALL_THINGS, draw, floor_pieces, wall_pieces
from clickseg3d_core.simulation.stacking import HeightMap
from clickseg3d_core.simulation.world import Item, World, WorldBuilder

__all__ = ["RoomPlan", "build_room", "random_plan"]

Rng = np.random.Generator


def random_plan(rng: Rng) -> RoomPlan:
    """Draw a room of 2.5-9 m by 2.5-7 m, 2.3-3.2 m high."""
    purpose = str(
        rng.choice(
            ["office", "living", "bedroom", "kitchen", "bath", "storage", "mixed"],
            p=[0.2, 0.18, 0.16, 0.16, 0.1, 0.06, 0.14],
        )
    )
    small = purpose == "bath" or rng.random() < 0.3
    length = rng.uniform(2.5, 4.0) if small else rng.uniform(3.2, 9.0)
    width = rng.uniform(2.5, 3.5) if small else rng.uniform(3.0, 7.0)
    return RoomPlan(
        size=(length, width, rng.uniform(2.3, 3.2)), purpose=purpose, clutter=rng.random()
    )


def _groups(room: RoomBuilder, count: int) -> None:
    """Furniture set up together, along the walls or standing free."""
    walls = WALL_GROUPS[room.plan.purpose]
    free = FREE_GROUPS.get(room.plan.purpose, ())
    x, y, _ = room.plan.size
    for attempt in range(3 * count):
        alone = len(free) > 0 and room.rng.random() < 0.45
        choice = free if alone else walls
        make = choice[int(room.rng.integers(len(choice)))] if attempt else walls[0]
        alone = alone and attempt > 0
        side = int(room.rng.integers(4))
        group = make(room.rng, (min(x, y) if alone else room.wall_length(side)) - 0.1)
        count -= _find_place(room, group, None if alone else side)
        if count == 0 or attempt > 14:
            break


def _find_place(room: RoomBuilder, group: Group, side: int | None) -> bool:
    """Try places in the room, or along one wall, until a group fits."""
    x, y, _ = room.plan.size
    for _ in range(8):
        if side is None:
            place = np.array([*(room.rng.uniform(-0.4, 0.4, 2) * [x, y]), 0.0])
            yaw = float(room.rng.integers(4) * np.pi / 2 + room.rng.normal(0, 0.06))
        else:
            most = max(room.wall_length(side) / 2 - spread(group) - 0.02, 0.0)
            along = float(room.rng.uniform(-most, most))
            place, yaw = room.wall_frame(side, along, 0.0)
        if room.arrange(group, place, yaw, side):
            return True
    return False


def _along_walls(room: RoomBuilder, count: int) -> None:
    """Furniture with its back against the walls."""
    makers = wall_pieces(room.plan.purpose, room.source)
    for _ in range(count):
        item = draw(makers, room.rng)
        group = _with_chairs(item, room.rng, against_wall=True)
        depth = float(item.mesh.vertices[:, 1].max())
        reach = float(np.abs(item.mesh.vertices[:, 0]).max())
        for _ in range(10):
            side = int(room.rng.integers(4))
            free = room.wall_length(side) / 2 - reach - 0.03
            if free <= 0:
                continue
            along = float(room.rng.uniform(-free, free))
            if room.rng.random() < 0.25:
                along = float(np.sign(along) * free)
            gap = depth + room.rng.uniform(0.005, 0.08)
            place, yaw = room.wall_frame(side, along, gap)
            if room.arrange(group, place, yaw, side):
                break


def _middle(room: RoomBuilder, count: int) -> None:
    """Furniture and things standing free."""
    makers = floor_pieces(room.source)
    x, y, _ = room.plan.size
    for _ in range(count):
        group = _with_chairs(draw(makers, room.rng), room.rng, against_wall=False)
        for _ in range(5):
            place = np.array([*room.rng.uniform([-x / 2, -y / 2], [x / 2, y / 2]), 0.0])
            yaw = float(room.rng.integers(4) * np.pi / 2 + room.rng.normal(0, 0.2))
            if room.arrange(group, place, yaw, None):
                break


def _hang(room: RoomBuilder, count: int) -> None:
    """Doors, windows, pictures and the like on the walls, clear of furniture."""
    weights = np.array([w for _, w, _ in WALL_THINGS])
    for _ in range(count):
        drawn = int(room.rng.choice(len(WALL_THINGS), p=weights / weights.sum()))
        make, _, level = WALL_THINGS[drawn]
        item = make(room.rng)
        for _ in range(5):
            height = float(room.rng.uniform(0.9, 1.8)) if level is None else level
            if room.hang_one(item, int(room.rng.integers(4)), height):
                break


def _ceiling(room: RoomBuilder, count: int) -> None:
    """Lamps below the ceiling."""
    x, y, z = room.plan.size
    for _ in range(count):
        item = fixtures.ceiling_lamp(room.rng)
        place = room.rng.uniform([-x * 0.4, -y * 0.4], [x * 0.4, y * 0.4])
        room.builder.add(item, (*place, z - item.mesh.extent[2] + 0.02))


def _scatter(room: RoomBuilder, count: int) -> None:
    """Small things on the floor and rugs."""
    for _ in range(count):
        x, y, _ = room.plan.size
        place = np.array([*room.rng.uniform([-x / 2, -y / 2], [x / 2, y / 2]), 0.0])
        kind = int(room.rng.integers(3 * len(SOFT)))
        make = SOFT[kind] if kind < len(SOFT) else room.source.any_object
        room.stand(make(room.rng), place, room.rng.uniform(0, 6.3))


def _with_chairs(item: Item, rng: Rng, *, against_wall: bool) -> Group:
    """The item, with chairs at it if it is a table to sit at."""
    if item.classes[0] != "table" or item.mesh.extent[2] < 0.6:
        return [at(item, 0.0, 0.0)]
    make: Chairs = alike(seating.table_chair, rng) if rng.random() < 0.6 else seating.chair
    seats = seats_of(item, rng, rng.uniform(0.2, 0.9))
    if against_wall:
        seats = [seat for seat in seats if seat[0] == 0.0]
    return around(item, seats, rng, make)


def build_room(rng: Rng, source: ObjectSource) -> tuple[World, RoomPlan, HeightMap]:
    """Build one furnished room; also its plan and the height of what stands on its floor."""
    plan = random_plan(rng)
    x, y, z = plan.size
    walls = {s: HeightMap.flat(((x, y)[s % 2], 2 * z), CELL) for s in range(4)}
    builder, floor = WorldBuilder(), HeightMap.flat((x, y), CELL)
    shell = build_shell(builder, plan.size, rng)
    fittings(shell, floor, walls, rng)
    jut(shell, floor, walls, rng)
    room = RoomBuilder(plan, source, rng, builder, floor, walls, (shell.skin, shell.ground))
    if rng.random() < 0.35:
        room.builder.add(fixtures.rug(rng), (rng.normal(0, x / 8), rng.normal(0, y / 8), 0.0))
    area = x * y
    busy = 0.3 + 0.7 * plan.clutter
    _groups(room, _upto(rng, 1, 4 + area * 0.25))
    if rng.random() < 0.3:
        _middle(room, _upto(rng, 1, 3 + area * 0.2 * busy))
    _along_walls(room, _upto(rng, 2, 5 + (x + y) * 0.8 * busy))
    _middle(room, _upto(rng, 0, 2 + area * 0.2 * busy))
    _hang(room, _upto(rng, 2, 6 + (x + y) * 0.6))
    _ceiling(room, _upto(rng, 0, 5))
    _scatter(room, _upto(rng, 0, 2 + 10 * plan.clutter**2))
    return room.builder.build(), plan, room.floor


def _upto(rng: Rng, low: int, high: float) -> int:
    return int(rng.integers(low, int(high)))
