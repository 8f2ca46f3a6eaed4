"""Faults of a fused reconstruction: melted, unevenly meshed, full of holes, loosely labelled.

A volumetric reconstruction with annotated over-segments, such as ScanNet (Dai et al. 2017), does
not know objects while it fuses: what touches melts together in shape, color and label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.spatial import cKDTree

from clickseg3d_core.simulation.mesh import FloatArray
from clickseg3d_core.simulation.patterns import value_noise

Rng = np.random.Generator
_HALF = [
    (i, j, k)
    for i in (-1, 0, 1)
    for j in (-1, 0, 1)
    for k in (-1, 0, 1)
    if (i, j, k) > (0, 0, 0)
]  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fused:
    """Points of a fused walk, one per occupied voxel.

    Attributes:
        points: (V, 3) float64, metres, world frame.
        clean: (V, 3) float64, metres, world frame, on the surface that the color comes from.
        color_face: (V,) int64, world face that the color comes from.
        instance: (V,) int32 world instance ids, 0 is unlabelled.
        normal: (V, 3) float64 unit normals of the depth's face, toward the camera.
        cell: (V, 3) int64 voxel of each point, all different.
        views: (V,) int64 number of shots that reached the voxel.
        gain: (V, 3) float64 mean color gain of those shots.
        voxel: Cell size in metres.
    """

    points: FloatArray
    clean: FloatArray
    color_face: NDArray[np.int64]
    instance: NDArray[np.int32]
    normal: FloatArray
    cell: NDArray[np.int64]
    views: NDArray[np.int64]
    gain: FloatArray
    voxel: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Faults:
    """What goes wrong in one reconstruction; zero turns a fault off.

    Attributes:
        melt: Smoothing passes over the positions; each reaches one voxel.
        thinning: Share of points that mesh decimation takes on flat areas.
        lonely: Probability to lose a point that a single shot saw.
        holes: Share of the surface lost in smooth patches.
        top: Height in metres over which walls are cut off raggedly (inf: not).
        blur: Smoothing passes over the colors.
        grey: Share of saturation lost.
        corners: Darkening of corners.
        segment: Size in metres of the over-segments that labels follow.
        unlabelled: Probability of an object to be left out by the annotator.
        swallowed: Probability that an object smaller than its segments loses its label.
    """

    melt: int = 0
    thinning: float = 0.0
    lonely: float = 0.0
    holes: float = 0.0
    top: float = np.inf
    blur: int = 0
    grey: float = 0.0
    corners: float = 0.0
    segment: float = 0.0
    unlabelled: float = 0.0
    swallowed: float = 0.0


def random_faults(rng: Rng, height: float) -> Faults:
    """Draw the faults of one scan of a room that is `height` metres high."""

    def sometimes(probability: float, low: float, high: float, off: float = 0.0) -> float:
        return float(rng.uniform(low, high)) if rng.random() < probability else off

    return Faults(
        melt=int(rng.choice(5, p=[0.15, 0.25, 0.25, 0.2, 0.15])),
        thinning=sometimes(0.7, 0.2, 0.8),
        lonely=sometimes(0.7, 0.1, 0.7),
        holes=sometimes(0.5, 0.01, 0.08),
        top=sometimes(0.5, 1.5, height, np.inf),
        blur=int(rng.choice(4, p=[0.2, 0.3, 0.3, 0.2])),
        grey=sometimes(0.7, 0.1, 0.6),
        corners=sometimes(0.7, 0.1, 0.5),
        segment=sometimes(0.7, 0.04, 0.1),
        unlabelled=sometimes(0.8, 0.0, 0.06),
        swallowed=rng.uniform(0.1, 0.4),
    )


def voxel_graph(cell: NDArray[np.int64]) -> sparse.csr_matrix:
    """(V, V) row-stochastic weights over each voxel and its occupied neighbors of 26.

    Args:
        cell: (V, 3) voxels, all different.
    """
    low = cell - cell.min(axis=0) + 1
    spread = low.max(axis=0) + 2
    key = (low[:, 0] * spread[1] + low[:, 1]) * spread[2] + low[:, 2]
    order = np.argsort(key).astype(np.int32)
    ordered = key[order]
    first, second = [np.arange(len(key), dtype=np.int32)], [np.arange(len(key), dtype=np.int32)]
    for i, j, k in _HALF:
        wanted = ordered + (i * spread[1] + j) * spread[2] + k
        place = np.minimum(np.searchsorted(ordered, wanted), len(key) - 1)
        found = np.flatnonzero(ordered[place] == wanted)
        one, two = order[found], order[place[found]]
        first += [one, two]
        second += [two, one]
    rows, columns = np.concatenate(first), np.concatenate(second)
    weight = 1.0 / np.bincount(rows, minlength=len(key))
    return sparse.csr_matrix((weight[rows], (rows, columns)), shape=(len(key), len(key)))


def smooth(graph: sparse.csr_matrix, values: FloatArray, passes: int) -> FloatArray:
    """(V, C) values averaged over neighbors, `passes` times."""
    for _ in range(passes):
        values = graph @ values
    return np.asarray(values)


def melt(graph: sparse.csr_matrix, fused: Fused, passes: int) -> FloatArray:
    """(V, 3) positions moved along the smoothed normal to the local mean, blind to objects."""
    points = fused.points
    normal = smooth(graph, fused.normal, 1)
    normal = normal / (np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9)
    for _ in range(passes):
        pull = graph @ points - points
        along = np.einsum("ij,ij->i", pull, normal)[:, None] * normal
        points = points + 0.8 * along + 0.2 * pull
    return np.asarray(points)


def surviving(
    graph: sparse.csr_matrix, fused: Fused, faults: Faults, rng: Rng
) -> NDArray[np.bool_]:
    """(V,) whether each point is in the mesh: seen often enough, in no hole, not decimated."""
    points = fused.points
    seeds = np.full(len(points), rng.integers(2**31), dtype=np.uint32)
    coarse = value_noise(points * 2.1, seeds)
    middle = value_noise(points * 6.3, seeds + np.uint32(1))
    keep = (fused.views > 1) | (rng.random(len(points)) >= faults.lonely * 2.0 * middle)
    patchy = 0.6 * coarse + 0.4 * middle + 0.08 * np.minimum(fused.views, 4)
    if faults.holes > 0.0:
        keep &= patchy > np.quantile(patchy, faults.holes)
    keep &= points[:, 2] < faults.top + 0.5 * (coarse - 0.5) + 0.2 * (middle - 0.5)
    flat = np.linalg.norm(smooth(graph, fused.normal, 1), axis=1) > 0.97
    lost = faults.thinning * np.where(flat, 1.0, 0.4) * np.clip(0.3 + 1.2 * coarse, 0.0, 1.0)
    return np.asarray(keep & (rng.random(len(points)) >= lost))


def hollowness(points: FloatArray, normal: FloatArray, cell: float = 0.15) -> FloatArray:
    """(N,) how far the surface within some 1.5 cells rises in front of each point, 0 to 1.

    A plane and an edge that sticks out have 0, the crease between floor and wall about 1.
    """
    place = (points - points.min(axis=0)) / cell
    shape = tuple(place.max(axis=0).astype(int) + 1)
    flat = np.ravel_multi_index(tuple(place.astype(int).T), shape)
    size = int(np.prod(shape))
    count = np.bincount(flat, minlength=size)

    def around(values: FloatArray) -> FloatArray:
        mean = (np.bincount(flat, values, size) / np.maximum(count, 1)).reshape(shape)
        wide = ndimage.uniform_filter(mean, 3, mode="constant")
        return np.asarray(ndimage.map_coordinates(wide, place.T - 0.5, order=1, mode="nearest"))

    filled = np.maximum(around(np.ones(len(points))), 1e-9)
    center = np.stack([around(place[:, i]) / filled for i in range(3)], axis=1)
    return np.asarray(np.clip(2.0 * np.einsum("ij,ij->i", center - place, normal), 0.0, 1.0))


def fused_color(
    graph: sparse.csr_matrix, fused: Fused, rgb: NDArray[np.uint8], faults: Faults
) -> NDArray[np.uint8]:
    """Colors as fusion leaves them: averaged over neighbors, with seams between exposures.

    Args:
        graph: From `voxel_graph`.
        fused: The scan.
        rgb: (V, 3) colors of the surface under one exposure.
        faults: Blur, grey and corners.

    Returns:
        (V, 3) uint8 RGB.
    """
    color = smooth(graph, rgb.astype(np.float64) * fused.gain, faults.blur)
    color = color + faults.grey * (color.mean(axis=1, keepdims=True) - color)
    color = color * (1.0 - faults.corners * hollowness(fused.points, fused.normal)[:, None])
    return np.asarray(np.clip(np.rint(color), 0, 255), dtype=np.uint8)


def over_segments(
    graph: sparse.csr_matrix, fused: Fused, size: float, rng: Rng
) -> NDArray[np.int64]:
    """(V,) segment of each point: cells of random centers, of like place and smoothed normal."""
    normal = smooth(graph, fused.normal, 2)
    feature = np.concatenate([fused.points / size, 0.7 * normal], axis=1)
    area = len(feature) * fused.voxel**2
    count = int(np.clip(area / size**2, 1, len(feature)))
    centers = np.sort(rng.permutation(len(feature))[:count])
    return np.asarray(cKDTree(feature[centers]).query(feature)[1], dtype=np.int64)


def annotated(
    graph: sparse.csr_matrix, fused: Fused, faults: Faults, rng: Rng
) -> NDArray[np.int32]:
    """(V,) instance ids as an annotator leaves them who clicks over-segments.

    Each segment takes its most frequent id. An object of which under half is left keeps its own
    points, unless it is swallowed; some objects, no floor or wall, are left out (0).
    """
    instance = fused.instance
    ids = int(instance.max()) + 1
    if faults.segment > 0.0:
        segment = over_segments(graph, fused, faults.segment, rng)
        pair, count = np.unique(segment * ids + instance, return_counts=True)
        order = np.lexsort((count, pair // ids))
        winner = np.zeros(int(segment.max()) + 1, dtype=np.int32)
        winner[pair[order] // ids] = pair[order] % ids  # the last, most frequent, stays
        taken = winner[segment]
        had = np.bincount(instance, minlength=ids)
        left = np.bincount(instance[taken == instance], minlength=ids)
        spared = (left < 0.5 * had) & (rng.random(ids) >= faults.swallowed)
        instance = np.where(spared[instance], instance, taken)
    small = np.bincount(fused.instance, minlength=ids) < 0.1 * len(instance)
    gone = small & (rng.random(ids) < faults.unlabelled)
    return np.asarray(np.where(gone[instance], 0, instance), dtype=np.int32)
