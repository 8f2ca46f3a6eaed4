"""Chairs of many builds: shells, loops, slings, wing chairs, benches, bean bags, folding chairs."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.mesh import FloatArray, Mesh, from_arrays, merge, rotation_x
from clickseg3d_core.simulation.tables import pillar
from clickseg3d_core.simulation.world import Item, Support

Rng = np.random.Generator

# Every chair faces -y.


def splayed_legs(w: float, d: float, height: float, rng: Rng) -> Mesh:
    """Four legs that lean outwards by some way, even or tapered, with or without stretchers."""
    r, out = rng.uniform(0.009, 0.024), rng.uniform(0.0, 0.07)
    square = rng.random() < 0.4
    corners = 4 if square else 8
    angle = np.arange(corners) * 2 * np.pi / corners + np.pi / 4
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) * r * (1.4 if square else 1.0)
    taper = rng.uniform(0.45, 1.0)
    parts, feet = [], []
    for i in (-1, 1):
        for j in (-1, 1):
            high = np.array([i * (w / 2 - r), j * (d / 2 - r)])
            low = high + out * np.array([i, j])
            feet.append((low, high))
            parts.append(shapes.loft([(ring * taper + low, 0.0), (ring + high, height)]))
    if rng.random() < 0.45:
        t = rng.uniform(0.25, 0.6)
        mid = [np.append(low + (high - low) * t, height * t) for low, high in feet]
        for a, b in ((0, 1), (2, 3), (1, 3))[: int(rng.integers(2, 4))]:
            parts.append(shapes.rod(mid[a], mid[b], r * 0.7, 6))
    return merge(parts)


def wire_loops(w: float, d: float, height: float, rng: Rng) -> Mesh:
    """Two bent tubes at the sides: runners, a cantilever or crossed hoops."""
    r = rng.uniform(0.008, 0.016)
    kind = rng.integers(3)
    side: FloatArray
    if kind == 0:
        side = np.array([[-d / 2, height], [-d / 2, r], [d / 2, r], [d / 2, height]])
    elif kind == 1:
        side = np.array([[d / 2, r], [-d / 2, r], [-d / 2, height], [d / 2, height]])
    else:
        side = np.array([[-d / 2, r], [-d * 0.35, height], [d * 0.35, height], [d / 2, r]])
    t = np.linspace(0, len(side) - 1, 3 * len(side))
    bent = np.stack([np.interp(t, np.arange(len(side)), side[:, k]) for k in (0, 1)], axis=1)
    parts = []
    for s in (-1, 1):
        path = np.column_stack([np.full(len(bent), s * w / 2), bent])
        parts.append(shapes.tube(path, r, 6))
    back = [[-w / 2, d / 2, r], [w / 2, d / 2, r]] if kind != 2 else [[-w / 2, 0, height - r]] * 2
    back[1] = [w / 2, *back[0][1:]]
    parts.append(shapes.rod(back[0], back[1], r, 6))
    return merge(parts)


def stand(w: float, d: float, height: float, rng: Rng) -> Mesh:
    """What carries a chair's seat: legs, bent tubes, or a post."""
    kind = rng.choice(3, p=[0.62, 0.25, 0.13])
    if kind == 0:
        return splayed_legs(w, d, height, rng)
    return wire_loops(w, d, height, rng) if kind == 1 else pillar(w * 1.3, height, rng)


def curved_sheet(path: FloatArray, width: FloatArray, bend: FloatArray, thick: float) -> Mesh:
    """A bent board that follows a side view.

    Args:
        path: (R, 2) y and z along the middle, metres.
        width: (R,) full width in metres.
        bend: (R,) how far the edges come forward (towards the sitter) of the middle, metres.
        thick: Thickness in metres.
    """
    rows, columns = len(path), 11
    u = np.linspace(-1, 1, columns)
    slope = np.gradient(path, axis=0)
    slope /= np.linalg.norm(slope, axis=1, keepdims=True) + 1e-12
    normal = np.stack([-slope[:, 1], slope[:, 0]], axis=1)
    grid = np.empty((2, rows, columns, 3))
    for layer, shift in enumerate((0.0, -thick)):
        out = bend[:, None] * u**2 + shift
        grid[layer, ..., 0] = u * width[:, None] / 2
        grid[layer, ..., 1] = path[:, None, 0] + normal[:, None, 0] * out
        grid[layer, ..., 2] = path[:, None, 1] + normal[:, None, 1] * out
    faces = shapes.grid_faces(rows, columns)
    index = np.arange(rows * columns).reshape(rows, columns)
    edge = np.concatenate([index[0], index[1:, -1], index[-1, -2::-1], index[-2:0:-1, 0]])
    other = np.roll(edge, -1)
    step = rows * columns
    rim = np.concatenate(
        [np.stack([edge, other, other + step], 1), np.stack([edge, other + step, edge + step], 1)]
    )
    return from_arrays(grid.reshape(-1, 3), np.concatenate([faces, faces + step, rim]))


