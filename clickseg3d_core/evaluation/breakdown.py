"""Figures by class, by size of the object and by number of objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from clickseg3d_core.evaluation.curves import Curve, mean_iou_at

SIZES: tuple[tuple[str, float], ...] = (
    ("under 0.25 m", 0.25),
    ("0.25 to 0.5 m", 0.5),
    ("0.5 to 1 m", 1.0),
    ("1 to 2 m", 2.0),
    ("2 to 4 m", 4.0),
    ("4 m and more", np.inf),
)
"""Bins of the diagonal of an object's bounding box, and their upper ends in metres."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What some number of clicks per object achieved for one object.

    Attributes:
        class_name: "" = unknown.
        expected_class: The same in the method's vocabulary, "" = it has no name for it.
        given_class: What the method called it, "" = nothing.
        score: Class score times mask score.
        iou: IoU with the object.
        recall: Part of the object that was found.
        extent: Diagonal of the object's bounding box, metres.
    """

    class_name: str
    expected_class: str
    given_class: str
    score: float
    iou: float
    recall: float
    extent: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Vocabulary:
    """The class names of a method.

    Attributes:
        names: All of them; empty if it names none.
        of_data: Its names, by those of the data where they differ.
    """

    names: tuple[str, ...] = ()
    of_data: Mapping[str, str] = field(default_factory=dict)

    def expected(self, class_name: str) -> str:
        """What the method should call a class of the data, "" = it has no name for it."""
        name = self.of_data.get(class_name, class_name)
        return name if name in self.names else ""


def outcomes(curves: Sequence[Curve], clicks: int, vocabulary: Vocabulary) -> list[Outcome]:
    """Outcome of every object that has points; none for curves that know their mean only.

    Args:
        curves: The episodes.
        clicks: Clicks per object.
        vocabulary: The method's class names.
    """
    found = []
    for curve in curves:
        row = curve.round_at(clicks)
        named = curve.named_at(clicks)
        for i, target in enumerate(curve.targets):
            if np.isnan(curve.iou[row, i]) or curve.recall is None:
                continue
            given, class_score, mask_score = named[i]
            found.append(
                Outcome(
                    class_name=target.class_name,
                    expected_class=vocabulary.expected(target.class_name),
                    given_class=given,
                    score=class_score * mask_score,
                    iou=float(curve.iou[row, i]),
                    recall=float(curve.recall[row, i]),
                    extent=target.extent,
                )
            )
    return found


def class_mean(group: Sequence[Outcome], what: Literal["iou", "recall"]) -> float | None:
    """Mean over classes of the mean over their objects; None if no class is known."""
    classes: dict[str, list[float]] = defaultdict(list)
    for outcome in group:
        if outcome.class_name:
            classes[outcome.class_name].append(getattr(outcome, what))
    return float(np.mean([np.mean(v) for _, v in sorted(classes.items())])) if classes else None


def by_class(objects: Mapping[int, Sequence[Outcome]]) -> dict[str, Any]:
    """Objects and mean IoU per class, by clicks per object."""
    return _groups(objects, lambda o: o.class_name or "unknown")


def by_size(objects: Mapping[int, Sequence[Outcome]]) -> dict[str, Any]:
    """Objects and mean IoU per bin of `SIZES`, by clicks per object."""
    groups = _groups(objects, _size_of)
    return {name: groups[name] for name, _ in SIZES if name in groups}


def by_objects(curves: Sequence[Curve], clicks: Sequence[int]) -> dict[str, Any]:
    """Episodes and mean IoU per number of objects in the episode, by clicks per object."""
    result = {}
    for number in sorted({curve.per_object for curve in curves}):
        group = [curve for curve in curves if curve.per_object == number]
        result[str(number)] = {
            "episodes": len(group),
            "iou": {str(k): float(mean_iou_at(group, k).mean()) for k in clicks},
        }
    return result


def _size_of(outcome: Outcome) -> str:
    return next(name for name, end in SIZES if outcome.extent < end)


def _groups(
    objects: Mapping[int, Sequence[Outcome]], name_of: Callable[[Outcome], str]
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for k, group in objects.items():
        ious: dict[str, list[float]] = defaultdict(list)
        for outcome in group:
            ious[name_of(outcome)].append(outcome.iou)
        for name, values in sorted(ious.items()):
            entry = result.setdefault(name, {"objects": len(values), "iou": {}})
            entry["iou"][str(k)] = float(np.mean(values))
    return result
