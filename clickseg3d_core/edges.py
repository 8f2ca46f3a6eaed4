"""Edges between neighboring voxels: what a step over each looks like, and paths along them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, triu

from clickseg3d_core.surface import Steps, Surface, signed_bend, squared_turn
from clickseg3d_core.voxels import VoxelGrid

EDGE_TERMS = 6


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Edges:
    """The E edges of a cloud's step graph.

    Attributes:
        pairs: (E, 2) int64 voxel rows, each pair once, the smaller first.
        terms: (E, EDGE_TERMS) float32, each of order 1: length, signed bend, turn of the normal,
            logarithm of the geometric cost, difference in color, and in color without its noise
            (both 0 without color).
        length: (E,) float32, voxel units.
        change: (E,) float32 difference in color without its noise; 0 without color.
    """

    pairs: NDArray[np.int64]
    terms: NDArray[np.float32]
    length: NDArray[np.float32]
    change: NDArray[np.float32]


def describe_edges(grid: VoxelGrid, surface: Surface) -> Edges:
    """List the edges of `surface.graph` with what a learned cost may depend on."""
    upper = triu(surface.graph, k=1).tocoo()
    i, j = upper.row.astype(np.int64), upper.col.astype(np.int64)
    way = grid.centers[j] - grid.centers[i]
    length = np.maximum(np.linalg.norm(way, axis=1), 1e-3).astype(np.float32)
    steps = Steps(row=i, column=j, length=length)
    bend = signed_bend(grid.centers, surface.normals, steps)
    change = _difference(surface.tint, i, j)
    terms = [
        length - 1.5,
        np.clip(3.0 * bend, -2.0, 2.0),
        squared_turn(surface.normals, steps) / 2.0,
        np.log1p(upper.data) / 4.0,
        np.minimum(4.0 * _difference(grid.rgb, i, j), 2.0),
        np.minimum(8.0 * change, 2.0),
    ]
    return Edges(
        pairs=np.stack([i, j], axis=1),
        terms=np.stack(terms, axis=1).astype(np.float32),
        length=length,
        change=change,
    )


def _difference(
    color: NDArray[np.float32] | None, i: NDArray[np.int64], j: NDArray[np.int64]
) -> NDArray[np.float32]:
    if color is None:
        return np.zeros(len(i), np.float32)
    difference: NDArray[np.float32] = np.linalg.norm(color[j] - color[i], axis=1)
    return difference


def edge_graph(pairs: NDArray[np.int64], costs: NDArray[np.float32], count: int) -> csr_matrix:
    """(V, V) symmetric sparse costs for `surface.path_costs`.

    Args:
        pairs: (E, 2) int64, each pair once.
        costs: (E,) above 0, voxel units.
        count: V.
    """
    i, j = pairs[:, 0], pairs[:, 1]
    both = np.concatenate([i, j]), np.concatenate([j, i])
    values = np.concatenate([costs, costs]).astype(np.float64)
    return csr_matrix((values, both), shape=(count, count))
