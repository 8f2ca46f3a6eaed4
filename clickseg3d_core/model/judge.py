"""A small network that judges candidate extents of an object, see `extent`."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from clickseg3d_core.candidates import Candidates
from clickseg3d_core.extent import CUTS, EXTENT_TERMS, SIZE_TERM

SHARPNESS = 6.0
"""How much better judged candidates outweigh others."""

JUDGED_TERMS = 4 * EXTENT_TERMS

MEMBERS = 8
"""Judges in the panel: two that differ by chance alone choose differently."""

UNKNOWN_CUT = -3.0
"""Mask logit at which a large object ends that the judge does not know: guessing, it would take a
small piece, while the mask, faded as it is, has the whole."""
_LARGE = 500
"""Voxels at that cut from which an object is large: a mask fades with the distance from its
clicks, counted in voxels."""

_SEEN, _HIDDEN = 24, 96
_FARTHEST = 5.0
"""Standard deviations at which a term is clipped."""


class ExtentJudge(nn.Module):
    """Guesses the IoU of each candidate from what it looks like, beside the others.

    What the network has seen in the voxels of a candidate and at the clicks, and what the clicks
    say of the class, stands beside the terms of `extent`; a convolution over the candidates, in
    order of size, lets each see the next ones. It is a panel of J members that share nothing, as
    groups of each layer, and whose logits are averaged.

    Args:
        channels: C of the voxels' features.
        classes: N_c; 0 without a class head.
        dropout: In training.
        members: J.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, channels: int, classes: int, dropout: float = 0.2, members: int = MEMBERS
    ) -> None:
        super().__init__()
        self.members = members
        self.register_buffer("mean", torch.zeros(JUDGED_TERMS))
        self.register_buffer("scale", torch.ones(JUDGED_TERMS))
        seen, hidden = members * _SEEN, members * _HIDDEN
        self.see: nn.Module = nn.Linear(channels, seen)
        """Linear, so that voxels may be seen before they are summed or after."""
        self.name = nn.Linear(classes, seen) if classes else None
        self.drop = nn.Dropout(dropout)
        self.drop_features = nn.Dropout(dropout / 2.0)
        known = members * (JUDGED_TERMS + (3 if classes else 2) * _SEEN)
        self.read = nn.Conv1d(known, hidden, 1, groups=members)
        self.neighbors = nn.Conv1d(hidden, hidden, 3, padding=1, groups=members)
        self.think = nn.Conv1d(hidden, hidden, 1, groups=members)
        self.say = nn.Conv1d(hidden, members, 1, groups=members)

    def forward(self, terms: Tensor, inside: Tensor, clicked: Tensor, classes: Tensor) -> Tensor:
        """What is seen of O objects' candidates -> (O, J, T) logits of their IoU, by each member.

        Args:
            terms: (O, T, EXTENT_TERMS).
            inside: (O, T, J * _SEEN), from `see`, means over the candidates' voxels.
            clicked: (O, J * _SEEN), from `see`, means over the clicked voxels.
            classes: (O, N_c) probabilities.
        """
        normal = ((compared(terms) - self.mean) / self.scale).clamp(-_FARTHEST, _FARTHEST)
        alike = [clicked] if self.name is None else [clicked, self.name(classes)]
        spread = [x[:, None].expand(-1, terms.shape[1], -1) for x in alike]
        own = [x.unflatten(2, (self.members, _SEEN)) for x in (inside, *spread)]
        shared = self.drop(normal[:, :, None].expand(-1, -1, self.members, -1))
        known = torch.cat([shared, *own], dim=3).flatten(2).transpose(1, 2)
        hidden = functional.gelu(self.read(known))
        hidden = hidden + functional.gelu(self.neighbors(hidden))
        hidden = hidden + functional.gelu(self.think(self.drop(hidden)))
        logits: Tensor = self.say(hidden)
        return logits

    def learning(self, terms: Tensor, inside: Tensor, clicked: Tensor, classes: Tensor) -> Tensor:
        """`forward` of means (O, T, C) and (O, C) of features that have not been seen yet."""
        see = [self.see(self.drop_features(values)) for values in (inside, clicked)]
        logits: Tensor = self(terms, *see, classes)
        return logits

    @torch.no_grad()
    def cuts(
        self, candidates: Candidates, doubt: NDArray[np.float32] | float = 0.0
    ) -> NDArray[np.float32]:
        """Where to cut: the mean of the candidates' cuts, each by how good it is judged.

        Args:
            candidates: Of O objects, their features from `see`.
            doubt: IoU, of all or (O,) of each; if no candidate of a large object is judged to
                have it, the cut is UNKNOWN_CUT at most.

        Returns:
            (O,) mask logits.
        """
        device = self.mean.device
        logits = self(*candidates.tensors(device)).mean(dim=1)
        share = (SHARPNESS * logits).softmax(dim=1)
        cuts = share @ torch.tensor(CUTS, device=device)
        size = candidates.terms[:, CUTS.index(UNKNOWN_CUT), SIZE_TERM]
        large = torch.from_numpy(size >= np.float32(np.log(_LARGE))).to(device)
        expected = logits.sigmoid().amax(dim=1)
        unknown = large & (expected < torch.as_tensor(doubt, device=device))
        found: NDArray[np.float32] = (
            torch.where(unknown, cuts.clamp(max=UNKNOWN_CUT), cuts).cpu().numpy()
        )
        return found


def compared(terms: Tensor) -> Tensor:
    """Candidates beside each other: a border shows in what the next cut loses or gains.

    Args:
        terms: (O, T, EXTENT_TERMS).

    Returns:
        (O, T, JUDGED_TERMS): the terms, how the next smaller and the next larger candidate differ
        from them, and the mean over all candidates.
    """
    step = terms.diff(dim=1)
    nothing = torch.zeros_like(terms[:, :1])
    smaller, larger = torch.cat([step, nothing], dim=1), torch.cat([nothing, -step], dim=1)
    mean = terms.mean(dim=1, keepdim=True).expand_as(terms)
    return torch.cat([terms, smaller, larger, mean], dim=2)
