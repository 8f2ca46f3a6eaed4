"""How deep voxels lie inside a group, where all distances at once cost less than a tree."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clickseg3d_core.clicks import depths_inside

_AT_ONCE = 1 << 26
"""Distances held at a time at most."""


class DepthsOnDevice:
    """`clicks.depths_inside` on a GPU, where a training step spends its time.

    Args:
        centers: (V, 3) float32, any unit.
        device: Where distances are computed.
    """

    def __init__(self, centers: NDArray[np.float32], device: torch.device) -> None:
        self._centers = torch.from_numpy(centers).to(device)

    def __call__(
        self, xyz: NDArray[np.floating[Any]], mask: NDArray[np.bool_]
    ) -> NDArray[np.floating[Any]]:
        """(mask.sum(),) float32 distances to the nearest voxel outside the mask.

        Args:
            xyz: (V, 3), the centers that this was made with.
            mask: (V,) bool.
        """
        if mask.all():
            return depths_inside(xyz, mask)
        inside = torch.from_numpy(mask).to(self._centers.device)
        outside = self._centers[~inside]
        portion = max(_AT_ONCE // len(outside), 1)
        nearest = [
            torch.cdist(part, outside, compute_mode="donot_use_mm_for_euclid_dist").amin(dim=1)
            for part in torch.split(self._centers[inside], portion)
        ]
        depths: NDArray[np.floating[Any]] = torch.cat(nearest).cpu().numpy()
        return depths
