"""The network that a training run begins with."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Literal

from torch import Tensor

from clickseg3d_core.checkpoint import load_weights, read_weights
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.model.families import build_net
from clickseg3d_core.model.network import ClickNet, ModelConfig
from clickseg3d_core.model.pointcept import load_pointcept_state, read_pointcept_file
from clickseg3d_core.training.config import TrainConfig
from clickseg3d_core.training.growth import grown

logger = logging.getLogger(__name__)


def initial_net(config: TrainConfig, model_config: ModelConfig) -> ClickNet:
    """A new network, with the weights that the run starts from.

    Its backbone asks for no gradient if `backbone_rate` is 0.

    Raises:
        CheckpointError: if weights cannot be read or are of another network.
        ConfigError: if the config is of two networks.
    """
    if model_config.decoder.has_coarse:
        raise ConfigError(
            "decoder.coarser_weights is own, but a run trains one network; train that for coarser "
            "voxels in a run of its own and put it there with `clickseg3d mix --coarse`"
        )
    net = build_net(model_config)
    if config.start_from is not None:
        had, tensors = read_weights(config.start_from)
        tensors = grown(without(tensors, "judge", "coarse"), had, net)
        load_weights(net, tensors, str(config.start_from))
    if config.start_backbone_from is not None:
        had, tensors = read_weights(config.start_backbone_from)
        backbone = {name: t for name, t in tensors.items() if name.startswith("encoder.")}
        tensors = {**net.state_dict(), **grown(backbone, had, net)}
        load_weights(net, tensors, str(config.start_backbone_from))
    if config.start_from_pointcept is not None:
        state = read_pointcept_file(config.start_from_pointcept)
        report = load_pointcept_state(net.encoder, state, partly=True)
        logger.info(
            "backbone from %s: %d tensors read, %d kept as drawn, %d of them for their shape",
            config.start_from_pointcept,
            report.loaded,
            len(report.missing),
            len(report.misfits),
        )
    if config.backbone_rate == 0.0:
        net.encoder.requires_grad_(False)
    return net


def unjudged_net(folder: Path) -> ClickNet:
    """The network of a checkpoint without its judge, which may be of another version.

    Raises:
        CheckpointError: if the checkpoint cannot be read.
    """
    config, tensors = read_weights(folder)
    net = build_net(replace(config, decoder=replace(config.decoder, extent="fixed")))
    load_weights(net, without(tensors, "judge"), str(folder))
    return net.eval()


def without(tensors: dict[str, Tensor], *parts: Literal["judge", "coarse"]) -> dict[str, Tensor]:
    """Tensors of a network but for those of parts that it has besides."""
    beginnings = tuple(f"{part}." for part in parts)
    return {name: t for name, t in tensors.items() if not name.startswith(beginnings)}
