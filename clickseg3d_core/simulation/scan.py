"""From sensor hits to a labelled scene."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.data.scene import Scene
from clickseg3d_core.simulation.mesh import FloatArray
from clickseg3d_core.simulation.world import World

MIN_POINTS = 10


def subsample(n: int, budget: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(min(n, budget),) increasing random row numbers of n rows."""
    if n <= budget:
        return np.arange(n)
    return np.sort(rng.permutation(n)[:budget])


def merge_voxels(
    points: FloatArray, instance: NDArray[np.int32], voxel: float
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Average points per voxel, as a volumetric reconstruction does.

    Args:
        points: (N, 3) metres.
        instance: (N,) ids; the most frequent id of a voxel wins and only its points count.
        voxel: Cell size in metres.

    Returns:
        (V, 3) float64 mean points and (V,) int64, one row number of the winning id per voxel.
    """
    cell = np.floor((points - points.min(axis=0)) / voxel).astype(np.int64)
    spread = cell.max(axis=0) + 1
    key = (cell[:, 0] * spread[1] + cell[:, 1]) * spread[2] + cell[:, 2]
    pair = key * (int(instance.max()) + 1) + instance
    pairs, first, inverse, count = np.unique(
        pair, return_index=True, return_inverse=True, return_counts=True
    )
    sums = [np.bincount(inverse.ravel(), points[:, i]) for i in range(3)]
    mean = np.asarray(np.stack(sums, axis=1) / count[:, None], dtype=np.float64)
    owner = pairs // (int(instance.max()) + 1)
    order = np.lexsort((-count, owner))
    best = order[np.unique(owner[order], return_index=True)[1]]
    return mean[best], first[best].astype(np.int64)


def finish(
    world: World,
    points: FloatArray,
    rgb: NDArray[np.uint8] | None,
    instance: NDArray[np.int32],
    meta: Mapping[str, str | int | float],
) -> Scene:
    """Number the instances that the sensor saw 1..M and drop slivers.

    Args:
        world: Gives the classes.
        points: (N, 3) metres, output frame.
        rgb: (N, 3) uint8 or None.
        instance: (N,) world instance ids; 0 is unlabelled.
        meta: Kept in the scene.

    Returns:
        A scene in which each instance has at least `MIN_POINTS` points.
    """
    count = np.bincount(instance, minlength=len(world.instance_class))
    kept = np.flatnonzero(count >= MIN_POINTS)
    kept = kept[kept > 0]
    number = np.zeros(len(count), dtype=np.int32)
    number[kept] = np.arange(1, len(kept) + 1)
    classes = np.concatenate([[-1], world.instance_class[kept]]).astype(np.int16)
    return Scene(
        xyz=points.round(4).astype(np.float32),
        rgb=rgb,
        instance=number[instance],
        instance_class=classes,
        meta=dict(meta),
    )
