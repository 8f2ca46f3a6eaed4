"""The layout of AGILE3D's benchmark, read; `agile3d_writer` writes it.

scans/<scene>.ply with x, y, z float32, R, G, B uint8 and label, a float: the instance id, -1 where
unlabelled. val_list.json names the objects of each multi-object episode, single/object_ids.npy and
single/object_classes.txt the objects of the single-object protocol, single/crops/ the cropped
scans of those data sets that are clicked in crops. instance_classes.json, which only our converter
writes, tells the class of every instance, so that multi-object episodes have classes, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from clickseg3d_core.data.scene import Scene
from clickseg3d_core.datasets.labels import (
    count_of_ids,
    unlabelled_to_zero,
    whole_number,
    whole_numbers,
)
from clickseg3d_core.datasets.scene_set import SceneSet
from clickseg3d_core.datasets.text_files import brief, read_json, read_lines
from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.io import read_cloud

NO_COLOR = "no color"
"""Comment in the PLY files of scans without color, whose R, G and B are 0."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SingleObject:
    """One row of the single-object list.

    Attributes:
        scene: Name of the scan.
        object_id: The list's id: label in the scan, or number of the crop.
        class_name: Its class, "" unknown.
    """

    scene: str
    object_id: int
    class_name: str


def scan_path(folder: Path, scene: str) -> Path:
    """File of a whole scan."""
    return folder / "scans" / f"{scene}.ply"


def crop_path(folder: Path, scene: str, object_id: int) -> Path:
    """File of the crop around one object."""
    return folder / "single" / "crops" / scene / f"{scene}_crop_{object_id}.ply"


def agile3d_scenes(folder: Path) -> SceneSet:
    """All scans of a folder in this layout, whatever the lists say.

    Raises:
        FileFormatError: if there is no scan, or the lists of classes are damaged.
    """
    paths = {path.stem: path for path in sorted((folder / "scans").glob("[!.]*.ply"))}
    if not paths:
        raise FileFormatError(f"{folder / 'scans'} holds no .ply file")
    classes = known_classes(folder)
    names = vocabulary(classes)
    return SceneSet(
        dataset="agile3d",
        class_names=names,
        paths=paths,
        read_file=partial(_read_classed, classes=classes, class_names=names),
    )


def known_classes(folder: Path) -> dict[str, dict[int, str]]:
    """Class of each label by scene: of instance_classes.json, else of the single-object list.

    Where that list has crops, its ids are the crops' numbers, no labels, and tell nothing.

    Raises:
        FileFormatError: if a file is damaged.
    """
    path = folder / "instance_classes.json"
    if path.exists():
        return _read_instance_classes(path)
    crops = (folder / "single" / "crops").is_dir()
    listed = (folder / "single" / "object_ids.npy").exists()
    return by_scene(read_single_list(folder)) if listed and not crops else {}


def by_scene(rows: Iterable[SingleObject]) -> dict[str, dict[int, str]]:
    """Class by scene and object id."""
    classes: dict[str, dict[int, str]] = defaultdict(dict)
    for row in rows:
        classes[row.scene][row.object_id] = row.class_name
    return dict(classes)


def vocabulary(classes: Mapping[str, Mapping[int, str]]) -> tuple[str, ...]:
    """All class names that occur, sorted."""
    return tuple(sorted({name for c in classes.values() for name in c.values() if name}))


def read_scan(
    path: Path, offset: int, classes: Mapping[int, str], class_names: tuple[str, ...]
) -> Scene:
    """Read one scan or crop.

    Args:
        path: The PLY file.
        offset: Added to every label that is 0 or more; 1 for lists whose ids begin at 0.
        classes: Class of each instance id of the result, where known.
        class_names: Vocabulary.

    Returns:
        A scene in the file's frame whose instance ids are label + offset.

    Raises:
        FileFormatError: if the file cannot be read or has no `label` of whole numbers.
    """
    file = read_cloud(path)
    if "label" not in file.fields:
        raise FileFormatError(f"{path} needs the vertex property label, got {sorted(file.fields)}")
    labels = whole_numbers(file.fields["label"], path, "label")
    instance = unlabelled_to_zero(np.where(labels >= 0, labels + offset, -1))
    instance_class = np.full(count_of_ids(instance), -1, dtype=np.int16)
    for instance_id, name in classes.items():
        if instance_id < len(instance_class) and name:
            instance_class[instance_id] = class_names.index(name)
    return Scene(
        xyz=file.cloud.xyz.astype(np.float32),
        rgb=None if NO_COLOR in getattr(file.native, "comments", ()) else file.cloud.rgb,
        instance=instance,
        instance_class=instance_class,
        meta={"dataset": "agile3d", "frame": "world", "scene": path.stem, "id_offset": offset},
        class_names=class_names,
    )


