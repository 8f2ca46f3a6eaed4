"""Light and camera color: shading, exposure, white balance, vignetting, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.simulation.appearance import value_noise
from clickseg3d_core.simulation.mesh import FloatArray
from clickseg3d_core.simulation.world import World


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Light:
    """Light of a scene and color response of its camera.

    Attributes:
        direction: (3,) unit vector to the light, world frame.
        ambient: Share of light that comes from everywhere.
        balance: (3,) white balance gains.
        exposure: Gain after shading.
        gamma: Exponent of the tone curve.
        noise: Standard deviation of pixel noise, of 255.
        patch: Strength of slow brightness changes over the scene.
        seed: Layout of those changes.
    """

    direction: FloatArray
    ambient: float
    balance: FloatArray
    exposure: float
    gamma: float
    noise: float
    patch: float
    seed: int


def random_light(rng: np.random.Generator) -> Light:
    """Draw an indoor or daylight illumination and a camera response."""
    direction = rng.normal(size=3)
    direction[2] = abs(direction[2]) + 0.6
    warm = rng.normal(0.0, 0.07)
    balance = np.array([1.0 + warm, 1.0 + rng.normal(0.0, 0.02), 1.0 - warm])
    return Light(
        direction=direction / np.linalg.norm(direction),
        ambient=rng.uniform(0.3, 0.8),
        balance=balance,
        exposure=rng.uniform(0.65, 1.35),
        gamma=rng.uniform(0.7, 1.15),
        noise=rng.uniform(1.5, 8.0),
        patch=rng.uniform(0.05, 0.35),
        seed=int(rng.integers(2**31)),
    )


def shade(
    world: World,
    points: FloatArray,
    face: NDArray[np.int64],
    light: Light,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Camera color of surface points.

    Args:
        world: Where the faces are.
        points: (N, 3) metres, world frame, on the surface.
        face: (N,) world face of each point.
        light: Illumination and camera response.
        rng: Pixel noise.

    Returns:
        (N, 3) uint8 RGB.
    """
    albedo = world.albedo(points, face)
    diffuse = np.abs(world.normals[face] @ light.direction)
    brightness = light.ambient + (1.0 - light.ambient) * diffuse
    seeds = np.full(len(points), light.seed, dtype=np.uint32)
    slow = value_noise(points * 1.3, seeds) - 0.5
    brightness = brightness * (1.0 + 2.0 * light.patch * slow)
    linear = albedo * brightness[:, None] * light.balance * light.exposure
    toned = 255.0 * np.clip(linear, 0.0, 1.0) ** light.gamma
    noise = rng.normal(0.0, light.noise, (len(points), 1)) * 0.8
    noise = noise + rng.normal(0.0, light.noise * 0.6, toned.shape)
    return np.asarray(np.clip(np.rint(toned + noise), 0, 255), dtype=np.uint8)
