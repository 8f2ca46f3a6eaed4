"""From clicks to masks: L stages of attention, each followed by the conditioned query adaptor.

Section 3.2 and 3.3 of the paper. A stage lets the click queries read one level of scene features
(coarse to fine), then each other, then predicts masks and classes, which in turn refine the
queries for the next stage.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from clickseg3d_core.errors import ConfigError
from clickseg3d_core.model.adaptor import QueryAdaptor, StageOutput, initial_prototypes, joined
from clickseg3d_core.model.decoder_config import DecoderConfig
from clickseg3d_core.model.encoder import EncoderLevel
from clickseg3d_core.model.geometry import (
    ClickView,
    fourier_angles,
    fourier_features,
)
from clickseg3d_core.model.heads import SceneHeads
from clickseg3d_core.model.memory import ClickQueries, LevelMemory, SceneMemory
from clickseg3d_core.model.views import ClickViews

_MASK_RANGE = 4.0
"""Logits of the stage before are clamped to this before they bias attention."""


class ClickToScene(nn.Module):
    """Queries <- queries + Attention(queries, scene) with offset terms as attention bias."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm = nn.LayerNorm(config.channels)
        self.query = nn.Linear(config.channels, config.channels)
        self.bias = nn.Linear(config.channels, config.heads * config.offset_terms)
        self.out = nn.Linear(config.channels, config.channels)
        self.mask_gain = nn.Parameter(torch.zeros(config.heads)) if config.mask_bias else None
        nn.init.normal_(self.bias.weight, std=1e-3)
        nn.init.zeros_(self.bias.bias)
        # begin by looking along the surface, near for some heads, far for others
        with torch.no_grad():
            near = self.bias.bias.view(config.heads, -1)
            near[:, 4] = torch.linspace(1.0, 4.0, config.heads)
            near[:, 3] = torch.linspace(0.0, 3.0, config.heads)

    def forward(
        self, queries: Tensor, level: LevelMemory, view: ClickView, before: Tensor | None
    ) -> Tensor:
        """Update queries from one level.

        Args:
            queries: (K, C).
            level: V_l voxels.
            view: The same voxels as seen from the clicks.
            before: (K, V_l) mask logits of the stage before, or None.
        """
        normed = self.norm(queries)
        q = _split_heads(self.query(normed), self.heads)  # (H, K, C/H)
        weights = self.bias(normed).view(len(queries), self.heads, -1)
        bias = view.linear(weights).transpose(0, 1)  # (H, K, V_l)
        if before is not None and self.mask_gain is not None:
            bias = bias.addcmul_(self.mask_gain[:, None, None], before.to(bias.dtype))
        scores = torch.baddbmm(bias, q, level.keys, alpha=q.shape[2] ** -0.5)
        read = scores.softmax(dim=2) @ level.values  # (H, K, C/H)
        updated: Tensor = queries + self.out(_merge_heads(read))
        return updated


class ClickToClick(nn.Module):
    """Queries <- queries + SelfAttention(queries), within each episode."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm = nn.LayerNorm(config.channels)
        self.qkv = nn.Linear(config.channels, 3 * config.channels)
        self.relation = nn.Linear(config.radial_terms + 1, config.heads)
        self.out = nn.Linear(config.channels, config.channels)

    def forward(self, queries: Tensor, relation: Tensor, visible: Tensor) -> Tensor:
        """Update (K, C) queries.

        Args:
            queries: (K, C).
            relation: (K, K, T + 1), each click as seen from each click.
            visible: (K, K) bool, whether a click sees another.
        """
        q, k, v = self.qkv(self.norm(queries)).chunk(3, dim=1)
        q, k, v = (_split_heads(x, self.heads) for x in (q, k, v))
        scores = q @ k.transpose(1, 2) / q.shape[2] ** 0.5
        scores = scores + self.relation(relation).permute(2, 0, 1)  # (H, K, K)
        scores = scores.masked_fill(~visible, float("-inf"))
        updated: Tensor = queries + self.out(_merge_heads(scores.softmax(dim=2) @ v))
        return updated


class DecoderStage(nn.Module):
    """Eq. 3: click-to-scene attention, click-to-click attention, feed-forward network.

    `click_to_scene` is called by the decoder, some clicks at a time; `forward` is the rest.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        hidden = int(config.channels * config.ffn_ratio)
        self.click_to_scene = ClickToScene(config)
        self.click_to_click = ClickToClick(config)
        self.ffn = nn.Sequential(
            nn.LayerNorm(config.channels),
            nn.Linear(config.channels, hidden),
            nn.GELU(),
            nn.Linear(hidden, config.channels),
        )

    def forward(self, queries: Tensor, relation: Tensor, visible: Tensor) -> Tensor:
        """Update (K, C) queries from each other, once they have read the scene."""
        queries = self.click_to_click(queries, relation, visible)
        updated: Tensor = queries + self.ffn(queries)
        return updated


