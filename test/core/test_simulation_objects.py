"""Small things, how they lie, and what they look like."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clickseg3d_core.classes import CLASS_IDS
from clickseg3d_core.simulation import (
    appearance,
    furniture,
    goods,
    shapes,
)
from clickseg3d_core.simulation.clutter import ClutterStyle, fill
from clickseg3d_core.simulation.mesh import merge, rotation_x, surface_samples
from clickseg3d_core.simulation.objects import TABLE_OBJECTS
from clickseg3d_core.simulation.raycast import Caster
from clickseg3d_core.simulation.stacking import HeightMap, profile
from clickseg3d_core.simulation.world import Item, Support, World, WorldBuilder

pytest.importorskip("embreex")


def test_dropped_boxes_stack_and_do_not_balance_on_an_edge() -> None:
    rng = np.random.default_rng(0)
    field = HeightMap.flat((1.0, 1.0), 0.01)
    base = profile(shapes.box(0.3, 0.3, 0.2), 0.01, rng)
    small = profile(shapes.box(0.1, 0.1, 0.1), 0.01, rng)
    z = field.rest(0.0, 0.0, base)
    assert z == pytest.approx(0.0, abs=1e-6)
    field.occupy(0.0, 0.0, 0.0, base)
    assert field.rest(0.0, 0.0, small) == pytest.approx(0.2, abs=1e-3)
    assert field.rest(0.18, 0.0, small) is None
    assert field.rest(0.18, 0.0, small, stable=False) == pytest.approx(0.2, abs=1e-3)
    assert field.rest(0.35, 0.0, small) == pytest.approx(0.0, abs=1e-6)
    assert field.rest(0.6, 0.0, small) is None


def test_things_on_a_table_do_not_sink_into_it_or_each_other() -> None:
    builder = WorldBuilder()
    support = Support(center=(0.0, 0.0), size=(1.0, 0.8), z=0.7)
    style = ClutterStyle(count=12, stack=0.5, touch=0.3)
    placed = fill(
        builder, support, (np.zeros(3), 0.3), goods.carton, np.random.default_rng(3), style
    )
    assert placed >= 6
    world = builder.build()
    lows = [world.triangles[world.instance == i][..., 2].min() for i in range(1, placed + 1)]
    assert min(lows) > 0.699
    assert max(lows) > 0.71
    for i in range(1, placed + 1):
        caster = Caster(only(world, i))
        for j in set(range(1, placed + 1)) - {i}:
            center = world.triangles[world.instance == j].reshape(-1, 3).mean(axis=0)[None]
            up, _ = caster.cast(center.astype(float), np.array([[0.0, 0.0, 1.0]]))
            down, _ = caster.cast(center.astype(float), np.array([[0.0, 0.0, -1.0]]))
            assert not np.isfinite([up[0], down[0]]).all(), f"{j} sits inside {i}"


def only(world: World, instance: int) -> World:
    """The faces of one instance."""
    keep = world.instance == instance
    return replace(
        world,
        triangles=world.triangles[keep],
        normals=world.normals[keep],
        instance=world.instance[keep],
        material=world.material[keep],
        tint=world.tint[keep],
    )


@pytest.mark.parametrize("make", [maker for maker, _ in TABLE_OBJECTS])
def test_small_objects_are_small_grounded_and_fully_painted(make) -> None:  # type: ignore[no-untyped-def]
    for seed in range(6):
        thing = make(np.random.default_rng(seed))
        low = thing.mesh.vertices.min(axis=0)
        assert abs(low[2]) < 1e-9
        assert 0.01 < thing.mesh.extent.max() < 0.9
        assert thing.mesh.slot.max() < len(thing.materials)
        assert thing.mesh.part.max() < len(thing.classes)
        assert all(name in CLASS_IDS for name in thing.classes)


def test_furniture_supports_are_on_its_surface() -> None:
    for make in (furniture.table, furniture.desk, furniture.cabinet, furniture.shelf):
        piece = make(np.random.default_rng(1))
        builder = WorldBuilder()
        builder.add(piece)
        caster = Caster(builder.build())
        for support in piece.supports:
            above = np.array([[support.center[0] + 0.003, support.center[1], support.z + 0.05]])
            distance, _ = caster.cast(above, np.array([[0.0, 0.0, -1.0]]))
            assert distance[0] == pytest.approx(0.05, abs=0.004), make.__name__


def test_patterns_show_their_colors_in_the_item_frame() -> None:
    colors = [np.array([1.0, 0, 0]), np.array([0, 1.0, 0])]
    material = appearance.patterned("stripes", colors, 0.1, np.random.default_rng(0))
    builder = WorldBuilder()
    builder.add(
        Item(mesh=shapes.panel(1.0, 1.0), classes=("table",), materials=(material,)),
        (5.0, 0.0, 0.0),
        np.pi / 2,
    )
    world = builder.build()
    points = np.array([[5.0, 0.05, 0.0], [5.0, 0.15, 0.0], [5.3, 0.05, 0.0]])
    albedo = world.albedo(points, np.zeros(3, dtype=np.int64))
    assert albedo.argmax(axis=1).tolist() == [0, 1, 0]


def test_samples_cover_a_surface_evenly() -> None:
    points = surface_samples(shapes.box(1.0, 1.0, 1.0), 6000, np.random.default_rng(0))
    top = (points[:, 2] > 1.0 - 1e-9).mean()
    assert 0.14 < top < 0.19
    turned = merge([shapes.box(1, 1, 1).turned(rotation_x(0.3))]).grounded()
    assert turned.vertices[:, 2].min() == pytest.approx(0.0, abs=1e-12)
