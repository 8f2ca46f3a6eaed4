"""Read weights published for Point Transformer V3 by Pointcept into a `PointEncoder`."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from clickseg3d_core.errors import CheckpointError
from clickseg3d_core.model.encoder import PointEncoder

_WRAPPERS = ("module.", "backbone.")

# Parts of a block, and of the rest, by their names there and here.
_BLOCK_PARTS = {
    "cpe.0": "cpe.conv",
    "cpe.1": "cpe.linear",
    "cpe.2": "cpe.norm",
    "norm1.0": "norm1",
    "norm2.0": "norm2",
    "attn.qkv": "attn.qkv",
    "attn.proj": "attn.proj",
    "mlp.0.fc1": "mlp.fc1",
    "mlp.0.fc2": "mlp.fc2",
}
_STEM_PARTS = {"embedding.stem.conv": "stem.conv", "embedding.stem.norm": "stem.norm"}
_DOWN_PARTS = {"proj": "proj", "norm.0": "norm"}
_STAGE = re.compile(r"(enc|dec)\.(?:enc|dec)(\d+)\.(down|up|block(\d+))\.(.+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadReport:
    """What became of the entries of a checkpoint.

    Attributes:
        loaded: Number of entries read into the encoder.
        missing: Entries of the encoder that the checkpoint lacks; they keep their values.
        unexpected: Entries of the checkpoint that the encoder has no place for.
        misfits: Entries of another shape than the encoder's, which keeps its own values.
    """

    loaded: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misfits: tuple[str, ...] = ()


def read_pointcept_file(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a .pth file without running code from it.

    Raises:
        CheckpointError: if the file is missing, is not a torch file, holds objects other than
            tensors, numbers and containers, or holds no tensors.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (
        OSError,
        RuntimeError,
        EOFError,
        ValueError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
    ) as error:
        raise CheckpointError(
            f"{path} must be a .pth file of plain tensors, but reading it failed: {error}"
        ) from error
    return _tensors(content, str(path))


def load_pointcept_state(
    encoder: PointEncoder, state: Mapping[str, object], *, partly: bool = False
) -> LoadReport:
    """Copy official weights into an encoder of the same shape, or of one that agrees in parts.

    Names may be wrapped in "module." and "backbone.", and the mapping in {"state_dict": ...}.
    Convolution weights may be in the layout of spconv 2, (out, k, k, k, in), or of spconv 1,
    (k, k, k, in, out). Use `EncoderConfig(padding="borrow")` to run the network as it was trained.

    Args:
        encoder: Receives the weights; it is left as it was if an error is raised.
        state: The checkpoint.
        partly: Leave out entries of another shape, to go on training with the rest.

    Returns:
        How many entries were read, and which had no counterpart.

    Raises:
        CheckpointError: if no entry fits, or one has another shape than the encoder's.
    """
    own = encoder.state_dict()
    converted: dict[str, Tensor] = {}
    unexpected: list[str] = []
    misfits: list[str] = []
    for name, value in _tensors(state, "the checkpoint").items():
        target = pointcept_name(name)
        if target is None or target not in own:
            unexpected.append(name)
        elif partly and not _fits(value, own[target]):
            misfits.append(name)
        else:
            converted[target] = _fitted(name, value, own[target])
    if not converted:
        raise CheckpointError(
            "no entry of the checkpoint belongs to a Point Transformer V3 backbone; its names "
            f"begin with {_some(state)}, expected embedding.stem.conv.weight and the like"
        )
    encoder.load_state_dict(converted, strict=False)
    missing = tuple(name for name in own if name not in converted)
    return LoadReport(
        loaded=len(converted),
        missing=missing,
        unexpected=tuple(unexpected),
        misfits=tuple(misfits),
    )


def pointcept_name(name: str) -> str | None:
    """Name in `PointEncoder` of an entry of an official checkpoint, None if it has none."""
    while name.startswith(_WRAPPERS):
        name = name.split(".", 1)[1]
    part, _, leaf = name.rpartition(".")
    if part in _STEM_PARTS:
        return f"{_STEM_PARTS[part]}.{leaf}"
    match = _STAGE.fullmatch(part)
    if match is None:
        return None
    side, stage, place, block, rest = match.groups()
    if block is not None:
        prefix = "encoder" if side == "enc" else "decoder"
        own = _BLOCK_PARTS.get(rest)
        return None if own is None else f"{prefix}.{stage}.blocks.{block}.{own}.{leaf}"
    if place == "down":
        own = _DOWN_PARTS.get(rest)
        return None if own is None else f"down.{int(stage) - 1}.{own}.{leaf}"
    return f"up.{stage}.{rest}.{leaf}"


def _tensors(content: object, source: str) -> dict[str, Tensor]:
    while isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    entries = content.items() if isinstance(content, Mapping) else ()
    tensors = {str(name): value for name, value in entries if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(
            f"{source} must hold named tensors, directly or as state_dict, but holds "
            f"{type(content).__name__} without any"
        )
    return tensors


def _fits(value: Tensor, own: Tensor) -> bool:
    fitted = _own_layout(value, own) if value.ndim == 5 else value
    return fitted is not None and fitted.shape == own.shape


def _fitted(name: str, value: Tensor, own: Tensor) -> Tensor:
    fitted = _own_layout(value, own) if value.ndim == 5 else value
    if fitted is None or fitted.shape != own.shape:
        raise CheckpointError(
            f"{name} must fit the encoder's {tuple(own.shape)}, but has shape "
            f"{tuple(value.shape)}; set the channels and heads in EncoderConfig as they were in "
            "training"
        )
    return fitted


def _own_layout(value: Tensor, own: Tensor) -> Tensor | None:
    if own.ndim != 3:
        return None
    offsets, in_channels, out_channels = own.shape
    kernel = round(offsets ** (1 / 3))
    cube = (kernel, kernel, kernel)
    if value.shape == (out_channels, *cube, in_channels):
        return value.permute(1, 2, 3, 4, 0).reshape(own.shape)
    if value.shape == (*cube, in_channels, out_channels):
        return value.reshape(own.shape)
    return None


def _some(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)[:3])
