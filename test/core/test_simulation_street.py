"""Simulated streets: what stands where, and how the sensor's points are kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clickseg3d_core.classes import CLASS_IDS
from clickseg3d_core.simulation import greenery, outdoor, shapes, street, vehicles
from clickseg3d_core.simulation.appearance import plain
from clickseg3d_core.simulation.district import DistrictBuilder, StreetPlan, build_district
from clickseg3d_core.simulation.lidar import Lidar
from clickseg3d_core.simulation.raycast import Caster
from clickseg3d_core.simulation.relief import Relief, raised, tiled
from clickseg3d_core.simulation.stacking import HeightMap
from clickseg3d_core.simulation.world import Item, WorldBuilder

pytest.importorskip("embreex")

HILL = Relief(
    slope=np.array([0.1, 0.0]), wave=np.zeros((3, 2)), phase=np.zeros(3), height=np.zeros(3)
)


@pytest.mark.parametrize(
    ("make", "low", "high"),
    [
        (vehicles.car, (2.5, 1.4, 1.3), (6.5, 2.5, 2.9)),
        (vehicles.two_wheeler, (1.4, 0.3, 0.9), (2.3, 0.9, 2.0)),
        (vehicles.bus, (7.9, 2.4, 2.7), (14.1, 2.8, 3.5)),
        (greenery.tree, (0.3, 0.3, 1.4), (18.0, 18.0, 18.0)),
        (greenery.dense_tree, (0.25, 0.25, 1.4), (7.0, 7.0, 9.0)),
        (outdoor.person, (0.15, 0.2, 0.8), (1.3, 1.0, 2.0)),
        (outdoor.waste_bin, (0.25, 0.25, 0.45), (2.4, 1.8, 1.9)),
    ],
)
def test_outdoor_things_have_real_sizes_and_stand_on_the_ground(make, low, high) -> None:  # type: ignore[no-untyped-def]
    for seed in range(8):
        thing = make(np.random.default_rng(seed))
        assert (thing.mesh.extent >= low).all(), thing.mesh.extent
        assert (thing.mesh.extent <= high).all(), thing.mesh.extent
        assert thing.mesh.vertices[:, 2].min() == pytest.approx(0.0, abs=1e-9)
        assert thing.mesh.slot.max() < len(thing.materials)
        assert thing.mesh.part.max() < len(thing.classes)


def test_cars_have_windows_above_their_middle_only() -> None:
    for seed in range(8):
        mesh = vehicles.car(np.random.default_rng(seed)).mesh
        height = mesh.vertices[mesh.faces[mesh.slot == 1]].mean(axis=1)[:, 2]
        assert len(height) >= 8
        assert height.min() > 0.45 * mesh.extent[2]


def test_riders_and_signs_are_instances_of_their_own() -> None:
    riders = [vehicles.two_wheeler(np.random.default_rng(s)).classes for s in range(40)]
    assert ("vehicle", "person") in riders
    assert ("vehicle",) in riders
    assert max(len(outdoor.pole(np.random.default_rng(s)).classes) for s in range(40)) >= 2


def test_relief_lifts_what_stands_on_it() -> None:
    builder = WorldBuilder()
    stone = (plain(np.ones(3)),)
    builder.add(Item(mesh=tiled(20.0, 4.0, 1.0), classes=("floor",), materials=stone))
    builder.add(Item(mesh=shapes.box(1, 1, 1), classes=("box",), materials=stone), (8.0, 0.0, 0.0))
    world = raised(builder.build(), HILL)
    down = np.array([[0.0, 0.0, -1.0]])
    ground, _ = Caster(world).cast(np.array([[-5.0, 0.3, 3.0]]), down)
    top, _ = Caster(world).cast(np.array([[8.1, 0.3, 3.0]]), down)
    assert 3.0 - ground[0] == pytest.approx(-0.5, abs=1e-4)
    assert 3.0 - top[0] == pytest.approx(1.81, abs=1e-4)


def test_plants_of_a_row_may_touch_but_stand_on_free_ground() -> None:
    plan = StreetPlan(length=40.0, road=3.0, walk=2.0, curb=0.1, spans=((-20.0, 20.0),))
    ground = HeightMap.flat((44.0, 60.0), 0.25, 40.0)
    district = DistrictBuilder(None, np.random.default_rng(0), WorldBuilder(), ground, (plan,))
    ball = greenery.bush(np.random.default_rng(1))
    assert district.put(plan, ball, 0.0, 8.0, 0.0)
    places = [(x, 8.0, 0.0) for x in (0.1, 6.0, 6.3, 6.6)] + [(9.0, 0.0, 0.0)]
    assert district.put_row(plan, [ball] * 5, places) == 3  # not in the first one, not on the road
    assert not district.put(plan, ball, 6.3, 8.0, 0.0)
    assert len(district.builder.build().instance_class) == 1 + 4


def test_streets_have_rows_of_plants_of_one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    for other in ("furnish", "facades", "parked"):
        monkeypatch.setattr(DistrictBuilder, other, lambda *_: None)
    green = [CLASS_IDS["tree"], CLASS_IDS["plant"]]
    found = []
    for seed in range(4):
        world, _, _ = build_district(np.random.default_rng(seed), None)
        found.append(int(np.isin(world.instance_class, green).sum()))
    assert max(found) >= 3


def test_only_traffic_stands_on_the_road() -> None:
    for seed in range(3):
        world, plan, relief = build_district(np.random.default_rng(seed), None)
        allowed = {CLASS_IDS[n] for n in ("floor", "vehicle", "person")}
        for number in range(1, len(world.instance_class)):
            if int(world.instance_class[number]) in allowed:
                continue
            corners = world.triangles[world.instance == number].reshape(-1, 3)
            lift = corners[:, 2] - relief.at(corners[:, :2].astype(np.float64))
            if lift.min() > 1.0:  # a sign or a lamp may hang over it
                continue
            foot = corners[lift < lift.min() + 0.5, :2]
            assert not plan.holds((foot.min(axis=0) + foot.max(axis=0)) / 2), number


def test_a_sector_or_radius_keeps_rings_whole() -> None:
    rng = np.random.default_rng(1)
    points = np.column_stack([rng.uniform(-50, 50, (200_000, 2)), np.zeros(200_000)])
    eye = np.array([0.0, 0.0, 1.7])
    for seed in range(6):
        rows = street._within_budget(points, eye, np.random.default_rng(seed))
        assert len(rows) <= 80_000
        assert (np.diff(rows) > 0).all()


def test_street_scans_follow_the_ground_below_the_sensor() -> None:
    world, plan, relief = build_district(np.random.default_rng(2), None)
    tall = replace(relief, slope=relief.slope)
    for turn, eye in street.drive(plan, tall, 5, np.random.default_rng(0)):
        assert 1.3 < eye[2] - relief.at(eye[:2]) < 2.3
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    assert isinstance(street.random_lidar(np.random.default_rng(0)), Lidar)
    assert len(world.triangles) > 2000
