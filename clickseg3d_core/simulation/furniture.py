"""Parametric furniture that carries things: tables, desks, shelves, cabinets, counters, beds."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.mesh import Mesh, from_arrays, merge, rotation_x
from clickseg3d_core.simulation.world import Item, Support

Rng = np.random.Generator

# Every piece faces -y: its back is at +y, where the wall is.


def _on_top(x: float, y: float, z: float) -> Support:
    return Support(center=(0.0, 0.0), size=(x * 0.92, y * 0.88), z=z, clearance=0.9)


def table(rng: Rng, *, low: bool = False) -> Item:
    """A dining, side or coffee table: four legs, one pillar, side panels or a drum."""
    x, y = rng.uniform(0.45, 2.0), rng.uniform(0.45, 1.0)
    z = rng.uniform(0.35, 0.55) if low else rng.uniform(0.68, 0.8)
    if low:
        x, y = rng.uniform(0.4, 1.3), rng.uniform(0.4, 0.8)
    thick = rng.uniform(0.02, 0.06)
    kind = rng.choice(4, p=[0.55, 0.2, 0.15, 0.1])
    if kind == 1 or rng.random() < 0.12:
        x = y = max(y, 0.5)
        top = shapes.cylinder(x / 2, thick, 32)
        foot = shapes.cone(x * 0.3, 0.04, 0.04)
        stand = merge([foot, shapes.cylinder(rng.uniform(0.03, 0.08), z - thick)])
        support = Support(center=(0, 0), size=(x * 0.66, x * 0.66), z=z, clearance=0.9)
    else:
        top = (
            shapes.bevelled_box(x, y, thick, 0.006)
            if rng.random() < 0.4
            else shapes.box(x, y, thick)
        )
        stand = _stand(x, y, z - thick, int(kind), rng)
        support = _on_top(x, y, z)
    mesh = merge([top.moved(0, 0, z - thick), stand.painted(1)])
    skin = paint.glass(rng) if rng.random() < 0.06 else paint.wood(rng)
    return Item(
        mesh=mesh, classes=("table",), materials=(skin, paint.wood(rng)), supports=(support,)
    )


def _stand(x: float, y: float, height: float, kind: int, rng: Rng) -> Mesh:
    size = rng.uniform(0.025, 0.09)
    if kind == 2:
        return merge(
            [shapes.box(0.03, y * 0.95, height).moved(s * (x / 2 - 0.05), 0, 0) for s in (-1, 1)]
        )
    if kind == 3:
        bars = [shapes.box(0.05, y * 0.9, 0.04).moved(s * x * 0.4, 0, 0) for s in (-1, 1)]
        posts = [shapes.box(0.05, 0.05, height).moved(s * x * 0.4, 0, 0) for s in (-1, 1)]
        return merge([*bars, *posts, shapes.box(x * 0.8, 0.03, 0.06).moved(0, 0, height * 0.4)])
    parts = [shapes.legs(x * 0.94, y * 0.94, height, size, round_=rng.random() < 0.4)]
    if rng.random() < 0.5:
        parts.append(shapes.box(x * 0.86, y * 0.86, 0.08).moved(0, 0, height - 0.08))
    if rng.random() < 0.2:
        parts.append(shapes.box(x * 0.9, y * 0.85, 0.02).moved(0, 0, 0.15))
    return merge(parts)


def desk(rng: Rng) -> Item:
    """A writing desk with a drawer unit or side panels."""
    x, y, z = rng.uniform(1.0, 1.9), rng.uniform(0.55, 0.85), rng.uniform(0.7, 0.78)
    parts = [shapes.box(x, y, 0.03).moved(0, 0, z - 0.03)]
    side = 1 if rng.random() < 0.5 else -1
    if rng.random() < 0.6:
        unit = fronted_box(0.4, y * 0.9, z - 0.03 - 0.03, 1, int(rng.integers(2, 5)), rng)
        parts.append(unit.moved(side * (x / 2 - 0.22), 0, 0))
        parts.append(
            shapes.box(0.03, y * 0.95, z - 0.03).moved(-side * (x / 2 - 0.02), 0, 0).painted(1)
        )
    else:
        parts.append(shapes.legs(x * 0.96, y * 0.92, z - 0.03, 0.05).painted(1))
    if rng.random() < 0.5:
        parts.append(shapes.box(x * 0.94, 0.015, 0.4).moved(0, y * 0.4, z - 0.45).painted(1))
    skins = (paint.wood(rng), paint.coating(rng), paint.metal(rng))
    return Item(
        mesh=merge(parts), classes=("table",), materials=skins, supports=(_on_top(x, y, z),)
    )


def fronted_box(x: float, y: float, z: float, columns: int, rows: int, rng: Rng) -> Mesh:
    """A closed box with a grid of doors or drawer fronts (slot 1) and handles (slot 2)."""
    parts = [shapes.box(x, y, z)]
    w, h = x / columns, z / rows
    knob = rng.random() < 0.5
    for c in range(columns):
        for r in range(rows):
            cx, cz = (c + 0.5) * w - x / 2, r * h
            parts.append(
                shapes.box(w - 0.012, 0.018, h - 0.012)
                .moved(cx, -y / 2 - 0.009, cz + 0.006)
                .painted(1)
            )
            grip = (
                shapes.ellipsoid(0.03, 0.03, 0.03)
                if knob
                else shapes.box(min(0.14, w * 0.5), 0.02, 0.015)
            )
            parts.append(grip.moved(cx + w * 0.3 * knob, -y / 2 - 0.03, cz + h * 0.7).painted(2))
    return merge(parts)


def cabinet(rng: Rng) -> Item:
    """A low cupboard, chest of drawers, night stand, sideboard or TV bench."""
    x, y, z = rng.uniform(0.4, 1.8), rng.uniform(0.35, 0.6), rng.uniform(0.4, 1.25)
    feet = rng.uniform(0.0, 0.15) * (rng.random() < 0.5)
    columns = max(1, round(x / rng.uniform(0.4, 0.7)))
    body = fronted_box(x, y, z - feet, columns, int(rng.integers(1, 5)), rng).moved(0, 0, feet)
    mesh = merge([body, shapes.legs(x, y, feet, 0.04).painted(2)]) if feet > 0.02 else body
    base = paint.wood(rng)
    front = base if rng.random() < 0.6 else paint.wood(rng)
    skins = (base, front, paint.metal(rng))
    return Item(mesh=mesh, classes=("cabinet",), materials=skins, supports=(_on_top(x, y, z),))


def wardrobe(rng: Rng) -> Item:
    """A tall closed cupboard or locker."""
    x, y, z = rng.uniform(0.5, 2.2), rng.uniform(0.35, 0.65), rng.uniform(1.6, 2.3)
    body = fronted_box(x, y, z, max(1, int(x / 0.5)), int(rng.integers(1, 3)), rng)
    base = paint.wood(rng)
    skins = (base, base if rng.random() < 0.6 else paint.wood(rng), paint.metal(rng))
    return Item(mesh=body, classes=("cabinet",), materials=skins, supports=(_on_top(x, y, z),))


def shelf(rng: Rng) -> Item:
    """An open shelf: boards between side panels or posts, with or without a back."""
    x, y, z = rng.uniform(0.5, 2.0), rng.uniform(0.22, 0.45), rng.uniform(0.8, 2.2)
    rows, columns = int(rng.integers(2, 7)), max(1, int(x / rng.uniform(0.5, 1.3)))
    gap = z / rows
    boards = [shapes.box(x, y, 0.022).moved(0, 0, r * gap) for r in range(rows)]
    boards.append(shapes.box(x, y, 0.022).moved(0, 0, z - 0.022))
    if rng.random() < 0.75:
        walls = [
            shapes.box(0.022, y, z).moved(x * (c / columns - 0.5), 0, 0) for c in range(columns + 1)
        ]
    else:
        walls = [shapes.legs(x, y, z, 0.03)]
        columns = 1
    back = [shapes.box(x, 0.01, z).moved(0, y / 2, 0)] if rng.random() < 0.6 else []
    places = [
        Support(
            center=((c + 0.5) * x / columns - x / 2, 0.0), size=(x / columns - 0.05, y * 0.92),
            z=r * gap + 0.022, clearance=gap - 0.03,
        )
        for r in range(rows) for c in range(columns)
    ]  # fmt: skip
    if z < 1.7:
        places.append(_on_top(x, y, z))
    mesh = merge([*boards, *[m.painted(1) for m in walls + back]])
    base = paint.wood(rng)
    skins = (base, base if rng.random() < 0.7 else paint.wood(rng))
    return Item(mesh=mesh, classes=("shelf",), materials=skins, supports=tuple(places))


def counter(rng: Rng) -> Item:
    """A kitchen counter, sometimes with a sink; the cabinet below is mostly its own instance."""
    x, y, z = rng.uniform(1.0, 3.2), rng.uniform(0.55, 0.7), rng.uniform(0.85, 0.95)
    body = fronted_box(x, y * 0.95, z - 0.04, max(2, int(x / 0.55)), 1, rng)
    slab = 0.04
    split = rng.random() < 0.75
    skins = [paint.wood(rng), paint.coating(rng), paint.metal(rng), paint.coating(rng)]
    if rng.random() < 0.35:
        body = body.as_part(1) if split else body
        mesh = merge([body, shapes.box(x, y, slab).moved(0, 0, z - slab).painted(3)])
        return Item(
            mesh=mesh,
            classes=("counter", "cabinet") if split else ("counter",),
            materials=tuple(skins),
            supports=(_on_top(x, y, z),),
        )
    w, d, at = 0.5, y * 0.62, rng.uniform(-0.5, 0.5) * (x - 0.7)
    left, right = at - w / 2 + x / 2, x / 2 - at - w / 2
    top = [shapes.box(left, y, slab).moved((at - w / 2 - x / 2) / 2, 0, 0)]
    top.append(shapes.box(right, y, slab).moved((at + w / 2 + x / 2) / 2, 0, 0))
    top += [shapes.box(w, (y - d) / 2, slab).moved(at, s * (y + d) / 4, 0) for s in (-1, 1)]
    basin = basin_mesh(w, d, 0.16).moved(at, 0, z - 0.16).as_part(1).painted(4)
    tap = faucet(0.25).moved(at, d / 2 + 0.03, z).as_part(1).painted(4)
    body = body.scaled(1, 1, (z - 0.18) / (z - 0.04))
    names = ("counter", "sink", "cabinet") if split else ("counter", "sink")
    mesh = merge(
        [
            body.as_part(2) if split else body,
            *[m.moved(0, 0, z - slab).painted(3) for m in top],
            basin,
            tap,
        ]
    )
    wide = max(left, right)
    middle = (at - w / 2 - x / 2) / 2 if left > right else (at + w / 2 + x / 2) / 2
    place = Support(center=(middle, 0), size=(wide * 0.94, y * 0.85), z=z, clearance=0.5)
    skins.append(paint.metal(rng) if rng.random() < 0.6 else paint.plain(paint.pale(rng)))
    return Item(mesh=mesh, classes=names, materials=tuple(skins), supports=(place,))


def basin_mesh(x: float, y: float, depth: float) -> Mesh:
    """An open basin with a rim, its rim at z = depth."""
    ring = np.array([[1, -1], [1, 1], [-1, 1], [-1, -1]]) * [x / 2, y / 2]
    hull = shapes.loft([(ring * 0.85, 0.0), (ring * 0.98, depth)])
    count = len(ring)
    keep = ~(hull.faces >= 3 * count).any(axis=1)
    return from_arrays(hull.vertices, hull.faces[keep])


def faucet(height: float) -> Mesh:
    """A tap: a riser bent towards -y."""
    t = np.linspace(0, np.pi * 0.9, 8)
    bend = np.stack([np.zeros(8), 0.08 * np.cos(t) - 0.08, height * 0.7 + 0.08 * np.sin(t)], axis=1)
    return shapes.tube(np.concatenate([[[0, 0, 0]], bend]), 0.013)


def bed(rng: Rng) -> Item:
    """A bed with mattress and blanket, pillows as instances of their own."""
    x, y = float(rng.choice([0.9, 1.0, 1.4, 1.6, 1.8])), rng.uniform(1.9, 2.15)
    z = rng.uniform(0.35, 0.6)
    frame = shapes.box(x + 0.06, y + 0.04, z * 0.55)
    mattress = shapes.rounded_box(x, y, z * 0.5, 0.12).moved(0, 0, z * 0.5).painted(1)
    parts = [frame, mattress]
    if rng.random() < 0.75:
        head = rng.uniform(0.3, 0.7)
        parts.append(shapes.box(x + 0.06, 0.06, z + head).moved(0, y / 2 + 0.04, 0))
    if rng.random() < 0.7:
        cover = y * rng.uniform(0.5, 0.8)
        parts.append(
            blanket(x + 0.08, cover, z * 0.5, rng).moved(0, -(y - cover) / 2, z).painted(2)
        )
    count = (1 if x < 1.2 else 2) + int(rng.random() < 0.3)
    pillows = []
    for k in range(count):
        cushion = shapes.superellipsoid(0.6 * min(1, x / count / 0.6), 0.4, 0.16, roundness=0.5)
        cushion = cushion.turned(rotation_x(rng.uniform(0.0, 0.6)))
        at = (k + 0.5) / count * x - x / 2
        pillows.append(cushion.moved(at, y / 2 - 0.28, z - 0.02).as_part(k + 1).painted(3))
    skins = (paint.wood(rng), paint.plain(paint.pale(rng)), paint.fabric(rng), paint.fabric(rng))
    place = Support(center=(0, -y * 0.15), size=(x * 0.8, y * 0.5), z=z + 0.02, clearance=0.6)
    classes = ("bed", *["pillow"] * count)
    return Item(mesh=merge([*parts, *pillows]), classes=classes, materials=skins, supports=(place,))


def blanket(x: float, y: float, drop: float, rng: Rng) -> Mesh:
    """A wavy cover over an x by y top, hanging down `drop` metres at the sides."""
    u, v = np.meshgrid(np.linspace(-1, 1, 24), np.linspace(-1, 1, 24))
    fold = sum(
        np.sin(rng.uniform(2, 7) * u + rng.uniform(2, 7) * v + rng.uniform(0, 6)) for _ in range(3)
    )
    height = 0.015 + 0.006 * np.asarray(fold)
    height = np.where(np.abs(u) > 0.97, -drop * rng.uniform(0.3, 0.8), height)
    return shapes.sheet(x, y, height)
