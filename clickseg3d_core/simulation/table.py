"""Table-top scans: things on a table, seen by an RGB-D camera from near by."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from clickseg3d_core.data.scene import Scene
from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.clutter import ClutterStyle, fill, random_style
from clickseg3d_core.simulation.goods import item
from clickseg3d_core.simulation.library import MeshLibrary
from clickseg3d_core.simulation.light import Light, random_light, shade
from clickseg3d_core.simulation.mesh import FloatArray, Mesh, merge
from clickseg3d_core.simulation.objects import ObjectSource
from clickseg3d_core.simulation.palette import harmonized
from clickseg3d_core.simulation.raycast import Caster
from clickseg3d_core.simulation.rgbd import DepthCamera, View, look_at, random_shift, shoot
from clickseg3d_core.simulation.scan import finish, merge_voxels, subsample
from clickseg3d_core.simulation.world import Item, Support, World, WorldBuilder

Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True, slots=True)
class TableTop:
    """A table for a near view: where its top is and how large."""

    item: Item
    support: Support


def table_top(rng: Rng) -> TableTop:
    """A rectangular or round table with its things' place on top."""
    x, y = rng.uniform(0.55, 1.4), rng.uniform(0.5, 1.0)
    z, thick = rng.uniform(0.45, 0.95), rng.uniform(0.015, 0.06)
    skin = _top_material(rng)
    if rng.random() < 0.2:
        y = x = max(x, y)
        top: Mesh = shapes.cylinder(x / 2, thick, 40)
        size = (x * 0.68, x * 0.68)
    else:
        top, size = shapes.box(x, y, thick), (x * 0.94, y * 0.94)
    stand = shapes.legs(x * 0.8, y * 0.8, z - thick, rng.uniform(0.03, 0.08)).painted(1)
    table = item(merge([top.moved(0, 0, z - thick), stand]), "table", skin, paint.wood(rng))
    support = Support(center=(0.0, 0.0), size=size, z=z, clearance=0.7)
    return TableTop(item=table, support=support)


def _top_material(rng: Rng) -> paint.Material:
    kind = rng.choice(5, p=[0.42, 0.28, 0.13, 0.1, 0.07])
    if kind == 0:
        return paint.plain(paint.pale(rng))
    if kind == 1:
        return paint.wood(rng)
    if kind == 2:
        return paint.plain(paint.gray(rng) if rng.random() < 0.6 else paint.dark(rng))
    if kind == 3:
        return paint.fabric(rng)
    return paint.patterned("speckle", [paint.pale(rng), paint.gray(rng)], 0.03, rng)


def _backdrop(builder: WorldBuilder, depth: float, rng: Rng) -> None:
    """A floor and sometimes a wall behind a table of the given depth in metres."""
    floor = shapes.panel(6.0, 6.0)
    builder.add(Item(mesh=floor, classes=("floor",), materials=(paint.fabric(rng),)))
    if rng.random() < 0.4:
        gap = depth / 2 + 0.07 + abs(rng.normal(0.0, 0.4))
        wall = shapes.box(6.0, 0.1, 2.6)
        skin = (paint.plain(paint.pale(rng)),)
        builder.add(Item(mesh=wall, classes=("wall",), materials=skin), (0.0, gap, 0.0))


def table_style(rng: Rng) -> ClutterStyle:
    """Half like a laboratory set-up of a few boxes and cylinders, half any clutter."""
    if rng.random() < 0.35:
        return ClutterStyle(
            count=int(rng.integers(2, 9)),
            stack=float(rng.choice([0.0, 0.3, 0.8])),
            touch=float(rng.choice([0.0, 0.5, 0.8])),
            topple=0.3,
        )
    return random_style(rng, 34)


def build_table(rng: Rng, source: ObjectSource) -> tuple[World, TableTop]:
    """A table with things on it, its top's center above the origin."""
    builder = WorldBuilder()
    top = table_top(rng)
    _backdrop(builder, float(top.item.mesh.extent[1]), rng)
    builder.add(top.item)
    style = table_style(rng)
    size = np.array(top.support.size)
    tight = np.minimum(size, rng.uniform(0.35, 0.9) if rng.random() < 0.6 else 2.0)
    support = replace(top.support, size=(float(tight[0]), float(tight[1])))
    groups = {0: source.any_object, 1: source.kitchen, 2: source.desk, 3: source.packages}
    make = groups[int(rng.choice(4, p=[0.55, 0.12, 0.11, 0.22]))]
    placed = fill(builder, support, (np.zeros(3), 0.0), make, rng, style)
    if placed == 0:
        fill(builder, support, (np.zeros(3), 0.0), source.packages, rng, ClutterStyle(count=4))
    return builder.build(), top


