"""Virtual cameras and laser scanners."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from simulated import seeded, solid

from clickseg3d_core.errors import ConfigError
from clickseg3d_core.simulation import (
    shapes,
)
from clickseg3d_core.simulation.lidar import Lidar, sweep
from clickseg3d_core.simulation.raycast import Caster
from clickseg3d_core.simulation.rgbd import DepthCamera, depth_sigma, look_at, shoot
from clickseg3d_core.simulation.table import near_camera
from clickseg3d_core.simulation.world import World, WorldBuilder

pytest.importorskip("embreex")


PERFECT = DepthCamera(
    width=80, height=60, noise=0.0, step=0.0, baseline=0.0, jitter=0.0, flying=0.0,
    grazing=0.0, dropout=0.0, near=0.1, far=20.0,
)  # fmt: skip


def wall_world(distance: float) -> World:
    """A large wall in the plane x = distance."""
    builder = WorldBuilder()
    builder.add(solid(shapes.box(0.1, 20.0, 20.0), "wall"), (distance + 0.05, 0.0, -10.0))
    return builder.build()


def ahead() -> np.ndarray:
    return look_at(np.zeros(3), np.array([1.0, 0.0, 0.0]))


def test_a_box_behind_a_wall_gets_no_points() -> None:
    builder = WorldBuilder()
    wall = builder.add(solid(shapes.box(0.1, 4.0, 4.0), "wall"), (1.0, 0.0, -2.0))
    hidden = builder.add(solid(shapes.box(0.5, 0.5, 0.5)), (2.0, 0.0, -0.25))
    front = builder.add(solid(shapes.box(0.2, 0.2, 0.2)), (0.7, 0.0, -0.1))
    world = builder.build()
    view = shoot(Caster(world), PERFECT, ahead(), np.random.default_rng(0))
    seen = set(np.unique(world.instance[view.face]).tolist())
    assert seen == {wall, front}
    assert hidden not in seen


def test_a_perfect_camera_measures_the_wall_exactly() -> None:
    view = shoot(Caster(wall_world(2.0)), PERFECT, ahead(), np.random.default_rng(0))
    assert len(view.points) == PERFECT.width * PERFECT.height
    np.testing.assert_allclose(view.points[:, 0], 2.0, atol=1e-5)
    np.testing.assert_allclose(view.points, view.clean, atol=1e-5)


def test_depth_noise_follows_the_kinect_model() -> None:
    camera = replace(PERFECT, noise=1.0)
    spread = {}
    for distance in (0.8, 3.0):
        caster = Caster(wall_world(distance))
        views = [shoot(caster, camera, ahead(), np.random.default_rng(s)) for s in range(8)]
        depth = np.concatenate([v.points[:, 0] for v in views])
        assert abs(depth.mean() - distance) < 0.2 * depth_sigma(np.array(distance))
        spread[distance] = depth.std()
    for distance, measured in spread.items():
        assert 0.7 < measured / depth_sigma(np.array(distance)) < 1.3
    assert spread[3.0] > 5.0 * spread[0.8]


def test_depth_is_quantized_in_steps_of_disparity() -> None:
    step = 0.0028
    tilted = look_at(np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.5]))
    builder = WorldBuilder()
    builder.add(solid(shapes.panel(40.0, 40.0), "floor"))
    view = shoot(Caster(builder.build()), replace(PERFECT, step=step), tilted, seeded())
    depth = (view.points - tilted[:3, 3]) @ tilted[:3, 2]
    true = (view.clean - tilted[:3, 3]) @ tilted[:3, 2]
    level = 1.0 / (depth * step)
    np.testing.assert_allclose(level, np.rint(level), atol=1e-6)
    error = np.abs(depth - true)
    assert (error <= 0.55 * step * depth * true + 1e-6).all()
    assert error[true > 5.0].mean() > 8.0 * error[true < 1.6].mean()


def test_a_matching_window_rounds_a_crease_and_keeps_planes() -> None:
    builder = WorldBuilder()
    builder.add(solid(shapes.box(1.0, 1.0, 4.0)), (1.0 + np.sqrt(0.5), 0.0, -2.0), np.pi / 4)
    caster = Caster(builder.build())
    sharp = shoot(caster, PERFECT, ahead(), seeded())
    soft = shoot(caster, replace(PERFECT, window=2), ahead(), seeded())
    change = np.linalg.norm(sharp.points - soft.points, axis=1)
    from_crease = np.abs(sharp.points[:, 1])
    assert change[from_crease < 0.01].min() > 0.003
    assert change[(from_crease > 0.1) & (from_crease < 0.3)].max() < 0.002


def test_the_projector_casts_a_shadow_on_one_side() -> None:
    builder = WorldBuilder()
    builder.add(solid(shapes.box(0.1, 20.0, 20.0), "wall"), (2.05, 0.0, -10.0))
    builder.add(solid(shapes.box(0.02, 0.3, 10.0)), (1.0, 0.0, -5.0))
    caster = Caster(builder.build())
    plain = shoot(caster, PERFECT, ahead(), np.random.default_rng(0))
    shadowed = shoot(caster, replace(PERFECT, baseline=0.1), ahead(), np.random.default_rng(0))
    lost = {tuple(p) for p in plain.pixel.tolist()} - {tuple(p) for p in shadowed.pixel.tolist()}
    columns = np.array(sorted(column for _, column in lost))
    bar = np.flatnonzero(np.bincount(plain.pixel[plain.points[:, 0] < 1.5, 1]))
    assert len(lost) >= PERFECT.height
    assert (columns < bar.min()).all() or (columns > bar.max()).all()


def test_glass_grazing_and_range_lose_returns() -> None:
    builder = WorldBuilder()
    builder.add(solid(shapes.box(0.1, 20.0, 20.0), "window", dropout=0.8), (2.0, 0.0, -10.0))
    view = shoot(Caster(builder.build()), PERFECT, ahead(), np.random.default_rng(0))
    assert 0.15 < len(view.points) / (PERFECT.width * PERFECT.height) < 0.25
    short = replace(PERFECT, far=1.5)
    caster = Caster(wall_world(2.0))
    assert len(shoot(caster, short, ahead(), np.random.default_rng(0)).points) == 0
    floor = WorldBuilder()
    floor.add(solid(shapes.panel(100.0, 100.0), "floor"))
    flat = look_at(np.array([0.0, 0.0, 0.4]), np.array([1.0, 0.0, 0.4]))
    caster = Caster(floor.build())
    sharp = shoot(caster, PERFECT, flat, np.random.default_rng(0))
    blunt = shoot(caster, replace(PERFECT, grazing=0.3), flat, np.random.default_rng(0))
    assert len(blunt.points) < 0.9 * len(sharp.points)
    assert blunt.points[:, 0].mean() < sharp.points[:, 0].mean()


def test_a_missing_ray_caster_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    world = wall_world(1.0)
    monkeypatch.setitem(sys.modules, "embreex", None)
    with pytest.raises(ConfigError, match="pip install embreex"):
        Caster(world)


def test_lidar_rings_lie_at_their_elevations() -> None:
    builder = WorldBuilder()
    builder.add(solid(shapes.cylinder(10.0, 40.0, 180), "wall"), (0.0, 0.0, -20.0))
    lidar = Lidar(rings=16, columns=360, lowest=-0.3, highest=0.3, noise=0.02, dropout=0.1)
    turn = sweep(Caster(builder.build()), lidar, np.eye(3), np.zeros(3), np.random.default_rng(0))
    assert 0.8 < len(turn.points) / (16 * 360) < 0.95
    flat = np.linalg.norm(turn.points[:, :2], axis=1)
    elevation = np.arctan2(turn.points[:, 2], flat)
    expected = np.linspace(-0.3, 0.3, 16)[turn.ring]
    np.testing.assert_allclose(elevation, expected, atol=1e-6)
    error = np.linalg.norm(turn.points, axis=1) - np.linalg.norm(turn.clean, axis=1)
    assert 0.018 < error.std() < 0.022
    assert np.unique(turn.ring).tolist() == list(range(16))


def test_split_beams_return_ranges_between_two_things() -> None:
    builder = WorldBuilder()
    builder.add(solid(shapes.cylinder(6.0, 40.0, 180), "wall"), (0.0, 0.0, -20.0))
    builder.add(solid(shapes.box(0.5, 0.5, 4.0), "box"), (4.0, 0.0, -2.0))
    caster = Caster(builder.build())
    lidar = Lidar(rings=8, columns=720, lowest=-0.05, highest=0.05, noise=0.0, dropout=0.0)
    ranges = {}
    for mixed in (0.0, 1.0):
        turn = sweep(
            caster, replace(lidar, mixed=mixed), np.eye(3), np.zeros(3), np.random.default_rng(0)
        )
        ranges[mixed] = np.linalg.norm(turn.points, axis=1) - np.linalg.norm(turn.clean, axis=1)
        split = np.abs(ranges[mixed]) > 1e-9
        assert np.array_equal(turn.instance == 0, split)
        assert np.array_equal(turn.instance[~split], caster.world.instance[turn.face[~split]])
    assert np.allclose(ranges[0.0], 0.0)
    off = np.flatnonzero(np.abs(ranges[1.0]) > 1e-9)
    assert len(off) == 2 * 8  # where a ring comes upon the box and where it leaves it
    assert np.abs(ranges[1.0][off]).max() < 2.4
    assert (ranges[1.0][off] > 0.0).any()
    assert (ranges[1.0][off] < 0.0).any()


def test_half_of_the_cameras_near_a_table_measure_calmly() -> None:
    factors = np.array([near_camera(np.random.default_rng(seed)).noise for seed in range(200)])
    assert factors.min() < 0.2
    assert factors.max() > 1.3
    assert 0.38 < (factors < 0.6).mean() < 0.62
