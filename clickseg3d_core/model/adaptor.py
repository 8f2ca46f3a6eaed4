"""The conditioned query adaptor of section 3.3: mask head, class head, and the refined query."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clickseg3d_core.model.decoder_config import DecoderConfig
from clickseg3d_core.model.geometry import RIVAL_TERM, ClickView

_FIRST_CUT = 240.0
"""Path cost at which an untrained mask head puts an object's border, in voxel units."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StageOutput:
    """Predictions of one stage.

    Attributes:
        mask_logits: (K, V') float, one mask per click (eq. 5, transposed).
        class_logits: (K, N_c) float (eq. 6, transposed), or None without a class head.
        rows: (V',) int64 finest voxels that the masks are of; None for all V of them.
    """

    mask_logits: Tensor
    class_logits: Tensor | None
    rows: Tensor | None = None


def joined(parts: list[StageOutput]) -> StageOutput:
    """Predictions for parts of the clicks as one."""
    if len(parts) == 1:
        return parts[0]
    classes = [part.class_logits for part in parts if part.class_logits is not None]
    return StageOutput(
        mask_logits=torch.cat([part.mask_logits for part in parts]),
        class_logits=torch.cat(classes) if classes else None,
        rows=parts[0].rows,
    )


def _mlp(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, inputs), nn.GELU(), nn.Linear(inputs, outputs))


def initial_prototypes(config: DecoderConfig, num_classes: int) -> Tensor:
    """(P, C_s) P_s before training."""
    width = config.semantic_channels or config.channels
    prototypes: Tensor = torch.randn(config.prototypes or num_classes, width) * width**-0.5
    return prototypes


class QueryAdaptor(nn.Module):
    """Q_a = phi_q(Concat(Q_t, E_p, E_s)) with masks and classes predicted on the way (eq. 5-7).

    The mask head adds one term to eq. 5: a weighted sum of what the voxel looks like from the
    click (`geometry.ClickView`), with weights read from the query. It lets a query say how far its
    object reaches, which a dot product of features alone cannot, and starts as a plain cut on the
    surface path cost. The adapted query keeps Q_t as a residual, which the paper leaves open.

    Args:
        config: Sizes and switches.
        num_classes: N_c.
        adapts: Whether there is a next stage that takes an adapted query.
    """

    def __init__(self, config: DecoderConfig, num_classes: int, adapts: bool) -> None:
        super().__init__()
        width = config.channels
        semantic = config.semantic_channels or width
        spatial = config.spatial_channels or width
        self.config, self.adapts = config, adapts
        self.norm = nn.LayerNorm(width)
        self.mask = _mlp(width, width) if config.mask_head else None
        self.reach = nn.Linear(width, 1 + config.offset_terms) if config.mask_head else None
        self.classify = _mlp(width, semantic) if config.class_head else None
        free = config.prototypes if config.class_head else None
        self.to_classes = None if free is None else nn.Linear(free, num_classes)
        self.has_semantic = config.semantic_embedding and config.class_head
        if adapts:
            parts = width + semantic * self.has_semantic + spatial * config.spatial_embedding
            self.fuse = nn.Sequential(nn.Linear(parts, width), nn.GELU(), nn.Linear(width, width))
            self.resize = nn.Identity() if spatial == width else nn.Linear(width, spatial)
        if self.reach is not None:
            _start_as_path_cut(self.reach)

    def forward(
        self, queries: Tensor, features: Tensor, view: ClickView, prototypes: Tensor
    ) -> tuple[Tensor, StageOutput]:
        """Predict masks and classes and adapt the queries.

        Args:
            queries: (K, C) Q_t.
            features: (V', C) F^L of the voxels to predict on.
            view: The same voxels as seen from the clicks.
            prototypes: (P, C_s) P_s, one per class unless they are free.

        Returns:
            (K, C) adapted queries Q_a, and the stage's predictions.
        """
        normed = self.norm(queries)
        masks = self._masks(normed, features, view)
        likes = None if self.classify is None else self.classify(normed) @ prototypes.T  # eq. 6
        classes = likes if self.to_classes is None else self.to_classes(likes)
        output = StageOutput(mask_logits=masks, class_logits=classes)
        if not self.adapts:
            return queries, output
        parts = [normed]
        if self.config.spatial_embedding:
            weight = masks.sigmoid()
            pooled = weight @ features / (weight.sum(dim=1, keepdim=True) + 1e-3)
            parts.append(self.resize(pooled))
        if self.has_semantic and likes is not None:
            parts.append(prototypes[likes.argmax(dim=1)])
        return queries + self.fuse(torch.cat(parts, dim=1)), output  # eq. 7

    def _masks(self, queries: Tensor, features: Tensor, view: ClickView) -> Tensor:
        scale = features.shape[1] ** -0.5
        if self.mask is None or self.reach is None:
            similarity: Tensor = queries @ features.T * scale
            return similarity
        reach = self.reach(queries)  # (K, 1 + T)
        offsets = view.linear(reach[:, None, 1:])[:, 0] + reach[:, :1]
        masks: Tensor = torch.addmm(offsets, self.mask(queries), features.T, alpha=scale)  # eq. 5
        return masks


def _start_as_path_cut(reach: nn.Linear) -> None:
    """Logit = 2 (log(1 + cut) - log(1 + path)) plus a preference over rival clicks."""
    nn.init.normal_(reach.weight, std=1e-3)
    nn.init.zeros_(reach.bias)
    with torch.no_grad():
        reach.bias[0] = 2.0 * math.log1p(_FIRST_CUT)
        reach.bias[1 + 1] = -4.0  # log path / 2
        reach.bias[1 + RIVAL_TERM] = 1.0