class ClickDecoder(nn.Module):
    """L stages over the scene levels F^1..F^L (section 3.2, "Mask Decoder").

    Args:
        config: Sizes and switches.
        scene_channels: Channels of F^0..F^L as the encoder gives them, coarse to fine.
        num_classes: Classes N_c (paper: 35 prototypes).
    """

    wavelengths: Tensor

    def __init__(
        self, config: DecoderConfig, scene_channels: tuple[int, ...], num_classes: int
    ) -> None:
        super().__init__()
        if config.stages > len(scene_channels):
            raise ConfigError(
                f"decoder.stages ({config.stages}) needs as many scene levels, the encoder has "
                f"{len(scene_channels)}; lower stages or deepen the encoder"
            )
        width = config.channels
        self.config = config
        self.register_buffer("wavelengths", torch.tensor(config.wavelengths), persistent=False)
        read = scene_channels[-config.stages :]
        self.level_norms = nn.ModuleList(nn.LayerNorm(c) for c in read)
        self.keys_values = nn.ModuleList(nn.Linear(c, 2 * width) for c in read)
        self.features = nn.Sequential(
            nn.Linear(scene_channels[-1], width), nn.LayerNorm(width), nn.Linear(width, width)
        )
        self.role = nn.Embedding(2, width)  # object click, background click
        nn.init.normal_(self.role.weight, std=0.02)
        stages = [DecoderStage(config) for _ in range(config.stages)]
        self.stages = nn.ModuleList(stages)
        adapts = [config.query_adaptor and i + 1 < config.stages for i in range(config.stages)]
        self.adaptors = nn.ModuleList(QueryAdaptor(config, num_classes, own) for own in adapts)
        self.prototypes = nn.Parameter(initial_prototypes(config, num_classes))
        self.heads = SceneHeads(width, num_classes, config.edge_terms)

    def remember(self, levels: list[EncoderLevel], centers: Tensor, tint: Tensor) -> SceneMemory:
        """Prepare one cloud's encoder output for any number of later clicks.

        Args:
            levels: F^0..F^L of one cloud, coarse to fine.
            centers: (V, 3) float, voxel centers in voxel units.
            tint: (V, 3) float in -1..1, color without its noise; (V, 0) if it is not read.
        """
        read = levels[-len(self.stages) :]
        coarse_owner = read[max(len(read) - 2, 0)].finest_to_level
        memories = [self._level(i, level, centers, coarse_owner) for i, level in enumerate(read)]
        features = self.features(levels[-1].features)
        coarse = memories[max(len(read) - 2, 0)].finest_row
        return SceneMemory(
            levels=tuple(memories),
            features=features,
            centers=centers,
            fourier=fourier_features(fourier_angles(centers, self.wavelengths)),
            votes=self.heads.votes(features, centers),
            tint=tint,
            coarse_features=features[coarse],
        )

    def _level(
        self, index: int, level: EncoderLevel, centers: Tensor, coarse_owner: Tensor
    ) -> LevelMemory:
        count, owner = len(level.features), level.finest_to_level
        totals = centers.new_zeros(count, 3).index_add_(0, owner, centers)
        sizes = centers.new_zeros(count).index_add_(0, owner, torch.ones_like(centers[:, 0]))
        level_centers = totals / sizes[:, None]
        rows = torch.arange(len(owner), device=owner.device)
        last_row = torch.zeros(count, dtype=torch.int64, device=owner.device)
        last_row = last_row.scatter_reduce(0, owner, rows, "amax", include_self=True)
        keys, values = self.keys_values[index](self.level_norms[index](level.features)).chunk(2, 1)
        heads = self.config.heads
        return LevelMemory(
            keys=_split_heads(keys, heads).transpose(1, 2).contiguous(),
            values=_split_heads(values, heads).contiguous(),
            centers=level_centers,
            fourier=fourier_features(fourier_angles(level_centers, self.wavelengths)),
            finest_row=last_row,
            coarse=coarse_owner[last_row],
        )

    def forward(
        self, memory: SceneMemory, clicks: ClickQueries, *, last_only: bool = False
    ) -> list[StageOutput]:
        """Answer the clicks.

        Args:
            memory: One cloud.
            clicks: K clicks on it.
            last_only: Keep the last stage's predictions only, to save memory at inference.

        Returns:
            One output per stage, the last one being the answer; all are supervised in training.
        """
        views = ClickViews(self.config, memory, clicks, self.wavelengths)
        relation = views.relation()
        visible = clicks.episode[:, None] == clicks.episode[None, :]
        queries = memory.features[clicks.rows] + self.role(clicks.is_background.long())  # eq. 2
        outputs: list[StageOutput] = []
        for index, (stage, adaptor) in enumerate(zip(self.stages, self.adaptors, strict=True)):
            assert isinstance(stage, DecoderStage)
            read = self._read(stage, queries, memory, index, views, outputs)
            queries = stage(read, relation, visible)  # eq. 3
            coarse = self.config.coarse_masks and index + 1 < len(self.stages)
            level = memory.coarse_level if coarse else None
            features = memory.coarse_features if coarse else memory.features
            adapted = [
                adaptor(queries[part], features, views.of(level, part), self.prototypes)
                for part in views.parts
            ]
            queries = torch.cat([query for query, _ in adapted])  # eq. 4
            if last_only:
                outputs.clear()
            output = joined([output for _, output in adapted])
            outputs.append(replace(output, rows=None if level is None else level.finest_row))
        return outputs

    def _read(
        self,
        stage: DecoderStage,
        queries: Tensor,
        memory: SceneMemory,
        index: int,
        views: ClickViews,
        outputs: list[StageOutput],
    ) -> Tensor:
        """(K, C) queries after click-to-scene attention to level `index`."""
        level = memory.levels[index]
        seen = None if index + 1 == len(self.stages) else level
        before = None
        if outputs and self.config.mask_bias:
            rows = level.finest_row if outputs[-1].rows is None else level.coarse
            before = outputs[-1].mask_logits.detach().clamp(-_MASK_RANGE, _MASK_RANGE)
            before = before.index_select(1, rows)
        return torch.cat(
            [
                stage.click_to_scene(
                    queries[part],
                    level,
                    views.of(seen, part),
                    None if before is None else before[part],
                )
                for part in views.parts
            ]
        )


def _split_heads(x: Tensor, heads: int) -> Tensor:
    return x.view(x.shape[0], heads, -1).transpose(0, 1)  # (H, rows, C/H)


def _merge_heads(x: Tensor) -> Tensor:
    return x.transpose(0, 1).flatten(1)  # (rows, C)
