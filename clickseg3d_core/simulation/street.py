"""Scans of streets: one LiDAR sweep, or the static points of a drive."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clickseg3d_core.classes import CLASS_IDS
from clickseg3d_core.data.scene import Scene
from clickseg3d_core.simulation.district import StreetPlan, build_district
from clickseg3d_core.simulation.library import MeshLibrary
from clickseg3d_core.simulation.lidar import Lidar, Sweep, sweep
from clickseg3d_core.simulation.light import random_light, shade
from clickseg3d_core.simulation.mesh import FloatArray, rotation_x, rotation_y, rotation_z
from clickseg3d_core.simulation.raycast import Caster
from clickseg3d_core.simulation.relief import Relief
from clickseg3d_core.simulation.scan import finish, merge_voxels, subsample
from clickseg3d_core.simulation.world import World

Rng = np.random.Generator
_BUDGET = 80_000


def random_lidar(rng: Rng) -> Lidar:
    """A sensor of 16 to 128 rings; every third is like that of the KITTI car."""
    if rng.random() < 0.35:
        return Lidar(
            rings=64, columns=int(rng.integers(1500, 2100)), lowest=-0.433, highest=0.035,
            noise=rng.uniform(0.008, 0.025), near=2.0, far=rng.uniform(60.0, 110.0),
            dropout=rng.uniform(0.02, 0.2), mixed=rng.uniform(0.0, 0.4),
        )  # fmt: skip
    rings = int(rng.choice([16, 32, 40, 64, 128]))
    low, high = {
        16: (-0.26, 0.26), 32: (-0.53, 0.18), 40: (-0.28, 0.12), 64: (-0.39, 0.39),
        128: (-0.39, 0.26),
    }[rings]  # fmt: skip
    columns = {16: 1800, 32: 1600, 40: 1600, 64: 1400, 128: 900}[rings]
    return Lidar(
        rings=rings, columns=columns, lowest=low, highest=high, noise=rng.uniform(0.008, 0.03),
        far=rng.uniform(50.0, 100.0), dropout=rng.uniform(0.0, 0.15), mixed=rng.uniform(0.0, 0.4),
    )  # fmt: skip


def drive(
    plan: StreetPlan, relief: Relief, count: int, rng: Rng
) -> list[tuple[FloatArray, FloatArray]]:
    """Rotation (3, 3) and position (3,) in metres of the sensor along the road."""
    lane, height = rng.uniform(-0.4, 0.4) * plan.road, rng.uniform(1.4, 2.2)
    start, span = rng.uniform(-0.25, 0.25) * plan.length, rng.uniform(0.3, 0.8) * plan.length
    stops = [start] if count == 1 else np.linspace(-span / 2, span / 2, count).tolist()
    heading, poses = rng.uniform(0, 2 * np.pi), []
    for x in stops:
        tilt = rotation_x(rng.normal(0, 0.008)) @ rotation_y(rng.normal(0, 0.008))
        spot = np.array([x, lane, 0.0])
        spot[2] = height + float(relief.at(spot[:2]))
        poses.append((rotation_z(heading) @ tilt, spot))
    return poses


def simulate_street(rng: Rng, library: MeshLibrary | None) -> Scene:
    """One labelled street scan.

    Args:
        rng: Source of everything random.
        library: Meshes to mix in, or None for shapes only.

    Returns:
        A scene of at most 80,000 points, z up. Half are one sweep, mostly without color, half are
        several sweeps merged and colored.
    """
    world, plan, relief = build_district(rng, library)
    return scan_street(world, plan, relief, rng)


def scan_street(world: World, plan: StreetPlan, relief: Relief, rng: Rng) -> Scene:
    """Scan a street once, by one sweep or a drive."""
    caster, lidar = Caster(world), random_lidar(rng)
    single = rng.random() < 0.5
    count = 1 if single else int(rng.integers(4, 14))
    poses = drive(plan, relief, count, rng)
    sweeps = [sweep(caster, lidar, turn, eye, rng) for turn, eye in poses]
    drift = abs(rng.normal(0.0, 0.02)) if not single else 0.0
    slips = rng.normal(0.0, drift, (len(sweeps), 3))  # each sweep is off as a whole
    turns = Sweep.joined(
        [replace(s, points=s.points + slip) for s, slip in zip(sweeps, slips, strict=True)]
    )
    points, clean, face, instance = turns.points, turns.clean, turns.face, turns.instance
    if not single:
        points, rows = merge_voxels(points, instance, rng.uniform(0.05, 0.1))
        clean, face, instance = clean[rows], face[rows], instance[rows]
    keep = _within_budget(points, poses[len(poses) // 2][1], rng)
    points, clean, face, instance = points[keep], clean[keep], face[keep], instance[keep]
    rgb = None
    if not single or rng.random() < 0.2:
        rgb = shade(world, clean, face, random_light(rng), rng, caster=caster)
        rgb = _projected(rgb, points, world.instance_class[instance], rng)
        if rng.random() < 0.3:
            rgb = np.repeat(rgb.mean(axis=1, keepdims=True), 3, axis=1).astype(np.uint8)
    meta: dict[str, str | int | float] = {"kind": "street", "sensor": "lidar", "frame": "world"}
    meta |= {"views": count, "rings": lidar.rings}
    return finish(world, points, rgb, instance, meta)


def _within_budget(points: FloatArray, eye: FloatArray, rng: Rng) -> NDArray[np.int64]:
    """Rows of at most 80,000 points: a sector, the nearest, or any, at random.

    A sector or a radius keeps the rings as dense as the sensor makes them.
    """
    rows = np.arange(len(points))
    away = points[:, :2] - eye[:2]
    if rng.random() < 0.25:
        angle = np.arctan2(away[:, 1], away[:, 0]) - rng.uniform(0.0, 2.0 * np.pi)
        inside = np.abs((angle + np.pi) % (2.0 * np.pi) - np.pi) < rng.uniform(0.6, 1.6)
        rows = rows[inside] if inside.sum() > 5000 else rows
    if len(rows) > _BUDGET and rng.random() < 0.3:
        nearest = np.argpartition(np.linalg.norm(away[rows], axis=1), _BUDGET)[:_BUDGET]
        return np.asarray(np.sort(rows[nearest]))
    return rows[subsample(len(rows), _BUDGET, rng)]


def _projected(
    rgb: NDArray[np.uint8], points: FloatArray, classes: NDArray[np.int16], rng: Rng
) -> NDArray[np.uint8]:
    """Colors as pictures taken at other times give them: shifted, and sky on thin things."""
    shift = rng.normal(0.0, rng.uniform(0.02, 0.12), points.shape)
    color = rgb[cKDTree(points).query(points + shift, workers=1)[1]]
    thin = np.isin(classes, [CLASS_IDS[n] for n in ("pole", "tree", "plant")])
    skyward = thin & (rng.random(len(points)) < rng.uniform(0.0, 0.5))
    sky = rng.uniform(170, 255, 3)
    color[skyward] = (0.35 * color[skyward] + 0.65 * sky).astype(np.uint8)
    return color
