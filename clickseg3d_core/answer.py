"""From mask logits of voxels to labels of points and a list of instances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
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

    def of(self, clicks: NDArray[np.bool_], voxels: NDArray[np.int64]) -> tuple[str, float]:
        """Class of one object and its probability: clicks and voxels count the same.

        Args:
            clicks: (K,) bool, the object's clicks.
            voxels: The object's voxel rows.
        """
        evidence = self.clicks[clicks].mean(axis=0)
        if self.voxels is not None and len(voxels):
            evidence = (evidence + self.voxels[voxels].mean(axis=0)) / 2.0
        probability = softmax(evidence)
        best = int(probability.argmax())
        return self.names[best], float(probability[best])


def build_segmentation(
    cloud: PointCloud,
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
        grid: Their V voxels.
        clicks: K clicks.
        rows: (K,) int64 clicked voxels.
        logits: (O + B + 1, V) float32: objects in order of id, background clicks, nobody; None
            without object clicks.
        classes: Evidence for the classes, or None without a class head.
    """
    object_ids = np.unique(clicks.object_ids[clicks.object_ids != BACKGROUND_ID])
    if logits is None:
        known = grid.point_to_voxel >= 0
        return Segmentation(
            labels=np.zeros(len(cloud), dtype=np.int32),
            probabilities=known.astype(np.float32),
            instances=(),
        )
    labels, probability = _voxel_labels(logits, object_ids)
    labels[rows] = clicks.object_ids
    on_object = clicks.object_ids != BACKGROUND_ID
    clicked = rows[on_object]
    columns = np.searchsorted(object_ids, clicks.object_ids[on_object])
    probability[clicked] = expit(logits[columns, clicked])
    point_labels = _to_points(labels, grid, 0).astype(np.int32)
    point_probability = _to_points(probability, grid, 0.0).astype(np.float32)
    members = _members(point_labels, object_ids)
    instances = []
    for object_id, mine in zip(object_ids, members, strict=True):
        named = ("", 0.0)
        if classes is not None:
            named = classes.of(clicks.object_ids == object_id, np.flatnonzero(labels == object_id))
        instances.append(_describe(int(object_id), mine, cloud, clicks, point_probability, named))
    return Segmentation(
        labels=point_labels, probabilities=point_probability, instances=tuple(instances)
    )


def _voxel_labels(
    logits: NDArray[np.float32], object_ids: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    winner = logits.argmax(axis=0)
    padded = np.concatenate([object_ids, np.zeros(len(logits) - len(object_ids), dtype=np.int64)])
    labels = padded[winner]
    claimed = expit(logits[: len(object_ids)].max(axis=0))
    probability = np.where(labels != BACKGROUND_ID, claimed, 1.0 - claimed)
    return labels, probability.astype(np.float32)


def _to_points(values: NDArray[np.generic], grid: VoxelGrid, missing: float) -> NDArray[np.generic]:
    padded = np.append(values, np.asarray(missing, dtype=values.dtype))
    return padded[grid.point_to_voxel]  # -1 reads the padding


def _members(labels: NDArray[np.int32], object_ids: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Points of each object, by one search for labelled points instead of one per object."""
    labelled = np.flatnonzero(labels)
    own = labels[labelled]
    return [labelled[own == object_id] for object_id in object_ids]


def _describe(
    object_id: int,
    mine: NDArray[np.int64],
    cloud: PointCloud,
    clicks: Clicks,
    probability: NDArray[np.float32],
    named: tuple[str, float],
) -> Instance:
    points = cloud.xyz[mine]
    if len(mine) == 0:
        points = clicks.positions[clicks.object_ids == object_id]
    box: OrientedBox = upright_box(points)
    return Instance(
        id=object_id,
        class_name=named[0],
        class_score=named[1],
        mask_score=float(probability[mine].mean()) if len(mine) else 0.0,
        point_count=len(mine),
        centroid=points.mean(axis=0),
        box=box,
    )
