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
from clickseg3d_core.training.start import unjudged_net, without


def mix_checkpoints(
    before: Path,
    after: Path | None,
    output: Path,
    share: float,
    *,
    keep_judge: bool = False,
    coarse: Path | None = None,
    switches: Sequence[str] = (),
) -> None:
    """Write a checkpoint between two others, without a judge unless that of the first is kept.

    A network for coarser voxels that the checkpoint after has is kept as it is.

    Args:
        before: Checkpoint that a training started from; the network may have grown since.
        after: Checkpoint that came out, whose config is kept; None = the one before, whose weights
            stay as they are.
        output: Folder to write.
        share: Of the weights after, 0..1.
        keep_judge: Take over the judge that was fitted to the network before, and its cut. It
            serves one that is near to it, see docs/training_log.md, 27; a far one needs its own.
        coarse: Checkpoint of a network of the same shape for coarser voxels, see
            `decoder.coarser_weights`; put beside the mix, not mixed.
        switches: Of the model, written key=value, that need no other weights, like
            decoder.coarser=2.0.

    Raises:
        CheckpointError: if one cannot be read, they are of different networks, or a switch needs
            other weights.
        ConfigError: if the share is out of range, there is no judge to keep, a switch is none, or a
            network for coarser voxels is given to one that encodes once.
    """
    if not 0.0 <= share <= 1.0:
        raise ConfigError(f"share must be in 0..1, got {share}")
    latest = before if after is None else after
    net = unjudged_net(latest)
    training: dict[str, Any] = dict(read_record(latest).get("training", {}))
    training.pop("judge", None)
    if after is not None:
        _mix_into(net, before, after, share)
        training["share"] = share
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
    if coarse is not None:
        mixed = with_coarse(mixed, coarse)
        training["coarse"] = dict(read_record(coarse).get("training", {}))
    if mixed.judge is None:
        training.pop("judge", None)
    if mixed.coarse is None:
        training.pop("coarse", None)
    save_checkpoint(mixed, output, training=training)


def with_coarse(net: ClickNet, folder: Path) -> ClickNet:
    """The network beside one for coarser voxels, which is another checkpoint's.

    Raises:
        CheckpointError: if it cannot be read or has another shape.
        ConfigError: if the network encodes once.
    """
    decoder = net.config.decoder
    if not decoder.coarser:
        raise ConfigError(
            "a network for coarser voxels is for two encodings, but decoder.coarser is 0; say how "
            "many times as wide they are, like --set decoder.coarser=2.0"
        )
    both = build_net(replace(net.config, decoder=replace(decoder, coarser_weights="own")))
    tensors = without(net.state_dict(), "coarse")
    coarse = without(read_weights(folder)[1], "judge", "coarse")
    load_weights(both, {**tensors, **{f"coarse.{n}": t for n, t in coarse.items()}}, str(folder))
    return both.eval()


def switched(net: ClickNet, switches: Sequence[str]) -> ClickNet:
    """The network with other values in its config and the same weights, less what is not wanted.

    A judge and a network for coarser voxels are dropped where the new config has none.

    Raises:
        CheckpointError: if they need other weights.
        ConfigError: if there is no such value.
    """
    if not switches:
        return net
    other = build_net(from_dict(ModelConfig, apply_overrides(to_dict(net.config), switches)))
    tensors = net.state_dict()
    tensors = tensors if other.judge else without(tensors, "judge")
    tensors = tensors if other.coarse else without(tensors, "coarse")
    load_weights(other, tensors, "the mix")
    return other.eval()


def _mix_into(net: ClickNet, before: Path, after: Path, share: float) -> None:
    """Give the network after weights between those before and its own."""
    had, old = read_weights(before)
    new = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    old = grown(without(old, "judge", "coarse"), had, net)
    old |= {name: new[name] for name in new if name.startswith("coarse.")}
    load_weights(net, old, str(before))  # says what does not fit
    load_weights(net, {n: _between(old[n], new[n], share) for n in new}, str(after))


def _between(old: Tensor, new: Tensor, share: float) -> Tensor:
    if not new.is_floating_point():
        return new
    return old.float().lerp(new.float(), share)
