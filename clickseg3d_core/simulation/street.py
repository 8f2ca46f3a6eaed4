"""Streets: ground, sidewalks, facades, parked cars, trees, poles, persons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from clickseg3d_core.data.scene import Scene
from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import outdoor, shapes
from clickseg3d_core.simulation.library import MeshLibrary
from clickseg3d_core.simulation.lidar import Lidar, Sweep, sweep
from clickseg3d_core.simulation.light import random_light, shade
from clickseg3d_core.simulation.mesh import FloatArray, rotation_x, rotation_y, rotation_z
from clickseg3d_core.simulation.raycast import Caster
from clickseg3d_core.simulation.scan import finish, merge_voxels, subsample
from clickseg3d_core.simulation.stacking import HeightMap, profile
from clickseg3d_core.simulation.world import Item, World, WorldBuilder

Rng = np.random.Generator
Maker = Callable[[Rng], Item]
_CELL = 0.25
_STREET_BOXES = ("box", "barrier", "other", "chair", "bag")


@dataclass(frozen=True, kw_only=True, slots=True)
class StreetPlan:
    """Cross-section of a street along x.

    Attributes:
        length: Metres along x.
        road: Half width of the road in metres.
        walk: Width of each sidewalk in metres.
        curb: Height of the sidewalks in metres.
    """

    length: float
    road: float
    walk: float
    curb: float


@dataclass(slots=True, eq=False)
class StreetBuilder:
    """Puts a street together."""

    plan: StreetPlan
    library: MeshLibrary | None
    rng: Rng
    builder: WorldBuilder
    ground: HeightMap

    def surfaces(self) -> None:
        """Road, sidewalks and the ground behind them."""
        p, rng = self.plan, self.rng
        asphalt = paint.patterned("noise", [paint.gray(rng) * 0.7, paint.gray(rng) * 0.6], 1.5, rng)
        road = Item(
            mesh=shapes.panel(p.length, 2 * p.road), classes=("floor",), materials=(asphalt,)
        )
        self.builder.add(road)
        stone = paint.patterned("checker", [paint.gray(rng), paint.gray(rng)], 0.5, rng)
        grass = paint.patterned("noise", [paint.leafy(rng), paint.woody(rng)], 1.0, rng)
        for side in (-1, 1):
            strip = shapes.box(p.length, p.walk, p.curb + 0.2)
            walk = Item(mesh=strip, classes=("floor",), materials=(stone,))
            self.builder.add(walk, (0.0, side * (p.road + p.walk / 2), -0.2))
            lawn = Item(mesh=shapes.panel(p.length, 30.0), classes=("floor",), materials=(grass,))
            self.builder.add(lawn, (0.0, side * (p.road + p.walk + 15.0), p.curb * 0.8))

    def mixed(self, make: Maker, classes: tuple[str, ...]) -> Maker:
        """A maker that takes a library mesh every other time."""

        def draw(rng: Rng) -> Item:
            if self.library is not None and rng.random() < 0.5:
                found = self.library.draw(rng, classes, ("outdoor",))
                if found is not None and found.mesh.extent.max() < 14.0:
                    return _along_x(found)
            return make(rng)

        return draw

    def put(self, item: Item, x: float, y: float, yaw: float) -> bool:
        """Place an item if the ground there is free."""
        mesh = item.mesh.turned(rotation_z(yaw))
        shape = profile(mesh, _CELL, self.rng)
        cells = self.ground.cells_at(x, y, shape)
        if cells is None:
            return False
        inside = cells[:, 0] >= 0
        low = inside & (shape.bottom < 2.5)
        if (self.ground.height[cells[low, 0], cells[low, 1]] > 0.3).any():
            return False
        z = 0.0 if abs(y) < self.plan.road else self.plan.curb
        self.ground.occupy(x, y, 0.0, shape)
        self.builder.add(item, (x, y, z), yaw)
        return True

    def facades(self) -> None:
        """Rows of buildings with gaps on both sides."""
        p, rng = self.plan, self.rng
        for side in (-1, 1):
            if rng.random() < 0.12:
                continue
            x = -p.length / 2
            setback = rng.uniform(0.1, 6.0)
            while x < p.length / 2:
                block = outdoor.building(rng)
                width = float(block.mesh.extent[0])
                y = side * (p.road + p.walk + setback + rng.uniform(0, 1.0))
                yaw = 0.0 if side > 0 else np.pi
                if rng.random() < 0.85:
                    self.put(block, x + width / 2, y, yaw)
                x += width + (0.0 if rng.random() < 0.5 else rng.uniform(1.0, 8.0))

    def parked(self) -> None:
        """Cars in rows at the curbs, and some driving."""
        p, rng = self.plan, self.rng
        make = self.mixed(outdoor.car, ("vehicle",))
        for side in (-1, 1):
            density, x = rng.random(), -p.length / 2 + rng.uniform(0, 6)
            across = rng.random() < 0.15 and p.road > 7.0
            while x < p.length / 2:
                car = make(rng)
                lane = p.road - (1.2 if not across else 2.6) + rng.normal(0, 0.06)
                heading = (np.pi / 2 if across else 0.0) + np.pi * int(rng.integers(2))
                if rng.random() < density:
                    self.put(car, x, side * lane, heading + rng.normal(0, 0.03))
                x += 2.9 if across else float(car.mesh.extent[0]) + rng.uniform(0.6, 2.0)
        for _ in range(int(rng.integers(0, 5))):
            lane = rng.choice([-1, 1]) * rng.uniform(0.8, max(p.road - 3.5, 1.0))
            self.put(make(rng), rng.uniform(-0.5, 0.5) * p.length, lane, np.pi * (lane < 0))

    def furnish(self) -> None:
        """Trees, poles, persons, boxes, fences and bushes on the sidewalks."""
        p, rng = self.plan, self.rng
        makers: list[tuple[Maker, float, tuple[float, float]]] = [
            (self.mixed(outdoor.tree, ("tree",)), 1.0, (0.4, 0.9)),
            (self.mixed(outdoor.pole, ("pole",)), 1.2, (0.25, 0.7)),
            (self.mixed(outdoor.person, ("person",)), 1.2, (0.3, p.walk)),
            (self.mixed(outdoor.street_box, _STREET_BOXES), 1.0, (0.4, p.walk)),
            (outdoor.two_wheeler, 0.6, (0.4, p.walk)),
            (outdoor.fence, 0.5, (p.walk - 0.3, p.walk + 1.0)),
            (outdoor.bush, 0.6, (p.walk - 0.2, p.walk + 3.0)),
            (outdoor.tree, 0.4, (p.walk, p.walk + 5.0)),
        ]  # fmt: skip
        weights = np.array([w for _, w, _ in makers])
        for _ in range(int(rng.integers(8, int(20 + p.length * 0.5)))):
            index = int(rng.choice(len(makers), p=weights / weights.sum()))
            make, _, (near, far) = makers[index]
            y = rng.choice([-1, 1]) * (p.road + rng.uniform(near, max(far, near + 0.1)))
            yaw = rng.uniform(0, 2 * np.pi) if index in (0, 2) else np.pi / 2 * int(rng.integers(4))
            yaw = np.pi * int(rng.integers(2)) if index in (5, 6) else yaw
            self.put(make(rng), rng.uniform(-0.48, 0.48) * p.length, float(y), float(yaw))
        for _ in range(int(rng.integers(0, 4))):
            self.put(
                outdoor.person(rng),
                rng.uniform(-0.4, 0.4) * p.length,
                rng.uniform(-1, 1) * p.road,
                0.0,
            )


def _along_x(item: Item) -> Item:
    """Turn long library meshes so that they point along x."""
    if item.mesh.extent[1] > 1.3 * item.mesh.extent[0]:
        return replace(item, mesh=item.mesh.turned(rotation_z(np.pi / 2)).grounded())
    return item


def build_street(rng: Rng, library: MeshLibrary | None) -> tuple[World, StreetPlan]:
    """Build one street centered at the origin."""
    plan = StreetPlan(
        length=rng.uniform(45.0, 100.0), road=rng.uniform(3.0, 9.0), walk=rng.uniform(1.5, 5.0),
        curb=rng.uniform(0.0, 0.18),
    )  # fmt: skip
    ground = HeightMap.flat((plan.length + 4.0, 2 * (plan.road + plan.walk) + 50.0), _CELL, 40.0)
    street = StreetBuilder(plan, library, rng, WorldBuilder(), ground)
    street.surfaces()
    street.facades()
    street.parked()
    street.furnish()
    return street.builder.build(), plan


def random_lidar(rng: Rng) -> Lidar:
    """A sensor of 16 to 128 rings."""
    rings = int(rng.choice([16, 32, 64, 64, 128]))
    columns = {16: 1800, 32: 1600, 64: 1400, 128: 900}[rings]
    low, high = ((-0.26, 0.26), (-0.53, 0.18), (-0.43, 0.04), (-0.39, 0.39))[
        (16, 32, 64, 128).index(rings)
    ]
    return Lidar(
        rings=rings, columns=columns, lowest=low, highest=high, noise=rng.uniform(0.008, 0.03),
        far=rng.uniform(50.0, 100.0), dropout=rng.uniform(0.0, 0.15),
    )  # fmt: skip


def drive(plan: StreetPlan, count: int, rng: Rng) -> list[tuple[FloatArray, FloatArray]]:
    """Rotation (3, 3) and position (3,) in metres of the sensor along the road."""
    lane, height = rng.uniform(-0.3, 0.3) * plan.road, rng.uniform(1.4, 2.2)
    start, span = rng.uniform(-0.25, 0.25) * plan.length, rng.uniform(0.3, 0.7) * plan.length
    stops = [start] if count == 1 else np.linspace(-span / 2, span / 2, count).tolist()
    heading, poses = rng.uniform(0, 2 * np.pi), []
    for x in stops:
        tilt = rotation_x(rng.normal(0, 0.008)) @ rotation_y(rng.normal(0, 0.008))
        poses.append((rotation_z(heading) @ tilt, np.array([x, lane, height])))
    return poses


def simulate_street(rng: Rng, library: MeshLibrary | None) -> Scene:
    """One labelled street scan.

    Args:
        rng: Source of everything random.
        library: Meshes to mix in, or None for shapes only.

    Returns:
        A scene of at most 80,000 points, z up. Half are one sweep without color, half are several
        sweeps merged and colored.
    """
    world, plan = build_street(rng, library)
    return scan_street(world, plan, rng)


def scan_street(world: World, plan: StreetPlan, rng: Rng) -> Scene:
    """Scan a street once, by one sweep or a drive."""
    caster, lidar = Caster(world), random_lidar(rng)
    single = rng.random() < 0.5
    count = 1 if single else int(rng.integers(4, 14))
    sweeps = [sweep(caster, lidar, turn, eye, rng) for turn, eye in drive(plan, count, rng)]
    points, clean, face = _joined(sweeps)
    instance = world.instance[face]
    if not single:
        points, rows = merge_voxels(points, instance, rng.uniform(0.05, 0.1))
        clean, face, instance = clean[rows], face[rows], instance[rows]
    keep = subsample(len(points), 80_000, rng)
    rgb = None
    if not single or rng.random() < 0.2:
        rgb = shade(world, clean[keep], face[keep], random_light(rng), rng)
        if rng.random() < 0.3:
            rgb = np.repeat(rgb.mean(axis=1, keepdims=True), 3, axis=1).astype(np.uint8)
    meta: dict[str, str | int | float] = {"kind": "street", "sensor": "lidar", "frame": "world"}
    meta |= {"views": count, "rings": lidar.rings}
    return finish(world, points[keep], rgb, instance[keep], meta)


def _joined(sweeps: list[Sweep]) -> tuple[FloatArray, FloatArray, np.ndarray]:
    return (
        np.concatenate([s.points for s in sweeps]),
        np.concatenate([s.clean for s in sweeps]),
        np.concatenate([s.face for s in sweeps]),
    )
