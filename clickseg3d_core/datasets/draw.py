"""Deterministic draws of nearby objects."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clickseg3d_core.data.scene import Scene

_POINTS_PER_OBJECT = 2000


def scene_rng(seed: int, scene: str) -> np.random.Generator:
    """Random source that depends on the seed and the scene's name only."""
    return np.random.default_rng([seed, zlib.crc32(scene.encode())])


def object_sizes(scene: Scene) -> dict[int, int]:
    """Number of points of each instance id that has any, ascending."""
    ids, counts = np.unique(scene.instance[scene.instance > 0], return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


def draw_nearby(
    scene: Scene, candidates: Sequence[int], most: int | None, rng: np.random.Generator
) -> tuple[int, ...]:
    """Draw a number N, an object, and the N - 1 objects nearest to it.

    Near is the gap between the nearest points of two objects, of each of which up to 2,000 evenly
    spaced points are looked at.

    Args:
        scene: The scan.
        candidates: Instance ids to draw from; each has points.
        most: N is uniform in 1..most, as far as there are candidates; None takes all of them.
        rng: Source of the draw.

    Returns:
        Ids, ascending; empty without candidates.
    """
    ids = sorted(candidates)
    if most is None or not ids:
        return tuple(ids)
    count = int(rng.integers(1, min(most, len(ids)) + 1))
    first = ids[int(rng.integers(len(ids)))]
    rest = [i for i in ids if i != first]
    if count == 1 or not rest:
        return (first,)
    points = _points_by_id(scene, ids)
    tree = cKDTree(points[first])
    gaps = [float(np.min(tree.query(points[i])[0], initial=np.inf)) for i in rest]
    near = sorted(zip(gaps, rest, strict=True))[: count - 1]
    return tuple(sorted([first, *(i for _, i in near)]))


def _points_by_id(scene: Scene, ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
    finite = np.isfinite(scene.xyz).all(axis=1)
    order = np.flatnonzero(finite)[np.argsort(scene.instance[finite], kind="stable")]
    sorted_ids, wanted = scene.instance[order], np.asarray(ids)
    first, end = np.searchsorted(sorted_ids, wanted), np.searchsorted(sorted_ids, wanted + 1)
    rows = {i: order[a:b] for i, a, b in zip(ids, first, end, strict=True)}
    return {
        i: scene.xyz[r[np.linspace(0, len(r) - 1, min(len(r), _POINTS_PER_OBJECT)).astype(int)]]
        for i, r in rows.items()
    }
