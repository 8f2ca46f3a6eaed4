"""The shell of a room: floor, walls, ceiling; corners cut off, columns, half walls, openings."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.fixtures import frame, upright
from clickseg3d_core.simulation.mesh import FloatArray, Mesh, from_arrays, merge, rotation_z
from clickseg3d_core.simulation.recesses import (
    SIDEWAYS,
    Recess,
    filling,
    pierced_wall,
    random_recesses,
    recessed_wall,
)
from clickseg3d_core.simulation.stacking import HeightMap
from clickseg3d_core.simulation.wallspace import close
from clickseg3d_core.simulation.world import Item, WorldBuilder

Rng = np.random.Generator
Size = tuple[float, float, float]
_WAY = 0.7
"""Metres before an opening that furniture keeps out of."""
_BROKEN = 0.6
"""Probability that a room has walls with recesses."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Shell:
    """A bare room.

    Attributes:
        builder: Holds its floor, walls and ceiling.
        size: Inner length, width and height in metres; the floor's center is the origin.
        skin: Of the walls.
        ground: Of the floor.
        floor: Instance id of the floor.
        doorway: Wall with a doorway to a stub of the next room, and the opening's middle along it
            and its width in metres; None without one.
        walls: Instance id of each wall.
        level: Whether the ceiling is level all over.
        recesses: Of each wall that has some.
    """

    builder: WorldBuilder
    size: Size
    skin: paint.Material
    ground: paint.Material
    floor: int
    doorway: tuple[int, float, float] | None
    walls: tuple[int, ...]
    level: bool
    recesses: dict[int, list[Recess]] = field(default_factory=dict)


def wall_material(rng: Rng) -> paint.Material:
    """Paint or paper of a wall, mostly pale and plain."""
    if rng.random() < 0.8:
        return paint.plain(paint.pale(rng) if rng.random() < 0.8 else paint.anything(rng))
    near = paint.pale(rng)
    kind = str(rng.choice(["noise", "stripes", "checker", "speckle"]))
    return paint.patterned(kind, [near, near * rng.uniform(0.7, 0.95)], rng.uniform(0.08, 0.3), rng)


def build_shell(builder: WorldBuilder, size: Size, rng: Rng) -> Shell:
    """Floor, four walls and a flat or sloped ceiling."""
    x, y, z = size
    skin = paint.flooring(rng) if rng.random() < 0.85 else paint.fabric(rng)
    floor = builder.add(Item(mesh=shapes.panel(x, y), classes=("floor",), materials=(skin,)))
    white = paint.plain(paint.pale(rng))
    ceiling = _ceiling(size, rng)
    builder.add(Item(mesh=ceiling, classes=("ceiling",), materials=(white,)))
    base = wall_material(rng)
    walls: list[int] = []
    whole = rng.random() < 0.2
    recesses: dict[int, list[Recess]] = {}
    broken = rng.random() < _BROKEN
    doorway = None
    if rng.random() < 0.25:
        side, wide = int(rng.integers(4)), float(rng.uniform(0.75, 1.6))
        free = size[side % 2] / 2 - wide / 2 - 0.15
        doorway = (side, float(rng.uniform(-free, free)), wide)
    for side in range(4):
        own = base if rng.random() < 0.85 else wall_material(rng)
        opened = doorway if doorway is not None and doorway[0] == side else None
        mesh = upright(size[side % 2], z, 0.0)
        if opened:
            gap = Recess(
                middle=opened[1], wide=opened[2], low=0.0, high=min(2.1, z - 0.1), deep=0.0,
                kind="door",
            )  # fmt: skip
            mesh = merge(pierced_wall(size[side % 2], z, [gap]))
        elif broken and rng.random() < 0.6:
            recesses[side] = random_recesses(size[side % 2], z, rng)
            mesh = recessed_wall(size[side % 2], z, recesses[side])
        place, yaw = wall_place(size, side)
        wall = Item(mesh=mesh, classes=("wall",), materials=(own,))
        walls.append(builder.add(wall, place, yaw, instance=walls[0] if whole and walls else None))
        _fill(builder, recesses.get(side, []), place, yaw, rng)
    shell = Shell(
        builder=builder, size=size, skin=base, ground=skin, floor=floor, doorway=doorway,
        walls=tuple(walls), level=bool(ceiling.extent[2] < 0.01), recesses=recesses,
    )  # fmt: skip
    if doorway is not None:
        _next_room(shell, doorway, skin, rng)
    return shell


