"""Outdoor places: streets with junctions, gardens and car parks on uneven ground."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import greenery, outdoor, vehicles
from clickseg3d_core.simulation.library import MeshLibrary
from clickseg3d_core.simulation.mesh import (
    FloatArray,
    Mesh,
    from_arrays,
    merge,
    rotation_x,
    rotation_z,
)
from clickseg3d_core.simulation.relief import Relief, raised, random_relief, tiled
from clickseg3d_core.simulation.stacking import HeightMap, profile
from clickseg3d_core.simulation.world import Item, World, WorldBuilder

Rng = np.random.Generator
Maker = Callable[[Rng], Item]
_CELL = 0.25
_STREET_BOXES = ("box", "barrier", "other", "chair", "bag")


@dataclass(frozen=True, kw_only=True, slots=True)
class StreetPlan:
    """One street.

    Attributes:
        length: Metres along the street.
        road: Half width of the road in metres.
        walk: Width of each sidewalk in metres.
        curb: Height of the sidewalks in metres.
        spans: (start, end) pairs in metres along the street where its sides are built up.
        yaw: Direction of the street, radians.
        origin: x, y of its middle in metres, world frame.
        green: Share of gardens instead of house fronts, 0..1.
        parked: Share of the curb taken by parked cars, 0..1.
    """

    length: float
    road: float
    walk: float
    curb: float
    spans: tuple[tuple[float, float], ...]
    yaw: float = 0.0
    origin: tuple[float, float] = (0.0, 0.0)
    green: float = 0.5
    parked: float = 0.5

    def place(self, x: float, y: float) -> FloatArray:
        """(2,) world position of x metres along and y metres across the street."""
        turned = rotation_z(self.yaw)[:2, :2] @ np.array([x, y])
        return np.asarray(turned + np.array(self.origin))

    def holds(self, spot: FloatArray) -> bool:
        """Whether a (2,) world position is on the road."""
        x, y = rotation_z(-self.yaw)[:2, :2] @ (spot - np.array(self.origin))
        return bool(abs(y) < self.road and abs(x) < self.length / 2)


def random_plans(rng: Rng) -> tuple[StreetPlan, ...]:
    """Draw a street, in half of the cases with another one across it."""
    length, road = rng.uniform(45.0, 100.0), rng.uniform(2.8, 8.0)
    curb, green = rng.uniform(0.0, 0.18), rng.random()
    main = StreetPlan(
        length=length, road=road, walk=rng.uniform(1.2, 5.0), curb=curb, green=green,
        spans=((-length / 2, length / 2),), parked=rng.random() ** 0.6,
    )  # fmt: skip
    if rng.random() < 0.5:
        return (main,)
    at, half, walk = rng.uniform(-0.3, 0.3) * length, rng.uniform(2.6, 6.0), rng.uniform(1.2, 3.0)
    reach = road + main.walk + rng.uniform(15.0, 30.0)
    sides = ((-reach, -road), (road, reach))
    cross = StreetPlan(
        length=2.0 * reach, road=half, walk=walk, curb=curb, yaw=np.pi / 2, origin=(at, 0.0),
        spans=sides if rng.random() < 0.6 else sides[:1], green=green, parked=rng.random() ** 0.6,
    )  # fmt: skip
    left, right = (-length / 2, at - half), (at + half, length / 2)
    return replace(main, spans=(left, right)), cross


@dataclass(slots=True, eq=False)
class DistrictBuilder:
    """Puts streets together on one plane."""

    library: MeshLibrary | None
    rng: Rng
    builder: WorldBuilder
    ground: HeightMap
    roads: tuple[StreetPlan, ...]

    def mixed(self, make: Maker, classes: tuple[str, ...], most: float = 9.0) -> Maker:
        """A maker that now and then takes a library mesh of at most `most` metres."""

        def draw(rng: Rng) -> Item:
            if self.library is not None and rng.random() < 0.35:
                found = self.library.draw(rng, classes, ("outdoor",))
                if found is not None and found.mesh.extent.max() < most and _car_like(found):
                    return _along_x(found)
            return make(rng)

        return draw

    def put(
        self, plan: StreetPlan, item: Item, x: float, y: float, yaw: float, *, road: bool = False
    ) -> bool:
        """Place an item, given in a street's frame, if the ground there is free.

        Only with `road` may its middle be on a road.
        """
        return self.put_row(plan, [item], [(x, y, yaw)], road=road) == 1

    def put_row(
        self,
        plan: StreetPlan,
        items: list[Item],
        places: list[tuple[float, float, float]],
        *,
        road: bool = False,
    ) -> int:
        """Place those items whose ground was free before; they may touch each other.

        Args:
            plan: Whose frame it is.
            items: To place.
            places: x, y in metres and yaw in radians of each, in the street's frame.
            road: Whether their middles may be on a road.

        Returns:
            How many stand.
        """
        stand = []
        for item, (x, y, yaw) in zip(items, places, strict=True):
            spot, turn = plan.place(x, y), yaw + plan.yaw
            on_road = any(p.holds(spot) for p in self.roads)
            shape = profile(item.mesh.turned(rotation_z(turn)), _CELL, self.rng)
            cells = self.ground.cells_at(spot[0], spot[1], shape)
            if cells is None or (on_road and not road):
                continue
            low = (cells[:, 0] >= 0) & (shape.bottom < 2.5)
            if not (self.ground.height[cells[low, 0], cells[low, 1]] > 0.3).any():
                stand.append((item, spot, turn, shape, 0.0 if on_road else plan.curb))
        for item, spot, turn, shape, z in stand:
            self.ground.occupy(spot[0], spot[1], 0.0, shape)
            self.builder.add(item, (*spot, z), turn)
        return len(stand)

    def rows_of_plants(self, plan: StreetPlan) -> None:
        """Trees or bushes of one kind in rows, so close that some grow into each other."""
        rng = self.rng
        for _ in range(int(rng.integers(0, 4))):
            make = (greenery.bush, greenery.dense_tree, greenery.tree)[int(rng.integers(3))]
            model = make(rng)
            wide = float(model.mesh.extent[:2].max())
            step = max(wide, 0.5) * rng.uniform(0.5, 1.6)
            count = int(rng.integers(3, 15))
            across = float(rng.choice([-1, 1]) * (plan.road + rng.uniform(0.8, plan.walk + 8.0)))
            start = rng.uniform(-0.45, 0.3) * plan.length
            away = rng.random() < 0.2  # from the street instead of along it
            items, places = [], []
            for k in range(count):
                size = rng.uniform(0.8, 1.15)
                items.append(replace(model, mesh=model.mesh.scaled(size, size, size)))
                shift = np.array([k * step, 0.0]) + rng.normal(0.0, 0.08 * step, 2)
                dx, dy = shift[::-1] * np.sign(across) if away else shift
                places.append((start + dx, across + dy, rng.uniform(0.0, 2.0 * np.pi)))
            self.put_row(plan, items, places)

    def surfaces(self, plan: StreetPlan) -> None:
        """Road and sidewalks; rough lawns or paved yards lie behind them."""
        rng = self.rng
        tar = paint.gray(rng) * 0.7
        asphalt = paint.patterned("noise", [tar, tar * rng.uniform(0.8, 1.0)], 1.5, rng)
        for start, end in plan.spans if plan.yaw else ((-plan.length / 2, plan.length / 2),):
            road = tiled(end - start, 2.0 * plan.road, 1.0)
            self._lay(plan, road, asphalt, (start + end) / 2, 0.0, 0.0)
        slab = [paint.gray(rng), paint.gray(rng)]
        stone = paint.patterned(str(rng.choice(["checker", "noise", "cells"])), slab, 0.5, rng)
        for start, end in plan.spans:
            for side in (-1, 1):
                strip = tiled(end - start, plan.walk, 1.0)
                face = tiled(end - start, plan.curb + 0.1, 0.5).turned(rotation_x(np.pi / 2))
                curb = face.moved(0.0, -side * plan.walk / 2, -plan.curb / 2 - 0.05)
                across = side * (plan.road + plan.walk / 2)
                both = merge([strip, curb])
                self._lay(plan, both, stone, (start + end) / 2, across, plan.curb)

    def terrain(self) -> None:
        """Ground below everything, rough where it is grass."""
        size, plan = self.ground.size, self.roads[0]
        paved = self.rng.random() < 0.25
        mesh = self._off_road(tiled(size[0] + 40.0, size[1] + 40.0, 1.0))
        bumps = self.rng.normal(0.0, 0.01 if paved else 0.03, len(mesh.vertices))
        mesh.vertices[:, 2] += np.minimum(bumps, 0.04)
        tone = (
            [paint.gray(self.rng)] * 2 if paved else [paint.leafy(self.rng), paint.woody(self.rng)]
        )
        skin = paint.patterned("noise", tone, 0.8, self.rng)
        # Just under road and sidewalk, so that it shows only where they are not.
        level = -0.06 if plan.curb < 0.08 else plan.curb - 0.05
        self._lay(plan, mesh, skin, 0.0, 0.0, level)

    def _off_road(self, mesh: Mesh) -> Mesh:
        middle = mesh.vertices[mesh.faces].mean(axis=1)[:, :2]
        free = np.ones(len(middle), dtype=bool)
        for plan in self.roads:
            local = (middle - np.array(plan.origin)) @ rotation_z(plan.yaw)[:2, :2]
            wide = np.abs(local[:, 1]) < plan.road + 0.6
            free &= ~(wide & (np.abs(local[:, 0]) < plan.length / 2 + 1.0))
        return from_arrays(mesh.vertices, mesh.faces[free])

    def _lay(
        self, plan: StreetPlan, mesh: Mesh, skin: paint.Material, x: float, y: float, z: float
    ) -> None:
        piece = Item(mesh=mesh, classes=("floor",), materials=(skin,))
        self.builder.add(piece, (*plan.place(x, y), z), plan.yaw)

    def facades(self, plan: StreetPlan) -> None:
        """Houses in rows, with gaps and front gardens behind hedges and fences."""
        rng = self.rng
        for start, end in plan.spans:
            for side in (-1, 1):
                if rng.random() < 0.15:
                    continue
                garden = rng.random() < plan.green
                setback = rng.uniform(2.0, 8.0) if garden else rng.uniform(0.05, 0.8)
                x = start + rng.uniform(0.0, 3.0)
                while x < end:
                    block = outdoor.building(rng)
                    width = float(block.mesh.extent[0])
                    back = side * (plan.road + plan.walk + setback + rng.uniform(0, 1.0) * garden)
                    if x + width < end and rng.random() < 0.88:
                        self.put(plan, block, x + width / 2, back, 0.0 if side > 0 else np.pi)
                    if garden and x + width < end:
                        self._front_garden(plan, x, width, side, setback)
                    x += width + (0.0 if rng.random() < 0.5 else rng.uniform(1.0, 8.0))

    def _front_garden(
        self, plan: StreetPlan, x: float, width: float, side: int, depth: float
    ) -> None:
        rng = self.rng
        edge = plan.road + plan.walk + 0.3
        gate = rng.uniform(1.0, 3.5)
        cut = rng.uniform(0.2, 0.8) * (width - gate)
        for start, length in ((x, cut), (x + cut + gate, width - cut - gate)):
            if length < 1.0 or rng.random() < 0.25:
                continue
            make = greenery.hedge if rng.random() < 0.55 else outdoor.fence
            self.put(plan, make(rng, length), start + length / 2, side * edge, 0.0)
        for _ in range(int(rng.integers(0, 4))):
            plant = greenery.tree(rng) if rng.random() < 0.35 else greenery.bush(rng)
            across = side * (edge + rng.uniform(0.6, max(depth - 0.4, 0.7)))
            self.put(plan, plant, x + rng.uniform(0, width), across, rng.uniform(0, 6.28))
        if rng.random() < 0.35:
            bin_x = x + cut + rng.uniform(0.2, 0.8)
            self.put(plan, outdoor.waste_bin(rng), bin_x, side * (edge + 0.7), 0.0)
        if rng.random() < 0.3 and gate > 2.3 and depth > 5.0:
            across = side * (edge + 2.6)
            self.put(plan, vehicles.car(rng), x + cut + gate / 2, across, np.pi / 2 * side)

    def parked(self, plan: StreetPlan) -> None:
        """Cars in rows at the curbs, half on the sidewalk, across or along, and some driving."""
        rng = self.rng
        make = self.mixed(_any_vehicle, ("vehicle",))
        across = rng.random() < 0.18 and plan.road > 6.0
        for start, end in plan.spans:
            for side in (-1, 1):
                density = plan.parked * rng.uniform(0.4, 1.2)
                shift = 1.1 if rng.random() < 0.75 else -rng.uniform(0.0, 0.6)
                x = start + rng.uniform(1.0, 6.0)
                while x < end - 2.0:
                    one = make(rng)
                    lane = plan.road - (2.7 if across else shift) + rng.normal(0, 0.08)
                    turn = (np.pi / 2 if across else 0.0) + np.pi * int(rng.integers(2))
                    reach = 1.2 if across else float(one.mesh.extent[0]) / 2
                    if rng.random() < density:
                        self.put(
                            plan, one, x + reach, side * lane, turn + rng.normal(0, 0.04), road=True
                        )
                    x += 2.7 if across else 2.0 * reach + abs(rng.normal(0.7, 0.4))
        for _ in range(int(rng.integers(0, 5))):
            lane = rng.choice([-1, 1]) * rng.uniform(0.8, max(plan.road - 3.0, 1.0))
            x = rng.uniform(-0.5, 0.5) * plan.length
            self.put(plan, make(rng), x, float(lane), np.pi * (lane < 0), road=True)

    def furnish(self, plan: StreetPlan) -> None:
        """Trees, poles, persons, bins, bicycles and benches on the sidewalks."""
        rng = self.rng
        w = plan.walk
        makers: list[tuple[Maker, float, tuple[float, float]]] = [
            (self.mixed(greenery.tree, ("tree",), 14.0), 1.0, (0.4, 0.9)),
            (self.mixed(outdoor.pole, ("pole",), 12.0), 2.2, (0.2, 0.6)),
            (self.mixed(outdoor.person, ("person",)), 1.3, (0.3, w)),
            (self.mixed(outdoor.street_box, _STREET_BOXES), 0.9, (0.3, w)),
            (vehicles.two_wheeler, 1.2, (0.3, w)),
            (outdoor.waste_bin, 0.9, (0.3, w)),
            (outdoor.fence, 0.4, (w - 0.3, w + 1.0)), (greenery.bush, 0.5, (w, w + 3.0)),
            (greenery.tree, 0.5, (w, w + 6.0)), (greenery.hedge, 0.3, (w, w + 1.0)),
        ]  # fmt: skip
        weights = np.array([weight for _, weight, _ in makers])
        for _ in range(int(rng.integers(12, int(24 + plan.length * 0.5)))):
            index = int(rng.choice(len(makers), p=weights / weights.sum()))
            make, _, (near, far) = makers[index]
            y = rng.choice([-1, 1]) * (plan.road + rng.uniform(near, max(far, near + 0.1)))
            x = rng.uniform(-0.48, 0.48) * plan.length
            yaw = rng.uniform(0, 2 * np.pi) if index in (0, 2, 8) else np.pi / 2 * rng.integers(4)
            yaw = np.pi * int(rng.integers(2)) if index in (6, 9) else yaw
            for k in range(int(rng.integers(1, 5)) if index in (4, 5) else 1):  # racks, rows
                self.put(plan, make(rng), x + 0.75 * k, float(y), float(yaw + rng.normal(0, 0.1)))
        for _ in range(int(rng.integers(0, 4))):
            x, y = rng.uniform(-0.4, 0.4) * plan.length, rng.uniform(-1, 1) * plan.road
            walker = outdoor.person if rng.random() < 0.6 else vehicles.two_wheeler
            self.put(plan, walker(rng), x, y, rng.uniform(0, 6.28), road=True)


def _any_vehicle(rng: Rng) -> Item:
    makers = (vehicles.car, vehicles.truck, vehicles.bus, vehicles.trailer)
    return makers[int(rng.choice(4, p=[0.88, 0.05, 0.02, 0.05]))](rng)


def _car_like(item: Item) -> bool:
    """Not an airplane or another wide thing."""
    wide, long = np.sort(item.mesh.extent[:2])
    return item.classes[0] != "vehicle" or bool(wide < 3.0 or long < 2.0)


def _along_x(item: Item) -> Item:
    """Turn long library meshes so that they point along x."""
    if item.mesh.extent[1] > 1.3 * item.mesh.extent[0]:
        return replace(item, mesh=item.mesh.turned(rotation_z(np.pi / 2)).grounded())
    return item


def build_district(rng: Rng, library: MeshLibrary | None) -> tuple[World, StreetPlan, Relief]:
    """Build one or two streets around the origin; the plan is of the first, along x."""
    plans = random_plans(rng)
    main = plans[0]
    reach = max(main.road + main.walk + 25.0, *(p.length / 2 for p in plans[1:]), 0.0)
    ground = HeightMap.flat((main.length + 4.0, 2.0 * reach), _CELL, 40.0)
    district = DistrictBuilder(library, rng, WorldBuilder(), ground, plans)
    district.terrain()
    for plan in plans:
        district.surfaces(plan)
    for plan in plans:
        district.facades(plan)
        district.parked(plan)
    for plan in plans:
        district.rows_of_plants(plan)
        district.furnish(plan)
    relief = random_relief(rng)
    return raised(district.builder.build(), relief), main, relief
