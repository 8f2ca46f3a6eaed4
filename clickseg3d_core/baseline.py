"""Region growing from clicks: what a network has to beat.

A region grows over a neighbor graph of voxels. A step costs little on a smooth surface and over an
outward edge of a body, more at a change of color, and much over an inward crease, where one body
stands on or leans against another (the convexity criterion of Stein et al., "Object partitioning
using local convexity", CVPR 2014). A voxel goes to the click that reaches it at the least cost, if
any does below a limit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from clickseg3d_core.errors import ConfigError
from clickseg3d_core.surface import Steps, consistent_signs, principal_axes, signed_bend
from clickseg3d_core.types import BACKGROUND_ID, Clicks, PointCloud
from clickseg3d_core.voxels import VoxelGrid, voxelize


@dataclass(frozen=True, kw_only=True, slots=True)
class GrowingConfig:
    """Costs of a step between neighbor voxels; chosen on the 45 real table views of mOSD "learn".

    Attributes:
        crease: Times the squared inward bend; a right angle in one step has bend 1.
        edge: Times the squared outward bend.
        color: Times the mean absolute difference of color in 0..1; 0 since print and texture on
            real objects tore regions apart whatever the weight.
        gap: Times the distance in voxels beyond 1.8.
        length: Times the distance in voxels.
        limit: Farthest a region grows, in units of cost.
        later: Times the cost from an object's second and further clicks, which mend what the first
            one missed; above 1 they reach less far.
        normal_neighbors: Voxels, itself included, that a normal is fitted to.
        step_neighbors: Neighbors that a voxel grows to.
    """

    crease: float = 20.0
    edge: float = 2.0
    color: float = 0.0
    gap: float = 0.5
    length: float = 0.004
    limit: float = 0.45
    later: float = 3.0
    normal_neighbors: int = 24
    step_neighbors: int = 10

    def __post_init__(self) -> None:
        costs = (self.crease, self.edge, self.color, self.gap, self.length)
        if min(costs) < 0 or min(self.length, self.limit, self.later) <= 0:
            raise ConfigError(
                "costs must not be negative; length, limit and later must be positive"
            )
        if self.normal_neighbors < 3 or self.step_neighbors < 1:
            raise ConfigError("region growing needs 3 neighbors for a normal and 1 for a step")


class RegionGrowing:
    """A cloud prepared for region growing; the counterpart of an encoding."""

    def __init__(
        self,
        cloud: PointCloud,
        *,
        voxel_size: float | None = None,
        config: GrowingConfig | None = None,
    ) -> None:
        """Voxelize the cloud and build the graph.

        Args:
            cloud: N points, metres.
            voxel_size: Metres; None chooses from extent and density, about 5 mm for a table.
            config: Costs.

        Raises:
            CloudError: if voxel_size is not a positive finite number.
        """
        self.config = GrowingConfig() if config is None else config
        self.grid = voxelize(cloud, voxel_size)
        self._tree = cKDTree(self.grid.centers)
        self._graph = _step_costs(self.grid, self._tree, self.config)

    def segment(self, clicks: Clicks) -> NDArray[np.int32]:
        """Label every point by the click that reaches it most cheaply.

        Args:
            clicks: K clicks in metres, frame of the cloud; background clicks compete like others.

        Returns:
            (N,) int32 object id, 0 = background or reached by no click.
        """
        if len(clicks) == 0:
            return np.zeros(len(self.grid.point_to_voxel), dtype=np.int32)
        local = (clicks.positions - self.grid.origin) / self.grid.voxel_size
        sources = np.asarray(self._tree.query(local)[1], dtype=np.int64)
        costs = dijkstra(self._graph, indices=sources, limit=self.config.limit)
        costs[_is_later(clicks.object_ids)] *= self.config.later
        nearest = costs.argmin(axis=0)
        reached = costs.min(axis=0) <= self.config.limit
        labels = np.where(reached, clicks.object_ids[nearest], BACKGROUND_ID)
        labels[sources] = clicks.object_ids
        padded = np.append(labels, BACKGROUND_ID)
        return padded[self.grid.point_to_voxel].astype(np.int32)


def _is_later(object_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(K,) whether an earlier click has the same object; never for background clicks."""
    later = np.ones(len(object_ids), dtype=bool)
    later[np.unique(object_ids, return_index=True)[1]] = False
    later &= object_ids != BACKGROUND_ID
    return later


def _step_costs(grid: VoxelGrid, tree: cKDTree, config: GrowingConfig) -> csr_matrix:
    """(V, V) symmetric costs of steps between neighbor voxels."""
    count = len(grid)
    k = min(max(config.normal_neighbors, config.step_neighbors + 1), count)
    distance, neighbor = (np.asarray(v) for v in tree.query(grid.centers, k=range(1, k + 1)))
    near = slice(1, min(config.step_neighbors, k - 1) + 1)
    steps = Steps(
        row=np.repeat(np.arange(count), near.stop - 1),
        column=neighbor[:, near].ravel(),
        length=np.maximum(distance[:, near].ravel(), 1e-3),
    )
    fitted, _ = principal_axes(grid.centers, neighbor[:, : config.normal_neighbors])
    bend = signed_bend(
        grid.centers, consistent_signs(fitted.astype(np.float64), grid.centers, steps), steps
    )
    cost = config.crease * np.minimum(bend, 0.0) ** 2 + config.edge * np.maximum(bend, 0.0) ** 2
    cost = cost + config.gap * np.maximum(steps.length - 1.8, 0.0) + config.length * steps.length
    if grid.rgb is not None:
        change = np.abs(grid.rgb[steps.row] - grid.rgb[steps.column]).mean(axis=1)
        cost = cost + config.color * change
    graph = csr_matrix((cost, (steps.row, steps.column)), shape=(count, count))
    return graph.maximum(graph.T).tocsr()
