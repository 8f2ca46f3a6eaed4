"""Bulky things of homes and offices: instruments, wheels, cleaners, fans, printers, ladders."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.goods import item
from clickseg3d_core.simulation.mesh import merge, rotation_x, rotation_y
from clickseg3d_core.simulation.world import Item, Support

Rng = np.random.Generator


def piano(rng: Rng) -> Item:
    """An upright piano; its keys face -y."""
    x, y, z = rng.uniform(1.3, 1.55), rng.uniform(0.3, 0.4), rng.uniform(0.95, 1.3)
    keys = shapes.box(x * 0.95, 0.16, 0.02).moved(0, -y / 2 - 0.1, 0.72).painted(1)
    bed = shapes.box(x, 0.26, 0.12).moved(0, -y / 2 - 0.11, 0.6)
    legs = [shapes.box(0.06, 0.06, 0.6).moved(s * x * 0.46, -y / 2 - 0.2, 0) for s in (-1, 1)]
    mesh = merge([shapes.box(x, y, z), bed, keys, *legs])
    keyboard = paint.patterned("stripes", [paint.pale(rng), paint.dark(rng)], 0.03, rng)
    skin = paint.plain(paint.dark(rng)) if rng.random() < 0.6 else paint.wood(rng)
    top = Support(center=(0, 0), size=(x * 0.9, y * 0.85), z=z, clearance=0.6)
    return Item(mesh=mesh, classes=("other",), materials=(skin, keyboard), supports=(top,))


def guitar(rng: Rng) -> Item:
    """A guitar that leans on a stand."""
    low, high = rng.uniform(0.17, 0.21), rng.uniform(0.12, 0.16)
    angle = np.arange(24) * np.pi / 12
    r = low + (high - low) * (0.5 + 0.5 * np.sin(angle)) - 0.03 * np.cos(2 * angle)
    ring = np.stack([np.cos(angle) * r, np.sin(angle) * r * 1.4], axis=1)
    body = shapes.prism(ring, rng.uniform(0.04, 0.11)).turned(rotation_x(np.pi / 2))
    neck = shapes.box(0.055, 0.025, 0.68).moved(0, -0.05, 0.1).painted(1)
    mesh = merge([body, neck]).moved(0, 0, 0.28).turned(rotation_x(-rng.uniform(0.15, 0.4)))
    stand = [shapes.rod([0, 0.1, 0.25], [s * 0.15, 0.22, 0], 0.01) for s in (-1, 1)]
    return item(
        merge([mesh, *[m.painted(1) for m in stand]]), "other", paint.wood(rng), paint.wood(rng)
    )


def bicycle(rng: Rng) -> Item:
    """A bicycle leaning on its stand."""
    r, base = rng.uniform(0.24, 0.36), rng.uniform(0.8, 1.1)
    wheels = [shapes.torus(r, 0.02).moved(s * base / 2, 0, r).painted(1) for s in (-1, 1)]
    joints = {
        "rear": [-base / 2, 0, r], "front": [base / 2, 0, r], "crank": [-0.05, 0, r * 0.9],
        "seat": [-base * 0.22, 0, r * 2 + 0.2], "head": [base * 0.32, 0, r * 2 + 0.15],
    }  # fmt: skip
    pairs = [
        ("rear", "crank"),
        ("rear", "seat"),
        ("crank", "seat"),
        ("crank", "head"),
        ("seat", "head"),
        ("front", "head"),
    ]
    tubes = [shapes.rod(joints[a], joints[b], 0.017) for a, b in pairs]
    bar = shapes.rod(
        [base * 0.3, -0.27, r * 2 + 0.25], [base * 0.3, 0.27, r * 2 + 0.25], 0.015
    ).painted(1)
    stem = shapes.rod(joints["head"], [base * 0.3, 0, r * 2 + 0.25], 0.015)
    saddle = (
        shapes.rounded_box(0.25, 0.14, 0.06, 0.5).moved(-base * 0.24, 0, r * 2 + 0.2).painted(1)
    )
    mesh = merge([*wheels, *tubes, bar, stem, saddle]).turned(rotation_x(rng.uniform(-0.12, 0.12)))
    return item(mesh, "vehicle", paint.coating(rng), paint.plain(paint.dark(rng)))


def stroller(rng: Rng) -> Item:
    """A stroller, walker or shopping cart: a seat or basket between four wheels."""
    w, d, seat = rng.uniform(0.4, 0.55), rng.uniform(0.6, 0.8), rng.uniform(0.4, 0.55)
    wheel = shapes.torus(rng.uniform(0.07, 0.13), 0.02)
    size = float(wheel.extent[2]) / 2
    turn = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])
    parts = [
        wheel.turned(turn).moved(i * w / 2, j * d / 2, size).painted(1)
        for i in (-1, 1)
        for j in (-1, 1)
    ]
    parts.append(shapes.rounded_box(w * 0.8, d * 0.6, 0.12, 0.4).moved(0, 0, seat))
    rest = shapes.rounded_box(w * 0.8, 0.1, 0.5, 0.4).turned(rotation_x(-0.4))
    parts.append(rest.moved(0, d * 0.25, seat + 0.05))
    if rng.random() < 0.6:
        hood = shapes.superellipsoid(w * 0.9, d * 0.5, 0.3, roundness=0.9)
        parts.append(hood.moved(0, d * 0.3, seat + 0.4))
    for s in (-1, 1):
        parts.append(
            shapes.rod([s * w / 2, -d / 2, size], [s * w / 2, d * 0.7, 1.0], 0.012).painted(1)
        )
        parts.append(
            shapes.rod([s * w / 2, d / 2, size], [s * w / 2, -d * 0.1, seat], 0.012).painted(1)
        )
    parts.append(shapes.rod([-w / 2, d * 0.7, 1.0], [w / 2, d * 0.7, 1.0], 0.016).painted(1))
    return item(merge(parts), "vehicle", paint.fabric(rng), paint.plain(paint.dark(rng)))


def fan(rng: Rng) -> Item:
    """A standing or desk fan, its cage of rings around the blades."""
    r, h = rng.uniform(0.14, 0.24), rng.uniform(0.2, 1.2)
    rings = [
        shapes.torus(r * k, 0.006).moved(0, y, 0) for k in (0.35, 0.7, 1.0) for y in (-0.05, 0.05)
    ]
    blades = [
        shapes.box(r * 0.3, 0.01, r * 0.8).turned(rotation_y(a)) for a in np.arange(4) * np.pi / 2
    ]
    spokes = [
        shapes.rod([0, -0.05, 0], [r * np.cos(a), -0.05, r * np.sin(a)], 0.004, 6)
        for a in np.arange(8) * np.pi / 4
    ]
    motor = shapes.cylinder(0.05, 0.12).turned(rotation_x(np.pi / 2)).moved(0, 0.1, 0)
    head = merge([*rings, *spokes, *[b.painted(1) for b in blades], motor.painted(1)])
    head = head.turned(rotation_x(rng.uniform(-0.2, 0.2))).moved(0, 0, h + r)
    stem = merge([shapes.cylinder(rng.uniform(0.1, 0.2), 0.03), shapes.cylinder(0.015, h)])
    return item(
        merge([head, stem.moved(0, 0.06, 0)]), "appliance", paint.coating(rng), paint.coating(rng)
    )


def vacuum_cleaner(rng: Rng) -> Item:
    """A vacuum cleaner with hose and pipe, or an upright one."""
    if rng.random() < 0.5:
        body = shapes.rounded_box(0.28, 0.42, 0.26, 0.5)
        t = np.linspace(0, 1, 14)
        path = np.stack(
            [0.35 * np.sin(t * 3), -0.2 - 0.5 * t, 0.2 + 0.5 * np.sin(t * np.pi) * (1 - t * 0.5)], 1
        )
        pipe = shapes.rod(path[-1], [path[-1][0] + 0.2, -0.9, 0.03], 0.018)
        head = shapes.box(0.28, 0.09, 0.05).moved(path[-1][0] + 0.2, -0.92, 0)
        mesh = merge([body, shapes.tube(path, 0.022).painted(1), pipe.painted(1), head.painted(1)])
    else:
        head = shapes.bevelled_box(0.3, 0.22, 0.08, 0.03).painted(1)
        body = shapes.rounded_box(0.2, 0.2, 0.55, 0.5).turned(rotation_x(-0.2)).moved(0, 0.06, 0.06)
        pole = shapes.rod([0, 0.15, 0.5], [0, 0.28, 1.1], 0.015).painted(1)
        mesh = merge([head, body, pole])
    return item(mesh, "appliance", paint.coating(rng), paint.plain(paint.dark(rng)))


def printer(rng: Rng) -> Item:
    """A printer or copier with trays, small or standing on the floor."""
    x, y = rng.uniform(0.38, 0.65), rng.uniform(0.35, 0.62)
    z = rng.uniform(0.18, 0.35) if rng.random() < 0.5 else rng.uniform(0.7, 1.1)
    parts = [shapes.bevelled_box(x, y, z * 0.8, 0.015)]
    parts.append(
        shapes.bevelled_box(x * 0.96, y * 0.9, z * 0.2, 0.01).moved(0, 0.02, z * 0.8).painted(1)
    )
    parts.append(shapes.box(x * 0.6, 0.2, 0.015).moved(0, -y / 2 - 0.07, z * 0.5).painted(1))
    for k in range(int(z / 0.2)):
        parts.append(
            shapes.box(x * 0.95, 0.015, 0.14).moved(0, -y / 2, 0.03 + 0.17 * k).painted(k % 2)
        )
    parts.append(
        shapes.box(0.14, 0.1, 0.02)
        .turned(rotation_x(0.5))
        .moved(x * 0.3, -y / 2, z * 0.85)
        .painted(2)
    )
    pale = paint.plain(paint.pale(rng) if rng.random() < 0.6 else paint.dark(rng))
    mesh = merge(parts).grounded()
    return Item(
        mesh=mesh,
        classes=("appliance",),
        materials=(pale, paint.plain(paint.gray(rng)), paint.plain(paint.dark(rng))),
    )


def ladder(rng: Rng) -> Item:
    """A step ladder, clothes horse or easel: two leaning frames with rungs."""
    w, h, spread = rng.uniform(0.35, 0.7), rng.uniform(0.7, 1.8), rng.uniform(0.2, 0.45)
    rungs, r = int(rng.integers(3, 9)), rng.uniform(0.008, 0.02)
    parts = []
    for s in (-1, 1):
        for x in (-1, 1):
            parts.append(shapes.rod([x * w / 2, s * spread, 0], [x * w * 0.42, 0, h], r))
        for t in np.linspace(0.12, 0.95, rungs):
            wide = w / 2 * (1 - 0.16 * t)
            y = s * spread * (1 - t)
            if s < 0 or rng.random() < 0.4:
                parts.append(shapes.box(2 * wide, 0.06 if s < 0 else 0.02, 0.02).moved(0, y, t * h))
    if rng.random() < 0.5:
        parts.append(shapes.box(w * 0.84, 0.2, 0.025).moved(0, 0, h))
    return item(merge(parts), "other", paint.metal(rng) if rng.random() < 0.5 else paint.wood(rng))


def arc_lamp(rng: Rng) -> Item:
    """A floor lamp whose stem bends over, or a slim torch lamp with several heads."""
    h, reach = rng.uniform(1.4, 2.0), rng.uniform(0.3, 1.1)
    t = np.linspace(0, np.pi * 0.75, 16)
    path = np.stack([reach * (1 - np.cos(t)) / 1.7, np.zeros(16), h * np.sin(t) ** 0.8], axis=1)
    tip = path[-1]
    r = rng.uniform(0.1, 0.22)
    shade = shapes.lathe([[r, 0], [r * 0.6, r * 0.7], [0.02, r]]).moved(tip[0], 0, tip[2] - r)
    mesh = merge([shapes.cylinder(0.16, 0.05), shapes.tube(path, 0.012), shade.painted(1)])
    return item(mesh, "lamp", paint.metal(rng), paint.plain(paint.pale(rng)))


def drying_rack(rng: Rng) -> Item:
    """A coat stand with what hangs on it."""
    h = rng.uniform(1.5, 1.9)
    parts = [shapes.cylinder(0.02, h), shapes.cylinder(rng.uniform(0.15, 0.25), 0.03)]
    for a in np.arange(6) * np.pi / 3:
        end = [0.16 * np.cos(a), 0.16 * np.sin(a), h - 0.05]
        parts.append(shapes.rod([0, 0, h - 0.2], end, 0.01))
        if rng.random() < 0.5:
            coat = shapes.superellipsoid(0.28, 0.2, rng.uniform(0.5, 1.0), roundness=0.7)
            x, y = end[0] * 1.1, end[1] * 1.1
            parts.append(coat.moved(x, y, end[2] - coat.extent[2]).painted(int(rng.integers(1, 3))))
    return item(merge(parts), "other", paint.wood(rng), paint.fabric(rng), paint.fabric(rng))
