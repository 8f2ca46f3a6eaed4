"""Weights between a network and what it was tuned from.

Tuning on new scans gains there and loses a little elsewhere; between the two lie weights that keep
most of both (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from clickseg3d_core.checkpoint import load_weights, read_record, read_weights, save_checkpoint
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.training.growth import grown
from clickseg3d_core.training.start import unjudged_net, without_judge


def mix_checkpoints(before: Path, after: Path, output: Path, share: float) -> None:
    """Write a checkpoint between two others. It has no judge: that is fitted to one network.

    Args:
        before: Checkpoint that a training started from; the network may have grown since.
        after: Checkpoint that came out, whose config is kept.
        output: Folder to write.
        share: Of the weights after, 0..1.

    Raises:
        CheckpointError: if one cannot be read, or they are of different networks.
        ConfigError: if the share is out of range.
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
    save_checkpoint(net, output, training={**training, "share": share})


def _between(old: Tensor, new: Tensor, share: float) -> Tensor:
    if not new.is_floating_point():
        return new
    return old.float().lerp(new.float(), share)
