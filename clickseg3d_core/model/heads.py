"""Dense heads on F^L: what every voxel says about its object before anybody clicks.

The paper starts from a Point Transformer V3 that was pre-trained for semantic segmentation. Without
one, a few dozen clicks a scene say too little to a backbone; with these heads every voxel speaks:
its class, as in that pre-training; a vote for the center of its object (as in Jiang et al.,
"PointGroup", CVPR 2020); and for each edge between neighbors, whether both ends are of one object.
The decoder reads votes and edges in turn, see `model.geometry`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from clickseg3d_core.edges import EDGE_TERMS

VOTE_UNIT = 16.0
"""Voxels per unit of a predicted offset."""

_COMPARED = 24
_HIDDEN = 32
_BORDER_COST = 40.0
"""Voxel units per nat of doubt that both ends of an edge are of one object."""


class SceneHeads(nn.Module):
    """Class, center vote and edge affinity.

    Args:
        channels: Width C of F^L as the decoder sees it.
        num_classes: N_c.
        edge_terms: How many of the terms of an edge are read, the first ones.
    """

    def __init__(self, channels: int, num_classes: int, edge_terms: int = EDGE_TERMS) -> None:
        super().__init__()
        self.edge_terms = edge_terms
        self.semantic = nn.Linear(channels, num_classes)
        self.center = nn.Sequential(
            nn.Linear(channels, channels), nn.GELU(), nn.Linear(channels, 3)
        )
        self.compared = nn.Linear(channels, _COMPARED)
        self.affinity = nn.Sequential(
            nn.Linear(2 * _COMPARED + edge_terms, _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, 1)
        )

    def classes(self, features: Tensor) -> Tensor:
        """(V, C) -> (V, N_c) class logits."""
        logits: Tensor = self.semantic(features)
        return logits

    def votes(self, features: Tensor, centers: Tensor) -> Tensor:
        """(V, C) and (V, 3) centers -> (V, 3) where each voxel's object has its center."""
        votes: Tensor = centers + VOTE_UNIT * self.center(features)
        return votes

    def edges(self, features: Tensor, pairs: Tensor, terms: Tensor) -> Tensor:
        """Logits that both ends of an edge belong to one object.

        Args:
            features: (V, C) F^L.
            pairs: (E, 2) int64 rows.
            terms: (E, EDGE_TERMS) float, see `edges.Edges`.

        Returns:
            (E,).
        """
        compared = self.compared(features)
        one, other = compared[pairs[:, 0]], compared[pairs[:, 1]]
        seen = terms[:, : self.edge_terms].to(one.dtype)
        read = torch.cat([(one - other).abs(), one * other, seen], dim=1)
        logits: Tensor = self.affinity(read)
        return logits[:, 0]


def edge_costs(logits: Tensor, length: Tensor) -> Tensor:
    """(E,) affinity logits and lengths -> (E,) path costs in voxel units."""
    return length + _BORDER_COST * functional.softplus(-logits.float())
