"""What the simulated user sees of a cloud: one point per voxel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.errors import CloudError

_MOST_CELLS = 2.0**62


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class View:
    """One point for each of U voxels, in file order.

    Attributes:
        rows: (U,) int64, ascending rows of the cloud: the first point of each voxel.
        owner: (N,) int64, voxel of each point; -1 for points outside the grid.
    """

    rows: NDArray[np.int64]
    owner: NDArray[np.int64]


def protocol_view(xyz: NDArray[np.float32], voxel_size: float) -> View:
    """Voxels as AGILE3D's loader makes them.

    Coordinates count from the minimum of each axis, in float32; each voxel is the first of its
    points, and voxels are in the order of those points (Minkowski Engine's `sparse_quantize` on a
    CPU).

    Args:
        xyz: (N, 3) float32, metres; rows with NaN or Inf are in no voxel.
        voxel_size: Metres.

    Raises:
        CloudError: if the cloud is too wide for voxels of this size.
    """
    finite = np.flatnonzero(np.isfinite(xyz).all(axis=1))
    local = (xyz[finite] - xyz[finite].min(axis=0)).astype(np.float32)
    cells = np.floor(local / np.float32(voxel_size)).astype(np.int64)
    spans = cells.max(axis=0) + 1
    if np.prod(spans.astype(np.float64)) > _MOST_CELLS:
        raise CloudError(
            f"a cloud of {' x '.join(f'{v:.3g}' for v in local.max(axis=0))} m is too wide for the "
            f"protocol's voxels of {voxel_size:g} m; remove the outliers or give a larger size"
        )
    keys = (cells[:, 0] * spans[1] + cells[:, 1]) * spans[2] + cells[:, 2]
    owner = np.full(len(xyz), -1, dtype=np.int64)
    owner[finite] = np.unique(keys, return_inverse=True)[1]
    return view_of(owner)


def view_of(owner: NDArray[np.int64]) -> View:
    """The view of any grid.

    Args:
        owner: (N,) int64, voxel of each point, in any numbering; -1 for points outside.
    """
    inside = np.flatnonzero(owner >= 0)
    _, first, inverse = np.unique(owner[inside], return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    renumbered = np.full(len(owner), -1, dtype=np.int64)
    renumbered[inside] = np.argsort(order)[inverse]
    return View(rows=inside[first[order]], owner=renumbered)
