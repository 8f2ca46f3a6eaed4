"""Input features of the network.

color      3  mean color in -1..1 as Pointcept feeds it; 0 where the scan has none
has_color  1  1 where the scan has color
normal     3  unit normal: as given with the cloud, else estimated, signs agreeing along the surface
steepness  3  absolute values of the normal: the part of it that does not depend on its sign
bend       1  signed bend: above 0 on an outward edge, below 0 in an inward crease
variation  1  surface variation times 3: 0 on a plane, 1 in a volume
scale      1  log2(voxel size / 2 cm) / 4
tint       3  color without its noise, in -1..1, which the decoder compares; 0 where there is none
height     2  height above the floor in units of 1.5 m and 6 m, at most 2 units; z is up
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
    "tint": 3,
    "height": 2,
}


def feature_channels(inputs: Sequence[str]) -> int:
    """Channels of a list of input features."""
    return sum(_CHANNELS[name] for name in inputs)


def feature_columns(inputs: Sequence[str], name: str) -> slice:
    """Where one of the input features stands."""
    first = feature_channels(inputs[: list(inputs).index(name)])
    return slice(first, first + _CHANNELS[name])


def input_features(
    inputs: Sequence[str], grid: VoxelGrid, surface: Surface, floor: float = 0.0
) -> NDArray[np.float32]:
    """Input features of a voxelized cloud, in the order of `inputs`.

    Args:
        inputs: Names of features.
        grid: V voxels.
        surface: Their normals.
        floor: z of the floor under the whole cloud, metres; the voxels may be a part of it.

    Returns:
        (V, C_in) float32.
    """
    columns = {
        "color": np.zeros((len(grid), 3)) if grid.rgb is None else grid.rgb * 2.0 - 1.0,
        "has_color": np.full((len(grid), 1), 0.0 if grid.rgb is None else 1.0),
        "normal": surface.normals if grid.normals is None else grid.normals,
        "steepness": np.abs(surface.normals),
        "bend": np.clip(surface.bend[:, None] * 5.0, -1.0, 1.0),
        "variation": surface.variation[:, None] * 3.0,
        "scale": np.full((len(grid), 1), np.log2(grid.voxel_size / 0.02) / 4.0),
        "tint": np.zeros((len(grid), 3)) if surface.tint is None else surface.tint * 2.0 - 1.0,
        "height": _height(grid, floor),
    }
    chosen = [columns[name] for name in inputs]
    return np.ascontiguousarray(np.concatenate(chosen, axis=1), dtype=np.float32)


def _height(grid: VoxelGrid, floor: float) -> NDArray[np.float64]:
    """(V, 2): fine near the floor, coarse up to the height of a house."""
    metres = grid.centers[:, 2] * grid.voxel_size + (grid.origin[2] - floor)
    units = metres[:, None] / np.array([1.5, 6.0])
    return np.asarray(np.clip(units, -1.0, 2.0), dtype=np.float64)
