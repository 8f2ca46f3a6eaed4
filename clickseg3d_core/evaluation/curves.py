"""IoU against clicks of many episodes, in the form that every metric is computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.evaluation.episode import NAMELESS, Named
from clickseg3d_core.evaluation.stage import Target
from clickseg3d_core.evaluation.trace import EpisodeRecord


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Curve:
    """One episode with O objects, R rounds. The last round stands for all later ones.

    Attributes:
        key: Name of the episode.
        per_object: O, by which clicks are divided.
        counts: (R,) int64, ascending counts of clicks.
        iou: (R, O) float64, NaN for an object without points; (R, 1) their mean where no more is
            known.
        mean_iou: (R,) float64, mean over the objects that have points.
        recall: (R, O) float64, or None where not known.
        targets: The objects; empty where not known.
        named: What the method said of the objects, by count.
    """

    key: str
    per_object: int
    counts: NDArray[np.int64]
    iou: NDArray[np.float64]
    mean_iou: NDArray[np.float64]
    recall: NDArray[np.float64] | None
    targets: tuple[Target, ...]
    named: Mapping[int, tuple[Named, ...]]

    def round_at(self, clicks: int) -> int:
        """Row of the round after `clicks` clicks per object."""
        return int(np.searchsorted(self.counts, clicks * self.per_object, side="right")) - 1

    def named_at(self, clicks: int) -> tuple[Named, ...]:
        """What the method said after `clicks` clicks per object."""
        known = [count for count in self.named if count <= clicks * self.per_object]
        return self.named[max(known)] if known else (NAMELESS,) * len(self.targets)


def curve_of(record: EpisodeRecord) -> Curve | None:
    """The curve of a trace's episode; None if the protocol left its object out.

    Raises:
        FileFormatError: if a round has no IoU at all.
    """
    if not record.counts:
        return None
    iou = np.array(record.iou, dtype=np.float64)
    if np.isnan(iou).all(axis=1).any():
        raise FileFormatError(f"episode {record.key!r} has a round without any IoU")
    return Curve(
        key=record.key,
        per_object=len(record.targets),
        counts=np.array(record.counts, dtype=np.int64),
        iou=iou,
        mean_iou=np.asarray(np.nanmean(iou, axis=1), dtype=np.float64),
        recall=np.array(record.recall, dtype=np.float64),
        targets=record.targets,
        named=record.named,
    )


def mean_iou_at(curves: Sequence[Curve], clicks: int) -> NDArray[np.float64]:
    """(E,) mean IoU of each episode after `clicks` clicks per object."""
    return np.array([curve.mean_iou[curve.round_at(clicks)] for curve in curves])


def clicks_to_reach(curves: Sequence[Curve], iou: float, cap: int) -> NDArray[np.float64]:
    """(E,) clicks per object until the mean IoU of an episode is at least `iou`.

    Fractions of a click per object count; an episode that never gets there counts as `cap`.
    """
    return np.array([_clicks_to_reach(curve, iou, cap) for curve in curves])


def _clicks_to_reach(curve: Curve, iou: float, cap: int) -> float:
    reached = np.flatnonzero(curve.mean_iou >= iou)
    return float(curve.counts[reached[0]]) / curve.per_object if len(reached) else float(cap)
