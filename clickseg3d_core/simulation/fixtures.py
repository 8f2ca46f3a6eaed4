"""Things on walls and ceilings, appliances, lamps and whatever stands about in rooms."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.furniture import basin_mesh, faucet, fronted_box
from clickseg3d_core.simulation.gadgets import display
from clickseg3d_core.simulation.goods import item
from clickseg3d_core.simulation.mesh import Mesh, from_arrays, merge, rotation_x
from clickseg3d_core.simulation.world import Item, Support

Rng = np.random.Generator

# Wall things have their back in the plane y = 0 and stick out towards -y.


def frame(w: float, h: float, bar: float, depth: float) -> Mesh:
    """An open rectangular frame of bars, standing on z = 0."""
    sides = [shapes.box(bar, depth, h).moved(s * (w - bar) / 2, -depth / 2, 0) for s in (-1, 1)]
    ends = [shapes.box(w, depth, bar).moved(0, -depth / 2, z) for z in (0.0, h - bar)]
    return merge([*sides, *ends])


def upright(w: float, h: float, y: float) -> Mesh:
    """A flat upright w by h panel at depth y, standing on z = 0."""
    return shapes.panel(w, h).turned(rotation_x(np.pi / 2)).moved(0, y, h / 2)


def door(rng: Rng) -> Item:
    """A closed door with frame and handle."""
    w, h = rng.uniform(0.75, 1.8 if rng.random() < 0.15 else 1.0), rng.uniform(1.95, 2.15)
    leaf = shapes.box(w, 0.03, h).moved(0, -0.03, 0)
    parts = [leaf, frame(w + 0.14, h + 0.07, 0.07, rng.uniform(0.04, 0.1)).painted(1)]
    for row in range(int(rng.integers(0, 4))):
        panel = shapes.box(w * 0.7, 0.012, h * 0.2).moved(0, -0.05, 0.2 + row * h * 0.27)
        parts.append(panel.painted(0))
    grip = shapes.rod([w * 0.4, -0.1, 1.02], [w * 0.28, -0.1, 1.02], 0.012).painted(2)
    parts += [grip, shapes.rod([w * 0.4, -0.04, 1.02], [w * 0.4, -0.1, 1.02], 0.012).painted(2)]
    return Item(
        mesh=merge(parts),
        classes=("door",),
        materials=(paint.wood(rng), paint.wood(rng), paint.metal(rng)),
    )


def window(rng: Rng) -> Item:
    """A window: frame, bars and glass that most rays pass."""
    w, h = rng.uniform(0.6, 2.2), rng.uniform(0.7, 1.6)
    parts = [
        frame(w, h, rng.uniform(0.04, 0.09), rng.uniform(0.04, 0.09)),
        upright(w, h, -0.012).painted(1),
    ]
    for k in range(int(rng.integers(0, 3))):
        parts.append(shapes.box(0.05, 0.05, h).moved(w * ((k + 1) / 3 - 0.5), -0.03, 0))
    sill = rng.uniform(0.08, 0.25)
    parts.append(shapes.box(w + 0.1, sill, 0.03).moved(0, -sill / 2, -0.03))
    pane = paint.plain(np.ones(3) * rng.uniform(0.6, 1.0), dropout=rng.uniform(0.3, 0.95))
    return Item(mesh=merge(parts), classes=("window",), materials=(paint.coating(rng), pane))


def curtain(rng: Rng) -> Item:
    """A hanging curtain with folds, or a blind."""
    w, h = rng.uniform(0.4, 2.0), rng.uniform(1.2, 2.4)
    u = np.linspace(-0.5, 0.5, 60)
    folds = rng.uniform(0.01, 0.07) * np.sin(u * w * rng.uniform(20, 60) + rng.uniform(0, 6))
    sway = folds + 0.03 * np.sin(3 * u + rng.uniform(0, 6))
    rows = [
        np.stack([u * w * k, sway * m - 0.1, np.full(60, z)], 1)
        for k, m, z in ((1.0, 1.2, 0.0), (0.97, 1, h / 2), (1, 0.7, h))
    ]
    cloth = from_arrays(np.concatenate(rows), shapes.grid_faces(3, 60))
    rail = shapes.rod([-w / 2 - 0.08, -0.1, h], [w / 2 + 0.08, -0.1, h], 0.015).painted(1)
    return Item(
        mesh=merge([cloth, rail]),
        classes=("curtain",),
        materials=(paint.fabric(rng), paint.metal(rng)),
    )


def picture(rng: Rng) -> Item:
    """A framed picture, poster, whiteboard, mirror, notice board or wall clock."""
    w, h = rng.uniform(0.2, 1.4), rng.uniform(0.2, 1.0)
    kind = rng.integers(4)
    art = paint.package(rng, h)
    if kind == 0:
        return Item(
            mesh=shapes.box(w, 0.01, h).moved(0, -0.006, 0), classes=("picture",), materials=(art,)
        )
    if kind == 1:
        disc = shapes.cylinder(w * 0.25, 0.04).turned(rotation_x(np.pi / 2)).moved(0, 0, w * 0.25)
        return Item(mesh=disc, classes=("picture",), materials=(paint.coating(rng),))
    if rng.random() < 0.15:
        art = paint.plain(paint.pale(rng), dropout=0.6)
    body = merge(
        [
            frame(w, h, rng.uniform(0.015, 0.06), rng.uniform(0.015, 0.04)),
            upright(w, h, -0.012).painted(1),
        ]
    )
    return Item(mesh=body, classes=("picture",), materials=(paint.wood(rng), art))


def wall_screen(rng: Rng) -> Item:
    """A television on the wall."""
    w = rng.uniform(0.6, 1.6)
    body = shapes.box(w, 0.06, w * 0.57).moved(0, -0.05, 0)
    mesh = merge([body, upright(w * 0.97, w * 0.54, -0.081).moved(0, 0, 0.01).painted(1)])
    return Item(
        mesh=mesh, classes=("screen",), materials=(paint.plain(paint.dark(rng)), display(rng))
    )


def wall_cabinet(rng: Rng) -> Item:
    """A hanging cupboard."""
    x, y, z = rng.uniform(0.5, 2.4), rng.uniform(0.3, 0.4), rng.uniform(0.4, 0.9)
    mesh = fronted_box(x, y, z, max(1, int(x / 0.45)), 1, rng).moved(0, -y / 2, 0)
    return Item(
        mesh=mesh,
        classes=("cabinet",),
        materials=(paint.wood(rng), paint.wood(rng), paint.metal(rng)),
    )


def wall_shelf(rng: Rng) -> Item:
    """A board on the wall that carries things."""
    x, y = rng.uniform(0.5, 1.6), rng.uniform(0.15, 0.3)
    mesh = shapes.box(x, y, 0.03).moved(0, -y / 2, 0)
    place = Support(center=(0, -y / 2), size=(x * 0.95, y * 0.9), z=0.03, clearance=0.4)
    return Item(mesh=mesh, classes=("shelf",), materials=(paint.wood(rng),), supports=(place,))


def radiator(rng: Rng) -> Item:
    """A ribbed radiator or an air conditioner."""
    if rng.random() < 0.4:
        body = shapes.bevelled_box(rng.uniform(0.7, 1.0), 0.22, 0.3, 0.05).moved(0, -0.12, 0)
        return Item(mesh=body, classes=("appliance",), materials=(paint.plain(paint.pale(rng)),))
    w, h = rng.uniform(0.5, 1.6), rng.uniform(0.4, 0.7)
    ribs = [shapes.box(0.045, 0.1, h).moved(x, -0.09, 0.1) for x in np.arange(-w / 2, w / 2, 0.07)]
    return Item(mesh=merge(ribs), classes=("appliance",), materials=(paint.plain(paint.pale(rng)),))


def basin(rng: Rng) -> Item:
    """A wall basin with tap."""
    w, d = rng.uniform(0.4, 0.65), rng.uniform(0.35, 0.5)
    bowl = basin_mesh(w, d, 0.16).moved(0, -d / 2, 0.68)
    slab = (
        frame(w + 0.04, d + 0.04, 0.06, 0.02)
        .turned(rotation_x(-np.pi / 2))
        .moved(0, -d - 0.02, 0.83)
    )
    stand = shapes.cylinder(0.09, 0.7).moved(0, -d / 2, 0)
    tap = faucet(0.15).moved(0, -0.06, 0.84).painted(1)
    white = paint.plain(paint.pale(rng))
    return Item(
        mesh=merge([bowl, slab, stand, tap]), classes=("sink",), materials=(white, paint.metal(rng))
    )


def appliance(rng: Rng) -> Item:
    """A refrigerator, washing machine, oven, microwave cart, copier or vending machine."""
    kind = rng.integers(3)
    if kind == 0:
        mesh = fronted_box(
            rng.uniform(0.55, 0.95),
            rng.uniform(0.55, 0.75),
            rng.uniform(0.8, 2.0),
            1,
            int(rng.integers(1, 3)),
            rng,
        )
        return Item(
            mesh=mesh,
            classes=("appliance",),
            materials=(paint.metal(rng), paint.coating(rng), paint.metal(rng)),
        )
    z = rng.uniform(0.8, 0.95)
    body = [shapes.bevelled_box(0.6, 0.6, z, 0.01)]
    if kind == 1:
        porthole = (
            shapes.cylinder(0.18, 0.03)
            .turned(rotation_x(np.pi / 2))
            .moved(0, -0.3, z * 0.5)
            .painted(1)
        )
        body.append(porthole)
    else:
        body.append(upright(0.5, 0.4, -0.305).moved(0, 0, 0.15).painted(1))
        body += [
            shapes.cylinder(0.02, 0.03)
            .turned(rotation_x(np.pi / 2))
            .moved(0.1 * k, -0.3, z - 0.08)
            .painted(2)
            for k in range(-2, 3)
        ]
    skins = (
        paint.plain(paint.pale(rng) if rng.random() < 0.7 else paint.gray(rng)),
        paint.plain(paint.dark(rng)),
        paint.metal(rng),
    )
    place = Support(center=(0, 0), size=(0.5, 0.5), z=z, clearance=0.6)
    return Item(mesh=merge(body), classes=("appliance",), materials=skins, supports=(place,))


def floor_lamp(rng: Rng) -> Item:
    """A standing lamp."""
    h, r = rng.uniform(1.2, 1.9), rng.uniform(0.12, 0.28)
    shade = shapes.lathe([[r, 0], [r * rng.uniform(0.4, 1.0), r * rng.uniform(0.9, 1.7)]]).moved(
        0, 0, h - 0.1
    )
    if rng.random() < 0.3:
        stem = merge(
            [
                shapes.rod([0.35 * np.cos(a), 0.35 * np.sin(a), 0], [0, 0, h * 0.9], 0.013)
                for a in (0, 2.1, 4.2)
            ]
        )
    else:
        stem = merge([shapes.cylinder(0.14, 0.025), shapes.cylinder(0.013, h)])
    return item(
        merge([stem, shade.painted(1)]), "lamp", paint.metal(rng), paint.plain(paint.pale(rng))
    )


def ceiling_lamp(rng: Rng) -> Item:
    """A lamp that hangs down to z = 0 from its mount."""
    r, drop = rng.uniform(0.1, 0.35), rng.uniform(0.0, 0.9)
    kind = rng.integers(3)
    if kind == 0:
        shade: Mesh = shapes.box(rng.uniform(0.3, 1.3), rng.uniform(0.15, 0.6), 0.07)
    elif kind == 1:
        shade = shapes.ellipsoid(2 * r, 2 * r, 1.4 * r)
    else:
        shade = shapes.lathe([[r, 0], [0.05, r]])
    cord = shapes.cylinder(0.012, drop + 0.1).painted(1)
    return Item(
        mesh=merge([shade, cord]),
        classes=("lamp",),
        materials=(paint.plain(paint.pale(rng)), paint.metal(rng)),
    )


def bin_(rng: Rng) -> Item:
    """A waste bin or bucket."""
    r, h = rng.uniform(0.1, 0.22), rng.uniform(0.22, 0.65)
    if rng.random() < 0.5:
        mesh = shapes.vessel([(r * 0.8, 0.0), (r, h)], 0.01)
    else:
        mesh = shapes.bevelled_box(r * 2.2, r * 1.7, h, 0.04)
    return item(mesh, "box", paint.coating(rng))


def suitcase(rng: Rng) -> Item:
    """A suitcase with handle, standing."""
    x, y, z = rng.uniform(0.35, 0.5), rng.uniform(0.2, 0.3), rng.uniform(0.5, 0.75)
    grip = frame(x * 0.4, rng.uniform(0.05, 0.4), 0.02, 0.02).moved(0, 0, z).painted(1)
    return item(
        merge([shapes.bevelled_box(x, y, z, 0.04), grip]),
        "bag",
        paint.coating(rng),
        paint.metal(rng),
    )


def rug(rng: Rng) -> Item:
    """A thin carpet."""
    x, y = rng.uniform(0.5, 2.6), rng.uniform(0.4, 1.8)
    mesh = shapes.box(x, y, 0.012) if rng.random() < 0.75 else shapes.cylinder(y / 2, 0.012, 32)
    return item(mesh, "floor", paint.carpet(rng) if rng.random() < 0.7 else paint.fabric(rng))


def box_pile(rng: Rng) -> Item:
    """Shipping boxes in a pile, each an instance of its own."""
    parts, skins = [], []
    z = 0.0
    for k in range(int(rng.integers(2, 5))):
        x, y, h = rng.uniform(0.25, 0.6), rng.uniform(0.25, 0.45), rng.uniform(0.15, 0.4)
        brown = paint.hue_color(rng.uniform(0.06, 0.1), 0.4, rng.uniform(0.45, 0.85))
        parts.append(
            shapes.box(x, y, h)
            .moved(rng.normal(0, 0.03), rng.normal(0, 0.03), z)
            .as_part(k)
            .painted(k)
        )
        skins.append(paint.plain(brown) if rng.random() < 0.8 else paint.package(rng, x))
        z += h
    return Item(mesh=merge(parts), classes=("box",) * len(parts), materials=tuple(skins))
