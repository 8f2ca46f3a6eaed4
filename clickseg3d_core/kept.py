"""What was computed for clicked voxels, kept from call to call."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor

_AT_ONCE = 32
_KEPT_BYTES = 128 * 2**20


class KeptByVoxel:
    """One tensor per clicked voxel of one cloud, the last used ones kept.

    A user adds one click at a time, so most clicks of a call are those of the call before.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Tensor] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, rows: Tensor, make: Callable[[Tensor], Tensor]) -> Tensor:
        """Tensors of K clicks, stacked into a fresh one.

        Args:
            rows: (K,) int64 clicked voxels, K >= 1.
            make: Computes (K', ...) of those clicks whose numbers in 0..K-1 it is given, at most
                32 at a time.

        Returns:
            (K, ...).
        """
        voxels = rows.tolist()
        first: dict[int, int] = {}
        for number, voxel in enumerate(voxels):
            first.setdefault(voxel, number)
        missing = [number for voxel, number in first.items() if voxel not in self._kept]
        for start in range(0, len(missing), _AT_ONCE):
            part = missing[start : start + _AT_ONCE]
            made = make(torch.tensor(part, device=rows.device))
            for number, own in zip(part, made, strict=True):
                self._kept[voxels[number]] = own.clone()  # a view would keep all of them
        for voxel in first:
            self._kept.move_to_end(voxel)
        result = torch.stack([self._kept[voxel] for voxel in voxels])
        most = max(_KEPT_BYTES // max(result[0].nbytes, 1), 1)
        while len(self._kept) > most:
            self._kept.popitem(last=False)
        return result
