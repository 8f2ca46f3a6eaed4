"""Raw ScanNet v2: surface mesh, over-segmentation, aggregation into objects, label table."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.data.scene import Scene
from clickseg3d_core.datasets.labels import count_of_ids, whole_number, whole_numbers
from clickseg3d_core.datasets.scene_set import SceneSet
from clickseg3d_core.datasets.text_files import brief, read_json, read_lines
from clickseg3d_core.datasets.vocabularies import SCANNET40
from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.io import read_cloud

LABEL_TABLE = "scannetv2-labels.combined.tsv"


def scannet_scenes(source: Path, labels: Path | None = None, align: bool = False) -> SceneSet:
    """The scenes of ScanNet v2.

    Args:
        source: Folder that holds scene0000_00 and so on, or scans/ with them.
        labels: scannetv2-labels.combined.tsv; default: in `source` or the folder above.
        align: Rotate each scan by the axisAlignment of its <scene>.txt.

    Raises:
        FileFormatError: if there is no scene, or the table is missing or damaged.
    """
    scans = source / "scans" if (source / "scans").is_dir() else source
    folders = sorted(p for p in scans.glob("scene[0-9]*_[0-9]*") if p.is_dir())
    if not folders:
        raise FileFormatError(f"{scans} holds no folder like scene0000_00 of ScanNet v2")
    table = read_label_table(labels or _find_table(source))
    return SceneSet(
        dataset="scannet",
        class_names=SCANNET40,
        paths={folder.name: folder for folder in folders},
        read_file=partial(read_scannet, table=table, align=align),
    )


def read_scannet(folder: Path, table: Mapping[str, int], align: bool = False) -> Scene:
    """Read one scene.

    Instance ids are objectId + 1. Where segment groups overlap, the last one in the file wins;
    `meta["overlapping_points"]` counts the points that changed hands. An object whose label has no
    class of the 40 keeps its id and has class -1.

    Args:
        folder: scene0000_00 or the like.
        table: NYU40 id of each raw label, see `read_label_table`.
        align: Rotate by axisAlignment.

    Raises:
        FileFormatError: if a file is missing or damaged, or a label is not in the table.
    """
    name = folder.name
    file = read_cloud(folder / f"{name}_vh_clean_2.ply")
    segments = _read_segments(folder / f"{name}_vh_clean_2.0.010000.segs.json", len(file.cloud))
    path = _aggregation_path(folder)
    instance, classes, overlapping = _aggregate(path, segments, table)
    instance_class = np.full(max([count_of_ids(instance), *(i + 1 for i in classes)]), -1, np.int16)
    for object_id, index in classes.items():
        instance_class[object_id] = index
    xyz = file.cloud.xyz
    if align:
        matrix = _axis_alignment(folder / f"{name}.txt")
        xyz = xyz @ matrix[:3, :3].T + matrix[:3, 3]
    return Scene(
        xyz=xyz.astype(np.float32),
        rgb=file.cloud.rgb,
        instance=instance,
        instance_class=instance_class,
        meta={
            "dataset": "scannet",
            "frame": "world",
            "scene": name,
            "overlapping_points": overlapping,
        },
        class_names=SCANNET40,
    )


def read_label_table(path: Path) -> dict[str, int]:
    """NYU40 id of each raw label, of scannetv2-labels.combined.tsv; 0 = none of the 40.

    Raises:
        FileFormatError: if the file cannot be read, lacks a column or has an id that is no number.
    """
    rows = csv.reader(read_lines(path), delimiter="\t", quoting=csv.QUOTE_NONE)
    header = next(rows, [])
    if "raw_category" not in header or "nyu40id" not in header:
        raise FileFormatError(
            f"{path} needs tab-separated columns raw_category and nyu40id, got {brief(header)}"
        )
    label_column, id_column = header.index("raw_category"), header.index("nyu40id")
    table: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):
        if not any(row):
            continue
        text = row[id_column].strip() if len(row) > max(label_column, id_column) else None
        if text is None or not (text == "" or text.isdecimal()):
            raise FileFormatError(
                f"{path}:{number}: needs a raw_category and a whole nyu40id, got {brief(row)}"
            )
        table[_normal(row[label_column])] = int(text or 0)
    return table


def _find_table(source: Path) -> Path:
    for folder in (source, source.parent):
        if (folder / LABEL_TABLE).is_file():
            return folder / LABEL_TABLE
    raise FileFormatError(
        f"neither {source} nor the folder above holds {LABEL_TABLE}; it comes with ScanNet's "
        "download, give its path"
    )


def _normal(label: str) -> str:
    return " ".join(label.split()).lower()


def _read_segments(path: Path, points: int) -> NDArray[np.int64]:
    content = read_json(path)
    raw = content.get("segIndices") if isinstance(content, dict) else None
    if not isinstance(raw, list):
        raise FileFormatError(f"{path} needs a list segIndices, got {brief(content)}")
    try:
        indices = np.array(raw, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"{path}: segIndices must be numbers ({error})") from error
    if indices.shape != (points,):
        raise FileFormatError(
            f"{path}: segIndices must have one id per vertex of the mesh, {points}, got "
            f"{indices.shape}"
        )
    return whole_numbers(indices, path, "segIndices")


def _aggregation_path(folder: Path) -> Path:
    """The aggregation of the decimated mesh; that of the full mesh names other segments."""
    own = folder / f"{folder.name}.aggregation.json"
    other = folder / f"{folder.name}_vh_clean.aggregation.json"
    return own if own.is_file() or not other.is_file() else other


def _aggregate(
    path: Path, segments: NDArray[np.int64], table: Mapping[str, int]
) -> tuple[NDArray[np.int32], dict[int, int], int]:
    """Instance of each point, class index of each instance, and points in several groups."""
    content = read_json(path)
    groups = content.get("segGroups") if isinstance(content, dict) else None
    if not isinstance(groups, list):
        raise FileFormatError(f"{path} needs a list segGroups, got {brief(content)}")
    named = str(content.get("segmentsFile", ""))
    if named.endswith("_vh_clean.segs.json"):
        raise FileFormatError(
            f"{path} belongs to the full mesh ({named}); get {path.parent.name}.aggregation.json"
        )
    owner_of = dict.fromkeys(np.unique(segments).tolist(), 0)
    taken: set[int] = set()
    classes: dict[int, int] = {}
    for number, group in enumerate(groups):
        where = f"{path}: segGroups[{number}]"
        object_id, index, members = _parse_group(group, where, table)
        classes[object_id] = index
        for segment in members:
            if owner_of.get(segment, 0) not in (0, object_id):
                taken.add(segment)
            if segment in owner_of:  # a segment without a vertex owns nothing
                owner_of[segment] = object_id
    if any(g.get("segments") for g in groups) and not any(owner_of.values()):
        raise FileFormatError(f"{path}: none of its segments is in the .segs.json beside it")
    ids, place = np.unique(segments, return_inverse=True)
    owners = np.array([owner_of[i] for i in ids.tolist()], dtype=np.int32)
    overlapping = int(np.isin(segments, list(taken)).sum())
    return owners[place], classes, overlapping


def _parse_group(group: Any, where: str, table: Mapping[str, int]) -> tuple[int, int, list[int]]:
    if not isinstance(group, dict):
        raise FileFormatError(f"{where} must be an object, got {brief(group)}")
    object_id = whole_number(group.get("objectId", group.get("id")), f"{where}.objectId")
    label, members = group.get("label"), group.get("segments")
    if not isinstance(label, str) or not isinstance(members, list):
        raise FileFormatError(f"{where} needs a label and a list of segments, got {brief(group)}")
    nyu40 = table.get(_normal(label))
    if nyu40 is None:
        raise FileFormatError(
            f"{where}: the label {label!r} is no raw_category of the label table; is it "
            f"{LABEL_TABLE} of ScanNet v2?"
        )
    index = nyu40 - 1 if 1 <= nyu40 <= len(SCANNET40) else -1
    return object_id + 1, index, [whole_number(m, f"{where}.segments") for m in members]


def _axis_alignment(path: Path) -> NDArray[np.float64]:
    for number, line in enumerate(read_lines(path), start=1):
        key, _, values = line.partition("=")
        if key.strip() == "axisAlignment":
            try:
                return np.array([float(v) for v in values.split()]).reshape(4, 4)
            except ValueError as error:
                raise FileFormatError(
                    f"{path}:{number}: axisAlignment must be 16 numbers ({error})"
                ) from error
    raise FileFormatError(f"{path} has no line axisAlignment; read this scene without alignment")