def _poses(rng: Rng, target: FloatArray, count: int) -> list[FloatArray]:
    """Camera poses above a target, on the side away from the wall at +y."""
    base, poses = rng.uniform(-0.75 * np.pi, -0.25 * np.pi), []
    pitch, reach = rng.uniform(0.35, 1.25), rng.uniform(0.6, 1.35)
    for _ in range(count):
        around = base + (rng.uniform(-0.8, 0.8) if count > 1 else 0.0)
        up = np.clip(pitch + rng.normal(0, 0.1) * (count > 1), 0.3, 1.4)
        away = np.array([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)])
        aim = target + rng.normal(0, 0.06, 3) * [1, 1, 0.4]
        poses.append(look_at(target + reach * away, aim, rng.normal(0, 0.04)))
    return poses


def near_camera(rng: Rng) -> DepthCamera:
    """A Kinect-like or time-of-flight-like camera for distances near 1 m."""
    structured, calm = rng.random() < 0.8, rng.random() < 0.5
    faults = rng.uniform(0.15, 0.6) if calm else 1.0  # drivers smooth, or frames are averaged
    return DepthCamera(
        width=416, height=312, field=rng.uniform(0.85, 1.1), near=0.3, far=rng.uniform(1.8, 4.0),
        noise=faults * rng.uniform(0.5, 1.5),
        step=faults * rng.uniform(0.0015, 0.0032) if structured else 0.0,
        baseline=0.075 if structured else 0.0, jitter=rng.uniform(0.2, 0.9),
        window=int(rng.integers(0, 3)), flying=rng.uniform(0.0, 0.3), shift=random_shift(rng, 3),
        grazing=rng.uniform(0.05, 0.3), dropout=rng.uniform(0.0, 0.03),
    )  # fmt: skip


def _crop(world: World, view: View, top: TableTop, rng: Rng) -> View:
    """Keep the table and what is on it, or the whole view."""
    if rng.random() < 0.3:
        return view
    half = max(top.support.size) * rng.uniform(0.55, 0.8)
    near = np.abs(view.points[:, :2]).max(axis=1) < half
    keep = near & (view.points[:, 2] > top.support.z - 0.03)
    return View(
        points=view.points[keep], clean=view.clean[keep], face=view.face[keep],
        color_face=view.color_face[keep], pixel=view.pixel[keep],
    )  # fmt: skip


def simulate_table(rng: Rng, library: MeshLibrary | None) -> Scene:
    """One labelled table-top scan.

    Args:
        rng: Source of everything random.
        library: Meshes to mix in, or None for shapes only.

    Returns:
        A scene of at most 60,000 points, z up or in the camera's optical frame (meta "frame").
    """
    world, top = build_table(rng, ObjectSource(library))
    world = harmonized(world, rng)
    caster, light, camera = Caster(world), random_light(rng), near_camera(rng)
    views = 1 if rng.random() < 0.75 else int(rng.integers(2, 6))
    poses = _poses(rng, np.array([0.0, 0.0, top.support.z]), views)
    shots = [_crop(world, shoot(caster, camera, pose, rng), top, rng) for pose in poses]
    points, rgb, instance = _collect(caster, shots, light, rng)
    meta: dict[str, str | int | float] = {"kind": "table", "sensor": "rgbd", "views": views}
    meta["frame"] = "world"
    if views == 1 and rng.random() < 0.2:
        points = (points - poses[0][:3, 3]) @ poses[0][:3, :3]
        meta["frame"] = "camera"
    return finish(world, points, rgb, instance, meta)


def _collect(
    caster: Caster, shots: list[View], light: Light, rng: Rng
) -> tuple[FloatArray, np.ndarray, np.ndarray]:
    """Join shots, thin them, color them: (N, 3) points, (N, 3) uint8, (N,) int32 ids."""
    points = np.concatenate([s.points for s in shots])
    clean = np.concatenate([s.clean for s in shots])
    color_face = np.concatenate([s.color_face for s in shots])
    world = caster.world
    instance = world.instance[np.concatenate([s.face for s in shots])]
    if len(shots) > 1:
        points, rows = merge_voxels(points, instance, rng.uniform(0.003, 0.006))
        clean, color_face, instance = clean[rows], color_face[rows], instance[rows]
    keep = subsample(len(points), int(rng.integers(25_000, 60_000)), rng)
    rgb = shade(world, clean[keep], color_face[keep], light, rng, caster=caster)
    return points[keep], rgb, instance[keep]
