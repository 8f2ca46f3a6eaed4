"""Raw KITTI-360: accumulated windows of about 200 m, and single sweeps.

An instance id is semantic id * 1000 + number; number 0 means a class without instances. World frame
for windows, the sensor's frame for sweeps.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.data.scene import Scene
from clickseg3d_core.datasets.labels import count_of_ids, whole_numbers
from clickseg3d_core.datasets.ply_rows import map_rows
from clickseg3d_core.datasets.scene_set import SceneSet
from clickseg3d_core.datasets.vocabularies import KITTI360
from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.io import read_cloud

PER_CLASS = 1000
_WINDOW = re.compile(r"(\d{10})_(\d{10})")
_SEQUENCE = re.compile(r"_drive_(\d{4})_sync")
_COLUMNS = ("x", "y", "z", "red", "green", "blue", "semantic", "instance")


def kitti360_windows(source: Path, dynamic: bool = True) -> SceneSet:
    """The labelled windows of KITTI-360, named like 0000_0000000002_0000000385.

    Args:
        source: Folder that holds data_3d_semantics/.
        dynamic: Add the points of moving objects, accumulated over the window.

    Raises:
        FileFormatError: if there is no window.
    """
    root = source / "data_3d_semantics"
    root = root / "train" if (root / "train").is_dir() else root  # test/ has no labels
    files = sorted(root.glob("2013_05_28_drive_*_sync/static/[!.]*.ply"))
    if not files:
        raise FileFormatError(
            f"{root} holds no 2013_05_28_drive_<sequence>_sync/static/*.ply of KITTI-360"
        )
    return SceneSet(
        dataset="kitti360",
        class_names=KITTI360,
        paths={window_name(path): path for path in files},
        read_file=partial(read_window, dynamic=dynamic),
    )


def window_name(path: Path) -> str:
    """Scene name of .../2013_05_28_drive_0000_sync/static/0000000002_0000000385.ply.

    Raises:
        FileFormatError: if the path is of another form.
    """
    sequence, frames = _SEQUENCE.search(str(path)), _WINDOW.fullmatch(path.stem)
    if sequence is None or frames is None:
        raise FileFormatError(
            f"{path} must be like 2013_05_28_drive_0000_sync/static/0000000002_0000000385.ply"
        )
    return f"{sequence[1]}_{path.stem}"


def read_window(path: Path, dynamic: bool = True) -> Scene:
    """Read one window; instance ids are those of the data set.

    The class of an object is that of its id; `meta["label_mismatches"]` counts the points whose
    semantic id is another.

    Args:
        path: Its file under static/; the one under dynamic/ has the same name.
        dynamic: Add that one, if it exists.

    Raises:
        FileFormatError: if a file is damaged or lacks a property.
    """
    parts = [map_rows(path, _COLUMNS)]
    moving = path.parent.parent / "dynamic" / path.name
    if dynamic and moving.is_file():
        parts.append(map_rows(moving, _COLUMNS))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in _COLUMNS}
    return _scene(
        np.stack([columns[axis] for axis in "xyz"], axis=1).astype(np.float32),
        np.stack([columns[c] for c in ("red", "green", "blue")], axis=1).astype(np.uint8),
        whole_numbers(columns["semantic"], path, "semantic"),
        whole_numbers(columns["instance"], path, "instance"),
        window_name(path),
    )


def kitti360_sweeps(source: Path, labels: Path) -> SceneSet:
    """The labelled single sweeps, named like 0000_0000000250.

    KITTI-360 has no labels of sweeps; the tool recoverKITTI360label makes them from the windows.

    Args:
        source: Folder that holds data_3d_raw/.
        labels: Folder that holds 2013_05_28_drive_<sequence>_sync/labels/<frame>.bin.

    Raises:
        FileFormatError: if there is no label file, or the sweep of one is missing.
    """
    files = sorted(labels.glob("2013_05_28_drive_*_sync/labels/*.bin"))
    if not files:
        raise FileFormatError(
            f"{labels} holds no 2013_05_28_drive_<sequence>_sync/labels/*.bin of sweep labels"
        )
    paths: dict[str, Path] = {}
    for path in files:
        sequence = path.parent.parent.name
        match = _SEQUENCE.search(sequence)
        if match is None or not path.stem.isdecimal():
            raise FileFormatError(f"{path} must be like 2013_05_28_drive_0000_sync/labels/<frame>")
        paths[f"{match[1]}_{path.stem}"] = path
    return SceneSet(
        dataset="kitti360-sweeps",
        class_names=KITTI360,
        paths=paths,
        read_file=partial(read_sweep, source=source),
    )


def read_sweep(path: Path, source: Path) -> Scene:
    """Read one sweep; without color.

    Args:
        path: Its label file, one number per point, -1 = unlabelled: int64 or int32 instance ids,
            or int16 semantic ids, which leave all points without an instance.
        source: Folder that holds data_3d_raw/.

    Raises:
        FileFormatError: if a file is missing or damaged, or the two differ in length.
    """
    sequence = path.parent.parent.name
    cloud = source / "data_3d_raw" / sequence / "velodyne_points" / "data" / f"{path.stem}.bin"
    xyz = read_cloud(cloud).cloud.xyz.astype(np.float32)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read ({error.strerror})") from error
    dtype = {2: "<i2", 4: "<i4", 8: "<i8"}.get(len(raw) // max(len(xyz), 1))
    if dtype is None or len(raw) % len(xyz):
        raise FileFormatError(
            f"{path} has {len(raw)} bytes for the {len(xyz)} points of {cloud}; int16, int32 or "
            "int64 labels have 2, 4 or 8 bytes a point"
        )
    ids = whole_numbers(np.frombuffer(raw, dtype=dtype), path, "the label")
    semantic = ids if dtype == "<i2" else np.where(ids >= 0, ids // PER_CLASS, -1)
    instance = np.full(len(ids), -1) if dtype == "<i2" else ids
    name = f"{_SEQUENCE.search(sequence)[1]}_{path.stem}"  # type: ignore[index]
    return _scene(xyz, None, semantic, instance, name)


def _scene(
    xyz: NDArray[np.float32],
    rgb: NDArray[np.uint8] | None,
    semantic: NDArray[np.int64],
    instance: NDArray[np.int64],
    name: str,
) -> Scene:
    """A scene from raw labels; ids that belong to no class or no instance are unlabelled."""
    known = (instance > 0) & (instance % PER_CLASS > 0) & (instance // PER_CLASS < len(KITTI360))
    known &= instance // PER_CLASS > 0
    ids = np.where(known, instance, 0).astype(np.int32)
    instance_class = np.full(count_of_ids(ids), -1, dtype=np.int16)
    present = np.unique(ids[ids > 0])
    instance_class[present] = present // PER_CLASS
    classes = np.where((semantic > 0) & (semantic < len(KITTI360)), semantic, -1)
    mismatches = int((known & (classes != instance // PER_CLASS)).sum())
    return Scene(
        xyz=xyz,
        rgb=rgb,
        instance=ids,
        instance_class=instance_class,
        meta={
            "dataset": "kitti360",
            "frame": "world",
            "scene": name,
            "label_mismatches": mismatches,
        },
        class_names=KITTI360,
        semantic=classes.astype(np.int16),
    )
