"""Local surface shape of voxels: normals, bending, and a graph of shortest paths over the surface.

None of it is learned, so it carries from simulated to real scans: a path that crosses a crease, a
gap or a change of color is longer than one that stays on one smooth patch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from clickseg3d_core.voxels import VoxelGrid

GRAPH_NEIGHBORS = 8
NORMAL_NEIGHBORS = 16
NORMAL_COST = 12.0
COLOR_COST = 4.0
PATH_LIMIT = 128.0
"""Paths longer than this many voxel units are all reported as this long."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Surface:
    """Geometry of V voxels.

    Attributes:
        normals: (V, 3) float32 unit vectors, sign free (the sign carries no meaning).
        variation: (V,) float32 in 0..1/3: smallest eigenvalue over the sum; 0 on a plane.
        graph: (V, V) sparse float64, cost of stepping between neighbor voxels, in voxel units.
    """

    normals: NDArray[np.float32]
    variation: NDArray[np.float32]
    graph: csr_matrix


def describe_surface(grid: VoxelGrid) -> Surface:
    """Normals, surface variation and step graph of a voxelized cloud.

    Normals given with the cloud are used as they are; else they are the axis of least variance of
    the nearest voxel centers (principal component analysis).
    """
    count = min(NORMAL_NEIGHBORS, len(grid))
    tree = cKDTree(grid.centers)
    distance, neighbor = (np.asarray(a) for a in tree.query(grid.centers, k=range(1, count + 1)))
    estimated, variation = _principal_axes(grid.centers, neighbor)
    normals = estimated if grid.normals is None else grid.normals
    graph = _step_graph(
        distance[:, 1 : GRAPH_NEIGHBORS + 1],
        neighbor[:, 1 : GRAPH_NEIGHBORS + 1],
        normals,
        grid.rgb,
    )
    return Surface(normals=normals, variation=variation, graph=graph)


def _principal_axes(
    centers: NDArray[np.float32], neighbor: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    patch = centers[neighbor]  # (V, k, 3)
    offset = patch - patch.mean(axis=1, keepdims=True)
    covariance = np.einsum("vki,vkj->vij", offset, offset, optimize=True).astype(np.float64)
    values, vectors = np.linalg.eigh(covariance)
    variation = values[:, 0] / np.maximum(values.sum(axis=1), 1e-12)
    return vectors[:, :, 0].astype(np.float32), np.clip(variation, 0, 1).astype(np.float32)


def _step_graph(
    distance: NDArray[np.float64],
    neighbor: NDArray[np.int64],
    normals: NDArray[np.float32],
    rgb: NDArray[np.float32] | None,
) -> csr_matrix:
    """Length of each step, stretched where the surface bends, changes color, or has a gap."""
    count, k = neighbor.shape
    if k == 0:
        return csr_matrix((count, count))
    row = np.repeat(np.arange(count), k)
    column = neighbor.ravel()
    cosine = np.abs((normals[row] * normals[column]).sum(axis=1))
    stretch = 1.0 + NORMAL_COST * (1.0 - np.clip(cosine, 0.0, 1.0))
    if rgb is not None:
        stretch = stretch + COLOR_COST * np.abs(rgb[row] - rgb[column]).mean(axis=1)
    length = np.maximum(distance.ravel(), 1e-3)
    cost = length * np.maximum(length / 2.0, 1.0) * stretch
    graph = csr_matrix((cost, (row, column)), shape=(count, count))
    return graph.maximum(graph.T).tocsr()


def path_costs(graph: csr_matrix, sources: NDArray[np.int64]) -> NDArray[np.float32]:
    """Cost of the cheapest path from each source voxel to every voxel.

    Args:
        graph: (V, V) step costs.
        sources: (K,) int64 voxel rows.

    Returns:
        (K, V) float32, voxel units, at most PATH_LIMIT.
    """
    if len(sources) == 0:
        return np.zeros((0, graph.shape[0]), dtype=np.float32)
    costs = dijkstra(graph, directed=True, indices=sources, limit=PATH_LIMIT)
    return np.minimum(costs, PATH_LIMIT).astype(np.float32)
