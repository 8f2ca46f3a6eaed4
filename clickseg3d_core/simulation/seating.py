"""Chairs, sofas and toilets."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import chairs, shapes
from clickseg3d_core.simulation.mesh import Mesh, from_arrays, merge, rotation_x, rotation_z
from clickseg3d_core.simulation.world import Item, Support

Rng = np.random.Generator


def chair(rng: Rng) -> Item:
    """A chair of any build that stands at tables or about in rooms. It faces -y."""
    makers = (
        padded_chair, office_chair, stool, tub_chair, chairs.shell_chair, chairs.plank_chair,
        chairs.folding_chair, chairs.lounge_chair, chairs.wing_chair, chairs.bench, chairs.bean_bag,
    )  # fmt: skip
    odds = [0.15, 0.16, 0.07, 0.06, 0.18, 0.19, 0.05, 0.04, 0.05, 0.03, 0.02]
    return makers[int(rng.choice(len(makers), p=odds))](rng)


def table_chair(rng: Rng) -> Item:
    """A chair of a set around a table."""
    makers = (
        padded_chair, chairs.shell_chair, chairs.plank_chair, office_chair, tub_chair, stool,
        chairs.folding_chair,
    )  # fmt: skip
    odds = [0.2, 0.26, 0.28, 0.1, 0.06, 0.05, 0.05]
    return makers[int(rng.choice(len(makers), p=odds))](rng)


def padded_chair(rng: Rng) -> Item:
    """A four-legged chair with a flat or padded seat and a barred, framed or solid back."""
    w, d, seat = rng.uniform(0.38, 0.52), rng.uniform(0.38, 0.52), rng.uniform(0.42, 0.48)
    back, size = rng.uniform(0.35, 0.6), rng.uniform(0.022, 0.05)
    parts = [shapes.legs(w, d, seat, size, round_=rng.random() < 0.4)]
    pad = shapes.rounded_box(w, d, 0.06, 0.3) if rng.random() < 0.4 else shapes.box(w, d, 0.03)
    parts.append(pad.moved(0, 0, seat - 0.02).painted(1))
    rest = backrest(w, back, rng).turned(rotation_x(rng.uniform(-0.25, 0.0)))
    parts.append(rest.moved(0, d / 2 - 0.02, seat).painted(1 if rng.random() < 0.4 else 0))
    if rng.random() < 0.25:
        parts += arms(w, d, seat, size)
    base = paint.wood(rng)
    other = base if rng.random() < 0.3 else paint.fabric(rng)
    place = Support(center=(0.0, -0.03), size=(w * 0.8, d * 0.7), z=seat + 0.04, clearance=0.5)
    return Item(mesh=merge(parts), classes=("chair",), materials=(base, other), supports=(place,))


def arms(w: float, d: float, seat: float, size: float) -> list[Mesh]:
    """Two armrests on posts."""
    result = []
    for s in (-1, 1):
        bar = shapes.box(size * 1.3, d * 0.9, size).moved(s * w / 2, 0, seat + 0.2)
        post = shapes.box(size, size, 0.2).moved(s * w / 2, -d * 0.38, seat)
        result += [bar, post]
    return result


def backrest(w: float, height: float, rng: Rng) -> Mesh:
    """A solid, barred or framed back, standing on z = 0."""
    kind = rng.integers(4)
    if kind == 0:
        return shapes.box(w, 0.025, height)
    if kind == 1:
        return shapes.rounded_box(w, 0.07, height, 0.35)
    posts = [shapes.box(0.035, 0.03, height).moved(s * (w / 2 - 0.018), 0, 0) for s in (-1, 1)]
    top = shapes.box(w, 0.03, 0.07).moved(0, 0, height - 0.07)
    count = int(rng.integers(2, 6))
    if kind == 2:
        bars = [
            shapes.box(0.022, 0.018, height).moved((k + 1) / (count + 1) * w - w / 2, 0, 0)
            for k in range(count)
        ]
    else:
        bars = [
            shapes.box(w, 0.02, 0.05).moved(0, 0, height * (k + 0.8) / (count + 1))
            for k in range(count)
        ]
    return merge([*posts, top, *bars])


def office_chair(rng: Rng) -> Item:
    """A swivel chair on a five-armed foot."""
    w, seat = rng.uniform(0.44, 0.54), rng.uniform(0.43, 0.53)
    parts: list[Mesh] = [shapes.cylinder(0.03, seat)]
    for k in range(5):
        a = k * 2 * np.pi / 5
        tip = [0.3 * np.cos(a), 0.3 * np.sin(a)]
        parts.append(shapes.rod([0, 0, 0.1], [*tip, 0.07], 0.022))
        parts.append(shapes.ellipsoid(0.06, 0.06, 0.06).moved(tip[0], tip[1], 0.0))
    parts.append(shapes.rounded_box(w, w, 0.09, 0.3).moved(0, 0, seat - 0.04).painted(1))
    high = rng.uniform(0.4, 0.75)
    rest = shapes.rounded_box(w * 0.92, 0.08, high, 0.3).turned(
        rotation_x(rng.uniform(-0.25, -0.05))
    )
    parts.append(rest.moved(0, w / 2 - 0.02, seat + 0.08).painted(1))
    parts.append(shapes.box(0.06, 0.03, 0.25).moved(0, w / 2, seat - 0.02))
    if rng.random() < 0.6:
        parts += arms(w + 0.06, w, seat, 0.04)
    mesh = merge(parts)
    skin = paint.plain(paint.dark(rng)) if rng.random() < 0.5 else paint.fabric(rng)
    return Item(mesh=mesh, classes=("chair",), materials=(paint.plain(paint.dark(rng)), skin))


def stool(rng: Rng) -> Item:
    """A stool or bar stool."""
    r, z = rng.uniform(0.15, 0.22), rng.uniform(0.4, 0.78)
    top = (
        shapes.cylinder(r, rng.uniform(0.025, 0.08))
        if rng.random() < 0.7
        else shapes.box(r * 2, r * 2, 0.04)
    )
    if rng.random() < 0.5:
        stand = merge([shapes.cylinder(0.025, z), shapes.cylinder(r * 1.05, 0.02)])
    else:
        feet = [[r * np.cos(a), r * np.sin(a), 0] for a in np.arange(4) * np.pi / 2 + 0.4]
        stand = merge([shapes.rod(f, [f[0] * 0.6, f[1] * 0.6, z], 0.016) for f in feet])
    mesh = merge([stand, top.moved(0, 0, z).painted(1)])
    return Item(mesh=mesh, classes=("chair",), materials=(paint.wood(rng), paint.coating(rng)))


def tub_chair(rng: Rng) -> Item:
    """A shell or tub chair on thin legs."""
    r, seat = rng.uniform(0.24, 0.32), rng.uniform(0.4, 0.46)
    angle = np.linspace(-0.9 * np.pi / 1.4, 0.9 * np.pi / 1.4, 14) + np.pi / 2
    high = rng.uniform(0.25, 0.42)
    rim = seat + high * (0.45 + 0.55 * np.sin(np.linspace(0, np.pi, 14)))
    ring = np.stack([np.cos(angle) * r, np.sin(angle) * r], axis=1)
    low = np.column_stack([ring * 0.85, np.full(14, seat)])
    shell = from_arrays(
        np.concatenate([low, np.column_stack([ring, rim])]), shapes.grid_faces(2, 14)
    )
    inner = from_arrays(shell.vertices * [0.93, 0.93, 1.0], shell.faces)
    cushion = shapes.rounded_box(1.75 * r, 1.75 * r, 0.09, 0.6).moved(0, 0, seat - 0.04)
    stand = shapes.legs(r * 1.4, r * 1.4, seat, 0.025, round_=True).painted(1)
    mesh = merge([shell, inner, cushion, stand])
    return Item(mesh=mesh, classes=("chair",), materials=(paint.fabric(rng), paint.wood(rng)))


def sofa(rng: Rng) -> Item:
    """An armchair, sofa or corner sofa; loose cushions are instances of their own."""
    seats = int(rng.choice([1, 2, 3, 4], p=[0.3, 0.3, 0.3, 0.1]))
    w, d, seat = seats * rng.uniform(0.55, 0.72), rng.uniform(0.75, 1.0), rng.uniform(0.36, 0.46)
    arm, high, soft = rng.uniform(0.08, 0.24), rng.uniform(0.32, 0.5), rng.uniform(0.12, 0.4)
    parts = [shapes.box(w, d * 0.95, seat * 0.6).moved(0, 0, 0.06)]
    for k in range(seats):
        pad = shapes.rounded_box(w / seats, d * 0.78, 0.18, 0.25)
        parts.append(pad.moved((k + 0.5) / seats * w - w / 2, -d * 0.08, seat - 0.14).painted(1))
        rest = shapes.rounded_box(w / seats, 0.22, high, soft).turned(rotation_x(-0.15))
        parts.append(rest.moved((k + 0.5) / seats * w - w / 2, d * 0.3, seat).painted(1))
    for s in (-1, 1):
        side = shapes.rounded_box(arm, d, seat + rng.uniform(0.1, 0.25), soft)
        parts.append(side.moved(s * (w + arm) / 2, 0, 0))
    parts.append(shapes.box(w + arm, 0.12, seat + high * 0.8).moved(0, d / 2 - 0.06, 0.05))
    if seats > 1 and rng.random() < 0.2:
        wing = 1 if rng.random() < 0.5 else -1
        chaise = shapes.rounded_box(w / seats, d * 0.8, seat, 0.2)
        parts.append(chaise.moved(wing * (w / 2 - w / seats / 2), -d * 0.8, 0))
    cushions = []
    for k in range(int(rng.integers(0, seats + 2))):
        size = rng.uniform(0.32, 0.5)
        one = shapes.superellipsoid(size, 0.14, size, roundness=0.5).turned(
            rotation_x(rng.uniform(-0.5, -0.2))
        )
        one = one.turned(rotation_z(rng.uniform(-0.5, 0.5)))
        at = rng.uniform(-0.45, 0.45) * w
        cushions.append(one.moved(at, d * 0.08, seat + 0.03).as_part(k + 1).painted(2 + k % 2))
    skin = paint.fabric(rng)
    skins = (
        skin,
        skin if rng.random() < 0.7 else paint.fabric(rng),
        paint.fabric(rng),
        paint.fabric(rng),
    )
    place = Support(center=(0, -d * 0.15), size=(w * 0.9, d * 0.45), z=seat + 0.03, clearance=0.5)
    classes = ("sofa", *["pillow"] * len(cushions))
    return Item(
        mesh=merge([*parts, *cushions]), classes=classes, materials=skins, supports=(place,)
    )


def toilet(rng: Rng) -> Item:
    """A toilet with tank, lid up or down."""
    w, d, z = rng.uniform(0.34, 0.4), rng.uniform(0.42, 0.5), rng.uniform(0.38, 0.44)
    angle = np.arange(20) * np.pi / 10
    ring = np.stack([np.cos(angle) * w / 2, np.sin(angle) * d / 2], axis=1)
    bowl_ = shapes.loft([(ring * 0.6, 0.0), (ring * 0.6, z * 0.4), (ring, z * 0.9), (ring, z)])
    lid = shapes.prism(ring, 0.03)
    if rng.random() < 0.4:
        lid = (
            lid.moved(0, d / 2, 0)
            .turned(rotation_x(-np.pi / 2 + 0.15))
            .moved(0, d * 0.4, z + d * 0.95)
        )
        lid = lid.lowered().moved(0, 0, z)
    else:
        lid = lid.moved(0, 0, z)
    tank = shapes.bevelled_box(w, 0.18, 0.36, 0.02).moved(0, d / 2 + 0.06, z)
    mesh = merge([bowl_, lid, tank]).moved(0, -0.05, 0)
    return Item(mesh=mesh, classes=("toilet",), materials=(paint.plain(paint.pale(rng)),))
