"""The voxels of each level as seen from the clicks, made where the decoder needs them."""

from __future__ import annotations

import torch
from torch import Tensor

from clickseg3d_core.kept import KeptByVoxel
from clickseg3d_core.model.decoder_config import DecoderConfig
from clickseg3d_core.model.geometry import (
    ClickView,
    fourier_angles,
    radial_terms,
    rival_costs,
    set_rival_terms,
)
from clickseg3d_core.model.memory import ClickQueries, LevelMemory, SceneMemory
from clickseg3d_core.surface import PATH_LIMIT

CLICKS_AT_ONCE = 64
"""Clicks that look at the scene at a time; bounds memory whatever the number of clicks."""


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
        rivals = [
            rival_costs(path, clicks.object_index, clicks.episode, PATH_LIMIT)
            for path in clicks.paths.unbind(1)
        ]
        if not config.path_prior:
            rivals[0] = torch.full_like(rivals[0], PATH_LIMIT)
        self.log_rivals = torch.stack(rivals, dim=1).log1p_()
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
        centers = self.memory.centers[rows]
        seen = self._radial(centers, rows, slice(None), None).transpose(1, 2)
        same = self.clicks.object_index[:, None] == self.clicks.object_index[None, :]
        return torch.cat([seen, same[:, :, None].to(seen.dtype)], dim=2)

    def _make(self, level: LevelMemory | None, part: slice) -> ClickView:
        seen = self.memory if level is None else level
        rows = None if level is None else level.finest_row
        fourier = seen.fourier
        if not self.config.fourier_encoding:
            fourier = torch.zeros_like(fourier)
        return ClickView(
            radial=self._radial(seen.centers, rows, part, seen.terms),
            fourier=fourier,
            click_angles=self.angles[part],
        )

    def _radial(
        self, centers: Tensor, rows: Tensor | None, part: slice, kept: KeptByVoxel | None
    ) -> Tensor:
        """(K', T, V') of voxels at `centers`, which lie in the finest voxels `rows`."""

        def make(new: Tensor | slice) -> Tensor:
            return self._own_terms(centers, rows, new)

        if kept is None or len(self.parts) > 1 or torch.is_grad_enabled():
            terms = make(part)
        else:
            terms = kept.get(self.clicks.rows, make)
        rivals = self.log_rivals[part]
        set_rival_terms(terms, rivals if rows is None else _at(rivals, rows))
        return terms

    def _own_terms(self, centers: Tensor, rows: Tensor | None, part: Tensor | slice) -> Tensor:
        """(K', T, V') as far as they do not depend on other clicks."""
        distance = _distance(self.clicks.positions[part], centers)
        paths, votes = self.clicks.paths[part], self.memory.votes.detach()
        if rows is not None:
            paths = _at(paths, rows)
        if not self.config.path_prior:
            straight = distance.clamp(max=PATH_LIMIT)[:, None]
            paths = torch.cat([straight, paths[:, 1:]], dim=1)
        vote_distance = None
        if self.config.votes:
            seen = votes if rows is None else votes[rows]
            vote_distance = _distance(votes[self.clicks.rows[part]], seen)
        color_distance = None
        if self.config.colors:
            tint = self.memory.tint
            seen = tint if rows is None else tint.index_select(0, rows)
            color_distance = _distance(tint[self.clicks.rows[part]], seen)
        return radial_terms(distance, paths, vote_distance, color_distance)


def _distance(clicks: Tensor, voxels: Tensor) -> Tensor:
    """(K, V); by differences, so that a click's row does not depend on what else is computed."""
    return torch.cdist(clicks, voxels, compute_mode="donot_use_mm_for_euclid_dist")


def _at(values: Tensor, rows: Tensor) -> Tensor:
    """values[:, :, rows] of (K, P, V); a plain selection of columns is several times faster."""
    return values.flatten(0, 1).index_select(1, rows).view(*values.shape[:2], -1)
