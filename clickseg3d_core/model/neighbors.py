"""Which voxels touch which: pair tables of a submanifold convolution, built once per level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from clickseg3d_core.errors import CloudError
from clickseg3d_core.model.grid import COORD_BITS

# One bit more than a coordinate has: a neighbor outside the cube gets a number that no voxel has.
_FIELD = COORD_BITS + 1
_ABSENT = torch.iinfo(torch.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class PairTable:
    """Pairs of occupied voxels at each offset of one half of a cubic kernel.

    The other half follows by exchanging the two columns: b = a + offset means a = b - offset.

    Attributes:
        kernel: Odd kernel side k; its k**3 offsets are numbered with z fastest, center k**3 // 2.
        here: (P,) int64 rows, sorted by offset number.
        there: (P,) int64 rows, `there[i]` lies at the offset of pair i as seen from `here[i]`.
        offsets: Offset numbers above the center that have pairs.
        sizes: Number of pairs of each of `offsets`; sums to P.
        sites: (V, 4) int32 cloud, x, y, z of each row.
        spconv_cache: Where spconv, if it is used, keeps its own pairs of these sites.
        rows: Where `neighbors` keeps its table.
    """

    kernel: int
    here: Tensor
    there: Tensor
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    sites: Tensor
    spconv_cache: dict[str, Any] = field(default_factory=dict)
    rows: list[Tensor] = field(default_factory=list)

    def __iter__(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Yield (offset number, rows here, rows there) for each offset that has pairs."""
        sizes = list(self.sizes)
        here, there = torch.split(self.here, sizes), torch.split(self.there, sizes)
        return iter(zip(self.offsets, here, there, strict=True))

    def neighbors(self) -> Tensor:
        """(V, k**3) int64 row at each offset of each voxel, V where there is none; made once."""
        if not self.rows:
            last, count = self.kernel**3 - 1, len(self.sites)
            table = self.here.new_full((count, last + 1), count)
            table[:, last // 2] = torch.arange(count, device=table.device)
            sizes = torch.tensor(self.sizes, dtype=torch.int64)
            offset = torch.tensor(self.offsets, dtype=torch.int64).repeat_interleave(sizes)
            offset = offset.to(table.device)
            table[self.here, offset] = self.there
            table[self.there, last - offset] = self.here
            self.rows.append(table)
        return self.rows[0]


def sorted_keys(coords: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
    """Pack (cloud, x, y, z) of each voxel into one integer and sort.

    Args:
        coords: (V, 3) integer voxel indices in 0..65535.
        batch: (V,) int64 cloud index.

    Returns:
        (V,) int64 ascending keys and (V,) int64 the row of each.

    Raises:
        CloudError: if a voxel occurs twice in a cloud.
    """
    key = batch.to(torch.int64)
    for axis in coords.to(torch.int64).unbind(1):
        key = (key << _FIELD) | axis
    keys, rows = torch.sort(key)
    if bool((keys[1:] == keys[:-1]).any()):
        raise CloudError(
            "each voxel may occur once per cloud, but the same (cloud, x, y, z) came twice; "
            "merge points into voxels before encoding"
        )
    return keys, rows


def build_pairs(coords: Tensor, batch: Tensor, kernels: Sequence[int]) -> tuple[PairTable, ...]:
    """Find all pairs of voxels that lie within one kernel.

    One binary search per line of the kernel: the voxels of a line along z are neighbors in the
    sorted keys, so the rest of the line is found by stepping on.

    Args:
        coords: (V, 3) integer voxel indices in 0..65535.
        batch: (V,) int64 cloud index.
        kernels: Odd kernel sides.

    Returns:
        One table per kernel side.

    Raises:
        CloudError: if a voxel occurs twice in a cloud.
    """
    keys, rows = sorted_keys(coords, batch)
    sites = torch.cat([batch.unsqueeze(1), coords], dim=1).to(torch.int32)
    return tuple(_build_table(keys, rows, kernel, sites) for kernel in kernels)


def _build_table(keys: Tensor, rows: Tensor, kernel: int, sites: Tensor) -> PairTable:
    reach, center = kernel // 2, kernel * kernel // 2
    padded = torch.cat([keys, keys.new_tensor([_ABSENT])])
    here: list[Tensor] = []
    there: list[Tensor] = []
    offsets: list[int] = []
    for line in range(center, kernel * kernel):
        dx, dy = line // kernel - reach, line % kernel - reach
        first = 1 if line == center else -reach
        target = keys + ((dx << (2 * _FIELD)) + (dy << _FIELD) + first)
        found = torch.searchsorted(keys, target)
        for dz in range(first, reach + 1):
            hit = padded.index_select(0, found) == target
            source = hit.nonzero().squeeze(1)
            if len(source):
                here.append(source)
                there.append(found.index_select(0, source))
                offsets.append(line * kernel + dz + reach)
            found += hit
            target += 1
    sizes = tuple(len(part) for part in here)
    here_rows, there_rows = (
        rows.index_select(0, torch.cat(part or [rows[:0]])) for part in (here, there)
    )
    return PairTable(kernel, here_rows, there_rows, tuple(offsets), sizes, sites)
