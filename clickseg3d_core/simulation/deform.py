"""Smooth changes of shape that make many things out of one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clickseg3d_core.simulation.mesh import FloatArray
from clickseg3d_core.simulation.world import Item

Rng = np.random.Generator


def deformed(item: Item, rng: Rng, *, strength: float = 1.0) -> Item:
    """Stretch, taper, bulge, twist, bend or shear an item; its size stays about the same.

    Things with supports are only returned as they are, so that what stands on them still does.

    Args:
        item: Standing on z = 0.
        rng: Source of the change.
        strength: 0 changes nothing, 1 as much as things of one kind differ in shops.
    """
    if item.supports or strength <= 0.0:
        return item
    vertices = item.mesh.vertices
    center = np.append(vertices[:, :2].mean(axis=0), 0.0)
    warped = _warped(vertices - center, rng, strength) + center
    return replace(item, mesh=replace(item.mesh, vertices=warped).lowered())


def _warped(points: FloatArray, rng: Rng, strength: float) -> FloatArray:
    height = max(float(np.ptp(points[:, 2])), 1e-6)
    t = np.clip((points[:, 2] - points[:, 2].min()) / height, 0.0, 1.0)
    result = points * np.exp(rng.normal(0.0, 0.14 * strength, 3))

    def sometimes(probability: float, most: float) -> float:
        chosen = rng.random() < probability
        return float(rng.uniform(-most, most) * strength) if chosen else 0.0

    taper, bulge = sometimes(0.35, 0.35), sometimes(0.25, 0.3)
    waist = 1.0 + taper * (t - 0.5) + bulge * np.sin(np.pi * t)
    result[:, :2] *= waist[:, None]
    twist = sometimes(0.15, 0.5) * t
    c, s = np.cos(twist), np.sin(twist)
    x, y = result[:, 0].copy(), result[:, 1].copy()
    result[:, 0], result[:, 1] = c * x - s * y, s * x + c * y
    bend, lean = sometimes(0.15, 0.25), sometimes(0.12, 0.12)
    result[:, 0] += height * (bend * (t - 0.5) ** 2 + lean * t)
    return np.asarray(result)
