"""Changes of shape and color: bent surfaces, elastic distortion, chromatic changes.

The latter two as in the indoor recipes of Pointcept; elastic distortion comes from Choy et al., "4D
Spatio-Temporal ConvNets", CVPR 2019.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, uniform_filter

from clickseg3d_core.voxels import automatic_voxel_size

_MOST_CELLS = 200
"""Cells of the noise grid along an axis at most; a larger scene gets coarser cells."""
_BENDS = 6
_BEND_LENGTH = (6.0, 60.0)
_RANGE_LENGTH = (8.0, 50.0)
"""Wavelengths in voxels."""


def bent(
    xyz: NDArray[np.float64], voxel_size: float, most: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Bend flat surfaces as sensors and reconstructions do, softly and by less than a voxel.

    Ranges of a laser are off by some centimetres that depend on range and incidence, so that a
    wall bulges in rings around the point nearest to the scanner; depth cameras and drifting poses
    bend it in waves of any direction. Half of the clouds get waves, half of them rings.

    Args:
        xyz: (N, 3) float64, metres.
        voxel_size: Metres.
        most: Amplitude at most, voxels.
        rng: Draws all of it.
    """
    shifted = xyz.copy()
    if rng.random() < 0.5:
        way = rng.normal(size=(_BENDS, 3))
        way /= np.linalg.norm(way, axis=1, keepdims=True)
        length = _wavelength(_BEND_LENGTH, rng, _BENDS) * voxel_size
        phase = xyz @ (2.0 * np.pi * way / length[:, None]).T + rng.uniform(0, 2 * np.pi, _BENDS)
        size = rng.normal(size=(_BENDS, 3)) * rng.uniform(0.0, most) / np.sqrt(_BENDS)
        shifted += voxel_size * (np.sin(phase) @ size)
    if rng.random() < 0.5:
        low, high = np.percentile(xyz, [5.0, 95.0], axis=0)
        ray = xyz - rng.uniform(low, high)
        reach = np.linalg.norm(ray, axis=1, keepdims=True)
        wavelength = float(_wavelength(_RANGE_LENGTH, rng)) * voxel_size
        wave = np.sin(2.0 * np.pi * reach / wavelength + rng.uniform(0, 2 * np.pi))
        shifted += voxel_size * rng.uniform(0.0, most) * wave * ray / np.maximum(reach, voxel_size)
    return shifted


def bent_as_encoded(
    xyz: NDArray[np.float64], target_voxels: int, most: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """`bent` by voxels of the size that encoding chooses; 0 leaves the points as they are."""
    if not most:
        return xyz
    return bent(xyz, automatic_voxel_size(xyz, target_voxels=target_voxels), most, rng)


def _wavelength(
    between: tuple[float, float], rng: np.random.Generator, count: int | None = None
) -> NDArray[np.float64]:
    low, high = np.log(between)
    return np.asarray(np.exp(rng.uniform(low, high, size=count)))


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