def _fill(
    builder: WorldBuilder, recesses: list[Recess], place: FloatArray, yaw: float, rng: Rng
) -> None:
    for recess in recesses:
        item = filling(recess, rng)
        if item is not None:
            back = np.array([recess.middle, recess.deep, recess.low])
            builder.add(item, place + rotation_z(yaw) @ back, yaw)


def wall_place(size: Size, side: int) -> tuple[FloatArray, float]:
    """Middle of the foot of wall 0 (+y), 1 (-x), 2 (-y) or 3 (+x), and its yaw."""
    yaw = side * np.pi / 2
    return rotation_z(yaw) @ np.array([0.0, size[1 - side % 2] / 2, 0.0]), float(yaw)


def _ceiling(size: Size, rng: Rng) -> Mesh:
    """A flat ceiling, or one that slopes down over the +x part of the room."""
    x, y, z = size
    if rng.random() < 0.88 or x < 3.0:
        return shapes.panel(x, y).moved(0, 0, z)
    low, start = rng.uniform(1.2, 2.0), rng.uniform(0.0, x / 2 - 0.8)
    line = [[-x / 2, z], [start, z], [x / 2, low]]
    corners = [[a, s * y / 2, b] for a, b in line for s in (-1, 1)]
    return from_arrays(corners, shapes.grid_faces(3, 2))


def _next_room(
    shell: Shell, doorway: tuple[int, float, float], skin: paint.Material, rng: Rng
) -> None:
    """Floor and walls behind a doorway, and the trim around it."""
    side, middle, wide = doorway
    place, yaw = wall_place(shell.size, side)
    high = min(2.1, shell.size[2] - 0.1)
    thick, deep = rng.uniform(0.1, 0.25), rng.uniform(0.6, 2.0)
    width = wide + rng.uniform(0.0, 1.5)
    same = rng.random() < 0.5
    ground = shapes.panel(width, deep + thick).moved(middle, (deep + thick) / 2, 0)
    own = skin if same else paint.wood(rng)
    floor = Item(mesh=ground, classes=("floor",), materials=(own,))
    shell.builder.add(floor, place, yaw, instance=shell.floor if same else None)
    walls = [upright(width, high + 0.3, 0.0).moved(middle, deep + thick, 0)]
    for s in (-1, 1):
        jamb = (
            shapes.panel(thick, high)
            .turned(SIDEWAYS)
            .moved(middle + s * wide / 2, thick / 2, high / 2)
        )
        cheek = shapes.panel(deep, high + 0.3).turned(SIDEWAYS)
        walls += [jamb, cheek.moved(middle + s * width / 2, thick + deep / 2, high / 2 + 0.15)]
    material = shell.skin if rng.random() < 0.6 else wall_material(rng)
    for mesh in walls:
        shell.builder.add(Item(mesh=mesh, classes=("wall",), materials=(material,)), place, yaw)
    if rng.random() < 0.6:
        trim = frame(wide + 0.16, high + 0.08, 0.08, rng.uniform(0.015, 0.05))
        keep = trim.vertices[trim.faces].max(axis=1)[:, 2] > 0.1
        ring = from_arrays(trim.vertices, trim.faces[keep]).moved(middle, 0, 0)
        wood = paint.wood(rng)
        shell.builder.add(Item(mesh=ring, classes=("door",), materials=(wood,)), place, yaw)


