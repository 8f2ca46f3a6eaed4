"""Which point of a cloud a click in a picture of it means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SLOPE = 0.004
"""A ray passes a far point closely within so many metres per metre: a quarter of a degree."""


def picked(
    xyz: NDArray[np.floating],
    origin: NDArray[np.floating],
    direction: NDArray[np.floating],
    reach: float,
) -> int | None:
    """Row of the point that a ray meets: of the first ones within reach, the nearest to the ray.

    Args:
        xyz: (N, 3) float, metres; rows with NaN are never met.
        origin: (3,) float, metres, same frame: where the ray begins.
        direction: (3,) float, of any length above 0.
        reach: Metres, how far beside the ray a point may lie; farther away a little more.

    Returns:
        None if the ray meets nothing.
    """
    way = np.asarray(direction, dtype=np.float64)
    way = way / np.linalg.norm(way)
    offset = xyz - np.asarray(origin, dtype=np.float64)
    along = offset @ way
    beside = np.linalg.norm(offset - along[:, None] * way, axis=1)
    near = np.maximum(reach, _SLOPE * along)
    met = np.flatnonzero((along > 0.0) & (beside <= near))
    if len(met) == 0:
        return None
    first = met[np.argmin(along[met])]
    front = met[along[met] <= along[first] + 2.0 * near[first]]
    return int(front[np.argmin(beside[front])])
