"""The voxels of each level as seen from the clicks, made where the decoder needs them."""

from __future__ import annotations

import torch
from torch import Tensor

from clickseg3d_core.model.decoder_config import DecoderConfig
from clickseg3d_core.model.geometry import (
    ClickView,
    fourier_angles,
    radial_terms,
    rival_costs,
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
