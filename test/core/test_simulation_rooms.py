"""Furniture, groups of it, and rooms."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from clickseg3d_core.classes import CLASS_IDS, CLASS_NAMES
from clickseg3d_core.simulation import appearance as paint
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
from clickseg3d_core.simulation.raycast import Caster
from clickseg3d_core.simulation.recesses import filling, random_recesses, recessed_wall
from clickseg3d_core.simulation.room import build_room
from clickseg3d_core.simulation.roomshell import build_shell, fittings, wall_place
from clickseg3d_core.simulation.roomstock import WALL_THINGS, Maker
from clickseg3d_core.simulation.stacking import HeightMap
from clickseg3d_core.simulation.world import Item, WorldBuilder

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


def grid_rays(length: float, z: float) -> tuple[np.ndarray, np.ndarray]:
    """(R, 3) places 1 m before a wall in the plane y = 0, and where they look."""
    x, up = np.meshgrid(np.linspace(-0.499, 0.499, 90) * length, np.linspace(0.01, z - 0.01, 60))
    places = np.stack([x.ravel(), np.full(x.size, -1.0), up.ravel()], axis=1)
    return places, np.tile([0.0, 1.0, 0.0], (x.size, 1))


def test_recessed_walls_are_closed_and_step_back_where_they_should() -> None:
    kinds = set()
    for seed in range(25):
        rng = np.random.default_rng(seed)
        found = random_recesses(4.0, 2.5, rng)
        kinds |= {recess.kind for recess in found}
        builder = WorldBuilder()
        skin = paint.plain(np.ones(3))
        wall = builder.add(
            Item(mesh=recessed_wall(4.0, 2.5, found), classes=("wall",), materials=(skin,))
        )
        for recess in found:
            item = filling(recess, rng)
            if item is not None:
                builder.add(item, (recess.middle, recess.deep, recess.low))
        world = builder.build()
        places, ways = grid_rays(4.0, 2.5)
        distance, face = Caster(world).cast(places, ways)
        assert (face >= 0).all()
        inside = np.zeros(len(places), dtype=bool)
        for recess in found:
            own = (np.abs(places[:, 0] - recess.middle) < recess.wide / 2 - 0.02) & (
                places[:, 2] > recess.low + 0.02
            )
            own &= places[:, 2] < recess.high - 0.02
            is_wall = world.instance[face[own]] == wall
            assert is_wall.all() if recess.kind == "niche" else not is_wall.any()
            assert (distance[own] <= 1.0 + recess.deep + 1e-6).all()
            near = np.abs(places[:, 0] - recess.middle) < recess.wide / 2 + 0.15
            inside |= (
                near & (places[:, 2] > recess.low - 0.35) & (places[:, 2] < recess.high + 0.02)
            )
        assert np.allclose(distance[~inside], 1.0)
        assert (world.instance[face[~inside]] == wall).all()
    assert kinds == {"door", "window", "niche"}


def test_rooms_have_recesses_filled_and_kept_free() -> None:
    """Doors and windows stand in them; nothing hangs over them or blocks the way."""
    rooms = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        size = (4.0, 3.5, 2.5)
        walls = {s: HeightMap.flat((size[s % 2], 2 * size[2]), 0.05) for s in range(4)}
        floor = HeightMap.flat(size[:2], 0.05)
        shell = build_shell(WorldBuilder(), size, rng)
        world = shell.builder.build()
        fittings(shell, floor, walls, rng)
        found = [(side, r) for side, recesses in shell.recesses.items() for r in recesses]
        rooms += bool(found)
        for side, recess in found:
            column = int((recess.middle + size[side % 2] / 2) / 0.05)
            row = int((recess.low + recess.high) / 2 / 0.05)
            assert walls[side].height[column, row] > 0.0
            foot, yaw = wall_place(size, side)
            turn = rotation_z(yaw)
            eye = foot + turn @ np.array([recess.middle, -0.3, (recess.low + recess.high) / 2])
            distance, face = Caster(world).cast(eye[None], (turn @ np.array([0.0, 1.0, 0.0]))[None])
            names = {"niche": {"wall"}, "door": {"door"}, "window": {"window", "curtain"}}
            hit = CLASS_NAMES[world.instance_class[world.instance[face[0]]]]
            assert hit in names[recess.kind]
            assert 0.2 < distance[0] <= 0.3 + recess.deep + 1e-6
            if recess.kind == "door":
                inner = np.floor((eye[:2] + np.array(size[:2]) / 2) / 0.05).astype(int)
                assert floor.height[tuple(inner)] > 0.0
    assert 10 < rooms < 36
