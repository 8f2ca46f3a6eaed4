"""Placed worlds: scenes that somebody else laid out, scanned with the same sensors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.classes import CLASS_IDS
from clickseg3d_core.data.scene import Scene
from clickseg3d_core.errors import ConfigError, FileFormatError
from clickseg3d_core.simulation.class_map import our_class
from clickseg3d_core.simulation.library import MeshLibrary, load_library
from clickseg3d_core.simulation.lidar import Sweep, sweep
from clickseg3d_core.simulation.light import random_light, shade
from clickseg3d_core.simulation.mesh import FloatArray, rotation_z
from clickseg3d_core.simulation.raycast import Caster
from clickseg3d_core.simulation.rgbd import look_at
from clickseg3d_core.simulation.roomscan import WalkConfig, fuse, walk_camera
from clickseg3d_core.simulation.scan import finish, merge_voxels, subsample
from clickseg3d_core.simulation.street import random_lidar
from clickseg3d_core.simulation.world import Item, World, WorldBuilder

Rng = np.random.Generator
Scan = tuple[FloatArray, FloatArray, NDArray[np.int64], NDArray[np.int32]]
ROOM_SIDE = 8.0
STREET_SIDE = 60.0
MIN_INSTANCES = 8


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Placement:
    """One mesh at its place.

    Attributes:
        item: Mesh in its own frame, already scaled.
        pose: (4, 4) float64, mesh frame to world, metres.
        stuff: True for walls, floors, ceilings and ground.
        low: (3,) float64, lower corner of its box in the world, metres.
        high: (3,) float64, upper corner of its box in the world, metres.
    """

    item: Item
    pose: FloatArray
    stuff: bool
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PlacedWorld:
    """All placements of one world file, z up, metres."""

    name: str
    placements: tuple[Placement, ...]

    def part(self, center: FloatArray, side: float) -> World:
        """The world of what touches an x-y square of the given side around (2+,) `center`."""
        builder = WorldBuilder()
        for placement in self.placements:
            near = placement.low[:2] < center[:2] + side / 2
            if (near & (placement.high[:2] > center[:2] - side / 2)).all():
                mesh = placement.item.mesh.turned(placement.pose[:3, :3])
                builder.add(
                    Item(
                        mesh=mesh, classes=placement.item.classes,
                        materials=placement.item.materials,
                    ),
                    placement.pose[:3, 3],
                )  # fmt: skip
        return builder.build()

    def objects(self) -> list[Placement]:
        """Placements that are not stuff and smaller than 6 m."""
        return [p for p in self.placements if not p.stuff and (p.high - p.low).max() < 6.0]


def load_world(path: Path, meshes: Path) -> PlacedWorld:
    """Read a world file.

    Args:
        path: JSON with "instances": class, stuff, mesh, 4x4 pose and scale each.
        meshes: Mesh library folder with index.json that holds the meshes.

    Raises:
        FileFormatError: if a file is missing or malformed, or a mesh is not in the library.
    """
    library = load_library(meshes)
    try:
        rows = json.loads(path.read_text())["instances"]
        placements = tuple(_placement(row, library) for row in rows)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"{path} is not a world file ({error}); expected JSON with a list 'instances' of "
            "class, stuff, mesh, pose, scale"
        ) from error
    if not placements:
        raise FileFormatError(f"{path} places nothing; expected at least one instance")
    return PlacedWorld(name=path.stem, placements=placements)


def _placement(row: dict[str, Any], library: MeshLibrary) -> Placement:
    tail = Path(row["mesh"]).parts[-2:]
    found = [e for e in library.entries if e.path.parts[-2:] == tail]
    if not found:
        raise FileFormatError(
            f"the world needs the mesh {row['mesh']}, which is not in the library; "
            "give the folder that holds it"
        )
    item = library.item(found[0])
    pose = np.asarray(row["pose"], dtype=np.float64)
    scale = np.asarray(row["scale"], dtype=np.float64)
    mesh = item.mesh.scaled(*scale)
    corners = mesh.vertices @ pose[:3, :3].T + pose[:3, 3]
    classes = (our_class(row["class"]), *item.classes[1:])
    return Placement(
        item=Item(mesh=mesh, classes=classes, materials=item.materials),
        pose=pose,
        stuff=bool(row["stuff"]),
        low=corners.min(axis=0),
        high=corners.max(axis=0),
    )


def _free_eye(caster: Caster, center: FloatArray, side: float, rng: Rng) -> FloatArray | None:
    """(3,) a place at head height over a floor, 0.35 m clear all around, or None."""
    ring = np.arange(12) * (np.pi / 6)
    around = np.stack([np.cos(ring), np.sin(ring), np.zeros(12)], axis=1)
    down = np.array([[0.0, 0.0, -1.0]])
    for _ in range(60):
        spot = np.append(center[:2] + rng.uniform(-0.5, 0.5, 2) * side, center[2] + 1.6)
        below, face = caster.cast(spot[None], down)
        if face[0] < 0 or abs(spot[2] - below[0] - center[2]) > 0.35:
            continue
        eye = spot + [0.0, 0.0, rng.uniform(-0.3, 0.3)]
        clear, _ = caster.cast(np.tile(eye, (12, 1)), around)
        if clear.min() > 0.35 and np.isfinite(clear).sum() >= 6:
            return np.asarray(eye)
    return None


def _room_scan(world: World, center: FloatArray, targets: FloatArray, rng: Rng) -> Scan | None:
    caster, poses = Caster(world), []
    for _ in range(int(rng.integers(16, 32))):
        eye = _free_eye(caster, center, ROOM_SIDE * 0.95, rng)
        if eye is None:
            return None
        aim = targets[int(rng.integers(len(targets)))] + rng.normal(0.0, 0.4, 3)
        if np.linalg.norm(aim[:2] - eye[:2]) < 0.5:
            aim[:2] = eye[:2] + rng.normal(0.0, 1.0, 2)
        poses.append(look_at(eye, aim, rng.normal(0.0, 0.05)))
    walk = WalkConfig(views=len(poses), voxel=rng.uniform(0.015, 0.03), drift=0.003, up=False)
    return fuse(caster, poses, walk, walk_camera(rng), rng)


def _street_scan(world: World, center: FloatArray, rng: Rng) -> Scan | None:
    caster, lidar = Caster(world), random_lidar(rng)
    eyes = [_free_eye(caster, center, 16.0, rng) for _ in range(int(rng.choice([1, 1, 6])))]
    turns = [
        sweep(caster, lidar, rotation_z(rng.uniform(0.0, 6.28)), eye, rng)
        for eye in eyes
        if eye is not None
    ]
    if not turns:
        return None
    one = Sweep.joined(turns)
    points, clean, face, instance = one.points, one.clean, one.face, one.instance
    if len(turns) == 1:
        return points, clean, face, instance
    merged, rows = merge_voxels(points, instance, 0.06)
    return merged, clean[rows], face[rows], instance[rows]


def simulate_world(placed: PlacedWorld, kind: str, rng: Rng) -> Scene:
    """Scan a random part of a placed world.

    Args:
        placed: From `load_world`.
        kind: "room" (fused RGB-D, 8 by 8 m) or "street" (LiDAR, 60 by 60 m).
        rng: Source of everything random.

    Returns:
        A scene of at most 80,000 points with at least `MIN_INSTANCES` instances, z up.

    Raises:
        ConfigError: if the kind is unknown, or no part shows enough instances.
    """
    if kind not in ("room", "street"):
        raise ConfigError(f"kind must be room or street, got {kind!r}")
    side = ROOM_SIDE if kind == "room" else STREET_SIDE
    objects = placed.objects()
    for _ in range(30):
        anchor = objects[int(rng.integers(len(objects)))]
        center = (anchor.low + anchor.high) / 2.0 + np.append(rng.normal(0.0, side / 8, 2), 0.0)
        center[2] = _floor_below(placed, anchor)
        inside = [
            p for p in objects if (np.abs((p.low + p.high) / 2 - center)[:2] < side / 2).all()
        ]
        level = [p for p in inside if center[2] - 0.5 < p.low[2] < center[2] + 3.0]
        if sum(len(p.item.classes) for p in level) < MIN_INSTANCES:
            continue
        world = placed.part(center, side * 1.3)
        targets = np.stack([(p.low + p.high) / 2.0 for p in level])
        if kind == "room":
            result = _room_scan(world, center, targets, rng)
        else:
            result = _street_scan(world, center, rng)
        scene = None if result is None else _cut(placed, kind, world, result, center, rng)
        if scene is not None:
            return scene
    raise ConfigError(
        f"no {kind} part of world {placed.name} shows {MIN_INSTANCES} instances; "
        "use another kind or world"
    )


def _floor_below(placed: PlacedWorld, anchor: Placement) -> float:
    """Height in metres of the lowest object near an anchor on its story."""
    middle = (anchor.low + anchor.high) / 2.0
    levels = [
        p.low[2]
        for p in placed.objects()
        if (np.abs((p.low + p.high) / 2 - middle)[:2] < 4.0).all()
        and anchor.low[2] - 2.6 < p.low[2] <= anchor.low[2]
    ]
    return float(min(levels, default=anchor.low[2]))


def _cut(
    placed: PlacedWorld, kind: str, world: World, scan: Scan, center: FloatArray, rng: Rng
) -> Scene | None:
    """Keep the square around the center; None if it shows too few instances."""
    points, clean, face, instance = scan
    side = ROOM_SIDE if kind == "room" else STREET_SIDE
    inside = np.flatnonzero((np.abs(points - center)[:, :2] < side / 2).all(axis=1))
    if kind == "room":
        inside = inside[np.abs(points[inside, 2] - center[2] - 1.4) < 2.2]
    keep = inside[subsample(len(inside), 80_000, rng)]
    if len(keep) < 1000:
        return None
    rgb = shade(world, clean[keep], face[keep], random_light(rng), rng)
    meta: dict[str, str | int | float] = {"kind": kind, "world": placed.name, "frame": "world"}
    meta["sensor"] = "rgbd" if kind == "room" else "lidar"
    scene = finish(world, points[keep] - center, rgb, instance[keep], meta)
    stuff = [CLASS_IDS[name] for name in ("wall", "floor", "ceiling")]
    seen = int((~np.isin(scene.instance_class[1:], stuff)).sum())
    return scene if seen >= MIN_INSTANCES else None