def fittings(shell: Shell, floor: HeightMap, walls: dict[int, HeightMap], rng: Rng) -> None:
    """Cut-off corners (L-shaped rooms, alcoves), columns and half walls; they block the floor."""
    x, y, z = shell.size
    if shell.doorway is not None:
        side, middle, wide = shell.doorway
        take_floor(shell, floor, side, middle, (wide, _WAY), 0.03)
        close(walls[side], _beside(middle, wide), (0.0, 2.3))
    for side, recesses in shell.recesses.items():
        for r in recesses:
            close(walls[side], _beside(r.middle, r.wide), (r.low, r.high))
            if r.kind == "door":
                take_floor(shell, floor, side, r.middle, (r.wide, _WAY), 0.03)
    kind = rng.random()
    if kind < 0.22 and min(x, y) > 3.0:
        corner = rng.choice([-1, 1], 2)
        size = rng.uniform([0.6, 0.6], [x * 0.45, y * 0.45])
        _block(shell, floor, (corner * (np.array([x, y]) - size) / 2), size, z)
        if kind < 0.07:
            other = np.array([rng.uniform(0.4, x * 0.3), size[1]])
            middle = np.array([-corner[0], corner[1]]) * (np.array([x, y]) - other) / 2
            _block(shell, floor, middle, other, z)
    elif kind < 0.34:
        for _ in range(int(rng.integers(1, 4))):
            size = rng.uniform(0.18, 0.6, 2)
            spot = rng.uniform(-0.5, 0.5, 2) * (np.array([x, y]) - size)
            if rng.random() < 0.7:
                axis = int(rng.integers(2))
                spot[axis] = np.sign(spot[axis]) * ((x, y)[axis] - size[axis]) / 2
            _block(shell, floor, spot, size, z)
    elif kind < 0.42:
        axis = int(rng.integers(2))
        size = np.full(2, rng.uniform(0.08, 0.2))
        size[axis] = rng.uniform(0.7, (x, y)[axis] * 0.6)
        spot = rng.uniform(-0.4, 0.4, 2) * (x, y)
        spot[axis] = (1 if rng.random() < 0.5 else -1) * ((x, y)[axis] - size[axis]) / 2
        _block(shell, floor, spot, size, z if rng.random() < 0.4 else rng.uniform(0.8, 1.3))


def _beside(middle: float, wide: float) -> tuple[float, float]:
    """An opening and a hand's breadth on either side."""
    return middle - (wide / 2 + 0.1), middle + (wide / 2 + 0.1)


def take_floor(
    shell: Shell, floor: HeightMap, side: int, middle: float, size: tuple[float, float], top: float
) -> None:
    """Keep furniture off the floor before a wall.

    Args:
        shell: The room.
        floor: Raised there.
        side: Wall number.
        middle: Metres from the wall's middle, along it.
        size: Metres along the wall and away from it.
        top: Metres that the floor is raised to.
    """
    place, yaw = wall_place(shell.size, side)
    spot = place + rotation_z(yaw) @ np.array([middle, -size[1] / 2, 0.0])
    across = np.abs(rotation_z(yaw) @ np.array([*size, 0.0]))[:2]
    floor.block(spot[:2], across, top)


def _block(
    shell: Shell, floor: HeightMap, spot: FloatArray, size: FloatArray, height: float
) -> None:
    """A solid block of wall; each face inside the room is an instance of its own."""
    x, y, z = shell.size
    for axis in (0, 1):
        for sign in (-1, 1):
            edge = spot[axis] + sign * size[axis] / 2
            if abs(edge) > (x, y)[axis] / 2 - 0.02:
                continue
            face = upright(size[1 - axis], height, 0.0)
            where, yaw = np.array([*spot, 0.0]), 0.0 if axis == 1 else np.pi / 2
            where[axis] = edge
            item = Item(mesh=face, classes=("wall",), materials=(shell.skin,))
            shell.builder.add(item, where, yaw)
    if height < z - 0.01:
        top = shapes.panel(*size).moved(0, 0, height)
        item = Item(mesh=top, classes=("wall",), materials=(shell.skin,))
        shell.builder.add(item, (*spot, 0.0))
    floor.block(spot, size, height)
