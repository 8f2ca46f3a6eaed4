"""Everything about a batch that depends on voxel positions only: computed once, then shared."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clickseg3d_core.model.grid import COORD_BITS, VoxelBatch
from clickseg3d_core.model.neighbors import PairTable, build_pairs
from clickseg3d_core.model.patches import Padding, PatchPlan, plan_patches
from clickseg3d_core.model.serialization import curve_codes, fixed_depth


@dataclass(frozen=True, slots=True, eq=False)
class Pooling:
    """How the V voxels of a level merge into the V' voxels of the next.

    Attributes:
        cluster: (V,) int64 row of the parent.
        slot: (V,) int8 place among the children of the parent.
        children: (S, V') int64 rows of the children by slot, S <= 8; a parent with fewer children
            repeats its first.
    """

    cluster: Tensor
    slot: Tensor
    children: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """Structure of one resolution.

    Attributes:
        coords: (V_l, 3) int64 voxel indices at this level.
        batch: (V_l,) int64 cloud index, ascending.
        plans: One attention plan per serialization order.
        pairs: Pairs of the 3x3x3 kernel.
        stem_pairs: Pairs of the stem's kernel; None but at the finest level.
        pooling: Merge into the next level; None at the coarsest.
        finest_to_level: (V,) int64 row of each finest voxel.
        stride: Finest voxels per side.
    """

    coords: Tensor
    batch: Tensor
    plans: tuple[PatchPlan, ...]
    pairs: PairTable
    stem_pairs: PairTable | None
    pooling: Pooling | None
    finest_to_level: Tensor
    stride: int


@torch.no_grad()
def build_levels(
    grid: VoxelBatch,
    *,
    num_levels: int,
    orders: tuple[str, ...],
    patch_size: int,
    stem_kernel: int,
    padding: Padding,
) -> tuple[Level, ...]:
    """Serialize, pool and find neighbors for every level of the network.

    Args:
        grid: The finest voxels.
        num_levels: Number of resolutions; each halves the one before.
        orders: Curves of `serialization.CURVES`; the first decides how rows of coarse levels are
            ordered.
        patch_size: Largest number of voxels that attend to each other.
        stem_kernel: Kernel side of the stem.
        padding: How a cloud is cut into patches, see `patches.plan_patches`.

    Returns:
        The levels, finest first.

    Raises:
        CloudError: if a voxel occurs twice.
        ConfigError: if an order is unknown.
    """
    coords, batch = grid.coords.to(torch.int64), grid.batch.to(torch.int64)
    sequences, codes = _serialize(coords, batch, orders, padding)
    finest_to_level = torch.arange(len(coords), device=coords.device)
    levels: list[Level] = []
    for index in range(num_levels):
        counts = torch.bincount(batch).tolist()
        plans = tuple(plan_patches(order, counts, patch_size, padding) for order in sequences)
        kernels = (3, stem_kernel) if index == 0 else (3,)
        tables = build_pairs(coords, batch, kernels)
        pooling = None
        if index + 1 < num_levels:
            codes = codes >> 3
            pooling, heads = _pool(codes, batch, sequences[0])
        levels.append(
            Level(
                coords=coords,
                batch=batch,
                plans=plans,
                pairs=tables[0],
                stem_pairs=tables[1] if index == 0 else None,
                pooling=pooling,
                finest_to_level=finest_to_level,
                stride=1 << index,
            )
        )
        if pooling is not None:
            sequences = tuple(_pooled_order(order, pooling.cluster) for order in sequences)
            coords, batch, codes = coords[heads] >> 1, batch[heads], codes[heads]
            finest_to_level = pooling.cluster[finest_to_level]
    return tuple(levels)


def _serialize(
    coords: Tensor, batch: Tensor, orders: tuple[str, ...], padding: Padding
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Rows of the finest level along each curve, cloud after cloud, and the first curve's codes."""
    largest = int(coords.max())
    # Upstream's depth comes from the largest index of the whole batch, and Hilbert orders of two
    # depths differ, so a cloud's patches would depend on the clouds beside it.
    depth = fixed_depth(largest) if padding == "balanced" else (largest + 1).bit_length()
    cloud = batch << (3 * COORD_BITS)
    codes = [curve_codes(coords, order, min(depth, COORD_BITS)) for order in orders]
    return tuple(torch.argsort(cloud | code) for code in codes), codes[0]


def _pool(parent_codes: Tensor, batch: Tensor, sequence: Tensor) -> tuple[Pooling, Tensor]:
    """Group the voxels that share a cloud and a parent code; also return a child of each parent."""
    code, cloud = parent_codes[sequence], batch[sequence]
    starts_new = torch.ones_like(code, dtype=torch.bool)
    starts_new[1:] = (code[1:] != code[:-1]) | (cloud[1:] != cloud[:-1])
    parent = torch.cumsum(starts_new, 0) - 1
    start = starts_new.nonzero().squeeze(1)
    place = torch.arange(len(code), device=code.device) - start[parent]
    heads = sequence[start]
    children = heads.repeat(int(place.max()) + 1, 1)
    children[place, parent] = sequence
    cluster = torch.empty_like(sequence)
    cluster[sequence] = parent
    slot = torch.empty_like(place, dtype=torch.int8)
    slot[sequence] = place.to(torch.int8)
    return Pooling(cluster, slot, children), heads


def _pooled_order(sequence: Tensor, cluster: Tensor) -> Tensor:
    """Rows of the coarser level along a curve: children of a parent are consecutive on it."""
    order: Tensor = torch.unique_consecutive(cluster[sequence])
    return order