def shell_chair(rng: Rng) -> Item:
    """A chair whose seat and back are one bent shell, or two boards of the same bend."""
    w, d, seat = rng.uniform(0.38, 0.54), rng.uniform(0.38, 0.5), rng.uniform(0.4, 0.48)
    back, lean = rng.uniform(0.28, 0.55), rng.uniform(0.02, 0.2)
    t = np.linspace(0, 1, 16)
    corner = rng.uniform(0.12, 0.35)
    knots = [[-d / 2, seat - 0.02], [-d * 0.2, seat], [d * (0.5 - corner), seat - 0.015]]
    knots += [[d / 2, seat + corner * d], [d / 2 + lean, seat + back]]
    line = np.array(knots)
    path = np.stack([np.interp(t, np.linspace(0, 1, 5), line[:, k]) for k in (0, 1)], axis=1)
    wide = np.interp(
        t, [0, 0.4, 0.6, 1], [w * 0.9, w, w * rng.uniform(0.6, 1), w * rng.uniform(0.5, 0.95)]
    )
    bend = np.interp(t, [0, 0.4, 0.7, 1], [0.0, 0.02, 0.05, 0.04]) * rng.uniform(0.2, 2.4)
    if rng.random() < 0.3:
        cut = int(rng.integers(9, 11))
        hull = merge(
            [
                curved_sheet(path[: cut - 1], wide[: cut - 1], bend[: cut - 1], 0.012),
                curved_sheet(path[cut + 1 :], wide[cut + 1 :], bend[cut + 1 :], 0.012),
                shapes.tube(
                    np.column_stack([np.zeros(16), path + [0.012, -0.012]])[6:14], 0.012, 6
                ),
            ]
        )
    else:
        hull = curved_sheet(path, wide, bend, rng.uniform(0.008, 0.03))
    parts = [hull, stand(w * 0.8, d * 0.85, seat - 0.02, rng).painted(1)]
    skin = paint.coating(rng) if rng.random() < 0.5 else paint.wood(rng)
    leg = paint.metal(rng) if rng.random() < 0.5 else paint.wood(rng)
    return Item(
        mesh=merge(parts), classes=("chair",), materials=(skin, leg), supports=_seat(w, d, seat)
    )


def _seat(w: float, d: float, z: float) -> tuple[Support, ...]:
    return (Support(center=(0.0, 0.0), size=(w * 0.8, d * 0.7), z=z, clearance=0.5),)


def plank_chair(rng: Rng) -> Item:
    """A wooden chair: seat on legs, back posts with slats, rungs, a splat or a woven panel."""
    w, d, seat = rng.uniform(0.38, 0.5), rng.uniform(0.36, 0.5), rng.uniform(0.42, 0.49)
    back, lean, post = rng.uniform(0.35, 0.65), rng.uniform(0.0, 0.14), rng.uniform(0.02, 0.045)
    thick = rng.uniform(0.015, 0.06)
    narrow = rng.uniform(0.75, 1.0)
    ring = np.array(
        [[w / 2, -d / 2], [w / 2 * narrow, d / 2], [-w / 2 * narrow, d / 2], [-w / 2, -d / 2]]
    )
    pad = (
        shapes.prism(ring, thick)
        if rng.random() < 0.7
        else shapes.rounded_box(w, d, thick + 0.03, 0.3)
    )
    parts = [
        pad.moved(0, 0, seat - thick).painted(1),
        splayed_legs(w * 0.92, d * 0.92, seat - thick, rng),
    ]
    x = w / 2 * narrow - post / 2
    low, high = np.array([d / 2 - post / 2, seat - 0.05]), np.array([d / 2 + lean, seat + back])
    for s in (-1, 1):
        parts.append(shapes.rod([s * x, *low], [s * x, *high], post / 2, 6))

    def level(t: float) -> FloatArray:
        return np.asarray(low + (high - low) * t)

    kind, slot = rng.integers(5), int(rng.random() < 0.3)
    bars = int(rng.integers(2, 7))
    if kind == 0:
        for t in np.linspace(0.35, 0.95, bars):
            slat = shapes.box(2 * x, 0.015, back * 0.5 / bars)
            parts.append(slat.moved(0, *(level(t) - [0, 0.02])).painted(slot))
    elif kind == 1:
        for t in (0.2, 0.95):
            parts.append(shapes.box(2 * x, 0.02, 0.05).moved(0, *(level(t) - [0, 0.03])))
        for u in np.linspace(-0.8, 0.8, bars + 1):
            parts.append(shapes.rod([u * x, *level(0.2)], [u * x, *level(0.95)], 0.008, 6))
    else:
        path = np.stack([level(t) for t in np.linspace(0.25 if kind == 2 else 0.1, 1.0, 6)])
        wide = np.full(6, 2 * x if kind < 4 else w * rng.uniform(0.2, 0.4))
        sheet = curved_sheet(path, wide, np.full(6, rng.uniform(0, 0.05)), rng.uniform(0.012, 0.04))
        parts.append(sheet.painted(slot))
        if kind == 4:
            parts.append(shapes.box(2 * x, 0.025, 0.06).moved(0, *(level(0.96) - [0, 0.03])))
    if rng.random() < 0.25:
        for s in (-1, 1):
            rest = shapes.box(0.045, d * 0.95, 0.025).moved(s * w / 2, 0, seat + 0.2)
            parts += [
                rest,
                shapes.rod([s * w / 2, -d * 0.4, seat], [s * w / 2, -d * 0.4, seat + 0.2], 0.014),
            ]
    base = paint.wood(rng)
    other = paint.fabric(rng) if rng.random() < 0.4 else base
    return Item(
        mesh=merge(parts), classes=("chair",), materials=(base, other), supports=_seat(w, d, seat)
    )


