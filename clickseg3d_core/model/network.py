"""The whole network: encode a cloud once, decode any number of clicks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from clickseg3d_core.classes import CLASS_NAMES
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.model.adaptor import StageOutput
from clickseg3d_core.model.decoder import ClickDecoder
from clickseg3d_core.model.decoder_config import DecoderConfig
from clickseg3d_core.model.encoder import EncoderConfig, EncoderLevel, PointEncoder
from clickseg3d_core.model.features import feature_channels, feature_columns
from clickseg3d_core.model.grid import VoxelBatch
from clickseg3d_core.model.heads import SceneHeads
from clickseg3d_core.model.judge import ExtentJudge
from clickseg3d_core.model.memory import ClickQueries, SceneMemory

Family = Literal["clickseg3d", "interobject3d", "agile3d"]

CLICK_CHANNELS = 2
"""Inputs that family interobject3d appends: near a click on the object, near any other click."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """Everything needed to rebuild and feed the network; nothing about devices or paths.

    Attributes:
        name: Name of the configuration: paper, small, tiny.
        encoder: Backbone sizes. `in_channels` must match `inputs`.
        decoder: Click decoder sizes and switches.
        inputs: Input features per voxel, in order, see `model.features`.
        class_names: Names of the semantic prototypes.
        target_voxels: Voxels that the automatic voxel size aims at.
        family: This network, or one of those that the paper compares with: see `model.interobject`
            and `model.agile`.

    Raises:
        ConfigError: if values do not fit together.
    """

    name: str
    encoder: EncoderConfig
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    inputs: tuple[
        Literal[
            "color",
            "has_color",
            "normal",
            "steepness",
            "bend",
            "variation",
            "scale",
            "tint",
            "height",
        ],
        ...,
    ] = ("color", "normal")
    class_names: tuple[str, ...] = CLASS_NAMES
    target_voxels: int = 40_000
    family: Family = "clickseg3d"

    def __post_init__(self) -> None:
        clicks = CLICK_CHANNELS if self.family == "interobject3d" else 0
        expected = feature_channels(self.inputs) + clicks
        if self.encoder.in_channels != expected:
            raise ConfigError(
                f"inputs {self.inputs} have {expected} channels"
                f"{f', {clicks} for clicks among them' if clicks else ''}, encoder.in_channels is "
                f"{self.encoder.in_channels}; set it to {expected}"
            )
        if not self.class_names:
            raise ConfigError("class_names must name at least one class")
        if self.decoder.colors and "tint" not in self.inputs:
            raise ConfigError(
                f"decoder.colors compares the input tint, inputs are {self.inputs}; add tint to "
                "them or set decoder.colors to false"
            )
        if self.family != "clickseg3d" and self.decoder.switched_on:
            raise ConfigError(
                f"family {self.family} has no {', '.join(self.decoder.switched_on)}; set each to "
                "false in the decoder section"
            )
        if self.family != "clickseg3d" and self.decoder.extent != "fixed":
            raise ConfigError(f"family {self.family} has only decoder.extent fixed")
        if self.family != "clickseg3d" and self.decoder.has_coarse:
            raise ConfigError(f"family {self.family} has only decoder.coarser_weights same")

    @property
    def path_kinds(self) -> int:
        """Kinds of paths that the clicks of this network come with."""
        return self.decoder.path_kinds if self.family == "clickseg3d" else 0


class ClickNet(nn.Module, ABC):
    """What training, checkpoints and the segmenter ask of a network of any family.

    Args:
        config: Of the network.

    Attributes:
        encoder: The backbone.
        judge: Judges how far objects reach, if `decoder.extent` says so.
        coarse: The network for coarser voxels, if `decoder.coarser_weights` says that it is
            another one. It has no judge; what is judged are means of both answers.
        masks_background: Whether a background click has a mask, of what it lies on.
    """

    encoder: PointEncoder
    judge: ExtentJudge | None
    coarse: ClickNet | None
    masks_background = True

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.judge = new_judge(config) if config.decoder.extent == "judged" else None
        self.coarse = None

    @property
    def scene_heads(self) -> SceneHeads | None:
        """Dense heads on the features of a memory, if the family has them."""
        return None

    @abstractmethod
    def encode(
        self,
        grid: VoxelBatch,
        features: Tensor,
        centers: Tensor,
        *,
        generator: torch.Generator | None = None,
    ) -> list[Any]:
        """One memory per cloud, for `decode`; see `ClickSegmentationNet.encode`."""

    @abstractmethod
    def decode(
        self, memory: Any, clicks: ClickQueries, *, last_only: bool = False
    ) -> list[StageOutput]:
        """Predictions of every stage, or of the last one only, for K clicks on one cloud.

        A voxel belongs to the object of the highest logit above 0, else to the background.
        """


def coarse_config(config: ModelConfig) -> ModelConfig:
    """Of the network for coarser voxels, which encodes once and is not judged."""
    alone = replace(config.decoder, coarser=0.0, coarser_weights="same", extent="fixed")
    return replace(config, decoder=alone)


def new_judge(config: ModelConfig) -> ExtentJudge:
    """An untrained judge for a network of family clickseg3d."""
    classes = len(config.class_names) if config.decoder.class_head else 0
    return ExtentJudge(config.decoder.channels, classes)


class ClickSegmentationNet(ClickNet):
    """Point Transformer V3 backbone and click decoder (fig. 1)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.encoder = PointEncoder(config.encoder)
        self.decoder = ClickDecoder(
            config.decoder, self.encoder.out_channels, len(config.class_names)
        )
        if config.decoder.has_coarse:
            self.coarse = ClickSegmentationNet(coarse_config(config))
        read = "tint" in config.inputs
        self._tint = feature_columns(config.inputs, "tint") if read else slice(0, 0)

    @property
    def scene_heads(self) -> SceneHeads:
        """Dense heads on F^L."""
        return self.decoder.heads

    def encode(
        self,
        grid: VoxelBatch,
        features: Tensor,
        centers: Tensor,
        *,
        generator: torch.Generator | None = None,
    ) -> list[SceneMemory]:
        """Encode a batch of B clouds.

        Args:
            grid: V voxels of all clouds.
            features: (V, C_in) float input features.
            centers: (V, 3) float voxel centers, voxel units.
            generator: Draws the order shuffle in training.

        Returns:
            One memory per cloud.
        """
        levels = self.encoder(grid, features, generator=generator)
        tint = features[:, self._tint]
        clouds = int(grid.batch[-1]) + 1
        if clouds == 1:
            return [self.decoder.remember(levels, centers, tint)]
        return [
            self.decoder.remember(_one_cloud(levels, b), centers[own], tint[own])
            for b in range(clouds)
            for own in [grid.batch == b]
        ]

    def decode(
        self, memory: SceneMemory, clicks: ClickQueries, *, last_only: bool = False
    ) -> list[StageOutput]:
        """Predictions of every stage, or of the last one only, for K clicks on one cloud."""
        outputs: list[StageOutput] = self.decoder(memory, clicks, last_only=last_only)
        return outputs


def _one_cloud(levels: list[EncoderLevel], cloud: int) -> list[EncoderLevel]:
    finest = levels[-1].batch == cloud
    parts = []
    for level in levels:
        rows = level.batch == cloud
        first = int(torch.searchsorted(level.batch, cloud))
        parts.append(
            replace(
                level,
                coords=level.coords[rows],
                batch=level.batch[rows] - cloud,
                features=level.features[rows],
                finest_to_level=level.finest_to_level[finest] - first,
            )
        )
    return parts


def merge_clicks(mask_logits: Tensor, object_index: Tensor, objects: int) -> Tensor:
    """Masks of objects from masks of clicks: several clicks with one id are one object.

    Args:
        mask_logits: (K, V) per click.
        object_index: (K,) int64 in 0..objects - 1.
        objects: O.

    Returns:
        (O, V): per object the largest logit of its clicks.
    """
    index = object_index[:, None].expand_as(mask_logits)
    merged = mask_logits.new_full((objects, mask_logits.shape[1]), float("-inf"))
    return merged.scatter_reduce(0, index, mask_logits, "amax", include_self=False)
