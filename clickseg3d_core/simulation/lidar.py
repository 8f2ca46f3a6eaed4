"""A spinning LiDAR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.simulation.mesh import FloatArray
from clickseg3d_core.simulation.raycast import Caster

_WIDEST = 3.0
"""Metres between two surfaces that a beam mixes at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lidar:
    """A rotating range sensor.

    Attributes:
        rings: Number of lasers.
        columns: Firings per turn.
        lowest: Elevation of the lowest ring in radians.
        highest: Elevation of the highest ring in radians.
        noise: Standard deviation of range in metres.
        near: Shortest range in metres.
        far: Longest range in metres.
        dropout: Probability that a ray has no return.
        mixed: Probability that a ray at the edge of a thing, where the next ray hits another
            thing, returns a range between the two, as a beam that is split does.
    """

    rings: int = 64
    columns: int = 1024
    lowest: float = -0.43
    highest: float = 0.05
    noise: float = 0.015
    near: float = 1.0
    far: float = 80.0
    dropout: float = 0.05
    mixed: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sweep:
    """One turn of the sensor.

    Attributes:
        points: (N, 3) float64, metres, world frame, with range noise.
        clean: (N, 3) float64, metres, world frame, on the surface.
        face: (N,) int64, world face hit.
        instance: (N,) int32, world instance hit; 0, unlabelled, where a split beam came back from
            between two things.
        ring: (N,) int64, laser number, 0 is the lowest.
    """

    points: FloatArray
    clean: FloatArray
    face: NDArray[np.int64]
    instance: NDArray[np.int32]
    ring: NDArray[np.int64]

    @classmethod
    def joined(cls, sweeps: Sequence[Sweep]) -> Sweep:
        """Several turns as one."""
        parts = [(s.points, s.clean, s.face, s.instance, s.ring) for s in sweeps]
        points, clean, face, instance, ring = (np.concatenate(p) for p in zip(*parts, strict=True))
        return cls(points=points, clean=clean, face=face, instance=instance, ring=ring)


def ring_directions(lidar: Lidar) -> FloatArray:
    """(rings, columns, 3) float64 unit vectors, sensor frame (x forward, z up)."""
    elevation = np.linspace(lidar.lowest, lidar.highest, lidar.rings)[:, None]
    azimuth = np.arange(lidar.columns) * (2.0 * np.pi / lidar.columns)
    flat = np.cos(elevation)
    return np.stack(
        [
            flat * np.cos(azimuth),
            flat * np.sin(azimuth),
            np.repeat(np.sin(elevation), lidar.columns, axis=1),
        ],
        axis=-1,
    )


def sweep(
    caster: Caster, lidar: Lidar, rotation: FloatArray, eye: FloatArray, rng: np.random.Generator
) -> Sweep:
    """Turn the sensor once.

    Args:
        caster: Rays into the world.
        lidar: The sensor.
        rotation: (3, 3) sensor to world.
        eye: (3,) sensor position in metres, world frame.
        rng: Source of noise and dropout.

    Returns:
        The returns. Dark and glassy faces and grazing rays at long range return less often.
    """
    directions = ring_directions(lidar).reshape(-1, 3) @ rotation.T
    ring = np.repeat(np.arange(lidar.rings), lidar.columns)
    distance, face = caster.cast(np.tile(eye, (len(directions), 1)), directions)
    hit = np.flatnonzero((face >= 0) & (distance > lidar.near) & (distance < lidar.far))
    cosine = np.abs(np.einsum("ij,ij->i", directions[hit], caster.world.normals[face[hit]]))
    reach = 1.0 - 0.5 * (distance[hit] / lidar.far) ** 2
    chance = reach * np.clip(cosine / 0.02, 0.0, 1.0) * (1.0 - caster.world.dropout(face[hit]))
    hit = hit[rng.random(len(hit)) < chance * (1.0 - lidar.dropout)]
    instance = caster.world.instance[face]
    shown = _split(lidar, distance, instance, rng)[hit]
    noisy = shown + rng.normal(0.0, lidar.noise, len(hit))
    return Sweep(
        points=eye + directions[hit] * noisy[:, None],
        clean=eye + directions[hit] * distance[hit, None],
        face=face[hit],
        instance=np.where(shown == distance[hit], instance[hit], 0).astype(np.int32),
        ring=ring[hit],
    )


def _split(
    lidar: Lidar, distance: FloatArray, instance: NDArray[np.int32], rng: np.random.Generator
) -> FloatArray:
    """Ranges, some of those at edges mixed with that of the next ray of the ring."""
    beside = np.roll(distance.reshape(lidar.rings, -1), 1, axis=1).ravel()
    other = np.roll(instance.reshape(lidar.rings, -1), 1, axis=1).ravel()
    near = np.isfinite(distance) & np.isfinite(beside) & (other != instance)
    gap = np.subtract(beside, distance, out=np.zeros_like(distance), where=near)
    split = (np.abs(gap) < _WIDEST) & (rng.random(len(distance)) < lidar.mixed)
    return np.where(split, distance + rng.random(len(distance)) * gap, distance)
