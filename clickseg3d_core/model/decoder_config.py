"""Sizes and switches of the click decoder."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from clickseg3d_core.edges import EDGE_TERMS
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.model.geometry import COLOR_TERMS, DISTANCE_TERMS, PATH_TERMS, VOTE_TERMS


@dataclass(frozen=True, kw_only=True, slots=True)
class DecoderConfig:
    """Sizes and switches of the click decoder.

    Attributes:
        channels: Width C of queries, mask features and both embeddings (paper: 256).
        heads: Attention heads.
        stages: Decoder stages L (paper: 4); stage i reads level F^i, the last one F^L.
        ffn_ratio: Hidden width of feed-forward networks over `channels`.
        wavelengths: Fourier wavelengths in voxels, per axis.
        semantic_channels: Width d_h of prototypes and semantic embedding E_s (fig. 6a); None takes
            `channels`, as the paper has it.
        spatial_channels: Width of the spatial embedding E_p (fig. 6a); None takes `channels`, the
            width of the features that it pools, another width is a linear map of them.
        prototypes: Semantic prototypes (fig. 6b). None is one per class, and eq. 6 names the class.
            A number is of free prototypes, tied to no class: E_s is the prototype that the query
            likes best, and a learned linear map leads from how much it likes each to the classes.
        semantic_embedding: Table 4 row 3; off drops E_s from eq. 7.
        spatial_embedding: Table 4 row 4; off drops E_p from eq. 7.
        class_head: Table 4 row 5; off predicts no class, hence no semantic embedding either.
        mask_head: Table 4 row 6; off compares F^L with the query itself, without phi_m.
        query_adaptor: Table 4 row 7; off passes Q_t on as it is (eq. 4 becomes the identity).
        path_prior: Surface path costs among the radial terms; off leaves straight distances.
        learned_paths: Path costs over learned edges (`model.heads`) among the radial terms.
        votes: Distance of voted object centers (`model.heads`) among the radial terms.
        colors: How far the color is from that of the clicked voxel among the radial terms, and
            from voxel to voxel among those of edges; needs the input feature `tint`.
        mask_bias: The mask of the stage before biases click-to-scene attention (a soft form of the
            masked attention of Cheng et al., "Mask2Former", CVPR 2022).
        coarse_masks: All stages but the last predict on the voxels of the second finest level
            only: their masks serve to pool E_p and to bias attention, which needs no detail, and a
            click takes a third of the time. Off predicts on all voxels, as the paper has it.
        dense_classes: An object's class is read from the voxels of its mask too (`model.heads`),
            not from the clicks alone.
        fourier_encoding: Fourier features of voxel-to-click offsets; off leaves radial terms.
        background_clicks: "carve": a background click only takes away, and only where it is nearer
            than the object's own clicks, see `model.carving`; with `background` "argmax" it claims
            voxels there too. "free": what the network makes of it.
        background: What becomes of a point that no clicked object claims. The paper's argmax gives
            every point to somebody ("argmax"). "threshold" calls a point background where every
            object's mask probability is below one half, which is the cut that the binary
            cross-entropy of eq. 9 trains, so it costs no parameter.
        background_logit: The logit of that cut; 0 is one half. After training it may be moved to
            where the IoU on validation scenes is best, see `evaluation.calibration`.
        extent: "fixed": every object ends at that cut. "judged": a small network looks at
            candidates of several sizes and cuts each object where it judges best, see `extent`; the
            cut above then holds only for what background clicks claim. `clickseg3d judge` fits
            that network.
        settle: Neighboring voxels that no edge divides get the same answer, see `settling`.
        coarser: The cloud is encoded a second time in voxels so many times as wide, and masks are
            means of both answers, see `coarser`; 0 encodes once. No matter of training but for the
            range of voxel sizes.
        coarser_share: Of the coarser answer in that mean.
        coarser_weights: "own": the coarser voxels are for a network of the same shape that was
            trained on such voxels, `ClickNet.coarse`; `clickseg3d mix --coarse` puts it there.
            "same": one network for both.
        doubt: A large object none of whose extents is judged to have this IoU is one that the
            judge does not know; it gets a wide cut, see `judge.UNKNOWN_CUT`, until its answer is
            corrected. 0 always trusts the judge.
    """

    channels: int = 256
    heads: int = 8
    stages: int = 4
    ffn_ratio: float = 4.0
    wavelengths: tuple[float, ...] = (4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
    semantic_channels: int | None = None
    spatial_channels: int | None = None
    prototypes: int | None = None
    semantic_embedding: bool = True
    spatial_embedding: bool = True
    class_head: bool = True
    mask_head: bool = True
    query_adaptor: bool = True
    path_prior: bool = True
    learned_paths: bool = True
    votes: bool = True
    colors: bool = False
    mask_bias: bool = True
    coarse_masks: bool = True
    dense_classes: bool = True
    fourier_encoding: bool = True
    background_clicks: Literal["carve", "free"] = "carve"
    background: Literal["threshold", "argmax"] = "threshold"
    background_logit: float = 0.0
    extent: Literal["fixed", "judged"] = "fixed"
    settle: bool = False
    coarser: float = 0.0
    coarser_share: float = 0.5
    coarser_weights: Literal["same", "own"] = "same"
    doubt: float = 0.0

    def __post_init__(self) -> None:
        if self.channels % self.heads:
            raise ConfigError(
                f"decoder.channels ({self.channels}) must be a multiple of heads ({self.heads})"
            )

        if self.coarser != 0.0 and not 1.0 < self.coarser < float("inf"):
            raise ConfigError(f"decoder.coarser must be 0 or above 1, got {self.coarser}")
        if not 0.0 <= self.coarser_share <= 1.0:
            raise ConfigError(f"decoder.coarser_share must be 0 to 1, got {self.coarser_share}")
        if not 0.0 <= self.doubt <= 1.0:
            raise ConfigError(f"decoder.doubt must be 0 to 1, got {self.doubt}")

        for name in ("semantic_channels", "spatial_channels", "prototypes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"decoder.{name} must be at least 1 or null, got {value}")

    @property
    def has_coarse(self) -> bool:
        """Whether a network of its own is for the coarser voxels."""
        return self.coarser > 0.0 and self.coarser_weights == "own"

    @property
    def switched_on(self) -> tuple[str, ...]:
        """Names of the switches that are on."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) is True)

    @property
    def path_kinds(self) -> int:
        """Kinds of paths: over the surface, and over learned edges."""
        return 1 + int(self.learned_paths)

    @property
    def edge_terms(self) -> int:
        """Terms of an edge that its learned cost may depend on."""
        return EDGE_TERMS if self.colors else EDGE_TERMS - 1

    @property
    def radial_terms(self) -> int:
        """Terms that depend on the distance between a voxel and a click."""
        return (
            DISTANCE_TERMS
            + self.path_kinds * PATH_TERMS
            + int(self.votes) * VOTE_TERMS
            + int(self.colors) * COLOR_TERMS
        )

    @property
    def offset_terms(self) -> int:
        """Terms that describe a voxel as seen from a click."""
        return self.radial_terms + 6 * len(self.wavelengths)
