"""From mask logits of voxels to labels of points and a list of instances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

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


def build_segmentation(
    cloud: PointCloud,
    grid: VoxelGrid,
    clicks: Clicks,
    rows: NDArray[np.int64],
    logits: NDArray[np.float32] | None,
    classes: NDArray[np.float32] | None,
    class_names: tuple[str, ...],
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
        classes: (K, N_c) float32 class probabilities per click, or None without a class head.
        class_names: Names of the N_c classes.
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
    objects = len(object_ids)
    own = expit(logits[:objects])
    clicked_column = np.searchsorted(object_ids, clicks.object_ids)
    for row, column, label in zip(rows, clicked_column, clicks.object_ids, strict=True):
        if label != BACKGROUND_ID:
            probability[row] = own[column, row]
    point_labels = _to_points(labels, grid, 0).astype(np.int32)
    point_probability = _to_points(probability, grid, 0.0).astype(np.float32)
    instances = tuple(
        _describe(
            int(object_id), cloud, clicks, point_labels, point_probability, classes, class_names
        )
        for object_id in object_ids
    )
    return Segmentation(labels=point_labels, probabilities=point_probability, instances=instances)


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


def _describe(
    object_id: int,
    cloud: PointCloud,
    clicks: Clicks,
    labels: NDArray[np.int32],
    probability: NDArray[np.float32],
    classes: NDArray[np.float32] | None,
    class_names: tuple[str, ...],
) -> Instance:
    mine = np.flatnonzero(labels == object_id)
    own_clicks = clicks.object_ids == object_id
    name, score = "", 0.0
    if classes is not None:
        mean = classes[own_clicks].mean(axis=0)
        name, score = class_names[int(mean.argmax())], float(mean.max())
    points = cloud.xyz[mine] if len(mine) else clicks.positions[own_clicks]
    box: OrientedBox = upright_box(points)
    return Instance(
        id=object_id,
        class_name=name,
        class_score=score,
        mask_score=float(probability[mine].mean()) if len(mine) else 0.0,
        point_count=len(mine),
        centroid=points.mean(axis=0),
        box=box,
    )
