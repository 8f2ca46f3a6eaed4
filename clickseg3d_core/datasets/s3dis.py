"""Raw S3DIS, aligned version 1.2: one text file of points per object."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.data.scene import Scene
from clickseg3d_core.datasets.scene_set import SceneSet
from clickseg3d_core.datasets.vocabularies import S3DIS13
from clickseg3d_core.errors import FileFormatError

_ALIGNED = "Stanford3dDataset_v1.2_Aligned_Version"
_RENAMED = {"stairs": "clutter"}
_NO_NUMBER = re.compile(r"[^0-9eE+\-.\s]")
_COLUMNS = 6


def s3dis_scenes(source: Path) -> SceneSet:
    """The rooms of S3DIS, named like Area_5_office_28.

    Args:
        source: Folder that holds Area_1 and so on, or the one above.

    Raises:
        FileFormatError: if there is no room.
    """
    root = source / _ALIGNED if (source / _ALIGNED).is_dir() else source
    rooms = sorted(p.parent for p in root.glob("Area_[0-9]*/*/Annotations") if p.is_dir())
    if not rooms:
        raise FileFormatError(f"{root} holds no room like Area_1/office_1/Annotations of S3DIS")
    return SceneSet(
        dataset="s3dis",
        class_names=S3DIS13,
        paths={f"{room.parent.name}_{room.name}": room for room in rooms},
        read_file=read_s3dis,
    )


def read_s3dis(room: Path) -> Scene:
    """Read one room: every file of Annotations/ is one object, ids 1..M in order of file names.

    Args:
        room: Folder like Area_5/office_28.

    Raises:
        FileFormatError: if there is no object, a class is unknown or a line cannot be parsed.
    """
    files = sorted((room / "Annotations").glob("[!.]*.txt"))
    if not files:
        raise FileFormatError(
            f"{room / 'Annotations'} holds no .txt file; one per object is needed"
        )
    classes = [-1, *(_class_of(path) for path in files)]
    tables = [read_points(path) for path in files]
    table = np.concatenate(tables)
    return Scene(
        xyz=table[:, :3].astype(np.float32),
        rgb=table[:, 3:].astype(np.uint8),
        instance=np.repeat(np.arange(1, len(files) + 1), [len(t) for t in tables]).astype(np.int32),
        instance_class=np.array(classes, dtype=np.int16),
        meta={"dataset": "s3dis", "frame": "world", "scene": f"{room.parent.name}_{room.name}"},
        class_names=S3DIS13,
    )


def read_points(path: Path) -> NDArray[np.float64]:
    """Read lines x y z r g b.

    Stray characters, which the published files have, are taken for a space or for nothing,
    whichever leaves six numbers.

    Returns:
        (N, 6) float64, metres and 0..255.

    Raises:
        FileFormatError: naming the line, if it is no such row; or if there is none.
    """
    try:
        lines = path.read_bytes().decode("latin-1").split("\n")
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read ({error.strerror})") from error
    if not any(line.strip() for line in lines):
        raise FileFormatError(f"{path} is empty; lines x y z r g b are needed")
    try:
        table = np.loadtxt(lines, dtype=np.float64, comments=None, ndmin=2)
    except ValueError:
        table = np.array([_parse_line(path, n, line) for n, line in _numbered(lines)])
    if table.shape[1] != _COLUMNS:
        raise FileFormatError(f"{path}:1: needs six numbers x y z r g b, got {table.shape[1]}")
    wrong = ~np.isfinite(table).all(axis=1)
    wrong |= ((table[:, 3:] < 0) | (table[:, 3:] > 255)).any(axis=1)
    if wrong.any():
        number = [n for n, _ in _numbered(lines)][int(np.flatnonzero(wrong)[0])]
        raise FileFormatError(
            f"{path}:{number}: x y z must be finite and r g b 0..255, got {lines[number - 1]!r}"
        )
    return table


def _numbered(lines: list[str]) -> list[tuple[int, str]]:
    return [(n, line) for n, line in enumerate(lines, start=1) if line.strip()]


def _parse_line(path: Path, number: int, line: str) -> list[float]:
    for instead in (" ", ""):
        words = _NO_NUMBER.sub(instead, line).split()
        if len(words) == _COLUMNS:
            try:
                return [float(word) for word in words]
            except ValueError:
                continue
    raise FileFormatError(f"{path}:{number}: needs six numbers x y z r g b, got {line!r}")


def _class_of(path: Path) -> int:
    name = path.stem.rpartition("_")[0] or path.stem
    name = _RENAMED.get(name, name)
    if name not in S3DIS13:
        raise FileFormatError(
            f"{path}: the file is named after its class, one of {', '.join(S3DIS13)} or stairs, "
            f"got {name!r}"
        )
    return S3DIS13.index(name)
