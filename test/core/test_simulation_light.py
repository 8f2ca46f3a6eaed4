"""Color of simulated scans: patterns, shadows, shared tones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.deform import deformed
from clickseg3d_core.simulation.light import Light, random_light, shade
from clickseg3d_core.simulation.palette import harmonized
from clickseg3d_core.simulation.patterns import PATTERNS, pattern_color
from clickseg3d_core.simulation.raycast import Caster
from clickseg3d_core.simulation.rgbd import DepthCamera, look_at, shoot
from clickseg3d_core.simulation.world import Item, Support, World, WorldBuilder

pytest.importorskip("embreex")


def floor_and_roof() -> World:
    """A white floor, half of it under a roof 1 m above."""
    builder = WorldBuilder()
    skin = (paint.plain(np.full(3, 0.5)),)
    builder.add(Item(mesh=shapes.panel(8.0, 8.0), classes=("floor",), materials=skin))
    roof = Item(mesh=shapes.panel(4.0, 8.0), classes=("ceiling",), materials=skin)
    builder.add(roof, (-2.0, 0.0, 1.0))
    return builder.build()


def plain_light(rng: np.random.Generator) -> Light:
    light = random_light(rng)
    up = np.array([0.0, 0.0, 1.0])
    return replace(
        light, direction=up, lamps=np.zeros((0, 3)), lamp_share=0.0, shadow=1.0, ambient=0.3,
        patch=0.0, noise=0.0, exposure=1.0, gamma=1.0,
    )  # fmt: skip


def test_what_is_under_a_roof_lies_in_shadow() -> None:
    world = floor_and_roof()
    points = np.array([[-2.0, 0.0, 0.0], [2.5, 0.0, 0.0]])
    face = np.zeros(2, dtype=np.int64)
    light = plain_light(np.random.default_rng(0))
    shaded = shade(world, points, face, light, np.random.default_rng(0), caster=Caster(world))
    open_ = shade(world, points, face, light, np.random.default_rng(0))
    assert shaded[0].max() < 0.6 * shaded[1].max()
    assert np.array_equal(open_[0], open_[1])


def test_lamps_fade_with_distance() -> None:
    world = floor_and_roof()
    points = np.column_stack([np.linspace(0.1, 3.9, 50), np.zeros(50), np.zeros(50)])
    face = np.zeros(50, dtype=np.int64)
    light = replace(
        plain_light(np.random.default_rng(0)), lamps=np.array([[0.0, 0.5, 1.0]]), lamp_share=1.0
    )
    raised = np.concatenate([points, [[0.1, 0.0, 1.0]]])  # gives the scan its height
    color = shade(world, raised, np.append(face, 0), light, np.random.default_rng(0))
    assert color[5, 1] > color[25, 1] > color[45, 1]


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_give_colors_within_range_and_repeatably(name: str) -> None:
    rng = np.random.default_rng(0)
    q, colors = rng.normal(0.0, 20.0, (500, 3)), rng.random((500, 4, 3))
    seed = np.full(500, 7, dtype=np.uint32)
    first = pattern_color(name, q, colors, seed)
    assert first.shape == (500, 3)
    assert first.min() >= 0.0
    assert first.max() <= 1.0
    np.testing.assert_array_equal(first, pattern_color(name, q, colors, seed))


def test_ornaments_are_mirrored() -> None:
    rng = np.random.default_rng(0)
    q, seed = rng.normal(0.0, 5.0, (100, 3)), np.full(100, 3, dtype=np.uint32)
    colors = np.tile(rng.random((1, 4, 3)), (100, 1, 1))
    one = pattern_color("ornament", q, colors, seed)
    two = pattern_color("ornament", q * [-1.0, 1.0, 1.0], colors, seed)
    np.testing.assert_allclose(one, two)


def test_shared_tones_bring_materials_closer() -> None:
    builder = WorldBuilder()
    rng = np.random.default_rng(0)
    for _ in range(60):
        skin = (paint.plain(rng.random(3)),)
        builder.add(Item(mesh=shapes.box(1, 1, 1), classes=("box",), materials=skin))
    world = builder.build()

    def spread(w: World) -> float:
        tones = np.stack([m.colors[0] for m in w.materials])
        return float(np.linalg.norm(tones[:, None] - tones, axis=2).mean())

    spreads = [spread(harmonized(world, np.random.default_rng(s))) for s in range(30)]
    kept = sum(s == spread(world) for s in spreads)
    assert 3 <= kept <= 18
    assert np.mean(spreads) < 0.85 * spread(world)


def test_a_shifted_color_image_moves_colors_but_not_depth() -> None:
    world = floor_and_roof()
    pose = look_at(np.array([3.0, 0.0, 3.0]), np.array([0.0, 0.0, 0.5]))
    exact = DepthCamera(
        width=40, height=30, noise=0.0, step=0.0, baseline=0.0, jitter=0.0, flying=0.0,
        grazing=0.0, dropout=0.0, near=0.1, far=20.0,
    )  # fmt: skip
    one = shoot(Caster(world), exact, pose, np.random.default_rng(0))
    two = shoot(Caster(world), replace(exact, shift=(0, 3)), pose, np.random.default_rng(0))
    np.testing.assert_array_equal(one.points, two.points)
    np.testing.assert_array_equal(one.face, two.face)
    assert 0.0 < (one.color_face != two.color_face).mean() < 0.5
    moved = np.linalg.norm(one.clean - two.clean, axis=1)
    assert np.median(moved) > 0.05


def test_deformed_things_keep_their_ground_and_about_their_size() -> None:
    skin = (paint.plain(np.ones(3)),)
    thing = Item(mesh=shapes.ellipsoid(0.2, 0.2, 0.3), classes=("box",), materials=skin)
    extents = []
    for seed in range(40):
        changed = deformed(thing, np.random.default_rng(seed))
        assert changed.mesh.vertices[:, 2].min() == pytest.approx(0.0, abs=1e-9)
        extents.append(changed.mesh.extent / thing.mesh.extent)
    assert np.min(extents) > 0.5
    assert np.max(extents) < 2.0
    assert np.std(extents) > 0.08
    carrier = replace(thing, supports=(Support(center=(0, 0), size=(0.1, 0.1), z=0.3),))
    assert deformed(carrier, np.random.default_rng(0)) is carrier


def test_pixels_of_many_cameras_are_nearly_free_of_noise() -> None:
    lights = [random_light(np.random.default_rng(seed)) for seed in range(200)]
    noise = np.array([light.noise for light in lights])
    assert 0.48 <= noise.min() < 0.8
    assert 6.0 < noise.max() <= 8.0
    assert (noise < 1.5).mean() > 0.3
    assert max(light.exposure for light in lights) > 1.6
