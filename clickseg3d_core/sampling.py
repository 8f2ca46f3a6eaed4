"""Click samplers of the training (section 3.1, Table 4 rows 11-13)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Sampler = Literal["fps", "random", "voxel"]


def farthest_points(
    xyz: NDArray[np.floating], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Farthest point sampling from a random start.

    Args:
        xyz: (N, 3) float, N >= 1.
        count: Points wanted; at most N come.
        rng: Draws the first point.

    Returns:
        (min(count, N),) int64 rows, in the order of selection.
    """
    x, y, z = (np.ascontiguousarray(xyz[:, i]) for i in range(3))
    chosen = np.empty(min(count, len(xyz)), dtype=np.int64)
    gap = np.full(len(xyz), np.inf)
    row = int(rng.integers(len(xyz)))
    for i in range(len(chosen)):
        chosen[i] = row
        gap = np.minimum(gap, (x - x[row]) ** 2 + (y - y[row]) ** 2 + (z - z[row]) ** 2)
        row = int(np.argmax(gap))
    return chosen


def voxel_points(
    xyz: NDArray[np.floating], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """One random point from each of `count` random cells of a grid with about `count` cells."""
    extent = float(np.ptp(xyz, axis=0).max())
    cell = max(extent / max(count ** (1 / 2), 1.0), 1e-6)
    _, owner = np.unique(np.floor(xyz / cell).astype(np.int64), axis=0, return_inverse=True)
    order = rng.permutation(len(xyz))
    _, first = np.unique(owner.ravel()[order], return_index=True)
    return np.asarray(rng.permutation(order[first])[:count], dtype=np.int64)


def click_candidates(
    xyz: NDArray[np.floating], count: int, sampler: Sampler, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Rows of up to `count` click candidates on one instance.

    Args:
        xyz: (N, 3) float, points of the instance.
        count: Candidates wanted (paper: up to 15).
        sampler: fps (paper), random, or voxel.
        rng: Randomness.
    """
    if sampler == "fps":
        return farthest_points(xyz, count, rng)
    if sampler == "voxel":
        return voxel_points(xyz, count, rng)
    return np.asarray(rng.permutation(len(xyz))[:count], dtype=np.int64)
