"""A plain folder of labelled .npz and .ply scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.classes import CLASS_NAMES
from clickseg3d_core.data.scene import Scene, load_scene
from clickseg3d_core.datasets.labels import count_of_ids, unlabelled_to_zero, whole_numbers
from clickseg3d_core.datasets.scene_set import SceneSet
from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.io import CloudFile, read_cloud

_INSTANCE_NAMES = ("instance", "label", "instances", "labels", "instance_id")


def folder_scenes(folder: Path) -> SceneSet:
    """The .npz and .ply scenes of a folder, named by their files without ending.

    Raises:
        FileFormatError: if there is none, or two have one name.
    """
    files = sorted(p for p in folder.glob("[!.]*") if p.suffix in (".npz", ".ply"))
    paths = {path.stem: path for path in files}
    if not files:
        raise FileFormatError(f"{folder} holds no .npz or .ply scene")
    if len(paths) < len(files):
        twice = next(p for p in files if paths[p.stem] != p)
        raise FileFormatError(f"{twice} and {paths[twice.stem].name} have one name; rename one")
    return SceneSet(
        dataset=folder.name, class_names=CLASS_NAMES, paths=paths, read_file=read_labelled
    )


def read_labelled(path: Path) -> Scene:
    """Read one labelled cloud.

    .npz of `clickseg3d simulate` or `convert`, or with arrays xyz, rgb (optional) and an id per
    point called instance or label; .ply with such a property. The ids say which convention they
    follow: where both -1 and 0 occur, -1 is the background and 0 an object, so that all ids move
    up by one (`meta["id_offset"]` is 1); else 0 and below are unlabelled. A `class` per point,
    index into `classes.CLASS_NAMES`, gives each instance the class of most of its points.

    Args:
        path: .npz or .ply file.

    Raises:
        FileFormatError: if the file cannot be read or has no ids.
    """
    if path.suffix == ".npz" and _is_scene_file(path):
        return load_scene(path)
    file = read_cloud(path)
    name = next((n for n in _INSTANCE_NAMES if n in file.fields), None)
    if name is None:
        _check_length(file)
        raise FileFormatError(
            f"{path} needs an id per point named {' or '.join(_INSTANCE_NAMES[:2])}, got "
            f"{sorted(file.fields)}"
        )
    ids = whole_numbers(file.fields[name], path, name)
    offset = int(ids.size > 0 and ids.min() < 0 and bool((ids == 0).any()))
    instance = unlabelled_to_zero(ids + offset)
    return Scene(
        xyz=file.cloud.xyz.astype(np.float32),
        rgb=file.cloud.rgb,
        instance=instance,
        instance_class=_classes(file, instance),
        meta={"dataset": "folder", "scene": path.stem, "id_offset": offset},
    )


def majority_class(
    instance: NDArray[np.int32], classes: NDArray[np.int64], count: int
) -> NDArray[np.int16]:
    """Most frequent class of each instance.

    Args:
        instance: (N,) 0 = unlabelled.
        classes: (N,) -1 = unknown.
        count: Number of classes.

    Returns:
        (M + 1,) int16; -1 for id 0 and where no point has a class; the lowest of equals.
    """
    result = np.full(count_of_ids(instance), -1, dtype=np.int16)
    pairs, votes = np.unique(
        instance[classes >= 0].astype(np.int64) * count + classes[classes >= 0],
        return_counts=True,
    )
    order = np.lexsort((-pairs, votes))  # the last written wins: most votes, then lowest class
    result[pairs[order] // count] = pairs[order] % count
    result[0] = -1
    return result


def _is_scene_file(path: Path) -> bool:
    try:
        with np.load(path, allow_pickle=False) as data:
            return {"instance_class", "meta"} <= set(getattr(data, "files", ()))
    except Exception as error:  # on damaged bytes numpy, zipfile and zlib raise a dozen classes
        raise FileFormatError(f"{path} is no readable .npz file ({error})") from error


def _check_length(file: CloudFile) -> None:
    arrays = file.native if isinstance(file.native, dict) else {}
    name = next((n for n in _INSTANCE_NAMES if n in arrays), None)
    if name is not None:
        raise FileFormatError(
            f"{file.path}: {name} must have one id per point, {len(file.cloud)}, got the shape "
            f"{arrays[name].shape}"
        )


def _classes(file: CloudFile, instance: NDArray[np.int32]) -> NDArray[np.int16]:
    field: NDArray[Any] | None = file.fields.get("class")
    if field is None:
        return np.full(count_of_ids(instance), -1, dtype=np.int16)
    classes = whole_numbers(field, file.path, "class")
    if classes.size and classes.max() >= len(CLASS_NAMES):
        raise FileFormatError(
            f"{file.path}: class must be -1..{len(CLASS_NAMES) - 1}, got {classes.max()}"
        )
    return majority_class(instance, classes, len(CLASS_NAMES))
