"""Which scenes of a data set are for training and which for evaluation.

- scannet: the lists of ScanNet's repository, Tasks/Benchmark/scannetv2_train.txt (1,201 scenes) and
  scannetv2_val.txt (312); give the file.
- s3dis: val is Area 5, train the other five areas.
- kitti360: AGILE3D's evaluation crops come from sequence 0000 only, from windows of the official
  train and val lists alike. So val is sequence 0000 and train the windows of the other sequences,
  but for those that share ground with it (`overlap.apart_from`), since the drives cross.
- kitti360-sweeps: by sequence in the same way, without the look at the ground.
- semantickitti: the official one, val is sequence 08.
"""

from __future__ import annotations

from pathlib import Path

from clickseg3d_core.datasets.kitti360 import window_name
from clickseg3d_core.datasets.overlap import apart_from
from clickseg3d_core.datasets.scene_set import SceneSet
from clickseg3d_core.datasets.text_files import read_lines
from clickseg3d_core.errors import ConfigError, FileFormatError

_VAL_PREFIX = {
    "s3dis": "Area_5_",
    "kitti360": "0000_",
    "kitti360-sweeps": "0000_",
    "semantickitti": "08_",
}


def select(scenes: SceneSet, split: str) -> SceneSet:
    """The scenes of a split.

    Args:
        scenes: All scenes of the data set.
        split: all, train, val, or a text file with one scene name per line; for KITTI-360 also
            the official lists, which name the files of windows.

    Raises:
        ConfigError: if the data set has no such split.
        FileFormatError: if the list cannot be read, is empty or names scenes that are not there.
    """
    if split == "all":
        return scenes
    if split not in ("train", "val"):
        return scenes.only(read_list(Path(split)))
    prefix = _VAL_PREFIX.get(scenes.dataset)
    if prefix is None:
        raise ConfigError(
            f"{scenes.dataset} has no built-in split {split!r}; give `all` or a text file with one "
            "scene per line, which for scannet is scannetv2_train.txt or scannetv2_val.txt of "
            "ScanNet's repository"
        )
    val = [name for name in scenes.names if name.startswith(prefix)]
    train = [name for name in scenes.names if not name.startswith(prefix)]
    if not (val if split == "val" else train):
        raise FileFormatError(f"none of the {len(scenes)} scenes found belongs to {split}")
    if split == "val":
        return scenes.only(val)
    return _without_leaks(scenes.only(train), scenes.only(val))


def _without_leaks(train: SceneSet, val: SceneSet) -> SceneSet:
    if train.dataset != "kitti360":
        return train
    if not len(val):
        raise FileFormatError(
            "the windows of sequence 0000 are not there, and the train split needs them to leave "
            "out windows that show the same ground; give a list of windows instead"
        )
    return apart_from(train, val)


def read_list(path: Path) -> list[str]:
    """Scene names of a list; empty lines and such that begin with # are skipped.

    Raises:
        FileFormatError: if the file cannot be read, is empty or has a name twice.
    """
    names: dict[str, None] = {}
    for number, line in enumerate(read_lines(path), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name = window_name(Path(text)) if text.endswith(".ply") else text
        if name in names:
            raise FileFormatError(f"{path}:{number}: {name!r} occurs a second time")
        names[name] = None
    if not names:
        raise FileFormatError(f"{path} names no scene")
    return list(names)
