"""All objects of a scene clicked at once, one click each: what a first pass over a scan gives."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.clicks import innermost_point
from clickseg3d_core.data.scene import Scene
from clickseg3d_core.evaluation.single_object import iou, large_instances, seen_points
from clickseg3d_core.segmenter import ClickSegmenter
from clickseg3d_core.types import Clicks, PointCloud


def evaluate_together(
    segmenter: ClickSegmenter, scene: Scene, *, min_points: int = 30
) -> dict[int, float]:
    """One click on every object, all in one pass of the decoder.

    Args:
        segmenter: The public API.
        scene: A labelled scan.
        min_points: Smaller objects are not clicked.

    Returns:
        IoU over all points of the scan, by instance id; empty if no object is large enough.
    """
    xyz = scene.xyz.astype(np.float64)
    encoding = segmenter.encode(PointCloud(xyz, scene.rgb), up=scene.up)
    seen = seen_points(encoding)
    ids = large_instances(scene, min_points).tolist()
    large = [i for i in ids if (scene.instance[seen] == i).any()]
    if not large:
        return {}
    rows = [seen[innermost_point(xyz[seen], scene.instance[seen] == i)] for i in large]
    labels = segmenter.segment(encoding, Clicks(xyz[rows], np.array(large))).labels
    return {i: iou(labels == i, scene.instance == i) for i in large}
