"""Points to voxels and back.

The network works on occupied voxels and never sees metres: one voxel is one unit. The voxel size
is therefore an input of the encoding, chosen from the cloud when the caller gives none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.errors import CloudError
from clickseg3d_core.types import PointCloud

MAX_AXIS_VOXELS = 60_000
"""Voxel indices must fit the 16 bits per axis of a serialization code."""

_LEAST_INSIDE = 0.9
_ORIGIN_OFFSET = 0.382
"""Fraction of a voxel between the lowest point and the grid's origin. Recorded coordinates are
often multiples of a round step; an odd offset keeps them off the cell borders, so that shifting
the cloud does not move points between cells."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VoxelGrid:
    """A cloud as occupied voxels.

    Attributes:
        coords: (V, 3) int64, voxel indices >= 0, unique, sorted by key.
        centers: (V, 3) float32, mean position of each voxel's points in voxel units from `origin`.
        rgb: (V, 3) float32, mean color in 0..1, or None.
        normals: (V, 3) float32, mean of the given normals (signs aligned), or None.
        counts: (V,) int64, points per voxel.
        point_to_voxel: (N,) int64, voxel of each point; -1 for non-finite or outlying points.
        origin: (3,) float64, metres, cloud frame: corner of voxel (0, 0, 0).
        voxel_size: Metres per voxel side.
    """

    coords: NDArray[np.int64]
    centers: NDArray[np.float32]
    rgb: NDArray[np.float32] | None
    normals: NDArray[np.float32] | None
    counts: NDArray[np.int64]
    point_to_voxel: NDArray[np.int64]
    origin: NDArray[np.float64]
    voxel_size: float

    def __len__(self) -> int:
        return len(self.coords)

    def containing(self, places: NDArray[np.float64]) -> NDArray[np.int64]:
        """The voxels that places lie in.

        Args:
            places: (K, 3), voxel units from `origin`.

        Returns:
            (K,) int64 rows, -1 where there is no occupied voxel.
        """
        cells = np.floor(np.clip(places, -1.0, MAX_AXIS_VOXELS + 1.0)).astype(np.int64)
        keys, wanted = pack_keys(self.coords), pack_keys(cells)
        rows = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[rows] == wanted, rows, -1)


_FLOOR = 1.0
"""Per cent of the points below what is taken for the floor: stray points lie under it."""


def floor_height(z: NDArray[np.float64]) -> float:
    """Height of the floor under a cloud.

    Args:
        z: (N,) heights of its points, any unit; those that are not finite are left out.
    """
    z = z[np.isfinite(z)]
    return float(np.percentile(z, _FLOOR)) if len(z) else 0.0


def pack_keys(coords: NDArray[np.int64]) -> NDArray[np.int64]:
    """One sortable integer per voxel index.

    Args:
        coords: (V, 3) int64 in -2^18 .. 2^20.
    """
    shifted = coords + (1 << 18)
    return (shifted[:, 0] << 42) | (shifted[:, 1] << 21) | shifted[:, 2]


def automatic_voxel_size(
    xyz: NDArray[np.float64], *, target_voxels: int = 40_000, points_per_voxel: float = 2.0
) -> float:
    """The voxel size in metres that gives about `target_voxels` occupied voxels.

    A sparse cloud is not split finer than `points_per_voxel` on average. The rule follows extent
    and density alike: about 5 mm for a table, 2 to 5 cm for a room, 5 to 20 cm for a street.

    Args:
        xyz: (N, 3) float64, metres, finite.
        target_voxels: Occupied voxels wanted at most, roughly.
        points_per_voxel: Mean points per voxel wanted at least.
    """
    low, high = np.percentile(xyz, [0.5, 99.5], axis=0)
    extent = float((high - low).max())
    if extent <= 0.0:
        return 0.02
    size = extent / 16384.0  # fine enough even if outliers make the extent many times too large
    coords = np.floor((xyz[((xyz >= low) & (xyz <= high)).all(axis=1)] - low) / size)
    codes = np.sort(_interleaved(coords.astype(np.int64)))
    points, distinct = len(xyz), _distinct(codes)
    if distinct < min(points, target_voxels * points_per_voxel):
        points = len(np.unique(xyz, axis=0))  # copies of a point say nothing about density
    target = max(1.0, min(target_voxels, points / points_per_voxel))
    sizes, counts = [size], [distinct]
    while counts[-1] > target:
        codes >>= 3  # cells of twice the size, in order as before
        sizes.append(sizes[-1] * 2.0)
        counts.append(_distinct(codes))
    return _rounded_size(_interpolated_size(sizes, counts, target))


