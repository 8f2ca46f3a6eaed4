"""From mask logits of voxels to labels of points and a list of instances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.special import expit, softmax

from clickseg3d_core.boxes import upright_box
from clickseg3d_core.types import (
    BACKGROUND_ID,
    Clicks,
    Instance,
    OrientedBox,
    PointCloud,
    Segmentation,
)
from clickseg3d_core.voxels import VoxelGrid

NOBODY = -1
"""Owner of the background."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClassEvidence:
    """What is known about the classes of the clicked objects.

    Attributes:
        names: Names of the N_c classes.
        clicks: (K, N_c) float32 log probabilities by the clicks (eq. 6).
        voxels: (V, N_c) float32 log probabilities by the voxels, or None.
    """

    names: tuple[str, ...]
    clicks: NDArray[np.float32]
    voxels: NDArray[np.float32] | None

    def of(
        self, clicks: NDArray[np.int64], voxels: NDArray[np.int64], objects: int
    ) -> list[tuple[str, float]]:
        """Class of each object and its probability: clicks and voxels count the same.

        Args:
            clicks: (K,) int64 number of the object of each click, -1 for the background.
            voxels: (V,) int64 number of the object of each voxel, -1 for none.
            objects: O, of which each has a click.
        """
        evidence = _means(self.clicks, clicks, objects)
        if self.voxels is not None:
            seen = np.bincount(voxels[voxels >= 0], minlength=objects) > 0
            together = (evidence + _means(self.voxels, voxels, objects)) / 2.0
            evidence = np.where(seen[:, None], together, evidence)
        probability = softmax(evidence, axis=1)
        best = probability.argmax(axis=1)
        return [(self.names[b], float(p[b])) for b, p in zip(best, probability, strict=True)]


def _means(
    values: NDArray[np.float32], owner: NDArray[np.int64], objects: int
) -> NDArray[np.float64]:
    """(O, C) means of the (R, C) values of each object; 0 for objects without one."""
    rows = np.flatnonzero(owner >= 0)
    own = owner[rows]
    share = 1.0 / np.maximum(np.bincount(own, minlength=objects), 1)
    shape = (objects, len(values))
    means: NDArray[np.float64] = csr_matrix((share[own], (own, rows)), shape=shape) @ values
    return means


def build_segmentation(
    cloud: PointCloud,
    upright: NDArray[np.float64],
    grid: VoxelGrid,
    clicks: Clicks,
    rows: NDArray[np.int64],
    logits: NDArray[np.float32] | None,
    classes: ClassEvidence | None,
) -> Segmentation:
    """Labels for all N points in input order, and one record per clicked object.

    The highest logit wins a voxel, so masks exclude each other. A clicked voxel always carries its
    own click's label; the last click wins where two share a voxel.

    Args:
        cloud: The N points.
        upright: (3, 3) rotation from their frame to one in which z is up, for boxes.
        grid: Their V voxels.
        clicks: K clicks.
        rows: (K,) int64 clicked voxels.
        logits: (O + B + 1, V) float32: objects in order of id, background clicks, nobody; None
            without object clicks.
        classes: Evidence for the classes, or None without a class head.
    """
    object_ids = clicks.objects
    if logits is None:
        known = grid.point_to_voxel >= 0
        return Segmentation(
            labels=np.zeros(len(cloud), dtype=np.int32),
            probabilities=known.astype(np.float32),
            instances=(),
        )
    objects = len(object_ids)
    owner, probability = _owners(logits, objects)
    clicked = np.where(
        clicks.object_ids == BACKGROUND_ID, NOBODY, np.searchsorted(object_ids, clicks.object_ids)
    )
    owner[rows] = clicked
    marked = clicked != NOBODY
    probability[rows[marked]] = expit(logits[clicked[marked], rows[marked]])
    point_owner = _to_points(owner, grid, NOBODY).astype(np.int64)
    point_probability = _to_points(probability, grid, 0.0).astype(np.float32)
    names = [("", 0.0)] * objects if classes is None else classes.of(clicked, owner, objects)
    return described(cloud, upright, clicks, point_owner, point_probability, names)


def described(
    cloud: PointCloud,
    upright: NDArray[np.float64],
    clicks: Clicks,
    owner: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    names: Sequence[tuple[str, float]],
) -> Segmentation:
    """Labels of points and one record per clicked object.

    Args:
        cloud: The N points.
        upright: (3, 3) rotation from their frame to one in which z is up, for boxes.
        clicks: K clicks.
        owner: (N,) int64 number of the object of each point in order of id, -1 for nobody.
        probabilities: (N,) float32.
        names: Class and its probability of each object.
    """
    ids = clicks.objects
    instances = [
        _describe(object_id, mine, cloud, upright, clicks, probabilities, named)
        for object_id, mine, named in zip(
            ids.tolist(), _members(owner, len(ids)), names, strict=True
        )
    ]
    return Segmentation(
        labels=np.append(ids, BACKGROUND_ID)[owner].astype(np.int32),
        probabilities=probabilities,
        instances=tuple(instances),
    )


def _owners(
    logits: NDArray[np.float32], objects: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(V,) number of the object that has each voxel, and how likely it is that it has it."""
    winner = logits.argmax(axis=0)
    owner = np.where(winner < objects, winner, NOBODY)
    claimed = expit(logits[:objects].max(axis=0))
    probability = np.where(owner != NOBODY, claimed, 1.0 - claimed)
    return owner, probability.astype(np.float32)


def _to_points(values: NDArray[np.generic], grid: VoxelGrid, missing: float) -> NDArray[np.generic]:
    padded = np.append(values, np.asarray(missing, dtype=values.dtype))
    return padded[grid.point_to_voxel]  # -1 reads the padding


def _members(owner: NDArray[np.int64], objects: int) -> list[NDArray[np.int64]]:
    """Points of each object, by one sort of the owned points instead of one search per object."""
    owned = np.flatnonzero(owner != NOBODY)
    own = owner[owned].astype(np.min_scalar_type(objects))  # short integers sort in linear time
    ends = np.cumsum(np.bincount(own, minlength=objects))
    return np.split(owned[np.argsort(own, kind="stable")], ends[:-1])


def _describe(
    object_id: int,
    mine: NDArray[np.int64],
    cloud: PointCloud,
    upright: NDArray[np.float64],
    clicks: Clicks,
    probability: NDArray[np.float32],
    named: tuple[str, float],
) -> Instance:
    points = cloud.xyz[mine]
    if len(mine) == 0:
        points = clicks.positions[clicks.object_ids == object_id]
    box: OrientedBox = upright_box(points, upright)
    return Instance(
        id=object_id,
        class_name=named[0],
        class_score=named[1],
        mask_score=float(probability[mine].mean()) if len(mine) else 0.0,
        point_count=len(mine),
        centroid=np.ascontiguousarray(points.T).mean(axis=1),  # long rows reduce faster
        box=box,
    )
