"""Groups of furniture: pieces with places, chairs tucked under tables, things in a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from clickseg3d_core.simulation import cloths
from clickseg3d_core.simulation.mesh import FloatArray, rotation_z
from clickseg3d_core.simulation.world import Item

Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Piece:
    """One item of a group.

    Attributes:
        item: What stands there.
        place: (3,) metres, group frame.
        yaw: Turn about z in radians.
        hung: Whether it hangs on the wall behind the group.
        owner: Index of the piece that it stands on, or None for the floor or wall.
    """

    item: Item
    place: FloatArray
    yaw: float = 0.0
    hung: bool = False
    owner: int | None = None


Group = list[Piece]
GroupMaker = Callable[[Rng, float], Group]
Chairs = Callable[[Rng], Item]

# Groups along a wall have the wall in the plane y = 0 and face -y; free ones are centered at the
# origin. The first piece must fit; the others are left out where something stands already.


def at(item: Item, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> Piece:
    """A piece on the floor, or at a height of z metres."""
    return Piece(item=item, place=np.array([x, y, z]), yaw=yaw)


def backed(item: Item, x: float, gap: float = 0.01, z: float = 0.0, *, hung: bool = False) -> Piece:
    """A piece with its back `gap` metres from the wall."""
    back = float(item.mesh.vertices[:, 1].max())
    return Piece(item=item, place=np.array([x, -back - gap, z]), hung=hung)


def half_width(item: Item) -> float:
    """Half of an item's width in metres, about its origin."""
    return float(np.abs(item.mesh.vertices[:, 0]).max())


def spread(group: Group) -> float:
    """Half of the width in metres, about x = 0, of what stands on the floor."""
    reach = [abs(float(p.place[0])) + half_width(p.item) for p in group if p.place[2] < 0.05]
    return max(reach)


def fit_width(item: Item, width: float) -> Item:
    """The item stretched along x to a width in metres."""
    factor = width / float(item.mesh.extent[0])
    return replace(item, mesh=item.mesh.scaled(factor, 1.0, 1.0))


def tuck(chair: Item, table: Item, edge: float, rng: Rng) -> float:
    """Distance of a chair's origin from a table's center when it is pushed in by some way.

    Args:
        chair: Faces -y, towards the table.
        table: Its underside limits what can go below.
        edge: Metres from the table's center to its edge on the chair's side.
        rng: Draws how far it is pushed in; one chair in five stands clear of the table.
    """
    corner = chair.mesh.vertices
    below = float(table.mesh.vertices[:, 2].max()) - 0.1
    tall = corner[corner[:, 2] > below]
    front = -float(corner[:, 1].min())
    nearest = edge + 0.015 - float(tall[:, 1].min()) if len(tall) else front + 0.12
    nearest = max(nearest, front + 0.1)
    apart = max(edge + front, nearest)
    if rng.random() < 0.2:
        return apart + float(rng.uniform(0.05, 0.4))
    return float(nearest + (apart - nearest) * rng.random() ** 1.5)


def around(table: Item, chairs: Sequence[tuple[float, float]], rng: Rng, make: Chairs) -> Group:
    """Chairs at a table, which is the first piece.

    Args:
        table: Stands at the origin.
        chairs: Side (turn about z in radians, 0 is -y) and shift along that side in metres.
        rng: Source of everything random.
        make: Draws one chair.
    """
    group = [at(table, 0.0, 0.0)]
    for turn, along in chairs:
        chair = make(rng)
        edge = table.mesh.extent[1 if abs(np.cos(turn)) > 0.5 else 0] / 2
        out = tuck(chair, table, float(edge), rng)
        x, y, _ = rotation_z(turn) @ np.array([along, -out, 0.0])
        yaw = turn + np.pi + rng.normal(0, 0.08)
        group.append(at(chair, float(x), float(y), yaw=yaw))
        if rng.random() < 0.08:
            group.append(thrown(group[-1], len(group) - 1, rng))
    return group


def thrown(chair: Piece, owner: int, rng: Rng) -> Piece:
    """A coat or towel over the back of a chair."""
    corner = chair.item.mesh.vertices
    back = corner[corner[:, 2] > corner[:, 2].max() - 0.05]
    low, high = back.min(axis=0), back.max(axis=0)
    depth = float(high[1] - low[1])
    wide = float(high[0] - low[0]) * rng.uniform(0.6, 1.15)
    coat = cloths.throw(rng, wide, rng.uniform(0.2, 0.6), depth)
    middle = np.array([0.0, (low[1] + high[1]) / 2, high[2]])
    place = chair.place + rotation_z(chair.yaw) @ middle
    return Piece(item=coat, place=place, yaw=chair.yaw, owner=owner)


def alike(make: Chairs, rng: Rng) -> Chairs:
    """A maker that repeats one draw, as the chairs of a set are alike."""
    seed = int(rng.integers(2**31))
    return lambda _: make(np.random.default_rng(seed))


def seats_of(table: Item, rng: Rng, share: float) -> list[tuple[float, float]]:
    """Sides and shifts of the chairs that a table has room for; each is taken with `share`."""
    x, y, _ = table.mesh.extent
    seats = []
    for turn in (0.0, np.pi, np.pi / 2, -np.pi / 2):
        side = x if abs(np.cos(turn)) > 0.5 else y
        count = max(1, int((side - 0.1) / 0.58))
        for k in range(count):
            if rng.random() < share:
                seats.append((turn, (k + 0.5) / count * (side - 0.1) - (side - 0.1) / 2))
    return seats


def shifted(group: Group, x: float, y: float, yaw: float = 0.0, base: int = 0) -> Group:
    """The group turned about z, then moved, its owners counted from `base`."""
    turn = rotation_z(yaw)
    return [
        Piece(
            item=p.item, place=turn @ p.place + [x, y, 0.0], yaw=p.yaw + yaw, hung=p.hung,
            owner=None if p.owner is None else p.owner + base,
        )
        for p in group
    ]  # fmt: skip


def in_a_row(items: Sequence[Item], gap: float, rng: Rng) -> tuple[Group, float]:
    """Items side by side with their backs to the wall; also the row's width in metres."""
    wides = [float(i.mesh.extent[0]) for i in items]
    total = sum(wides) + gap * (len(items) - 1)
    group, x = [], -total / 2
    for item, wide in zip(items, wides, strict=True):
        group.append(backed(item, x - float(item.mesh.vertices[:, 0].min())))
        x += wide + gap
    return group, total
