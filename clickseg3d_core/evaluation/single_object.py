"""The single-object protocol: one object at a time, corrected click by click.

The first click goes to the object's innermost point, every further one to the innermost point of
the larger of the two error groups, missed or wrongly taken. The user sees one point per voxel of
the encoding; the IoU is over all points of the scan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.clicks import next_click
from clickseg3d_core.data.scene import Scene
from clickseg3d_core.segmenter import ClickSegmenter, Encoding
from clickseg3d_core.types import BACKGROUND_ID, Clicks, PointCloud

Segment = Callable[[Clicks], NDArray[np.int32]]
"""Clicks to one label per point of the scan that the closure holds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectRecord:
    """One object's episode.

    Attributes:
        instance: Instance id in the scene.
        class_id: Its class, -1 = unknown.
        points: Its points.
        ious: IoU after 1, 2, ... clicks.
        predicted_class: Class name given after the first click, "" without a class head.
    """

    instance: int
    class_id: int
    points: int
    ious: tuple[float, ...]
    predicted_class: str


def iou(answer: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks; 1 where both are empty."""
    union = int((answer | truth).sum())
    return float((answer & truth).sum()) / union if union else 1.0


def click_through(
    segment: Segment,
    xyz: NDArray[np.float64],
    truth: NDArray[np.bool_],
    seen: NDArray[np.int64],
    clicks: int,
) -> tuple[float, ...]:
    """Click one object until it is right or the clicks are used up.

    Args:
        segment: Answers (K,) clicks with (N,) labels, the object being 1.
        xyz: (N, 3) float64, metres.
        truth: (N,) bool.
        seen: (S,) int64 rows of the points that the user sees and may click.
        clicks: Clicks at most.

    Returns:
        IoU after each click; repeated once nothing is left to correct.
    """
    answer = np.zeros(len(xyz), dtype=np.int32)
    rows: list[int] = []
    ids: list[int] = []
    ious: list[float] = []
    for _ in range(clicks):
        click = next_click(xyz[seen], truth[seen].astype(np.int64), answer[seen])
        if click is None:
            ious.append(ious[-1] if ious else iou(answer == 1, truth))
            continue
        rows.append(int(seen[click.index]))
        ids.append(1 if click.label else BACKGROUND_ID)
        answer = segment(Clicks(xyz[rows], np.array(ids))).copy()
        answer[rows] = ids
        ious.append(iou(answer == 1, truth))
    return tuple(ious)


def seen_points(encoding: Encoding) -> NDArray[np.int64]:
    """(V,) int64: the first point of each voxel."""
    owner = encoding.grid.point_to_voxel
    known = np.flatnonzero(owner >= 0)[::-1]
    first = np.zeros(encoding.voxel_count, dtype=np.int64)
    first[owner[known]] = known
    return first


def large_instances(scene: Scene, min_points: int) -> NDArray[np.int32]:
    """Ids of the instances of at least so many points, ascending."""
    ids, counts = np.unique(scene.instance[scene.instance > 0], return_counts=True)
    large: NDArray[np.int32] = ids[counts >= min_points]
    return large


def evaluate_scene(
    segmenter: ClickSegmenter,
    scene: Scene,
    *,
    clicks: int = 3,
    min_points: int = 30,
    max_objects: int | None = None,
    skip_classes: frozenset[int] = frozenset(),
    voxel_size: float | None = None,
) -> list[ObjectRecord]:
    """Run the protocol on every object of a scene.

    Args:
        segmenter: The public API.
        scene: A labelled scan.
        clicks: Clicks per object.
        min_points: Smaller objects are left out.
        max_objects: Evenly spaced choice of at most so many objects.
        skip_classes: Class ids to leave out.
        voxel_size: Metres, None = automatic.
    """
    xyz = scene.xyz.astype(np.float64)
    encoding = segmenter.encode(PointCloud(xyz, scene.rgb), voxel_size, scene.up)
    seen = seen_points(encoding)
    ids = large_instances(scene, min_points)
    ids = ids[np.isin(scene.instance_class[ids], list(skip_classes), invert=True)]
    if max_objects is not None and len(ids) > max_objects:
        ids = ids[np.linspace(0, len(ids) - 1, max_objects).round().astype(int)]
    return [_evaluate_object(segmenter, encoding, scene, xyz, seen, int(i), clicks) for i in ids]


def _evaluate_object(
    segmenter: ClickSegmenter,
    encoding: Encoding,
    scene: Scene,
    xyz: NDArray[np.float64],
    seen: NDArray[np.int64],
    instance: int,
    clicks: int,
) -> ObjectRecord:
    names: list[str] = []

    def segment(user: Clicks) -> NDArray[np.int32]:
        result = segmenter.segment(encoding, user)
        names.append(result.instances[0].class_name)
        return result.labels

    truth = scene.instance == instance
    ious = click_through(segment, xyz, truth, seen, clicks)
    return ObjectRecord(
        instance=instance,
        class_id=int(scene.instance_class[instance]),
        points=int(truth.sum()),
        ious=ious,
        predicted_class=names[0] if names else "",
    )
