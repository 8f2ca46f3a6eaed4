"""Simulated users: where they click first, and where they click next.

Used by training and evaluation alike. The rule is that of AGILE3D's benchmark: errors are grouped
by (true label, predicted label), and the click goes to the point of the largest group that lies
deepest inside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clickseg3d_core.errors import ClickError


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedClick:
    """A click of the simulated user.

    Attributes:
        index: Row of the clicked point.
        label: True label of that point, 0 = background click.
        depth: Distance from the point to the nearest one outside its error group, units of xyz.
    """

    index: int
    label: int
    depth: float


def depths_inside(xyz: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance from each masked point to the nearest point outside the mask.

    Args:
        xyz: (N, 3) float, any unit.
        mask: (N,) bool.

    Returns:
        (mask.sum(),) float64; without any point outside, distances to the centroid count down from
        the farthest, so that the most central point is deepest.
    """
    inside = xyz[mask]
    if mask.all():
        radius = np.linalg.norm(inside - inside.mean(axis=0), axis=1)
        return np.asarray(radius.max() - radius, dtype=np.float64)
    return np.asarray(cKDTree(xyz[~mask]).query(inside)[0], dtype=np.float64)


Depths = Callable[[NDArray[np.floating], NDArray[np.bool_]], NDArray[np.floating]]
"""What `depths_inside` computes, by it or faster."""


def innermost_point(xyz: NDArray[np.floating], mask: NDArray[np.bool_]) -> int:
    """Row of the masked point that is farthest from everything outside the mask.

    Ties go to the lowest row.

    Raises:
        ClickError: if the mask is empty.
    """
    rows = np.flatnonzero(mask)
    if len(rows) == 0:
        raise ClickError("the innermost point of an empty mask does not exist; select some points")
    return int(rows[int(np.argmax(depths_inside(xyz, mask)))])


def error_clicks(
    xyz: NDArray[np.floating],
    truth: NDArray[np.integer],
    prediction: NDArray[np.integer],
    depths: Depths = depths_inside,
) -> list[SimulatedClick]:
    """One candidate click per group of errors, deepest group first.

    A group is every wrong point of the scene with the same true and the same predicted label, not
    a connected part of it. Ties keep the order of 96 * true + 11 * predicted.

    Args:
        xyz: (N, 3) float, metres.
        truth: (N,) int, 0 = background.
        prediction: (N,) int, 0 = background.
        depths: Measures how deep points lie inside a group.
    """
    wrong = truth != prediction
    if not wrong.any():
        return []
    pairs = np.unique(np.stack([truth[wrong], prediction[wrong]], axis=1), axis=0)
    pairs = pairs[np.argsort(96 * pairs[:, 0] + 11 * pairs[:, 1], kind="stable")]
    clicks = []
    for true_label, predicted in pairs:
        group = wrong & (truth == true_label) & (prediction == predicted)
        depth = depths(xyz, group)
        deepest = int(np.argmax(depth))
        row = int(np.flatnonzero(group)[deepest])
        clicks.append(SimulatedClick(index=row, label=int(true_label), depth=float(depth[deepest])))
    return sorted(clicks, key=lambda click: -click.depth)


def next_click(
    xyz: NDArray[np.floating], truth: NDArray[np.integer], prediction: NDArray[np.integer]
) -> SimulatedClick | None:
    """The one click that a user makes next: deepest point of the deepest error group.

    Returns:
        None if the prediction is right everywhere.
    """
    candidates = error_clicks(xyz, truth, prediction)
    return candidates[0] if candidates else None
