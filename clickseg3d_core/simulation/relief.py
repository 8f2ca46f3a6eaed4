"""Uneven ground: a smooth relief that lifts a world built on a plane."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.mesh import FloatArray, Mesh
from clickseg3d_core.simulation.world import World

Rng = np.random.Generator


def tiled(x: float, y: float, step: float) -> Mesh:
    """A flat rectangle cut into cells of about `step` metres, so that it can follow the ground."""
    rows, columns = max(int(y / step), 1) + 1, max(int(x / step), 1) + 1
    return shapes.sheet(x, y, np.zeros((rows, columns)))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Relief:
    """Smooth height of the ground: a slope and three long waves.

    Attributes:
        slope: (2,) rise per metre along x and y.
        wave: (3, 2) radians per metre.
        phase: (3,) radians.
        height: (3,) metres.
    """

    slope: FloatArray
    wave: FloatArray
    phase: FloatArray
    height: FloatArray

    def at(self, xy: FloatArray) -> FloatArray:
        """(...,) metres at (..., 2) places in metres."""
        return np.asarray(xy @ self.slope + np.sin(xy @ self.wave.T + self.phase) @ self.height)


def random_relief(rng: Rng) -> Relief:
    """Draw a gentle ground."""
    return Relief(
        slope=rng.normal(0.0, 0.012, 2), wave=rng.normal(0.0, 0.07, (3, 2)),
        phase=rng.uniform(0.0, 2.0 * np.pi, 3), height=rng.uniform(0.0, 0.2, 3),
    )  # fmt: skip


def raised(world: World, relief: Relief) -> World:
    """Shift every corner of a world built on a plane up by the ground's height below it."""
    corners = world.triangles.astype(np.float64)
    corners[..., 2] += relief.at(corners[..., :2])
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-15
    return replace(world, triangles=corners.astype(np.float32), normals=normal)
