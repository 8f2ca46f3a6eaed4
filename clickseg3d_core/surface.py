"""Local surface shape of voxels: normals, bending, and a graph of shortest paths over the surface.

None of it is learned, so it carries from simulated to real scans. A path along a smooth surface or
over an outward edge of a body is short; one through an inward crease, where one body stands on or
leans against another, is long (the convexity criterion of Stein et al., "Object partitioning using
local convexity", CVPR 2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import (
    breadth_first_order,
    connected_components,
    dijkstra,
    minimum_spanning_tree,
)
from scipy.spatial import cKDTree

from clickseg3d_core.tint import even_colors
from clickseg3d_core.voxels import VoxelGrid

FloatArray = NDArray[np.floating[Any]]

NORMAL_NEIGHBORS = 24
GRAPH_NEIGHBORS = 10
CREASE_COST = 5000.0
"""Times the squared inward bend of a step; a right angle in one step has bend 1."""
EDGE_COST = 200.0
"""Times the squared outward bend."""
TURN_COST = 1000.0
"""Times the squared turn of the normal across a step, where the surface bends inward on the whole.
Without it paths slip along a crease and around its corners."""
GAP_COST = 125.0
"""Times the part of a step beyond GAP_FREE voxels."""
GAP_FREE = 1.8
PATH_LIMIT = 512.0
"""Paths longer than this many voxel units are all reported as this long."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Surface:
    """Geometry of V voxels.

    Attributes:
        normals: (V, 3) float32 unit vectors. Signs agree along the surface; that they point to
            the sensor's side is a guess that takes z as up.
        variation: (V,) float32 in 0..1/3: smallest eigenvalue over the sum; 0 on a plane.
        bend: (V,) float32, mean signed bend towards the neighbors: above 0 on an outward edge,
            below 0 in an inward crease.
        graph: (V, V) sparse float64, cost of stepping between neighbor voxels, in voxel units.
        tint: (V, 3) float32 in 0..1, color without its noise, or None without color.
    """

    normals: NDArray[np.float32]
    variation: NDArray[np.float32]
    bend: NDArray[np.float32]
    graph: csr_matrix
    tint: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Steps:
    """Steps from each voxel to its neighbors.

    Attributes:
        row: (S,) int64 from.
        column: (S,) int64 to.
        length: (S,) float, voxel units.
    """

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    length: FloatArray


def describe_surface(grid: VoxelGrid) -> Surface:
    """FloatArray, bending and step graph of a voxelized cloud.

    FloatArray given with the cloud are used as they are but for their signs; else they are the axis
    of least variance of the nearest voxel centers (principal component analysis).
    """
    count = len(grid)
    k = min(NORMAL_NEIGHBORS, count)
    tree = cKDTree(grid.centers)
    distance, neighbor = (np.asarray(a) for a in tree.query(grid.centers, k=range(1, k + 1)))
    estimated, variation = principal_axes(grid.centers, neighbor)
    near = slice(1, min(GRAPH_NEIGHBORS, k - 1) + 1)
    steps = Steps(
        row=np.repeat(np.arange(count), near.stop - 1),
        column=neighbor[:, near].ravel(),
        length=np.maximum(distance[:, near].ravel(), 1e-3),
    )
    given = estimated if grid.normals is None else grid.normals
    normals = consistent_signs(given.astype(np.float64), grid.centers, steps)
    bend = signed_bend(grid.centers, normals, steps)
    graph = _step_graph(bend, normals, steps, count)
    return Surface(
        normals=normals.astype(np.float32),
        variation=variation,
        bend=_mean_of_steps(bend, steps, count),
        graph=graph,
        tint=None if grid.rgb is None else even_colors(grid.rgb, graph),
    )


