"""Networks by family: ours, and those that the paper compares with, on the same backbone."""

from __future__ import annotations

from clickseg3d_core.model.agile import AgileNet
from clickseg3d_core.model.interobject import InterObjectNet
from clickseg3d_core.model.network import ClickNet, ClickSegmentationNet, ModelConfig


def build_net(config: ModelConfig) -> ClickNet:
    """An untrained network of the config's family."""
    if config.family == "interobject3d":
        return InterObjectNet(config)
    if config.family == "agile3d":
        return AgileNet(config)
    return ClickSegmentationNet(config)
