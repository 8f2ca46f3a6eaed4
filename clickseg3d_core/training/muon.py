"""Muon: steps of equal length in every direction a layer can move.

The momentum of a hidden layer's matrix is replaced by the orthogonal matrix nearest to it, so that
rare directions learn as fast as common ones. K. Jordan et al., "Muon: An optimizer for hidden
layers in neural networks", 2024; length of the step after J. Liu et al., "Muon is scalable for LLM
training", 2025, so that learning rates of AdamW fit.

torch.optim.Muon takes no kernels of three dimensions and rounds to bfloat16, which is slow on CPUs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

ITERATIONS = 5
"""Of Newton and Schulz."""
_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Its coefficients: singular values land between 0.7 and 1.2 soon, not at 1 late."""

_MOMENTUM = 0.95
_LENGTH = 0.2
"""Root mean square of a step over the learning rate, as AdamW's is."""
_LEAST_WIDE = 32
_OUTER = ("stem", "heads.", "prototypes", "role", "background")
"""Inputs, answers and learned vectors, which AdamW trains."""


def is_hidden(name: str, parameter: nn.Parameter) -> bool:
    """Whether a parameter maps hidden features to hidden features.

    Args:
        name: In the module that is trained.
        parameter: A matrix, or a kernel of one matrix per offset.
    """
    wide = parameter.dim() > 1 and min(parameter.shape[-2:]) >= _LEAST_WIDE
    return wide and not any(word in name for word in _OUTER)


@torch.no_grad()
def orthogonal(matrices: Tensor) -> Tensor:
    """Nearly the orthogonal matrices nearest to some.

    Args:
        matrices: (..., A, B) float.

    Returns:
        (..., A, B), same singular vectors, singular values about 1; zeros stay zeros.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x: Tensor = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    a, b, c = _QUINTIC
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x


class Muon(torch.optim.AdamW):
    """AdamW, but for groups with `orthogonal`.

    Args:
        groups: As `optimization.parameter_groups` gives them, with `orthogonal` (bool) each.
        lr: Learning rate.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float) -> None:
        super().__init__(groups, lr=lr)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step; gradients of the orthogonal groups are gone afterwards."""
        for group in self.param_groups:
            if group["orthogonal"]:
                for parameter in group["params"]:
                    self._turn(parameter, group["lr"], group["weight_decay"])
        super().step(closure)

    def _turn(self, parameter: nn.Parameter, rate: float, decay: float) -> None:
        if parameter.grad is None:
            return
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["momentum"] = torch.zeros_like(parameter)
        state["step"] += 1
        momentum = state["momentum"].lerp_(parameter.grad, 1.0 - _MOMENTUM)
        turned = orthogonal(parameter.grad.lerp(momentum, _MOMENTUM))
        length = _LENGTH * max(parameter.shape[-2:]) ** 0.5
        parameter.mul_(1.0 - rate * decay).sub_(turned, alpha=rate * length)
        parameter.grad = None  # AdamW passes over what has none
