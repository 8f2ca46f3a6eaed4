"""From clicks to masks: L stages of attention, each followed by the conditioned query adaptor.

Section 3.2 and 3.3 of the paper. A stage lets the click queries read one level of scene features
(coarse to fine), then each other, then predicts masks and classes, which in turn refine the
queries for the next stage.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    radial_terms,
    rival_costs,
)
from clickseg3d_core.model.heads import SceneHeads
from clickseg3d_core.surface import PATH_LIMIT

_MASK_RANGE = 4.0
"""Logits of the stage before are clamped to this before they bias attention."""

CLICKS_AT_ONCE = 64
"""Clicks that look at the scene at a time; bounds memory whatever the number of clicks."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LevelMemory:
    """One level of one cloud, ready to be attended to.

    Attributes:
        keys: (H, C / H, V_l) float.
        values: (H, V_l, C / H) float.
        centers: (V_l, 3) float, voxel units.
        fourier: (2 A, V_l) float Fourier features of the centers.
        finest_row: (V_l,) int64, one finest voxel inside each level voxel.
        coarse: (V_l,) int64, the voxel of the second finest level that each lies in, or holds.
    """

    keys: Tensor
    values: Tensor
    centers: Tensor
    fourier: Tensor
    finest_row: Tensor
    coarse: Tensor


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SceneMemory:
    """Everything the decoder needs of one cloud; computed once, read by every click.

    Attributes:
        levels: One per stage, coarse to fine.
        features: (V, C) float, F^L projected to the decoder's width.
        centers: (V, 3) float, voxel units.
        fourier: (2 A, V) float.
        votes: (V, 3) float, voted object centers, voxel units.
        coarse_features: (V', C) float, F^L of the voxels that all stages but the last predict on.
    """

    levels: tuple[LevelMemory, ...]
    features: Tensor
    centers: Tensor
    fourier: Tensor
    votes: Tensor
    coarse_features: Tensor

    @property
    def coarse_level(self) -> LevelMemory:
        """The second finest level, or the only one."""
        return self.levels[max(len(self.levels) - 2, 0)]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClickQueries:
    """K clicks on one cloud, in network terms.

    Attributes:
        rows: (K,) int64, voxel of each click.
        positions: (K, 3) float, voxel units.
        object_index: (K,) int64 in 0..O-1: clicks with one number share a mask. Each background
            click has a number of its own.
        is_background: (K,) bool.
        episode: (K,) int64, clicks of different episodes do not see each other; training answers
            many independent episodes in one pass. All zero at inference.
        paths: (K, P, V) float, path costs of each kind, voxel units: over the surface, then over
            learned edges if the network has them.
    """

    rows: Tensor
    positions: Tensor
    object_index: Tensor
    is_background: Tensor
    episode: Tensor
    paths: Tensor


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
        self.heads = SceneHeads(width, num_classes)

    def remember(self, levels: list[EncoderLevel], centers: Tensor) -> SceneMemory:
        """Prepare one cloud's encoder output for any number of later clicks.

        Args:
            levels: F^0..F^L of one cloud, coarse to fine.
            centers: (V, 3) float, voxel centers in voxel units.
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
            before = outputs[-1].mask_logits.detach()[:, rows].clamp(-_MASK_RANGE, _MASK_RANGE)
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


class ClickViews:
    """Voxels as seen from the clicks, made for at most CLICKS_AT_ONCE clicks at a time.

    What a click sees takes a dozen numbers per voxel. With few clicks it is made once and kept;
    with many it is made anew where it is needed, which bounds memory.

    Args:
        config: Switches.
        memory: One cloud.
        clicks: K clicks on it.
        wavelengths: (W,) float, voxel units.
    """

    def __init__(
        self, config: DecoderConfig, memory: SceneMemory, clicks: ClickQueries, wavelengths: Tensor
    ) -> None:
        self.config, self.memory, self.clicks = config, memory, clicks
        self.angles = fourier_angles(clicks.positions, wavelengths)
        self.rivals = torch.stack(
            [
                rival_costs(path, clicks.object_index, clicks.episode, PATH_LIMIT)
                for path in clicks.paths.unbind(1)
            ],
            dim=1,
        )
        count = len(clicks.rows)
        self.parts = [slice(i, i + CLICKS_AT_ONCE) for i in range(0, count, CLICKS_AT_ONCE)]
        self._kept: dict[int, ClickView] = {}

    def of(self, level: LevelMemory | None, part: slice) -> ClickView:
        """View of a coarse level, or of the finest voxels (None), from a part of the clicks."""
        if len(self.parts) > 1:
            return self._make(level, part)
        key = 0 if level is None else id(level)
        if key not in self._kept:
            self._kept[key] = self._make(level, part)
        return self._kept[key]

    def relation(self) -> Tensor:
        """(K, K, T + 1): each click as seen from each click, and whether they agree."""
        rows = self.clicks.rows
        seen = self._radial(self.memory.centers[rows], rows, slice(None)).transpose(1, 2)
        same = self.clicks.object_index[:, None] == self.clicks.object_index[None, :]
        return torch.cat([seen, same[:, :, None].to(seen.dtype)], dim=2)

    def _make(self, level: LevelMemory | None, part: slice) -> ClickView:
        centers = self.memory.centers if level is None else level.centers
        fourier = self.memory.fourier if level is None else level.fourier
        rows = None if level is None else level.finest_row
        if not self.config.fourier_encoding:
            fourier = torch.zeros_like(fourier)
        return ClickView(
            radial=self._radial(centers, rows, part),
            fourier=fourier,
            click_angles=self.angles[part],
        )

    def _radial(self, centers: Tensor, rows: Tensor | None, part: slice) -> Tensor:
        """(K', T, V') of voxels at `centers`, which lie in the finest voxels `rows`."""
        distance = torch.cdist(self.clicks.positions[part], centers)
        paths, rivals = self.clicks.paths[part], self.rivals[part]
        votes = self.memory.votes.detach()
        vote_distance = None
        if rows is not None:
            paths, rivals = paths[:, :, rows], rivals[:, :, rows]
        if self.config.votes:
            seen = votes if rows is None else votes[rows]
            vote_distance = torch.cdist(votes[self.clicks.rows[part]], seen)
        if not self.config.path_prior:
            straight = distance.clamp(max=PATH_LIMIT)[:, None]
            paths = torch.cat([straight, paths[:, 1:]], dim=1)
            free = torch.full_like(straight, PATH_LIMIT)
            rivals = torch.cat([free, rivals[:, 1:]], dim=1)
        return radial_terms(distance, paths, rivals, vote_distance)


def _split_heads(x: Tensor, heads: int) -> Tensor:
    return x.view(x.shape[0], heads, -1).transpose(0, 1)  # (H, rows, C/H)


def _merge_heads(x: Tensor) -> Tensor:
    return x.transpose(0, 1).flatten(1)  # (rows, C)
