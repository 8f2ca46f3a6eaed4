"""Average precision, in the two senses that results of this field are given in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

THRESHOLDS = tuple(float(t) for t in np.arange(0.5, 0.95, 0.05))
"""0.5, 0.55, ... 0.9, over which "AP" is averaged."""


def success_rate(iou: NDArray[np.float64], threshold: float) -> float:
    """Part of the objects whose IoU is above a threshold.

    This is what AGILE3D's `compute_ap.py` and its successors call AP: every object has one mask,
    scored by its own IoU, and masks that miss are not counted as false positives.

    Args:
        iou: (M,) IoU of each object.
        threshold: IoU that a match must exceed.
    """
    return float((iou > threshold).mean())


def average_precision(score: NDArray[np.float64], right: NDArray[np.bool_], truths: int) -> float:
    """Area under the precision-recall curve of predictions ranked by score.

    Precision is made monotone from the right, as in PASCAL VOC from 2010 on. Predictions of equal
    score are ranked together.

    Args:
        score: (P,) score of each prediction.
        right: (P,) whether it matches an object.
        truths: Objects to be found.
    """
    if truths == 0 or len(score) == 0:
        return 0.0
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(right[order])
    last_of_score = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    hits, ranks = hits[last_of_score], last_of_score + 1
    precision = np.maximum.accumulate((hits / ranks)[::-1])[::-1]
    steps = np.diff(np.concatenate([[0.0], hits / truths]))
    return float((precision * steps).sum())


def class_aware_ap(
    true_class: Sequence[str],
    given_class: Sequence[str],
    score: NDArray[np.float64],
    iou: NDArray[np.float64],
    threshold: float,
) -> float:
    """Average precision per class, averaged over the classes that occur.

    Every clicked object is one prediction: a mask, a class and a score. It is right if it has the
    object's class and its IoU is above the threshold, else it is a false positive of the class that
    was given, and the object is missed.

    Args:
        true_class: M class names.
        given_class: M class names.
        score: (M,) score of each prediction.
        iou: (M,) IoU of each mask with the object that was clicked.
        threshold: IoU that a match must exceed.
    """
    true, given = np.asarray(true_class), np.asarray(given_class)
    right = (true == given) & (iou > threshold)
    values = [
        average_precision(score[given == name], right[given == name], int((true == name).sum()))
        for name in np.unique(true)
    ]
    return float(np.mean(values))
