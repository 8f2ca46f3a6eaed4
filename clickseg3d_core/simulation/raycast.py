"""First hits of rays on a world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.errors import ConfigError
from clickseg3d_core.simulation.mesh import FloatArray
from clickseg3d_core.simulation.world import World

_FAR = 1e6


def _embree_scene(triangles: NDArray[np.float32]) -> Any:
    try:
        from embreex import rtcore_scene
        from embreex.mesh_construction import TriangleMesh
    except ImportError as error:
        raise ConfigError(
            "simulating scans needs the ray caster embreex, which is not installed; "
            "install it with `pip install embreex`"
        ) from error
    scene = rtcore_scene.EmbreeScene()
    TriangleMesh(scene, np.ascontiguousarray(triangles, dtype=np.float32))
    return scene


@dataclass(slots=True, eq=False)
class Caster:
    """Casts rays into one world."""

    world: World
    _scene: Any = None

    def __post_init__(self) -> None:
        self._scene = _embree_scene(self.world.triangles)

    def cast(
        self, origins: FloatArray, directions: FloatArray
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        """First hit of each ray.

        Args:
            origins: (N, 3) metres, world frame.
            directions: (N, 3) unit vectors, world frame.

        Returns:
            (N,) float64 distance in metres (inf where nothing was hit) and (N,) int64 face index
            (-1 where nothing was hit).
        """
        hits = self._scene.run(
            np.ascontiguousarray(origins, dtype=np.float32),
            np.ascontiguousarray(directions, dtype=np.float32),
            query="INTERSECT",
            output=1,
        )
        face = np.asarray(hits["primID"], dtype=np.int64)
        distance = np.where(face >= 0, hits["tfar"], np.inf).astype(np.float64)
        face[distance > _FAR] = -1
        return distance, face

    def blocked(self, points: FloatArray, target: FloatArray, gap: float) -> NDArray[np.bool_]:
        """(N,) whether something lies between (N, 3) points and one (3,) target.

        `gap` metres next to the point are skipped so that its own surface does not count.
        """
        away = target - points
        length = np.linalg.norm(away, axis=1)
        direction = away / length[:, None]
        distance, _ = self.cast(points + direction * gap, direction)
        return np.asarray(distance < length - 2.0 * gap)
