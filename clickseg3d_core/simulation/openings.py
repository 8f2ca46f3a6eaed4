"""Doors, windows with what covers them, and boards: what is let into walls or lies flat on them."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.fixtures import curtain, frame, upright, window
from clickseg3d_core.simulation.mesh import Mesh, from_arrays, merge, rotation_x, rotation_z
from clickseg3d_core.simulation.world import Item

Rng = np.random.Generator

# Wall things have their back in the plane y = 0 and stick out towards -y.


def joined(items: list[tuple[Item, tuple[float, float, float]]]) -> Item:
    """One item of several, each moved by (x, y, z) metres; parts and materials follow on."""
    meshes: list[Mesh] = []
    classes: list[str] = []
    materials: list[paint.Material] = []
    for one, shift in items:
        mesh = one.mesh.moved(*shift)
        meshes.append(
            Mesh(
                vertices=mesh.vertices, faces=mesh.faces, tint=mesh.tint,
                slot=(mesh.slot + len(materials)).astype(np.int32),
                part=(mesh.part + len(classes)).astype(np.int32),
            )
        )  # fmt: skip
        classes += one.classes
        materials += one.materials
    return Item(mesh=merge(meshes), classes=tuple(classes), materials=tuple(materials))


def open_door(rng: Rng) -> Item:
    """A door that stands ajar or wide open before its dark doorway or the next room's wall."""
    w, h = rng.uniform(0.7, 0.95), rng.uniform(1.95, 2.1)
    side = 1 if rng.random() < 0.5 else -1
    swing = rng.uniform(0.1, 1.9)
    leaf = [shapes.box(w, 0.04, h).moved(w / 2, 0.02, 0)]
    for face in (-0.03, 0.06):
        knob = shapes.ellipsoid(0.05, 0.05, 0.05).moved(w * 0.9, face, 1.0)
        leaf.append(knob.painted(2))
    if rng.random() < 0.5:
        for row in range(int(rng.integers(1, 4))):
            for y in (-0.004, 0.044):
                leaf.append(
                    shapes.box(w * 0.7, 0.01, h * 0.2).moved(w / 2, y, 0.2 + row * h * 0.27)
                )
    turned = merge(leaf).turned(rotation_z(-swing)).moved(-w / 2, -0.06, 0.005)
    if side < 0:
        turned = turned.scaled(-1, 1, 1)
    parts = [turned, frame(w + 0.16, h + 0.08, 0.08, rng.uniform(0.03, 0.1)).painted(1)]
    skin = paint.wood(rng) if rng.random() < 0.5 else paint.plain(paint.pale(rng))
    trim = skin if rng.random() < 0.6 else paint.wood(rng)
    leaf_item = Item(mesh=merge(parts), classes=("door",), materials=(skin, trim, paint.metal(rng)))
    behind = paint.plain(paint.dark(rng), dropout=rng.uniform(0.3, 1.0))
    if rng.random() < 0.4:
        behind = paint.plain(paint.pale(rng), dropout=rng.uniform(0.0, 0.6))
    hole = Item(mesh=upright(w, h, -0.003), classes=("wall",), materials=(behind,))
    return joined([(leaf_item, (0, 0, 0)), (hole, (0, 0, 0))])


def flush_door(rng: Rng) -> Item:
    """A closed door level with the wall or sunk into its frame, often in the wall's white."""
    w, h = rng.uniform(0.7, 0.95), rng.uniform(1.95, 2.15)
    if rng.random() < 0.25:
        w *= 2
    out = rng.uniform(0.004, 0.03)
    parts = [
        upright(w, h, -out),
        frame(w + 0.16, h + 0.08, 0.08, rng.uniform(0.01, 0.05)).painted(1),
    ]
    leaves = 2 if w > 1.2 else 1
    for k in range(leaves):
        x = (k - (leaves - 1) / 2) * w / 2
        edge = (1 if rng.random() < 0.5 else -1) * w / leaves * 0.42
        parts.append(shapes.box(0.03, 0.05, 0.14).moved(x + edge, -out - 0.025, 0.95).painted(2))
        if rng.random() < 0.3:
            low, high = rng.uniform(0.3, 1.1), rng.uniform(1.5, 1.85)
            pane = upright(w / leaves * rng.uniform(0.2, 0.7), high - low, -out - 0.002)
            parts.append(pane.moved(x, 0, low).painted(3))
    skin = paint.plain(paint.pale(rng)) if rng.random() < 0.5 else paint.wood(rng)
    trim = skin if rng.random() < 0.6 else paint.wood(rng)
    skins = (skin, trim, paint.metal(rng), paint.glass(rng))
    return Item(mesh=merge(parts), classes=("door",), materials=skins)


