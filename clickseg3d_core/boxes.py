"""Oriented bounding boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from clickseg3d_core.types import OrientedBox

_ENOUGH = 1000
"""Points that the polygon of extremes is chosen from."""
_DIRECTIONS = 12


def upright_box(
    xyz: NDArray[np.float64], upright: NDArray[np.float64] | None = None
) -> OrientedBox:
    """Smallest box around points among those whose third axis points up.

    Args:
        xyz: (N, 3) float64, metres, N >= 1.
        upright: (3, 3) rotation from their frame to one in which z is up; None: z is up.

    Returns:
        The box in the frame of the points.
    """
    if upright is None:
        return _box_along_z(xyz)
    box = _box_along_z(xyz @ upright.T)
    return OrientedBox(
        center=box.center @ upright, extent=box.extent, rotation=upright.T @ box.rotation
    )


def _box_along_z(xyz: NDArray[np.float64]) -> OrientedBox:
    """The footprint is the rectangle of least area around the points' convex hull in x and y.

    It is found by trying the direction of every hull edge.
    """
    across = np.ascontiguousarray(xyz.T)  # (3, N): long rows reduce many times faster
    middle = across.mean(axis=1)  # far from the origin (UTM) areas would lose their digits
    across -= middle[:, None]
    hull = _footprint(across[:2])
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
    z_low, z_high = float(across[2].min()), float(across[2].max())
    center = np.append(axes[best] @ ((low[best] + high[best]) / 2), (z_low + z_high) / 2)
    extent = np.append(high[best] - low[best], z_high - z_low)
    return OrientedBox(center=center + middle, extent=extent, rotation=rotation)


def _footprint(across: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, N) points -> (A, 2) corners of the hull; all where they are too few or in one line."""
    if across.shape[1] < 3:
        return across.T
    xy = _outer(across)
    try:
        corners: NDArray[np.float64] = xy[ConvexHull(xy).vertices]
        return corners
    except QhullError:
        along = np.linalg.svd(xy - xy.mean(axis=0), full_matrices=False)[2][0]
        ends = np.argsort(xy @ along)[[0, -1]]
        return xy[ends]


def _outer(across: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, N) points -> (M, 2) without those inside a polygon of extremes (Akl, Toussaint).

    None of these can be a hull corner, and they are nearly all of a large object.
    """
    angles = np.linspace(0, 2 * np.pi, _DIRECTIONS, endpoint=False)
    few = across[:, :: max(across.shape[1] // _ENOUGH, 1)]  # any points of the cloud will do
    reach = np.stack([np.cos(angles), np.sin(angles)], 1) @ few
    corners = few.T[np.unique(reach.argmax(axis=1))]
    if len(corners) < 3:
        return across.T
    order = np.argsort(np.arctan2(*(corners - corners.mean(axis=0)).T[::-1]))
    start = corners[order]
    edge = np.roll(start, -1, axis=0) - start
    normal = np.stack([-edge[:, 1], edge[:, 0]], axis=1)
    depth = normal @ across
    depth -= (start * normal).sum(axis=1)[:, None]
    kept = np.flatnonzero(depth.min(axis=0) <= 1e-12)
    return across[:, kept].T if len(kept) >= 3 else across.T
