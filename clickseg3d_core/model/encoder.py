"""The backbone: a U-Net over sparse voxels with Point Transformer V3 blocks.

Wu et al., "Point Transformer V3: Simpler, Faster, Stronger", CVPR 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from clickseg3d_core.errors import CloudError, ConfigError
from clickseg3d_core.model.blocks import ConvBlock, TransformerBlock
from clickseg3d_core.model.grid import EncoderLevel, VoxelBatch
from clickseg3d_core.model.levels import Level, build_levels
from clickseg3d_core.model.patches import Padding, PatchPlan
from clickseg3d_core.model.pooling import BatchNorm, GridPooling, GridUnpooling
from clickseg3d_core.model.recompute import recomputed
from clickseg3d_core.model.serialization import CURVES
from clickseg3d_core.model.sparse_conv import SubmanifoldConv3d

__all__ = ["EncoderConfig", "EncoderLevel", "PointEncoder", "VoxelBatch"]


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderConfig:
    """Shape of the backbone. The defaults are Point Transformer V3's for indoor scans.

    Attributes:
        in_channels: Input features per voxel.
        orders: Serialization curves; block i of a stage attends along curve i modulo their number.
        enc_depths: Blocks per encoder stage, finest first; its length is the number of levels.
        enc_channels: Width of each encoder stage.
        enc_heads: Attention heads of each encoder stage.
        dec_depths: Blocks per decoder stage, finest first, one less than the encoder has.
        dec_channels: Width of each decoder stage.
        dec_heads: Attention heads of each decoder stage.
        patch_size: Most voxels that attend to each other.
        mlp_ratio: Hidden width of the MLPs over the width of their stage.
        drop_path: Stochastic depth of the deepest block; it grows linearly from 0.
        shuffle_orders: Draw the order of the curves anew per level while training. At inference
            the order is always fixed, unlike upstream.
        stem_kernel: Kernel side of the first convolution.
        backbone: "ptv3", or "sparse_unet" for the same U-Net with residual convolution blocks.
        padding: "balanced" cuts a cloud into patches of nearly equal size; "borrow" is upstream's
            rule, to use its published weights as they were trained. See `patches.plan_patches`.

    Raises:
        ConfigError: if lengths do not match or a value is out of range.
    """

    in_channels: int = 6
    orders: tuple[str, ...] = CURVES
    enc_depths: tuple[int, ...] = (2, 2, 2, 6, 2)
    enc_channels: tuple[int, ...] = (32, 64, 128, 256, 512)
    enc_heads: tuple[int, ...] = (2, 4, 8, 16, 32)
    dec_depths: tuple[int, ...] = (2, 2, 2, 2)
    dec_channels: tuple[int, ...] = (64, 64, 128, 256)
    dec_heads: tuple[int, ...] = (4, 4, 8, 16)
    patch_size: int = 1024
    mlp_ratio: float = 4.0
    drop_path: float = 0.0
    shuffle_orders: bool = True
    stem_kernel: int = 5
    backbone: Literal["ptv3", "sparse_unet"] = "ptv3"
    padding: Padding = "balanced"

    def __post_init__(self) -> None:
        stages = len(self.enc_depths)
        for name, wanted in (
            ("enc_channels", stages),
            ("enc_heads", stages),
            ("dec_depths", stages - 1),
            ("dec_channels", stages - 1),
            ("dec_heads", stages - 1),
        ):
            values = getattr(self, name)
            if len(values) != wanted or stages == 0:
                raise ConfigError(
                    f"{name} must have {wanted} entries to go with {stages} enc_depths (the "
                    f"decoder has one stage less), got {values}"
                )
        self._check_choices()
        self._check_ranges()

    def _check_choices(self) -> None:
        if not self.orders or any(order not in CURVES for order in self.orders):
            raise ConfigError(f"orders must be some of {', '.join(CURVES)}, got {self.orders}")
        if self.backbone not in ("ptv3", "sparse_unet"):
            raise ConfigError(f"backbone must be ptv3 or sparse_unet, got {self.backbone!r}")
        if self.padding not in ("balanced", "borrow"):
            raise ConfigError(f"padding must be balanced or borrow, got {self.padding!r}")

    def _check_ranges(self) -> None:
        widths = (self.in_channels, *self.enc_channels, *self.enc_heads)
        widths += (*self.dec_channels, *self.dec_heads, self.patch_size)
        if min(widths) < 1 or min((*self.enc_depths, *self.dec_depths)) < 0:
            raise ConfigError(
                "channels, heads and patch_size must be at least 1 and depths at least 0; got "
                f"{self}"
            )
        if self.stem_kernel < 1 or self.stem_kernel % 2 == 0:
            raise ConfigError(f"stem_kernel must be odd, got {self.stem_kernel}")
        if not 0.0 <= self.drop_path < 1.0:
            raise ConfigError(f"drop_path must be in [0, 1), got {self.drop_path}")
        if len(self.enc_depths) > 16:
            raise ConfigError(f"16 levels pool a cloud to one voxel, got {len(self.enc_depths)}")


def _drop_rates(depths: tuple[int, ...], highest: float) -> list[list[float]]:
    """Linear ramp over all blocks of one side of the U-Net, split by stage."""
    ramp = iter(torch.linspace(0, highest, sum(depths), dtype=torch.float64).tolist())
    return [[next(ramp) for _ in range(depth)] for depth in depths]


class Stem(nn.Module):
    """First features: GELU(BN(Conv(x))) without bias."""

    def __init__(self, in_channels: int, channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = SubmanifoldConv3d(in_channels, channels, kernel, bias=False)
        self.norm = BatchNorm(channels)
        self.act = nn.GELU()

    def forward(self, features: Tensor, level: Level) -> Tensor:
        """Map (V, C_in) to (V, C)."""
        assert level.stem_pairs is not None
        output: Tensor = self.act(self.norm(self.conv(features, level.stem_pairs)))
        return output


class Stage(nn.Module):
    """The blocks of one level on one side of the U-Net.

    Attributes:
        recompute: Save memory in training: transformer blocks keep no activations.
    """

    def __init__(
        self, config: EncoderConfig, channels: int, heads: int, drop_rates: list[float]
    ) -> None:
        super().__init__()
        self.recompute = False
        self.blocks = nn.ModuleList(
            TransformerBlock(channels, heads, config.mlp_ratio, rate)
            if config.backbone == "ptv3"
            else ConvBlock(channels)
            for rate in drop_rates
        )

    def forward(
        self,
        features: Tensor,
        level: Level,
        plans: list[PatchPlan],
        *,
        skip: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Refine (V, C) features; `skip` goes to the first block only."""
        for index, block in enumerate(self.blocks):
            if isinstance(block, TransformerBlock):
                saving = self.recompute and torch.is_grad_enabled()
                features = (partial(recomputed, block) if saving else block)(
                    features,
                    level,
                    plans[index % len(plans)],
                    skip=skip if index == 0 else None,
                    generator=generator,
                )
            else:
                features = block(features, level)
        return features


