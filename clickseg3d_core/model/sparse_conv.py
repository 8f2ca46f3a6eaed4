"""Submanifold sparse convolution (Graham et al., CVPR 2018) on pair tables."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from clickseg3d_core.model.neighbors import PairTable


class PairConvolution(torch.autograd.Function):
    """Gather, multiply, add: one small matrix product per kernel offset.

    y[p] = b + sum_k W[k]^T x[p + offset(k)] over the occupied voxels p + offset(k).
    """

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None, pairs: PairTable
    ) -> Tensor:
        """Convolve (V, C_in) features with (K, C_in, C_out) weights to (V, C_out)."""
        features = features.contiguous()
        ctx.save_for_backward(features, weight)
        ctx.pairs, ctx.has_bias = pairs, bias is not None
        last = weight.shape[0] - 1
        center = weight[last // 2]
        output = features @ center if bias is None else torch.addmm(bias, features, center)
        for k, here, there in pairs:
            output.index_add_(0, here, features.index_select(0, there) @ weight[k])
            output.index_add_(0, there, features.index_select(0, here) @ weight[last - k])
        return output

    @staticmethod
    def backward(
        ctx: Any, grad: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        """Gradients of features, weight and bias from the (V, C_out) gradient of the output."""
        features, weight = ctx.saved_tensors
        grad = grad.contiguous()
        needs_features, needs_weight = ctx.needs_input_grad[:2]
        last = weight.shape[0] - 1
        grad_features = grad @ weight[last // 2].t() if needs_features else None
        grad_weight = torch.zeros_like(weight) if needs_weight else None
        if grad_weight is not None:
            torch.mm(features.t(), grad, out=grad_weight[last // 2])
        for k, here, there in ctx.pairs:
            for index, out, source in ((k, here, there), (last - k, there, here)):
                grad_out = grad.index_select(0, out)
                if grad_features is not None:
                    grad_features.index_add_(0, source, grad_out @ weight[index].t())
                if grad_weight is not None:
                    gathered = features.index_select(0, source)
                    torch.mm(gathered.t(), grad_out, out=grad_weight[index])
        return grad_features, grad_weight, grad.sum(0) if ctx.has_bias else None, None


class NeighborConvolution(torch.autograd.Function):
    """What `PairConvolution` computes, as one gather and one matrix product.

    On a GPU few large steps are faster than many small ones, and sums without atomic additions are
    the same each time. The neighbors of many voxels at once need memory, so rows go in portions.
    """

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None, pairs: PairTable
    ) -> Tensor:
        """Convolve (V, C_in) features with (K, C_in, C_out) weights to (V, C_out)."""
        ctx.save_for_backward(features, weight)
        ctx.pairs, ctx.has_bias = pairs, bias is not None
        flat = weight.reshape(-1, weight.shape[2])
        parts = [near @ flat for near in _gathered(features, pairs.neighbors())]
        output = torch.cat(parts) if len(parts) > 1 else parts[0]
        return output if bias is None else output + bias

    @staticmethod
    def backward(
        ctx: Any, grad: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        """Gradients of features, weight and bias from the (V, C_out) gradient of the output."""
        features, weight = ctx.saved_tensors
        rows = ctx.pairs.neighbors()
        grad_features, grad_weight = None, None
        if ctx.needs_input_grad[0]:
            # y[p] reads x[p + o], so x[q] is read by y[q - o]: the offsets in reverse order
            back = weight.flip(0).transpose(1, 2).reshape(-1, weight.shape[1])
            grad_features = torch.cat([near @ back for near in _gathered(grad, rows)])
        if ctx.needs_input_grad[1]:
            total, first = torch.zeros_like(weight).view(-1, weight.shape[2]), 0
            for near in _gathered(features, rows):
                total.addmm_(near.t(), grad[first : first + len(near)])
                first += len(near)
            grad_weight = total.view_as(weight)
        return grad_features, grad_weight, grad.sum(0) if ctx.has_bias else None, None


def _gathered(values: Tensor, rows: Tensor) -> Iterator[Tensor]:
    """(R, K * C) values of the neighbors of some R rows after the other.

    Args:
        values: (V, C).
        rows: (V, K) int64, V where there is no neighbor.
    """
    padded = torch.cat([values, values.new_zeros(1, values.shape[1])])
    portion = max(_GATHERED // (rows.shape[1] * values.shape[1]), 1)
    for part in torch.split(rows, portion):
        yield padded.index_select(0, part.reshape(-1)).view(len(part), -1)


_GATHERED = 1 << 26
"""Numbers that `_gathered` holds at once at most."""


def spconv_usable(features: Tensor) -> bool:
    """Whether `convolve_spconv` can take this tensor: CUDA, a type it has, and it is installed."""
    return (
        features.is_cuda
        and features.dtype in (torch.float16, torch.float32)
        and find_spec("spconv") is not None
    )


def convolve_spconv(
    features: Tensor, weight: Tensor, bias: Tensor | None, pairs: PairTable
) -> Tensor:
    """What `PairConvolution` computes, by spconv 2's kernels and with the same weights.

    The pairs that spconv finds are kept in `pairs.spconv_cache` for the other blocks of the level.
    """
    from spconv.pytorch import SparseConvTensor

    kernel, (_, in_channels, out_channels) = pairs.kernel, weight.shape
    layer = _spconv_layer(in_channels, out_channels, kernel, bias is not None)
    cube = weight.view(kernel, kernel, kernel, in_channels, out_channels)
    parameters = {"weight": cube.permute(4, 0, 1, 2, 3).contiguous()}
    if bias is not None:
        parameters["bias"] = bias
    # spconv numbers the sites of its box with 32 bits, so the box is no larger than needed.
    shape = [int(side) + kernel for side in pairs.sites[:, 1:].amax(0)]
    sparse = SparseConvTensor(
        features.contiguous(),
        pairs.sites,
        shape,
        int(pairs.sites[-1, 0]) + 1,
        indice_dict=pairs.spconv_cache,
    )
    output: Tensor = functional_call(layer, parameters, (sparse,)).features
    return output


@cache
def _spconv_layer(in_channels: int, out_channels: int, kernel: int, bias: bool) -> nn.Module:
    """A spconv layer whose own weights are never used; `functional_call` passes ours."""
    from spconv.pytorch import SubMConv3d

    layer: nn.Module = SubMConv3d(
        in_channels, out_channels, kernel, bias=bias, indice_key=f"kernel{kernel}"
    )
    return layer


class SubmanifoldConv3d(nn.Module):
    """A cubic convolution that writes only where a voxel is occupied.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        kernel: Odd kernel side k.
        bias: Whether to add a bias per output channel.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, bias: bool) -> None:
        super().__init__()
        self.kernel = kernel
        self.weight = nn.Parameter(torch.empty(kernel**3, in_channels, out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        bound = 1.0 / math.sqrt(kernel**3 * in_channels)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, features: Tensor, pairs: PairTable) -> Tensor:
        """Convolve (V, C_in) features to (V, C_out) over the pairs of the same kernel side."""
        weight: Tensor = self.weight
        bias: Tensor | None = self.bias
        device = features.device.type
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
            features, weight = features.to(dtype), weight.to(dtype)
            bias = None if bias is None else bias.to(dtype)
        with torch.autocast(device, enabled=False):
            if spconv_usable(features):
                return convolve_spconv(features, weight, bias, pairs)
            convolution = NeighborConvolution if features.is_cuda else PairConvolution
            output: Tensor = convolution.apply(features, weight, bias, pairs)  # type: ignore[no-untyped-call]
        return output
