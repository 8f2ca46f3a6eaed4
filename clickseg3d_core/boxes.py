"""Oriented bounding boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from clickseg3d_core.types import OrientedBox

_ENOUGH = 1000
"""Points that the polygon of extremes is chosen from."""


def upright_box(xyz: NDArray[np.float64]) -> OrientedBox:
    """Smallest box around points among those whose third axis is the cloud's z.

    The footprint is the rectangle of least area around the points' convex hull in x and y, found
    by trying the direction of every hull edge.

    Args:
        xyz: (N, 3) float64, metres, N >= 1.
    """
    middle = xyz.mean(axis=0)  # far from the origin (UTM) areas would lose their digits
    xyz = xyz - middle
    hull = _footprint(xyz[:, :2])
    edges = np.diff(np.vstack([hull, hull[:1]]), axis=0)
    angles = np.unique(np.round(np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2), 9))
    cos, sin = np.cos(angles), np.sin(angles)
    axes = np.stack(
        [np.stack([cos, sin], 1), np.stack([-sin, cos], 1)], axis=2
    )  # (A, 2, 2) columns
    turned = np.einsum("hi,aij->ahj", hull, axes)
    low, high = turned.min(axis=1), turned.max(axis=1)
    best = int(np.argmin(np.prod(high - low, axis=1)))
    rotation = np.eye(3)
    rotation[:2, :2] = axes[best]
    z_low, z_high = float(xyz[:, 2].min()), float(xyz[:, 2].max())
    center = np.append(axes[best] @ ((low[best] + high[best]) / 2), (z_low + z_high) / 2)
    extent = np.append(high[best] - low[best], z_high - z_low)
    return OrientedBox(center=center + middle, extent=extent, rotation=rotation)


def _footprint(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corners of the convex hull; all points where they are too few or in one line."""
    if len(xy) < 3:
        return xy
    xy = _outer(xy)
    try:
        corners: NDArray[np.float64] = xy[ConvexHull(xy).vertices]
        return corners
    except QhullError:
        along = np.linalg.svd(xy - xy.mean(axis=0), full_matrices=False)[2][0]
        ends = np.argsort(xy @ along)[[0, -1]]
        return xy[ends]


def _outer(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without points strictly inside the polygon of extremes in 16 directions (Akl, Toussaint).

    None of these can be a hull corner, and they are nearly all of a large object.
    """
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    across = np.ascontiguousarray(xy.T)  # (2, N): long rows reduce many times faster
    few = slice(None, None, max(len(xy) // _ENOUGH, 1))  # any points of the cloud will do
    reach = np.stack([np.cos(angles), np.sin(angles)], 1) @ across[:, few]
    corners = xy[few][np.unique(reach.argmax(axis=1))]
    if len(corners) < 3:
        return xy
    order = np.argsort(np.arctan2(*(corners - corners.mean(axis=0)).T[::-1]))
    start = corners[order]
    edge = np.roll(start, -1, axis=0) - start
    normal = np.stack([-edge[:, 1], edge[:, 0]], axis=1)
    depth = normal @ across - (start * normal).sum(axis=1)[:, None]
    kept: NDArray[np.float64] = xy[depth.min(axis=0) <= 1e-12]
    return kept if len(kept) >= 3 else xy
