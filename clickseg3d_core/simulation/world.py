"""Placed things: items with materials, and the world that a sensor looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.classes import CLASS_IDS
from clickseg3d_core.simulation.appearance import Material
from clickseg3d_core.simulation.mesh import FloatArray, Mesh, merge, rotation_z
from clickseg3d_core.simulation.patterns import PATTERNS, pattern_color

_IDENTITY = np.eye(3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Support:
    """A flat place on an item where smaller things can stand.

    Attributes:
        center: x, y of the rectangle's center in metres, item frame.
        size: Side lengths x, y in metres.
        z: Height in metres, item frame.
        clearance: Free height above it in metres.
    """

    center: tuple[float, float]
    size: tuple[float, float]
    z: float
    clearance: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Item:
    """A mesh with its materials and the class of each of its parts.

    Attributes:
        mesh: Geometry, item frame, standing on z = 0.
        classes: Class name per part; part 0 is the main body.
        materials: One per paint slot of the mesh.
        supports: Places to put things on.
    """

    mesh: Mesh
    classes: tuple[str, ...]
    materials: tuple[Material, ...]
    supports: tuple[Support, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class World:
    """Everything a sensor can see, in one frame (z up, metres).

    Attributes:
        triangles: (F, 3, 3) float32 corners.
        normals: (F, 3) float64 unit normals, sign free.
        instance: (F,) int32 instance ids, 1..M.
        material: (F,) int32 index into `materials`.
        tint: (F, 3) float32.
        instance_class: (M + 1,) int16 class indices, entry 0 is -1.
        materials: All materials.
        rotations: (S, 3, 3) float64, item to world, per material.
        origins: (S, 3) float64, item origin in the world, per material.
    """

    triangles: NDArray[np.float32]
    normals: FloatArray
    instance: NDArray[np.int32]
    material: NDArray[np.int32]
    tint: NDArray[np.float32]
    instance_class: NDArray[np.int16]
    materials: tuple[Material, ...]
    rotations: FloatArray
    origins: FloatArray

    def albedo(self, points: FloatArray, face: NDArray[np.int64]) -> FloatArray:
        """(N, 3) float64 surface color 0..1 at (N, 3) world points on the given (N,) faces."""
        material = self.material[face]
        local = np.einsum("nij,ni->nj", self.rotations[material], points - self.origins[material])
        scale = np.array([m.scale for m in self.materials])
        kinds = np.array([PATTERNS.index(m.pattern) for m in self.materials])
        seeds = np.array([m.seed for m in self.materials], dtype=np.uint32)
        colors = np.stack([m.colors for m in self.materials])
        result = np.empty((len(points), 3))
        for kind, name in enumerate(PATTERNS):
            rows = np.flatnonzero(kinds[material] == kind)
            if len(rows):
                own = material[rows]
                q = local[rows] / scale[own, None]
                result[rows] = pattern_color(name, q, colors[own], seeds[own])
        return np.asarray(result * self.tint[face])

    def dropout(self, face: NDArray[np.int64]) -> FloatArray:
        """(N,) float64 probability of no depth return on the given (N,) faces."""
        values = np.array([m.dropout for m in self.materials])
        return np.asarray(values[self.material[face]])


@dataclass(slots=True, eq=False)
class WorldBuilder:
    """Collects placed items into a `World`."""

    meshes: list[Mesh] = field(default_factory=list)
    instances: list[NDArray[np.int32]] = field(default_factory=list)
    classes: list[int] = field(default_factory=lambda: [-1])
    materials: list[Material] = field(default_factory=list)
    rotations: list[FloatArray] = field(default_factory=list)
    origins: list[FloatArray] = field(default_factory=list)

    def add(
        self,
        item: Item,
        position: Sequence[float] | FloatArray = (0.0, 0.0, 0.0),
        yaw: float = 0.0,
        *,
        instance: int | None = None,
    ) -> int:
        """Place an item.

        Args:
            item: What to place.
            position: (3,) metres, world frame.
            yaw: Turn about z in radians.
            instance: Give all faces this existing id instead of new ones per part.

        Returns:
            Instance id of part 0.
        """
        rotation = rotation_z(yaw) if yaw else _IDENTITY
        origin = np.asarray(position, dtype=np.float64)
        first = len(self.classes)
        moved = item.mesh.turned(rotation).moved(*origin)
        self.meshes.append(_shift_slots(moved, len(self.materials)))
        if instance is None:
            self.classes.extend(CLASS_IDS[name] for name in item.classes)
            self.instances.append(item.mesh.part + first)
        else:
            self.instances.append(np.full(len(item.mesh.faces), instance, dtype=np.int32))
        self.materials.extend(item.materials)
        self.rotations.extend([rotation] * len(item.materials))
        self.origins.extend([origin] * len(item.materials))
        return first if instance is None else instance

    def build(self) -> World:
        """Freeze what was placed."""
        mesh = merge(self.meshes)
        triangles = mesh.vertices[mesh.faces]
        normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
        normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-15
        return World(
            triangles=triangles.astype(np.float32),
            normals=normal,
            instance=np.concatenate(self.instances).astype(np.int32),
            material=mesh.slot,
            tint=mesh.tint,
            instance_class=np.array(self.classes, dtype=np.int16),
            materials=tuple(self.materials),
            rotations=np.stack(self.rotations),
            origins=np.stack(self.origins),
        )


def _shift_slots(mesh: Mesh, base: int) -> Mesh:
    return Mesh(
        vertices=mesh.vertices,
        faces=mesh.faces,
        slot=(mesh.slot + base).astype(np.int32),
        part=mesh.part,
        tint=mesh.tint,
    )
