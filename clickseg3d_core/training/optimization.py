"""Optimizer, schedule, and the moving average of weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from clickseg3d_core.training.config import TrainConfig


def parameter_groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels, none for biases, norms and prototypes."""
    named = list(net.named_parameters())
    decayed = [p for n, p in named if p.dim() > 1 and "prototypes" not in n and "role" not in n]
    rest = [p for n, p in named if not (p.dim() > 1 and "prototypes" not in n and "role" not in n)]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]


def learning_rate(step: int, config: TrainConfig) -> float:
    """One cycle: linear rise over the warm-up, then a cosine down to 1 % of the peak."""
    warmup = max(1, round(config.warmup * config.steps))
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / max(1, config.steps - warmup)
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
    own = net.state_dict()
    for name, tensor in average.state_dict().items():
        if tensor.is_floating_point():
            tensor.lerp_(own[name], 1.0 - decay)
        else:
            tensor.copy_(own[name])