def folding_chair(rng: Rng) -> Item:
    """A folding or director's chair: crossed tubes with a seat and a back of board or cloth."""
    w, d, seat, top = (
        rng.uniform(0.38, 0.55),
        rng.uniform(0.36, 0.46),
        rng.uniform(0.42, 0.48),
        rng.uniform(0.75, 0.9),
    )
    r = rng.uniform(0.009, 0.015)
    parts = []
    for s in (-1, 1):
        x = s * w / 2
        parts.append(shapes.rod([x, -d * 0.55, 0], [x, d * 0.5, top], r))
        parts.append(shapes.rod([x * 0.9, d * 0.6, 0], [x * 0.9, -d * 0.45, seat], r))
    for y, z in ((-d * 0.5, 0.06), (d * 0.52, 0.08), (d * 0.5, top)):
        parts.append(shapes.rod([-w / 2, y, z], [w / 2, y, z], r))
    sag = rng.uniform(0.0, 0.05)
    u = np.linspace(-1, 1, 9)
    cloth = shapes.sheet(w * 0.95, d, np.tile(-sag * (1 - u**2), (6, 1))).moved(0, 0, seat)
    rest = shapes.box(w * 0.98, 0.012, rng.uniform(0.14, 0.28)).turned(rotation_x(-0.3))
    parts += [cloth.painted(1), rest.moved(0, d * 0.42, top - 0.22).painted(1)]
    skins = (paint.metal(rng) if rng.random() < 0.6 else paint.wood(rng), paint.fabric(rng))
    return Item(mesh=merge(parts), classes=("chair",), materials=skins, supports=_seat(w, d, seat))


def lounge_chair(rng: Rng) -> Item:
    """An easy chair: a low bent seat on a frame, with wide arms or a post, or a long deck chair."""
    w, d, seat = rng.uniform(0.55, 0.75), rng.uniform(0.55, 0.75), rng.uniform(0.3, 0.42)
    back = rng.uniform(0.45, 0.75)
    length = d + (rng.uniform(0.4, 0.8) if rng.random() < 0.15 else 0.0)
    t = np.linspace(0, 1, 14)
    line = np.array(
        [
            [d / 2 - length, seat + 0.04],
            [d * 0.2, seat - 0.04],
            [d * 0.5, seat + 0.15],
            [d * 0.75, seat + back],
        ]
    )
    path = np.stack([np.interp(t, np.linspace(0, 1, 4), line[:, k]) for k in (0, 1)], axis=1)
    hull = curved_sheet(
        path, np.full(14, w), np.full(14, rng.uniform(0.0, 0.06)), rng.uniform(0.02, 0.14)
    )
    parts = [hull, stand(w * 0.9, d * 0.9, seat - 0.1, rng).painted(1)]
    if rng.random() < 0.6:
        for s in (-1, 1):
            arm = shapes.box(rng.uniform(0.03, 0.09), d * 0.9, 0.03).moved(
                s * w * 0.54, 0, seat + 0.2
            )
            posts = [
                shapes.box(0.03, 0.03, seat + 0.2).moved(s * w * 0.54, k * d * 0.4, 0)
                for k in (-1, 1)
            ]
            parts += [m.painted(1) for m in (arm, *posts)]
    if rng.random() < 0.35:
        head = shapes.rounded_box(w * 0.6, 0.1, 0.18, 0.4).moved(0, d * 0.66, seat + back * 0.75)
        parts.append(head)
    skin = paint.fabric(rng) if rng.random() < 0.7 else paint.plain(paint.dark(rng))
    skins = (skin, paint.wood(rng) if rng.random() < 0.6 else paint.metal(rng))
    return Item(mesh=merge(parts), classes=("chair",), materials=skins, supports=_seat(w, d, seat))


