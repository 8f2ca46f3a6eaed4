"""Input features of the network.

color      3  mean color in -1..1 as Pointcept feeds it; 0 where the scan has none
has_color  1  1 where the scan has color
normal     3  unit normal: as given with the cloud, else estimated, signs agreeing along the surface
steepness  3  absolute values of the normal: the part of it that does not depend on its sign
bend       1  signed bend: above 0 on an outward edge, below 0 in an inward crease
variation  1  surface variation times 3: 0 on a plane, 1 in a volume
scale      1  log2(voxel size / 2 cm) / 4: the only input that knows about metres
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.surface import Surface
from clickseg3d_core.voxels import VoxelGrid

_CHANNELS = {
    "color": 3,
    "has_color": 1,
    "normal": 3,
    "steepness": 3,
    "bend": 1,
    "variation": 1,
    "scale": 1,
}


def feature_channels(inputs: Sequence[str]) -> int:
    """Channels of a list of input features."""
    return sum(_CHANNELS[name] for name in inputs)


def input_features(inputs: Sequence[str], grid: VoxelGrid, surface: Surface) -> NDArray[np.float32]:
    """(V, C_in) float32 input features of a voxelized cloud, in the order of `inputs`."""
    columns = {
        "color": np.zeros((len(grid), 3)) if grid.rgb is None else grid.rgb * 2.0 - 1.0,
        "has_color": np.full((len(grid), 1), 0.0 if grid.rgb is None else 1.0),
        "normal": surface.normals if grid.normals is None else grid.normals,
        "steepness": np.abs(surface.normals),
        "bend": np.clip(surface.bend[:, None] * 5.0, -1.0, 1.0),
        "variation": surface.variation[:, None] * 3.0,
        "scale": np.full((len(grid), 1), np.log2(grid.voxel_size / 0.02) / 4.0),
    }
    chosen = [columns[name] for name in inputs]
    return np.ascontiguousarray(np.concatenate(chosen, axis=1), dtype=np.float32)
