"""Optimizer, schedule, and the moving average of weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from clickseg3d_core.training.config import TrainConfig
from clickseg3d_core.training.muon import Muon, is_hidden

_NOT_DECAYED = ("prototypes", "role", "background")
"""Learned vectors, which are no maps."""


def parameter_groups(
    net: nn.Module, weight_decay: float, backbone_rate: float = 1.0
) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels, none for biases, norms and learned vectors.

    Args:
        net: With its backbone as `encoder`.
        weight_decay: Of matrices and kernels.
        backbone_rate: Factor on the learning rate of the backbone, in groups of its own unless 1.

    Returns:
        Groups with `params`, `weight_decay` and `rate`, the factor on the learning rate; without
        what asks for no gradient.
    """
    parts: dict[tuple[float, float], list[nn.Parameter]] = {}
    rates = {backbone_rate, 1.0}
    for rate in sorted(rates, reverse=True):
        parts |= {(rate, weight_decay): [], (rate, 0.0): []}
    for name, parameter in net.named_parameters():
        if not parameter.requires_grad:
            continue
        is_map = parameter.dim() > 1 and not any(word in name for word in _NOT_DECAYED)
        rate = backbone_rate if "encoder." in name else 1.0
        parts[rate, weight_decay if is_map else 0.0].append(parameter)
    return [
        {"params": params, "weight_decay": decay, "rate": rate}
        for (rate, decay), params in parts.items()
    ]


def optimizer_of(net: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimizer of a run, over all parameters of the net.

    Args:
        net: With its backbone as `encoder`.
        config: Of the run.
    """
    groups = parameter_groups(net, config.weight_decay, config.backbone_rate)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.learning_rate)
    hidden = {id(p) for name, p in net.named_parameters() if is_hidden(name, p)}
    parts = [
        {**group, "params": params, "orthogonal": turned}
        for group in groups
        for turned in (False, True)
        if (params := [p for p in group["params"] if (id(p) in hidden) == turned])
    ]
    return Muon(parts, lr=config.learning_rate)


def learning_rate(share: float, config: TrainConfig) -> float:
    """One cycle: linear rise over the warm-up, then a cosine down to 1 % of the peak.

    Args:
        share: Part of the run that is over with this step, 0..1.
        config: Of the run.
    """
    if share < config.warmup:
        return config.learning_rate * max(share / config.warmup, 0.01)
    progress = (share - config.warmup) / max(1e-9, 1.0 - config.warmup)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * progress)))


def freeze_norms(net: nn.Module) -> None:
    """Batch normalizations of a net in training mode keep and use their running statistics."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()


@torch.no_grad()
def update_average(average: nn.Module, net: nn.Module, step: int, decay: float) -> None:
    """Move averaged weights towards the current ones; faster in the first steps."""
    decay = min(decay, (1 + step) / (10 + step))
    own, averaged = net.state_dict(), average.state_dict()
    moving = [name for name, tensor in averaged.items() if tensor.is_floating_point()]
    torch._foreach_lerp_(
        [averaged[name] for name in moving], [own[name] for name in moving], 1.0 - decay
    )
    for name in averaged.keys() - set(moving):
        averaged[name].copy_(own[name])
