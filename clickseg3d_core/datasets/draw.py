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
    scene: Scene,
    candidates: Sequence[int],
    most: int | None,
    rng: np.random.Generator,
    *,
    draws: int = 1,
    reach: float = np.inf,
) -> list[tuple[int, ...]]:
    """Draw groups of nearby objects: an object, a number N, and the N - 1 objects nearest to it.

    Near is the gap between the nearest points of two objects, of each of which up to 2,000 evenly
    spaced points are looked at.

    Args:
        scene: The scan.
        candidates: Instance ids to draw from; each has points.
        most: N is uniform in 1..most, as far as there are candidates; None takes all of them.
        rng: Source of the draws.
        draws: Groups, each around another object; fewer where there are fewer candidates.
        reach: Objects farther than this from the first one are left out, metres.

    Returns:
        Ids of each group, ascending; nothing without candidates.
    """
    ids = sorted(candidates)
    if most is None or not ids:
        return [tuple(ids)] if ids else []
    points = _points_by_id(scene, ids)
    groups = []
    for first in rng.permutation(ids)[:draws].tolist():
        count = int(rng.integers(1, min(most, len(ids)) + 1))
        near = _nearest(points, first, reach)[: count - 1] if count > 1 else []
        groups.append(tuple(sorted([first, *near])))
    return groups


def _nearest(points: dict[int, NDArray[np.float32]], first: int, reach: float) -> list[int]:
    """Ids of the other objects within reach, nearest first, equals by id."""
    if not len(points[first]):
        return []
    tree = cKDTree(points[first])
    gaps = [
        (float(np.min(tree.query(others, distance_upper_bound=reach)[0], initial=np.inf)), i)
        for i, others in points.items()
        if i != first
    ]
    return [i for gap, i in sorted(gaps) if gap < reach]


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
