"""Color schemes: things of a scene share colors as often as they differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation.appearance import Material
from clickseg3d_core.simulation.mesh import FloatArray
from clickseg3d_core.simulation.world import World

Rng = np.random.Generator


def _tones(rng: Rng) -> FloatArray:
    """(P, 3) one to five colors of a scheme."""
    count = int(rng.integers(1, 6))
    if rng.random() < 0.5:  # shades of one color
        base = (paint.pale, paint.woody, paint.gray)[int(rng.integers(3))](rng)
        return np.stack([np.clip(base * rng.uniform(0.5, 1.15), 0.0, 1.0) for _ in range(count)])
    makers = (paint.pale, paint.woody, paint.gray, paint.dark, paint.anything)
    return np.stack([makers[int(rng.integers(5))](rng) for _ in range(count)])


def _pulled(material: Material, tone: FloatArray, strength: float) -> Material:
    """Colors of a material moved toward a tone; its contrasts stay, weaker."""
    mean = material.colors.mean(axis=0)
    contrast = material.colors - mean
    colors = mean * (1.0 - strength) + tone * strength + contrast * (1.0 - 0.6 * strength)
    return replace(material, colors=np.clip(colors, 0.0, 1.0))


def harmonized(world: World, rng: Rng) -> World:
    """Pull some materials of a world toward a few shared tones.

    Nearly half of the worlds stay as they are; in the others a random share of the materials takes
    one of the tones, so that neighbors often have nearly the same color. Meshes with colors of
    their own (tints) keep them.
    """
    if rng.random() < 0.45:
        return world
    tones, share = _tones(rng), rng.uniform(0.2, 0.95)
    materials = tuple(
        _pulled(m, tones[int(rng.integers(len(tones)))], rng.uniform(0.6, 1.0))
        if rng.random() < share
        else m
        for m in world.materials
    )
    return replace(world, materials=materials)
