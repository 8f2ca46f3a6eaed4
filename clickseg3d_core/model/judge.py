"""A small network that judges candidate extents of an object, see `extent`."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from clickseg3d_core.extent import CUTS, EXTENT_TERMS

SHARPNESS = 6.0
"""How much better judged candidates outweigh others."""

JUDGED_TERMS = 4 * EXTENT_TERMS

_HIDDEN = 64
_FARTHEST = 5.0
"""Standard deviations at which a term is clipped."""


class ExtentJudge(nn.Module):
    """Guesses the IoU of each candidate from what it looks like.

    Args:
        dropout: In training.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(JUDGED_TERMS))
        self.register_buffer("scale", torch.ones(JUDGED_TERMS))
        self.drop = nn.Dropout(dropout)
        self.read = nn.Linear(JUDGED_TERMS, _HIDDEN)
        self.think = nn.Linear(_HIDDEN, _HIDDEN)
        self.say = nn.Linear(_HIDDEN, 1)

    def forward(self, terms: Tensor) -> Tensor:
        """(O, T, EXTENT_TERMS) -> (O, T) logits of the IoU."""
        normal = ((compared(terms) - self.mean) / self.scale).clamp(-_FARTHEST, _FARTHEST)
        hidden = functional.gelu(self.read(self.drop(normal)))
        hidden = hidden + functional.gelu(self.think(self.drop(hidden)))
        logits: Tensor = self.say(hidden)[..., 0]
        return logits

    @torch.no_grad()
    def cuts(self, terms: NDArray[np.float32]) -> NDArray[np.float32]:
        """Where to cut: the mean of the candidates' cuts, each by how good it is judged.

        Args:
            terms: (O, T, EXTENT_TERMS) of the O objects' candidates.

        Returns:
            (O,) mask logits.
        """
        device = self.mean.device
        share = (SHARPNESS * self(torch.from_numpy(terms).to(device))).softmax(dim=1)
        found: NDArray[np.float32] = (share @ torch.tensor(CUTS, device=device)).cpu().numpy()
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
