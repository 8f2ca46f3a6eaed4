"""Muon: steps of equal length in every direction a layer can move.

The momentum of a hidden layer's matrix is replaced by the orthogonal matrix nearest to it, so that
rare directions learn as fast as common ones. K. Jordan et al., "Muon: An optimizer for hidden
layers in neural networks", 2024; length of the step after J. Liu et al., "Muon is scalable for LLM
training", 2025, so that learning rates of AdamW fit.

torch.optim.Muon takes no kernels of three dimensions and rounds to bfloat16, which is slow on CPUs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, distributed, nn

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
    shape = x.shape
    x = x.reshape(-1, *shape[-2:])
    a, b, c = _QUINTIC
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    x = x.reshape(shape)
    return x.mT if tall else x


def shares(costs: Sequence[float], processes: int) -> list[int]:
    """Who turns which matrix: the costliest first, each to the process with least to do.

    Args:
        costs: (L,) of the matrices.
        processes: Number of processes.

    Returns:
        (L,) process of each matrix.
    """
    owner, load = [0] * len(costs), [0.0] * processes
    for i in sorted(range(len(costs)), key=lambda i: -costs[i]):
        owner[i] = min(range(processes), key=load.__getitem__)
        load[owner[i]] += costs[i]
    return owner


class Muon(torch.optim.AdamW):
    """AdamW, but for groups with `orthogonal`.

    With several processes, which hold the same gradients, each turns its share of the matrices.

    Args:
        groups: As `optimization.parameter_groups` gives them, with `orthogonal` (bool) each.
        lr: Learning rate.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float) -> None:
        super().__init__(groups, lr=lr)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step; gradients of the orthogonal groups are gone afterwards."""
        hidden = [
            (parameter, group)
            for group in self.param_groups
            if group["orthogonal"]
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        turned = turned_together([self._direction(parameter) for parameter, _ in hidden])
        for (parameter, group), step in zip(hidden, turned, strict=True):
            length = _LENGTH * max(parameter.shape[-2:]) ** 0.5
            parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
            parameter.sub_(step, alpha=group["lr"] * length)
            parameter.grad = None  # AdamW passes over what has none
        super().step(closure)

    def _direction(self, parameter: nn.Parameter) -> Tensor:
        """Of the gradient and its momentum, after Nesterov."""
        assert parameter.grad is not None
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["momentum"] = torch.zeros_like(parameter)
        state["step"] += 1
        momentum = state["momentum"].lerp_(parameter.grad, 1.0 - _MOMENTUM)
        return parameter.grad.lerp(momentum, _MOMENTUM)


def turned_together(matrices: list[Tensor]) -> list[Tensor]:
    """`orthogonal` of each, the work shared between the processes of a run on CPUs.

    A GPU does those of one shape at a time, which is faster than to send them around.

    Args:
        matrices: (..., A, B) float each, the same in every process.
    """
    if not matrices:
        return []
    if matrices[0].is_cuda:
        return turned_by_shape(matrices)
    if not (distributed.is_available() and distributed.is_initialized()):
        return [orthogonal(matrix) for matrix in matrices]
    costs = [matrix.numel() * min(matrix.shape[-2:]) for matrix in matrices]
    owners = shares(costs, distributed.get_world_size())
    flat = matrices[0].new_zeros(sum(matrix.numel() for matrix in matrices))
    parts = torch.split(flat, [matrix.numel() for matrix in matrices])
    for matrix, part, owner in zip(matrices, parts, owners, strict=True):
        if owner == distributed.get_rank():
            part.copy_(orthogonal(matrix).flatten())
    distributed.all_reduce(flat)
    return [part.view(matrix.shape) for matrix, part in zip(matrices, parts, strict=True)]


def turned_by_shape(matrices: list[Tensor]) -> list[Tensor]:
    """`orthogonal` of each, those of one shape in one go.

    Args:
        matrices: (..., A, B) float each.
    """
    shapes: dict[tuple[int, ...], list[int]] = {}
    for i, matrix in enumerate(matrices):
        shapes.setdefault(tuple(matrix.shape[-2:]), []).append(i)
    turned = list(matrices)
    for (rows, columns), numbers in shapes.items():
        flat = [matrices[i].reshape(-1, rows, columns) for i in numbers]
        parts = torch.split(orthogonal(torch.cat(flat)), [len(part) for part in flat])
        for i, part in zip(numbers, parts, strict=True):
            turned[i] = part.view(matrices[i].shape)
    return turned
