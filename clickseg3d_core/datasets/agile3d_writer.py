"""Writes scans and lists in the layout of AGILE3D's benchmark, see `agile3d`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from plyfile import PlyData, PlyElement

from clickseg3d_core.atomic import replacing
from clickseg3d_core.data.scene import Scene
from clickseg3d_core.datasets.agile3d import NO_COLOR

_ROW = [(n, "<f4") for n in "xyz"] + [(n, "u1") for n in "RGB"] + [("label", "<f4")]


def write_scan(scene: Scene, labels: NDArray[np.int32], path: Path) -> None:
    """Write one scan or crop, whole or not at all.

    Args:
        scene: The points. Without color, R, G and B are 0 and a comment says so.
        labels: (N,) what to write as label.
        path: The PLY file.
    """
    rows = np.zeros(len(scene), dtype=_ROW)
    for i, name in enumerate("xyz"):
        rows[name] = scene.xyz[:, i]
    if scene.rgb is not None:
        for i, name in enumerate("RGB"):
            rows[name] = scene.rgb[:, i]
    rows["label"] = labels
    comments = [] if scene.rgb is not None else [NO_COLOR]
    ply = PlyData([PlyElement.describe(rows, "vertex")], byte_order="<", comments=comments)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        ply.write(str(temporary))


def scan_labels(scene: Scene) -> NDArray[np.int32]:
    """(N,) labels of a whole scan: instance ids, -1 = unlabelled."""
    return np.where(scene.instance > 0, scene.instance, -1).astype(np.int32)


def write_multi_list(episodes: Mapping[str, Sequence[int]], path: Path) -> None:
    """Write val_list.json: object ids, in the order of list numbers, of each episode key."""
    write_json(
        {
            key: {
                "clicks": {str(i): [] for i in (*range(1, len(ids) + 1), 0)},
                "obj": {str(i): float(object_id) for i, object_id in enumerate(ids, start=1)},
            }
            for key, ids in episodes.items()
        },
        path,
    )


def write_single_list(rows: Sequence[tuple[str, int, str]], folder: Path) -> None:
    """Write object_ids.npy and object_classes.txt: scene, object id and class of each target."""
    folder.mkdir(parents=True, exist_ok=True)
    table = np.array([(scene, str(i)) for scene, i, _ in rows], dtype=np.str_).reshape(-1, 2)
    with replacing(folder / "object_ids.npy") as temporary:
        np.save(temporary, table)
    with replacing(folder / "object_classes.txt") as temporary:
        temporary.write_text("".join(f"{name}\n" for _, _, name in rows), encoding="utf-8")


def write_json(content: object, path: Path) -> None:
    """Write a JSON file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
