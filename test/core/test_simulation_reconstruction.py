"""Faults of fused room scans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated import assert_same, seeded, solid

from clickseg3d_core.classes import CLASS_IDS
from clickseg3d_core.simulation import (
    shapes,
)
from clickseg3d_core.simulation.objects import ObjectSource
from clickseg3d_core.simulation.raycast import Caster
from clickseg3d_core.simulation.reconstruction import (
    Faults,
    Fused,
    annotated,
    fused_color,
    melt,
    surviving,
    voxel_graph,
)
from clickseg3d_core.simulation.room import build_room
from clickseg3d_core.simulation.roomscan import (
    WalkConfig,
    fuse_views,
    handheld_poses,
    simulate_room,
    walk_camera,
)
from clickseg3d_core.simulation.world import WorldBuilder

pytest.importorskip("embreex")


def floor_and_wall(side: int = 40) -> Fused:
    """A fused floor (instance 1) that meets a wall (2), seen once in its right half."""
    grid = np.indices((side, side)).reshape(2, -1).T
    floor = np.column_stack([grid, np.zeros(len(grid))])
    wall = np.column_stack([np.zeros(len(grid)), grid[:, 0], grid[:, 1] + 1])
    cell = np.concatenate([floor, wall]).astype(np.int64)
    n = len(grid)
    points = (cell + 0.5) * 0.02
    return Fused(
        points=points, clean=points, color_face=np.zeros(2 * n, np.int64),
        instance=np.repeat(np.array([1, 2], np.int32), n),
        normal=np.repeat([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], n, axis=0), cell=cell,
        views=np.where(cell[:, 1] < side // 2, 2, 1), gain=np.ones((2 * n, 3)), voxel=0.02,
    )  # fmt: skip


def test_voxel_graph_averages_the_26_neighborhood() -> None:
    cell = np.argwhere(seeded().random((9, 9, 9)) < 0.4)
    graph = voxel_graph(cell).toarray()
    near = (np.abs(cell[:, None] - cell[None]).max(axis=2) <= 1).astype(float)
    np.testing.assert_allclose(graph, near / near.sum(axis=1, keepdims=True))


def test_melting_rounds_the_crease_and_leaves_the_plane() -> None:
    fused = floor_and_wall()
    moved = np.linalg.norm(melt(voxel_graph(fused.cell), fused, 3) - fused.points, axis=1)
    crease = (fused.cell[:, 0] == 0) & (fused.cell[:, 2] <= 1)
    inner = (fused.cell[:, :2] > 5).all(axis=1) & (fused.cell[:, :2] < 34).all(axis=1)
    assert moved[crease].min() > 0.003
    assert moved[inner & (fused.instance == 1)].max() < 1e-9


def test_surviving_takes_lonely_points_holes_and_the_top() -> None:
    fused = floor_and_wall()
    graph = voxel_graph(fused.cell)
    assert surviving(graph, fused, Faults(), seeded()).all()
    lonely = surviving(graph, fused, Faults(lonely=0.5), seeded())
    assert lonely[fused.views == 2].all()
    assert 0.2 < lonely[fused.views == 1].mean() < 0.8
    holes = surviving(graph, fused, Faults(holes=0.1), seeded())
    assert 0.85 < holes.mean() < 0.95
    cut = fused.points[surviving(graph, fused, Faults(top=0.4), seeded()), 2]
    assert 0.2 < cut.max() < 0.78
    thin = surviving(graph, fused, Faults(thinning=0.8), seeded())
    crease = (fused.cell[:, 0] <= 1) & (fused.cell[:, 2] <= 1)
    assert thin[crease].mean() > thin[~crease].mean()


def test_fused_color_bleeds_over_edges_and_shows_exposure() -> None:
    fused = floor_and_wall()
    fused = replace(fused, gain=fused.gain * np.where(fused.cell[:, 1:2] < 20, 1.0, 1.3))
    rgb = np.where(fused.instance[:, None] == 1, [150, 0, 0], [0, 0, 150]).astype(np.uint8)
    graph = voxel_graph(fused.cell)
    plain = fused_color(graph, fused, rgb, Faults())
    np.testing.assert_array_equal(np.unique(plain), [0, 150, 195])
    bled = fused_color(graph, fused, rgb, Faults(blur=1))
    contact = (fused.cell[:, 0] == 0) & (fused.cell[:, 2] <= 1)
    assert (bled[contact][:, [0, 2]] > 0).all()
    grey = fused_color(graph, fused, rgb, Faults(grey=0.5)).astype(int)
    assert np.ptp(grey, axis=1).max() < 100
    dark = fused_color(graph, fused, rgb, Faults(corners=0.5))
    assert dark[contact].max(axis=1).mean() < 0.8 * plain[contact].max(axis=1).mean()


def test_annotation_frays_borders_and_swallows_or_spares_small_objects() -> None:
    fused = floor_and_wall()
    graph = voxel_graph(fused.cell)
    instance = fused.instance.copy()
    tiny = (fused.instance == 1) & (np.abs(fused.cell[:, :2] - 20) <= 1).all(axis=1)
    instance[tiny] = 3
    fused = replace(fused, instance=instance)
    same = annotated(graph, fused, Faults(), seeded())
    np.testing.assert_array_equal(same, instance)
    loose = Faults(segment=0.25)
    assert (annotated(graph, fused, loose, seeded())[tiny] == 3).all()
    swallowed = annotated(graph, fused, replace(loose, swallowed=1.0), seeded())
    assert (swallowed[tiny] == 1).all()
    changed = (swallowed != instance) & ~tiny
    assert 0 < changed.mean() < 0.1
    assert fused.points[changed][:, [0, 2]].min(axis=1).max() < 0.25
    left_out = annotated(graph, fused, Faults(unlabelled=1.0), seeded())
    np.testing.assert_array_equal(left_out == 0, tiny)


def test_slip_doubles_surfaces_and_views_are_counted() -> None:
    _, plan, floor = build_room(np.random.default_rng(3), ObjectSource(None))
    builder = WorldBuilder()
    builder.add(solid(shapes.box(8.0, 8.0, 0.1)), (0.0, 0.0, -0.1))
    caster = Caster(builder.build())
    walk = WalkConfig(views=8, voxel=0.01, drift=0.0, up=False, part=0.5)
    camera = replace(
        walk_camera(seeded()), noise=0.0, step=0.0, jitter=0.0, flying=0.0, dropout=0.0
    )
    poses = handheld_poses(plan, floor, walk, seeded())
    assert all(p[2, 2] < 0.0 for p in poses)
    once = fuse_views(caster, poses, walk, camera, seeded())
    twice = fuse_views(caster, poses, replace(walk, slip=0.03), camera, seeded())
    assert np.ptp(once.points[:, 2]) < 0.001 < np.ptp(twice.points[:, 2])
    assert once.views.min() == 1
    assert 1 < once.views.max() <= 8
    assert len(np.unique(once.cell, axis=0)) == len(once.cell)
    np.testing.assert_allclose(once.normal[:, 2], 1.0)


def test_room_scans_repeat_and_mostly_lack_the_ceiling() -> None:
    scenes = [simulate_room(np.random.default_rng(seed), None) for seed in range(4)]
    assert_same(scenes[1], simulate_room(np.random.default_rng(1), None))
    ceilings = [CLASS_IDS["ceiling"] in s.instance_class[1:] for s in scenes]
    assert sum(ceilings) <= 2
    assert all(len(s.xyz) <= 80_000 and np.isfinite(s.xyz).all() for s in scenes)
