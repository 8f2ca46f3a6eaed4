"""Sofas and beds of more builds: on legs, buttoned, cornered, folded out, bunks, canopies."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.mesh import Mesh, from_arrays, merge, rotation_x, rotation_z
from clickseg3d_core.simulation.world import Item, Support

Rng = np.random.Generator

# Every piece faces -y. Loose cushions are instances of their own, class pillow.


def cushions(count: int, w: float, y: float, z: float, rng: Rng, first: int) -> list[Mesh]:
    """Loose cushions leaning on a back at y over a seat at z, parts and slots from `first` on."""
    parts = []
    for k in range(count):
        size = rng.uniform(0.3, 0.55)
        one = shapes.superellipsoid(size, 0.14, size * rng.uniform(0.6, 1.0), roundness=0.5)
        one = one.turned(rotation_x(rng.uniform(-0.6, -0.15))).turned(
            rotation_z(rng.normal(0, 0.3))
        )
        x = rng.uniform(-0.42, 0.42) * w
        parts.append(one.moved(x, y - 0.12, z).as_part(k + 1).painted(first + k))
    return parts


def _item(
    parts: list[Mesh], loose: list[Mesh], skins: list[paint.Material], rng: Rng, w: float, z: float
) -> Item:
    classes = ("sofa", *["pillow"] * len(loose))
    skins = skins + [paint.fabric(rng) for _ in loose]
    place = Support(center=(0.0, -0.15), size=(w * 0.85, 0.4), z=z, clearance=0.6)
    return Item(
        mesh=merge([*parts, *loose]), classes=classes, materials=tuple(skins), supports=(place,)
    )


def frame_sofa(rng: Rng) -> Item:
    """A light sofa: cushions on an open frame with legs and bar or board arms."""
    seats = int(rng.integers(1, 4))
    w, d = seats * rng.uniform(0.55, 0.7), rng.uniform(0.7, 0.9)
    seat, back, bar = rng.uniform(0.36, 0.45), rng.uniform(0.35, 0.5), rng.uniform(0.025, 0.06)
    soft, lean = rng.uniform(0.15, 0.4), rng.uniform(0.05, 0.3)
    parts = [shapes.box(w, d * 0.95, bar).moved(0, 0, seat - 0.2).painted(1)]
    parts.append(shapes.legs(w, d * 0.95, seat - 0.19, bar * 1.2).painted(1))
    whole = rng.random() < 0.4
    for k in range(1 if whole else seats):
        wide = w if whole else w / seats
        x = 0.0 if whole else (k + 0.5) / seats * w - w / 2
        pad = shapes.rounded_box(wide * 0.99, d * 0.92, rng.uniform(0.12, 0.2), soft)
        parts.append(pad.moved(x, -0.02, seat - 0.17))
        rest = shapes.rounded_box(wide * 0.98, rng.uniform(0.1, 0.2), back, soft)
        parts.append(rest.turned(rotation_x(-lean)).moved(x, d * 0.36, seat - 0.02))
    if rng.random() < 0.8:
        for s in (-1, 1):
            posts = [shapes.box(bar, bar, seat + 0.2).moved(0, k * d * 0.45, 0) for k in (-1, 1)]
            arm = [shapes.box(max(bar, 0.06), d, bar).moved(0, 0, seat + 0.18), *posts]
            parts.append(merge(arm).moved(s * (w / 2 + bar / 2), 0, 0).painted(1))
    loose = cushions(int(rng.integers(0, seats + 1)), w, d * 0.3, seat + 0.01, rng, 2)
    frame = paint.wood(rng) if rng.random() < 0.7 else paint.metal(rng)
    return _item(parts, loose, [paint.fabric(rng), frame], rng, w, seat + 0.02)


def rolled_sofa(rng: Rng) -> Item:
    """A sofa or armchair with rolled arms and back, buttoned or plain, skirted or on feet."""
    seats = int(rng.integers(1, 4))
    w, d = seats * rng.uniform(0.55, 0.7), rng.uniform(0.78, 1.0)
    seat, high, r = rng.uniform(0.38, 0.46), rng.uniform(0.2, 0.45), rng.uniform(0.07, 0.13)
    lift = rng.uniform(0.04, 0.14) if rng.random() < 0.6 else 0.0
    parts = [shapes.box(w, d * 0.95, seat - 0.1 - lift).moved(0, 0, lift)]
    for k in range(seats):
        pad = shapes.rounded_box(w / seats, d * 0.8, 0.16, 0.25)
        parts.append(pad.moved((k + 0.5) / seats * w - w / 2, -d * 0.09, seat - 0.12).painted(1))
    top = seat + high
    back = shapes.box(w + 2 * r, 0.2, top - lift).moved(0, d / 2 - 0.12, lift)
    parts += [
        back,
        shapes.rod([-w / 2 - r, d / 2 - 0.12, top], [w / 2 + r, d / 2 - 0.12, top], r, 12),
    ]
    tall = seat + high * rng.uniform(0.3, 1.0)
    for s in (-1, 1):
        x = s * (w / 2 + r * 0.8)
        parts.append(shapes.box(r * 1.5, d, tall - lift).moved(x, 0, lift))
        parts.append(shapes.rod([x, -d / 2, tall], [x, d / 2, tall], r, 12))
    if rng.random() < 0.4:
        for u in np.linspace(-0.42, 0.42, 4 * seats):
            knob = shapes.ellipsoid(0.035, 0.03, 0.035)
            parts.append(knob.moved(u * w, d / 2 - 0.225, seat + high * 0.55))
    if lift:
        parts.append(shapes.legs(w + r, d * 0.9, lift, 0.05, round_=True).painted(2))
    loose = cushions(int(rng.integers(0, seats + 1)), w, d * 0.28, seat + 0.03, rng, 3)
    skin = paint.fabric(rng)
    other = skin if rng.random() < 0.85 else paint.fabric(rng)
    return _item(parts, loose, [skin, other, paint.wood(rng)], rng, w, seat + 0.04)


def corner_sofa(rng: Rng) -> Item:
    """An L- or U-shaped sofa of seat blocks with low backs."""
    unit, seat = rng.uniform(0.6, 0.85), rng.uniform(0.34, 0.44)
    high, soft = rng.uniform(0.28, 0.45), rng.uniform(0.1, 0.3)
    across, down = int(rng.integers(2, 5)), int(rng.integers(1, 3))
    wings = [1] if rng.random() < 0.8 else [-1, 1]
    if rng.random() < 0.5:
        wings = [-w for w in wings]
    w = across * unit
    spots = [((k + 0.5) * unit - w / 2, 0.0, 0.0) for k in range(across)]
    for side in wings:
        spots += [(side * (w - unit) / 2, -(j + 1) * unit, side * np.pi / 2) for j in range(down)]
    parts = []
    for x, y, turn in spots:
        base = shapes.bevelled_box(unit * 0.99, unit * 0.99, seat - 0.13, 0.02)
        pad = shapes.rounded_box(unit * 0.98, unit * 0.98, 0.18, soft).moved(0, 0, seat - 0.17)
        parts += [base.moved(x, y, 0.0), pad.moved(x, y, 0).painted(1)]
        sides = [0.0] if turn == 0.0 else [-turn]
        if turn == 0.0 and abs(x) > w / 2 - unit and np.sign(x) in wings:
            sides.append(-np.sign(x) * np.pi / 2)
        for way in sides:
            rest = shapes.rounded_box(unit * 0.99, 0.2, high + 0.1, soft).moved(
                0, unit / 2 - 0.1, seat - 0.1
            )
            parts.append(rest.turned(rotation_z(way)).moved(x, y, 0))
    loose = cushions(int(rng.integers(0, across + 1)), w, unit * 0.3, seat, rng, 2)
    skin = paint.fabric(rng)
    skins = [skin, skin if rng.random() < 0.8 else paint.fabric(rng)]
    return _item(parts, loose, skins, rng, w, seat + 0.02)


def ottoman(rng: Rng) -> Item:
    """A footstool or a daybed without a back."""
    w, d, z = rng.uniform(0.45, 1.0), rng.uniform(0.4, 0.7), rng.uniform(0.3, 0.48)
    lift = rng.uniform(0.02, 0.18)
    pad = shapes.rounded_box(w, d, z - lift, rng.uniform(0.1, 0.35)).moved(0, 0, lift)
    feet = shapes.legs(w * 0.9, d * 0.9, lift + 0.03, 0.045).painted(1)
    return _item([pad, feet], [], [paint.fabric(rng), paint.wood(rng)], rng, w, z)


def _mattress(x: float, y: float, z: float, rng: Rng) -> list[Mesh]:
    parts = [shapes.rounded_box(x, y, 0.18, 0.12).moved(0, 0, z).painted(1)]
    u, v = np.meshgrid(np.linspace(-1, 1, 22), np.linspace(-1, 1, 22))
    wave = np.zeros_like(u)
    for _ in range(4):
        wave = wave + np.sin(rng.uniform(-8, 8) * u + rng.uniform(-8, 8) * v + rng.uniform(0, 6))
    height = 0.02 + 0.012 * np.abs(wave) * rng.uniform(0.5, 2.5)
    cover = y * rng.uniform(0.45, 0.8)
    sheet = shapes.sheet(x * 0.98, cover, height).moved(0, -(y - cover) / 2, z + 0.17)
    return [*parts, sheet.painted(2)]


def bunk_bed(rng: Rng) -> Item:
    """A bunk or loft bed with ladder and rails."""
    x, y = rng.uniform(0.85, 1.1), rng.uniform(1.85, 2.1)
    low, high = rng.uniform(0.25, 0.45), rng.uniform(1.25, 1.6)
    post = rng.uniform(0.04, 0.08)
    parts = [shapes.legs(x + post, y + post, high + 0.4, post)]
    levels = [high] if rng.random() < 0.3 else [low, high]
    for z in levels:
        parts.append(shapes.box(x, y, 0.08).moved(0, 0, z - 0.08))
        parts += _mattress(x, y, z, rng)
    for z in (high + 0.2, high + 0.36):
        parts += [shapes.box(0.025, y, 0.06).moved(s * x / 2, 0, z) for s in (-1, 1)]
        parts += [shapes.box(x, 0.025, 0.06).moved(0, s * y / 2, z) for s in (-1, 1)]
    for k in range(5):
        parts.append(
            shapes.box(0.35, 0.03, 0.03).moved(0, -y / 2 - 0.02, 0.2 + k * (high - 0.2) / 4)
        )
    parts += [shapes.box(0.03, 0.03, high + 0.2).moved(s * 0.18, -y / 2 - 0.02, 0) for s in (-1, 1)]
    skins = (paint.wood(rng), paint.plain(paint.pale(rng)), paint.fabric(rng))
    return Item(mesh=merge(parts), classes=("bed",), materials=skins)


def slat_bed(rng: Rng) -> Item:
    """A bed with barred, padded or arched head and foot, a canopy, or just a mattress."""
    x, y = rng.uniform(0.8, 1.9), rng.uniform(1.85, 2.1)
    z, head, post = rng.uniform(0.15, 0.45), rng.uniform(0.35, 0.8), rng.uniform(0.03, 0.07)
    parts = _mattress(x, y, z, rng)
    kind = rng.integers(5)
    if kind != 4:
        parts.append(shapes.box(x + 0.04, y, 0.1).moved(0, 0, z - 0.09))
        parts.append(shapes.legs(x, y, z, post))
    else:
        parts = [p.moved(0, 0, 0.0 - z) for p in parts]
        z = 0.0
    ends = [(1, head)] + ([(-1, head * rng.uniform(0.3, 0.7))] if rng.random() < 0.5 else [])
    for side, tall in ends if kind != 4 else []:
        at = side * (y / 2 + post / 2)
        if kind == 0:
            bars = [
                shapes.rod([u * x / 2, at, z], [u * x / 2, at, z + tall], 0.012, 6)
                for u in np.linspace(-1, 1, 9)
            ]
            parts += [*bars, shapes.rod([-x / 2, at, z + tall], [x / 2, at, z + tall], post / 2, 8)]
        elif kind == 1:
            parts.append(
                shapes.rounded_box(x + 0.1, 0.14, tall + z, 0.2).moved(0, at, 0).painted(2)
            )
        elif kind == 2:
            u = np.linspace(-1, 1, 15)
            ring = np.stack([u * x / 2, z + tall * (0.6 + 0.4 * (1 - u**2))], 1)
            rows = [
                np.column_stack([ring[:, 0], np.full(15, at), h])
                for h in (np.zeros(15), ring[:, 1])
            ]
            parts.append(from_arrays(np.concatenate(rows), shapes.grid_faces(2, 15)))
        else:
            parts.append(shapes.box(x, post, tall + z).moved(0, at, 0))
    if kind == 3 and rng.random() < 0.4:
        parts.append(shapes.legs(x + 0.08, y + 0.08, 1.95, post))
        parts += [shapes.box(x, post, post).moved(0, s * y / 2, 1.9) for s in (-1, 1)]
        parts += [shapes.box(post, y, post).moved(s * x / 2, 0, 1.9) for s in (-1, 1)]
    count = 1 if x < 1.2 else int(rng.integers(2, 5))
    loose = []
    for k in range(count):
        one = shapes.superellipsoid(min(0.65, x / min(count, 2) * 0.9), 0.4, 0.15, roundness=0.5)
        one = one.turned(rotation_x(rng.uniform(0.0, 0.9))).turned(rotation_z(rng.normal(0, 0.15)))
        shift = 0.0 if count == 1 else (k % 2 - 0.5) * x / 2
        loose.append(
            one.moved(shift, y / 2 - 0.25 - 0.2 * (k // 2), z + 0.17).as_part(k + 1).painted(3)
        )
    skins = (paint.wood(rng), paint.plain(paint.pale(rng)), paint.fabric(rng), paint.fabric(rng))
    place = Support(center=(0, -y * 0.15), size=(x * 0.8, y * 0.5), z=z + 0.2, clearance=0.6)
    return Item(
        mesh=merge([*parts, *loose]),
        classes=("bed", *["pillow"] * count),
        materials=skins,
        supports=(place,),
    )


def any_sofa(rng: Rng) -> Item:
    """A sofa of any of these builds."""
    makers = (frame_sofa, rolled_sofa, corner_sofa, ottoman)
    return makers[int(rng.choice(4, p=[0.38, 0.32, 0.2, 0.1]))](rng)


def any_bed(rng: Rng) -> Item:
    """A bed of any of these builds."""
    return bunk_bed(rng) if rng.random() < 0.15 else slat_bed(rng)