class PointEncoder(nn.Module):
    """Multi-resolution features of voxelized clouds.

    At inference the result for a cloud depends on that cloud alone, not on the rest of the batch,
    nor on chance or the order of its rows.

    Args:
        config: Shape of the network.

    Attributes:
        config: Shape of the network.
        out_channels: Width of each returned level, coarsest first.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        widths, stages = config.enc_channels, len(config.enc_channels)
        self.stem = Stem(config.in_channels, widths[0], config.stem_kernel)
        rates = _drop_rates(config.enc_depths, config.drop_path)
        self.down = nn.ModuleList(GridPooling(fine, coarse) for fine, coarse in pairwise(widths))
        self.encoder = nn.ModuleList(
            Stage(config, widths[s], config.enc_heads[s], rates[s]) for s in range(stages)
        )
        rates = _drop_rates(config.dec_depths, config.drop_path)
        dec = (*config.dec_channels, widths[-1])
        self.up = nn.ModuleList(
            GridUnpooling(dec[s + 1], widths[s], dec[s]) for s in range(stages - 1)
        )
        self.decoder = nn.ModuleList(
            Stage(config, dec[s], config.dec_heads[s], rates[s][::-1]) for s in range(stages - 1)
        )
        self.out_channels: tuple[int, ...] = dec[::-1]

    def recompute(self, saving: bool) -> None:
        """Whether training saves memory by computing transformer blocks twice."""
        for stage in (*self.encoder, *self.decoder):
            assert isinstance(stage, Stage)
            stage.recompute = saving

    def build_levels(self, grid: VoxelBatch) -> tuple[Level, ...]:
        """Compute what depends on voxel positions only, finest level first.

        Raises:
            CloudError: if a voxel occurs twice in a cloud.
        """
        config = self.config
        return build_levels(
            grid,
            num_levels=len(config.enc_depths),
            orders=config.orders,
            patch_size=config.patch_size,
            stem_kernel=config.stem_kernel,
            padding=config.padding,
        )

    def forward(
        self,
        grid: VoxelBatch,
        features: Tensor,
        *,
        generator: torch.Generator | None = None,
        levels: tuple[Level, ...] | None = None,
    ) -> list[EncoderLevel]:
        """Encode a batch.

        Args:
            grid: V voxels of B clouds.
            features: (V, in_channels) float features, row by row with the grid.
            generator: Source of chance while training; None for torch's global one.
            levels: Result of `build_levels` for this grid, if it is at hand.

        Returns:
            F^0 .. F^L, coarsest first: the bottleneck, then the output of each decoder stage. The
            rows of F^L are those of the grid.

        Raises:
            CloudError: if the features do not fit the grid, or a voxel occurs twice.
        """
        if features.shape != (len(grid), self.config.in_channels):
            raise CloudError(
                f"features must be ({len(grid)}, {self.config.in_channels}), one row per voxel, "
                f"got {tuple(features.shape)}"
            )
        levels = self.build_levels(grid) if levels is None else levels
        plans = [self._ordered_plans(level, generator) for level in levels]
        outputs = self._run(levels, plans, features, generator)
        return [
            EncoderLevel(level.coords, level.batch, output, level.finest_to_level, level.stride)
            for level, output in zip(reversed(levels), outputs, strict=True)
        ]

    def _ordered_plans(self, level: Level, generator: torch.Generator | None) -> list[PatchPlan]:
        plans = list(level.plans)
        if not (self.training and self.config.shuffle_orders):
            return plans
        device = "cpu" if generator is None else generator.device
        drawn = torch.randperm(len(plans), generator=generator, device=device)
        return [plans[i] for i in drawn.tolist()]

    def _run(
        self,
        levels: tuple[Level, ...],
        plans: list[list[PatchPlan]],
        features: Tensor,
        generator: torch.Generator | None,
    ) -> list[Tensor]:
        features = self.stem(features, levels[0])
        skips: list[Tensor] = []
        for s, stage in enumerate(self.encoder):
            if s > 0:
                features = self.down[s - 1](features, levels[s - 1].pooling)
            features = stage(features, levels[s], plans[s], generator=generator)
            skips.append(features)
        outputs = [features]
        for s in reversed(range(len(self.decoder))):
            features, skip = self.up[s](features, skips[s], levels[s].pooling)
            features = self.decoder[s](
                features, levels[s], plans[s], skip=skip, generator=generator
            )
            outputs.append(features)
        return outputs
