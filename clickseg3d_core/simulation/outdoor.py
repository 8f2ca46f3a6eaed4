"""Street furniture, cars, persons, trees and buildings, as parametric meshes."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.goods import item
from clickseg3d_core.simulation.mesh import (
    Mesh,
    from_arrays,
    merge,
    rotation_x,
    rotation_y,
    rotation_z,
)
from clickseg3d_core.simulation.world import Item

Rng = np.random.Generator


def car(rng: Rng) -> Item:
    """A car, van or truck pointing along x: body, cabin, wheels, glass."""
    kind = rng.choice(4, p=[0.5, 0.25, 0.17, 0.08])
    length = (
        rng.uniform(3.6, 4.9),
        rng.uniform(4.2, 5.0),
        rng.uniform(4.6, 6.2),
        rng.uniform(6, 9),
    )[kind]
    width = rng.uniform(1.65, 1.95) if kind < 3 else rng.uniform(2.1, 2.5)
    height = (
        rng.uniform(1.38, 1.52),
        rng.uniform(1.6, 1.85),
        rng.uniform(1.9, 2.6),
        rng.uniform(2.6, 3.5),
    )[kind]
    waist, wheel = height * rng.uniform(0.5, 0.62), rng.uniform(0.29, 0.36)
    hood, tail = ((0.2, 0.12), (0.22, 0.02), (0.12, 0.01), (0.03, 0.01))[kind]
    side = np.array(
        [
            [-0.5, waist * 0.85],
            [-0.5 + tail, waist],
            [-0.5 + tail + 0.06, height],
            [0.5 - hood - 0.18, height],
            [0.5 - hood, waist],
            [0.5, waist * 0.8],
            [0.5, 0.25],
            [-0.5, 0.25],
        ]
    )
    side[:, 0] *= length
    if kind == 3:
        side[2, 0] = -0.49 * length
    body = side_prism(side, width)
    glass = side_prism(side[1:5] * [0.93, 1] + [0.0, -0.04], width * 1.004).painted(1)
    tire = shapes.cylinder(wheel, 0.22, 14).turned(rotation_x(np.pi / 2)).painted(2)
    wheels = [
        tire.moved(a * length * 0.31, b * width * 0.5 + 0.1 * (b < 0) + 0.1, wheel)
        for a in (-1, 1)
        for b in (-1, 0.9)
    ]
    color = paint.anything(rng)
    skins = (
        paint.plain(color, dropout=0.1),
        paint.plain(paint.dark(rng), dropout=0.6),
        paint.plain(paint.dark(rng)),
    )
    return item(merge([body, glass, *wheels]), "vehicle", *skins)


def side_prism(outline: np.ndarray, width: float) -> Mesh:
    """A (C, 2) outline in the x-z plane, extruded along y and centered."""
    solid = shapes.prism(outline, width)
    return solid.turned(rotation_x(np.pi / 2)).moved(0, width / 2, 0)


def two_wheeler(rng: Rng) -> Item:
    """A bicycle or motorcycle along x."""
    r, gap = rng.uniform(0.28, 0.36), rng.uniform(0.95, 1.35)
    parts: list[Mesh] = [
        shapes.torus(r, rng.uniform(0.02, 0.06)).moved(s * gap / 2, 0, r) for s in (-1, 1)
    ]
    joints = [
        [-gap / 2, 0, r],
        [-0.1, 0, r],
        [gap * 0.35, 0, 2.4 * r],
        [-0.25, 0, 2.3 * r],
        [gap / 2, 0, r],
    ]
    for a, b in ((0, 1), (1, 2), (1, 3), (2, 3), (0, 3), (2, 4)):
        parts.append(shapes.rod(joints[a], joints[b], rng.uniform(0.018, 0.04)).painted(1))
    parts.append(
        shapes.rod([gap * 0.33, -0.28, 2.9 * r], [gap * 0.33, 0.28, 2.9 * r], 0.015).painted(1)
    )
    parts.append(shapes.ellipsoid(0.3, 0.15, 0.1).moved(-0.25, 0, 2.5 * r))
    if rng.random() < 0.4:
        parts.append(shapes.ellipsoid(gap * 0.7, 0.3, 0.4).moved(0, 0, r * 1.2).painted(1))
    return item(merge(parts), "vehicle", paint.plain(paint.dark(rng)), paint.coating(rng))


def person(rng: Rng) -> Item:
    """A standing or walking person."""
    h, stride = rng.uniform(1.5, 1.95), rng.uniform(0.0, 0.4)
    hip, neck = h * 0.5, h * 0.83
    parts: list[Mesh] = [
        shapes.ellipsoid(h * 0.1, h * 0.09, h * 0.14).moved(0, 0, h * 0.86).painted(2)
    ]
    torso = shapes.superellipsoid(
        h * 0.14, h * rng.uniform(0.22, 0.28), neck - hip + 0.08, roundness=0.6
    )
    parts.append(torso.moved(0, 0, hip - 0.04))
    for s in (-1, 1):
        foot = [s * stride, s * 0.1, 0.04]
        parts.append(shapes.rod(foot, [0, s * 0.08, hip], rng.uniform(0.06, 0.08)).painted(1))
        hand = [-s * stride * 0.8 + 0.05, s * h * 0.16, hip - 0.02]
        parts.append(shapes.rod([0, s * h * 0.12, neck - 0.06], hand, 0.042))
    skins = (paint.fabric(rng), paint.fabric(rng), paint.plain(paint.woody(rng)))
    return item(merge(parts), "person", *skins)


def tree(rng: Rng) -> Item:
    """A tree: trunk, branches and a crown of leaf clumps or a conifer."""
    h = rng.uniform(3.0, 11.0)
    bark, green = (
        paint.plain(paint.woody(rng) * 0.6),
        paint.patterned("speckle", [paint.leafy(rng), paint.leafy(rng)], 0.3, rng),
    )
    r = h * rng.uniform(0.015, 0.035)
    if rng.random() < 0.25:
        cones = [
            shapes.cone(h * 0.2 * (1 - k / 6), 0.05, h * 0.3).moved(0, 0, h * (0.15 + 0.13 * k))
            for k in range(5)
        ]
        crown = roughen(merge(cones), rng, 0.25)
        return item(
            merge([shapes.cone(r, r * 0.5, h * 0.4), crown.painted(1)]), "tree", bark, green
        )
    fork = h * rng.uniform(0.25, 0.45)
    parts: list[Mesh] = [shapes.cone(r, r * 0.7, fork)]
    for _ in range(int(rng.integers(4, 11))):
        a, out = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.26) * h
        tip = np.array([np.cos(a) * out, np.sin(a) * out, rng.uniform(fork * 1.15, h * 0.9)])
        parts.append(shapes.rod([0, 0, fork * 0.95], tip, r * 0.4, 6))
        size = h * rng.uniform(0.14, 0.32)
        clump = shapes.superellipsoid(size, size, size * 0.8, rings=9, segments=14)
        parts.append(leafy_shell(clump, rng).moved(tip[0], tip[1], tip[2] - size * 0.3).painted(1))
    return item(merge(parts), "tree", bark, green)


def leafy_shell(clump: Mesh, rng: Rng) -> Mesh:
    """Break a closed clump into loose leaves: shrink, tilt and thin its faces."""
    corners = clump.vertices[clump.faces]
    middle = corners.mean(axis=1, keepdims=True)
    size = float(np.linalg.norm(clump.extent))
    jolt = rng.normal(0.0, 0.05 * size, middle.shape) + rng.normal(0.0, 0.025 * size, corners.shape)
    loose = middle * rng.uniform(0.75, 1.0, (len(middle), 1, 1)) + (corners - middle) * 0.8 + jolt
    loose = loose[rng.random(len(loose)) < 0.8]
    return from_arrays(loose.reshape(-1, 3), np.arange(3 * len(loose)))


def roughen(mesh: Mesh, rng: Rng, amount: float) -> Mesh:
    """Jolt vertices at random by `amount` metres."""
    return from_arrays(mesh.vertices + rng.normal(0, amount * 0.5, mesh.vertices.shape), mesh.faces)


def bush(rng: Rng) -> Item:
    """A bush or hedge."""
    x, y, z = rng.uniform(0.6, 4.0), rng.uniform(0.5, 1.1), rng.uniform(0.5, 1.6)
    body = shapes.superellipsoid(x, y, z, roundness=rng.uniform(0.3, 0.9), rings=16, segments=32)
    return item(
        leafy_shell(body, rng) if rng.random() < 0.4 else roughen(body, rng, 0.1),
        "plant",
        paint.patterned("speckle", [paint.leafy(rng), paint.leafy(rng)], 0.2, rng),
    )


def pole(rng: Rng) -> Item:
    """A street light, traffic sign, traffic light, bollard or bare mast."""
    kind = rng.choice(5, p=[0.3, 0.25, 0.15, 0.15, 0.15])
    h = rng.uniform(4.0, 9.0) if kind in (0, 4) else rng.uniform(2.2, 3.6)
    if kind == 3:
        bollard = shapes.cylinder(rng.uniform(0.05, 0.12), rng.uniform(0.7, 1.1))
        return item(bollard, "pole", paint.coating(rng))
    stem = shapes.cone(rng.uniform(0.04, 0.12), 0.035, h, 10)
    parts = [stem]
    if kind == 0:
        reach = rng.uniform(0.5, 2.0)
        parts.append(shapes.rod([0, 0, h * 0.97], [reach, 0, h], 0.035))
        parts.append(shapes.ellipsoid(0.6, 0.25, 0.15).moved(reach, 0, h - 0.1).painted(1))
    elif kind == 1:
        w = rng.uniform(0.45, 0.8)
        plate: Mesh = shapes.cylinder(w / 2, 0.02, int(rng.choice([3, 4, 8, 24]))).turned(
            rotation_y(np.pi / 2)
        )
        if rng.random() < 0.35:
            plate = shapes.box(0.02, w * rng.uniform(1, 2.0), w).moved(0, 0, -w / 2)
        parts.append(plate.moved(0.06, 0, h - w / 2).painted(1))
    elif kind == 2:
        parts.append(shapes.box(0.22, 0.3, 0.85).moved(0.12, 0, h - 0.85).painted(1))
    return item(merge(parts), "pole", paint.metal(rng), paint.plain(paint.vivid(rng)))


def fence(rng: Rng) -> Item:
    """A fence, low wall or guard rail along x."""
    length, h = rng.uniform(3.0, 14.0), rng.uniform(0.6, 2.0)
    kind = rng.integers(3)
    if kind == 0:
        mesh: Mesh = shapes.box(length, rng.uniform(0.1, 0.3), h)
    elif kind == 1:
        bars = [
            shapes.box(0.05, 0.04, h).moved(x, 0, 0)
            for x in np.arange(-length / 2, length / 2, rng.uniform(0.12, 0.3))
        ]
        rails = [shapes.box(length, 0.05, 0.07).moved(0, 0, z * h) for z in (0.2, 0.85)]
        mesh = merge([*bars, *rails])
    else:
        posts = [
            shapes.box(0.1, 0.1, h).moved(x, 0, 0) for x in np.arange(-length / 2, length / 2, 2.0)
        ]
        mesh = merge([*posts, shapes.box(length, 0.06, 0.3).moved(0, 0.08, h - 0.35)])
    return item(mesh, "barrier", paint.wood(rng))


def street_box(rng: Rng) -> Item:
    """A bin, container, post box, switch cabinet, hydrant, cone or bench."""
    kind = rng.integers(5)
    if kind == 0:
        x, y, z = rng.uniform(0.5, 0.7), rng.uniform(0.55, 0.8), rng.uniform(0.9, 1.2)
        ring = np.array([[1, -1], [1, 1], [-1, 1], [-1, -1]]) * [x / 2, y / 2]
        return item(
            shapes.loft([(ring * 0.8, 0.0), (ring, z), (ring * 0.9, z + 0.08)]),
            "box",
            paint.coating(rng),
        )
    if kind == 1:
        body = shapes.bevelled_box(
            rng.uniform(0.5, 2.0), rng.uniform(0.4, 1.2), rng.uniform(0.9, 1.5), 0.04
        )
        return item(body, "box", paint.coating(rng))
    if kind == 2:
        cone_ = merge([shapes.box(0.4, 0.4, 0.03), shapes.cone(0.15, 0.03, rng.uniform(0.5, 0.9))])
        stripes = paint.patterned("stripes", [paint.vivid(rng), paint.pale(rng)], 0.15, rng)
        return item(cone_, "barrier", stripes)
    if kind == 3:
        seat = [
            shapes.box(1.7, 0.4, 0.05).moved(0, 0, 0.42),
            shapes.box(1.7, 0.05, 0.4).moved(0, 0.2, 0.45),
        ]
        feet = [shapes.box(0.06, 0.4, 0.42).moved(s * 0.7, 0, 0) for s in (-1, 1)]
        return item(merge([*seat, *feet]), "chair", paint.wood(rng))
    body = merge([shapes.cylinder(0.13, 0.6), shapes.ellipsoid(0.3, 0.3, 0.2).moved(0, 0, 0.5)])
    return item(body, "other", paint.plain(paint.vivid(rng)))


def building(rng: Rng) -> Item:
    """A facade block with recessed windows and a door, its front towards -y at y = 0."""
    w, h, d = rng.uniform(7.0, 20.0), rng.uniform(3.5, 16.0), rng.uniform(6.0, 12.0)
    parts = [shapes.box(w, d, h).moved(0, d / 2, 0)]
    step, floor = rng.uniform(2.0, 3.5), rng.uniform(2.8, 3.6)
    ww, wh = step * rng.uniform(0.35, 0.65), floor * rng.uniform(0.4, 0.6)
    sill = rng.random() < 0.5
    for x in np.arange(-w / 2 + step, w / 2 - step * 0.6, step):
        for z in np.arange(floor * 0.35, h - wh - 0.3, floor):
            parts.append(
                shapes.panel(ww, wh)
                .turned(rotation_x(np.pi / 2))
                .moved(x, -0.01, z + wh / 2)
                .painted(1)
            )
            parts.append(shapes.box(ww + 0.2, 0.15, 0.1).moved(x, -0.06, z - 0.1).painted(2))
            if sill:
                parts.append(shapes.box(ww + 0.2, 0.12, 0.12).moved(x, -0.05, z + wh).painted(2))
    if rng.random() < 0.5:
        parts.append(shapes.box(w + 0.4, d * 0.3, 0.3).moved(0, d * 0.1, h).painted(2))
    if rng.random() < 0.3:
        parts.append(
            shapes.box(w * rng.uniform(0.2, 0.5), 1.2, 1.1)
            .moved(rng.uniform(-0.2, 0.2) * w, -0.6, floor)
            .painted(2)
        )
    if h < 8 and rng.random() < 0.6:
        roof = side_prism(np.array([[-d * 0.55, 0], [d * 0.55, 0], [0, d * 0.4]]), w + 0.5)
        parts.append(roof.turned(rotation_z(np.pi / 2)).moved(0, d / 2, h).painted(2))
    brick = paint.pale(rng) if rng.random() < 0.5 else paint.woody(rng)
    wall = paint.patterned(
        str(rng.choice(["plain", "noise", "checker"])), [brick, brick * 0.85], 0.25, rng
    )
    pane = paint.plain(paint.dark(rng), dropout=0.7)
    return Item(mesh=merge(parts), classes=("wall",), materials=(wall, pane, paint.coating(rng)))