def bench(rng: Rng) -> Item:
    """A bench with or without a back, or a piano stool."""
    w, d, seat = rng.uniform(0.6, 1.7), rng.uniform(0.28, 0.45), rng.uniform(0.4, 0.5)
    soft = rng.random() < 0.4
    pad = shapes.rounded_box(w, d, 0.1, 0.2) if soft else shapes.box(w, d, 0.035)
    parts = [pad.moved(0, 0, seat - 0.035), stand(w * 0.85, d * 0.9, seat - 0.03, rng).painted(1)]
    if rng.random() < 0.35:
        for z in np.linspace(0.15, 0.4, int(rng.integers(1, 4))):
            parts.append(shapes.box(w, 0.02, 0.09).moved(0, d / 2 + z * 0.1, seat + z))
        posts = [
            shapes.box(0.035, 0.03, seat + 0.48).moved(s * w * 0.42, d / 2 + 0.02, 0)
            for s in (-1, 1)
        ]
        parts += [p.painted(1) for p in posts]
    skin = paint.fabric(rng) if soft else paint.wood(rng)
    return Item(
        mesh=merge(parts),
        classes=("chair",),
        materials=(skin, paint.wood(rng)),
        supports=_seat(w, d, seat),
    )


def bean_bag(rng: Rng) -> Item:
    """A bean bag or pouf."""
    w, h = rng.uniform(0.45, 0.95), rng.uniform(0.3, 0.75)
    body = shapes.superellipsoid(w, w * rng.uniform(0.85, 1.1), h, roundness=rng.uniform(0.5, 1.0))
    v = body.vertices
    push = 0.05 * np.sin(v @ rng.uniform(-9, 9, 3)) + 0.04 * np.sin(v @ rng.uniform(-14, 14, 3))
    t = v[:, 2] / h
    lumpy = v * (1 + push[:, None]) * np.stack([1 - 0.4 * t**2, 1 - 0.4 * t**2, np.ones_like(t)], 1)
    mesh = from_arrays(lumpy + np.outer(t**2, [0, rng.uniform(0, 0.2), 0]), body.faces).grounded()
    return Item(mesh=mesh, classes=("chair",), materials=(paint.fabric(rng),))


def wing_chair(rng: Rng) -> Item:
    """An upholstered armchair with a high winged or round back."""
    w, d, seat = rng.uniform(0.6, 0.85), rng.uniform(0.65, 0.85), rng.uniform(0.38, 0.46)
    back, arm = rng.uniform(0.45, 0.75), rng.uniform(0.08, 0.16)
    soft = rng.uniform(0.15, 0.5)
    lift = rng.uniform(0.05, 0.2)
    parts = [shapes.rounded_box(w - arm, d * 0.9, seat - lift, 0.12).moved(0, 0, lift)]
    parts.append(
        shapes.rounded_box(w - 2 * arm, d * 0.75, 0.16, 0.3)
        .moved(0, -d * 0.08, seat - 0.1)
        .painted(1)
    )
    rest = shapes.rounded_box(w - arm, 0.18, back + 0.15, soft).turned(
        rotation_x(-rng.uniform(0.05, 0.25))
    )
    parts.append(rest.moved(0, d / 2 - 0.12, seat - 0.1))
    for s in (-1, 1):
        side = shapes.rounded_box(arm, d * 0.9, seat + rng.uniform(0.1, 0.22) - lift, soft)
        parts.append(side.moved(s * (w - arm) / 2, 0, lift))
        if back > 0.6:
            wing = shapes.rounded_box(0.09, 0.3, back * 0.8, 0.4)
            parts.append(wing.moved(s * (w - arm) / 2, d * 0.3, seat + 0.15))
    parts.append(splayed_legs(w * 0.8, d * 0.8, lift + 0.02, rng).painted(2))
    skin = paint.fabric(rng)
    skins = (skin, skin if rng.random() < 0.8 else paint.fabric(rng), paint.wood(rng))
    name = "chair" if rng.random() < 0.6 else "sofa"
    return Item(
        mesh=merge(parts), classes=(name,), materials=skins, supports=_seat(w * 0.7, d, seat + 0.06)
    )
