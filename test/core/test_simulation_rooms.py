"""Furniture, groups of it, and rooms."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from clickseg3d_core.classes import CLASS_IDS
from clickseg3d_core.simulation import (
    appliances,
    bathroom,
    bulky,
    cabinets,
    chairs,
    cloths,
    couches,
    layouts,
    seating,
    tables,
)
from clickseg3d_core.simulation.mesh import rotation_z
from clickseg3d_core.simulation.objects import ObjectSource
from clickseg3d_core.simulation.room import build_room
from clickseg3d_core.simulation.roomstock import WALL_THINGS, Maker

pytest.importorskip("embreex")


MODULES = (appliances, bathroom, bulky, cabinets, chairs, cloths, couches, seating, tables)
HUNG = (appliances.hood, bathroom.mirror, bathroom.towel, bathroom.paper_roll)


def floor_makers() -> list[Maker]:
    """Every function of the modules that makes an item out of chance alone and is not hung up."""
    found = [
        maker
        for module in MODULES
        for name, maker in inspect.getmembers(module, inspect.isfunction)
        if maker.__module__ == module.__name__
        and not name.startswith("_")
        and list(inspect.signature(maker).parameters) == ["rng"]
        and maker.__annotations__["return"] == "Item"
    ]
    return [maker for maker in found if maker not in HUNG]


def test_the_makers_are_found() -> None:
    assert {seating.chair, couches.any_sofa, tables.plain_desk, bulky.piano} <= set(floor_makers())


@pytest.mark.parametrize("make", [*floor_makers(), cloths.heap], ids=lambda make: make.__name__)
def test_floor_makers_build_sound_items_of_furniture_size(make: Maker) -> None:
    for seed in range(12):
        item = make(np.random.default_rng(seed))
        again = make(np.random.default_rng(seed))
        assert np.isfinite(item.mesh.vertices).all()
        np.testing.assert_array_equal(item.mesh.vertices, again.mesh.vertices)
        assert set(item.classes) <= set(CLASS_IDS)
        assert set(np.unique(item.mesh.part)) == set(range(len(item.classes)))
        assert item.mesh.slot.min() >= 0
        assert item.mesh.slot.max() < len(item.materials)
        lowest = item.mesh.vertices[:, 2].min()
        assert -0.02 < lowest < (0.5 if make is bathroom.vanity else 0.02)
        assert 0.05 < item.mesh.extent.max() < 4.5


@pytest.mark.parametrize("entry", WALL_THINGS, ids=lambda entry: entry[0].__name__)
def test_wall_things_stay_before_the_wall(entry: tuple[Maker, float, float | None]) -> None:
    for seed in range(12):
        item = entry[0](np.random.default_rng(seed))
        assert item.mesh.vertices[:, 1].max() < 0.02
        assert set(np.unique(item.mesh.part)) == set(range(len(item.classes)))
        assert item.mesh.slot.max() < len(item.materials)


def test_chairs_are_pushed_under_tables() -> None:
    pushed, clear = 0, 0
    for seed in range(15):
        table, *rest = layouts.dining(np.random.default_rng(seed), 4.0)
        half = table.item.mesh.extent[:2] / 2
        for piece in rest:
            if piece.item.classes != ("chair",):
                continue
            seat = piece.item.mesh.turned(rotation_z(piece.yaw)).moved(*piece.place).vertices
            under = (np.abs(seat[:, :2]) < half - 0.05).all(axis=1)
            pushed, clear = pushed + under.any(), clear + (not under.any())
            tops = seat[(np.abs(seat[:, :2]) < half * 0.6).all(axis=1), 2]
            assert (tops < table.item.mesh.extent[2] + 0.02).all()
    assert pushed > clear > 0


@pytest.mark.parametrize("purpose", sorted(layouts.WALL_GROUPS))
def test_groups_of_every_purpose_build(purpose: str) -> None:
    makers = {*layouts.WALL_GROUPS[purpose], *layouts.FREE_GROUPS.get(purpose, ())}
    for make in makers:
        for seed in range(6):
            group = make(np.random.default_rng(seed), 3.5)
            assert group[0].owner is None
            assert not group[0].hung
            for index, piece in enumerate(group):
                assert piece.owner is None or group[piece.owner].owner is None
                assert piece.owner != index


def test_rooms_repeat_and_differ_by_seed() -> None:
    first, plan, floor = build_room(np.random.default_rng(5), ObjectSource())
    again, _, _ = build_room(np.random.default_rng(5), ObjectSource())
    other, _, _ = build_room(np.random.default_rng(6), ObjectSource())
    np.testing.assert_array_equal(first.triangles, again.triangles)
    assert first.triangles.shape != other.triangles.shape
    assert floor.size == plan.size[:2]


def test_rooms_vary_in_walls_and_hold_every_kind_of_furniture() -> None:
    walls, classes = [], set()
    for seed in range(10):
        world, _, _ = build_room(np.random.default_rng(seed), ObjectSource())
        walls.append(int((world.instance_class == CLASS_IDS["wall"]).sum()))
        classes |= set(world.instance_class[1:].tolist())
    assert min(walls) <= 4 < max(walls)
    wanted = ("door", "window", "picture", "cabinet", "shelf", "table", "chair", "lamp")
    assert {CLASS_IDS[name] for name in wanted} <= classes
