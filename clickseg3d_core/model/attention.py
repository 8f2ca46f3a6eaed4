"""Attention within patches of a serialized cloud (Wu et al., CVPR 2024, section 4.2)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from clickseg3d_core.errors import ConfigError
from clickseg3d_core.model.patches import PatchPlan


class PermuteRows(torch.autograd.Function):
    """Gather rows by a permutation; the backward pass gathers by its inverse, not scatters."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        """Return rows[order] of a (V, C) tensor."""
        ctx.inverse = inverse
        return rows.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """Return grad[inverse]."""
        return grad.index_select(0, ctx.inverse), None, None


def gather_rows(rows: Tensor, plan: PatchPlan) -> Tensor:
    """Put (V, C) rows into patch places, (R, C)."""
    if plan.is_permutation:
        output: Tensor = PermuteRows.apply(rows, plan.gather, plan.restore)  # type: ignore[no-untyped-call]
        return output
    return rows.index_select(0, plan.gather)


def restore_rows(places: Tensor, plan: PatchPlan) -> Tensor:
    """Put (R, C) patch places back into voxel rows, (V, C)."""
    if plan.is_permutation:
        output: Tensor = PermuteRows.apply(places, plan.restore, plan.gather)  # type: ignore[no-untyped-call]
        return output
    return places.index_select(0, plan.restore)


def attend(qkv: Tensor, runs: tuple[tuple[int, int], ...], heads: int) -> Tensor:
    """Softmax attention within each patch.

    Patches of one length share a call, so nothing is padded and nothing masked, and a cloud is
    computed the same whatever lies beside it in the batch.

    Args:
        qkv: (R, 3 C) queries, keys and values, heads within each.
        runs: (count, length) of successive patches.
        heads: H, divides C.

    Returns:
        (R, C) attended values.
    """
    channels = qkv.shape[1] // 3
    pieces = []
    parts = torch.split(qkv, [count * length for count, length in runs])
    for (count, length), part in zip(runs, parts, strict=True):
        split = part.view(count, length, 3, heads, channels // heads)
        q, k, v = split.permute(2, 0, 3, 1, 4).unbind(0)  # each (count, H, length, C / H)
        mixed = scaled_dot_product_attention(q, k, v)
        pieces.append(mixed.transpose(1, 2).reshape(count * length, channels))
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


def flash_attention_usable(qkv: Tensor) -> bool:
    """Whether `attend_flash` can take this tensor: CUDA, 16 bits, and flash-attn is installed."""
    return (
        qkv.is_cuda
        and qkv.dtype in (torch.float16, torch.bfloat16)
        and find_spec("flash_attn") is not None
    )


def attend_flash(qkv: Tensor, plan: PatchPlan, heads: int) -> Tensor:
    """What `attend` computes, in one flash-attn call for patches of any length."""
    from flash_attn import flash_attn_varlen_qkvpacked_func

    rows, channels = qkv.shape[0], qkv.shape[1] // 3
    longest = max(length for _, length in plan.runs)
    packed = qkv.view(rows, 3, heads, channels // heads)
    mixed: Tensor = flash_attn_varlen_qkvpacked_func(packed, plan.bounds, longest)
    return mixed.reshape(rows, channels)


class PatchAttention(nn.Module):
    """Multi-head self-attention along one serialization curve.

    Args:
        channels: C.
        heads: H, must divide C.

    Raises:
        ConfigError: if the heads do not divide the channels.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        if channels % heads:
            raise ConfigError(
                f"the number of heads must divide the channels, got {heads} heads for {channels} "
                "channels"
            )
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, features: Tensor, plan: PatchPlan) -> Tensor:
        """Attend within the patches of the plan; (V, C) to (V, C)."""
        qkv = self.qkv(gather_rows(features, plan))
        if flash_attention_usable(qkv):
            mixed = attend_flash(qkv, plan, self.heads)
        else:
            mixed = attend(qkv, plan.runs, self.heads)
        output: Tensor = self.proj(restore_rows(mixed, plan))
        return output
