"""Mesh libraries and placed worlds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from clickseg3d_core.classes import CLASS_IDS
from clickseg3d_core.data.scene import load_scene
from clickseg3d_core.errors import ConfigError, FileFormatError
from clickseg3d_core.simulation import (
    shapes,
)
from clickseg3d_core.simulation.class_map import our_class
from clickseg3d_core.simulation.generate import (
    SimulationConfig,
    generate,
    simulate_scene,
)
from clickseg3d_core.simulation.library import load_library
from clickseg3d_core.simulation.mesh import merge
from clickseg3d_core.simulation.worlds import load_world, simulate_world

pytest.importorskip("embreex")


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


def test_a_world_that_shows_too_little_passes_its_turn_on(tmp_path: Path) -> None:
    full, meshes = placed_world(tmp_path)
    rows = json.loads(full.read_text())["instances"]
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps({"instances": rows[:6]}))
    settings = {"scenes": 1, "kinds": ("room",), "weights": (1.0,), "meshes": meshes}
    config = SimulationConfig(**settings, worlds=(bare, full))
    (path,) = generate(config, tmp_path / "out")
    assert load_scene(path).meta["world"] == "rooms"
    with pytest.raises(ConfigError, match="bare"):
        generate(SimulationConfig(**settings, worlds=(bare,)), tmp_path / "none")


def test_worlds_say_which_mesh_is_missing(tmp_path: Path) -> None:
    path, meshes = placed_world(tmp_path)
    path.write_text(path.read_text().replace("meshes/crate.npz", "meshes/gone.npz"))
    with pytest.raises(FileFormatError, match=r"gone\.npz"):
        load_world(path, meshes)
