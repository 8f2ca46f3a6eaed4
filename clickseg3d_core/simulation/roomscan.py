"""Scans of rooms: a walk fused from many RGB-D shots, a single shot, or laser stations."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.classes import CLASS_IDS
from clickseg3d_core.data.scene import Scene
from clickseg3d_core.simulation.library import MeshLibrary
from clickseg3d_core.simulation.lidar import Lidar, Sweep, sweep
from clickseg3d_core.simulation.light import random_light, shade
from clickseg3d_core.simulation.mesh import FloatArray, rotation_x, rotation_y, rotation_z
from clickseg3d_core.simulation.objects import ObjectSource
from clickseg3d_core.simulation.palette import harmonized
from clickseg3d_core.simulation.raycast import Caster
from clickseg3d_core.simulation.reconstruction import (
    Fused,
    annotated,
    fused_color,
    melt,
    random_faults,
    surviving,
    voxel_graph,
)
from clickseg3d_core.simulation.rgbd import DepthCamera, View, look_at, random_shift, shoot
from clickseg3d_core.simulation.room import RoomPlan, build_room
from clickseg3d_core.simulation.scan import finish, merge_voxels, subsample
from clickseg3d_core.simulation.stacking import HeightMap
from clickseg3d_core.simulation.world import World

Rng = np.random.Generator
_VISIBLE = 60
_ENOUGH = 6
_CEILING = CLASS_IDS["ceiling"]


@dataclass(frozen=True, kw_only=True, slots=True)
class WalkConfig:
    """How a room is walked and fused.

    Attributes:
        views: Number of shots.
        voxel: Cell of the fused cloud in metres.
        drift: Standard deviation of each shot's position error in metres; its rotation error is
            half as many radians.
        up: Whether some shots look at the ceiling.
        slip: Metres by which the second half of the walk is off as a whole (double surfaces).
        exposure: Standard deviation of each shot's log color gain.
        part: Share of each side of the room in which the walk stays.
    """

    views: int
    voxel: float
    drift: float
    up: bool
    slip: float = 0.0
    exposure: float = 0.0
    part: float = 1.0


def random_walk(rng: Rng, area: float) -> WalkConfig:
    """Draw a walk; larger rooms get more shots."""
    views = int(np.clip(rng.integers(6, 16) + area * rng.uniform(0.3, 0.8), 8, 40))
    drift = 0.0 if rng.random() < 0.3 else abs(rng.normal(0.0, 0.006))
    voxel = rng.uniform(0.015, 0.03)
    return WalkConfig(
        views=views, voxel=voxel, drift=drift, up=rng.random() < 0.15,
        slip=rng.uniform(0.01, 0.03) if rng.random() < 0.2 else 0.0,
        exposure=rng.uniform(0.03, 0.2) if rng.random() < 0.7 else 0.0,
        part=rng.uniform(0.4, 0.8) if rng.random() < 0.3 else 1.0,
    )  # fmt: skip


def walk_poses(plan: RoomPlan, floor: HeightMap, walk: WalkConfig, rng: Rng) -> list[FloatArray]:
    """Camera poses where the floor is free, looking into the room from all sides."""
    x, y, z = plan.size
    free = np.argwhere(floor.height < 0.5)
    poses = []
    for index in range(walk.views):
        cell = (
            free[int(rng.integers(len(free)))] if len(free) else np.array(floor.height.shape) // 2
        )
        spot = (cell + 0.5 - np.array(floor.height.shape) / 2) * floor.cell
        spot = np.clip(spot, [-x / 2 + 0.3, -y / 2 + 0.3], [x / 2 - 0.3, y / 2 - 0.3])
        eye = np.array([*spot, rng.uniform(1.1, min(1.9, z - 0.3))])
        aim = np.array([*(rng.uniform(-0.5, 0.5, 2) * [x, y]), rng.uniform(0.0, 1.4)])
        if walk.up and index % 5 == 4:
            aim[2] = rng.uniform(1.8, z + 0.5)
        if np.linalg.norm(aim[:2] - eye[:2]) < 0.6:
            aim[:2] = -eye[:2] * 0.5 + rng.normal(0, 0.5, 2)
        poses.append(look_at(eye, aim, rng.normal(0.0, 0.05)))
    return poses


def handheld_poses(
    plan: RoomPlan, floor: HeightMap, walk: WalkConfig, rng: Rng
) -> list[FloatArray]:
    """Camera poses of somebody who films furniture: within a part of the room, looking down."""
    x, y, z = plan.size
    free = (np.argwhere(floor.height < 0.5) + 0.5 - np.array(floor.height.shape) / 2) * floor.cell
    half = np.array([x, y]) / 2
    middle = rng.uniform(-1.0, 1.0, 2) * half * (1.0 - walk.part)
    inside = (np.abs(free - middle) < half * walk.part).all(axis=1)
    free = free[inside] if inside.any() else middle[None]
    poses = []
    for index in range(walk.views):
        spot = np.clip(free[int(rng.integers(len(free)))], 0.3 - half, half - 0.3)
        eye = np.array([*spot, rng.uniform(1.2, min(1.8, z - 0.3))])
        aim = np.array([*(middle + rng.uniform(-1.0, 1.0, 2) * half * walk.part), 0.0])
        if np.linalg.norm(aim[:2] - spot) < 0.6:
            aim[:2] = middle - 0.5 * spot + rng.normal(0.0, 0.5, 2)
        pitch = rng.uniform(0.2, 0.7) if walk.up and index % 5 == 4 else -rng.uniform(0.1, 0.7)
        aim[2] = eye[2] + np.tan(pitch) * np.linalg.norm(aim[:2] - spot)
        poses.append(look_at(eye, aim, rng.normal(0.0, 0.05)))
    return poses


def _drifted(view: View, eye: FloatArray, drift: float, rng: Rng) -> View:
    if drift <= 0.0:
        return view
    angles = rng.normal(0.0, drift * 0.5, 3)
    turn = rotation_x(angles[0]) @ rotation_y(angles[1]) @ rotation_z(angles[2])
    points = (view.points - eye) @ turn.T + eye + rng.normal(0.0, drift, 3)
    return replace(view, points=points)


def walk_camera(rng: Rng) -> DepthCamera:
    """The camera of a fused walk: small images, no projector shadow of its own."""
    return DepthCamera(
        width=176, height=132, field=rng.uniform(0.95, 1.2), near=0.35, far=rng.uniform(3.5, 6.0),
        noise=rng.uniform(0.4, 1.0), step=rng.uniform(0.0, 0.003), baseline=0.0,
        jitter=rng.uniform(0.1, 0.5), flying=rng.uniform(0.0, 0.06), grazing=rng.uniform(0.05, 0.2),
        dropout=rng.uniform(0.0, 0.02), shift=random_shift(rng, 1),
    )  # fmt: skip


def fuse(
    caster: Caster, poses: list[FloatArray], walk: WalkConfig, camera: DepthCamera, rng: Rng
) -> tuple[FloatArray, FloatArray, NDArray[np.int64], NDArray[np.int32]]:
    """Shoot from all poses and merge.

    Returns:
        (N, 3) fused points and (N, 3) surface points in metres, (N,) face that gives the color,
        (N,) world instance ids.
    """
    fused = fuse_views(caster, poses, walk, camera, rng)
    return fused.points, fused.clean, fused.color_face, fused.instance


def fuse_views(
    caster: Caster, poses: list[FloatArray], walk: WalkConfig, camera: DepthCamera, rng: Rng
) -> Fused:
    """Shoot from all poses and merge, keeping what each voxel was seen by."""
    shots = [_drifted(shoot(caster, camera, p, rng), p[:3, 3], walk.drift, rng) for p in poses]
    number = np.repeat(np.arange(len(shots)), [len(s.points) for s in shots])
    points = np.concatenate([s.points for s in shots])
    if walk.slip > 0.0:
        slip = rng.normal(size=3)
        late = number >= len(shots) // 2
        points = points + late[:, None] * walk.slip * slip / np.linalg.norm(slip)
    face = np.concatenate([s.face for s in shots])
    instance = caster.world.instance[face]
    merged, rows = merge_voxels(points, instance, walk.voxel)
    cell = np.floor((points - points.min(axis=0)) / walk.voxel).astype(np.int64)
    normal = caster.world.normals[face[rows]]
    toward = np.array([p[:3, 3] for p in poses])[number[rows]] - merged
    away = np.einsum("ij,ij->i", normal, toward) < 0.0
    views, gain = _seen_by(cell, number, rows, _gains(walk, rng))
    return Fused(
        points=merged,
        clean=np.concatenate([s.clean for s in shots])[rows],
        color_face=np.concatenate([s.color_face for s in shots])[rows],
        instance=instance[rows],
        normal=np.where(away[:, None], -normal, normal),
        cell=cell[rows],
        views=views,
        gain=gain,
        voxel=walk.voxel,
    )


def _gains(walk: WalkConfig, rng: Rng) -> FloatArray:
    """(views, 3) color gains: exposure, and white balance that shifts a third as much."""
    log = rng.normal(0.0, walk.exposure, (walk.views, 1))
    return np.asarray(np.exp(log + rng.normal(0.0, walk.exposure / 3.0, (walk.views, 3))))


def _seen_by(
    cell: NDArray[np.int64], shot: NDArray[np.int64], rows: NDArray[np.int64], gains: FloatArray
) -> tuple[NDArray[np.int64], FloatArray]:
    """(V,) number of shots in the voxels of the given (V,) rows and (V, 3) their mean gain."""
    spread = cell.max(axis=0) + 1
    key = (cell[:, 0] * spread[1] + cell[:, 1]) * spread[2] + cell[:, 2]
    pairs = np.sort(key * len(gains) + shot)
    pairs = pairs[np.append(True, np.diff(pairs) > 0)]
    new = np.append(True, np.diff(pairs // len(gains)) > 0)
    keys, place = pairs[new] // len(gains), np.cumsum(new) - 1
    count = np.bincount(place)
    sums = [np.bincount(place, gains[pairs % len(gains), i]) for i in range(3)]
    own = np.searchsorted(keys, key[rows])
    return count[own], np.asarray((np.stack(sums, axis=1) / count[:, None])[own])


def _single(
    caster: Caster, plan: RoomPlan, floor: HeightMap, rng: Rng
) -> tuple[FloatArray, FloatArray, NDArray[np.int64], NDArray[np.int32], FloatArray]:
    """One shot, from the first of up to five poses that shows enough; the pose comes last."""
    walk = WalkConfig(views=5, voxel=0.01, drift=0.0, up=False)
    camera = DepthCamera(
        width=320, height=240, field=rng.uniform(0.95, 1.2), near=0.4, far=rng.uniform(3.5, 6.0),
        noise=rng.uniform(0.5, 1.3), step=rng.uniform(0.001, 0.0032),
        window=int(rng.integers(0, 2)),
        jitter=rng.uniform(0.2, 0.8), flying=rng.uniform(0.0, 0.2), grazing=rng.uniform(0.05, 0.25),
        dropout=rng.uniform(0.0, 0.03), shift=random_shift(rng, 2),
    )  # fmt: skip
    most = -1
    for eye in walk_poses(plan, floor, walk, rng):
        shot = shoot(caster, camera, eye, rng)
        shown = int((np.bincount(caster.world.instance[shot.face]) >= _VISIBLE).sum())
        if shown > most:
            most, view, pose = shown, shot, eye
        if shown >= _ENOUGH and len(shot.points) > 15_000:
            break
    return view.points, view.clean, view.color_face, caster.world.instance[view.face], pose


def _laser(
    caster: Caster, plan: RoomPlan, floor: HeightMap, rng: Rng
) -> tuple[FloatArray, FloatArray, NDArray[np.int64], NDArray[np.int32], int]:
    """One to four stations of a rotating laser scanner, merged; the last value is their number."""
    stations = int(rng.integers(1, 5))
    tripod = rng.random() < 0.6  # sees floor and ceiling, but for what stands under it
    steep = rng.uniform(1.0, 1.5) if tripod else rng.uniform(0.35, 1.0)
    scanner = Lidar(
        rings=int(rng.choice([32, 64, 128, 256])), columns=int(rng.integers(500, 1100)),
        lowest=-steep, highest=steep, noise=rng.uniform(0.002, 0.012), near=0.3, far=30.0,
        dropout=rng.uniform(0.0, 0.1), mixed=rng.uniform(0.0, 0.5),
    )  # fmt: skip
    walk = WalkConfig(views=stations, voxel=rng.uniform(0.015, 0.03), drift=0.0, up=False)
    turns = [
        sweep(caster, scanner, rotation_z(rng.uniform(0.0, 6.28)), pose[:3, 3], rng)
        for pose in walk_poses(plan, floor, walk, rng)
    ]
    one = Sweep.joined(turns)
    points, clean, face, instance = one.points, one.clean, one.face, one.instance
    if stations == 1:
        return points, clean, face, instance, 1
    merged, rows = merge_voxels(points, instance, walk.voxel)
    return merged, clean[rows], face[rows], instance[rows], stations


def simulate_room(rng: Rng, library: MeshLibrary | None, *, laser: bool = False) -> Scene:
    """One labelled room scan.

    Args:
        rng: Source of everything random.
        library: Meshes to mix in, or None for shapes only.
        laser: Scan it by laser in any case.

    Returns:
        A scene of at most 80,000 points, z up or in the camera's optical frame (meta "frame").
    """
    world, plan, floor = build_room(rng, ObjectSource(library))
    return scan_room(harmonized(world, rng), plan, floor, rng, laser=laser)


def scan_room(
    world: World, plan: RoomPlan, floor: HeightMap, rng: Rng, *, laser: bool = False
) -> Scene:
    """Scan a room once: a fused walk (mostly), one shot, or a laser scanner."""
    caster = Caster(world)
    meta: dict[str, str | int | float] = {"kind": "room", "sensor": "rgbd", "frame": "world"}
    choice = 0.0 if laser else rng.random()
    if choice >= 0.36:
        return _reconstruction(caster, plan, floor, meta, rng)
    light = random_light(rng)
    if choice < 0.12:
        points, clean, color_face, instance, meta["views"] = _laser(caster, plan, floor, rng)
        meta["sensor"] = "lidar"
    else:
        points, clean, color_face, instance, pose = _single(caster, plan, floor, rng)
        meta["views"] = 1
        if rng.random() < 0.25:
            points = (points - pose[:3, 3]) @ pose[:3, :3]
            meta["frame"] = "camera"
    keep = subsample(len(points), 80_000, rng)
    if rng.random() < (0.1 if meta["sensor"] == "lidar" else 0.3):
        keep = keep[world.instance_class[instance[keep]] != _CEILING]
    rgb = None
    if rng.random() > (0.5 if meta["sensor"] == "lidar" else 0.06):
        rgb = shade(world, clean[keep], color_face[keep], light, rng, caster=caster)
    return finish(world, points[keep], rgb, instance[keep], meta)


def _reconstruction(
    caster: Caster,
    plan: RoomPlan,
    floor: HeightMap,
    meta: dict[str, str | int | float],
    rng: Rng,
) -> Scene:
    """A walk through the room, fused with the faults of a volumetric reconstruction."""
    world, light = caster.world, random_light(rng)
    walk = random_walk(rng, plan.size[0] * plan.size[1])
    faults = random_faults(rng, plan.size[2])
    fused = fuse_views(caster, handheld_poses(plan, floor, walk, rng), walk, walk_camera(rng), rng)
    graph = voxel_graph(fused.cell)
    there = surviving(graph, fused, faults, rng)
    if rng.random() < 0.9:
        there &= world.instance_class[fused.instance] != _CEILING
    keep = np.flatnonzero(there)
    keep = keep[subsample(len(keep), 80_000, rng)]
    rgb = None
    if rng.random() > 0.06:
        plain = shade(world, fused.clean, fused.color_face, light, rng, caster=caster)
        rgb = fused_color(graph, fused, plain, faults)[keep]
    instance = annotated(graph, fused, faults, rng)[keep]
    points = melt(graph, fused, faults.melt)[keep]
    return finish(world, points, rgb, instance, {**meta, "views": walk.views})
