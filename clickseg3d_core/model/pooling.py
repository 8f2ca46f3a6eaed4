"""Between levels: pool eight voxels into one, and spread one back over eight."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from clickseg3d_core.model.levels import Pooling


class BatchNorm(nn.BatchNorm1d):
    """Batch normalization over voxels, with the constants of Point Transformer V3.

    A training batch of one voxel has no variance, so it is normalized with the running statistics.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-3, momentum=0.01)

    def forward(self, input: Tensor) -> Tensor:
        """Normalize (V, C) features."""
        if self.training and len(input) == 1:
            return nn.functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)


class ClusterMax(torch.autograd.Function):
    """Maximum per channel over the voxels of each cluster; the first of equals has the gradient."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, pooling: Pooling) -> Tensor:
        """Reduce (V, C) to (V', C)."""
        children = pooling.children
        best = features.index_select(0, children[0])
        winner = torch.zeros(best.shape, dtype=torch.int8, device=best.device)
        for slot in range(1, len(children)):
            candidate = features.index_select(0, children[slot])
            winner.masked_fill_(candidate > best, slot)
            torch.maximum(best, candidate, out=best)
        ctx.pooling, ctx.rows = pooling, len(features)
        ctx.save_for_backward(winner)
        return best

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """Send the gradient of each cluster and channel to the voxel that held the maximum."""
        (winner,) = ctx.saved_tensors
        pooling: Pooling = ctx.pooling
        spread = grad.index_select(0, pooling.cluster)
        wins = winner.index_select(0, pooling.cluster) == pooling.slot.unsqueeze(1)
        return spread * wins, None


class GridPooling(nn.Module):
    """Linear -> maximum over 2x2x2 voxels -> BN -> GELU, as in Point Transformer V3."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.proj = nn.Linear(in_channels, out_channels)
        self.norm = BatchNorm(out_channels)
        self.act = nn.GELU()

    def forward(self, features: Tensor, pooling: Pooling) -> Tensor:
        """Pool (V, C_in) features to (V', C_out)."""
        pooled = ClusterMax.apply(self.proj(features), pooling)  # type: ignore[no-untyped-call]
        output: Tensor = self.act(self.norm(pooled))
        return output


class GatherParents(torch.autograd.Function):
    """Copy each coarse row to its fine voxels; the gradient is summed in a fixed order."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, pooling: Pooling) -> Tensor:
        """Spread (V', C) to (V, C)."""
        ctx.pooling = pooling
        return features.index_select(0, pooling.cluster)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """Sum the (V, C) gradient over the voxels of each cluster."""
        pooling: Pooling = ctx.pooling
        total = grad.new_zeros(pooling.children.shape[1], grad.shape[1])
        return total.index_add_(0, pooling.cluster, grad.contiguous()), None


class GridUnpooling(nn.Module):
    """Merge coarse features into the skip connection.

    up = GELU(BN(Linear(coarse))), skip = GELU(BN(Linear(fine))), output = skip + up[parent].
    """

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(
            nn.Linear(in_channels, out_channels), BatchNorm(out_channels), nn.GELU()
        )
        self.proj_skip = nn.Sequential(
            nn.Linear(skip_channels, out_channels), BatchNorm(out_channels), nn.GELU()
        )

    def forward(self, coarse: Tensor, fine: Tensor, pooling: Pooling) -> tuple[Tensor, Tensor]:
        """Merge (V', C_in) coarse and (V, C_skip) fine features.

        Returns:
            (V, C_out) merged features, and (V, C_out) the skip part alone, which the first block
            of Point Transformer V3's decoder convolves for its position encoding.
        """
        skip: Tensor = self.proj_skip(fine)
        up = GatherParents.apply(self.proj(coarse), pooling)  # type: ignore[no-untyped-call]
        return skip + up, skip
