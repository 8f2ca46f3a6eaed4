"""AGILE3D's decoder on our backbone.

Yue et al., "AGILE3D: Attention Guided Interactive Multi-object 3D Segmentation", ICLR 2024. Clicks
on all objects, clicks on the background and learned background queries attend to the scene and to
each other, and the scene attends back to them. Objects and background compete for each voxel. What
differs from our own decoder: positions are absolute, scaled by the extent of the scene; clicks know
their order; the background is learned; the scene features change with the clicks, so that episodes
share nothing; there are no classes. Attention is masked by the answer of the layer before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clickseg3d_core.model.adaptor import StageOutput
from clickseg3d_core.model.decoder_config import DecoderConfig
from clickseg3d_core.model.encoder import PointEncoder
from clickseg3d_core.model.grid import VoxelBatch
from clickseg3d_core.model.memory import ClickQueries
from clickseg3d_core.model.network import ClickNet, ModelConfig

BACKGROUND_QUERIES = 10


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PointMemory:
    """One cloud, ready for clicks.

    Attributes:
        features: (V, C) float.
        positions: (V, C) float position encodings.
    """

    features: Tensor
    positions: Tensor


class FourierPositions(nn.Module):
    """sin and cos of random projections of positions in the unit cube (Tancik et al., 2020)."""

    directions: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        # drawn at the precision of checkpoints, which keep them
        self.register_buffer("directions", torch.randn(3, channels // 2).half().float())

    def forward(self, centers: Tensor) -> Tensor:
        """(V, 3) centers of a whole scene -> (V, C)."""
        low = centers.amin(dim=0)
        extent = (centers.amax(dim=0) - low).clamp(min=1.0)  # a flat scan has none along one axis
        angles = 2.0 * math.pi * ((centers - low) / extent) @ self.directions
        return torch.cat([angles.sin(), angles.cos()], dim=1)


def order_encoding(count: int, channels: int, device: torch.device) -> Tensor:
    """(K, C) sinusoids of the places 0..K-1 of clicks in their session (Vaswani et al., 2017)."""
    places = torch.arange(count, device=device, dtype=torch.float32)
    steps = torch.arange(0, channels, 2, device=device, dtype=torch.float32) / channels
    angles = places[:, None] * 10_000.0**-steps
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :channels]


class AgileLayer(nn.Module):
    """Click to scene, click to click, feed-forward, scene to click; norms after each."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        width, heads = config.channels, config.heads
        self.click_to_scene = nn.MultiheadAttention(width, heads, batch_first=True)
        self.click_to_click = nn.MultiheadAttention(width, heads, batch_first=True)
        self.scene_to_click = nn.MultiheadAttention(width, heads, batch_first=True)
        hidden = int(width * config.ffn_ratio)
        self.ffn = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))

    def forward(
        self,
        queries: Tensor,
        query_positions: Tensor,
        features: Tensor,
        positions: Tensor,
        blocked: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Update (Q, C) queries and (V, C) scene features.

        Args:
            queries: (Q, C).
            query_positions: (Q, C) encodings.
            features: (V, C).
            positions: (V, C) encodings.
            blocked: (Q, V) bool, voxels that a query does not look at; None = all are seen.
        """
        keys = features + positions
        seen, _ = self.click_to_scene(
            queries + query_positions, keys, features, attn_mask=blocked, need_weights=False
        )
        queries = self.norms[0](queries + seen)
        asked = queries + query_positions
        heard, _ = self.click_to_click(asked, asked, queries, need_weights=False)
        queries = self.norms[1](queries + heard)
        queries = self.norms[2](queries + self.ffn(queries))
        told, _ = self.scene_to_click(keys, queries + query_positions, queries, need_weights=False)
        return queries, self.norms[3](features + told)


class AgileNet(ClickNet):
    """Backbone, a linear layer to C channels, and the layers."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        width = config.decoder.channels
        self.encoder = PointEncoder(config.encoder)
        self.features = nn.Linear(self.encoder.out_channels[-1], width)
        self.positions = FourierPositions(width)
        self.background = nn.Parameter(torch.randn(BACKGROUND_QUERIES, width))
        self.background_positions = nn.Parameter(torch.randn(BACKGROUND_QUERIES, width))
        self.layers = nn.ModuleList(
            AgileLayer(config.decoder) for _ in range(config.decoder.stages)
        )
        self.norm = nn.LayerNorm(width)
        self.mask = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def encode(
        self,
        grid: VoxelBatch,
        features: Tensor,
        centers: Tensor,
        *,
        generator: torch.Generator | None = None,
    ) -> list[PointMemory]:
        """Encode a batch of B clouds.

        Args:
            grid: V voxels of all clouds.
            features: (V, C_in) float input features.
            centers: (V, 3) float voxel centers, voxel units.
            generator: Draws the order shuffle in training.
        """
        finest = self.features(self.encoder(grid, features, generator=generator)[-1].features)
        memories = []
        for cloud in range(int(grid.batch[-1]) + 1):
            rows = grid.batch == cloud
            memories.append(
                PointMemory(features=finest[rows], positions=self.positions(centers[rows]))
            )
        return memories

    def decode(
        self, memory: PointMemory, clicks: ClickQueries, *, last_only: bool = False
    ) -> list[StageOutput]:
        """Mask logits of K clicks less the highest logit of the learned background queries.

        What the background has at a voxel is taken from all alike, which leaves the competition
        between objects and background as it is and puts the border to the background at 0.
        """
        shape = (len(clicks.rows), len(memory.features))
        kept = self.layers[-1:] if last_only else self.layers
        masks = [memory.positions.new_zeros(shape) for _ in kept]
        for number in torch.unique(clicks.episode).tolist():
            rows = torch.nonzero(clicks.episode == number).flatten()
            answers = self._episode(memory, clicks, rows)
            for mask, answer in zip(masks, answers[-len(masks) :], strict=True):
                mask[rows] = answer
        return [StageOutput(mask_logits=mask, class_logits=None) for mask in masks]

    def _episode(self, memory: PointMemory, clicks: ClickQueries, rows: Tensor) -> list[Tensor]:
        """(K', V) per layer for the K' clicks of one session, which are in order."""
        count, width = len(rows), self.config.decoder.channels
        voxels = clicks.rows[rows]
        order = order_encoding(count, width, voxels.device)
        queries = torch.cat([memory.features[voxels], self.background])
        places = torch.cat([memory.positions[voxels] + order, self.background_positions])
        owner = _owners(clicks, rows)
        features, answers = memory.features, []
        blocked: Tensor | None = None
        for layer in self.layers:
            queries, features = layer(queries, places, features, memory.positions, blocked)
            logits = (self.mask(self.norm(queries)) @ features.T).float()  # (Q, V)
            answers.append(logits[:count] - logits[count:].amax(dim=0))
            blocked = _blocked(logits.detach(), owner)
        return answers


def _owners(clicks: ClickQueries, rows: Tensor) -> Tensor:
    """(Q,) int64: 0 for background queries, learned ones last, else 1.. by object."""
    index = torch.where(clicks.is_background[rows], -1, clicks.object_index[rows])
    learned = index.new_full((BACKGROUND_QUERIES,), -1)
    owner: Tensor = torch.unique(torch.cat([index, learned]), return_inverse=True)[1]
    return owner


def _blocked(logits: Tensor, owner: Tensor) -> Tensor:
    """(Q, V) bool: voxels that went to somebody else; a query that has none sees all."""
    groups = logits.new_full((int(owner.max()) + 1, logits.shape[1]), float("-inf"))
    index = owner[:, None].expand_as(logits)
    winner = groups.scatter_reduce(0, index, logits, "amax").argmax(dim=0)
    blocked = winner[None] != owner[:, None]
    return blocked & ~blocked.all(dim=1, keepdim=True)
