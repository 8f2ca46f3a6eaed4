"""Procedural color: materials, patterns evaluated where a ray hits, light and camera color."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.simulation.mesh import FloatArray

PATTERNS = ("plain", "checker", "stripes", "noise", "cells", "grain", "speckle", "print", "art")
_PRIMES = np.array([73856093, 19349663, 83492791], dtype=np.uint32)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Material:
    """What a surface looks like and how well a depth sensor sees it.

    Attributes:
        colors: (4, 3) float64 albedos, 0..1.
        pattern: One of `PATTERNS`.
        scale: Size of the pattern in metres.
        dropout: Probability that a depth camera gets no return (glass, mirrors, black screens).
        seed: Makes the pattern's random layout.
    """

    colors: FloatArray
    pattern: str = "plain"
    scale: float = 0.05
    dropout: float = 0.0
    seed: int = 0


def lattice_hash(cells: NDArray[np.int64], seed: NDArray[np.uint32]) -> FloatArray:
    """(N,) float64 in 0..1 from (N, 3) integer cells and (N,) uint32 seeds, reproducible."""
    h = (cells.astype(np.uint32) * _PRIMES).astype(np.uint32)
    mixed = h[:, 0] ^ h[:, 1] ^ h[:, 2] ^ (seed * np.uint32(2654435761))
    mixed ^= mixed >> np.uint32(15)
    mixed *= np.uint32(2246822519)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(3266489917)
    mixed ^= mixed >> np.uint32(16)
    return np.asarray(mixed, dtype=np.float64) / 4294967295.0


def value_noise(points: FloatArray, seed: NDArray[np.uint32]) -> FloatArray:
    """(N,) smooth lattice noise in 0..1 at (N, 3) points, lattice spacing 1 (Perlin 1985)."""
    base = np.floor(points).astype(np.int64)
    t = points - base
    t = t * t * (3.0 - 2.0 * t)
    total = np.zeros(len(points))
    for corner in range(8):
        offset = np.array([corner & 1, corner >> 1 & 1, corner >> 2 & 1])
        weight = np.where(offset, t, 1.0 - t).prod(axis=1)
        total += weight * lattice_hash(base + offset, seed)
    return total


def _pick(colors: FloatArray, index: NDArray[np.int64]) -> FloatArray:
    return np.asarray(colors[np.arange(len(index)), index])


def _mix(colors: FloatArray, t: FloatArray) -> FloatArray:
    return np.asarray(colors[:, 0] * (1.0 - t[:, None]) + colors[:, 1] * t[:, None])


def _print(q: FloatArray, colors: FloatArray, seed: NDArray[np.uint32]) -> FloatArray:
    """A package print: a band of background, colored fields and fine text-like rows."""
    field = lattice_hash(np.floor(q * [0.37, 0.37, 0.61] + 0.3).astype(np.int64), seed)
    text = lattice_hash(np.floor(q * [3.1, 3.1, 5.3]).astype(np.int64), seed + np.uint32(1))
    index = np.where(field < 0.5, 0, np.where(field < 0.75, 1, 2))
    rows = (np.floor(q[:, 2] * 5.3).astype(np.int64) & 1) == 0
    index = np.where((text < 0.3) & rows & (field > 0.25), 3, index)
    return _pick(colors, index.astype(np.int64))


def _art(q: FloatArray, colors: FloatArray, seed: NDArray[np.uint32]) -> FloatArray:
    """A photograph or logo: soft blots of all four colors with fine detail over them."""
    shape = value_noise(q, seed) + 0.35 * (value_noise(q * 3.1, seed + np.uint32(1)) - 0.5)
    index = np.digitize(shape, [0.36, 0.5, 0.63]).astype(np.int64)
    detail = value_noise(q * 9.0, seed + np.uint32(2)) - 0.5
    blot = _pick(colors, index)
    line = lattice_hash(np.floor(q * [5.0, 5.0, 7.0]).astype(np.int64), seed) < 0.12
    blot = np.where(line[:, None], colors[:, 3], blot)
    return np.asarray(np.clip(blot * (1.0 + 0.7 * detail[:, None]), 0.0, 1.0))


def pattern_color(
    pattern: str, q: FloatArray, colors: FloatArray, seed: NDArray[np.uint32]
) -> FloatArray:
    """Evaluate one pattern.

    Args:
        pattern: One of `PATTERNS`.
        q: (N, 3) item-frame points divided by the pattern's scale.
        colors: (N, 4, 3) albedos of each point's material.
        seed: (N,) uint32.

    Returns:
        (N, 3) float64 albedo, 0..1.
    """
    cell = np.floor(q + 1e-4).astype(np.int64)
    if pattern == "checker":
        return _pick(colors, cell.sum(axis=1) & 1)
    if pattern == "stripes":
        return _pick(colors, cell[:, 0] & 1)
    if pattern == "noise":
        return _mix(colors, 0.6 * value_noise(q, seed) + 0.4 * value_noise(q * 2.7, seed))
    if pattern == "cells":
        return _pick(colors, np.minimum((lattice_hash(cell, seed) * 4).astype(np.int64), 3))
    if pattern == "grain":
        return _mix(colors, value_noise(q * [0.08, 1.0, 1.0], seed))
    if pattern == "speckle":
        return _mix(colors, lattice_hash(np.floor(q * 8.0).astype(np.int64), seed) ** 3)
    if pattern == "print":
        return _print(q, colors, seed)
    if pattern == "art":
        return _art(q, colors, seed)
    return colors[:, 0]


def hue_color(hue: float, saturation: float, value: float) -> FloatArray:
    """(3,) RGB 0..1 from HSV 0..1."""
    k = (np.array([5.0, 3.0, 1.0]) + hue * 6.0) % 6.0
    return np.asarray(value * (1.0 - saturation * np.clip(np.minimum(k, 4.0 - k), 0.0, 1.0)))


def vivid(rng: np.random.Generator) -> FloatArray:
    """(3,) saturated color."""
    return hue_color(rng.random(), rng.uniform(0.45, 1.0), rng.uniform(0.35, 0.95))


def pale(rng: np.random.Generator) -> FloatArray:
    """(3,) light, weakly colored (walls, paper, china)."""
    return hue_color(rng.random(), rng.uniform(0.0, 0.22), rng.uniform(0.65, 0.97))


def dark(rng: np.random.Generator) -> FloatArray:
    """(3,) nearly black."""
    return hue_color(rng.random(), rng.uniform(0.0, 0.4), rng.uniform(0.03, 0.22))


def gray(rng: np.random.Generator) -> FloatArray:
    """(3,) metal or plastic gray."""
    return hue_color(rng.random(), rng.uniform(0.0, 0.1), rng.uniform(0.25, 0.8))


def woody(rng: np.random.Generator) -> FloatArray:
    """(3,) brown of wood or cardboard."""
    return hue_color(rng.uniform(0.04, 0.12), rng.uniform(0.2, 0.75), rng.uniform(0.25, 0.9))


def leafy(rng: np.random.Generator) -> FloatArray:
    """(3,) green of plants."""
    return hue_color(rng.uniform(0.18, 0.4), rng.uniform(0.35, 0.9), rng.uniform(0.15, 0.6))


def anything(rng: np.random.Generator) -> FloatArray:
    """(3,) any everyday color."""
    return (vivid, pale, dark, gray, woody)[rng.choice(5, p=[0.4, 0.2, 0.13, 0.13, 0.14])](rng)


def plain(color: FloatArray, *, dropout: float = 0.0) -> Material:
    """One color all over."""
    return Material(colors=np.tile(color, (4, 1)), dropout=dropout)


def patterned(
    pattern: str, colors: list[FloatArray], scale: float, rng: np.random.Generator
) -> Material:
    """A pattern over two to four colors; missing ones are repeated."""
    four = np.stack([colors[min(i, len(colors) - 1)] for i in range(4)])
    return Material(
        colors=four, pattern=pattern, scale=scale, seed=int(rng.integers(2**31)), dropout=0.0
    )


def wood(rng: np.random.Generator) -> Material:
    """Grained wood, stained or natural, sometimes painted."""
    if rng.random() < 0.3:
        return plain(pale(rng) if rng.random() < 0.6 else anything(rng))
    base = woody(rng)
    other = np.clip(base * rng.uniform(0.65, 0.95), 0.0, 1.0)
    return patterned("grain", [base, other], rng.uniform(0.008, 0.06), rng)


def fabric(rng: np.random.Generator) -> Material:
    """Cloth: plain, mottled, striped or checked."""
    base, other = anything(rng), anything(rng)
    near = np.clip(base * rng.uniform(0.7, 1.3), 0.0, 1.0)
    kind = rng.choice(["plain", "noise", "speckle", "stripes", "checker", "cells"])
    second = near if rng.random() < 0.6 else other
    return patterned(str(kind), [base, second, near, other], rng.uniform(0.015, 0.15), rng)


def package(rng: np.random.Generator, size: float) -> Material:
    """A printed package about `size` metres large."""
    colors = [
        anything(rng),
        anything(rng),
        vivid(rng),
        pale(rng) if rng.random() < 0.6 else dark(rng),
    ]
    if rng.random() < 0.4:
        colors[int(rng.integers(3))] = pale(rng)
    kind = rng.choice(
        ["print", "art", "cells", "plain", "stripes"], p=[0.36, 0.36, 0.06, 0.16, 0.06]
    )
    return patterned(str(kind), colors, size * rng.uniform(0.08, 0.4), rng)


def coating(rng: np.random.Generator) -> Material:
    """Plastic, china or paint: mostly one color."""
    if rng.random() < 0.75:
        return plain(anything(rng))
    kind = str(rng.choice(["noise", "stripes", "checker", "speckle"]))
    return patterned(kind, [anything(rng), anything(rng)], rng.uniform(0.01, 0.05), rng)


def glass(rng: np.random.Generator) -> Material:
    """Clear or dark glass: most rays give no return."""
    return plain(dark(rng) if rng.random() < 0.5 else pale(rng), dropout=rng.uniform(0.5, 0.95))


def metal(rng: np.random.Generator) -> Material:
    """Shiny gray that loses some returns."""
    return plain(gray(rng), dropout=rng.uniform(0.0, 0.3))
