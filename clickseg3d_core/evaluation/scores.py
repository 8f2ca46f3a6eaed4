"""From episodes to figures: IoU@k, NoC@q, AP, class means, intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.evaluation.bootstrap import intervals
from clickseg3d_core.evaluation.breakdown import (
    Outcome,
    Vocabulary,
    by_class,
    by_objects,
    by_size,
    class_mean,
    outcomes,
)
from clickseg3d_core.evaluation.curves import Curve, clicks_to_reach, mean_iou_at
from clickseg3d_core.evaluation.precision import THRESHOLDS, class_aware_ap, success_rate

CLICKS = (1, 2, 3, 5, 7, 10, 15, 20)
"""Clicks per object that figures are given at."""

QUALITIES = (0.50, 0.65, 0.80, 0.85, 0.90)
"""IoU that clicks are counted up to."""

_AP_AT = {"ap50": 0.50, "ap25": 0.25}


def score(curves: Sequence[Curve], cap: int, vocabulary: Vocabulary) -> dict[str, Any]:
    """Every figure of a set of episodes; timings aside.

    IoU and NoC are means over episodes: with one object each, over objects. AP and the class means
    are over objects.

    Args:
        curves: The episodes.
        cap: Most clicks per object, which an IoU that is never reached counts as.
        vocabulary: The method's class names.

    Returns:
        Plain values, keys as in results.json.

    Raises:
        FileFormatError: if there is no episode.
    """
    if not curves:
        raise FileFormatError("there is no episode to score")
    ks = [k for k in CLICKS if k <= cap]
    iou = {k: mean_iou_at(curves, k) for k in range(1, cap + 1)}
    noc = {q: clicks_to_reach(curves, q, cap) for q in QUALITIES}
    objects = {k: outcomes(curves, k, vocabulary) for k in ks}
    known = bool(objects[1])
    return {
        "episodes": len(curves),
        "objects": len(objects[1]) if known else None,
        "iou": {str(k): float(iou[k].mean()) for k in ks},
        "noc": {_percent(q): float(noc[q].mean()) for q in QUALITIES},
        "success": {str(k): _success(curves, k) for k in ks},
        "class_mean_iou": _each(objects, lambda o: class_mean(o, "iou")),
        "class_mean_recall": _each(objects, lambda o: class_mean(o, "recall")),
        "class_aware_ap": _class_aware(objects) if known else None,
        "class_right": _each(objects, _class_right),
        "interval95": _intervals(curves, {k: iou[k] for k in ks}, noc),
        "by_class": by_class(objects) if known else None,
        "by_size": by_size(objects) if known else None,
        "by_objects": by_objects(curves, ks) if known else None,
        "curve": {"clicks": list(iou), "iou": [float(v.mean()) for v in iou.values()]},
    }


def _percent(quality: float) -> str:
    return str(round(100 * quality))


def _object_ious(curve: Curve, clicks: int) -> NDArray[np.float64]:
    row: NDArray[np.float64] = curve.iou[curve.round_at(clicks)]
    return row[~np.isnan(row)]


def _success(curves: Sequence[Curve], clicks: int) -> dict[str, float]:
    iou = np.concatenate([_object_ious(curve, clicks) for curve in curves])
    return {
        "ap": float(np.mean([success_rate(iou, t) for t in THRESHOLDS])),
        **{name: success_rate(iou, t) for name, t in _AP_AT.items()},
    }


def _each(
    objects: Mapping[int, Sequence[Outcome]], figure: Callable[[Sequence[Outcome]], float | None]
) -> dict[str, float] | None:
    """A figure by clicks; None where the objects do not tell it."""
    values = {str(k): figure(group) for k, group in objects.items()}
    known = {k: value for k, value in values.items() if value is not None}
    return known or None


def _class_right(group: Sequence[Outcome]) -> float | None:
    known = [o for o in group if o.expected_class]
    return float(np.mean([o.expected_class == o.given_class for o in known])) if known else None


def _class_aware(objects: Mapping[int, Sequence[Outcome]]) -> dict[str, Any] | None:
    """AP with classes and scores, over the objects that the method has a name for; or None."""
    result: dict[str, Any] = {}
    for k, group in objects.items():
        known = [o for o in group if o.expected_class]
        if not known:
            return None
        true, given = [o.expected_class for o in known], [o.given_class for o in known]
        scores = np.array([o.score for o in known])
        iou = np.array([o.iou for o in known])

        def at(
            threshold: float,
            true: list[str] = true,
            given: list[str] = given,
            scores: NDArray[np.float64] = scores,
            iou: NDArray[np.float64] = iou,
        ) -> float:
            return class_aware_ap(true, given, scores, iou, threshold)

        result[str(k)] = {
            "objects": len(known),
            "ap": float(np.mean([at(t) for t in THRESHOLDS])),
            **{name: at(t) for name, t in _AP_AT.items()},
        }
    return result


def _intervals(
    curves: Sequence[Curve],
    iou: Mapping[int, NDArray[np.float64]],
    noc: Mapping[float, NDArray[np.float64]],
) -> dict[str, list[float]]:
    """95 % intervals, by the name of the figure."""
    one = np.ones(len(curves))
    columns = {f"iou@{k}": (values, one) for k, values in iou.items()}
    columns |= {f"noc@{_percent(q)}": (values, one) for q, values in noc.items()}
    objects = [_object_ious(curve, 1) for curve in curves]
    sizes = np.array([float(len(o)) for o in objects])
    for name, threshold in _AP_AT.items():
        hits = np.array([float((o > threshold).sum()) for o in objects])
        columns[f"{name}@1"] = (hits, sizes)
    hits = np.array([np.mean([(o > t).sum() for t in THRESHOLDS]) for o in objects])
    columns["ap@1"] = (hits, sizes)
    sums = np.stack([c[0] for c in columns.values()], axis=1)
    weights = np.stack([c[1] for c in columns.values()], axis=1)
    ends = intervals(sums, weights)
    return {name: [float(v) for v in row] for name, row in zip(columns, ends, strict=True)}
