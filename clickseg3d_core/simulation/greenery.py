"""Trees, bushes and hedges: wood with loose leaves, as a laser sees them."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.goods import item
from clickseg3d_core.simulation.mesh import (
    FloatArray,
    Mesh,
    from_arrays,
    merge,
    surface_samples,
)
from clickseg3d_core.simulation.world import Item

Rng = np.random.Generator


def leaves(centers: FloatArray, size: float, rng: Rng) -> Mesh:
    """One triangle of about `size` metres, turned at random, around each of (N, 3) centers."""
    corners = rng.normal(0.0, size * 0.6, (len(centers), 3, 3)) + centers[:, None]
    return from_arrays(corners.reshape(-1, 3), np.arange(3 * len(centers)))


def foliage(rng: Rng) -> paint.Material:
    """Green, now and then autumn colors or blossom."""
    base = paint.leafy(rng) if rng.random() < 0.88 else paint.anything(rng)
    other = base * rng.uniform(0.55, 1.0) if rng.random() < 0.6 else paint.leafy(rng)
    return paint.patterned("speckle", [base, other], rng.uniform(0.1, 0.5), rng)


def bark(rng: Rng) -> paint.Material:
    """Gray-brown, mottled."""
    wood = paint.woody(rng) * rng.uniform(0.35, 0.8)
    return paint.patterned("noise", [wood, wood * 0.7], 0.1, rng)


def tree(rng: Rng) -> Item:
    """A broad-leaved tree, conifer, poplar or bare tree; some with a closed crown."""
    if rng.random() < 0.15:
        return dense_tree(rng)
    h = rng.uniform(2.5, 14.0) if rng.random() < 0.8 else rng.uniform(1.5, 3.0)
    kind = int(rng.choice(4, p=[0.6, 0.16, 0.12, 0.12]))
    r = float(np.clip(h * rng.uniform(0.012, 0.03), 0.02, 0.4))
    if kind == 1:
        return _conifer(h, r, rng)
    fork = h * (rng.uniform(0.2, 0.4) if kind != 2 else rng.uniform(0.08, 0.2))
    lean = rng.normal(0.0, 0.03, 2) * h
    trunk = [[0, 0, 0], [lean[0] * 0.2, lean[1] * 0.3, fork * 0.5], [*lean * 0.6, fork]]
    parts: list[Mesh] = [shapes.tube(trunk, r, 10)]
    tips = []
    for _ in range(int(rng.integers(5, 13))):
        a = rng.uniform(0.0, 2.0 * np.pi)
        out = h * (rng.uniform(0.03, 0.1) if kind == 2 else rng.uniform(0.08, 0.3))
        z = rng.uniform(fork + 0.1 * h, 0.92 * h)
        tip = np.array([lean[0] + np.cos(a) * out, lean[1] + np.sin(a) * out, z])
        start = np.array([*lean * 0.6, fork + 0.4 * rng.random() * (z - fork)])
        middle = (start + tip) / 2 + rng.normal(0.0, 0.03 * h, 3)
        parts.append(shapes.tube([start, middle, tip], r * rng.uniform(0.25, 0.5), 5))
        tips += [tip, middle]
        for _ in range(3 if kind == 3 else 1):
            twig = tip + rng.normal(0.0, 0.09 * h, 3)
            parts.append(shapes.rod(middle, twig, r * 0.15, 4))
            tips.append(twig)
    crown = []
    if kind != 3:
        count = int(np.clip(220 * h * rng.uniform(0.5, 1.6), 500, 3000))
        anchor = np.stack(tips)[rng.integers(len(tips), size=count)]
        spread = h * (0.05 if kind == 2 else rng.uniform(0.06, 0.1))
        at = anchor + rng.normal(0.0, spread, (count, 3)) * [1.0, 1.0, 0.75]
        at[:, 2] = np.maximum(at[:, 2], fork * 0.9)
        size = float(np.clip(h * rng.uniform(0.015, 0.035), 0.05, 0.25))
        crown = [leaves(at, size, rng).painted(1)]
    return _rooted(merge([*parts, *crown]), rng)


def _rooted(mesh: Mesh, rng: Rng) -> Item:
    """A tree that stands where its trunk does, at the mesh's origin, however far it leans."""
    return Item(mesh=mesh.lowered(), classes=("tree",), materials=(bark(rng), foliage(rng)))


