"""A cloud encoded a second time, in coarser voxels, and the mean of both answers.

What a network has learned of objects it has learned at some sizes in voxels. A car in voxels of
0.1 m, or a carpet in voxels of 5 mm, reaches farther from its click than any object that it was
trained on, and its mask fades on the way; in voxels of twice the size it does not, but small things
and borders are lost there. The mean of the logits has the reach of one and the borders of the
other. A coarser cloud has a quarter of the voxels; encoding takes 1.5 to 1.7 times as long.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree

from clickseg3d_core.candidates import Decoded
from clickseg3d_core.voxels import VoxelGrid

_NEAREST = 4
_CLOSE = 0.1
"""Coarse voxels; what is nearer counts no more than this."""
_LOWEST = -30.0
"""Logit below which no voxel counts as less likely: means must stay finite."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Spread:
    """How much each coarse voxel says of each fine one.

    Attributes:
        nearest: (V, n) int64, the nearest coarse voxels.
        shares: (V, n) float32, by the inverse square of their distance; rows sum to 1.
    """

    nearest: torch.Tensor
    shares: torch.Tensor

    @classmethod
    def between(
        cls, fine: VoxelGrid, coarse: VoxelGrid, tree: cKDTree, device: torch.device
    ) -> Spread:
        """From the V' voxels of one grid to the V of another, both in the same frame.

        Args:
            fine: V voxels.
            coarse: V' voxels.
            tree: Over the centers of the coarse ones, in their voxel units.
            device: Where masks are.
        """
        place = fine.centers.astype(np.float64) * fine.voxel_size + fine.origin
        count = min(_NEAREST, len(coarse))
        away, nearest = tree.query(
            (place - coarse.origin) / coarse.voxel_size, k=[*range(1, count + 1)]
        )
        shares = 1.0 / np.maximum(away, _CLOSE) ** 2
        shares /= shares.sum(axis=1, keepdims=True)
        return cls(
            nearest=torch.from_numpy(nearest.astype(np.int64)).to(device),
            shares=torch.from_numpy(shares.astype(np.float32)).to(device),
        )

    def __call__(self, masks: torch.Tensor) -> torch.Tensor:
        """(O, V') mask logits of coarse voxels -> (O, V) of fine ones, finite."""
        known = masks.clamp(min=_LOWEST)
        return sum(
            (known[:, self.nearest[:, n]] * self.shares[:, n] for n in range(self.shares.shape[1])),
            start=known.new_zeros(()),
        )


def mean_answer(fine: Decoded, coarse: Decoded, spread: Spread, share: float) -> Decoded:
    """The mean of two answers to the same clicks, in fine voxels.

    Args:
        fine: (O + B, V) masks; -inf stays -inf.
        coarse: (O + B, V') masks.
        spread: From V' to V voxels.
        share: Of the coarse answer, 0 to 1. Classes count the same.
    """
    wide = spread(coarse.masks)
    masks = (1.0 - share) * fine.masks + share * wide
    classes = fine.classes
    if classes is not None and coarse.classes is not None:
        classes = (classes + coarse.classes) / np.float32(2.0)
    return Decoded(rows=fine.rows, masks=masks, classes=classes, opinions=(fine.masks, wide))
