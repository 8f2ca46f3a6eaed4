"""How far an object reaches: answers of several sizes, described by their shape and border.

One click leaves open whether the cushion, the sofa, or the sofa and what lies on it is meant.
Cutting the mask logits at several levels gives nested candidates; what tells a good one is not the
logits alone but what the cut looks like: whether its border runs along edges between objects and
changes of color, and whether size, height and shape are those of a thing. `model.judge` learns that
from these terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from clickseg3d_core.edges import Edges
from clickseg3d_core.settling import neighbor_shares
from clickseg3d_core.surface import Surface
from clickseg3d_core.voxels import VoxelGrid, floor_height

CUTS = (-6.0, -4.5, -3.0, -2.0, -1.0, -0.25, 0.5, 1.25, 2.0, 3.0, 4.5, 6.0)
"""Mask logits at which an object may end."""
OPINIONS = 2
"""Masks at most whose mean is cut; what is missing agrees."""
EXTENT_TERMS = 35 + 2 * OPINIONS
SIZE_TERM = 25
"""Which of them is the logarithm of a candidate's voxels."""
LOST = -9.0
"""Logit of a voxel that is certainly not the object's."""

_MIDDLE = CUTS.index(-0.25)
_HELD = CUTS[-1] + 0.01
_BORDER_GAP = 8.0
_CERTAIN = 0.5
"""Border probability from which an edge counts as a border."""
_LEVELS = len(CUTS) + 1
"""How many cuts a voxel passes, 0 to all."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ExtentTable:
    """What all candidates on one cloud are described from.

    Attributes:
        moments: (V, 18) float32: 1, x, y, z, xx, xy, yy, zz in metres from the middle of the
            floor, steepness and its square; of the voxel's edges the number, the sum of the border
            probabilities, the certain borders, and the sum of the changes of color; color without
            its noise (3), and its squared length.
        starts: (V + 1,) int64, where each voxel's neighbors start in the next two.
        neighbors: (2E,) int32 voxels.
        border: (2E,) float64 probability that the edge lies between two objects.
        change: (2E,) float64 difference of colors; 0 without color.
        shares: (V, V) float32, how much each neighbor counts, see `settling`.
        features: (V, C) float32 of the network, as the judge sees them; C may be 0.
        height: Of the cloud, metres.
        voxel_size: Metres.
    """

    moments: NDArray[np.float32]
    starts: NDArray[np.int64]
    neighbors: NDArray[np.int32]
    border: NDArray[np.float64]
    change: NDArray[np.float64]
    shares: csr_matrix
    features: NDArray[np.float32]
    height: float
    voxel_size: float

    @classmethod
    def of(
        cls,
        grid: VoxelGrid,
        surface: Surface,
        edges: Edges,
        border: NDArray[np.float32],
        features: NDArray[np.float32],
    ) -> ExtentTable:
        """Of a cloud of V voxels.

        Args:
            grid: Voxels.
            surface: Their normals.
            edges: Their E edges.
            border: (E,) probability that an edge lies between two objects.
            features: (V, C) of the network, as the judge sees them.
        """
        place = grid.centers.astype(np.float64) * grid.voxel_size
        floor, top = floor_height(place[:, 2]), float(np.percentile(place[:, 2], 99.0))
        x, y, z = (place - [*np.median(place[:, :2], axis=0), floor]).T
        steep = np.abs(surface.normals[:, 2])
        one, other = np.concatenate([edges.pairs, edges.pairs[:, ::-1]]).T
        order = np.argsort(one, kind="stable")
        both = np.concatenate([border, border]).astype(np.float64)
        tint = np.zeros_like(grid.centers) if surface.tint is None else surface.tint
        change = np.concatenate([edges.change, edges.change]).astype(np.float64)
        sums = [
            np.bincount(one, values, len(x)) for values in (None, both, both > _CERTAIN, change)
        ]
        columns = [np.ones(len(x)), x, y, z, x * x, x * y, y * y, z * z, steep, steep * steep]
        columns += [*sums, *tint.T, (tint * tint).sum(axis=1)]
        starts = np.searchsorted(one[order], np.arange(len(x) + 1))
        return cls(
            moments=np.stack(columns, axis=1).astype(np.float32),
            starts=starts,
            neighbors=other[order].astype(np.int32),
            border=both[order],
            change=change[order],
            shares=neighbor_shares(starts, other[order], both[order]),
            features=features,
            height=top - floor,
            voxel_size=grid.voxel_size,
        )

    def describe(
        self,
        logits: NDArray[np.float32],
        clicked: NDArray[np.int64],
        others: int,
        opinions: Sequence[NDArray[np.float32]] = (),
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """The candidates of one object.

        Args:
            logits: (V,) of its mask; LOST where it cannot be.
            clicked: Its clicked voxels, which belong to every candidate; at least one.
            others: Clicks of the user that are not on it.
            opinions: P masks (V,) whose mean `logits` is, at most OPINIONS.

        Returns:
            (T, EXTENT_TERMS) and (T, C) float32, a row for each of CUTS: terms, and the mean of
            the features; (C,) float32, their mean over the clicked voxels.
        """
        clicked = np.unique(clicked)
        reached = logits > CUTS[0]
        reached[clicked] = True
        members = np.flatnonzero(reached)
        value = logits[members]
        value[np.searchsorted(members, clicked)] = _HELD
        level = np.full(len(logits), -1, dtype=np.int8)  # small: it is read once for every edge
        level[members] = np.searchsorted(CUTS, value) - 1
        own = level[members]
        sums = _nested(own, self.moments[members])
        logit = _nested(own, np.stack([value, value * value], axis=1))
        border = self._border(members, own, level, logits, sums[:, 10:14])
        terms = np.concatenate(
            [self._edges(sums[:, 0], logit, border, len(clicked), others),
             self._shape(sums, self.moments[clicked, 1:4].mean(axis=0)),
             _colors(sums, border, self.moments[clicked, 14:17].mean(axis=0)),
             _agreement(level, sums[:, 0], opinions)],
            axis=1,
        )  # fmt: skip
        inside = _nested(own, self.features[members]) / sums[:, :1]
        at_clicks = self.features[clicked].mean(axis=0)
        return terms.astype(np.float32), inside.astype(np.float32), at_clicks

    def _border(
        self,
        members: NDArray[np.int64],
        own: NDArray[np.int8],
        level: NDArray[np.int8],
        logits: NDArray[np.float32],
        edges: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Sums (T, 9) over the edges that lead out, and over those within.

        Out: number, border probability, certain borders, change of color, step in logit. Within:
        the first four, which are those (T, 4) of all edges of the voxels less what leads out.
        """
        count = self.starts[members + 1] - self.starts[members]
        first = np.repeat(self.starts[members] - (np.cumsum(count) - count), count)
        edge = np.arange(count.sum()) + first
        down = np.flatnonzero(level[self.neighbors[edge]] < np.repeat(own, count))
        member = np.searchsorted(np.cumsum(count), down, side="right")
        edge = edge[down]
        to, weight = self.neighbors[edge], self.border[edge]
        pair = (own[member].astype(np.int64) + 1) * _LEVELS + level[to] + 1
        step = np.clip(logits[members[member]] - logits[to], 0.0, _BORDER_GAP)
        size = _LEVELS * _LEVELS
        sums: list[NDArray[Any]] = [
            np.bincount(pair, values, size).reshape(_LEVELS, _LEVELS)
            for values in (None, weight, weight > _CERTAIN, self.change[edge], step)
        ]
        out = np.stack([_leading_out(s) for s in sums], axis=1)
        return np.concatenate([out, np.maximum(edges - out[:, :4], 0.0)], axis=1)

    @staticmethod
    def _edges(
        count: NDArray[np.float64],
        logit: NDArray[np.float64],
        border: NDArray[np.float64],
        clicks: int,
        others: int,
    ) -> NDArray[np.float64]:
        """(T, 14): the cut, the clicks, how the size changes, and what the border runs along."""
        out, inside = np.maximum(border[:, :1], 1.0), np.maximum(border[:, 5:6], 1.0)
        mean = logit[:, 0] / count
        same = np.ones(len(count))
        return np.stack(
            [np.array(CUTS), clicks * same, others * same, np.log(count / count[_MIDDLE]),
             border[:, 0] / count, np.log1p(border[:, 0]), *(border[:, [1, 2, 4]] / out).T,
             *(border[:, 6:8] / inside).T, np.log1p(border[:, 7]), mean,
             np.sqrt(np.maximum(logit[:, 1] / count - mean * mean, 0.0))],
            axis=1,
        )  # fmt: skip

    def _shape(self, sums: NDArray[np.float64], click: NDArray[np.float32]) -> NDArray[np.float64]:
        """(T, 17): sizes along and across in plan, upright, heights, area, slope, click's place."""
        count, mean = sums[:, 0], sums / sums[:, :1]
        x, y, z = mean[:, 1:4].T
        xx, xy, yy, zz = (mean[:, 4:8] - np.stack([x * x, x * y, y * y, z * z], axis=1)).T
        middle, spread = (xx + yy) / 2.0, np.hypot((xx - yy) / 2.0, xy)
        least = self.voxel_size**2 / 12.0  # a voxel's own
        long, wide, tall = np.sqrt(
            np.maximum(np.stack([middle + spread, middle - spread, zz]), 0.0) + least
        )
        area, same = count * self.voxel_size**2, np.ones(len(count))
        steep = mean[:, 8]
        away = np.linalg.norm(mean[:, 1:4] - click, axis=1) / (long + tall)
        return np.stack(
            [np.log(long), np.log(wide), np.log(tall), z, z - 1.7 * tall, z + 1.7 * tall,
             self.height - z, self.height * same, np.log(area), np.log(area / (long * wide)),
             np.log(area / (long * tall)), np.log(count), np.log(self.voxel_size) * same, steep,
             np.sqrt(np.maximum(mean[:, 9] - steep * steep, 0.0)), away, z - click[2]],
            axis=1,
        )  # fmt: skip


