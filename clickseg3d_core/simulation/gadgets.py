"""Screens, devices, tools, toys, lamps and clothes: small things of a desk."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.goods import item
from clickseg3d_core.simulation.mesh import Mesh, merge, rotation_x, rotation_y, rotation_z
from clickseg3d_core.simulation.world import Item

Rng = np.random.Generator


def display(rng: Rng, *, lit: float = 0.4) -> paint.Material:
    """A screen surface: black and hard to range, or lit."""
    if rng.random() < lit:
        colors = [paint.pale(rng), paint.vivid(rng), paint.vivid(rng), paint.dark(rng)]
        return paint.patterned("print", colors, 0.08, rng)
    return paint.plain(paint.dark(rng), dropout=rng.uniform(0.0, 0.5))


def monitor(rng: Rng) -> Item:
    """A computer monitor on a stand."""
    w, lift = rng.uniform(0.36, 0.7), rng.uniform(0.05, 0.16)
    h, d = w * rng.uniform(0.54, 0.75), rng.uniform(0.015, 0.06)
    tilt = rotation_x(rng.uniform(-0.05, 0.2))
    case = merge(
        [
            shapes.box(w, d, h),
            shapes.panel(w * 0.96, h * 0.94)
            .turned(rotation_x(np.pi / 2))
            .moved(0, -d / 2 - 0.001, h / 2)
            .painted(1),
        ]
    )
    neck = shapes.box(rng.uniform(0.03, 0.1), 0.03, lift + h * 0.4).moved(0, d / 2 + 0.02, 0)
    foot = shapes.box(w * rng.uniform(0.3, 0.5), rng.uniform(0.14, 0.24), 0.012)
    if rng.random() < 0.4:
        foot = shapes.cylinder(rng.uniform(0.09, 0.14), 0.014)
    mesh = merge([case.turned(tilt).moved(0, 0, lift), neck, foot])
    return item(
        mesh,
        "screen",
        paint.plain(paint.dark(rng) if rng.random() < 0.7 else paint.gray(rng)),
        display(rng),
    )


def laptop(rng: Rng) -> Item:
    """A laptop, open at some angle or closed."""
    w = rng.uniform(0.28, 0.4)
    d = w * rng.uniform(0.62, 0.72)
    keys = shapes.panel(w * 0.85, d * 0.45).moved(0, d * 0.12, 0.0165).painted(1)
    lid = shapes.box(w, d, 0.008)
    glass = shapes.panel(w * 0.94, d * 0.9).moved(0, 0, -0.001).painted(2)
    opened = 0.0 if rng.random() < 0.2 else rng.uniform(1.3, 2.1)
    flap = (
        merge([lid, glass]).moved(0, -d / 2, 0).turned(rotation_x(-opened)).moved(0, d / 2, 0.017)
    )
    body = paint.plain(paint.gray(rng) if rng.random() < 0.6 else paint.dark(rng))
    dark = paint.patterned("checker", [paint.dark(rng), paint.dark(rng) * 2], 0.018, rng)
    return item(merge([shapes.box(w, d, 0.016), keys, flap]), "screen", body, dark, display(rng))


def slab(rng: Rng) -> Item:
    """A phone, tablet, router, game console, hard disk or calculator."""
    x, y, z = rng.uniform(0.06, 0.3), rng.uniform(0.1, 0.25), rng.uniform(0.007, 0.07)
    mesh = shapes.bevelled_box(x, y, z, 0.004)
    face = shapes.panel(x * 0.9, y * 0.85).moved(0, 0, z + 0.0005).painted(1)
    return item(
        merge([mesh, face]), "screen" if z < 0.014 else "other", paint.coating(rng), display(rng)
    )


def keyboard(rng: Rng) -> Item:
    """A keyboard."""
    x, y = rng.uniform(0.28, 0.46), rng.uniform(0.11, 0.17)
    keys = paint.patterned("checker", [paint.gray(rng), paint.dark(rng)], 0.019, rng)
    top = shapes.panel(x * 0.96, y * 0.9).moved(0, 0, 0.0225).painted(1)
    return item(
        merge([shapes.bevelled_box(x, y, 0.022, 0.004), top]), "other", paint.coating(rng), keys
    )


def mouse(rng: Rng) -> Item:
    """A computer mouse, soap, stone or remote control."""
    body = shapes.superellipsoid(
        rng.uniform(0.04, 0.07), rng.uniform(0.08, 0.2), rng.uniform(0.02, 0.045), roundness=0.7
    )
    return item(body, "other", paint.coating(rng))


def phone(rng: Rng) -> Item:
    """A desk telephone or small printer: a wedge with buttons and a handset."""
    x, y = rng.uniform(0.15, 0.24), rng.uniform(0.15, 0.25)
    ring = np.array([[x / 2, -y / 2], [x / 2, y / 2], [-x / 2, y / 2], [-x / 2, -y / 2]])
    base = shapes.loft([(ring, 0.0), (ring, 0.03), (ring * [1, 0.4] + [0, y * 0.2], 0.08)])
    handset = shapes.rounded_box(0.05, y, 0.045, 0.5).moved(-x * 0.35, 0, 0.045).painted(1)
    return item(merge([base, handset]), "other", paint.coating(rng), paint.coating(rng))


def speaker(rng: Rng) -> Item:
    """A loudspeaker or radio."""
    x, y, z = rng.uniform(0.08, 0.22), rng.uniform(0.08, 0.2), rng.uniform(0.1, 0.36)
    parts = [shapes.box(x, y, z)]
    for height in (0.3, 0.72):
        disc = shapes.cylinder(x * rng.uniform(0.25, 0.42), 0.006).turned(rotation_x(np.pi / 2))
        parts.append(disc.moved(0, -y / 2, z * height).painted(1))
    return item(merge(parts), "other", paint.wood(rng), paint.plain(paint.dark(rng)))


def desk_lamp(rng: Rng) -> Item:
    """A lamp: jointed arm with a shade, or a foot with a shade."""
    r, h = rng.uniform(0.07, 0.11), rng.uniform(0.25, 0.5)
    base = shapes.cylinder(r, 0.02)
    shade_r = rng.uniform(0.06, 0.17)
    if rng.random() < 0.5:
        reach = rng.uniform(0.08, 0.3)
        elbow, tip = [-reach * 0.4, 0, h * 0.6], [reach, 0, h]
        arm = merge([shapes.rod([0, 0, 0], elbow, 0.008), shapes.rod(elbow, tip, 0.008)])
        shade = shapes.lathe([[0.02, 0.1], [shade_r * 0.7, 0.0]]).turned(rotation_y(0.4))
        shade = shade.moved(reach, 0, h - 0.08)
    else:
        arm = shapes.rod([0, 0, 0], [0, 0, h], rng.uniform(0.007, 0.035))
        tall = shade_r * rng.uniform(0.9, 1.5)
        shade = shapes.lathe([[shade_r, 0], [shade_r * rng.uniform(0.5, 1.0), tall]]).moved(
            0, 0, h * 0.8
        )
    skin = paint.coating(rng)
    return item(merge([base, arm, shade.painted(1)]), "lamp", skin, paint.plain(paint.pale(rng)))


def clock(rng: Rng) -> Item:
    """An alarm clock, small picture frame or trophy."""
    if rng.random() < 0.5:
        r = rng.uniform(0.04, 0.09)
        disc = (
            shapes.cylinder(r, rng.uniform(0.02, 0.06)).turned(rotation_x(np.pi / 2)).moved(0, 0, r)
        )
        return item(disc, "other", paint.coating(rng))
    w, h = rng.uniform(0.09, 0.25), rng.uniform(0.1, 0.3)
    front = shapes.panel(w * 0.85, h * 0.85).turned(rotation_x(np.pi / 2)).moved(0, -0.0095, h / 2)
    frame = merge([shapes.box(w, 0.018, h), front.painted(1)]).turned(rotation_x(-0.22))
    stand = shapes.box(0.03, 0.006, h * 0.7).turned(rotation_x(0.35)).moved(0, h * 0.35, 0)
    return item(merge([frame, stand]), "picture", paint.wood(rng), paint.package(rng, h))


def handled_tool(rng: Rng) -> Item:
    """A hammer, screwdriver, brush, wrench or torch lying."""
    length, r = rng.uniform(0.15, 0.34), rng.uniform(0.009, 0.018)
    grip = shapes.rod([-length / 2, 0, 0], [0, 0, 0], r)
    stem = shapes.rod([0, 0, 0], [length / 2, 0, 0], r * rng.uniform(0.3, 0.9)).painted(1)
    parts = [grip, stem]
    head = rng.integers(4)
    if head == 0:
        parts.append(
            shapes.box(0.03, rng.uniform(0.08, 0.13), 0.03).moved(length / 2, 0, -0.015).painted(1)
        )
    elif head == 1:
        parts.append(
            shapes.torus(0.018, 0.006, 5.0)
            .turned(rotation_x(np.pi / 2))
            .moved(length / 2, 0, 0)
            .painted(1)
        )
    elif head == 2:
        parts.append(shapes.rod([length * 0.4, 0, 0], [length / 2, 0, 0], r * 1.7).painted(1))
    return item(merge(parts), "tool", paint.coating(rng), paint.metal(rng))


def power_tool(rng: Rng) -> Item:
    """A drill, hair dryer or glue gun, lying on its side or standing on its battery."""
    body = shapes.rod([-0.09, 0, 0.18], [0.07, 0, 0.18], rng.uniform(0.025, 0.036), 12)
    nose = shapes.rod([0.07, 0, 0.18], [0.13, 0, 0.18], 0.015).painted(1)
    grip = shapes.rod([-0.05, 0, 0.17], [-0.07, 0, 0.03], 0.02).painted(1)
    pack = shapes.bevelled_box(0.11, 0.07, 0.05, 0.008).moved(-0.06, 0, 0)
    mesh = merge([body, nose, grip, pack]).scaled(*([rng.uniform(0.8, 1.15)] * 3))
    if rng.random() < 0.6:
        mesh = mesh.turned(rotation_x(np.pi / 2))
    return item(mesh, "tool", paint.plain(paint.vivid(rng)), paint.plain(paint.dark(rng)))


def pliers(rng: Rng) -> Item:
    """Pliers, scissors, a clamp or headphones lying."""
    length, spread = rng.uniform(0.12, 0.24), rng.uniform(0.15, 0.5)
    arms = []
    for s in (-1, 1):
        arm = merge(
            [
                shapes.rod([0, 0, 0], [-length * 0.6, 0, 0], 0.008),
                shapes.rod([0, 0, 0], [length * 0.4, 0, 0], 0.006).painted(1),
            ]
        )
        arms.append(arm.turned(rotation_z(s * spread / 2)).moved(0, 0, 0.01))
    return item(merge(arms), "tool", paint.coating(rng), paint.metal(rng))


def tape(rng: Rng) -> Item:
    """A roll of tape or a ring, lying or standing."""
    r, h = rng.uniform(0.03, 0.07), rng.uniform(0.015, 0.06)
    ring = shapes.vessel([(r, 0.0), (r, h)], r * rng.uniform(0.2, 0.5))
    ring = ring if rng.random() < 0.6 else ring.turned(rotation_x(np.pi / 2))
    return item(ring, "tool" if rng.random() < 0.5 else "toy", paint.coating(rng))


def ball(rng: Rng) -> Item:
    """A ball."""
    d = rng.uniform(0.04, 0.24)
    kind = str(rng.choice(["plain", "cells", "checker", "noise"]))
    skin = paint.patterned(
        kind, [paint.vivid(rng), paint.pale(rng), paint.dark(rng)], d * 0.35, rng
    )
    return item(shapes.ellipsoid(d, d, d), "toy", skin)


def block(rng: Rng) -> Item:
    """A toy block: cube, prism, arch, cylinder, half disc."""
    s = rng.uniform(0.025, 0.1)
    angle = np.linspace(0, np.pi, 9)
    half = np.stack([np.cos(angle), np.sin(angle)], axis=1) * s
    triangle = np.array([[s, 0], [0, s], [-s, 0]])
    mesh = (
        shapes.box(s, s, s * rng.uniform(0.5, 3.0)),
        shapes.prism(half, s * 0.8),
        shapes.prism(triangle, s * 0.8),
        shapes.cylinder(s * 0.5, s * rng.uniform(0.6, 2.0)),
    )[int(rng.integers(4))]
    return item(
        mesh, "toy", paint.plain(paint.vivid(rng) if rng.random() < 0.7 else paint.woody(rng))
    )


def plush(rng: Rng) -> Item:
    """A plush animal or doll, sitting or lying."""
    s = rng.uniform(0.08, 0.28)
    parts = [shapes.ellipsoid(s * 0.7, s * 0.6, s * 0.8)]
    parts.append(shapes.ellipsoid(s * 0.55, s * 0.5, s * 0.5).moved(0, 0, s * 0.7))
    for side in (-1, 1):
        parts.append(
            shapes.ellipsoid(s * 0.2, s * 0.12, s * rng.uniform(0.15, 0.5)).moved(
                side * s * 0.2, 0, s * 1.1
            )
        )
        parts.append(
            shapes.ellipsoid(s * 0.25, s * 0.55, s * 0.25).moved(side * s * 0.25, -s * 0.3, 0)
        )
        parts.append(shapes.ellipsoid(s * 0.5, s * 0.2, s * 0.2).moved(side * s * 0.4, 0, s * 0.45))
    mesh = merge(parts)
    if rng.random() < 0.3:
        mesh = mesh.turned(rotation_x(-np.pi / 2))
    return item(mesh, "toy", paint.fabric(rng))


def toy_car(rng: Rng) -> Item:
    """A toy car, truck or train."""
    x = rng.uniform(0.07, 0.3)
    y, z = x * rng.uniform(0.35, 0.5), x * rng.uniform(0.15, 0.3)
    low = shapes.bevelled_box(x, y, z, z * 0.3).moved(0, 0, x * 0.06)
    cabin = shapes.bevelled_box(x * rng.uniform(0.3, 0.6), y * 0.85, z * 0.8, z * 0.3)
    cabin = cabin.moved(x * rng.uniform(-0.2, 0.2), 0, z + x * 0.06).painted(1)
    wheel = shapes.cylinder(x * 0.1, y * 0.15, 14).turned(rotation_x(np.pi / 2)).painted(2)
    wheels = [wheel.moved(a * x * 0.3, b * y * 0.5, x * 0.1) for a in (-1, 1) for b in (-0.8, 1)]
    dark = paint.plain(paint.dark(rng))
    return item(
        merge([low, cabin, *wheels]), "toy", paint.plain(paint.vivid(rng)), paint.coating(rng), dark
    )


def shoe(rng: Rng) -> Item:
    """A shoe, or slipper."""
    x = rng.uniform(0.2, 0.31)
    sole = shapes.rounded_box(x, x * 0.36, 0.03, 0.5).painted(1)
    body = shapes.superellipsoid(x * 0.95, x * 0.33, x * 0.3, roundness=0.8).moved(0, 0, 0.005)
    shaft = shapes.superellipsoid(x * 0.4, x * 0.3, x * rng.uniform(0.3, 0.8), roundness=0.5)
    return item(
        merge([sole, body, shaft.moved(-x * 0.25, 0, 0.02)]),
        "other",
        paint.fabric(rng),
        paint.coating(rng),
    )


def cloth(rng: Rng) -> Item:
    """A crumpled towel, shirt or blanket lying as a low heap."""
    x, y, n = rng.uniform(0.15, 0.5), rng.uniform(0.15, 0.4), 18
    u, v = np.meshgrid(np.linspace(-1, 1, n), np.linspace(-1, 1, n))
    waves = sum(
        np.sin(rng.uniform(-6, 6) * u + rng.uniform(-6, 6) * v + rng.uniform(0, 6))
        for _ in range(5)
    )
    dome = np.clip(1.0 - np.maximum(np.abs(u), np.abs(v)) ** 3, 0, 1)
    height = (0.04 + 0.012 * np.asarray(waves)).clip(0.004) * dome * rng.uniform(0.4, 2.0)
    return item(shapes.sheet(x, y, height), "other", paint.fabric(rng))


def holder(rng: Rng) -> Item:
    """A cup of pens or brushes."""
    r, h = rng.uniform(0.03, 0.05), rng.uniform(0.08, 0.12)
    parts: list[Mesh] = [shapes.vessel([(r, 0.0), (r, h)], 0.003)]
    for _ in range(int(rng.integers(2, 9))):
        lean, top = rng.uniform(-0.6, 0.6, 2) * r, h + rng.uniform(0.02, 0.1)
        rod = shapes.rod([-lean[0], -lean[1], 0.01], [lean[0] * 1.6, lean[1] * 1.6, top], 0.004, 6)
        parts.append(rod.painted(int(rng.integers(1, 3))))
    return item(merge(parts), "other", paint.coating(rng), paint.coating(rng), paint.coating(rng))


def television(rng: Rng, widest: float) -> Item:
    """A television on its foot or feet, at most a little wider than `widest` metres."""
    w = float(np.clip(rng.uniform(0.5, 1.5), 0.4, widest * 1.05))
    h, d = w * 0.57, rng.uniform(0.03, 0.09)
    front = shapes.panel(w * 0.97, h * 0.95).turned(rotation_x(np.pi / 2))
    case = [shapes.box(w, d, h), front.moved(0, -d / 2 - 0.001, h / 2).painted(1)]
    lift = rng.uniform(0.03, 0.09)
    if rng.random() < 0.5:
        foot = [shapes.box(w * 0.4, 0.2, 0.015), shapes.box(0.1, 0.03, lift)]
    else:
        foot = [shapes.box(0.03, 0.22, lift).moved(s * w * 0.35, 0, 0) for s in (-1, 1)]
    mesh = merge([merge(case).moved(0, 0, lift), *foot])
    return item(mesh, "screen", paint.plain(paint.dark(rng)), display(rng))
