"""Appliances of kitchens and laundries."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.goods import item
from clickseg3d_core.simulation.mesh import Mesh, merge, rotation_x
from clickseg3d_core.simulation.world import Item, Support

Rng = np.random.Generator


def front_panel(w: float, h: float, y: float, z: float) -> Mesh:
    """An upright w by h panel that faces -y, its lower edge at height z."""
    return shapes.panel(w, h).turned(rotation_x(np.pi / 2)).moved(0, y, z + h / 2)


def bar_handle(length: float, *, upright: bool) -> Mesh:
    """A bar on two posts that stands out of the plane y = 0 towards -y, centered at z = 0."""
    bar = shapes.box(0.02, 0.02, length) if upright else shapes.box(length, 0.02, 0.02)
    ends = (-0.45 * length, 0.45 * length)
    post = shapes.box(0.015, 0.04, 0.015).moved(0, 0.02, length / 2 if upright else 0)
    posts = [post.moved(0, 0, e) if upright else post.moved(e, 0, 0) for e in ends]
    return merge([bar, *posts]).moved(0, -0.045, -length / 2 if upright else 0)


def _white_or_steel(rng: Rng) -> paint.Material:
    if rng.random() < 0.5:
        return paint.plain(paint.pale(rng))
    return paint.metal(rng) if rng.random() < 0.6 else paint.plain(paint.anything(rng))


def fridge(rng: Rng) -> Item:
    """A refrigerator: one door, freezer above or below, two doors side by side, rounded or not."""
    x, y, z = rng.uniform(0.5, 0.95), rng.uniform(0.55, 0.75), rng.uniform(0.8, 2.0)
    wide = x > 0.8
    cut = z * rng.uniform(0.25, 0.75)
    lows = [(0.03, cut), (cut, z)] if z > 1.2 or rng.random() < 0.3 else [(0.03, z)]
    bevel = rng.uniform(0.002, 0.05)
    parts = [shapes.bevelled_box(x, y * 0.9, z, 0.01).moved(0, y * 0.05, 0)]
    for low, high in lows:
        for column in (-1, 1) if wide else (0,):
            w = x / 2 - 0.006 if wide else x - 0.004
            leaf = shapes.bevelled_box(w, high - low - 0.008, 0.06, bevel)
            leaf = leaf.turned(rotation_x(np.pi / 2)).moved(column * x / 4, -y * 0.4, 0)
            parts.append(leaf.moved(0, 0, (low + high) / 2).painted(1))
            grip = bar_handle(min(0.5, (high - low) * 0.6), upright=True)
            side = -column * (w / 2 - 0.05) if wide else w / 2 - 0.05
            grip = grip.moved(column * x / 4 + side, -y * 0.4 - 0.06, (low + high) / 2)
            parts.append(grip.painted(2))
    skin = _white_or_steel(rng)
    skins = (skin, skin if rng.random() < 0.7 else paint.coating(rng), paint.metal(rng))
    top = Support(center=(0, 0), size=(x * 0.9, y * 0.8), z=z, clearance=0.5)
    supports = (top,) if z < 1.6 else ()
    return Item(mesh=merge(parts), classes=("appliance",), materials=skins, supports=supports)


def stove(rng: Rng) -> Item:
    """A stove or range with hob, knobs and oven door."""
    x, y, z = rng.uniform(0.5, 0.78), rng.uniform(0.56, 0.68), rng.uniform(0.85, 0.94)
    front = -y / 2
    parts = [shapes.box(x, y, z)]
    parts.append(shapes.box(x * 0.96, 0.02, z * 0.5).moved(0, front - 0.01, z * 0.22).painted(0))
    parts.append(front_panel(x * 0.66, z * 0.3, front - 0.0215, z * 0.3).painted(1))
    parts.append(bar_handle(x * 0.8, upright=False).moved(0, front - 0.02, z * 0.7).painted(2))
    for k in range(int(rng.integers(3, 7))):
        knob = shapes.cylinder(0.02, 0.03, 10).turned(rotation_x(np.pi / 2))
        parts.append(knob.moved(0.09 * (k - 2), front, z * 0.9).painted(2))
    parts.append(shapes.panel(x * 0.92, y * 0.86).moved(0, 0, z + 0.002).painted(1))
    rings = rng.random() < 0.6
    for a in (-1, 1):
        for b in (-1, 1):
            plate = shapes.cylinder(rng.uniform(0.06, 0.1), 0.02 if rings else 0.004, 16)
            parts.append(plate.moved(a * x * 0.22, b * y * 0.2, z).painted(2))
    if rng.random() < 0.35:
        parts.append(shapes.box(x, 0.04, 0.15).moved(0, y / 2 - 0.02, z))
    skins = (_white_or_steel(rng), paint.plain(paint.dark(rng)), paint.plain(paint.gray(rng)))
    top = Support(center=(0, 0), size=(x * 0.85, y * 0.7), z=z + 0.02, clearance=0.5)
    return Item(mesh=merge(parts), classes=("appliance",), materials=skins, supports=(top,))


def washer(rng: Rng) -> Item:
    """A washing machine, dryer or dishwasher."""
    x, y, z = rng.uniform(0.44, 0.68), rng.uniform(0.5, 0.68), rng.uniform(0.82, 1.0)
    front = -y / 2
    parts = [shapes.bevelled_box(x, y, z, rng.uniform(0.003, 0.02))]
    kind = rng.integers(3)
    if kind == 0:
        ring = shapes.cylinder(x * rng.uniform(0.25, 0.33), 0.035).turned(rotation_x(np.pi / 2))
        glass = shapes.ellipsoid(x * 0.42, 0.06, x * 0.42)
        parts.append(ring.moved(0, front, z * 0.48).painted(1))
        parts.append(glass.moved(0, front - 0.03, z * 0.48 - x * 0.21).painted(2))
        parts.append(front_panel(x * 0.5, 0.06, front - 0.002, z - 0.12).painted(2))
    elif kind == 1:
        parts.append(shapes.box(x * 0.98, 0.02, z * 0.72).moved(0, front - 0.01, 0.1).painted(1))
        parts.append(bar_handle(x * 0.7, upright=False).moved(0, front - 0.02, z * 0.78).painted(1))
    else:
        parts.append(shapes.box(x, 0.1, 0.12).moved(0, y / 2 - 0.05, z).painted(1))
        parts.append(shapes.panel(x * 0.8, y * 0.6).moved(0, -0.04, z + 0.002).painted(1))
    skin = _white_or_steel(rng)
    skins = (skin, skin if rng.random() < 0.5 else paint.metal(rng), paint.plain(paint.dark(rng)))
    top = Support(center=(0, -0.05), size=(x * 0.9, y * 0.7), z=z, clearance=0.6)
    return Item(mesh=merge(parts), classes=("appliance",), materials=skins, supports=(top,))


def hood(rng: Rng) -> Item:
    """An extractor hood; its back is in the plane y = 0."""
    x, y = rng.uniform(0.5, 0.9), rng.uniform(0.3, 0.5)
    ring = np.array([[x / 2, -y], [x / 2, 0], [-x / 2, 0], [-x / 2, -y]])
    if rng.random() < 0.4:
        mesh = shapes.box(x, y, rng.uniform(0.08, 0.2)).moved(0, -y / 2, 0)
    else:
        neck = np.array([[0.14, -0.26], [0.14, 0], [-0.14, 0], [-0.14, -0.26]])
        rise = rng.uniform(0.12, 0.3)
        mesh = shapes.loft([(ring, 0.0), (ring, 0.05), (neck, rise), (neck, rise + 0.35)])
    return Item(mesh=mesh, classes=("appliance",), materials=(_white_or_steel(rng),))


def microwave(rng: Rng) -> Item:
    """A microwave or small oven."""
    x, y, z = rng.uniform(0.4, 0.55), rng.uniform(0.3, 0.42), rng.uniform(0.24, 0.32)
    parts = [shapes.bevelled_box(x, y, z, 0.008)]
    parts.append(front_panel(x * 0.68, z * 0.85, -y / 2 - 0.002, z * 0.07).moved(-x * 0.12, 0, 0))
    parts[1] = parts[1].painted(1)
    parts.append(bar_handle(z * 0.7, upright=True).moved(x * 0.23, -y / 2, z / 2).painted(2))
    skins = (_white_or_steel(rng), paint.plain(paint.dark(rng)), paint.metal(rng))
    return Item(mesh=merge(parts), classes=("appliance",), materials=skins)


def kettle(rng: Rng) -> Item:
    """A kettle, coffee machine, toaster or blender."""
    kind = rng.integers(3)
    if kind == 0:
        r, h = rng.uniform(0.06, 0.09), rng.uniform(0.15, 0.24)
        body = shapes.lathe([[0, 0], [r, 0], [r * rng.uniform(0.6, 0.95), h], [0, h + 0.02]])
        grip = shapes.torus(h * 0.32, 0.012, np.pi).moved(r * 0.8, 0, h * 0.55).painted(1)
        mesh = merge([body, grip])
    elif kind == 1:
        x, y, z = rng.uniform(0.15, 0.28), rng.uniform(0.2, 0.35), rng.uniform(0.28, 0.4)
        back = shapes.bevelled_box(x, y * 0.4, z, 0.01).moved(0, y * 0.3, 0)
        head = shapes.bevelled_box(x, y, z * 0.3, 0.01).moved(0, 0, z * 0.7).painted(1)
        jug = shapes.cylinder(x * 0.33, z * 0.45).moved(0, -y * 0.15, 0.03).painted(1)
        mesh = merge([back, head, jug, shapes.box(x, y, 0.03)])
    else:
        body = shapes.rounded_box(rng.uniform(0.24, 0.34), rng.uniform(0.15, 0.2), 0.19, 0.3)
        slots = [
            shapes.box(0.2, 0.025, 0.004).moved(0, s * 0.03, 0.189).painted(1) for s in (-1, 1)
        ]
        mesh = merge([body, *slots])
    return item(mesh, "appliance", _white_or_steel(rng), paint.plain(paint.dark(rng)))
