"""Things of bathrooms: tubs, washstands, mirrors, towels, shower curtains."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.furniture import basin_mesh, faucet, fronted_box
from clickseg3d_core.simulation.mesh import FloatArray, Mesh, from_arrays, merge, rotation_x
from clickseg3d_core.simulation.world import Item

Rng = np.random.Generator

# Wall things have their back in the plane y = 0 and stick out towards -y.


def bathtub(rng: Rng) -> Item:
    """A bathtub, built in or standing free, or a shower tray."""
    x, y = rng.uniform(1.35, 1.85), rng.uniform(0.65, 0.85)
    z = rng.uniform(0.08, 0.15) if rng.random() < 0.15 else rng.uniform(0.45, 0.62)
    round_ = rng.uniform(0.15, 0.7)
    hull = np.stack([_superellipse(x * 0.9, y * 0.84, round_)] * 3)
    shrink = np.array([1.0, 0.93, 0.75])
    heights = np.array([z, z * 0.5, z * 0.2])
    rings = np.dstack([hull * shrink[:, None, None], np.repeat(heights[:, None], 32, 1)])
    if rng.random() < 0.7:
        outline = _superellipse(x, y, 0.03)
        rim = np.column_stack([outline, np.full(32, z)])
        foot = np.column_stack([outline, np.zeros(32)])
    else:
        outline = _superellipse(x, y, round_)
        rim, foot = np.column_stack([outline, np.full(32, z)]), np.zeros((32, 3))
        foot[:, :2], foot[:, 2] = outline * 0.8, 0.0
    floor = np.tile([[0.0, 0.0, z * 0.2]], (32, 1))
    stack = np.concatenate([foot, rim, rings.reshape(-1, 3), floor])
    body = from_arrays(stack, shapes.grid_faces(6, 32, wrap=True))
    side = 1 if rng.random() < 0.5 else -1
    tap = faucet(0.18).moved(side * x * 0.3, y * 0.46, z).painted(1)
    skin = paint.plain(paint.pale(rng)) if rng.random() < 0.9 else paint.coating(rng)
    return Item(mesh=merge([body, tap]), classes=("sink",), materials=(skin, paint.metal(rng)))


def _superellipse(x: float, y: float, roundness: float) -> FloatArray:
    """(32, 2) corners of an x by y outline that is a rectangle at 0 and an ellipse at 1."""
    angle = (np.arange(32) + 0.5) * np.pi / 16
    wave = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.asarray(np.sign(wave) * np.abs(wave) ** roundness * [x / 2, y / 2])


def vanity(rng: Rng) -> Item:
    """A basin let into or set on a cabinet; the cabinet is part 0, the basin part 1."""
    x, y, z = rng.uniform(0.5, 1.4), rng.uniform(0.42, 0.58), rng.uniform(0.78, 0.9)
    lift = rng.uniform(0.2, 0.4) if rng.random() < 0.4 else 0.0
    body = fronted_box(x, y, z - 0.02 - lift, max(1, round(x / 0.45)), int(rng.integers(1, 3)), rng)
    w, d = min(x * 0.8, rng.uniform(0.38, 0.55)), y * 0.7
    at = rng.uniform(-0.5, 0.5) * (x - w) * 0.8 if x > 0.9 else 0.0
    parts = [body.moved(0, 0, lift)]
    if rng.random() < 0.5:
        parts.append(shapes.box(x + 0.02, y + 0.01, 0.02).moved(0, 0, z - 0.02).painted(3))
        deep = rng.uniform(0.08, 0.15)
        bowl = basin_mesh(w, d, deep).moved(at, -0.03, z)
    else:
        parts.append(
            rim_slab(x + 0.02, y + 0.01, (at, -0.03), (w, d)).moved(0, 0, z - 0.02).painted(3)
        )
        parts[0] = parts[0].scaled(1, 1, 0.82).moved(0, 0, lift * 0.18)
        bowl = basin_mesh(w, d, 0.14).moved(at, -0.03, z - 0.14)
    parts.append(bowl.as_part(1).painted(4))
    parts.append(faucet(0.2).moved(at, d / 2 + 0.01, z).as_part(1).painted(5))
    base = paint.wood(rng)
    white = paint.plain(paint.pale(rng))
    top = white if rng.random() < 0.5 else paint.coating(rng)
    skins = (base, base, paint.metal(rng), top, white, paint.metal(rng))
    return Item(mesh=merge(parts), classes=("cabinet", "sink"), materials=skins)


def rim_slab(x: float, y: float, at: tuple[float, float], hole: tuple[float, float]) -> Mesh:
    """An x by y slab 2 cm thick with a rectangular hole centered at `at`, all in metres."""
    w, d = hole
    left, right = at[0] - w / 2 + x / 2, x / 2 - at[0] - w / 2
    near, far = at[1] - d / 2 + y / 2, y / 2 - at[1] - d / 2
    return merge(
        [
            shapes.box(left, y, 0.02).moved((left - x) / 2, 0, 0),
            shapes.box(right, y, 0.02).moved((x - right) / 2, 0, 0),
            shapes.box(w, near, 0.02).moved(at[0], (near - y) / 2, 0),
            shapes.box(w, far, 0.02).moved(at[0], (y - far) / 2, 0),
        ]
    )


def mirror(rng: Rng) -> Item:
    """A mirror, with or without a frame, whose glass loses many returns."""
    w, h = rng.uniform(0.35, 1.2), rng.uniform(0.5, 1.0)
    glass = paint.plain(paint.pale(rng) if rng.random() < 0.5 else paint.gray(rng))
    glass = paint.plain(glass.colors[0], dropout=rng.uniform(0.0, 0.7))
    if rng.random() < 0.3:
        disc = shapes.cylinder(w / 2, 0.02, 32).turned(rotation_x(np.pi / 2)).moved(0, 0, w / 2)
        return Item(mesh=disc, classes=("picture",), materials=(glass,))
    body = [shapes.box(w, 0.012, h).moved(0, -0.006, 0)]
    if rng.random() < 0.5:
        bar = rng.uniform(0.015, 0.07)
        body += [shapes.box(bar, 0.025, h).moved(s * w / 2, -0.0125, 0).painted(1) for s in (-1, 1)]
        body += [shapes.box(w + bar, 0.025, bar).moved(0, -0.0125, z).painted(1) for z in (0, h)]
    return Item(mesh=merge(body), classes=("picture",), materials=(glass, paint.wood(rng)))


def towel(rng: Rng) -> Item:
    """A towel, coat or robe that hangs flat on a wall, hook or rail."""
    w, h, n = rng.uniform(0.25, 0.7), rng.uniform(0.35, 1.0), 16
    u, v = np.meshgrid(np.linspace(-1, 1, n), np.linspace(0, 1, n))
    fold = sum(
        np.sin(rng.uniform(2, 9) * u + rng.uniform(-2, 2) * v + rng.uniform(0, 6)) for _ in range(3)
    )
    gather = 1.0 - rng.uniform(0.0, 0.7) * v**2 * (rng.random() < 0.5)
    depth = 0.035 + np.asarray(fold) * rng.uniform(0.003, 0.012)
    grid = np.stack([u * gather * w / 2, -depth, v * h], axis=-1)
    cloth = from_arrays(grid.reshape(-1, 3), shapes.grid_faces(n, n))
    back = from_arrays(cloth.vertices * [1, 0.3, 1], cloth.faces)
    return Item(mesh=merge([cloth, back]), classes=("other",), materials=(paint.fabric(rng),))


def shower_curtain(rng: Rng, width: float) -> Item:
    """A folded curtain with its rail, partly drawn, for an opening of `width` metres."""
    w, h = width * rng.uniform(0.3, 1.0), rng.uniform(1.5, 1.9)
    u = np.linspace(-0.5, 0.5, 60)
    fold = rng.uniform(0.015, 0.04) * np.sin(u * rng.uniform(25, 70)) + 0.02 * np.sin(4 * u)
    rows = [np.stack([u * w, fold * k, np.full(60, z)], 1) for k, z in ((1.2, 0.0), (0.8, h))]
    cloth = from_arrays(np.concatenate(rows), shapes.grid_faces(2, 60))
    rail = shapes.rod([-w / 2, 0, h], [w / 2, 0, h], 0.013).painted(1)
    skins = (paint.fabric(rng), paint.metal(rng))
    return Item(mesh=merge([cloth, rail]), classes=("curtain",), materials=skins)


def paper_roll(rng: Rng) -> Item:
    """A paper roll in its holder on the wall."""
    roll = shapes.vessel([(0.055, 0.0), (0.055, 0.1)], 0.03).turned(rotation_x(np.pi / 2))
    plate = shapes.box(0.13, 0.02, 0.09).moved(0, -0.01, 0.05).painted(1)
    mesh = merge([roll.moved(0, -0.02, 0.05), plate])
    skins = (paint.plain(paint.pale(rng)), paint.metal(rng))
    return Item(mesh=mesh, classes=("other",), materials=skins)
