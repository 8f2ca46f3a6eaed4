"""How a serialized cloud is cut into the patches within which voxels attend to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Padding = Literal["balanced", "borrow"]


@dataclass(frozen=True, slots=True, eq=False)
class PatchPlan:
    """Where attention reads and writes along one curve.

    Attributes:
        gather: (R,) int64 voxel row of each place in the patches; R = V unless rows are borrowed.
        restore: (V,) int64 place at which the result of each voxel row is found.
        runs: (count, length) of successive patches of one length; sum(count * length) = R.
        bounds: (patches + 1,) int32 places at which patches begin, and R.
        is_permutation: Whether `restore` inverts `gather`.
    """

    gather: Tensor
    restore: Tensor
    runs: tuple[tuple[int, int], ...]
    bounds: Tensor
    is_permutation: bool


def plan_patches(
    sequence: Tensor, counts: Sequence[int], patch_size: int, padding: Padding
) -> PatchPlan:
    """Cut the curve into patches that never mix clouds.

    "balanced" cuts N voxels into ceil(N / P) patches whose lengths differ by at most one. No row
    is padded or repeated, and no patch is nearly empty. "borrow" is upstream's rule: patches of
    exactly P, the last filled up with the voxels that precede it on the curve; a cloud of N <= P
    is one patch.

    Args:
        sequence: (V,) int64 voxel rows along the curve, cloud after cloud.
        counts: Voxels of each cloud; sums to V.
        patch_size: P.
        padding: The rule.

    Returns:
        The plan.
    """
    restore = torch.empty_like(sequence)
    restore[sequence] = torch.arange(len(sequence), device=sequence.device)
    if padding == "balanced":
        runs = tuple(run for n in counts for run in _balanced_runs(n, patch_size))
        return PatchPlan(sequence, restore, runs, _bounds(runs, sequence), is_permutation=True)
    return _plan_borrowed(sequence, restore, counts, patch_size)


def _bounds(runs: Sequence[tuple[int, int]], like: Tensor) -> Tensor:
    lengths = [0] + [length for count, length in runs for _ in range(count)]
    return torch.tensor(lengths).cumsum(0).to(like.device, torch.int32)


def _balanced_runs(n: int, patch_size: int) -> list[tuple[int, int]]:
    if n == 0:
        return []
    patches = -(-n // patch_size)
    length, longer = divmod(n, patches)
    runs = [(longer, length + 1), (patches - longer, length)]
    return [run for run in runs if run[0]]


def _plan_borrowed(
    sequence: Tensor, restore: Tensor, counts: Sequence[int], patch_size: int
) -> PatchPlan:
    places: list[Tensor] = []
    shifts: list[int] = []
    runs: list[tuple[int, int]] = []
    start = used = 0
    for n in counts:
        place = torch.arange(n, device=sequence.device)
        missing = -n % patch_size if n > patch_size else 0
        if missing:
            # The last patch keeps its voxels in front and repeats, behind them, the places that
            # the patch before has there.
            place = torch.cat([place, place[n - patch_size : n - patch_size + missing]])
        runs += [(len(place) // patch_size, patch_size)] if n > patch_size else [(1, n)] * (n > 0)
        places.append(place + start)
        shifts.append(used - start)
        start, used = start + n, used + len(place)
    repeats = torch.tensor(counts, device=sequence.device)
    shift = torch.tensor(shifts, device=sequence.device).repeat_interleave(repeats)
    moved = restore + shift[restore]
    gather = sequence[torch.cat(places)]
    return PatchPlan(gather, moved, tuple(runs), _bounds(runs, sequence), is_permutation=False)
