"""The records that go into the backbone and come out of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clickseg3d_core.errors import CloudError

COORD_BITS = 16
MAX_CLOUDS = 1 << 11


@dataclass(frozen=True, slots=True, eq=False)
class VoxelBatch:
    """The occupied voxels of B clouds, one row each.

    Attributes:
        coords: (V, 3) integer voxel indices in 0..65535, each row once per cloud. The frame is the
            cloud's, moved so that no index is negative; the unit is the voxel side.
        batch: (V,) int64 cloud index of each row, ascending from 0.

    Raises:
        CloudError: if shapes, types or values are not as above. That rows are unique is checked
            where the rows are sorted anyway, in `neighbors.sorted_keys`.
    """

    coords: Tensor
    batch: Tensor

    def __post_init__(self) -> None:
        v = self.coords.shape[0]
        if self.coords.shape != (v, 3) or self.batch.shape != (v,) or v == 0:
            raise CloudError(
                "a voxel batch needs coords (V, 3) and batch (V,) with V >= 1, got "
                f"{tuple(self.coords.shape)} and {tuple(self.batch.shape)}"
            )
        if self.coords.is_floating_point() or self.batch.is_floating_point():
            raise CloudError(
                "voxel indices must be integers, got "
                f"{self.coords.dtype} and {self.batch.dtype}; divide by the voxel size and floor"
            )
        low, high = (int(bound) for bound in torch.aminmax(self.coords))
        if low < 0 or high >= 1 << COORD_BITS:
            raise CloudError(
                f"voxel indices must be in 0..{(1 << COORD_BITS) - 1}, got {low}..{high}; subtract "
                "the smallest index of the cloud, or use larger voxels"
            )
        self._check_batch()

    def _check_batch(self) -> None:
        ascending = bool((self.batch[1:] >= self.batch[:-1]).all())
        first, last = int(self.batch[0]), int(self.batch[-1])
        if not ascending or first < 0 or last >= MAX_CLOUDS:
            raise CloudError(
                f"batch must ascend within 0..{MAX_CLOUDS - 1}, got {first}..{last}"
                f"{'' if ascending else ' out of order'}; concatenate cloud after cloud"
            )

    def __len__(self) -> int:
        return self.coords.shape[0]


@dataclass(frozen=True, slots=True, eq=False)
class EncoderLevel:
    """What the backbone knows at one resolution.

    Attributes:
        coords: (V_l, 3) int64 voxel indices at this level, in units of `stride` finest voxels.
        batch: (V_l,) int64 cloud index of each row, ascending.
        features: (V_l, C_l) features.
        finest_to_level: (V,) int64, the row of this level that holds each finest voxel.
        stride: Finest voxels per side of a voxel of this level.
    """

    coords: Tensor
    batch: Tensor
    features: Tensor
    finest_to_level: Tensor
    stride: int
