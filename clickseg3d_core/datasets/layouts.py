"""Converts one scene into one of the two layouts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.data.scene import Scene, compact, save_scene
from clickseg3d_core.datasets.agile3d import crop_path, scan_path
from clickseg3d_core.datasets.agile3d_writer import scan_labels, write_scan
from clickseg3d_core.datasets.crops import Cropper
from clickseg3d_core.datasets.draw import draw_nearby, object_sizes, scene_rng
from clickseg3d_core.datasets.records import SceneRecord, sha256_of
from clickseg3d_core.datasets.rules import Rules

_MIN_TILE_POINTS = 1000
_MIN_TILE_OBJECT = 30


def write_training_scene(scene: Scene, name: str, rules: Rules, out: Path) -> SceneRecord:
    """Write <name>.npz, or the tiles of the scene, as `clickseg3d train` reads them.

    Instance ids become 1..M. Tiles of fewer than 1,000 points or without an object of 30 points
    are left out.
    """
    files = {}
    for suffix, part in _tiles(scene, rules.tile):
        path = out / f"{name}{suffix}.npz"
        save_scene(compact(part), path)
        files[path.name] = sha256_of(path)
    return SceneRecord(scene=name, files=files, multi={}, single=[], train="", classes={})


def write_benchmark_scene(
    scene: Scene, name: str, rules: Rules, seed: int, out: Path
) -> SceneRecord:
    """Write the scans and crops of one evaluation scene, and draw its episodes."""
    sizes = object_sizes(scene)
    targets = [i for i, points in sizes.items() if rules.is_target(scene, i, points)]
    cropper = Cropper(scene)
    scans, multi = _multi_scans(cropper, name, _groups(scene, name, targets, rules, seed), rules)
    files: dict[str, str] = {}
    for scan, part in scans.items():
        files |= _write(part, scan_labels(part), scan_path(out, scan), out)
    if rules.single_crop is not None:
        for i in targets:
            part = cropper.square(i, rules.single_crop)
            binary = (part.instance == i).astype(np.int32)
            files |= _write(part, binary, crop_path(out, name, i), out)
    return SceneRecord(
        scene=name,
        files=files,
        multi=multi,
        single=[(name, i, rules.class_text(scene, i)) for i in targets],
        train="",
        classes={scan: _classes(part, rules) for scan, part in scans.items()},
    )


def _groups(
    scene: Scene, name: str, targets: list[int], rules: Rules, seed: int
) -> list[tuple[int, ...]]:
    """Objects of each multi-object episode."""
    if rules.no_multi and rules.no_multi in name:
        return []
    rng = scene_rng(seed, name)
    return draw_nearby(scene, targets, rules.max_objects, rng, draws=rules.draws, reach=rules.reach)


def _multi_scans(
    cropper: Cropper, name: str, groups: list[tuple[int, ...]], rules: Rules
) -> tuple[dict[str, Scene], dict[str, list[int]]]:
    """Scans by name, whole or cut out, and object ids by key of the episodes played in them."""
    if rules.multi_crop is None:
        return {name: cropper.scene}, {f"{name}_obj_{len(ids)}": list(ids) for ids in groups}
    by_name = {f"{name}_exp_{i}": ids for i, ids in enumerate(groups)}
    scans = {scan: cropper.around(ids, rules.multi_crop) for scan, ids in by_name.items()}
    return scans, {f"{scan}_obj_{len(ids)}": list(ids) for scan, ids in by_name.items()}


def write_benchmark_training_scene(scene: Scene, name: str, rules: Rules, out: Path) -> SceneRecord:
    """Write a whole scan for train_list.json, whose N, the number of objects, nobody uses."""
    files = _write(scene, scan_labels(scene), scan_path(out, name), out)
    return SceneRecord(
        scene=name,
        files=files,
        multi={},
        single=[],
        train=f"{name}_obj_{len(object_sizes(scene))}",
        classes={name: _classes(scene, rules)},
    )


def _tiles(scene: Scene, side: float | None) -> Iterator[tuple[str, Scene]]:
    if side is None:
        yield "", scene
        return
    finite = scene.take(np.flatnonzero(np.isfinite(scene.xyz).all(axis=1)))
    cells = np.floor(finite.xyz[:, :2].astype(np.float64) / side).astype(np.int64)
    present, inverse = np.unique(cells, axis=0, return_inverse=True)
    place = inverse.reshape(-1)  # numpy 2.0 gave it the shape of the cells
    for number, (x, y) in enumerate(present.tolist()):
        part = finite.take(np.flatnonzero(place == number))
        largest = max(object_sizes(part).values(), default=0)
        if len(part) >= _MIN_TILE_POINTS and largest >= _MIN_TILE_OBJECT:
            yield f"_tile_{x}_{y}", part


def _write(scene: Scene, labels: NDArray[np.int32], path: Path, out: Path) -> dict[str, str]:
    write_scan(scene, labels, path)
    return {path.relative_to(out).as_posix(): sha256_of(path)}


def _classes(scene: Scene, rules: Rules) -> dict[str, str]:
    texts = {str(i): rules.class_text(scene, i) for i in object_sizes(scene)}
    return {i: text for i, text in texts.items() if text}
