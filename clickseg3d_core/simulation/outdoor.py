"""Street furniture, persons, fences and buildings, as parametric meshes."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.goods import item
from clickseg3d_core.simulation.mesh import Mesh, merge, rotation_x, rotation_y, rotation_z
from clickseg3d_core.simulation.world import Item

Rng = np.random.Generator


def side_prism(outline: np.ndarray, width: float) -> Mesh:
    """A (C, 2) outline in the x-z plane, extruded along y and centered."""
    solid = shapes.prism(outline, width)
    return solid.turned(rotation_x(np.pi / 2)).moved(0, width / 2, 0)


def person(rng: Rng) -> Item:
    """A standing or walking grown-up or child, some with a bag or an open coat."""
    h, stride = rng.uniform(1.5, 1.95), rng.uniform(0.0, 0.35)
    h = rng.uniform(0.9, 1.45) if rng.random() < 0.12 else h
    hip, neck, bulk = h * 0.5, h * 0.83, rng.uniform(0.85, 1.25)
    head = shapes.ellipsoid(h * 0.11, h * 0.095, h * 0.14).moved(h * 0.01, 0, h * 0.86)
    parts: list[Mesh] = [head.painted(2)]
    parts.append(shapes.cylinder(h * 0.035, h * 0.07, 8).moved(0, 0, neck - 0.02).painted(2))
    torso = shapes.superellipsoid(
        h * 0.14 * bulk, h * rng.uniform(0.22, 0.27) * bulk, neck - hip + 0.08, roundness=0.6
    )
    parts.append(torso.moved(0, 0, hip - 0.04))
    if rng.random() < 0.25:  # coat or skirt
        parts.append(shapes.cone(h * 0.13, h * 0.1, h * 0.25).moved(0, 0, hip - h * 0.2))
    for s in (-1, 1):
        foot = np.array([s * stride, s * 0.1, 0.05])
        knee = np.array([s * stride * 0.4 + 0.04, s * 0.1, hip * 0.52])
        thigh = shapes.tube(np.stack([[0, s * 0.08, hip], knee, foot]), 0.055 * h / 1.7 * bulk)
        parts.append(thigh.painted(1))
        parts.append(
            shapes.ellipsoid(0.26, 0.1, 0.1).moved(foot[0] + 0.06, foot[1], 0.0).painted(3)
        )
        shoulder = np.array([0.0, s * h * 0.12 * bulk, neck - 0.06])
        hand = np.array([-s * stride * 0.8 + rng.uniform(0, 0.2), s * h * 0.15 * bulk, hip - 0.02])
        elbow = (shoulder + hand) / 2 + [-0.04, s * 0.05, 0]
        parts.append(shapes.tube([shoulder, elbow, hand], 0.042))
    if rng.random() < 0.25:
        pack = shapes.rounded_box(0.18, 0.3, 0.42, 0.4)
        parts.append(pack.moved(-h * 0.1, 0, neck - 0.45).painted(3))
    clothes = (paint.fabric(rng), paint.fabric(rng), paint.plain(paint.woody(rng)))
    return item(merge(parts), "person", *clothes, paint.plain(paint.dark(rng)))


def pole(rng: Rng) -> Item:
    """A street light, sign post, traffic light, bollard or bare mast; signs are their own."""
    kind = int(rng.choice(5, p=[0.28, 0.27, 0.12, 0.15, 0.18]))
    h = rng.uniform(4.0, 10.0) if kind in (0, 4) else rng.uniform(1.9, 3.8)
    if kind == 3:
        bollard = shapes.cone(
            rng.uniform(0.05, 0.14), rng.uniform(0.04, 0.09), rng.uniform(0.6, 1.1)
        )
        return item(bollard, "pole", paint.coating(rng))
    parts: list[Mesh] = [shapes.cone(rng.uniform(0.03, 0.13), rng.uniform(0.025, 0.05), h, 10)]
    classes = ["pole"]
    if kind == 0:
        reach = rng.uniform(0.3, 2.2) if rng.random() < 0.75 else 0.0
        bend = [[0, 0, h * 0.9], [reach * 0.3, 0, h * 0.99], [reach, 0, h]]
        parts.append(shapes.tube(bend, 0.035))
        lamp = (
            shapes.superellipsoid(0.7, 0.25, 0.12, roundness=0.6),
            shapes.ellipsoid(0.4, 0.4, 0.45),
            shapes.lathe([[0.0, 0.3], [0.3, 0.0], [0.02, 0.0]]),
        )[int(rng.integers(3))]
        parts.append(lamp.moved(reach, 0, h - 0.08).painted(1))
    elif kind == 1:
        for k in range(int(rng.choice([1, 1, 1, 2]))):
            plate = sign(rng).moved(0.05, 0, h - 0.1 - 0.75 * k)
            parts.append(plate.painted(1 + k).as_part(len(classes)))
            classes.append("pole")
    elif kind == 2:
        box = shapes.bevelled_box(0.25, 0.3, 0.85, 0.03).moved(0.16, 0, h - 0.9)
        parts.append(box.painted(1).as_part(1))
        classes.append("pole")
        if rng.random() < 0.5:
            reach = rng.uniform(2.0, 5.0)
            parts.append(
                shapes.tube([[0, 0, h], [reach * 0.3, 0, h + 1.8], [reach, 0, h + 2]], 0.06)
            )
            high = shapes.bevelled_box(0.25, 0.3, 0.85, 0.03).moved(reach, 0, h + 1.2)
            parts.append(high.painted(2).as_part(2))
            classes.append("pole")
    elif rng.random() < 0.3:  # a mast with a cross arm
        parts.append(shapes.box(0.1, rng.uniform(1.0, 2.4), 0.1).moved(0, 0, h * 0.93))
    post = paint.wood(rng) if kind == 4 and rng.random() < 0.4 else paint.metal(rng)
    prints = (paint.package(rng, 0.5), paint.package(rng, 0.5))
    return Item(mesh=merge(parts), classes=tuple(classes), materials=(post, *prints))


def sign(rng: Rng) -> Mesh:
    """A sign plate that faces +x, its upper edge at z = 0."""
    w = rng.uniform(0.4, 0.9)
    if rng.random() < 0.4:
        tall = w * rng.uniform(0.3, 1.4)
        return shapes.box(0.02, w, tall).moved(0, 0, -tall)
    corners = int(rng.choice([3, 4, 8, 24]))
    plate = shapes.cylinder(w / 2, 0.02, corners).turned(rotation_y(np.pi / 2))
    return plate.turned(rotation_x(np.pi / 4 * (corners == 8))).moved(0, 0, -w / 2)


def fence(rng: Rng, length: float | None = None) -> Item:
    """A fence, wall, wire mesh or guard rail along x."""
    x = rng.uniform(3.0, 14.0) if length is None else length
    h = rng.uniform(0.6, 2.0)
    kind = int(rng.integers(5))
    span = np.arange(-x / 2, x / 2, rng.uniform(1.5, 3.0))
    posts = [shapes.box(0.08, 0.08, h).moved(p, 0, 0) for p in span]
    if kind == 0:
        mesh: Mesh = shapes.box(x, rng.uniform(0.1, 0.35), h)
        cap = shapes.box(x, 0.4, 0.06).moved(0, 0, h)
        mesh = merge([mesh, cap]) if rng.random() < 0.4 else mesh
        stone = paint.patterned("cells", [paint.gray(rng), paint.pale(rng)], 0.2, rng)
        return item(mesh, "barrier", stone if rng.random() < 0.6 else paint.plain(paint.pale(rng)))
    if kind == 1:  # pickets
        step = rng.uniform(0.1, 0.25)
        bars = [
            shapes.box(step * rng.uniform(0.3, 0.75), 0.03, h).moved(p, 0, 0)
            for p in np.arange(-x / 2, x / 2, step)
        ]
        rails = [shapes.box(x, 0.05, 0.07).moved(0, 0, z * h) for z in (0.2, 0.8)]
        mesh = merge([*bars, *rails, *posts])
    elif kind == 2:
        mesh = merge([*posts, shapes.box(x, 0.06, 0.3).moved(0, 0.08, h - 0.35)])
    elif kind == 3:  # boards with gaps
        boards = np.arange(0.05, h - 0.1, rng.uniform(0.14, 0.25))
        mesh = merge([*posts, *[shapes.box(x, 0.025, 0.11).moved(0, 0, z) for z in boards]])
    else:  # wire: most pulses pass
        wire = shapes.panel(x, h).turned(rotation_x(np.pi / 2)).moved(0, 0, h / 2).painted(1)
        mesh = merge([*posts, wire])
    thin = paint.plain(paint.gray(rng), dropout=rng.uniform(0.6, 0.9))
    return item(mesh, "barrier", paint.wood(rng), thin)


def waste_bin(rng: Rng) -> Item:
    """A wheeled bin, container, bottle bank or litter bin."""
    kind = int(rng.choice(4, p=[0.5, 0.2, 0.1, 0.2]))
    if kind == 3:
        r, h = rng.uniform(0.16, 0.3), rng.uniform(0.5, 1.0)
        body = shapes.vessel([(r * 0.9, 0.0), (r, h)], 0.02)
        return item(body, "box", paint.coating(rng))
    x, y, z = rng.uniform(0.48, 0.62), rng.uniform(0.5, 0.75), rng.uniform(0.9, 1.12)
    if kind == 1:
        x, y, z = rng.uniform(1.1, 2.2), rng.uniform(0.8, 1.3), rng.uniform(1.0, 1.6)
    ring = np.array([[1, -1], [1, 1], [-1, 1], [-1, -1]]) * [x / 2, y / 2]
    if kind == 2:
        r = rng.uniform(0.6, 0.85)
        dome = shapes.lathe(
            [[0, 0], [r * 0.9, 0], [r, 0.4], [r * 0.95, 1.1], [r * 0.5, 1.6], [0, 1.7]]
        )
        return item(dome, "box", paint.coating(rng))
    lid = shapes.loft([(ring * 1.04, 0.0), (ring * 1.02, 0.05), (ring * 0.85, 0.1)]).moved(0, 0, z)
    body = shapes.loft([(ring * 0.8, 0.05), (ring, z)])
    grip = shapes.rod([-x * 0.4, y / 2 + 0.04, z], [x * 0.4, y / 2 + 0.04, z], 0.02)
    turn = rotation_y(np.pi / 2)
    wheel = shapes.cylinder(0.1, 0.06, 12).turned(turn).moved(0, y * 0.42, 0.1).painted(2)
    pair = [wheel.moved(s * x * 0.36, 0, 0) for s in (-1, 1)]
    dark = paint.plain(paint.dark(rng))
    return item(merge([body, lid.painted(1), grip, *pair]), "box", *_two(rng), dark)


def _two(rng: Rng) -> tuple[paint.Material, paint.Material]:
    base = paint.coating(rng)
    return base, base if rng.random() < 0.6 else paint.coating(rng)


def street_box(rng: Rng) -> Item:
    """A switch cabinet, post box, vending machine, planter, hydrant, cone or bench."""
    kind = int(rng.choice(6, p=[0.28, 0.14, 0.14, 0.14, 0.16, 0.14]))
    if kind == 0:
        size = rng.uniform(0.4, 1.4), rng.uniform(0.3, 0.5), rng.uniform(0.8, 1.5)
        return item(shapes.bevelled_box(*size, 0.03), "box", paint.plain(paint.gray(rng)))
    if kind == 1:
        tall = rng.uniform(0.9, 1.3)
        body = shapes.bevelled_box(0.45, 0.35, 0.6, 0.05).moved(0, 0, tall - 0.6)
        return item(merge([body, shapes.box(0.1, 0.1, tall)]), "box", paint.plain(paint.vivid(rng)))
    if kind == 2:
        foot = shapes.box(0.4, 0.4, 0.03)
        mesh = merge([foot, shapes.cone(0.15, 0.03, rng.uniform(0.45, 0.9))])
        stripes = paint.patterned("stripes", [paint.vivid(rng), paint.pale(rng)], 0.15, rng)
        return item(mesh, "barrier", stripes)
    if kind == 3:
        long = rng.uniform(1.2, 2.2)
        seat = [shapes.box(long, 0.11, 0.04).moved(0, y, 0.42) for y in (-0.15, 0.0, 0.15)]
        back = [shapes.box(long, 0.04, 0.11).moved(0, 0.24, z) for z in (0.55, 0.7, 0.85)]
        feet = [shapes.box(0.06, 0.45, 0.42).moved(s * long * 0.4, 0.02, 0) for s in (-1, 1)]
        parts = [*seat, *feet, *(back if rng.random() < 0.7 else [])]
        return item(merge(parts), "chair", paint.wood(rng), paint.metal(rng))
    if kind == 4:
        size = rng.uniform(0.5, 1.6), rng.uniform(0.4, 0.8), rng.uniform(0.35, 0.7)
        shrub = shapes.superellipsoid(size[0] * 0.8, size[1] * 0.8, rng.uniform(0.3, 0.8))
        parts = [shapes.bevelled_box(*size, 0.02), shrub.moved(0, 0, size[2] - 0.1).as_part(1)]
        green = paint.patterned("speckle", [paint.leafy(rng), paint.leafy(rng)], 0.1, rng)
        mesh = merge([parts[0], parts[1].painted(1)])
        return Item(mesh=mesh, classes=("box", "plant"), materials=(paint.coating(rng), green))
    body = merge([shapes.cylinder(0.13, 0.6), shapes.ellipsoid(0.3, 0.3, 0.2).moved(0, 0, 0.5)])
    return item(body, "other", paint.plain(paint.vivid(rng)))


def building(rng: Rng) -> Item:
    """A house or block: windows, doors, bay, balconies, roof; its front towards -y at y = 0."""
    w, d = rng.uniform(6.0, 20.0), rng.uniform(6.0, 12.0)
    h = rng.uniform(2.8, 7.0) if rng.random() < 0.5 else rng.uniform(6.0, 18.0)
    parts = [shapes.box(w, d, h).moved(0, d / 2, 0)]
    step, floor = rng.uniform(1.8, 3.5), rng.uniform(2.7, 3.6)
    ww, wh = step * rng.uniform(0.35, 0.65), floor * rng.uniform(0.35, 0.6)
    sill, deep = rng.random() < 0.5, rng.uniform(0.02, 0.15)
    pane = shapes.panel(ww, wh).turned(rotation_x(np.pi / 2))
    for x in np.arange(-w / 2 + step, w / 2 - step * 0.6, step):
        for z in np.arange(floor * 0.35, h - wh - 0.3, floor):
            parts.append(pane.moved(x, -0.01, z + wh / 2).painted(1))
            parts.append(
                shapes.box(ww + 0.2, deep + 0.08, 0.08).moved(x, -0.04, z - 0.08).painted(2)
            )
            if sill:
                bars = [
                    shapes.box(0.08, deep, wh).moved(x + s * ww / 2, -deep / 2, z) for s in (-1, 1)
                ]
                parts += [m.painted(2) for m in bars]
    parts += _front(w, h, floor, rng)
    if rng.random() < 0.65 and h < 12:
        rise, over = d * rng.uniform(0.25, 0.5), rng.uniform(0.1, 0.5)
        roof = side_prism(np.array([[-d / 2 - over, 0], [d / 2 + over, 0], [0, rise]]), w + over)
        if rng.random() < 0.3:  # gable to the street
            roof = side_prism(
                np.array([[-w / 2 - over, 0], [w / 2 + over, 0], [0, rise]]), d + over
            )
            parts.append(roof.moved(0, d / 2, h).painted(3))
        else:
            parts.append(roof.turned(rotation_z(np.pi / 2)).moved(0, d / 2, h).painted(3))
    brick = paint.pale(rng) if rng.random() < 0.6 else paint.woody(rng)
    kind = str(rng.choice(["plain", "noise", "cells"]))
    wall = paint.patterned(kind, [brick, brick * 0.85, brick * 0.92], 0.25, rng)
    glass = paint.plain(paint.dark(rng), dropout=rng.uniform(0.3, 0.9))
    tile = paint.plain(paint.woody(rng) * 0.8)
    return Item(
        mesh=merge(parts), classes=("wall",), materials=(wall, glass, paint.coating(rng), tile)
    )


def _front(w: float, h: float, floor: float, rng: Rng) -> list[Mesh]:
    """Door steps, awnings, balconies and bays on a facade (slot 2)."""
    parts: list[Mesh] = []
    at = rng.uniform(-0.4, 0.4) * w
    parts.append(shapes.box(1.6, rng.uniform(0.4, 1.2), rng.uniform(0.1, 0.5)).moved(at, -0.4, 0))
    if rng.random() < 0.35:
        parts.append(shapes.box(2.0, 1.0, 0.12).moved(at, -0.5, 2.3))
    if rng.random() < 0.4:
        for z in np.arange(floor, h - 2.0, floor):
            balcony = shapes.box(rng.uniform(1.8, 3.5), 1.1, 0.15).moved(at * 0.5, -0.55, z)
            rail = shapes.box(rng.uniform(1.8, 3.5), 0.05, 0.95).moved(at * 0.5, -1.08, z + 0.15)
            parts += [balcony, rail]
    if rng.random() < 0.25:
        parts.append(shapes.box(rng.uniform(1.5, 3.0), 0.9, h * 0.8).moved(-at, -0.4, 0).painted(0))
    return [m if m.slot.any() else m.painted(2) for m in parts]