def _colors(
    sums: NDArray[np.float64], border: NDArray[np.float64], click: NDArray[np.float32]
) -> NDArray[np.float64]:
    """(T, 4): change across the border and within, spread, and how far from the click's color."""
    mean = sums / sums[:, :1]
    color = mean[:, 14:17]
    spread = np.sqrt(np.maximum(mean[:, 17] - (color * color).sum(axis=1), 0.0))
    out, inside = np.maximum(border[:, 0], 1.0), np.maximum(border[:, 5], 1.0)
    away = np.linalg.norm(color - click, axis=1)
    return np.stack([border[:, 3] / out, border[:, 8] / inside, spread, away], axis=1)


def _agreement(
    level: NDArray[np.int8], count: NDArray[np.float64], opinions: Sequence[NDArray[np.float32]]
) -> NDArray[np.float64]:
    """(T, 2 * OPINIONS): part of the candidate that each opinion has too, and how large its own is.

    Args:
        level: (V,) cuts that each voxel passes, less one.
        count: (T,) voxels of each candidate.
        opinions: (V,) mask logits each.
    """
    terms = np.zeros((len(CUTS), 2 * OPINIONS))
    terms[:, ::2] = 1.0
    for number, opinion in enumerate(opinions):
        members = np.flatnonzero(opinion > CUTS[0])
        own = np.searchsorted(CUTS, opinion[members]) - 1
        size = _passing(own)
        terms[:, 2 * number] = _passing(np.minimum(own, level[members])) / count
        terms[:, 2 * number + 1] = np.log((size + 1.0) / (count + 1.0))
    return terms


def _passing(level: NDArray[Any]) -> NDArray[np.float64]:
    """(T,) how many pass each cut."""
    sums = np.bincount(level + 1, minlength=_LEVELS)[1:]
    return np.asarray(np.cumsum(sums[::-1])[::-1], np.float64)


def _nested(level: NDArray[np.int8], values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sums (T, D) of (S, D) values over the voxels that pass each cut."""
    passed = np.zeros((len(CUTS), len(level)), dtype=np.float32)
    passed[level, np.arange(len(level))] = 1.0
    sums = (passed @ values).astype(np.float64)
    return np.asarray(np.cumsum(sums[::-1], axis=0)[::-1])


def _leading_out(sums: NDArray[Any]) -> NDArray[np.float64]:
    """(T,) from sums by level of both ends: one passes the cut, the other does not."""
    above = np.cumsum(sums[::-1], axis=0)[::-1]
    return np.diagonal(np.cumsum(above, axis=1), offset=-1).astype(np.float64)