def blind(rng: Rng, w: float, h: float) -> Item:
    """A roller, slatted or folded blind, w by h metres, hanging from z = h; class curtain."""
    drop = h * rng.uniform(0.15, 1.0)
    kind = rng.integers(3)
    if kind == 0:
        cloth = upright(w, drop, -0.03).moved(0, 0, h - drop)
    elif kind == 1:
        count = max(4, int(drop / 0.05))
        tilt = rotation_x(rng.uniform(-1.3, 1.3))
        slat = shapes.panel(w, 0.045).turned(tilt)
        cloth = merge([slat.moved(0, -0.04, h - (k + 0.5) * drop / count) for k in range(count)])
    else:
        z = np.linspace(h - drop, h, 24)
        y = -0.04 - 0.025 * np.abs(np.sin(np.linspace(0, np.pi * rng.uniform(3, 8), 24)))
        rows = np.stack([np.stack([np.full(24, s * w / 2), y, z], 1) for s in (-1, 1)])
        cloth = from_arrays(rows.reshape(-1, 3), shapes.grid_faces(2, 24))
    head = shapes.box(w, 0.06, 0.06).moved(0, -0.035, h - 0.03).painted(1)
    skin = paint.plain(paint.pale(rng)) if rng.random() < 0.5 else paint.fabric(rng)
    skins = (skin, paint.coating(rng))
    return Item(mesh=merge([cloth, head]), classes=("curtain",), materials=skins)


def dressed_window(rng: Rng) -> Item:
    """A window between curtains, behind a blind, or both; it is part 0."""
    one = window(rng)
    low, high = one.mesh.vertices.min(axis=0), one.mesh.vertices.max(axis=0)
    w, h = float(high[0] - low[0]), float(high[2])
    items: list[tuple[Item, tuple[float, float, float]]] = [(one, (0.0, 0.0, 0.0))]
    if rng.random() < 0.45:
        out = -0.06 if rng.random() < 0.7 else -0.1
        items.append((blind(rng, w * rng.uniform(0.9, 1.05), h), (0.0, out, 0.0)))
    if len(items) == 1 or rng.random() < 0.4:
        items += _pair(rng, w, h)
    return joined(items)


def _pair(rng: Rng, w: float, h: float) -> list[tuple[Item, tuple[float, float, float]]]:
    """One or two like curtains at the sides of a w by h window, from above it to any depth."""
    model = curtain(rng)
    size = model.mesh.extent
    wide, tall = rng.uniform(0.2, 0.65) * w + 0.1, h + 0.15 + rng.uniform(0.0, 0.85)
    mesh = model.mesh.scaled(wide / size[0], 1.0, tall / size[2])
    sides = (-1, 1) if rng.random() < 0.75 else (int(rng.choice([-1, 1])),)
    hang = Item(mesh=mesh, classes=("curtain",), materials=model.materials)
    return [(hang, (s * (w / 2 + 0.12 - wide * 0.4), -0.08, h + 0.15 - tall)) for s in sides]


def board(rng: Rng) -> Item:
    """A whiteboard, blackboard or pin board, with a tray, notes or nothing on it."""
    w, h = rng.uniform(0.7, 2.6), rng.uniform(0.6, 1.2)
    bar = rng.uniform(0.01, 0.04)
    parts = [upright(w, h, -0.012), frame(w, h, bar, rng.uniform(0.012, 0.025)).painted(1)]
    if rng.random() < 0.5:
        parts.append(
            shapes.box(w * rng.uniform(0.3, 0.9), 0.07, 0.015).moved(0, -0.05, 0).painted(1)
        )
    for _ in range(int(rng.integers(0, 8)) if rng.random() < 0.4 else 0):
        note = upright(0.2 * rng.uniform(0.4, 1.1), 0.25 * rng.uniform(0.4, 1.1), -0.015)
        x, z = rng.uniform(-0.4, 0.4) * w, rng.uniform(0.05, max(0.06, h - 0.3))
        parts.append(note.moved(x, 0, z).painted(2))
    color = (paint.pale, paint.dark, paint.woody)[int(rng.choice(3, p=[0.65, 0.15, 0.2]))](rng)
    skins = (paint.plain(color), paint.metal(rng), paint.package(rng, 0.2))
    return Item(mesh=merge(parts), classes=("picture",), materials=skins)


def poster(rng: Rng) -> Item:
    """A sheet of paper or canvas flat on the wall, its color sometimes near the wall's."""
    w, h = rng.uniform(0.2, 1.2), rng.uniform(0.25, 1.2)
    out = rng.uniform(0.002, 0.03)
    mesh = shapes.box(w, out, h).moved(0, -out / 2, 0)
    art = paint.package(rng, h) if rng.random() < 0.75 else paint.plain(paint.pale(rng))
    return Item(mesh=mesh, classes=("picture",), materials=(art,))


def wall_clock(rng: Rng) -> Item:
    """A switch, socket strip, thermostat, clock, dispenser or fire extinguisher; class other."""
    kind = rng.integers(3)
    if kind == 0:
        mesh = shapes.bevelled_box(rng.uniform(0.08, 0.3), 0.03, rng.uniform(0.08, 0.3), 0.01)
        mesh = mesh.moved(0, -0.015, 0)
    elif kind == 1:
        mesh = shapes.bevelled_box(
            rng.uniform(0.1, 0.32), rng.uniform(0.08, 0.15), rng.uniform(0.2, 0.4), 0.02
        )
        mesh = mesh.moved(0, -0.09, 0)
    else:
        r = rng.uniform(0.06, 0.09)
        outline: list[list[float]] = [
            [0, 0],
            [r, 0.01],
            [r, 0.38],
            [r * 0.4, 0.46],
            [0.02, 0.5],
            [0, 0.5],
        ]
        mesh = shapes.lathe(outline, 16).moved(0, -r - 0.02, 0)
    return Item(mesh=mesh, classes=("other",), materials=(paint.coating(rng),))
