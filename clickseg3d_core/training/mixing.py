"""Weights between a network and what it was tuned from.

Tuning on new scans gains there and loses a little elsewhere; between the two lie weights that keep
most of both (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from clickseg3d_core.checkpoint import (
    load_checkpoint,
    load_weights,
    read_record,
    read_weights,
    save_checkpoint,
)
from clickseg3d_core.config import apply_overrides, from_dict, to_dict
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.model.families import build_net
from clickseg3d_core.model.network import ClickNet, ModelConfig
from clickseg3d_core.training.growth import grown
from clickseg3d_core.training.start import unjudged_net, without_judge


def mix_checkpoints(
    before: Path,
    after: Path,
    output: Path,
    share: float,
    *,
    keep_judge: bool = False,
    switches: Sequence[str] = (),
) -> None:
    """Write a checkpoint between two others, without a judge unless that of the first is kept.

    Args:
        before: Checkpoint that a training started from; the network may have grown since.
        after: Checkpoint that came out, whose config is kept.
        output: Folder to write.
        share: Of the weights after, 0..1.
        keep_judge: Take over the judge that was fitted to the network before, and its cut. It
            serves one that is near to it, see docs/training_log.md, 27; a far one needs its own.
        switches: Of the model, written key=value, that need no other weights, like
            decoder.coarser=2.0.

    Raises:
        CheckpointError: if one cannot be read, they are of different networks, or a switch needs
            other weights.
        ConfigError: if the share is out of range, there is no judge to keep, or a switch is none.
    """
    if not 0.0 <= share <= 1.0:
        raise ConfigError(f"share must be in 0..1, got {share}")
    had, old = read_weights(before)
    net = unjudged_net(after)
    new, old = net.state_dict(), grown(without_judge(old), had, net)
    new = {name: tensor.clone() for name, tensor in new.items()}
    load_weights(net, old, str(before))  # says what does not fit
    load_weights(net, {n: _between(old[n], new[n], share) for n in new}, str(after))
    training: dict[str, Any] = dict(read_record(after).get("training", {}))
    training.pop("judge", None)
    if keep_judge:
        judged = load_checkpoint(before)[0]
        if judged.judge is None:
            raise ConfigError(f"{before} has no judge to keep; fit one with `clickseg3d judge`")
        had_decoder = judged.config.decoder
        decoder = replace(
            net.config.decoder,
            extent=had_decoder.extent,
            background_logit=had_decoder.background_logit,
        )
        net.config = replace(net.config, decoder=decoder)
        net.judge = judged.judge
        training["judge"] = read_record(before).get("training", {}).get("judge", {})
    mixed = switched(net, switches)
    if mixed.judge is None:
        training.pop("judge", None)
    save_checkpoint(mixed, output, training={**training, "share": share})


def switched(net: ClickNet, switches: Sequence[str]) -> ClickNet:
    """The network with other values in its config and the same weights, less a judge not wanted.

    Raises:
        CheckpointError: if they need other weights.
        ConfigError: if there is no such value.
    """
    if not switches:
        return net
    other = build_net(from_dict(ModelConfig, apply_overrides(to_dict(net.config), switches)))
    tensors = net.state_dict()
    load_weights(other, tensors if other.judge else without_judge(tensors), "the mix")
    return other.eval()


def _between(old: Tensor, new: Tensor, share: float) -> Tensor:
    if not new.is_floating_point():
        return new
    return old.float().lerp(new.float(), share)
