"""Closed and open cases: nightstands, television benches, bookcases, glass cases, lockers."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.furniture import fronted_box
from clickseg3d_core.simulation.mesh import Mesh, merge, rotation_z
from clickseg3d_core.simulation.world import Item, Support

Rng = np.random.Generator


def _top(x: float, y: float, z: float) -> Support:
    return Support(center=(0.0, 0.0), size=(x * 0.92, y * 0.88), z=z, clearance=0.8)


def shell(x: float, y: float, z: float, wall: float, *, back: bool = True) -> Mesh:
    """A box of boards that is open towards -y."""
    parts = [shapes.box(x, y, wall), shapes.box(x, y, wall).moved(0, 0, z - wall)]
    parts += [shapes.box(wall, y, z).moved(s * (x - wall) / 2, 0, 0) for s in (-1, 1)]
    if back:
        parts.append(shapes.box(x, 0.01, z).moved(0, y / 2 - 0.005, 0))
    return merge(parts)


def feet(x: float, y: float, height: float, rng: Rng) -> Mesh:
    """Legs, a plinth or two runners under an x by y case."""
    kind = rng.integers(3)
    if kind == 0:
        return shapes.legs(x * 0.96, y * 0.94, height, rng.uniform(0.025, 0.06), round_=True)
    if kind == 1:
        return shapes.box(x * 0.94, y * 0.9, height).moved(0, 0.02, 0)
    return merge([shapes.box(0.04, y * 0.95, height).moved(s * x * 0.45, 0, 0) for s in (-1, 1)])


def cased(x: float, y: float, z: float, cells: tuple[int, int], lift: float, rng: Rng) -> Item:
    """A case of columns by rows; each cell is a closed front or an open hole.

    Args:
        x: Width in metres.
        y: Depth in metres.
        z: Height in metres with the feet.
        cells: Columns and rows.
        lift: Height of the feet in metres.
        rng: Source of everything random.
    """
    columns, rows = cells
    height, wall = z - lift, 0.02
    w, h = x / columns, height / rows
    parts = [shell(x, y, height, wall).moved(0, 0, lift)]
    places = [_top(x, y, z)]
    part_open = rng.random() < 0.6
    for c in range(columns):
        middle = (c + 0.5) * w - x / 2
        for r in range(rows):
            low = lift + r * h
            if part_open and rng.random() < 0.5:
                inner = shell(w, y * 0.99, h, wall)
                size = (w - 0.05, y * 0.85)
                parts.append(inner.moved(middle, 0, low))
                places.append(
                    Support(center=(middle, 0), size=size, z=low + wall, clearance=h - 2 * wall)
                )
            else:
                parts.append(fronted_box(w, y, h, 1, 1, rng).moved(middle, 0, low))
    if lift > 0.02:
        parts.append(feet(x, y, lift, rng).painted(2))
    base = paint.wood(rng)
    skins = (base, base if rng.random() < 0.6 else paint.wood(rng), paint.metal(rng))
    return Item(mesh=merge(parts), classes=("cabinet",), materials=skins, supports=tuple(places))


def nightstand(rng: Rng) -> Item:
    """A nightstand or small chest."""
    x, y, z = rng.uniform(0.32, 0.6), rng.uniform(0.3, 0.48), rng.uniform(0.38, 0.7)
    lift = rng.uniform(0.05, 0.25) if rng.random() < 0.5 else 0.0
    return cased(x, y, z, (1, int(rng.integers(1, 4))), lift, rng)


def bench_cabinet(rng: Rng) -> Item:
    """A low bench for a television."""
    x, y, z = rng.uniform(0.9, 2.2), rng.uniform(0.35, 0.5), rng.uniform(0.3, 0.65)
    lift = rng.uniform(0.04, 0.18) if rng.random() < 0.6 else 0.0
    columns = max(1, round(x / rng.uniform(0.4, 0.75)))
    return cased(x, y, z, (columns, int(rng.integers(1, 3))), lift, rng)


def sideboard(rng: Rng) -> Item:
    """A sideboard, dresser, buffet or changing table."""
    x, y, z = rng.uniform(0.8, 2.0), rng.uniform(0.38, 0.55), rng.uniform(0.7, 1.3)
    lift = rng.uniform(0.04, 0.2) if rng.random() < 0.5 else 0.0
    columns = max(1, round(x / rng.uniform(0.35, 0.8)))
    return cased(x, y, z, (columns, int(rng.integers(1, 5))), lift, rng)


def bookcase(rng: Rng) -> Item:
    """A bookcase or cube shelf with holes of unequal height, class shelf."""
    x, y, z = rng.uniform(0.4, 1.9), rng.uniform(0.22, 0.42), rng.uniform(0.7, 2.2)
    columns = max(1, round(x / rng.uniform(0.35, 0.9)))
    wall = rng.uniform(0.015, 0.04)
    parts, places = [shell(x, y, z, wall, back=rng.random() < 0.7)], []
    w = x / columns
    even = rng.random() < 0.4
    for c in range(columns):
        middle = (c + 0.5) * w - x / 2
        if c:
            parts.append(shapes.box(wall, y, z).moved(middle - w / 2, 0, 0))
        rows = max(2, round(z / rng.uniform(0.28, 0.42)))
        marks = np.linspace(0, 1, rows + 1)
        if not even:
            marks[1:-1] += rng.uniform(-0.25, 0.25, rows - 1) / rows
        for low, high in zip(marks[:-1] * z, marks[1:] * z, strict=True):
            parts.append(shapes.box(w, y, wall).moved(middle, 0, min(low, z - wall)))
            size = (w - wall - 0.02, y * 0.9)
            gap = float(high - low - wall - 0.01)
            places.append(
                Support(center=(middle, 0.0), size=size, z=float(low) + wall, clearance=gap)
            )
    if z < 1.7:
        places.append(_top(x, y, z))
    skins = (paint.wood(rng), paint.wood(rng))
    return Item(mesh=merge(parts), classes=("shelf",), materials=skins, supports=tuple(places))


def wire_rack(rng: Rng) -> Item:
    """A rack of posts with slatted or wire boards, or a ladder shelf that narrows upwards."""
    x, y, z = rng.uniform(0.5, 1.3), rng.uniform(0.3, 0.5), rng.uniform(0.8, 2.0)
    rows, post = int(rng.integers(3, 6)), rng.uniform(0.015, 0.04)
    ladder = rng.random() < 0.35
    parts, places = [], []
    slats = rng.random() < 0.5
    for r in range(rows):
        level = 0.1 + (z - 0.15) * r / (rows - 1)
        deep = y * (1.0 - 0.6 * r / (rows - 1)) if ladder else y
        back = (y - deep) / 2
        if slats:
            count = max(3, int(deep / 0.06))
            bars = [
                shapes.box(x, deep / count * 0.55, 0.015).moved(
                    0, (k + 0.5) / count * deep - deep / 2 + back, level
                )
                for k in range(count)
            ]
            parts += bars
        else:
            parts.append(shapes.box(x, deep, 0.018).moved(0, back, level))
        size = (x - 0.06, deep * 0.85)
        gap = (z - 0.15) / (rows - 1) - 0.03
        places.append(Support(center=(0, back), size=size, z=level + 0.018, clearance=gap))
    for s in (-1, 1):
        far = [s * x / 2, y / 2, 0]
        parts.append(shapes.rod(far, [s * x / 2, y / 2, z], post / 2).painted(1))
        tip = y / 2 - y * 0.4 if ladder else -y / 2
        parts.append(shapes.rod([s * x / 2, -y / 2, 0], [s * x / 2, tip, z], post / 2).painted(1))
    skins = (paint.wood(rng), paint.metal(rng))
    return Item(mesh=merge(parts), classes=("shelf",), materials=skins, supports=tuple(places))


def open_wardrobe(rng: Rng) -> Item:
    """A cupboard with a door standing open, boards and hanging clothes inside."""
    x, y, z = rng.uniform(0.6, 1.6), rng.uniform(0.4, 0.62), rng.uniform(0.8, 2.2)
    parts = [shell(x, y, z, 0.02)]
    half = x / 2
    parts.append(shapes.box(0.02, y, z).moved(0, 0, 0))
    side = 1 if rng.random() < 0.5 else -1
    rows = int(rng.integers(2, 6))
    places = []
    for r in range(rows):
        low = z * r / rows
        parts.append(shapes.box(half, y * 0.95, 0.018).moved(side * half / 2, 0, low))
        places.append(
            Support(
                center=(side * half / 2, 0.0), size=(half - 0.06, y * 0.85), z=low + 0.018,
                clearance=z / rows - 0.03,
            )
        )  # fmt: skip
    swing = rng.uniform(0.3, 2.2)
    leaf = shapes.box(half, 0.02, z - 0.02).moved(-half / 2, 0, 0.01).turned(rotation_z(swing))
    if side < 0:
        leaf = leaf.scaled(-1, 1, 1)
    parts.append(leaf.moved(side * half, -y / 2 - 0.01, 0).painted(1))
    shut = fronted_box(half, 0.02, z - 0.02, 1, 1, rng).moved(-side * half / 2, -y / 2, 0.01)
    parts.append(shut)
    base = paint.wood(rng)
    skins = (base, base if rng.random() < 0.6 else paint.wood(rng), paint.metal(rng))
    return Item(mesh=merge(parts), classes=("cabinet",), materials=skins, supports=tuple(places))


def glass_case(rng: Rng) -> Item:
    """A cupboard with glass doors over things on its boards."""
    x, y, z = rng.uniform(0.5, 1.3), rng.uniform(0.3, 0.45), rng.uniform(1.0, 2.1)
    rows = int(rng.integers(3, 6))
    parts, places = [shell(x, y, z, 0.025)], []
    for r in range(rows):
        low = z * r / rows
        parts.append(shapes.box(x, y * 0.95, 0.018).moved(0, 0, low))
        size = (x - 0.08, y * 0.8)
        places.append(
            Support(center=(0, 0.01), size=size, z=low + 0.018, clearance=z / rows - 0.03)
        )
    for s in (-1, 1):
        pane = shapes.box(x / 2 - 0.09, 0.006, z - 0.12).moved(s * x / 4, -y / 2, 0.06)
        parts.append(pane.painted(1))
        rails = [
            shapes.box(0.05, 0.02, z).moved(s * x / 4 + k * (x / 4 - 0.025), -y / 2, 0)
            for k in (-1, 1)
        ]
        parts += rails
        parts += [
            shapes.box(x / 2, 0.02, 0.06).moved(s * x / 4, -y / 2, k) for k in (0.0, z - 0.06)
        ]
    skins = (paint.wood(rng), paint.glass(rng))
    return Item(mesh=merge(parts), classes=("cabinet",), materials=skins, supports=tuple(places))


def locker(rng: Rng) -> Item:
    """A filing cabinet or a bank of lockers of painted metal."""
    if rng.random() < 0.5:
        x, y, z = rng.uniform(0.38, 0.9), rng.uniform(0.42, 0.65), rng.uniform(0.55, 1.4)
        cells = (1, int(rng.integers(2, 5)))
    else:
        x, y, z = rng.uniform(0.3, 1.6), rng.uniform(0.4, 0.55), rng.uniform(1.5, 2.1)
        cells = (max(1, round(x / 0.35)), int(rng.integers(1, 5)))
    mesh = fronted_box(x, y, z, *cells, rng)
    skin = paint.plain(paint.gray(rng) if rng.random() < 0.6 else paint.anything(rng))
    skins = (skin, skin if rng.random() < 0.8 else paint.coating(rng), paint.metal(rng))
    return Item(mesh=mesh, classes=("cabinet",), materials=skins, supports=(_top(x, y, z),))
