"""Checkpoints: a folder with model.safetensors and config.json. No pickle, strict, atomic.

A network for coarser voxels has a file of its own beside them, coarse.safetensors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from clickseg3d_core.atomic import replacing
from clickseg3d_core.config import from_dict, to_dict
from clickseg3d_core.errors import CheckpointError, ConfigError
from clickseg3d_core.model.families import build_net
from clickseg3d_core.model.network import ClickNet, ModelConfig

FORMAT_VERSION = 1
WEIGHTS_FILE = "model.safetensors"
COARSE_FILE = "coarse.safetensors"
CONFIG_FILE = "config.json"


def shipped_weights() -> Path:
    """Folder of the weights that come with the package."""
    return Path(str(resources.files("clickseg3d_core"))) / "weights" / "small"


def save_checkpoint(
    net: ClickNet, folder: Path, *, training: Mapping[str, Any], half: bool = True
) -> None:
    """Write a checkpoint, each file whole or not at all.

    Args:
        net: The network.
        folder: Made if missing.
        training: Summary of the training, plain values, written into config.json.
        half: Store weights as float16; running statistics stay float32.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: _stored(name, t, half) for name, t in net.state_dict().items()}
    coarse = [name for name in tensors if name.startswith("coarse.")]
    own = {name.removeprefix("coarse."): tensors.pop(name) for name in coarse}
    record = {
        "format_version": FORMAT_VERSION,
        "model": to_dict(net.config),
        "training": dict(training),
        "sha256": _write(tensors, folder / WEIGHTS_FILE),
    }
    if own:
        record["coarse_sha256"] = _write(own, folder / COARSE_FILE)
    text = json.dumps(record, indent=2) + "\n"
    with replacing(folder / CONFIG_FILE) as temporary:
        temporary.write_text(text, encoding="utf-8")
    if not own:
        (folder / COARSE_FILE).unlink(missing_ok=True)


def _write(tensors: dict[str, Tensor], path: Path) -> str:
    """The SHA-256 of what was written."""
    with replacing(path) as temporary:
        save_file(tensors, temporary)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _stored(name: str, tensor: Tensor, half: bool) -> Tensor:
    keep = not tensor.is_floating_point() or "running_" in name
    kept = tensor.detach().cpu().contiguous()
    return kept if keep or not half else kept.half()


def read_record(folder: Path) -> dict[str, Any]:
    """The config.json of a checkpoint.

    Raises:
        CheckpointError: if it is missing, damaged, or of another format.
    """
    path = folder / CONFIG_FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(
            f"{folder} is no checkpoint: a checkpoint is a folder with {WEIGHTS_FILE} and "
            f"{CONFIG_FILE} ({error.strerror or error})"
        ) from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); copy the checkpoint again") from error
    version = record.get("format_version") if isinstance(record, dict) else None
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format_version {version}, this version reads {FORMAT_VERSION}"
        )
    if not isinstance(record.get("training", {}), dict):
        raise CheckpointError(f"{path}: training must be a mapping, got {record['training']!r:.60}")
    return dict(record)


def load_checkpoint(folder: Path) -> tuple[ClickNet, dict[str, Any]]:
    """Rebuild the network of a checkpoint in float32 on the CPU, in eval mode.

    Returns:
        The network, and the record in config.json.

    Raises:
        CheckpointError: if a file is missing or damaged, or the weights fit another config.
    """
    record = read_record(folder)
    try:
        net = build_net(_model_config(folder, record))
    except ConfigError as error:
        raise CheckpointError(f"{folder / CONFIG_FILE} describes no network: {error}") from error
    load_weights(net, _read_tensors(folder, record), str(folder))
    return net.eval(), record


def read_weights(folder: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    """Config and tensors of a checkpoint, which need not be of a network as it is built today.

    Raises:
        CheckpointError: if a file is missing or damaged.
    """
    record = read_record(folder)
    return _model_config(folder, record), _read_tensors(folder, record)


def _model_config(folder: Path, record: Mapping[str, Any]) -> ModelConfig:
    try:
        return from_dict(ModelConfig, record["model"])
    except (ConfigError, KeyError) as error:
        raise CheckpointError(f"{folder / CONFIG_FILE} describes no network: {error}") from error


def _read_tensors(folder: Path, record: Mapping[str, Any]) -> dict[str, Tensor]:
    tensors = _read_file(folder / WEIGHTS_FILE, record.get("sha256"))
    if "coarse_sha256" in record:
        own = _read_file(folder / COARSE_FILE, record["coarse_sha256"])
        tensors |= {f"coarse.{name}": tensor for name, tensor in own.items()}
    return tensors


def _read_file(path: Path, written: Any) -> dict[str, Tensor]:
    try:
        if hashlib.sha256(path.read_bytes()).hexdigest() != written:
            raise CheckpointError(
                f"{path} is not the file that {CONFIG_FILE} was written with (its SHA-256 differs);"
                " it is truncated or from another checkpoint, copy all files again"
            )
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def load_weights(net: ClickNet, tensors: Mapping[str, Tensor], where: str) -> None:
    """Copy tensors into a network; every name and shape must agree.

    Raises:
        CheckpointError: naming the first tensors that do not fit.
    """
    own = net.state_dict()
    missing = sorted(set(own) - set(tensors))
    unexpected = sorted(set(tensors) - set(own))
    shapes = sorted(n for n in set(own) & set(tensors) if own[n].shape != tensors[n].shape)
    wrong = [*missing, *unexpected, *shapes]
    if wrong and all(name.startswith("judge.") for name in wrong):
        raise CheckpointError(
            f"{where} has a judge of extents of another version; fit one again with: clickseg3d "
            f"judge {where} SCENES -o OUT"
        )
    if wrong:
        raise CheckpointError(
            f"{where} holds the weights of another config than {net.config.name!r}: "
            f"{len(missing)} missing {missing[:3]}, {len(unexpected)} unexpected {unexpected[:3]}, "
            f"{len(shapes)} of another shape {shapes[:3]}"
        )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name].to(tensor.dtype))
