"""Losses of masks, classes and dense heads, on values computed by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from clickseg3d_core.model.adaptor import StageOutput
from clickseg3d_core.training.auxiliary import AuxiliaryConfig, DensePredictions, dense_loss
from clickseg3d_core.training.losses import (
    LossConfig,
    Targets,
    binary_cross_entropy,
    dice,
    segmentation_loss,
)


def test_losses_on_hand_computed_values():
    logits = torch.tensor([[0.0, 0.0], [100.0, -100.0]])
    masks = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert torch.allclose(
        binary_cross_entropy(logits, masks), torch.tensor([np.log(2.0), 0.0]).float()
    )
    # eq. 10 with epsilon 1: 1 - (2 * 0.5 + 1) / (1 + 1 + 1), and 1 - 3 / 3
    assert torch.allclose(dice(logits, masks), torch.tensor([1 / 3, 0.0]), atol=1e-6)


def targets(masks, classes, known=None, counted=None):
    masks = torch.tensor(masks)
    return Targets(
        masks=masks,
        known=torch.tensor(known if known is not None else [True] * masks.shape[1]),
        classes=torch.tensor(classes),
        counted=torch.tensor(counted if counted is not None else [True] * len(masks)),
    )


def test_total_loss_is_the_weighted_mean_over_stages():
    wanted = targets([[1.0, 0.0]], [2])
    stages = [
        StageOutput(mask_logits=torch.tensor([[a, b]]), class_logits=torch.zeros(1, 4))
        for a, b in ((0.0, 0.0), (3.0, -2.0))
    ]
    weights = LossConfig(bce=2.0, dice=3.0, ce=0.5)
    total, terms = segmentation_loss(stages, torch.tensor([0]), wanted, weights)
    expected = 0.0
    for stage in stages:
        expected += 2.0 * float(binary_cross_entropy(stage.mask_logits, wanted.masks))
        expected += 3.0 * float(dice(stage.mask_logits, wanted.masks)) + 0.5 * np.log(4.0)
    assert float(total) == pytest.approx(expected / 2, rel=1e-5)
    assert set(terms) == {"bce", "dice", "ce"}


@pytest.mark.parametrize("switch", ["bce", "dice", "ce"])
def test_each_loss_term_is_a_switch(switch):
    """Rows 8-10 of Table 4."""
    stage = StageOutput(
        mask_logits=torch.tensor([[0.3, -0.2]]), class_logits=torch.tensor([[1.0, 0.0]])
    )
    wanted = targets([[1.0, 0.0]], [1])
    full, terms = segmentation_loss([stage], torch.tensor([0]), wanted, LossConfig())
    off = replace(LossConfig(), **{switch: 0.0})
    less, _ = segmentation_loss([stage], torch.tensor([0]), wanted, off)
    assert float(full - less) == pytest.approx(
        getattr(LossConfig(), switch) * terms[switch], rel=1e-4
    )


def test_unlabelled_voxels_and_uncounted_columns_do_not_count():
    base = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0]], requires_grad=True)
    wanted = targets(
        [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]], [-1, -1], [True, True, False], [True, False]
    )
    stage = StageOutput(mask_logits=base, class_logits=None)
    segmentation_loss([stage], torch.tensor([0, 1]), wanted, LossConfig())[0].backward()
    assert base.grad[0, :2].abs().min() > 0
    assert base.grad[0, 2] == 0
    assert not base.grad[1].any()


def dense(weights, edges=(50.0, -50.0), votes=None):
    """Loss of three voxels, the last unlabelled, two of class 2 in one object around (1, 0, 0)."""
    centers = torch.tensor([[0.0, 0, 0], [2.0, 0, 0], [8.0, 0, 0], [9.0, 0, 0]])
    logits = torch.zeros(4, 3)
    logits[:, 2] = 50.0
    predictions = DensePredictions(
        classes=logits,
        votes=centers if votes is None else votes,
        edges=torch.tensor(edges),
    )
    pairs = torch.tensor([[0, 1], [1, 3]])
    instance, classes = torch.tensor([1, 1, 0, 2]), torch.tensor([-1, 2, 2])
    return dense_loss(predictions, centers, pairs, instance, classes, weights)


def test_dense_losses_are_zero_for_right_answers():
    right = torch.tensor([[1.0, 0, 0], [1.0, 0, 0], [0.0, 0, 0], [9.0, 0, 0]])
    loss, terms = dense(AuxiliaryConfig(), votes=right)
    assert float(loss) == pytest.approx(0.0, abs=1e-5)
    assert set(terms) == {"semantic", "center", "affinity"}


def test_dense_losses_weigh_objects_by_root_size_and_borders_more():
    weights = AuxiliaryConfig(semantic=1.0, center=1.0, affinity=1.0, border=4.0)
    loss, terms = dense(weights, edges=(0.0, 0.0))
    # two voxels 1 voxel = 1/16 unit from their center, each of share 2**-0.5 / (2 * 2**-0.5 + 1)
    share = 2**-0.5 / (2 * 2**-0.5 + 1)
    assert terms["center"] == pytest.approx(2 * share * 0.5 / 256, rel=1e-4)
    assert terms["affinity"] == pytest.approx(np.log(2.0), rel=1e-5)
    assert float(loss) == pytest.approx(sum(terms.values()), rel=1e-4)
    _, wrong_inside = dense(weights, edges=(-1.0, -50.0))
    _, wrong_border = dense(weights, edges=(50.0, 1.0))
    assert wrong_border["affinity"] == pytest.approx(4 * wrong_inside["affinity"], rel=1e-4)
    off, _ = dense(AuxiliaryConfig(semantic=0.0, center=0.0, affinity=0.0), edges=(0.0, 0.0))
    assert float(off) == 0.0
