"""Simulated scans: sensors, placement, library, and the folder writer."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clickseg3d_core.classes import CLASS_IDS
from clickseg3d_core.data.scene import Scene, load_scene
from clickseg3d_core.errors import ConfigError, FileFormatError
from clickseg3d_core.simulation import (
    appearance,
    appliances,
    bathroom,
    bulky,
    cabinets,
    chairs,
    cloths,
    couches,
    furniture,
    goods,
    layouts,
    seating,
    shapes,
    tables,
)
from clickseg3d_core.simulation.class_map import our_class
from clickseg3d_core.simulation.clutter import ClutterStyle, fill
from clickseg3d_core.simulation.generate import (
    KINDS,
    SimulationConfig,
    generate,
    simulate_scene,
)
from clickseg3d_core.simulation.library import load_library
from clickseg3d_core.simulation.lidar import Lidar, sweep
from clickseg3d_core.simulation.mesh import Mesh, merge, rotation_x, rotation_z, surface_samples
from clickseg3d_core.simulation.objects import TABLE_OBJECTS, ObjectSource
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
from clickseg3d_core.simulation.rgbd import DepthCamera, depth_sigma, look_at, shoot
from clickseg3d_core.simulation.room import build_room
from clickseg3d_core.simulation.roomscan import (
    WalkConfig,
    fuse_views,
    handheld_poses,
    simulate_room,
    walk_camera,
)
from clickseg3d_core.simulation.roomstock import WALL_THINGS, Maker
from clickseg3d_core.simulation.scan import MIN_POINTS, finish, merge_voxels
from clickseg3d_core.simulation.stacking import HeightMap, profile
from clickseg3d_core.simulation.world import Item, Support, World, WorldBuilder
from clickseg3d_core.simulation.worlds import load_world, simulate_world

pytest.importorskip("embreex")

PERFECT = DepthCamera(
    width=80, height=60, noise=0.0, step=0.0, baseline=0.0, jitter=0.0, flying=0.0,
    grazing=0.0, dropout=0.0, near=0.1, far=20.0,
)  # fmt: skip


def solid(mesh: Mesh, name: str = "box", dropout: float = 0.0) -> Item:
    return Item(
        mesh=mesh, classes=(name,), materials=(appearance.plain(np.ones(3), dropout=dropout),)
    )


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def wall_world(distance: float) -> World:
    """A large wall in the plane x = distance."""
    builder = WorldBuilder()
    builder.add(solid(shapes.box(0.1, 20.0, 20.0), "wall"), (distance + 0.05, 0.0, -10.0))
    return builder.build()


def ahead() -> np.ndarray:
    return look_at(np.zeros(3), np.array([1.0, 0.0, 0.0]))


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_scene_and_other_seed_another(kind: str) -> None:
    first, again, other = (simulate_scene(kind, np.random.default_rng(s), None) for s in (5, 5, 6))
    np.testing.assert_array_equal(first.xyz, again.xyz)
    np.testing.assert_array_equal(first.instance, again.instance)
    assert len(first.xyz) != len(other.xyz) or not np.array_equal(first.xyz, other.xyz)


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
    view = shoot(Caster(builder.build()), replace(PERFECT, step=step), tilted, _rng())
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
    sharp = shoot(caster, PERFECT, ahead(), _rng())
    soft = shoot(caster, replace(PERFECT, window=2), ahead(), _rng())
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


def tiny_library(folder: Path) -> Path:
    meshes = folder / "meshes"
    meshes.mkdir()
    rows = []
    for name, kind, tag in (("crate", "box", "tabletop"), ("oak", "oak tree", "outdoor")):
        body = merge([shapes.box(0.2, 0.2, 0.1), shapes.box(0.1, 0.1, 0.1).moved(0, 0, 0.1)])
        part = np.repeat([0, 3], 12)
        np.savez(
            meshes / f"{name}.npz",
            vertices=body.vertices.astype(np.float32),
            faces=body.faces,
            face_colors=np.full((24, 3), 128, dtype=np.uint8),
            face_part=part.astype(np.int16),
        )
        rows.append(
            {"file": f"meshes/{name}.npz", "class": kind, "extent_m": [0.2, 0.2, 0.2], "tag": tag,
             "stuff": False, "part_classes": {"3": "books"}}
        )  # fmt: skip
    (meshes / "index.json").write_text(json.dumps(rows))
    return meshes


def test_library_reads_parts_classes_and_leaves_out_unseen_worlds(tmp_path: Path) -> None:
    folder = tiny_library(tmp_path)
    library = load_library(folder)
    assert [e.class_name for e in library.entries] == ["box", "tree"]
    thing = library.item(library.entries[0])
    assert thing.classes == ("box", "book")
    assert np.bincount(thing.mesh.part).tolist() == [12, 12]
    np.testing.assert_allclose(thing.mesh.tint, 128 / 255, atol=1e-6)
    varied = library.small_object(np.random.default_rng(0))
    assert varied is not None
    assert 0.15 < varied.mesh.extent[0] < 0.27
    assert varied.mesh.extent[0] != pytest.approx(0.2, abs=1e-4)
    world = tmp_path / "world.json"
    world.write_text(json.dumps({"instances": [{"mesh": "meshes/crate.npz"}]}))
    kept = load_library(folder, without=[world]).entries
    assert [e.path.name for e in kept] == ["oak.npz"]
    assert load_library(folder, without=[world]).small_object(np.random.default_rng(0)) is None


def test_library_reads_plain_mesh_folders_and_says_what_is_wrong(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    trimesh.creation.box((0.1, 0.1, 0.2)).export(tmp_path / "red_mug.ply")
    entry = load_library(tmp_path).entries[0]
    assert (entry.class_name, entry.place) == ("tableware", "tabletop")
    empty = tmp_path / "none"
    empty.mkdir()
    with pytest.raises(FileFormatError, match="holds no meshes"):
        load_library(empty)
    (empty / "index.json").write_text("{")
    with pytest.raises(FileFormatError, match="not a mesh index"):
        load_library(empty)


def test_library_scenes_use_its_meshes(tmp_path: Path) -> None:
    library = load_library(tiny_library(tmp_path))
    scene = simulate_scene("table", np.random.default_rng(2), library)
    assert CLASS_IDS["book"] in scene.instance_class[1:].tolist()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("coffee table", "table"), ("Traffic Light", "pole"), ("wooden_chair_02", "chair"),
     ("trash bin", "box"), ("fire hydrant", "other"), ("shelf", "shelf")],
)  # fmt: skip
def test_class_names_are_mapped(name: str, expected: str) -> None:
    assert our_class(name) == expected


def placed_world(tmp_path: Path) -> tuple[Path, Path]:
    meshes = tiny_library(tmp_path)
    ground = shapes.box(12.0, 12.0, 0.1)
    np.savez(
        meshes / "ground.npz", vertices=ground.vertices, faces=ground.faces,
        face_colors=np.full((12, 3), 90, dtype=np.uint8),
    )  # fmt: skip
    index = json.loads((meshes / "index.json").read_text())
    row = {"file": "meshes/ground.npz", "class": "floor", "tag": "indoor", "stuff": True}
    index.append({**row, "extent_m": [12.0, 12.0, 0.1]})
    for name, side in (("wall", 6.0),):
        wall = shapes.box(side, 0.1, 2.5)
        np.savez(
            meshes / f"{name}.npz", vertices=wall.vertices, faces=wall.faces,
            face_colors=np.full((12, 3), 200, dtype=np.uint8),
        )  # fmt: skip
        index.append(
            {"file": f"meshes/{name}.npz", "class": "wall", "tag": "indoor", "stuff": True,
             "extent_m": [side, 0.1, 2.5]}
        )  # fmt: skip
    (meshes / "index.json").write_text(json.dumps(index))

    def row_at(mesh: str, kind: str, stuff: bool, x: float, y: float, z: float, turn: bool = False):  # type: ignore[no-untyped-def]
        pose = np.eye(4)
        if turn:
            pose[:2, :2] = [[0, -1], [1, 0]]
        pose[:3, 3] = [x, y, z]
        return {"mesh": f"meshes/{mesh}.npz", "class": kind, "stuff": stuff,
                "pose": pose.tolist(), "scale": [1, 1, 1] if stuff else [2, 2, 2]}  # fmt: skip

    rows = [row_at("ground", "floor", True, 0, 0, -0.1)]
    rows += [row_at("wall", "wall", True, 0, s * 3.0, 0) for s in (-1, 1)]
    rows += [row_at("wall", "wall", True, s * 3.0, 0, 0, True) for s in (-1, 1)]
    rows += [row_at("crate", "box", False, x, y, 0.0) for x in (-2, 0, 2) for y in (-2, 0, 2)]
    path = tmp_path / "rooms.json"
    path.write_text(json.dumps({"instances": rows}))
    return path, meshes


def test_placed_worlds_are_scanned_in_room_sized_parts(tmp_path: Path) -> None:
    placed = load_world(*placed_world(tmp_path))
    scene = simulate_world(placed, "room", np.random.default_rng(0))
    names = scene.instance_class[1:].tolist()
    assert np.ptp(scene.xyz[:, :2], axis=0).max() <= 8.0
    assert sum(n in (CLASS_IDS["box"], CLASS_IDS["book"]) for n in names) >= 8
    crate = scene.xyz[scene.instance == names.index(CLASS_IDS["box"]) + 1]
    assert 0.25 < np.ptp(crate[:, 0]) < 0.5
    with pytest.raises(ConfigError, match="room or street"):
        simulate_world(placed, "table", np.random.default_rng(0))


def test_worlds_say_which_mesh_is_missing(tmp_path: Path) -> None:
    path, meshes = placed_world(tmp_path)
    path.write_text(path.read_text().replace("meshes/crate.npz", "meshes/gone.npz"))
    with pytest.raises(FileFormatError, match=r"gone\.npz"):
        load_world(path, meshes)


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


def assert_same(one: Scene, two: Scene) -> None:
    np.testing.assert_array_equal(one.xyz, two.xyz)
    np.testing.assert_array_equal(one.instance, two.instance)
    np.testing.assert_array_equal(one.instance_class, two.instance_class)
    assert (one.rgb is None) == (two.rgb is None)
    if one.rgb is not None and two.rgb is not None:
        np.testing.assert_array_equal(one.rgb, two.rgb)


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
    cell = np.argwhere(_rng().random((9, 9, 9)) < 0.4)
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
    assert surviving(graph, fused, Faults(), _rng()).all()
    lonely = surviving(graph, fused, Faults(lonely=0.5), _rng())
    assert lonely[fused.views == 2].all()
    assert 0.2 < lonely[fused.views == 1].mean() < 0.8
    holes = surviving(graph, fused, Faults(holes=0.1), _rng())
    assert 0.85 < holes.mean() < 0.95
    cut = fused.points[surviving(graph, fused, Faults(top=0.4), _rng()), 2]
    assert 0.2 < cut.max() < 0.78
    thin = surviving(graph, fused, Faults(thinning=0.8), _rng())
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
    same = annotated(graph, fused, Faults(), _rng())
    np.testing.assert_array_equal(same, instance)
    loose = Faults(segment=0.25)
    assert (annotated(graph, fused, loose, _rng())[tiny] == 3).all()
    swallowed = annotated(graph, fused, replace(loose, swallowed=1.0), _rng())
    assert (swallowed[tiny] == 1).all()
    changed = (swallowed != instance) & ~tiny
    assert 0 < changed.mean() < 0.1
    assert fused.points[changed][:, [0, 2]].min(axis=1).max() < 0.25
    left_out = annotated(graph, fused, Faults(unlabelled=1.0), _rng())
    np.testing.assert_array_equal(left_out == 0, tiny)


def test_slip_doubles_surfaces_and_views_are_counted() -> None:
    _, plan, floor = build_room(np.random.default_rng(3), ObjectSource(None))
    builder = WorldBuilder()
    builder.add(solid(shapes.box(8.0, 8.0, 0.1)), (0.0, 0.0, -0.1))
    caster = Caster(builder.build())
    walk = WalkConfig(views=8, voxel=0.01, drift=0.0, up=False, part=0.5)
    camera = replace(walk_camera(_rng()), noise=0.0, step=0.0, jitter=0.0, flying=0.0, dropout=0.0)
    poses = handheld_poses(plan, floor, walk, _rng())
    assert all(p[2, 2] < 0.0 for p in poses)
    once = fuse_views(caster, poses, walk, camera, _rng())
    twice = fuse_views(caster, poses, replace(walk, slip=0.03), camera, _rng())
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


ROOM_MAKERS = [
    seating.chair, seating.table_chair, seating.sofa, seating.toilet, chairs.shell_chair,
    chairs.plank_chair, chairs.folding_chair, chairs.lounge_chair, chairs.bench, chairs.bean_bag,
    chairs.wing_chair, tables.side_table, tables.plain_desk, tables.corner_desk,
    cabinets.nightstand, cabinets.bench_cabinet, cabinets.sideboard, cabinets.bookcase,
    cabinets.wire_rack, cabinets.open_wardrobe, cabinets.glass_case, cabinets.locker,
    appliances.fridge, appliances.stove, appliances.washer, appliances.microwave,
    appliances.kettle, bathroom.bathtub, bathroom.vanity, cloths.heap, cloths.folded, cloths.sack,
    cloths.shoes, couches.frame_sofa, couches.rolled_sofa, couches.corner_sofa, couches.ottoman,
    couches.bunk_bed, couches.slat_bed, bulky.piano, bulky.guitar, bulky.bicycle, bulky.stroller,
    bulky.fan, bulky.vacuum_cleaner, bulky.printer, bulky.ladder, bulky.arc_lamp,
    bulky.drying_rack,
]  # fmt: skip


@pytest.mark.parametrize("make", ROOM_MAKERS, ids=lambda make: make.__name__)
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
