"""Where things come to rest: a height map that objects are dropped on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.simulation.mesh import FloatArray, Mesh, surface_samples

_EMPTY = -1e9


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Profile:
    """The lower and upper outline of a mesh over grid cells.

    Attributes:
        cells: (P, 2) int64, covered cells relative to the mesh origin.
        bottom: (P,) float64, lowest surface in each cell, metres.
        top: (P,) float64, highest surface in each cell, metres.
        balance: (2,) float64, footprint center of mass in cells.
    """

    cells: NDArray[np.int64]
    bottom: FloatArray
    top: FloatArray
    balance: FloatArray


def profile(mesh: Mesh, cell: float, rng: np.random.Generator) -> Profile:
    """Sample a mesh into grid cells of `cell` metres."""
    area = float(np.prod(mesh.extent[:2]) + mesh.extent[2] * mesh.extent[:2].sum())
    count = int(np.clip(8.0 * area / cell**2, 300, 20000))
    points = np.concatenate([surface_samples(mesh, count, rng), mesh.vertices])
    index = np.floor(points[:, :2] / cell).astype(np.int64)
    low = index.min(axis=0)
    spread = int(index[:, 1].max() - low[1]) + 1
    key = (index[:, 0] - low[0]) * spread + index[:, 1] - low[1]
    keys, inverse = np.unique(key, return_inverse=True)
    cells = np.stack([keys // spread, keys % spread], axis=1) + low
    bottom, top = np.full(len(cells), np.inf), np.full(len(cells), -np.inf)
    np.minimum.at(bottom, inverse.ravel(), points[:, 2])
    np.maximum.at(top, inverse.ravel(), points[:, 2])
    return Profile(cells=cells, bottom=bottom, top=top, balance=cells.mean(axis=0))


@dataclass(slots=True, eq=False)
class HeightMap:
    """Tops of what stands in a rectangle centered at the origin.

    Attributes:
        size: Side lengths x, y in metres.
        cell: Cell size in metres.
        height: (X, Y) float64, metres above the base, grows with every placed object.
        ceiling: Free height above the base in metres.
    """

    size: tuple[float, float]
    cell: float
    height: FloatArray
    ceiling: float = 10.0

    @classmethod
    def flat(cls, size: tuple[float, float], cell: float, ceiling: float = 10.0) -> HeightMap:
        """An empty rectangle."""
        shape = tuple(max(round(side / cell), 1) for side in size)
        return cls(size=size, cell=cell, height=np.zeros(shape), ceiling=ceiling)

    def cells_at(self, x: float, y: float, shape: Profile) -> NDArray[np.int64] | None:
        """(P, 2) grid cells of a profile at (x, y) metres, or None if it sticks out too far.

        Cells outside are dropped; at most 10 % of them may be.
        """
        offset = np.floor(np.array([x, y]) / self.cell + np.array(self.height.shape) / 2.0)
        cells = shape.cells + offset.astype(np.int64)
        inside = np.all((cells >= 0) & (cells < np.array(self.height.shape)), axis=1)
        return None if inside.mean() < 0.9 else np.where(inside[:, None], cells, -1)

    def rest(self, x: float, y: float, shape: Profile, *, stable: bool = True) -> float | None:
        """Height at which a dropped profile comes to rest, or None if it would topple.

        It rests if its center of mass lies over the box around its contact cells.
        """
        cells = self.cells_at(x, y, shape)
        if cells is None:
            return None
        inside = cells[:, 0] >= 0
        below = np.where(inside, self.height[cells[:, 0], cells[:, 1]], _EMPTY)
        gap = below - shape.bottom
        z = float(gap.max())
        if z + float(shape.top.max()) > self.ceiling:
            return None
        contact = shape.cells[gap > z - 0.004]
        low, high = contact.min(axis=0) - 0.5, contact.max(axis=0) + 0.5
        balanced = bool(((shape.balance >= low) & (shape.balance <= high)).all())
        wide = bool((high - low >= 0.35 * np.ptp(shape.cells, axis=0)).all())
        slim = float(shape.top.max()) > 6.0 * float((high - low).max()) * self.cell
        wide = wide and not slim
        return z if (balanced and wide) or not stable else None

    def occupy(self, x: float, y: float, z: float, shape: Profile) -> None:
        """Raise the map by a profile resting at (x, y, z)."""
        cells = self.cells_at(x, y, shape)
        if cells is None:
            return
        inside = cells[:, 0] >= 0
        rows, columns = cells[inside].T
        np.maximum.at(self.height, (rows, columns), z + shape.top[inside])

    def block(self, spot: FloatArray, size: FloatArray, height: float) -> None:
        """Raise the map to `height` over a rectangle of (2,) `size` around the (2,) `spot`."""
        shift = np.array(self.size) / 2
        low = np.floor((spot - size / 2 + shift) / self.cell + 0.01).astype(int).clip(0)
        high = np.ceil((spot + size / 2 + shift) / self.cell - 0.01).astype(int)
        cells = self.height[low[0] : high[0], low[1] : high[1]]
        np.maximum(cells, height, out=cells)


def slide(
    field: HeightMap, shape: Profile, start: FloatArray, step: FloatArray, level: float
) -> FloatArray:
    """Move a profile from `start` by `step` (both (2,) metres) until it would touch something.

    Returns:
        (2,) last place where it still rested at `level` metres or lower, or `start`.
    """
    place = start
    for _ in range(60):
        z = field.rest(place[0] + step[0], place[1] + step[1], shape, stable=False)
        if z is None or z > level + 0.003:
            return place
        place = place + step
    return place
