"""Masks that end where edges between objects are.

Each voxel's answer is pulled towards those of its neighbors, strongly within an object and hardly
across an edge that the network takes for a border: a few rounds of mean field on the step graph,
after P. Kraehenbuehl and V. Koltun, "Efficient inference in fully connected CRFs with Gaussian edge
potentials", NIPS 2011. Specks go, and holes close up to the next border.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

ROUNDS = 3
_PULL = 4.0
"""Logits that agreeing neighbors add at most."""
_SURE = 8.0
_SHARPNESS = 2.0


def neighbor_shares(
    starts: NDArray[np.int64], neighbors: NDArray[np.int64], border: NDArray[np.float64]
) -> csr_matrix:
    """How much each neighbor's answer counts.

    Args:
        starts: (V + 1,) int64, where each voxel's neighbors start in the next two.
        neighbors: (2E,) int64 voxels.
        border: (2E,) probability that the edge lies between two objects.

    Returns:
        (V, V) float32, rows sum to 1; 0 in rows without neighbors.
    """
    weights = (1.0 - border) ** _SHARPNESS + 1e-6
    sums = np.add.reduceat(np.append(weights, 0.0), starts[:-1])
    count = np.diff(starts)
    shares = weights / np.repeat(np.maximum(sums, 1e-6), count)
    return csr_matrix((shares.astype(np.float32), neighbors, starts), shape=(len(count),) * 2)


def settled(
    margins: NDArray[np.float32], clicked: list[NDArray[np.int64]], shares: csr_matrix
) -> NDArray[np.float32]:
    """What the masks become when every voxel hears its neighbors.

    Args:
        margins: (O, V) mask logits over the cut of each object; -inf where it cannot be.
        clicked: Clicked voxels of each object, which stay its own.
        shares: From `neighbor_shares`.

    Returns:
        (O, V) new margins, where 0 is the cut again.
    """
    sure, barred = np.clip(margins, -_SURE, _SURE), np.isneginf(margins)
    for number, voxels in enumerate(clicked):
        sure[number, voxels] = _SURE
        barred[number, voxels] = False
    own = np.ascontiguousarray(sure.T)
    out_of_reach = np.flatnonzero((own <= -_PULL).all(axis=1))  # no pull can bring them in
    now = own
    for _ in range(ROUNDS):
        answers = np.tanh(now * np.float32(0.5))
        answers[out_of_reach] = -1.0
        now = shares @ answers
        now *= _PULL
        now += own
    sure = np.ascontiguousarray(now.T)
    sure[barred] = -np.inf
    return sure
