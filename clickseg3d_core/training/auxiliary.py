"""Dense losses on F^L that teach the backbone from scratch.

The paper starts from a Point Transformer V3 that was pre-trained for semantic segmentation. Without
one, a few dozen clicks a scene say too little to a backbone; these heads let every voxel speak: its
class, as in that pre-training, and the way to the center of its object (as in Jiang et al.,
"PointGroup", CVPR 2020). They are dropped after training.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

_OFFSET_UNIT = 16.0
"""Voxels per unit of the predicted offset."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuxiliaryConfig:
    """Weights of the dense losses; 0 switches one off.

    Attributes:
        semantic: Cross-entropy of every voxel's class.
        center: Smooth L1 distance to the center of the voxel's object.
    """

    semantic: float = 0.5
    center: float = 0.5


class AuxiliaryHeads(nn.Module):
    """Class and center offset of every voxel.

    Args:
        channels: Width C of F^L as the decoder sees it.
        num_classes: N_c.
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.semantic = nn.Linear(channels, num_classes)
        self.center = nn.Sequential(
            nn.Linear(channels, channels), nn.GELU(), nn.Linear(channels, 3)
        )

    def forward(
        self,
        features: Tensor,
        centers: Tensor,
        instance: Tensor,
        instance_class: Tensor,
        weights: AuxiliaryConfig,
    ) -> tuple[Tensor, dict[str, float]]:
        """Weighted loss of one cloud, and its terms for the log.

        Large objects count by the square root of their size, so that a wall does not drown a cup.

        Args:
            features: (V, C) F^L.
            centers: (V, 3) float, voxel centers, voxel units.
            instance: (V,) int64, 0 = unlabelled.
            instance_class: (M + 1,) int64, -1 = unknown.
            weights: Of the two losses.
        """
        known = instance > 0
        features, centers, instance = features[known], centers[known], instance[known]
        sizes = torch.bincount(instance, minlength=len(instance_class)).clamp(min=1).to(features)
        share = sizes[instance] ** -0.5
        share = share / share.sum()
        classes = instance_class[instance]
        entropy = functional.cross_entropy(
            self.semantic(features).float(), classes, ignore_index=-1, reduction="none"
        )
        semantic = (entropy * share).sum()
        sums = centers.new_zeros(len(sizes), 3).index_add_(0, instance, centers)
        offset = ((sums / sizes[:, None])[instance] - centers) / _OFFSET_UNIT
        distance = functional.smooth_l1_loss(
            self.center(features).float(), offset, reduction="none"
        ).sum(dim=1)
        center = (distance * share).sum()
        loss: Tensor = weights.semantic * semantic + weights.center * center
        return loss, {"semantic": float(semantic.detach()), "center": float(center.detach())}
