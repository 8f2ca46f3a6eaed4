"""Changes that Point Transformer V3 is trained with: elastic distortion, chromatic changes.

As in the indoor recipes of Pointcept; elastic distortion comes from Choy et al., "4D
Spatio-Temporal ConvNets", CVPR 2019.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, uniform_filter

_MOST_CELLS = 200
"""Cells of the noise grid along an axis at most; a larger scene gets coarser cells."""


def elastic_distortion(
    xyz: NDArray[np.float64], granularity: float, magnitude: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Shift points by smooth noise.

    Args:
        xyz: (N, 3) float64, metres.
        granularity: Metres between independent shifts, before smoothing over three of them.
        magnitude: Metres, standard deviation of the shifts before smoothing.
        rng: Randomness.
    """
    low = xyz.min(axis=0)
    cell = max(granularity, float(np.ptp(xyz, axis=0).max()) / _MOST_CELLS)
    shape = tuple((np.ptp(xyz, axis=0) / cell).astype(int) + 3)
    places = ((xyz - low) / cell + 0.5).T
    shifted = xyz.copy()
    for axis in range(3):
        noise = rng.standard_normal(shape).astype(np.float32)
        for _ in range(2):
            noise = uniform_filter(noise, size=3, mode="constant")
        shifted[:, axis] += magnitude * map_coordinates(noise, places, order=1, mode="nearest")
    return shifted


def auto_contrast(color: NDArray[np.float32], blend: float) -> NDArray[np.float32]:
    """Blend colors with their copy that is stretched to the full range of each channel.

    Args:
        color: (N, 3) in 0..1.
        blend: 0 = as it is, 1 = stretched.
    """
    low, high = color.min(axis=0), color.max(axis=0)
    stretched = (color - low) / np.maximum(high - low, 1e-3)
    return np.asarray((1.0 - blend) * color + blend * stretched, dtype=np.float32)
