"""What is evaluated: a checkpoint behind the public API, or the training-free baseline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.baseline import GrowingConfig, RegionGrowing
from clickseg3d_core.checkpoint import read_record, shipped_weights
from clickseg3d_core.config import to_dict
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.evaluation.episode import Answer
from clickseg3d_core.segmenter import ClickSegmenter, Device
from clickseg3d_core.types import Clicks, PointCloud, Segmentation, Up
from clickseg3d_core.upright import axis_named

Baseline = Literal["region-growing"]
SHIPPED = "shipped"


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodConfig:
    """Which method, and what it is given.

    Attributes:
        checkpoint: Checkpoint folder, or "shipped" for the weights in the package.
        baseline: Evaluate this method instead of the checkpoint.
        voxel_size: Metres of the method's own voxels; None = automatic.
        color: Give it the colors of the scan.
        up: Axis that points up, see `upright.AXES`, whatever the scans say; None: as they say, or
            found.
        device: Where a network runs.
    """

    checkpoint: str = SHIPPED
    baseline: Baseline | None = None
    voxel_size: float | None = None
    color: bool = True
    up: str | None = None
    device: Device = "cpu"

    def __post_init__(self) -> None:
        if self.baseline not in (None, "region-growing"):
            raise ConfigError(f"the baseline is region-growing, got {self.baseline!r}")
        if self.up is not None:
            axis_named(self.up)

    @property
    def folder(self) -> Path:
        """Folder of the checkpoint."""
        return shipped_weights() if self.checkpoint == SHIPPED else Path(self.checkpoint)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prepared:
    """A cloud that a method is ready to answer clicks on.

    Attributes:
        owner: (N,) int64, the method's own voxel of each point; -1 for points outside.
        segment: Answers clicks.
    """

    owner: NDArray[np.int64]
    segment: Callable[[Clicks], Answer]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Method:
    """A method that is ready to be given clouds.

    Attributes:
        facts: Plain values that tell which method this is; equal facts mean equal answers.
        prepare: The work that is done once per cloud, which way is up being known or None.
    """

    facts: dict[str, Any]
    prepare: Callable[[PointCloud, Up], Prepared]


def open_method(config: MethodConfig) -> Method:
    """Load a method.

    Raises:
        CheckpointError: if the checkpoint cannot be read.
    """
    given: dict[str, Any] = {"voxel_size": config.voxel_size, "color": config.color}
    if config.up is not None:
        given["up"] = config.up
    if config.baseline is not None:
        return Method(
            facts={"name": "region growing", **given, "costs": to_dict(GrowingConfig())},
            prepare=lambda cloud, _: _region_growing(cloud, config),
        )
    segmenter = ClickSegmenter.load(config.folder, config.device)
    record = read_record(config.folder)
    facts = {
        "name": segmenter.config.name,
        **given,
        "device": segmenter.device.type,
        "sha256": record.get("sha256"),
        "parameters": sum(p.numel() for p in segmenter.net.parameters()),
        "model": to_dict(segmenter.config),
        "training": dict(record.get("training", {})),
    }
    return Method(facts=facts, prepare=lambda cloud, up: _network(segmenter, cloud, up, config))


def _given(cloud: PointCloud, config: MethodConfig) -> PointCloud:
    return cloud if config.color else PointCloud(cloud.xyz)


def _network(
    segmenter: ClickSegmenter, cloud: PointCloud, up: Up, config: MethodConfig
) -> Prepared:
    up = up if config.up is None else axis_named(config.up)
    encoding = segmenter.encode(_given(cloud, config), config.voxel_size, up)
    return Prepared(
        owner=encoding.grid.point_to_voxel,
        segment=lambda clicks: _named(segmenter.segment(encoding, clicks)),
    )


def _named(result: Segmentation) -> Answer:
    named = {i.id: (i.class_name, i.class_score, i.mask_score) for i in result.instances}
    return Answer(labels=result.labels, named=named)


def _region_growing(cloud: PointCloud, config: MethodConfig) -> Prepared:
    growing = RegionGrowing(_given(cloud, config), voxel_size=config.voxel_size)
    return Prepared(
        owner=growing.grid.point_to_voxel,
        segment=lambda clicks: Answer(labels=growing.segment(clicks), named={}),
    )
