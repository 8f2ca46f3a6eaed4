"""Procedural patterns, evaluated at the points that rays hit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.simulation.mesh import FloatArray

PATTERNS = (
    "plain", "checker", "stripes", "noise", "cells", "grain", "speckle", "print", "art",
    "tiles", "planks", "ornament", "plaid",
)  # fmt: skip
_PRIMES = np.array([73856093, 19349663, 83492791], dtype=np.uint32)


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


def _tiles(q: FloatArray, colors: FloatArray, seed: NDArray[np.uint32]) -> FloatArray:
    """Square tiles of slightly different tones (colors 0 and 2) between joints (color 1)."""
    cell = np.floor(q + 1e-4)
    joint = np.asarray(((q[:, :2] - cell[:, :2]) < 0.05).any(axis=1))
    tone = lattice_hash(cell.astype(np.int64), seed)[:, None]
    face = colors[:, 0] * (1.0 - 0.5 * tone) + colors[:, 2] * 0.5 * tone
    return np.where(joint[:, None], colors[:, 1], face)


def _planks(q: FloatArray, colors: FloatArray, seed: NDArray[np.uint32]) -> FloatArray:
    """Staggered boards along x, ten times as long as wide, each with its tone and grain."""
    row = np.floor(q[:, 1])
    nil = np.zeros_like(row)
    start = lattice_hash(np.stack([row, nil, nil], axis=1).astype(np.int64), seed)
    along = q[:, 0] / 10.0 + start
    board = np.stack([row, np.floor(along), nil], axis=1).astype(np.int64)
    tone = lattice_hash(board, seed + np.uint32(1))
    grain = value_noise(q * [0.4, 5.0, 5.0], seed)
    face = _mix(colors, 0.65 * tone + 0.35 * grain)
    seam = (q[:, 1] - row < 0.04) | (along - np.floor(along) < 0.004)
    return np.where(seam[:, None], 0.6 * face, face)


def _ornament(q: FloatArray, colors: FloatArray, seed: NDArray[np.uint32]) -> FloatArray:
    """A woven carpet: mirrored figures in four colors."""
    mirrored = np.abs(q * [1.0, 1.0, 1.0])
    shape = value_noise(mirrored, seed) + 0.5 * value_noise(mirrored * 2.3, seed + np.uint32(1))
    return _pick(colors, np.digitize(shape, [0.58, 0.75, 0.9]).astype(np.int64))


def _plaid(q: FloatArray, colors: FloatArray, seed: NDArray[np.uint32]) -> FloatArray:
    """Crossing bands of uneven width."""
    bands = [
        lattice_hash(np.stack([np.floor(q[:, i] * 2.0)] * 3, axis=1).astype(np.int64), seed)
        for i in (0, 1)
    ]
    first = _pick(colors, (bands[0] * 4).astype(np.int64).clip(0, 3))
    second = _pick(colors, (bands[1] * 4).astype(np.int64).clip(0, 3))
    return np.asarray((first + second) / 2.0)


_DRAWN: dict[str, Callable[[FloatArray, FloatArray, NDArray[np.uint32]], FloatArray]] = {
    "print": _print, "art": _art, "tiles": _tiles, "planks": _planks, "ornament": _ornament,
    "plaid": _plaid,
}  # fmt: skip


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
    if pattern in _DRAWN:
        return _DRAWN[pattern](q, colors, seed)
    return colors[:, 0]
