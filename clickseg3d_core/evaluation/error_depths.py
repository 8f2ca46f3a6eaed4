"""How deep each error lies inside its group, for one scene and many predictions.

The rule of `clickseg3d_core.clicks` measures the distance from every wrong point to the nearest
point outside its group of errors, and clicks the deepest. AGILE3D computes all pairs of distances
for that, (points in the group) x (points outside). Here the nearest neighbors of every point are
looked up once per scene. An error near the border of its group, which nearly all are, finds its
depth among them. An error farther inside gets an upper bound from its neighbors: it lies at most as
much deeper as they are away. Only errors that may be the deepest by that bound are searched for in
a tree of the points outside. The deepest error and its depth are those of the dense computation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clickseg3d_core.clicks import SimulatedClick, depths_inside

NEIGHBORS = 16
_SEARCHED_AT_ONCE = 256
_ROUNDING = 1.0 + 1e-9


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Errors:
    """Wrong points of one prediction.

    Attributes:
        rows: (W,) int64 rows of the wrong points.
        owner: (N,) int64 group of each point, -1 = right.
        depth: (W,) float64 depth, or an upper bound of it.
        exact: (W,) bool.
    """

    rows: NDArray[np.int64]
    owner: NDArray[np.int64]
    depth: NDArray[np.float64]
    exact: NDArray[np.bool_]


class ErrorDepths:
    """A scene prepared for the search of the next click.

    Args:
        xyz: (N, 3) float64, metres: the points that the user sees.
    """

    def __init__(self, xyz: NDArray[np.float64]) -> None:
        self.xyz = np.ascontiguousarray(xyz, dtype=np.float64)
        k = min(NEIGHBORS + 1, len(xyz))
        found = cKDTree(self.xyz).query(self.xyz, k=range(1, k + 1))
        self._distance = np.asarray(found[0], dtype=np.float64)
        self._neighbor = np.asarray(found[1], dtype=np.int32)

    def every_group(
        self, truth: NDArray[np.integer], prediction: NDArray[np.integer]
    ) -> list[SimulatedClick]:
        """One click per group of errors, deepest group first; equals `clicks.error_clicks`.

        Args:
            truth: (N,) int, 0 = background.
            prediction: (N,) int, 0 = background.
        """
        groups, errors = self._errors(truth, prediction)
        deepest = [self._deepest(errors, number, -np.inf) for number in range(len(groups))]
        clicks = [
            SimulatedClick(
                index=int(errors.rows[i]), label=int(group[0]), depth=float(errors.depth[i])
            )
            for group, i in zip(groups, deepest, strict=True)
            if i is not None
        ]
        return sorted(clicks, key=lambda click: -click.depth)

    def largest_group(
        self,
        truth: NDArray[np.integer],
        prediction: NDArray[np.integer],
        *,
        last_of_equals: bool = False,
    ) -> SimulatedClick | None:
        """The click in the deepest group of errors; equals `clicks.next_click`.

        Args:
            truth: (N,) int, 0 = background.
            prediction: (N,) int, 0 = background.
            last_of_equals: Of equally deep groups take the last by key, not the first.

        Returns:
            None if the prediction is right everywhere.
        """
        groups, errors = self._errors(truth, prediction)
        best: SimulatedClick | None = None
        numbers = range(len(groups))
        for number in reversed(numbers) if last_of_equals else numbers:
            group = groups[number]
            i = self._deepest(errors, number, -np.inf if best is None else best.depth)
            if i is not None and (best is None or errors.depth[i] > best.depth):
                best = SimulatedClick(
                    index=int(errors.rows[i]), label=int(group[0]), depth=float(errors.depth[i])
                )
        return best

    def _errors(
        self, truth: NDArray[np.integer], prediction: NDArray[np.integer]
    ) -> tuple[NDArray[np.int64], _Errors]:
        """(G, 2) pairs of true and predicted label in the order of their key, and the errors."""
        rows = np.flatnonzero(truth != prediction)
        pairs = np.stack([truth[rows], prediction[rows]], axis=1).astype(np.int64)
        groups, group = np.unique(pairs, axis=0, return_inverse=True)
        order = np.argsort(96 * groups[:, 0] + 11 * groups[:, 1], kind="stable")
        owner = np.full(len(self.xyz), -1, dtype=np.int64)
        owner[rows] = np.argsort(order)[group]
        outside = owner[self._neighbor[rows]] != owner[rows][:, None]
        first = outside.argmax(axis=1)
        exact = outside[np.arange(len(rows)), first]
        depth = np.where(exact, self._distance[rows, first], np.inf)
        self._bound(rows, depth, np.flatnonzero(~exact))
        return groups[order], _Errors(rows=rows, owner=owner, depth=depth, exact=exact)

    def _bound(
        self, rows: NDArray[np.int64], depth: NDArray[np.float64], inner: NDArray[np.int64]
    ) -> None:
        """Lower the upper bounds of inner points until none changes."""
        place = np.zeros(len(self.xyz), dtype=np.int64)
        place[rows] = np.arange(len(rows))
        neighbor = place[self._neighbor[rows[inner]]]  # all in the point's own group
        away = self._distance[rows[inner]] * _ROUNDING
        while len(inner):
            bound = (depth[neighbor] + away).min(axis=1)
            lower = bound < depth[inner]
            if not lower.any():
                return
            depth[inner[lower]] = bound[lower]

    def _deepest(self, errors: _Errors, number: int, least: float) -> int | None:
        """Place among the wrong points of a group's deepest one; None if it is not `least` deep."""
        mine = np.flatnonzero(errors.owner[errors.rows] == number)
        depth, exact = errors.depth, errors.exact
        if len(mine) == len(self.xyz):
            depth[mine] = depths_inside(self.xyz, np.ones(len(mine), dtype=bool))
            exact[mine] = True
        candidates = mine[~exact[mine]]
        candidates = candidates[np.argsort(-depth[candidates], kind="stable")]
        best = max(least, float(depth[mine[exact[mine]]].max(initial=-np.inf)))
        tree: cKDTree | None = None
        for start in range(0, len(candidates), _SEARCHED_AT_ONCE):
            part = candidates[start : start + _SEARCHED_AT_ONCE]
            if depth[part[0]] < best:
                break
            if tree is None:
                tree = self._tree_outside(errors, number, candidates)
            depth[part] = tree.query(self.xyz[errors.rows[part]])[0]
            exact[part] = True
            best = max(best, float(depth[part].max()))
        known = mine[exact[mine]]
        if len(known) == 0 or depth[known].max() < least:
            return None
        return int(known[int(np.argmax(depth[known]))])

    def _tree_outside(self, errors: _Errors, number: int, inner: NDArray[np.int64]) -> cKDTree:
        """Points outside a group that can be nearest to one of its inner points."""
        outside = errors.owner != number
        reach, mine = float(errors.depth[inner].max()), self.xyz[errors.rows[inner]]
        if np.isfinite(reach):
            low, high = mine.min(axis=0) - reach, mine.max(axis=0) + reach
            outside &= ((self.xyz >= low) & (self.xyz <= high)).all(axis=1)
        return cKDTree(self.xyz[outside])