def principal_axes(
    centers: NDArray[np.float32], neighbor: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Axis of least variance of each voxel's neighbors, and the surface variation.

    Args:
        centers: (V, 3) float32, voxel units.
        neighbor: (V, k) int64 rows, the voxel itself included.

    Returns:
        (V, 3) float32 unit vectors of any sign, and (V,) float32.
    """
    patch = centers[neighbor]  # (V, k, 3)
    offset = patch - patch.mean(axis=1, keepdims=True)
    covariance = (offset.transpose(0, 2, 1) @ offset).astype(np.float64)
    values, vectors = np.linalg.eigh(covariance)
    variation = values[:, 0] / np.maximum(values.sum(axis=1), 1e-12)
    return vectors[:, :, 0].astype(np.float32), np.clip(variation, 0, 1).astype(np.float32)


def consistent_signs(
    normals: NDArray[np.float64], centers: NDArray[np.float32], steps: Steps
) -> NDArray[np.float64]:
    """FloatArray with signs that agree along the surface and that point to where a sensor could be.

    Signs spread along the spanning tree of least turning (Hoppe et al., "Surface reconstruction
    from unorganized points", SIGGRAPH 1992). Each connected part then takes the sign by which its
    low level patches face up and its high ones down, as floors, table tops and ceilings do.

    Args:
        normals: (V, 3) float64 unit vectors of any sign.
        centers: (V, 3) float32, voxel units, z up.
        steps: Between neighbor voxels.
    """
    count = len(normals)
    if len(steps.row) == 0:
        return normals
    turning = 1.001 - np.abs((normals[steps.row] * normals[steps.column]).sum(axis=1))
    weight = turning + 0.05 * np.maximum(steps.length - 1.5, 0.0)
    graph = csr_matrix((weight, (steps.row, steps.column)), shape=(count, count))
    tree = minimum_spanning_tree(graph.maximum(graph.T)).tocoo()
    part = connected_components(tree, directed=False)[1]
    roots = np.unique(part, return_index=True)[1]
    # One more node above all roots makes one tree of the parts.
    ends = np.concatenate([tree.row, roots]), np.concatenate([tree.col, np.full(len(roots), count)])
    whole = csr_matrix((np.ones(len(ends[0])), ends), shape=(count + 1, count + 1))
    parent = breadth_first_order(whole, count, directed=False)[1].astype(np.int64)
    parent[count] = count
    above = np.concatenate([normals, [[0.0, 0.0, 1.0]]])
    agrees = (above * above[parent]).sum(axis=1) >= 0
    signs = _signs_from_root(np.where(agrees, 1.0, -1.0), parent)[:count]
    signs *= _facing(normals[:, 2] * signs, centers[:, 2], part)[part]
    return np.asarray(normals * signs[:, None])


def _facing(
    up: NDArray[np.float64], height: NDArray[np.float32], part: NDArray[np.int32]
) -> NDArray[np.float64]:
    """(parts,) 1 where low level patches face up already, -1 where the part is inside out.

    Args:
        up: (V,) z component of the normals.
        height: (V,) z of the voxels.
        part: (V,) connected part of each voxel.
    """
    parts = int(part.max()) + 1
    low, high = np.full(parts, np.inf), np.full(parts, -np.inf)
    np.minimum.at(low, part, height)
    np.maximum.at(high, part, height)
    half = np.maximum((high - low) / 2, 1.0)
    lowness = 0.2 + ((low + half)[part] - height) / half[part]  # a lone plane faces up
    votes = np.bincount(part, up**5 * lowness, minlength=parts)
    return np.where(votes < 0, -1.0, 1.0)


def _signs_from_root(sign: NDArray[np.float64], parent: NDArray[np.int64]) -> NDArray[np.float64]:
    """Product of the signs on each node's way to the root, which is its own parent."""
    root = len(parent) - 1
    while (parent != root).any():
        sign = sign * sign[parent]
        parent = parent[parent]
    return sign


def signed_bend(centers: NDArray[np.float32], normals: FloatArray, steps: Steps) -> FloatArray:
    """(S,) how far the surface turns over each step: above 0 outward, below 0 inward."""
    direction = (centers[steps.column] - centers[steps.row]) / steps.length[:, None]
    bend: FloatArray = ((normals[steps.column] - normals[steps.row]) * direction).sum(axis=1)
    return bend


def squared_turn(normals: FloatArray, steps: Steps) -> FloatArray:
    """(S,) squared distance between the unit normals at both ends of each step."""
    turn: FloatArray = ((normals[steps.column] - normals[steps.row]) ** 2).sum(axis=1)
    return turn


def _mean_of_steps(values: FloatArray, steps: Steps, count: int) -> NDArray[np.float32]:
    if len(values) == 0:
        return np.zeros(count, dtype=np.float32)
    mean: NDArray[np.float32] = values.reshape(count, -1).mean(axis=1).astype(np.float32)
    return mean


def _step_graph(
    bend: FloatArray, normals: NDArray[np.float64], steps: Steps, count: int
) -> csr_matrix:
    place = _mean_of_steps(bend, steps, count)
    inward = place[steps.row] + place[steps.column] < 0
    across = np.maximum(squared_turn(normals, steps) - bend**2, 0.0)
    cost = CREASE_COST * np.minimum(bend, 0.0) ** 2 + EDGE_COST * np.maximum(bend, 0.0) ** 2
    cost = (
        cost
        + TURN_COST * across * inward
        + GAP_COST * np.maximum(steps.length - GAP_FREE, 0.0)
        + steps.length
    )
    graph = csr_matrix((cost, (steps.row, steps.column)), shape=(count, count))
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
