"""Rows of one thing on a table or shelf."""

from __future__ import annotations

import numpy as np
import pytest

from clickseg3d_core.simulation import goods
from clickseg3d_core.simulation.clutter import free_field
from clickseg3d_core.simulation.displays import DisplayStyle, lay_out, random_display
from clickseg3d_core.simulation.mesh import Mesh, rotation_z
from clickseg3d_core.simulation.objects import ObjectSource
from clickseg3d_core.simulation.room import build_room
from clickseg3d_core.simulation.shapes import box
from clickseg3d_core.simulation.world import Item, Support, WorldBuilder

BOARD = Support(center=(0.2, -0.1), size=(1.4, 0.7), z=0.75, clearance=0.6)
AT_ORIGIN = (np.zeros(3), 0.0)


def laid_out(
    seed: int, item: Item, style: DisplayStyle, taken: tuple[tuple[Mesh, np.ndarray], ...] = ()
) -> list[Mesh]:
    builder = WorldBuilder()
    placed = lay_out(
        builder, BOARD, AT_ORIGIN, item, np.random.default_rng(seed), style, taken=taken
    )
    assert placed == len(builder.meshes)
    return builder.meshes


def brick(x: float, y: float, z: float) -> Item:
    return Item(mesh=box(x, y, z), classes=("box",), materials=())


def test_random_rows_stay_on_the_board_and_repeat_one_shape() -> None:
    source, most = ObjectSource(), 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        item, style = source.any_object(rng), random_display(rng)
        meshes = laid_out(seed, item, style)
        again = laid_out(seed, item, style)
        assert len(meshes) <= 40
        most = max(most, len(meshes))
        for mesh, same in zip(meshes, again, strict=True):
            np.testing.assert_array_equal(mesh.vertices, same.vertices)
            np.testing.assert_array_equal(mesh.faces, item.mesh.faces)
            middle = (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
            assert np.abs(middle[0] - 0.2) < 0.7
            assert np.abs(middle[1] + 0.1) < 0.35
            assert mesh.vertices[:, 2].min() > 0.745
            assert mesh.vertices[:, 2].max() < 0.75 + 0.6 + 1e-6
    assert most >= 20


def test_neighbours_keep_the_gap_and_never_overlap() -> None:
    for seed in range(20):
        style = DisplayStyle(gap=(0.01, 0.08))
        meshes = laid_out(seed, brick(0.1, 0.06, 0.05), style)
        lows = np.array([mesh.vertices.min(axis=0) for mesh in meshes])
        xs, ys = np.unique(lows[:, 0].round(6)), np.unique(lows[:, 1].round(6))
        assert min(len(xs) * len(ys), 40) == len(meshes)
        sides = {(0.11, 0.14), (0.07, 0.18)}
        steps = [set(np.diff(values).round(6).tolist()) for values in (xs, ys)]
        assert any(steps[0] <= {a} and steps[1] <= {b} for a, b in sides)
        assert np.allclose(lows[:, 2], 0.75)


def test_piles_rest_on_their_own_kind() -> None:
    levels = set()
    for seed in range(20):
        for mesh in laid_out(seed, brick(0.1, 0.1, 0.05), DisplayStyle(gap=(0.03, 0.03), pile=4)):
            levels.add(round(float(mesh.vertices[:, 2].min() - 0.75) / 0.05, 3))
    assert levels == {0.0, 1.0, 2.0, 3.0}


def test_what_stands_there_is_left_alone() -> None:
    vase = (box(0.4, 0.4, 0.3), np.array([0.2, -0.1, 0.75]))
    for seed in range(20):
        for mesh in laid_out(
            seed, brick(0.08, 0.08, 0.1), DisplayStyle(gap=(0.0, 0.0)), taken=(vase,)
        ):
            middle = mesh.vertices.mean(axis=0)
            assert mesh.vertices[:, 2].min() == pytest.approx(0.75)
            assert np.abs(middle[:2] - [0.2, -0.1]).max() > 0.19
    field = free_field(BOARD, 0.01, (vase,), np.random.default_rng(0))
    assert field.height.max() == pytest.approx(0.3)


def test_a_thing_too_large_for_the_board_is_not_laid_out() -> None:
    assert laid_out(0, brick(1.5, 1.5, 0.1), DisplayStyle(gap=(0.01, 0.01))) == []
    assert laid_out(0, brick(0.1, 0.1, 0.7), DisplayStyle(gap=(0.01, 0.01))) == []


def test_the_owners_frame_carries_the_rows() -> None:
    item, style = goods.carton(np.random.default_rng(1)), DisplayStyle(gap=(0.02, 0.02))
    plain, turned = WorldBuilder(), WorldBuilder()
    place, yaw = np.array([3.0, -2.0, 0.1]), 0.7
    for builder, frame in ((plain, AT_ORIGIN), (turned, (place, yaw))):
        lay_out(builder, BOARD, frame, item, np.random.default_rng(4), style)
    assert plain.meshes
    for before, after in zip(plain.meshes, turned.meshes, strict=True):
        np.testing.assert_allclose(
            after.vertices, before.vertices @ rotation_z(yaw).T + place, atol=1e-9
        )


def test_rooms_hold_rows_of_one_thing() -> None:
    longest = []
    for seed in range(12):
        world, _, _ = build_room(np.random.default_rng(seed), ObjectSource())
        sizes: dict[bytes, int] = {}
        for instance in range(1, len(world.instance_class)):
            corners = world.triangles[world.instance == instance].reshape(-1, 3)
            if len(corners) and np.ptp(corners, axis=0).max() < 0.4:
                shape = np.sort(np.linalg.norm(corners - corners.mean(axis=0), axis=1)).round(4)
                sizes[shape.tobytes()] = sizes.get(shape.tobytes(), 0) + 1
        longest.append(max(sizes.values(), default=0))
    assert max(longest) >= 6
