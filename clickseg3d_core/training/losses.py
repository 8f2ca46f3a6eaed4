"""Eq. 8-11, on every stage of the decoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from clickseg3d_core.model.adaptor import StageOutput
from clickseg3d_core.model.network import merge_clicks


@dataclass(frozen=True, kw_only=True, slots=True)
class LossConfig:
    """Weights of eq. 8. The paper names no values; 0 switches a term off (Table 4 rows 8-10)."""

    bce: float = 4.0
    dice: float = 2.0
    ce: float = 0.5


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Targets:
    """What the decoder should have answered.

    Attributes:
        masks: (J, V) float, 1 where the voxel belongs to the object of the column.
        known: (V,) bool, voxels with a label; the others count nowhere.
        classes: (K,) int64 class of each click, -1 = unknown.
        counted: (J,) bool, columns that have a mask to learn (a background click on an unlabelled
            voxel has none).
    """

    masks: Tensor
    known: Tensor
    classes: Tensor
    counted: Tensor


def binary_cross_entropy(logits: Tensor, masks: Tensor) -> Tensor:
    """Eq. 9 per object, from logits: (J, V), (J, V) -> (J,)."""
    return functional.binary_cross_entropy_with_logits(logits, masks, reduction="none").mean(dim=1)


def dice(logits: Tensor, masks: Tensor, epsilon: float = 1.0) -> Tensor:
    """Eq. 10 per object, over its region: (J, V), (J, V) -> (J,)."""
    predicted = logits.sigmoid()
    overlap = 2.0 * (predicted * masks).sum(dim=1) + epsilon
    return 1.0 - overlap / (predicted.sum(dim=1) + masks.sum(dim=1) + epsilon)


def segmentation_loss(
    outputs: list[StageOutput], object_index: Tensor, targets: Targets, weights: LossConfig
) -> tuple[Tensor, dict[str, float]]:
    """Eq. 8, averaged over stages, objects and clicks.

    Args:
        outputs: Of every stage, for K clicks.
        object_index: (K,) int64, column of each click.
        targets: For J columns and K clicks.
        weights: Of eq. 8.

    Returns:
        The loss, and each term of the last stage for the log.
    """
    total = targets.masks.new_zeros(())
    terms: dict[str, float] = {}
    for output in outputs:
        merged = merge_clicks(output.mask_logits.float(), object_index, len(targets.masks))
        wanted, known = targets.masks, targets.known
        if output.rows is not None:
            wanted, known = wanted[:, output.rows], known[output.rows]
        masks, logits = wanted[targets.counted][:, known], merged[targets.counted][:, known]
        bce, region = binary_cross_entropy(logits, masks).mean(), dice(logits, masks).mean()
        total = total + weights.bce * bce + weights.dice * region
        terms = {"bce": float(bce.detach()), "dice": float(region.detach())}
        if output.class_logits is not None and bool((targets.classes >= 0).any()):
            entropy = functional.cross_entropy(
                output.class_logits.float(), targets.classes, ignore_index=-1
            )
            total = total + weights.ce * entropy  # eq. 11
            terms["ce"] = float(entropy.detach())
    return total / len(outputs), terms


def mask_iou(logits: Tensor, targets: Targets) -> Tensor:
    """(J', ) IoU of thresholded masks with their targets, counted columns and known voxels only."""
    predicted = logits[targets.counted][:, targets.known] > 0
    masks = targets.masks[targets.counted][:, targets.known] > 0.5
    intersection = (predicted & masks).sum(dim=1)
    return intersection / (predicted | masks).sum(dim=1).clamp(min=1)


def best_of(logits: Tensor, columns: Tensor, targets: Tensor) -> Tensor:
    """Answer of one episode: instance id per voxel, 0 where no object is above one half.

    Args:
        logits: (J, V) merged logits of all episodes.
        columns: (J_e,) int64 columns of this episode.
        targets: (J_e,) int64 instance of each column, 0 for background clicks.
    """
    own = logits[columns]
    value, winner = own.max(dim=0)
    return torch.where(value > 0, targets[winner], torch.zeros_like(winner))
