"""What the click decoder works on: a cloud as it was encoded, and clicks on it."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from clickseg3d_core.kept import KeptByVoxel


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
        terms: (T, V_l) float32 that clicked voxels see of it.
    """

    keys: Tensor
    values: Tensor
    centers: Tensor
    fourier: Tensor
    finest_row: Tensor
    coarse: Tensor
    terms: KeptByVoxel = field(default_factory=KeptByVoxel)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SceneMemory:
    """Everything the decoder needs of one cloud; computed once, read by every click.

    Attributes:
        levels: One per stage, coarse to fine.
        features: (V, C) float, F^L projected to the decoder's width.
        centers: (V, 3) float, voxel units.
        fourier: (2 A, V) float.
        votes: (V, 3) float, voted object centers, voxel units.
        tint: (V, 3) float in -1..1, color without its noise; 0 without color.
        coarse_features: (V', C) float, F^L of the voxels that all stages but the last predict on.
        terms: (T, V) float32 that clicked voxels see of the finest voxels.
    """

    levels: tuple[LevelMemory, ...]
    features: Tensor
    centers: Tensor
    fourier: Tensor
    votes: Tensor
    tint: Tensor
    coarse_features: Tensor
    terms: KeptByVoxel = field(default_factory=KeptByVoxel)

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
