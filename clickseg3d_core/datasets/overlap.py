"""Windows of KITTI-360 that show the same ground; all sequences share one world frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.datasets.ply_rows import map_rows
from clickseg3d_core.datasets.scene_set import SceneSet
from clickseg3d_core.errors import FileFormatError

_CELL = 10.0  # metres
_BLOCKS = 400
_BLOCK_ROWS = 250
_MIN_POINTS = 5


def apart_from(scenes: SceneSet, held_out: SceneSet) -> SceneSet:
    """The scenes that share no ground with the held-out ones.

    Ground is shared where both have points in a cell of 10 m x 10 m; of large files, up to 100,000
    points in evenly spaced blocks are looked at, and a cell counts from five of them on.

    Args:
        scenes: Windows whose paths are PLY files in one world frame.
        held_out: Windows to keep away from.

    Raises:
        FileFormatError: if a file is damaged, or every scene shares ground.
    """
    taken = set[tuple[int, int]]().union(*(_cells(path) for path in held_out.paths.values()))
    kept = [name for name, path in scenes.paths.items() if taken.isdisjoint(_cells(path))]
    if scenes.names and not kept:
        raise FileFormatError(
            f"all {len(scenes)} training scenes of {scenes.dataset} show ground of the "
            f"{len(held_out)} evaluation scenes"
        )
    return scenes.only(kept)


def _cells(path: Path) -> set[tuple[int, int]]:
    cells, counts = np.unique(
        np.floor(_sampled_xy(path) / _CELL).astype(np.int64), axis=0, return_counts=True
    )
    return {(int(x), int(y)) for x, y in cells[counts >= _MIN_POINTS]}


def _sampled_xy(path: Path) -> NDArray[np.float64]:
    """(S, 2) metres; blocks of neighboring rows, so that a large file is not read whole."""
    rows = map_rows(path, ("x", "y"))
    if len(rows) > _BLOCKS * _BLOCK_ROWS:
        starts = np.linspace(0, len(rows) - _BLOCK_ROWS, _BLOCKS).astype(np.int64)
        rows = rows[(starts[:, None] + np.arange(_BLOCK_ROWS)).ravel()]
    return np.stack([rows["x"], rows["y"]], axis=1).astype(np.float64)