def read_multi_list(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Read val_list.json.

    Returns:
        Scene and object ids, in the order of list numbers 1..N, of each episode key.

    Raises:
        FileFormatError: if an entry is not of the documented form.
    """
    entries = read_json(path)
    if not isinstance(entries, dict) or not entries:
        raise FileFormatError(f"{path} must hold an object of episodes, got {brief(entries)}")
    return {key: _parse_entry(path, key, entry) for key, entry in entries.items()}


def read_single_list(folder: Path) -> tuple[SingleObject, ...]:
    """Read single/object_ids.npy and single/object_classes.txt of a benchmark folder.

    Raises:
        FileFormatError: if one is missing or not of the documented form, or they differ in length.
    """
    path = folder / "single" / "object_ids.npy"
    rows = _read_text_rows(path)
    classes = read_lines(folder / "single" / "object_classes.txt")
    if len(classes) != len(rows):
        raise FileFormatError(
            f"{folder / 'single'}: object_ids.npy has {len(rows)} rows and object_classes.txt "
            f"{len(classes)} lines; they must be aligned"
        )
    return tuple(
        SingleObject(
            scene=scene,
            object_id=whole_number(text, f"{path}: row {number}"),
            class_name=name.strip(),
        )
        for number, ((scene, text), name) in enumerate(zip(rows, classes, strict=True), start=1)
    )


def _read_text_rows(path: Path) -> list[tuple[str, str]]:
    try:
        array = np.load(path, allow_pickle=False)
        shape, kind = array.shape, array.dtype
        if array.ndim == 2 and shape[1] == 2 and kind.kind in "US":
            return [(str(scene), str(text)) for scene, text in array.astype(str).tolist()]
    except Exception as error:  # on damaged bytes numpy raises a dozen classes
        raise FileFormatError(f"{path} is no readable .npy file of text ({error})") from error
    raise FileFormatError(
        f"{path} must be text of shape (n, 2), scene and object id, got {kind} {shape}"
    )


def _read_classed(
    path: Path, classes: Mapping[str, Mapping[int, str]], class_names: tuple[str, ...]
) -> Scene:
    return read_scan(path, 0, classes.get(path.stem, {}), class_names)


def _read_instance_classes(path: Path) -> dict[str, dict[int, str]]:
    entries = read_json(path)
    try:
        return {
            scene: {int(i): str(name) for i, name in classes.items()}
            for scene, classes in entries.items()
        }
    except (AttributeError, ValueError) as error:
        raise FileFormatError(f"{path} must map scene to id to class ({error})") from error


def _parse_entry(path: Path, key: str, entry: object) -> tuple[str, tuple[int, ...]]:
    scene, _, count = key.rpartition("_obj_")
    objects = entry.get("obj") if isinstance(entry, dict) else None
    if not scene or not count.isdecimal() or not isinstance(objects, dict):
        raise FileFormatError(
            f'{path}: an episode must be "<scene>_obj_<N>": {{"obj": {{"1": id, ...}}}}, got '
            f"{key!r}: {brief(entry)}"
        )
    if set(objects) != {str(i + 1) for i in range(int(count))} or not objects:
        raise FileFormatError(
            f"{path}: episode {key!r} must number its objects 1..{count}, got {sorted(objects)}"
        )
    ids = tuple(
        whole_number(objects[str(i + 1)], f"{path}: episode {key!r}") for i in range(int(count))
    )
    if len(set(ids)) < len(ids):
        raise FileFormatError(f"{path}: episode {key!r} has an object twice, got {list(ids)}")
    return scene, ids
