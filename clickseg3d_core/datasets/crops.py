"""Columns cut out of a scene: boxes in x and y over the full height."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.data.scene import Scene

Corner = NDArray[np.float64]


class Cropper:
    """Cuts many columns out of one large scene, looking at a slab of it for each.

    Args:
        scene: The scan; points without position are in no column.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        finite = np.flatnonzero(np.isfinite(scene.xyz).all(axis=1))
        self._by_x = finite[np.argsort(scene.xyz[finite, 0], kind="stable")]
        self._x = scene.xyz[self._by_x, 0].astype(np.float64)  # of the type of what is looked up
        self._bounds = _bounds(scene, finite)

    def square(self, instance: int, side: float) -> Scene:
        """The column, side in metres, around the middle of an object's bounding box."""
        low, high = self._bounds[instance]
        middle = (low + high) / 2
        return self._cut(middle - side / 2, middle + side / 2)

    def around(self, ids: Sequence[int], margin: float) -> Scene:
        """The column so many metres wider on each side than the bounding box of some objects."""
        lows, highs = zip(*(self._bounds[i] for i in ids), strict=True)
        return self._cut(np.min(lows, axis=0) - margin, np.max(highs, axis=0) + margin)

    def _cut(self, low: Corner, high: Corner) -> Scene:
        first = np.searchsorted(self._x, low[0], side="left")
        rows = self._by_x[first : np.searchsorted(self._x, high[0], side="right")]
        y = self.scene.xyz[rows, 1]
        return self.scene.take(np.sort(rows[(y >= low[1]) & (y <= high[1])]))


def _bounds(scene: Scene, finite: NDArray[np.int64]) -> dict[int, tuple[Corner, Corner]]:
    """Lowest and highest x, y of each instance, (2,) float64."""
    rows = finite[np.argsort(scene.instance[finite], kind="stable")]
    ids, starts = np.unique(scene.instance[rows], return_index=True)
    xy = scene.xyz[rows, :2].astype(np.float64)
    lows, highs = np.minimum.reduceat(xy, starts), np.maximum.reduceat(xy, starts)
    return dict(zip(ids.tolist(), zip(lows, highs, strict=True), strict=True))
