"""Dense losses on F^L, which teach the heads of `model.heads` and through them the backbone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from clickseg3d_core.model.heads import VOTE_UNIT


@dataclass(frozen=True, kw_only=True, slots=True)
class AuxiliaryConfig:
    """Weights of the dense losses; 0 switches one off.

    Attributes:
        semantic: Cross-entropy of every voxel's class.
        center: Smooth L1 distance to the center of the voxel's object.
        affinity: Binary cross-entropy of every edge: both ends of one object, or not.
        border: How much more an edge between two objects counts than one within; they are rare.
    """

    semantic: float = 0.5
    center: float = 0.5
    affinity: float = 1.0
    border: float = 4.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DensePredictions:
    """What the heads say about one cloud.

    Attributes:
        classes: (V, N_c) class logits.
        votes: (V, 3) voted object centers, voxel units.
        edges: (E,) affinity logits.
    """

    classes: Tensor
    votes: Tensor
    edges: Tensor


def dense_loss(
    predictions: DensePredictions,
    centers: Tensor,
    pairs: Tensor,
    instance: Tensor,
    instance_class: Tensor,
    weights: AuxiliaryConfig,
) -> tuple[Tensor, dict[str, float]]:
    """Weighted loss of one cloud, and its terms for the log.

    Voxels of large objects count by the square root of the object's size, so that a wall does not
    drown a cup.

    Args:
        predictions: Of the heads.
        centers: (V, 3) float, voxel centers, voxel units.
        pairs: (E, 2) int64 voxel rows.
        instance: (V,) int64, 0 = unlabelled.
        instance_class: (M + 1,) int64, -1 = unknown.
        weights: Of the losses.
    """
    known = instance > 0
    owner = instance[known]
    sizes = torch.bincount(owner, minlength=len(instance_class)).clamp(min=1).to(centers)
    share = sizes[owner] ** -0.5
    share = share / share.sum()
    entropy = functional.cross_entropy(
        predictions.classes[known].float(),
        instance_class[owner],
        ignore_index=-1,
        reduction="none",
    )
    sums = centers.new_zeros(len(sizes), 3).index_add_(0, owner, centers[known])
    wanted = (sums / sizes[:, None])[owner]
    distance = functional.smooth_l1_loss(
        predictions.votes[known].float() / VOTE_UNIT, wanted / VOTE_UNIT, reduction="none"
    ).sum(dim=1)
    semantic, center = (entropy * share).sum(), (distance * share).sum()
    affinity = _affinity_loss(predictions.edges.float(), instance[pairs], weights.border)
    loss: Tensor = (
        weights.semantic * semantic + weights.center * center + weights.affinity * affinity
    )
    terms = {"semantic": semantic, "center": center, "affinity": affinity}
    return loss, {name: float(term.detach()) for name, term in terms.items()}


def _affinity_loss(logits: Tensor, ends: Tensor, border: float) -> Tensor:
    """Weighted mean over edges with labels at both (E, 2) ends."""
    known = (ends > 0).all(dim=1)
    same = (ends[:, 0] == ends[:, 1]).to(logits)
    weight = torch.where(same > 0, 1.0, border) * known
    entropy = functional.binary_cross_entropy_with_logits(logits, same, reduction="none")
    return (entropy * weight).sum() / weight.sum().clamp(min=1.0)
