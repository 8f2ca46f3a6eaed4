"""Weights of a network for one that reads more, which begins by ignoring what is new.

More input features, the color terms of the offset between voxel and click, more terms of an edge:
so a trained network need not start again when it is given something new to look at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clickseg3d_core.model.features import feature_columns
from clickseg3d_core.model.network import ClickNet, ModelConfig

Places = NDArray[np.int64]
"""Where each old row or column stands in the new tensor."""


def grown(tensors: Mapping[str, Tensor], had: ModelConfig, net: ClickNet) -> dict[str, Tensor]:
    """Weights for a network that reads more.

    Args:
        tensors: Of a network `had`.
        had: Its config.
        net: The new network. Tensors that differ in another way are left as they are.

    Returns:
        All tensors; those that grew have zeros for what is new.
    """
    own = net.state_dict()
    return {name: _grown(name, tensor, own.get(name), had, net.config)
            for name, tensor in tensors.items()}  # fmt: skip


def _grown(
    name: str, tensor: Tensor, wanted: Tensor | None, had: ModelConfig, has: ModelConfig
) -> Tensor:
    if wanted is None or wanted.shape == tensor.shape or wanted.dim() != tensor.dim():
        return tensor
    for pattern, dim, find in _GROWING:
        if re.fullmatch(pattern, name):
            places = find(had, has, tensor.shape[dim])
            if len(places) == tensor.shape[dim] and places.max() < wanted.shape[dim]:
                return _spread(tensor, dim, places, wanted.shape[dim])
    return tensor


def _spread(tensor: Tensor, dim: int, places: Places, size: int) -> Tensor:
    shape = list(tensor.shape)
    shape[dim] = size
    return tensor.new_zeros(shape).index_copy_(dim, torch.from_numpy(places), tensor)


def _inputs(had: ModelConfig, has: ModelConfig, count: int) -> Places:
    if not set(had.inputs) <= set(has.inputs):
        return np.arange(0)
    columns = [feature_columns(has.inputs, name) for name in had.inputs]
    return np.concatenate([np.arange(c.start, c.stop) for c in columns])


def _offsets(had: ModelConfig, has: ModelConfig) -> Places:
    """Terms of an offset: radial ones first, of which new ones are the last, then Fourier's."""
    radial, all_terms = had.decoder.radial_terms, had.decoder.offset_terms
    fourier = has.decoder.radial_terms + np.arange(all_terms - radial)
    return np.concatenate([np.arange(radial), fourier])


def _attention_bias(had: ModelConfig, has: ModelConfig, count: int) -> Places:
    heads = np.arange(had.decoder.heads)[:, None] * has.decoder.offset_terms
    return (heads + _offsets(had, has)).ravel()


def _reach(had: ModelConfig, has: ModelConfig, count: int) -> Places:
    return np.concatenate([[0], 1 + _offsets(had, has)])


def _relation(had: ModelConfig, has: ModelConfig, count: int) -> Places:
    return np.append(np.arange(had.decoder.radial_terms), has.decoder.radial_terms)


def _first(had: ModelConfig, has: ModelConfig, count: int) -> Places:
    return np.arange(count)


_GROWING: tuple[tuple[str, int, Callable[[ModelConfig, ModelConfig, int], Places]], ...] = (
    (r"encoder\.stem\.conv\.weight", 1, _inputs),
    (r"decoder\.stages\.\d+\.click_to_scene\.bias\.(weight|bias)", 0, _attention_bias),
    (r"decoder\.adaptors\.\d+\.reach\.(weight|bias)", 0, _reach),
    (r"decoder\.stages\.\d+\.click_to_click\.relation\.weight", 1, _relation),
    (r"decoder\.heads\.affinity\.0\.weight", 1, _first),
)
