"""What juts out of walls and ceilings: pilasters, soffits, beams, ducts, pipes, skirting."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.mesh import Mesh, rotation_y
from clickseg3d_core.simulation.roomshell import Shell, take_floor, wall_place
from clickseg3d_core.simulation.stacking import HeightMap
from clickseg3d_core.simulation.wallspace import take
from clickseg3d_core.simulation.world import Item

Rng = np.random.Generator
Walls = dict[int, HeightMap]

_OWN = 0.12
"""A pilaster at least so deep, in metres, is a thing of its own and no longer the wall's."""
_HEAD = 2.25
"""Nothing but a pipe comes lower than so many metres."""


def jut(shell: Shell, floor: HeightMap, walls: Walls, rng: Rng) -> None:
    """Add to a shell what most have some of; walls and floor are taken where it stands."""
    if rng.random() < 0.35:
        _pilasters(shell, floor, walls, rng)
    if rng.random() < 0.5:
        _skirting(shell, walls, rng)
    if rng.random() < 0.25:
        _soffits(shell, walls, rng)
    if shell.level and rng.random() < 0.2:
        _beams(shell, rng)
    if rng.random() < 0.25:
        _pipes(shell, floor, walls, rng)


def _pilasters(shell: Shell, floor: HeightMap, walls: Walls, rng: Rng) -> None:
    """A row of like flat columns on each of one to three walls, where these are free."""
    wide, deep = float(rng.uniform(0.15, 0.7)), float(rng.uniform(0.04, 0.4))
    z = shell.size[2]
    for side in rng.permutation(4)[: int(rng.integers(1, 4))]:
        half = (shell.size[side % 2] - wide) / 2
        if half < wide:
            continue
        count = int(rng.integers(1, 5))
        even = np.linspace(-half, half, count) if count > 1 else np.zeros(1)
        spots = even if rng.random() < 0.6 else rng.uniform(-half, half, count)
        for along in spots.tolist():
            if not take(walls[side], _span(along, wide), (0.0, z)):
                continue
            mesh = shapes.box(wide, deep, z).moved(along, -deep / 2, 0)
            own = None if deep >= _OWN else shell.walls[int(side)]
            _put(shell, int(side), mesh, "wall", shell.skin, own)
            take_floor(shell, floor, int(side), along, (wide, deep), z)


def _skirting(shell: Shell, walls: Walls, rng: Rng) -> None:
    """Boards along the foot of the walls, or a rail higher up; they belong to the wall."""
    high = float(rng.uniform(0.05, 0.16))
    low = 0.0 if rng.random() < 0.75 else float(rng.uniform(0.3, 1.1))
    out = float(rng.uniform(0.01, 0.02 if low == 0.0 else 0.06))
    skin = shell.skin if rng.random() < 0.3 else paint.plain(paint.pale(rng))
    skin = paint.wood(rng) if rng.random() < 0.3 else skin
    for side, taken in walls.items():
        row = int((low + high / 2) / taken.cell)
        edges = np.flatnonzero(np.diff(np.pad(taken.height[:, row] == 0.0, 1).astype(int)))
        shift = shell.size[side % 2] / 2
        for left, right in edges.reshape(-1, 2) * taken.cell - shift:
            right = min(right, shift)
            if right - left > 0.1:
                mesh = shapes.box(right - left, out, high).moved((left + right) / 2, -out / 2, low)
                _put(shell, side, mesh, "wall", skin, shell.walls[side])


def _soffits(shell: Shell, walls: Walls, rng: Rng) -> None:
    """A lowered strip of ceiling along one or two whole walls."""
    z = shell.size[2]
    if z < _HEAD + 0.1:
        return
    out, down = float(rng.uniform(0.15, 0.8)), float(rng.uniform(0.08, min(0.6, z - _HEAD)))
    for side in rng.permutation(4)[: int(rng.integers(1, 3))]:
        long = shell.size[side % 2]
        if take(walls[side], _span(0.0, long - 0.02), (z - down, z)):
            mesh = shapes.box(long, out, down).moved(0, -out / 2, z - down)
            _put(shell, int(side), mesh, "wall", shell.skin, None)


def _beams(shell: Shell, rng: Rng) -> None:
    """Beams below a level ceiling, across the room one way."""
    x, y, z = shell.size
    if z < _HEAD + 0.1:
        return
    axis = int(rng.integers(2))
    wide, down = float(rng.uniform(0.08, 0.4)), float(rng.uniform(0.08, min(0.4, z - _HEAD)))
    count = int(rng.integers(1, 7))
    skin = shell.skin if rng.random() < 0.5 else paint.wood(rng)
    step = (x, y)[axis] / count
    for k in range(count):
        place = np.zeros(3)
        place[axis], place[2] = (k + 0.5) * step - (x, y)[axis] / 2, z - down
        size = np.array([x, y])
        size[axis] = min(wide, 0.8 * step)
        mesh = shapes.box(size[0], size[1], down)
        shell.builder.add(Item(mesh=mesh, classes=("ceiling",), materials=(skin,)), place)


def _pipes(shell: Shell, floor: HeightMap, walls: Walls, rng: Rng) -> None:
    """Ducts along walls below the ceiling, and pipes from floor to ceiling; class other."""
    z = shell.size[2]
    skin = (paint.metal, paint.coating)[int(rng.integers(2))](rng)
    skin = shell.skin if rng.random() < 0.4 else skin
    for _ in range(int(rng.integers(1, 4))):
        side = int(rng.integers(4))
        long = shell.size[side % 2]
        if rng.random() < 0.5 and z > _HEAD + 0.15:
            thick = float(rng.uniform(0.08, min(0.5, z - _HEAD)))
            away, level = thick / 2 + float(rng.uniform(0.02, 0.4)), z - thick - 0.02
            if take(walls[side], _span(0.0, long - 0.02), (level, level + thick)):
                mesh = _duct(long, thick, rng).moved(0, -away, level + thick / 2)
                _put(shell, side, mesh, "other", skin, None)
        else:
            thick = float(rng.uniform(0.03, 0.16))
            along = float(rng.uniform(-0.5, 0.5) * (long - thick))
            if take(walls[side], _span(along, thick), (0.0, z)):
                away = thick / 2 + float(rng.uniform(0.0, 0.04))
                mesh = shapes.cylinder(thick / 2, z, 12).moved(along, -away, 0)
                _put(shell, side, mesh, "other", skin, None)
                take_floor(shell, floor, side, along, (thick, away + thick / 2), z)


def _duct(long: float, thick: float, rng: Rng) -> Mesh:
    """A round or square duct along x, its middle at the origin."""
    if rng.random() < 0.5:
        return shapes.box(long, thick, thick).moved(0, 0, -thick / 2)
    return shapes.cylinder(thick / 2, long, 16).moved(0, 0, -long / 2).turned(rotation_y(np.pi / 2))


def _span(along: float, wide: float) -> tuple[float, float]:
    return along - wide / 2, along + wide / 2


def _put(
    shell: Shell, side: int, mesh: Mesh, name: str, skin: paint.Material, instance: int | None
) -> None:
    """Add a mesh built at a wall in the plane y = 0 with the room at -y."""
    place, yaw = wall_place(shell.size, side)
    item = Item(mesh=mesh, classes=(name,), materials=(skin,))
    shell.builder.add(item, place, yaw, instance=instance)
