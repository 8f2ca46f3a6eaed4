"""The blocks of which each level of the backbone is made."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clickseg3d_core.model.attention import PatchAttention
from clickseg3d_core.model.levels import Level
from clickseg3d_core.model.patches import PatchPlan
from clickseg3d_core.model.pooling import BatchNorm
from clickseg3d_core.model.sparse_conv import SubmanifoldConv3d


def drop_rows(
    branch: Tensor, rate: float, training: bool, generator: torch.Generator | None
) -> Tensor:
    """Drop a residual branch for some voxels and scale the rest (stochastic depth, Huang 2016).

    Args:
        branch: (V, C) output of the branch.
        rate: Probability of dropping a voxel's row, 0 <= rate < 1.
        training: Whether to drop at all.
        generator: Source of chance; None for torch's global one.

    Returns:
        (V, C) with the same expectation as the branch.
    """
    if not training or rate == 0.0:
        return branch
    device = branch.device if generator is None else generator.device
    drawn = torch.rand(len(branch), 1, generator=generator, device=device)
    keep = (drawn >= rate).to(branch)
    return branch * keep / (1.0 - rate)


class MLP(nn.Module):
    """Linear -> GELU -> Linear on each voxel."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, features: Tensor) -> Tensor:
        """Map (V, C) to (V, C)."""
        output: Tensor = self.fc2(self.act(self.fc1(features)))
        return output


class PositionEncoding(nn.Module):
    """Conditional position encoding: LN(Linear(Conv3x3x3(x)))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = SubmanifoldConv3d(channels, channels, 3, bias=True)
        self.linear = nn.Linear(channels, channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, features: Tensor, level: Level) -> Tensor:
        """Encode where each voxel sits among its neighbors; (V, C) to (V, C)."""
        output: Tensor = self.norm(self.linear(self.conv(features, level.pairs)))
        return output


class TransformerBlock(nn.Module):
    """Block of Point Transformer V3.

    x <- x + CPE(x);  x <- x + Attention(LN(x));  x <- x + MLP(LN(x)).

    Args:
        channels: C.
        heads: H.
        mlp_ratio: Hidden width of the MLP over C.
        drop_rate: Stochastic depth of the last two branches.
    """

    def __init__(self, channels: int, heads: int, mlp_ratio: float, drop_rate: float) -> None:
        super().__init__()
        self.cpe = PositionEncoding(channels)
        self.norm1 = nn.LayerNorm(channels)
        self.attn = PatchAttention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = MLP(channels, int(channels * mlp_ratio))
        self.drop_rate = drop_rate

    def forward(
        self,
        features: Tensor,
        level: Level,
        plan: PatchPlan,
        *,
        skip: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Refine (V, C) features.

        Args:
            features: (V, C).
            level: Structure of the voxels.
            plan: Curve to attend along.
            skip: (V, C) features whose surroundings are encoded instead of those of `features`.
                Upstream's first decoder block sees only the skip connection there, and published
                weights are trained that way.
            generator: Source of chance for stochastic depth.

        Returns:
            (V, C).
        """
        features = features + self.cpe(features if skip is None else skip, level)
        mixed = self.attn(self.norm1(features), plan)
        features = features + drop_rows(mixed, self.drop_rate, self.training, generator)
        refined = self.mlp(self.norm2(features))
        return features + drop_rows(refined, self.drop_rate, self.training, generator)


class ConvBlock(nn.Module):
    """Residual block without attention: x <- GELU(x + BN(Conv(GELU(BN(Conv(x))))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = SubmanifoldConv3d(channels, channels, 3, bias=False)
        self.norm1 = BatchNorm(channels)
        self.conv2 = SubmanifoldConv3d(channels, channels, 3, bias=False)
        self.norm2 = BatchNorm(channels)
        self.act = nn.GELU()

    def forward(self, features: Tensor, level: Level) -> Tensor:
        """Refine (V, C) features."""
        hidden = self.act(self.norm1(self.conv1(features, level.pairs)))
        output: Tensor = self.act(features + self.norm2(self.conv2(hidden, level.pairs)))
        return output