def _conifer(h: float, r: float, rng: Rng) -> Item:
    low, wide = h * rng.uniform(0.02, 0.2), h * rng.uniform(0.12, 0.28)
    count = int(np.clip(140 * h, 300, 1800))
    t = np.sqrt(rng.random(count))  # more needles below
    a = rng.uniform(0.0, 2.0 * np.pi, count)
    tier = 0.75 + 0.25 * np.abs(np.sin(t * h * rng.uniform(2.0, 5.0)))
    out = wide * t * tier * rng.random(count) ** 0.35
    at = np.stack([np.cos(a) * out, np.sin(a) * out, low + (h - low) * (1.0 - t)], axis=1)
    needles = leaves(at, rng.uniform(0.08, 0.2), rng).painted(1)
    return _rooted(merge([shapes.cone(r, 0.03, h * 0.95, 8), needles]), rng)


def dense_tree(rng: Rng) -> Item:
    """A tree clipped or grown so densely that a laser meets a lumpy skin: balls, cones, columns."""
    h = rng.uniform(1.5, 8.0)
    stem = h * float(rng.choice([0.03, rng.uniform(0.1, 0.45)]))
    wide, tall = h * rng.uniform(0.2, 0.7), h - stem
    if rng.random() < 0.35:
        tiers = int(rng.integers(1, 4))
        crowns = [
            shapes.cone(wide / 2 * (1.0 - 0.25 * k), 0.02, tall / tiers * 1.25, 9)
            .moved(0.0, 0.0, tall / tiers * k * 0.95)
            for k in range(tiers)
        ]  # fmt: skip
    else:
        lumps = 1 if rng.random() < 0.5 else int(rng.integers(2, 6))
        share = 1.0 if lumps == 1 else rng.uniform(0.5, 0.75)
        spread = wide * (1.0 - share) / 2
        crowns = []
        for _ in range(lumps):
            x, y = rng.uniform(-spread, spread, 2)
            lump = shapes.superellipsoid(
                wide * share, wide * share, tall * share, roundness=rng.uniform(0.7, 1.2)
            )
            crowns.append(lump.moved(float(x), float(y), rng.uniform(0.0, tall * (1.0 - share))))
    crown = merge(crowns).moved(0.0, 0.0, stem)
    at = surface_samples(crown, int(np.clip(60 * h, 120, 500)), rng)
    fringe = leaves(at, rng.uniform(0.03, 0.12), rng)
    trunk = shapes.rod((0.0, 0.0, 0.0), (0.0, 0.0, stem + 0.3 * tall), h * 0.02, 7)
    return _rooted(merge([trunk, merge([crown, fringe]).painted(1)]), rng)


def bush(rng: Rng) -> Item:
    """A free bush: a leafy ball or a bundle of stems."""
    x, y, z = rng.uniform(0.4, 2.5), rng.uniform(0.4, 2.0), rng.uniform(0.3, 2.2)
    return _leafy_body(
        shapes.superellipsoid(x, y, z, roundness=rng.uniform(0.6, 1.1)), 0.12, "plant", rng
    )


def hedge(rng: Rng, length: float | None = None) -> Item:
    """A clipped hedge along x."""
    x = rng.uniform(2.0, 12.0) if length is None else length
    y, z = rng.uniform(0.4, 1.0), rng.uniform(0.6, 2.2)
    return _leafy_body(shapes.box(x, y, z), rng.uniform(0.03, 0.1), "plant", rng)


def _leafy_body(body: Mesh, depth: float, name: str, rng: Rng) -> Item:
    """Leaves over a body and within `depth` metres of its surface, before a dense core."""
    extent = body.extent
    area = 2.0 * (extent[0] * extent[1] + extent[2] * extent[:2].sum())
    count = int(np.clip(area * rng.uniform(60, 120), 120, 2500))
    at = surface_samples(body, count, rng) + rng.normal(0.0, depth, (count, 3))
    at[:, 2] = np.abs(at[:, 2])
    shrink = np.maximum(1.0 - 2.0 * depth / extent, 0.3)
    core = body.scaled(*shrink)
    return item(
        merge([core.painted(1), leaves(at, rng.uniform(0.05, 0.13), rng)]),
        name,
        foliage(rng),
        foliage(rng),
    )
