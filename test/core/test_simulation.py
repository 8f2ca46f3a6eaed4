"""Simulated scans: whole scenes, labels, and the folder writer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from simulated import assert_same, solid

from clickseg3d_core.classes import CLASS_IDS
from clickseg3d_core.data.scene import load_scene
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.simulation import (
    shapes,
)
from clickseg3d_core.simulation.generate import (
    KINDS,
    SimulationConfig,
    generate,
    simulate_scene,
)
from clickseg3d_core.simulation.scan import MIN_POINTS, finish, merge_voxels
from clickseg3d_core.simulation.world import WorldBuilder

pytest.importorskip("embreex")


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_scene_and_other_seed_another(kind: str) -> None:
    first, again, other = (simulate_scene(kind, np.random.default_rng(s), None) for s in (5, 5, 6))
    np.testing.assert_array_equal(first.xyz, again.xyz)
    np.testing.assert_array_equal(first.instance, again.instance)
    assert len(first.xyz) != len(other.xyz) or not np.array_equal(first.xyz, other.xyz)


def test_a_laser_scans_rooms_of_that_kind_and_few_others() -> None:
    lasers, rooms = (
        [simulate_scene(kind, np.random.default_rng(s), None).meta["sensor"] for s in range(4)]
        for kind in ("laser", "room")
    )
    assert lasers == ["lidar"] * 4
    assert rooms.count("rgbd") >= 3


def test_most_lasers_see_floor_and_ceiling() -> None:
    scans = [simulate_scene("laser", np.random.default_rng(s), None) for s in range(6)]
    level = [
        np.isin(scan.instance_class[scan.instance], [CLASS_IDS["floor"], CLASS_IDS["ceiling"]])
        for scan in scans
    ]
    assert np.median([points.mean() for points in level]) > 0.15


@pytest.mark.parametrize(
    ("kind", "fewest", "budget"),
    [("room", 8, 80_000), ("table", 3, 60_000), ("street", 12, 80_000)],
)
def test_scenes_are_valid_and_rich(kind: str, fewest: int, budget: int) -> None:
    counts = []
    for seed in range(4):
        scene = simulate_scene(kind, np.random.default_rng(seed), None)
        assert 2000 < len(scene.xyz) <= budget
        assert np.isfinite(scene.xyz).all()
        assert scene.instance_class[0] == -1
        assert (scene.instance_class[1:] >= 0).all()
        sizes = np.bincount(scene.instance, minlength=len(scene.instance_class))
        assert (sizes[1:] >= MIN_POINTS).all()
        counts.append(len(scene.instance_class) - 1)
    assert np.mean(counts) >= fewest


def test_merging_averages_and_takes_the_majority() -> None:
    points = np.array([[0.0, 0, 0], [0.01, 0.01, 0], [0.01, 0, 0.01], [0.5, 0, 0]])
    merged, rows = merge_voxels(points, np.array([2, 1, 1, 3], dtype=np.int32), 0.1)
    labels = np.array([2, 1, 1, 3])[rows]
    assert sorted(labels.tolist()) == [1, 3]
    first = merged[labels == 1][0]
    np.testing.assert_allclose(first, [0.01, 0.005, 0.005])


def test_slivers_become_unlabelled_and_ids_consecutive() -> None:
    builder = WorldBuilder()
    for name in ("chair", "table", "book"):
        builder.add(solid(shapes.box(1, 1, 1), name))
    ids = np.repeat([1, 2, 3], [20, MIN_POINTS - 1, 30]).astype(np.int32)
    scene = finish(builder.build(), np.zeros((len(ids), 3)), None, ids, {})
    assert np.bincount(scene.instance).tolist() == [MIN_POINTS - 1, 20, 30]
    assert scene.instance_class.tolist() == [-1, CLASS_IDS["chair"], CLASS_IDS["book"]]


def test_generate_resumes_and_does_not_depend_on_workers(tmp_path: Path) -> None:
    config = SimulationConfig(scenes=2, seed=4, kinds=("table",), weights=(1.0,))
    seen: list[int] = []
    paths = generate(config, tmp_path / "a", on_scene=lambda index, _: seen.append(index))
    assert seen == [0, 1]
    stamp = paths[0].stat().st_mtime_ns
    more = generate(replace(config, scenes=3), tmp_path / "a")
    assert paths[0].stat().st_mtime_ns == stamp
    parallel = generate(replace(config, scenes=3), tmp_path / "b", workers=2)
    assert [p.name for p in more] == [p.name for p in parallel]
    for one, two in zip(more, parallel, strict=True):
        assert_same(load_scene(one), load_scene(two))
    assert not list((tmp_path / "a").glob("*.part"))
    assert load_scene(more[2]).meta["index"] == 2


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"scenes": 0}, "scenes must be"),
        ({"kinds": ("moon",), "weights": (1.0,)}, "kinds must be"),
        ({"weights": (1.0,)}, "weights must be"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_bad_settings_are_refused(change: dict[str, object], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        SimulationConfig(**{"scenes": 1, **change})  # type: ignore[arg-type]


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="kind must be one of"):
        simulate_scene("moon", np.random.default_rng(0), None)
