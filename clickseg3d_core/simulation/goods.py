"""Packed goods and paper: cartons, books, cans, bottles, bags, and shapes of no name."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.mesh import Mesh, from_arrays, merge, rotation_x, rotation_z
from clickseg3d_core.simulation.world import Item

Rng = np.random.Generator


def item(mesh: Mesh, name: str, *materials: paint.Material) -> Item:
    """An item of one part, grounded, with one material per paint slot."""
    return Item(mesh=mesh.grounded(), classes=(name,), materials=materials)


def carton(rng: Rng) -> Item:
    """A printed box of any proportions (cereal, tea, tissue, electronics)."""
    size = np.sort(rng.uniform(0.03, 0.3, 3) * rng.uniform(0.5, 1.0))
    x, y, z = rng.permutation(np.maximum(size, 0.018))
    body = shapes.box(x, y, z)
    if rng.random() < 0.3:
        body = shapes.bevelled_box(x, y, z, rng.uniform(0.002, 0.012))
    return item(body, "box", paint.package(rng, float(max(x, y, z))))


def cardboard(rng: Rng) -> Item:
    """A brown shipping box, closed or with open flaps, sometimes taped."""
    x, y, z = rng.uniform(0.1, 0.5, 2).tolist() + [rng.uniform(0.06, 0.4)]
    brown = paint.plain(paint.hue_color(rng.uniform(0.06, 0.1), 0.4, rng.uniform(0.5, 0.8)))
    if rng.random() < 0.6:
        tape = shapes.box(x * 1.004, 0.05, z * 1.003).painted(1)
        return item(merge([shapes.box(x, y, z), tape]), "box", brown, paint.plain(paint.pale(rng)))
    return item(open_tray(x, y, z, 0.006), "box", brown)


def open_tray(x: float, y: float, z: float, wall: float) -> Mesh:
    """An open box with walls of the given thickness in metres."""
    sides = [shapes.box(x, y, wall)]
    sides += [shapes.box(x, wall, z).moved(0, s * (y - wall) / 2, 0) for s in (-1, 1)]
    sides += [shapes.box(wall, y, z).moved(s * (x - wall) / 2, 0, 0) for s in (-1, 1)]
    return merge(sides)


def milk_carton(rng: Rng) -> Item:
    """A gable-top drink carton."""
    w, h = rng.uniform(0.055, 0.1), rng.uniform(0.12, 0.22)
    ring = np.array([[1, -1], [1, 1], [-1, 1], [-1, -1]]) * w / 2
    top = h + w * rng.uniform(0.3, 0.5)
    body = shapes.loft(
        [(ring, 0.0), (ring, h), (ring * [1.0, 0.04], top), (ring * [1, 0.04], top + 0.02)]
    )
    return item(body, "box", paint.package(rng, h))


def book(rng: Rng) -> Item:
    """A closed book with paper edges, lying."""
    x, y, z = rng.uniform(0.1, 0.22), rng.uniform(0.15, 0.31), rng.uniform(0.006, 0.055)
    cover = 0.0025
    pages = shapes.box(x - 0.006, y - 0.008, z - 2 * cover).moved(0.002, 0, cover).painted(1)
    hull = [shapes.box(x, y, cover), shapes.box(x, y, cover).moved(0, 0, z - cover)]
    hull.append(shapes.box(cover, y, z).moved(-x / 2, 0, 0))
    return item(merge([*hull, pages]), "book", paint.package(rng, y), paint.plain(paint.pale(rng)))


def open_book(rng: Rng) -> Item:
    """A book lying open, or a magazine."""
    x, y = rng.uniform(0.2, 0.42), rng.uniform(0.18, 0.3)
    u = np.linspace(-1, 1, 17)
    bulge = rng.uniform(0.004, 0.025) * np.sin(np.pi * np.abs(u)) ** 0.7 + 0.004
    page = paint.patterned("print", [paint.pale(rng)] * 3 + [paint.dark(rng)], y * 0.06, rng)
    return item(shapes.sheet(x, y, np.tile(bulge, (2, 1))), "book", page)


def papers(rng: Rng) -> Item:
    """A sheet or small pile of paper, a folder or an envelope."""
    a = rng.uniform(0.7, 1.1)
    mesh = shapes.box(0.21 * a, 0.297 * a, rng.uniform(0.002, 0.03))
    white = paint.patterned("print", [paint.pale(rng)] * 3 + [paint.gray(rng)], 0.03, rng)
    return item(mesh, "book", white if rng.random() < 0.7 else paint.coating(rng))


def can(rng: Rng) -> Item:
    """A drink or food can, or a round tin."""
    r, h = rng.uniform(0.025, 0.055), rng.uniform(0.04, 0.2)
    rim, lip = r * rng.uniform(0.82, 1.0), min(0.012, h * 0.1)
    body = shapes.lathe([[0, 0], [rim, 0], [r, lip], [r, h - lip], [rim, h], [rim * 0.97, h]])
    lid = shapes.cylinder(rim * 0.96, h - 0.003).painted(1)
    kind = "bottle" if rng.random() < 0.7 else "food"
    return item(merge([body, lid]), kind, paint.package(rng, h), paint.metal(rng))


def bottle(rng: Rng) -> Item:
    """A bottle of any outline: drinks, sauces, cleaners, shampoo."""
    r, h = rng.uniform(0.022, 0.055), rng.uniform(0.12, 0.33)
    neck, shoulder = r * rng.uniform(0.25, 0.6), h * rng.uniform(0.5, 0.8)
    waist = r * rng.uniform(0.75, 1.05)
    top = shoulder + (h - shoulder) * rng.uniform(0.3, 0.7)
    outline = [[0.0, 0.0], [r * 0.9, 0.0], [r, 0.01], [waist, shoulder * 0.5], [r, shoulder]]
    body = shapes.lathe([*outline, [neck, top], [neck, h * 0.96], [0, h * 0.96]])
    cap = shapes.cylinder(neck * 1.2, h * 0.1).moved(0, 0, h * 0.91).painted(1)
    band = rng.uniform(1.01, 1.02) * max(r, waist)
    label = shapes.lathe([[band, shoulder * 0.25], [band, shoulder * 0.75]]).painted(2)
    mesh = merge([body, cap, label] if rng.random() < 0.7 else [body, cap])
    if rng.random() < 0.35:
        mesh = mesh.scaled(1.0, rng.uniform(0.5, 0.85), 1.0)
    skin = paint.coating(rng)
    if rng.random() < 0.25:
        skin = paint.plain(paint.anything(rng), dropout=rng.uniform(0.1, 0.6))
    return item(mesh, "bottle", skin, paint.coating(rng), paint.package(rng, h * 0.5))


def spray_bottle(rng: Rng) -> Item:
    """A trigger spray bottle."""
    w, h = rng.uniform(0.07, 0.1), rng.uniform(0.16, 0.22)
    body = shapes.rounded_box(w, w * 0.6, h, 0.35)
    neck = shapes.cylinder(0.014, 0.05).moved(0, 0, h - 0.015)
    head = shapes.bevelled_box(0.1, 0.025, 0.03, 0.006).moved(0.015, 0, h + 0.03)
    trigger = shapes.rod([0.03, 0, h + 0.03], [0.045, 0, h - 0.03], 0.005)
    top = merge([neck, head, trigger]).painted(1)
    return item(merge([body, top]), "bottle", paint.package(rng, h), paint.coating(rng))


def tube_pack(rng: Rng) -> Item:
    """A squeezed tube (toothpaste, cream) lying or a roll of paper standing."""
    if rng.random() < 0.5:
        r, h = rng.uniform(0.03, 0.07), rng.uniform(0.08, 0.26)
        roll = shapes.vessel([(r, 0.0), (r, h)], r * 0.6)
        return item(roll, "other", paint.plain(paint.pale(rng)))
    length, r = rng.uniform(0.1, 0.18), rng.uniform(0.015, 0.025)
    angle = np.arange(16) * np.pi / 8
    ring = np.stack([np.cos(angle), np.sin(angle)], 1) * r
    body = shapes.loft([(ring, 0.0), (ring, 0.02), (ring * [1.5, 0.08], length)])
    return item(body.turned(rotation_x(np.pi / 2)), "bottle", paint.package(rng, length))


def pouch(rng: Rng) -> Item:
    """A bag of chips, flour or sweets: a puffed pillow lying or standing."""
    x, y, z = rng.uniform(0.08, 0.22), rng.uniform(0.12, 0.3), rng.uniform(0.03, 0.08)
    body = shapes.superellipsoid(x, y, z, roundness=rng.uniform(0.4, 0.7), segments=28)
    bumps = 1.0 + 0.06 * np.sin(body.vertices @ rng.uniform(-60, 60, 3))[:, None]
    mesh = from_arrays(body.vertices * bumps, body.faces)
    if rng.random() < 0.4:
        mesh = mesh.turned(rotation_x(np.pi / 2))
    return item(mesh, "food" if rng.random() < 0.7 else "bag", paint.package(rng, y))


def handbag(rng: Rng) -> Item:
    """A bag with handles."""
    x, y, z = rng.uniform(0.2, 0.45), rng.uniform(0.08, 0.2), rng.uniform(0.18, 0.4)
    ring = np.array([[1, -1], [1, 1], [-1, 1], [-1, -1]]) * [x / 2, y / 2]
    top = ring * [rng.uniform(0.7, 1.05), rng.uniform(0.2, 0.8)]
    body = shapes.loft([(ring, 0.0), (ring * 1.05, z * 0.4), (top, z)])
    strap = shapes.torus(x * rng.uniform(0.2, 0.4), 0.008, np.pi).turned(rotation_z(0))
    strap = strap.turned(np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]])).moved(0, 0, z * 0.95)
    return item(merge([body, strap.painted(1)]), "bag", paint.fabric(rng), paint.fabric(rng))


def backpack(rng: Rng) -> Item:
    """A backpack with pocket and straps."""
    x, y, z = rng.uniform(0.25, 0.36), rng.uniform(0.14, 0.24), rng.uniform(0.38, 0.52)
    body = shapes.rounded_box(x, y, z, 0.45)
    pocket = shapes.rounded_box(x * 0.75, y * 0.5, z * 0.45, 0.4).moved(0, -y * 0.45, z * 0.08)
    straps = [shapes.torus(z * 0.33, 0.02, np.pi).moved(s * x * 0.25, 0, 0) for s in (-1, 1)]
    arcs = [s.turned(rotation_z(0.0)).scaled(1, 1, 1) for s in straps]
    back = merge([a.turned(rotation_z(np.pi / 2)).moved(0, y * 0.3, z * 0.5) for a in arcs])
    mesh = merge([body, pocket.painted(1), back.painted(2).scaled(1, 1, 1)])
    return item(mesh, "bag", paint.fabric(rng), paint.fabric(rng), paint.fabric(rng))


def oddity(rng: Rng) -> Item:
    """One to four random solids grown together: a thing that no class names."""
    parts: list[Mesh] = []
    base = rng.uniform(0.03, 0.16)
    for index in range(int(rng.integers(1, 5))):
        size = base * rng.uniform(0.4, 1.3, 3)
        solid = (
            shapes.superellipsoid(*size, roundness=rng.uniform(0.1, 1.6)),
            shapes.cylinder(size[0] / 2, size[2]),
            shapes.cone(size[0] / 2, size[1] / 4, size[2]),
            shapes.box(*size),
            turned_body(size[0] / 2, size[2], rng),
        )[int(rng.integers(5))]
        shift = rng.uniform(-0.5, 0.5, 3) * base * (index > 0)
        parts.append(solid.moved(shift[0], shift[1], abs(shift[2])).painted(index % 2))
    return item(merge(parts), "other", paint.coating(rng), paint.coating(rng))


def turned_body(radius: float, height: float, rng: Rng) -> Mesh:
    """A closed turned body of random smooth outline, up to the given radius in metres."""
    t = np.linspace(0.0, 1.0, 12)
    waves = sum(
        rng.normal(0, 0.5 / k) * np.sin(np.pi * k * t + rng.uniform(0, 6)) for k in (1, 2, 3)
    )
    outline = np.clip(0.65 + 0.35 * np.asarray(waves), 0.15, 1.0) * radius
    profile = [[0.0, 0.0], *np.stack([outline, t * height], axis=1).tolist(), [0.0, height]]
    return shapes.lathe(profile)
