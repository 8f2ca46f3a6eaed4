"""Losses of the networks that the paper compares with."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from clickseg3d_core.model.adaptor import StageOutput
from clickseg3d_core.model.memory import ClickQueries
from clickseg3d_core.model.network import Family, merge_clicks
from clickseg3d_core.training.losses import LossConfig, Targets, segmentation_loss

_NEAR_WEIGHT, _FAR_WEIGHT = 2.0, 0.8
_FAR = 6.0
"""Voxels; AGILE3D's 0.3 m at its voxels of 5 cm."""


def family_loss(
    family: Family,
    outputs: list[StageOutput],
    queries: ClickQueries,
    targets: Targets,
    centers: Tensor,
    weights: LossConfig,
) -> tuple[Tensor, dict[str, float]]:
    """The loss that a network of some family is trained with.

    Args:
        family: Of the network.
        outputs: Of every stage, for K clicks.
        queries: The K clicks.
        targets: For J columns and K clicks.
        centers: (V, 3) float, voxel units.
        weights: Of the terms; for agile3d, bce weighs the cross-entropy over objects.

    Returns:
        The loss, and each term of the last stage for the log.
    """
    if family == "agile3d":
        return competition_loss(outputs, queries, targets, centers, weights)
    return segmentation_loss(outputs, queries.object_index, targets, weights)


def competition_loss(
    outputs: list[StageOutput],
    queries: ClickQueries,
    targets: Targets,
    centers: Tensor,
    weights: LossConfig,
) -> tuple[Tensor, dict[str, float]]:
    """AGILE3D's loss: each voxel is to choose between the objects of its episode and background.

    Cross-entropy, and Dice over the classes of each voxel, which for one voxel is 1 minus the
    probability of its true class. Voxels near a click of the episode weigh up to 2.5 times as much
    as others.

    Args:
        outputs: Of every layer, for K clicks.
        queries: The K clicks.
        targets: For J columns.
        centers: (V, 3) float, voxel units.
        weights: bce for the cross-entropy, dice.
    """
    total = targets.masks.new_zeros(())
    terms: dict[str, float] = {}
    numbers = torch.unique(queries.episode).tolist()
    for output in outputs:
        merged = merge_clicks(output.mask_logits.float(), queries.object_index, len(targets.masks))
        parts = [_episode_terms(merged, queries, targets, centers, n) for n in numbers]
        entropy, dice = torch.stack(parts).mean(dim=0)
        total = total + weights.bce * entropy + weights.dice * dice
        terms = {"bce": float(entropy.detach()), "dice": float(dice.detach())}
    return total / len(outputs), terms


def _episode_terms(
    merged: Tensor, queries: ClickQueries, targets: Targets, centers: Tensor, number: int
) -> Tensor:
    """(2,): mean cross-entropy and Dice of one episode over known voxels."""
    mine = queries.episode == number
    objects = torch.unique(queries.object_index[mine & ~queries.is_background])
    rest = torch.unique(queries.object_index[mine & queries.is_background])
    nobody = merged.new_zeros(1, merged.shape[1])
    background = torch.cat([nobody, merged[rest]]).amax(dim=0)
    logits = torch.cat([background[None], merged[objects]]).T[targets.known]  # (V', O + 1)
    inside = targets.masks[objects].T[targets.known]  # (V', O)
    truth = torch.where(inside.any(dim=1), inside.argmax(dim=1) + 1, 0)
    entropy = functional.cross_entropy(logits, truth, reduction="none")
    gap = torch.cdist(centers[targets.known], centers[queries.rows[mine]]).amin(dim=1)
    share = (gap / _FAR).clamp(max=1.0)
    weight = _NEAR_WEIGHT + (_FAR_WEIGHT - _NEAR_WEIGHT) * share
    return torch.stack([(weight * entropy).mean(), (weight * (1 - (-entropy).exp())).mean()])
