"""Triangle meshes that know their parts and paint slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Mesh:
    """A two-sided triangle soup in a local frame, z up.

    Attributes:
        vertices: (V, 3) float64, metres.
        faces: (F, 3) int32, vertex indices; the winding has no meaning.
        slot: (F,) int32, which of the item's materials paints the face.
        part: (F,) int32, which of the item's instances the face belongs to.
        tint: (F, 3) float32, 0..1, multiplies the material's color.
    """

    vertices: FloatArray
    faces: IntArray
    slot: IntArray
    part: IntArray
    tint: NDArray[np.float32]

    def moved(self, x: float, y: float, z: float) -> Mesh:
        """Shift by (x, y, z) metres."""
        return replace(self, vertices=self.vertices + np.array([x, y, z]))

    def scaled(self, x: float, y: float, z: float) -> Mesh:
        """Scale about the origin, per axis."""
        return replace(self, vertices=self.vertices * np.array([x, y, z]))

    def turned(self, rotation: FloatArray) -> Mesh:
        """Rotate about the origin by a (3, 3) matrix."""
        return replace(self, vertices=self.vertices @ rotation.T)

    def painted(self, slot: int) -> Mesh:
        """Give every face one paint slot."""
        return replace(self, slot=np.full(len(self.faces), slot, dtype=np.int32))

    def as_part(self, part: int) -> Mesh:
        """Give every face one part."""
        return replace(self, part=np.full(len(self.faces), part, dtype=np.int32))

    def grounded(self) -> Mesh:
        """Footprint center at the origin, lowest point at z = 0."""
        low, high = self.vertices.min(axis=0), self.vertices.max(axis=0)
        center = (low + high) / 2.0
        return self.moved(-center[0], -center[1], -low[2])

    def lowered(self) -> Mesh:
        """Lowest point at z = 0, where it is in x and y."""
        return self.moved(0.0, 0.0, -float(self.vertices[:, 2].min()))

    @property
    def extent(self) -> FloatArray:
        """(3,) float64 side lengths of the axis-aligned bounding box, metres."""
        return np.asarray(np.ptp(self.vertices, axis=0), dtype=np.float64)


def from_arrays(vertices: ArrayLike, faces: ArrayLike) -> Mesh:
    """A mesh of one part and one white slot from (V, 3) vertices and (F, 3) faces."""
    corner = np.asarray(faces, dtype=np.int32).reshape(-1, 3)
    zeros = np.zeros(len(corner), dtype=np.int32)
    return Mesh(
        vertices=np.asarray(vertices, dtype=np.float64).reshape(-1, 3),
        faces=corner,
        slot=zeros,
        part=zeros,
        tint=np.ones((len(corner), 3), dtype=np.float32),
    )


def merge(meshes: Sequence[Mesh]) -> Mesh:
    """Concatenate meshes; parts and slots are kept as they are."""
    starts = np.cumsum([0] + [len(m.vertices) for m in meshes[:-1]])
    faces = [m.faces + start for m, start in zip(meshes, starts, strict=True)]
    return Mesh(
        vertices=np.concatenate([m.vertices for m in meshes]),
        faces=np.concatenate(faces).astype(np.int32),
        slot=np.concatenate([m.slot for m in meshes]),
        part=np.concatenate([m.part for m in meshes]),
        tint=np.concatenate([m.tint for m in meshes]),
    )


def rotation_z(angle: float) -> FloatArray:
    """(3, 3) rotation about z by `angle` radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def rotation_x(angle: float) -> FloatArray:
    """(3, 3) rotation about x by `angle` radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def rotation_y(angle: float) -> FloatArray:
    """(3, 3) rotation about y by `angle` radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def surface_samples(mesh: Mesh, count: int, rng: np.random.Generator) -> FloatArray:
    """(count, 3) float64 points spread evenly over the surface, mesh frame, metres."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) + 1e-12
    face = rng.choice(len(area), size=count, p=area / area.sum())
    u, v = rng.random(count), rng.random(count)
    flip = u + v > 1.0
    u[flip], v[flip] = 1.0 - u[flip], 1.0 - v[flip]
    w = (1.0 - u - v)[:, None]
    return np.asarray(a[face] * w + b[face] * u[:, None] + c[face] * v[:, None])
