"""What juts out of the walls and ceilings of simulated rooms."""

from __future__ import annotations

import numpy as np
import pytest

from clickseg3d_core.classes import CLASS_IDS
from clickseg3d_core.simulation.jutting import jut
from clickseg3d_core.simulation.mesh import FloatArray, Mesh, rotation_z
from clickseg3d_core.simulation.objects import ObjectSource
from clickseg3d_core.simulation.raycast import Caster
from clickseg3d_core.simulation.room import build_room
from clickseg3d_core.simulation.roomshell import Shell, build_shell, fittings, wall_place
from clickseg3d_core.simulation.stacking import HeightMap
from clickseg3d_core.simulation.world import WorldBuilder

pytest.importorskip("embreex")

SIZE = (5.0, 4.0, 2.8)
SEEDS = range(60)


def bare_room(seed: int) -> tuple[Shell, HeightMap, dict[int, HeightMap], np.random.Generator]:
    """A room before anything juts out of it."""
    rng = np.random.default_rng(seed)
    walls = {s: HeightMap.flat((SIZE[s % 2], 2 * SIZE[2]), 0.05) for s in range(4)}
    floor = HeightMap.flat(SIZE[:2], 0.05)
    shell = build_shell(WorldBuilder(), SIZE, rng)
    fittings(shell, floor, walls, rng)
    return shell, floor, walls, rng


def added(seed: int) -> tuple[Shell, HeightMap, list[tuple[Mesh, int]], int]:
    """What was added to a room: meshes with their instances; and the first new instance."""
    shell, floor, walls, rng = bare_room(seed)
    old, first = len(shell.builder.meshes), len(shell.builder.classes)
    jut(shell, floor, walls, rng)
    owners = [int(owner[0]) for owner in shell.builder.instances[old:]]
    return shell, floor, list(zip(shell.builder.meshes[old:], owners, strict=True)), first


def openings(shell: Shell) -> list[tuple[int, float, float]]:
    """Wall, place along it and height of the middles of doors, windows, niches and doorways."""
    found = [
        (side, r.middle, (r.low + r.high) / 2) for side, rs in shell.recesses.items() for r in rs
    ]
    if shell.doorway is not None:
        found.append((shell.doorway[0], shell.doorway[1], 1.0))
    return found


def views(shell: Shell) -> tuple[FloatArray, FloatArray]:
    """Rays from 0.8 m before each opening straight into it."""
    places, ways = np.zeros((0, 3)), np.zeros((0, 3))
    for side, along, level in openings(shell):
        foot, yaw = wall_place(SIZE, side)
        turn = rotation_z(yaw)
        places = np.vstack([places, foot + turn @ np.array([along, -0.8, level])])
        ways = np.vstack([ways, turn @ np.array([0.0, 1.0, 0.0])])
    return places, ways


def test_it_stays_inside_the_room_and_above_heads_or_on_taken_floor() -> None:
    for seed in SEEDS:
        shell, floor, parts, _ = added(seed)
        for mesh, owner in parts:
            low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
            assert (np.abs([low[:2], high[:2]]) < np.array(SIZE[:2]) / 2 + 0.01).all()
            assert low[2] > -1e-9
            assert high[2] < SIZE[2] + 1e-9
            slim = owner in shell.walls and (high - low)[:2].min() < 0.07
            if slim or low[2] > 2.2:
                continue
            assert (low[2], high[2]) == pytest.approx((0.0, SIZE[2]))
            cell = np.floor(((low + high)[:2] / 2 + np.array(SIZE[:2]) / 2) / floor.cell)
            assert floor.height[tuple(cell.astype(int))] == SIZE[2]


def test_no_opening_is_barred() -> None:
    looked = 0
    for seed in SEEDS:
        shell, floor, walls, rng = bare_room(seed)
        places, ways = views(shell)
        if len(places) == 0:
            continue
        before, _ = Caster(shell.builder.build()).cast(places, ways)
        jut(shell, floor, walls, rng)
        after, _ = Caster(shell.builder.build()).cast(places, ways)
        np.testing.assert_array_equal(before, after)
        looked += len(places)
    assert looked > 40


def test_shallow_things_are_the_walls_and_deep_ones_their_own() -> None:
    own: set[int] = set()
    shared = 0
    for seed in SEEDS:
        shell, _, parts, first = added(seed)
        for mesh, owner in parts:
            depth = float(mesh.extent[:2].min())
            if owner < first:
                assert owner in shell.walls
                assert depth < 0.12
                shared += 1
            else:
                own.add(shell.builder.classes[owner])
                assert depth >= 0.03
    assert shared > 20
    assert own == {CLASS_IDS["wall"], CLASS_IDS["ceiling"], CLASS_IDS["other"]}


def test_beams_hang_from_level_ceilings_only() -> None:
    sloped = 0
    for seed in range(200):
        shell, _, parts, first = added(seed)
        sloped += not shell.level
        names = {shell.builder.classes[owner] for _, owner in parts if owner >= first}
        assert shell.level or CLASS_IDS["ceiling"] not in names
    assert sloped > 5


def test_furnished_rooms_have_some() -> None:
    """Beams are the only ceilings beside the ceiling itself."""
    ceilings = []
    for seed in range(20):
        world, _, _ = build_room(np.random.default_rng(seed), ObjectSource())
        ceilings.append(int((world.instance_class == CLASS_IDS["ceiling"]).sum()))
    assert min(ceilings) == 1
    assert max(ceilings) > 1
