"""Background clicks take away near themselves, and change nothing elsewhere."""

from __future__ import annotations

import torch
from torch import Tensor

from clickseg3d_core.model.memory import ClickQueries

_SPARED = 0.5
"""Of what a background click would take, where an object's own click is as near."""


def without_background(clicks: ClickQueries) -> ClickQueries:
    """The clicks on objects alone."""
    kept = ~clicks.is_background
    return ClickQueries(
        rows=clicks.rows[kept],
        positions=clicks.positions[kept],
        object_index=clicks.object_index[kept],
        is_background=clicks.is_background[kept],
        episode=clicks.episode[kept],
        paths=clicks.paths[kept],
    )


def carved(masks: Tensor, free: Tensor, clicks: ClickQueries, *, claims: bool) -> Tensor:
    """Masks in which a background click acts where it is nearer than the object's own clicks.

    A network may answer a background click by another opinion of the whole object. A user who
    takes away a corner expects the rest to stay. What is taken is taken whole at the click, and
    less and less on the way to where an object's own click is as near.

    Args:
        masks: (O + B, V) mask logits of objects, then of background clicks, given all clicks.
        free: (O, V) mask logits of the objects, given their own clicks alone.
        clicks: K clicks; `object_index` 0..O - 1 are objects. Near is by the last kind of path.
        claims: Whether background clicks compete for the voxels near them with what they lie on.
            An object whose edge was clicked may lose more to that than the user meant.

    Returns:
        (O + B, V); without claims the last B rows are -inf.
    """
    objects = len(free)
    paths = clicks.paths[:, -1]
    background = paths[clicks.is_background].amin(dim=0)
    owner = clicks.object_index[~clicks.is_background]
    index = owner[:, None].expand(-1, paths.shape[1])
    own = torch.full_like(free, torch.inf)
    own = own.scatter_reduce(0, index, paths[~clicks.is_background], "amin")
    near = background < own
    share = 1.0 - _SPARED * torch.where(near, background / own, 0.0)
    taken = torch.where(near, share * (masks[:objects] - free).clamp(max=0.0), 0.0)
    claimed = near.any(dim=0) & claims
    return torch.cat([free + taken, torch.where(claimed, masks[objects:], -torch.inf)])
