"""Input features of the network.

color      3  mean color in -1..1 as Pointcept feeds it; 0 where the scan has none
has_color  1  1 where the scan has color
normal     3  unit normal; where it was estimated, turned so that its last nonzero part is positive
steepness  3  absolute values of the normal: the part of it that does not depend on its sign
variation  1  surface variation times 3: 0 on a plane, 1 in a volume
scale      1  log2(voxel size / 2 cm) / 4: the only input that knows about metres
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.surface import Surface
from clickseg3d_core.voxels import VoxelGrid

_CHANNELS = {"color": 3, "has_color": 1, "normal": 3, "steepness": 3, "variation": 1, "scale": 1}


def feature_channels(inputs: Sequence[str]) -> int:
    """Channels of a list of input features."""
    return sum(_CHANNELS[name] for name in inputs)


def input_features(inputs: Sequence[str], grid: VoxelGrid, surface: Surface) -> NDArray[np.float32]:
    """(V, C_in) float32 input features of a voxelized cloud, in the order of `inputs`."""
    columns = {
        "color": np.zeros((len(grid), 3)) if grid.rgb is None else grid.rgb * 2.0 - 1.0,
        "has_color": np.full((len(grid), 1), 0.0 if grid.rgb is None else 1.0),
        "normal": surface.normals if grid.normals is not None else _upward(surface.normals),
        "steepness": np.abs(surface.normals),
        "variation": surface.variation[:, None] * 3.0,
        "scale": np.full((len(grid), 1), np.log2(grid.voxel_size / 0.02) / 4.0),
    }
    chosen = [columns[name] for name in inputs]
    return np.ascontiguousarray(np.concatenate(chosen, axis=1), dtype=np.float32)


def _upward(normals: NDArray[np.float32]) -> NDArray[np.float32]:
    x, y, z = normals.T
    last = np.where(z != 0, z, np.where(y != 0, y, x))
    return normals * np.where(last < 0, -1.0, 1.0)[:, None].astype(np.float32)
