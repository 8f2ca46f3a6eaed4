"""Color of voxels without its noise: what a thing is painted with, for telling it from its ground.

Pictures, doors and books differ from what they lie on in color alone. The color of a single voxel
is too noisy to compare, that of a neighborhood blurs the border; a bilateral filter (Tomasi and
Manduchi, "Bilateral filtering for gray and color images", ICCV 1998) over the steps of the surface
averages where colors are alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

_ALIKE = 0.1
"""Standard deviation of color differences that are noise, as a distance in the unit cube."""
_ROUNDS = 3


def even_colors(rgb: NDArray[np.float32], graph: csr_matrix) -> NDArray[np.float32]:
    """(V, 3) colors in 0..1 -> the same without noise.

    Args:
        rgb: (V, 3) float32 in 0..1.
        graph: (V, V) sparse; its entries are the neighbors, their values are not read.
    """
    steps = graph.tocoo()
    i, j = steps.row, steps.col
    color = rgb
    for _ in range(_ROUNDS):
        apart = ((color[i] - color[j]) ** 2).sum(axis=1)
        weight = np.exp(apart * (-0.5 / _ALIKE**2))
        share = csr_matrix((weight, (i, j)), shape=graph.shape)
        total = 1.0 + np.asarray(share.sum(axis=1))
        color = ((color + share @ color) / total).astype(np.float32)
    return color