def _interleaved(coords: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) Morton codes of (N, 3) voxel indices in 0..2^21 - 1: z0 y0 x0 z1 y1 x1 ..."""
    code = np.zeros(len(coords), dtype=np.int64)
    for axis in range(3):
        bits = coords[:, axis].copy()
        for shift, mask in _SPREAD:
            bits = (bits | (bits << shift)) & mask
        code |= bits << axis
    return code


_SPREAD = (
    (32, 0x1F00000000FFFF),
    (16, 0x1F0000FF0000FF),
    (8, 0x100F00F00F00F00F),
    (4, 0x10C30C30C30C30C3),
    (2, 0x1249249249249249),
)
"""Steps that put two zeros between the bits of a number."""


def _distinct(ascending: NDArray[np.int64]) -> int:
    return int(np.count_nonzero(ascending[1:] != ascending[:-1])) + min(len(ascending), 1)


def _interpolated_size(sizes: list[float], counts: list[int], target: float) -> float:
    if len(sizes) == 1:
        return sizes[0]
    slope = np.log(counts[-2] / counts[-1])
    fraction = np.log(counts[-2] / target) / slope if slope > 0 else 1.0
    return float(sizes[-2] * 2.0 ** np.clip(fraction, 0.0, 1.0))


def _rounded_size(size: float) -> float:
    """Two significant digits: a tiny change of the cloud then leaves the grid as it is."""
    return float(f"{size:.1e}")


def voxelize(cloud: PointCloud, voxel_size: float | None = None) -> VoxelGrid:
    """Group the points of a cloud into voxels.

    Args:
        cloud: N points, metres.
        voxel_size: Metres; None chooses by `automatic_voxel_size`.

    Raises:
        CloudError: if voxel_size is not a positive finite number, or so small that
            MAX_AXIS_VOXELS do not cover nine tenths of the points.
    """
    finite = np.isfinite(cloud.xyz).all(axis=1)
    xyz = cloud.xyz[finite]
    size = automatic_voxel_size(xyz) if voxel_size is None else float(voxel_size)
    if not (np.isfinite(size) and size > 0):
        raise CloudError(
            f"voxel_size must be a positive number of metres or None for automatic, got {size}"
        )
    inside = _within_reach(xyz, size)
    if inside.mean() < _LEAST_INSIDE:
        reach = np.quantile(np.abs(xyz - np.median(xyz, axis=0)).max(axis=1), _LEAST_INSIDE)
        raise CloudError(
            f"voxel_size {size:g} m is too small for this cloud, of which it would cover "
            f"{100.0 * inside.mean():.0f} %; use {2.1 * reach / MAX_AXIS_VOXELS:.2g} m or more"
        )
    rows = np.flatnonzero(finite)[inside]
    xyz = xyz[inside]
    origin = xyz.min(axis=0) - _ORIGIN_OFFSET * size
    local = (xyz - origin) / size
    keys, inverse = np.unique(pack_keys(np.floor(local).astype(np.int64)), return_inverse=True)
    point_to_voxel = np.full(len(cloud), -1, dtype=np.int64)
    point_to_voxel[rows] = inverse
    counts = np.bincount(inverse, minlength=len(keys))
    return VoxelGrid(
        coords=_unpack_keys(keys),
        centers=_group_mean(local, inverse, counts).astype(np.float32),
        rgb=None
        if cloud.rgb is None
        else (_group_mean(cloud.rgb[rows] / 255.0, inverse, counts)).astype(np.float32),
        normals=None
        if cloud.normals is None
        else _mean_normals(cloud.normals[rows], inverse, counts),
        counts=counts,
        point_to_voxel=point_to_voxel,
        origin=origin,
        voxel_size=size,
    )


def _within_reach(xyz: NDArray[np.float64], size: float) -> NDArray[np.bool_]:
    """Points within MAX_AXIS_VOXELS of each other around the median; far outliers drop out."""
    half = 0.5 * MAX_AXIS_VOXELS * size
    if (np.ptp(xyz, axis=0) <= half).all():
        return np.ones(len(xyz), dtype=bool)
    median = np.median(xyz, axis=0)
    inside = np.asarray((np.abs(xyz - median) < half).all(axis=1), dtype=bool)
    if not inside.any():
        nearest = int(np.argmin(np.abs(xyz - median).max(axis=1)))
        inside = np.asarray((np.abs(xyz - xyz[nearest]) < half).all(axis=1), dtype=bool)
    return inside


def _unpack_keys(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    mask = (1 << 21) - 1
    return np.stack([keys >> 42, (keys >> 21) & mask, keys & mask], axis=1) - (1 << 18)


def _group_mean(
    values: NDArray[np.float64], inverse: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    sums = [np.bincount(inverse, values[:, i], minlength=len(counts)) for i in range(3)]
    return np.stack(sums, axis=1) / counts[:, None]


def _mean_normals(
    normals: NDArray[np.float32], inverse: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Mean direction per voxel; signs are made to agree with each voxel's first normal."""
    clean = np.nan_to_num(normals.astype(np.float64), posinf=0.0, neginf=0.0)
    first = np.zeros((len(counts), 3))
    first[inverse[::-1]] = clean[::-1]
    aligned = clean * np.where((clean * first[inverse]).sum(axis=1) < 0, -1.0, 1.0)[:, None]
    mean = _group_mean(aligned, inverse, counts)
    length = np.linalg.norm(mean, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (mean / np.maximum(length, 1e-9)).astype(np.float32)
    return unit
