"""Tables and desks of many builds."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.furniture import fronted_box
from clickseg3d_core.simulation.mesh import FloatArray, Mesh, merge
from clickseg3d_core.simulation.world import Item, Support

Rng = np.random.Generator

# Every piece faces -y.


def outline(x: float, y: float, roundness: float) -> FloatArray:
    """(32, 2) corners of an x by y top: a rectangle at roundness 0, an ellipse at 1."""
    angle = (np.arange(32) + 0.5) * np.pi / 16
    wave = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.asarray(np.sign(wave) * np.abs(wave) ** roundness * [x / 2, y / 2])


def top_mesh(x: float, y: float, thick: float, roundness: float) -> Mesh:
    """A table top with square or round corners."""
    if roundness < 0.05:
        return shapes.bevelled_box(x, y, thick, 0.004)
    return shapes.prism(outline(x, y, roundness), thick)


def foot(x: float, y: float, height: float, rng: Rng) -> Mesh:
    """What carries a table top: legs of any lean and taper, pillars, trestles, cheeks, a frame."""
    kind = rng.choice(6, p=[0.42, 0.16, 0.14, 0.1, 0.08, 0.1])
    thick = float(rng.uniform(0.02, 0.1))
    if kind == 0:
        return leaning_legs(x, y, height, thick, rng)
    if kind == 1:
        count = 1 if x < 1.3 else int(rng.integers(1, 3))
        return merge([pillar(min(x, y), height, rng).moved(s, 0, 0) for s in _spread(count, x)])
    if kind == 2:
        return merge([trestle(y, height, thick).moved(s * x * 0.36, 0, 0) for s in (-1, 1)])
    if kind == 3:
        cheek = shapes.box(thick * 0.6, y * 0.92, height)
        return merge([cheek.moved(s * x * 0.46, 0, 0) for s in (-1, 1)])
    if kind == 4:
        loop = [
            shapes.box(thick * 0.5, y * 0.9, thick * 0.5).moved(0, 0, z) for z in (0, height - 0.03)
        ]
        loop += [
            shapes.box(thick * 0.5, thick * 0.5, height).moved(0, s * y * 0.45, 0) for s in (-1, 1)
        ]
        return merge([merge(loop).moved(s * x * 0.42, 0, 0) for s in (-1, 1)])
    post = [shapes.box(0.07, 0.07, height).moved(s * x * 0.38, 0, 0) for s in (-1, 1)]
    runner = [shapes.box(0.07, y * 0.85, 0.04).moved(s * x * 0.38, 0, 0) for s in (-1, 1)]
    return merge([*post, *runner, shapes.box(x * 0.76, 0.04, 0.05).moved(0, 0, height * 0.85)])


def _spread(count: int, x: float) -> list[float]:
    return [0.0] if count == 1 else [-x * 0.27, x * 0.27]


def leaning_legs(x: float, y: float, height: float, thick: float, rng: Rng) -> Mesh:
    """Four legs, straight or leaning, even or tapered, with or without rails."""
    inset, lean = rng.uniform(0.0, 0.12), rng.uniform(0.0, 0.12) * (rng.random() < 0.5)
    taper = rng.uniform(0.4, 1.0)
    angle = np.arange(8) * np.pi / 4 if rng.random() < 0.5 else np.arange(4) * np.pi / 2 + np.pi / 4
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) * thick / 2
    parts = []
    for i in (-1, 1):
        for j in (-1, 1):
            high = np.array([i * (x / 2 - thick / 2 - inset), j * (y / 2 - thick / 2 - inset)])
            low = high + np.array([i, j]) * min(lean, inset)
            parts.append(shapes.loft([(ring * taper + low, 0.0), (ring + high, height)]))
    if rng.random() < 0.5:
        deep = rng.uniform(0.04, 0.1)
        rail_x = shapes.box(x - 2 * inset - thick, 0.02, deep).moved(0, 0, height - deep)
        rail_y = shapes.box(0.02, y - 2 * inset - thick, deep).moved(0, 0, height - deep)
        parts += [rail_x.moved(0, s * (y / 2 - thick / 2 - inset), 0) for s in (-1, 1)]
        parts += [rail_y.moved(s * (x / 2 - thick / 2 - inset), 0, 0) for s in (-1, 1)]
    return merge(parts)


def pillar(size: float, height: float, rng: Rng) -> Mesh:
    """A round post on a plate, cone, cross or three feet."""
    r = rng.uniform(0.025, 0.09)
    wave = r * (1.0 + rng.uniform(0.0, 0.5) * np.sin(np.linspace(0, rng.uniform(3, 12), 12)))
    post = shapes.lathe(np.stack([wave, np.linspace(0, height, 12)], axis=1), 14)
    kind = rng.integers(3)
    if kind == 0:
        return merge([post, shapes.cylinder(size * rng.uniform(0.25, 0.36), 0.025)])
    if kind == 1:
        return merge([post, shapes.cone(size * rng.uniform(0.25, 0.36), r, height * 0.3)])
    count = int(rng.integers(3, 5))
    arms = [
        shapes.rod([0, 0, 0.12], [size * 0.36 * np.cos(a), size * 0.36 * np.sin(a), 0.02], 0.025)
        for a in np.arange(count) * 2 * np.pi / count + 0.5
    ]
    return merge([post, *arms])


def trestle(y: float, height: float, thick: float) -> Mesh:
    """An A-shaped support across the table."""
    r = thick * 0.35
    legs = [shapes.rod([0, s * y * 0.42, 0], [0, s * y * 0.08, height], r) for s in (-1, 1)]
    bar = shapes.rod([0, -y * 0.28, height * 0.4], [0, y * 0.28, height * 0.4], r)
    return merge(
        [*legs, bar, shapes.box(thick, y * 0.7, thick * 0.6).moved(0, 0, height - thick * 0.6)]
    )


def any_table(x: float, y: float, z: float, rng: Rng) -> Item:
    """A table of the given width, depth and height in metres."""
    thick = float(rng.uniform(0.015, 0.06))
    curve = float(rng.choice([0.0, 0.25, 0.6, 1.0], p=[0.6, 0.15, 0.05, 0.2]))
    parts = [top_mesh(x, y, thick, curve).moved(0, 0, z - thick)]
    parts.append(foot(x * (1 - 0.3 * curve), y * (1 - 0.3 * curve), z - thick, rng).painted(1))
    skin = paint.glass(rng) if rng.random() < 0.07 else paint.wood(rng)
    leg = skin if rng.random() < 0.45 and skin.dropout == 0 else paint.wood(rng)
    if rng.random() < 0.25:
        leg = paint.metal(rng)
    fit = 0.92 - 0.25 * curve
    place = Support(center=(0.0, 0.0), size=(x * fit, y * fit), z=z, clearance=0.9)
    return Item(mesh=merge(parts), classes=("table",), materials=(skin, leg), supports=(place,))


def dining_table(rng: Rng, room: float) -> Item:
    """A dining or meeting table no longer than the room allows."""
    x = float(rng.uniform(0.7, max(0.8, min(3.2, room - 1.6))))
    y = float(np.clip(x * rng.uniform(0.5, 1.05), 0.7, 1.25))
    return any_table(x, y, float(rng.uniform(0.7, 0.79)), rng)


def side_table(rng: Rng) -> Item:
    """A side table, stand or one of a nest."""
    x, y = rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.55)
    return any_table(float(x), float(y), float(rng.uniform(0.4, 0.7)), rng)


def plain_desk(rng: Rng) -> Item:
    """A desk of an office: a rectangular or L-shaped top, frame, screen panel, drawer unit."""
    x, y = float(rng.uniform(1.1, 1.8)), float(rng.uniform(0.6, 0.85))
    z = float(rng.uniform(0.7, 0.78) if rng.random() < 0.9 else rng.uniform(0.95, 1.15))
    thick = float(rng.uniform(0.018, 0.035))
    parts = [top_mesh(x, y, thick, 0.0).moved(0, 0, z - thick)]
    parts.append(foot(x, y, z - thick, rng).painted(1))
    side = 1 if rng.random() < 0.5 else -1
    if rng.random() < 0.4:
        unit = fronted_box(0.4, y * 0.85, min(z - 0.06, 0.62), 1, int(rng.integers(2, 5)), rng)
        parts.append(unit.moved(side * (x / 2 - 0.24), 0.02, 0).painted(1))
    if rng.random() < 0.25:
        high = rng.uniform(0.25, 0.5)
        parts.append(shapes.box(x, 0.03, high + 0.2).moved(0, y / 2 - 0.015, z - 0.2).painted(2))
    base = paint.wood(rng)
    skins = (base, base if rng.random() < 0.35 else paint.metal(rng), paint.fabric(rng))
    place = Support(center=(0.0, -0.02), size=(x * 0.92, y * 0.82), z=z, clearance=0.9)
    return Item(mesh=merge(parts), classes=("table",), materials=skins, supports=(place,))


def corner_desk(rng: Rng) -> Item:
    """An L-shaped desk."""
    x, y, z = rng.uniform(1.4, 2.0), rng.uniform(0.55, 0.75), rng.uniform(0.7, 0.78)
    w, d = rng.uniform(0.5, 0.7), rng.uniform(0.5, 1.0)
    side = 1 if rng.random() < 0.5 else -1
    out = side * (x - w) / 2
    parts = [shapes.box(x, y, 0.03).moved(0, 0, z - 0.03)]
    parts.append(shapes.box(w, d, 0.03).moved(out, -(y + d) / 2, z - 0.03))
    for a, b in ((-side * x / 2, y / 2), (-side * x / 2, -y / 2), (side * x / 2, y / 2)):
        parts.append(shapes.box(0.04, 0.04, z - 0.03).moved(a * 0.96, b * 0.92, 0).painted(1))
    for a in (-1, 1):
        leg = shapes.box(0.04, 0.04, z - 0.03).moved(out + a * (w / 2 - 0.04), -y / 2 - d + 0.04, 0)
        parts.append(leg.painted(1))
    places = (
        Support(center=(0.0, 0.0), size=(x * 0.92, y * 0.85), z=z),
        Support(center=(out, -(y + d) / 2), size=(w * 0.9, d * 0.9), z=z),
    )
    skins = (paint.wood(rng), paint.metal(rng))
    return Item(mesh=merge(parts), classes=("table",), materials=skins, supports=places)
