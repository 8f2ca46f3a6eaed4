"""Soft things without a shape of their own: heaps of clothes, coats on chairs, bags, shoe pairs."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.gadgets import shoe
from clickseg3d_core.simulation.goods import item
from clickseg3d_core.simulation.mesh import FloatArray, from_arrays, merge, rotation_z
from clickseg3d_core.simulation.world import Item

Rng = np.random.Generator


def wrinkles(u: FloatArray, v: FloatArray, rng: Rng) -> FloatArray:
    """Folds of falling size over coordinates in -1..1, about 0, of about unit height."""
    total = np.zeros_like(u)
    for k in range(1, 7):
        a, b = rng.uniform(-2.2, 2.2, 2) * k
        total += (1.0 - np.abs(np.sin(a * u + b * v + rng.uniform(0, 6)))) / k**0.8
    return np.asarray(total - total.mean())


def heap(rng: Rng, size: float | None = None) -> Item:
    """A heap of clothes, towels or a duvet with an outline and folds of its own; class other."""
    reach = float(rng.uniform(0.12, 0.5)) if size is None else size
    n = 26
    u, v = np.meshgrid(np.linspace(-1, 1, n), np.linspace(-1, 1, n))
    angle, r = np.arctan2(v, u), np.hypot(u, v)
    rim = 0.75 + sum(
        rng.uniform(0, 0.12) * np.sin(k * angle + rng.uniform(0, 6)) for k in (1, 2, 3, 5)
    )
    dome = np.clip(1.0 - (r / np.asarray(rim)) ** rng.uniform(1.2, 5.0), 0.0, 1.0)
    high = rng.uniform(0.05, 0.45) * reach
    height = dome * np.clip(high * (1.0 + 0.5 * wrinkles(u, v, rng)), 0.006, None)
    aspect = rng.uniform(0.6, 1.0)
    mesh = shapes.sheet(2 * reach, 2 * reach * aspect, height)
    keep = (height.ravel()[mesh.faces] > 0.002).any(axis=1)
    cut = from_arrays(mesh.vertices, mesh.faces[keep])
    return item(cut, "other", paint.fabric(rng))


def folded(rng: Rng) -> Item:
    """Folded towels, sheets or shirts in a pile of one owner."""
    x, y = rng.uniform(0.2, 0.4), rng.uniform(0.18, 0.32)
    parts, z = [], 0.0
    for k in range(int(rng.integers(1, 6))):
        thick = rng.uniform(0.02, 0.06)
        one = shapes.rounded_box(x * rng.uniform(0.9, 1.05), y * rng.uniform(0.9, 1.05), thick, 0.3)
        parts.append(one.moved(rng.normal(0, 0.008), rng.normal(0, 0.008), z).painted(k % 3))
        z += thick * 0.9
    base = paint.fabric(rng)
    skins = (base, base if rng.random() < 0.6 else paint.fabric(rng), base)
    return item(merge(parts), "other", *skins)


def shoes(rng: Rng) -> Item:
    """A pair of shoes side by side, one instance."""
    one = shoe(rng)
    turn = rotation_z(rng.uniform(-0.4, 0.4))
    other = one.mesh.turned(turn).moved(rng.uniform(-0.06, 0.06), one.mesh.extent[1] + 0.02, 0)
    return item(merge([one.mesh, other]), "other", *one.materials)


def sack(rng: Rng) -> Item:
    """A tote, sports, plastic or rubbish bag that slumps where it stands; class bag."""
    x, y, z = rng.uniform(0.2, 0.6), rng.uniform(0.15, 0.35), rng.uniform(0.18, 0.55)
    body = shapes.superellipsoid(x, y, z, roundness=rng.uniform(0.35, 0.9), rings=16, segments=26)
    t = body.vertices[:, 2:] / z
    neck = rng.uniform(0.0, 0.75)
    pinched = body.vertices * np.concatenate([1 - neck * t**2, 1 - neck * t**2, np.ones_like(t)], 1)
    fold = sum(np.sin(pinched @ rng.uniform(-30, 30, 3) + rng.uniform(0, 6)) for _ in range(4))
    lean = np.concatenate([t**2 * rng.normal(0, 0.06), t**2 * rng.normal(0, 0.05), 0 * t], 1)
    mesh = from_arrays(pinched * (1 + 0.03 * np.asarray(fold)[:, None]) + lean, body.faces)
    parts = [mesh]
    if rng.random() < 0.5:
        ring = shapes.torus(x * 0.25, 0.01, np.pi).turned(
            np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]])
        )
        parts.append(ring.moved(0, 0, z * 0.93).painted(1))
    skin = paint.fabric(rng) if rng.random() < 0.6 else paint.plain(paint.anything(rng))
    return item(merge(parts), "bag", skin, paint.fabric(rng))


def throw(rng: Rng, w: float, drop: float, depth: float) -> Item:
    """A coat, towel or blanket over a backrest: it hangs down on both sides of x = 0, z = 0.

    Args:
        rng: Source of everything random.
        w: Width along x in metres.
        drop: How far it hangs down, metres.
        depth: Thickness of what it hangs over, metres.
    """
    n = 20
    s = np.linspace(-1, 1, n)
    front, back = drop * rng.uniform(0.3, 1.0), drop * rng.uniform(0.4, 1.0)
    z = np.where(s < 0, front * np.minimum(s + 0.1, 0), -back * np.maximum(s - 0.1, 0)) + 0.012
    y = np.clip(s / 0.1, -1, 1) * (depth / 2 + 0.012)
    u, _ = np.meshgrid(np.linspace(-1, 1, 18), s)
    folds = wrinkles(u, np.tile(s[:, None], (1, 18)), rng) * 0.008
    grid = np.empty((n, 18, 3))
    grid[..., 0] = u * w / 2 * (1 - 0.15 * np.abs(s)[:, None] * rng.random())
    grid[..., 1] = y[:, None] + np.sign(s)[:, None] * np.abs(folds)
    grid[..., 2] = z[:, None] + folds * (np.abs(s)[:, None] < 0.15)
    cloth = from_arrays(grid.reshape(-1, 3), shapes.grid_faces(n, 18))
    return Item(mesh=cloth, classes=("other",), materials=(paint.fabric(rng),))
