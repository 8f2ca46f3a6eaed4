"""SemanticKITTI: sweeps as .bin and labels as .label, instance << 16 | class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clickseg3d_core.data.scene import Scene
from clickseg3d_core.datasets.scene_set import SceneSet
from clickseg3d_core.datasets.vocabularies import SEMANTIC_KITTI19, SEMANTIC_KITTI_IDS
from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.io import read_cloud

_LABEL_BYTES = 4


def semantic_kitti_scenes(source: Path) -> SceneSet:
    """The labelled sweeps of SemanticKITTI, named like 08_000123.

    Args:
        source: Folder that holds sequences/, or the one above (dataset/sequences/).

    Raises:
        FileFormatError: if there is no labelled sweep.
    """
    root = source / "dataset" if (source / "dataset").is_dir() else source
    files = sorted((root / "sequences").glob("[0-9][0-9]/labels/*.label"))
    if not files:
        raise FileFormatError(f"{root} holds no sequences/00/labels/*.label of SemanticKITTI")
    return SceneSet(
        dataset="semantickitti",
        class_names=SEMANTIC_KITTI19,
        paths={_name(path): path for path in files},
        read_file=read_semantic_kitti,
    )


def read_semantic_kitti(path: Path) -> Scene:
    """Read one sweep, sensor frame, without color.

    Moving classes are merged with resting ones, as the benchmark does. Instance ids are 1..M in
    order of class and raw instance number; points of no class or no instance are unlabelled.

    Args:
        path: Its .label file; the points are in ../velodyne/<frame>.bin.

    Raises:
        FileFormatError: if a file is missing or damaged, they differ in length, or a class id is
            unknown.
    """
    cloud = path.parent.parent / "velodyne" / f"{path.stem}.bin"
    xyz = read_cloud(cloud).cloud.xyz.astype(np.float32)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read ({error.strerror})") from error
    if len(raw) != _LABEL_BYTES * len(xyz):
        raise FileFormatError(
            f"{path} has {len(raw)} bytes for the {len(xyz)} points of {cloud}; four a point are "
            "needed"
        )
    labels = np.frombuffer(raw, dtype="<u4").astype(np.int64)
    semantic = _classes(labels & 0xFFFF, path)
    numbers = labels >> 16
    keys = np.where((numbers > 0) & (semantic >= 0), semantic << 16 | numbers, 0)
    present, instance = np.unique(np.append(keys, 0), return_inverse=True)
    return Scene(
        xyz=xyz,
        rgb=None,
        instance=instance[:-1].astype(np.int32),
        instance_class=np.where(present > 0, present >> 16, -1).astype(np.int16),
        meta={"dataset": "semantickitti", "frame": "world", "scene": _name(path)},
        class_names=SEMANTIC_KITTI19,
        semantic=semantic.astype(np.int16),
    )


_UNLABELLED_IDS = (0, 1, 52, 99)  # unlabeled, outlier, other-structure, other-object


def _classes(ids: np.ndarray, path: Path) -> np.ndarray:
    table = {raw: SEMANTIC_KITTI19.index(name) for raw, name in SEMANTIC_KITTI_IDS.items()}
    table |= dict.fromkeys(_UNLABELLED_IDS, -1)
    present, place = np.unique(ids, return_inverse=True)
    unknown = [i for i in present.tolist() if i not in table]
    if unknown:
        raise FileFormatError(
            f"{path} has the class id {unknown[0]}, which SemanticKITTI does not define"
        )
    return np.array([table[i] for i in present.tolist()])[place]


def _name(path: Path) -> str:
    return f"{path.parent.parent.name}_{path.stem}"
