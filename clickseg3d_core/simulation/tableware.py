"""Dishes, food and small plants."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.goods import item, open_tray, turned_body
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


def mug(rng: Rng) -> Item:
    """A cup with a handle."""
    r, h = rng.uniform(0.032, 0.05), rng.uniform(0.06, 0.13)
    foot = r * rng.uniform(0.65, 1.0)
    body = shapes.vessel([(foot, 0.0), (r, h * rng.uniform(0.2, 0.6)), (r, h)], 0.004)
    handle = shapes.torus(h * rng.uniform(0.25, 0.36), rng.uniform(0.004, 0.008), np.pi * 1.1)
    handle = handle.scaled(rng.uniform(0.7, 1.1), 1.0, 1.0).moved(r * 0.97, 0, h * 0.52)
    drink = shapes.cylinder(r * 0.9, h * rng.uniform(0.05, 0.85)).painted(1)
    return item(merge([body, handle, drink]), "tableware", paint.coating(rng), _drink(rng))


def _drink(rng: Rng) -> paint.Material:
    return paint.plain(paint.woody(rng) * rng.uniform(0.3, 1.0))


def cup(rng: Rng) -> Item:
    """A tumbler, paper cup, glass or pot without a handle."""
    r, h = rng.uniform(0.03, 0.055), rng.uniform(0.05, 0.17)
    body = shapes.vessel([(r * rng.uniform(0.6, 1.0), 0.0), (r, h)], 0.003)
    skin = paint.coating(rng) if rng.random() < 0.75 else paint.glass(rng)
    if rng.random() < 0.3:
        return item(body.turned(rotation_x(np.pi)), "tableware", skin)
    return item(body, "tableware", skin)


def wine_glass(rng: Rng) -> Item:
    """A stemmed glass or goblet."""
    r, h = rng.uniform(0.03, 0.045), rng.uniform(0.14, 0.22)
    outline = [[r, 0], [0.004, 0.006], [0.004, h * 0.45], [r, h * 0.65], [r * 0.8, h]]
    inner = [[r * 0.75, h], [r * 0.93, h * 0.65], [0.0, h * 0.5]]
    skin = paint.glass(rng) if rng.random() < 0.6 else paint.coating(rng)
    return item(shapes.lathe([[0, 0], *outline, *inner]), "tableware", skin)


def bowl(rng: Rng) -> Item:
    """A bowl, upright or upside down, sometimes filled."""
    r, h = rng.uniform(0.05, 0.15), rng.uniform(0.03, 0.11)
    t = np.linspace(0.0, 1.0, 7)
    outline = [(r * (0.35 + 0.65 * np.sqrt(max(a, 0.0))), h * a) for a in t]
    body = shapes.vessel(outline, 0.004)
    if rng.random() < 0.15:
        return item(body.turned(rotation_x(np.pi)), "tableware", paint.coating(rng))
    if rng.random() < 0.4:
        level = h * rng.uniform(0.4, 0.9)
        fill = shapes.ellipsoid(r * 1.6, r * 1.6, h * 0.4).moved(0, 0, level - h * 0.25)
        food = paint.patterned("speckle", [paint.vivid(rng), paint.woody(rng)], 0.02, rng)
        return item(merge([body, fill.painted(1)]), "tableware", paint.coating(rng), food)
    return item(body, "tableware", paint.coating(rng))


def plate(rng: Rng) -> Item:
    """A plate, saucer or lid; sometimes a pile of them as one thing."""
    r, h = rng.uniform(0.06, 0.16), rng.uniform(0.01, 0.03)
    body = shapes.vessel([(r * 0.6, 0.0), (r * 0.65, h * 0.3), (r, h)], 0.004)
    if rng.random() < 0.25:
        count = int(rng.integers(2, 7))
        body = merge([body.moved(0, 0, i * 0.009) for i in range(count)])
    elif rng.random() < 0.15:
        body = body.turned(rotation_x(np.pi))
    return item(body, "tableware", paint.coating(rng))


def pot(rng: Rng) -> Item:
    """A cooking pot or pan with handles, sometimes with its lid."""
    r, h = rng.uniform(0.08, 0.15), rng.uniform(0.04, 0.16)
    parts = [shapes.vessel([(r * rng.uniform(0.8, 1.0), 0.0), (r, h)], 0.004)]
    if rng.random() < 0.5:
        grip = shapes.rod([r, 0, h * 0.85], [r + rng.uniform(0.12, 0.22), 0, h + 0.02], 0.011)
        parts.append(grip.painted(1))
    else:
        ears = [shapes.torus(0.03, 0.006).turned(rotation_x(np.pi / 2)) for _ in range(2)]
        parts += [e.moved(s * r, 0, h * 0.8).painted(1) for e, s in zip(ears, (-1, 1), strict=True)]
    if rng.random() < 0.4:
        knob = shapes.ellipsoid(0.035, 0.035, 0.03).moved(0, 0, h + 0.025)
        parts += [shapes.cone(r * 1.02, r * 0.3, 0.03).moved(0, 0, h), knob.painted(1)]
    skin = paint.metal(rng) if rng.random() < 0.5 else paint.coating(rng)
    return item(merge(parts), "tableware", skin, paint.plain(paint.dark(rng)))


def jug(rng: Rng) -> Item:
    """A jug, teapot, thermos or kettle."""
    r, h = rng.uniform(0.05, 0.08), rng.uniform(0.12, 0.27)
    body = turned_body(r, h, rng)
    handle = shapes.torus(h * 0.3, 0.008, np.pi * 1.2).moved(r * 0.7, 0, h * 0.55)
    parts = [body, handle.painted(1)]
    if rng.random() < 0.6:
        parts.append(shapes.rod([-r * 0.5, 0, h * 0.45], [-r * 1.6, 0, h * 0.9], 0.012))
    return item(merge(parts), "tableware", paint.coating(rng), paint.coating(rng))


def vase(rng: Rng) -> Item:
    """A vase or jar, sometimes with a bouquet."""
    r, h = rng.uniform(0.035, 0.09), rng.uniform(0.1, 0.32)
    body = turned_body(r, h, rng)
    if rng.random() < 0.6:
        return item(body, "other", paint.coating(rng))
    bunch = foliage(r * 1.6, h * 0.7, rng).moved(0, 0, h * 0.95)
    return item(merge([body, bunch.painted(1)]), "plant", paint.coating(rng), leaves(rng))


def leaves(rng: Rng) -> paint.Material:
    """Green, mottled."""
    return paint.patterned("speckle", [paint.leafy(rng), paint.leafy(rng)], 0.05, rng)


def foliage(radius: float, height: float, rng: Rng) -> Mesh:
    """A bunch of leaves: bent blades in all directions, from the origin up."""
    blades = []
    for _ in range(int(rng.integers(8, 30))):
        length, width = height * rng.uniform(0.5, 1.1), radius * rng.uniform(0.12, 0.4)
        bend = rng.uniform(0.2, 1.6)
        s = np.linspace(0.0, 1.0, 6)
        lean = bend * s
        along = np.cumsum(np.stack([np.sin(lean), np.cos(lean)], 1), axis=0) * length / 6
        wide = width * np.sin(np.pi * np.clip(s + 0.08, 0, 1))
        left = np.stack([along[:, 0], -wide, along[:, 1]], 1)
        right = np.stack([along[:, 0], wide, along[:, 1]], 1)
        grid = np.stack([left, right], axis=1).reshape(-1, 3)
        blade = from_arrays(grid, shapes.grid_faces(6, 2))
        blades.append(blade.turned(rotation_z(rng.uniform(0, 2 * np.pi))))
    return merge(blades)


def potted_plant(rng: Rng, scale: float = 1.0) -> Item:
    """A plant in a pot; scale 1 is for a table, 3 to 5 for the floor."""
    r, h = rng.uniform(0.04, 0.07) * scale, rng.uniform(0.06, 0.12) * scale
    body = shapes.vessel([(r * 0.75, 0.0), (r, h)], 0.005 * scale)
    soil = shapes.cylinder(r * 0.93, h * 0.85).painted(2)
    if rng.random() < 0.4:
        crown = shapes.ellipsoid(r * 3, r * 3, h * 2.5).moved(0, 0, h * 0.9)
        jolt = 1 + 0.25 * np.sin(crown.vertices @ rng.uniform(-60, 60, 3) / scale)[:, None]
        green = from_arrays(crown.vertices * jolt, crown.faces)
    else:
        green = foliage(r * 1.5, h * rng.uniform(1.5, 3.5), rng).moved(0, 0, h * 0.8)
    dirt = paint.plain(paint.dark(rng))
    return item(
        merge([body, soil, green.painted(1)]), "plant", paint.coating(rng), leaves(rng), dirt
    )


def round_fruit(rng: Rng) -> Item:
    """An apple, orange, lemon, peach, tomato, onion, potato or melon."""
    d = rng.uniform(0.045, 0.1) * (2.0 if rng.random() < 0.08 else 1.0)
    body = shapes.ellipsoid(d * rng.uniform(0.85, 1.3), d * rng.uniform(0.9, 1.1), d)
    skin = paint.hue_color(
        rng.uniform(-0.05, 0.3) % 1.0, rng.uniform(0.5, 1), rng.uniform(0.4, 0.95)
    )
    return item(body, "food", paint.patterned("noise", [skin, skin * 0.8], 0.03, rng))


def pear(rng: Rng) -> Item:
    """A pear, pepper or avocado: a turned body lying or standing."""
    body = turned_body(rng.uniform(0.03, 0.045), rng.uniform(0.07, 0.13), rng)
    if rng.random() < 0.6:
        body = body.turned(rotation_y(np.pi / 2))
    return item(body, "food", paint.plain(paint.hue_color(rng.uniform(0, 0.35), 0.8, 0.7)))


def banana(rng: Rng) -> Item:
    """One or several bananas."""
    arcs = []
    for index in range(int(rng.integers(1, 5))):
        one = shapes.torus(rng.uniform(0.08, 0.11), 0.016, rng.uniform(1.2, 1.9))
        arcs.append(
            one.turned(rotation_x(np.pi / 2)).moved(0.01 * index, 0.026 * index, 0.004 * index)
        )
    yellow = paint.hue_color(rng.uniform(0.12, 0.17), 0.8, rng.uniform(0.7, 0.95))
    return item(merge(arcs), "food", paint.plain(yellow))


def bread(rng: Rng) -> Item:
    """A loaf, roll, cake, cheese or meat pack."""
    x, y, z = rng.uniform(0.07, 0.3), rng.uniform(0.06, 0.13), rng.uniform(0.04, 0.11)
    body = shapes.superellipsoid(x, y, z, roundness=rng.uniform(0.3, 0.9))
    crust = paint.woody(rng)
    return item(body, "food", paint.patterned("noise", [crust, crust * 0.7], 0.03, rng))


def cutlery(rng: Rng) -> Item:
    """A knife, spoon, spatula or brush lying flat."""
    length, w = rng.uniform(0.14, 0.33), rng.uniform(0.01, 0.03)
    grip = shapes.rounded_box(length * 0.5, w * 0.8, w * 0.7, 0.5).moved(-length * 0.25, 0, 0)
    head = shapes.rounded_box(length * 0.55, w * rng.uniform(1, 2.6), w * 0.3, 0.6)
    head = head.moved(length * 0.25, 0, w * 0.1).painted(1)
    return item(merge([grip, head]), "tableware", paint.coating(rng), paint.plain(paint.gray(rng)))


def board(rng: Rng) -> Item:
    """A cutting board, tray, placemat or pizza box."""
    x, y = rng.uniform(0.18, 0.45), rng.uniform(0.14, 0.32)
    if rng.random() < 0.4:
        tray = open_tray(x, y, rng.uniform(0.02, 0.1), 0.006)
        return item(tray, "tableware", paint.coating(rng))
    return item(
        shapes.bevelled_box(x, y, rng.uniform(0.006, 0.04), 0.004), "tableware", paint.wood(rng)
    )


def basket(rng: Rng) -> Item:
    """A round or square basket or storage bin."""
    x, y, z = rng.uniform(0.14, 0.4), rng.uniform(0.12, 0.3), rng.uniform(0.06, 0.25)
    weave = paint.patterned("checker", [paint.woody(rng), paint.woody(rng)], 0.015, rng)
    skin = weave if rng.random() < 0.5 else paint.coating(rng)
    if rng.random() < 0.5:
        return item(open_tray(x, y, z, 0.008), "box", skin)
    return item(shapes.vessel([(x * 0.4, 0.0), (x * 0.5, z)], 0.008), "box", skin)
