"""Light and camera color: lamps, shadows, exposure, white balance, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.simulation.mesh import FloatArray
from clickseg3d_core.simulation.patterns import value_noise
from clickseg3d_core.simulation.raycast import Caster
from clickseg3d_core.simulation.world import World

_GAP = 0.02


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Light:
    """Light of a scene and color response of its camera.

    Attributes:
        direction: (3,) unit vector to the sun or sky, world frame.
        lamps: (L, 3) float64 places of lamps as shares 0..1 of the scan's extent.
        lamp_share: Share of the directed light that comes from the lamps.
        shadow: Share of directed light that a blocked point loses.
        ambient: Share of light that comes from everywhere.
        balance: (3,) white balance gains.
        exposure: Gain after shading.
        gamma: Exponent of the tone curve.
        noise: Standard deviation of pixel noise, of 255.
        patch: Strength of slow brightness changes over the scene.
        seed: Layout of those changes.
    """

    direction: FloatArray
    lamps: FloatArray
    lamp_share: float
    shadow: float
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
    count = int(rng.choice([0, 1, 2, 3], p=[0.3, 0.3, 0.25, 0.15]))
    lamps = rng.uniform([0.1, 0.1, 0.75], [0.9, 0.9, 1.05], (count, 3))
    return Light(
        direction=direction / np.linalg.norm(direction),
        lamps=lamps,
        lamp_share=rng.uniform(0.5, 1.0) if count else 0.0,
        shadow=rng.uniform(0.3, 1.0),
        ambient=rng.uniform(0.3, 0.85),
        balance=balance,
        exposure=rng.uniform(0.65, 1.7),
        gamma=rng.uniform(0.7, 1.15),
        noise=8.0 * 0.06 ** rng.random(),
        patch=rng.uniform(0.05, 0.35),
        seed=int(rng.integers(2**31)),
    )


def _lit(
    caster: Caster | None, points: FloatArray, away: FloatArray, light: Light, spread: FloatArray
) -> FloatArray:
    """(N,) share of directed light that arrives from (N, 3) vectors `away` to its source.

    `spread` (N, 3) metres jolts the source, which gives shadows soft edges.
    """
    if caster is None:
        return np.ones(len(points))
    target = away + spread
    length = np.linalg.norm(target, axis=1)
    direction = target / (length[:, None] + 1e-9)
    reach, _ = caster.cast(points + _GAP * direction, direction)
    return np.where(reach < length - 2.0 * _GAP, 1.0 - light.shadow, 1.0)


def _directed(
    caster: Caster | None,
    points: FloatArray,
    normal: FloatArray,
    light: Light,
    rng: np.random.Generator,
) -> FloatArray:
    """(N,) directed light: sun or sky, and lamps that fade with distance."""
    spread = rng.normal(0.0, 0.1, (len(points), 3))
    far = np.broadcast_to(light.direction * 8.0, points.shape)
    sun = np.abs(normal @ light.direction) * _lit(caster, points, far, light, spread * 5.0)
    if not len(light.lamps):
        return np.asarray(sun)
    low, high = np.percentile(points, [1.0, 99.0], axis=0)
    glow = np.zeros(len(points))
    for lamp in light.lamps:
        away = low + lamp * (high - low) - points
        distance = np.linalg.norm(away, axis=1) + 1e-9
        facing = np.abs(np.einsum("ij,ij->i", away, normal)) / distance
        fade = 2.2 / (1.0 + 0.25 * distance**2)
        glow += fade * facing * _lit(caster, points, away, light, spread)
    return (1.0 - light.lamp_share) * sun + light.lamp_share * glow / len(light.lamps)


def shade(
    world: World,
    points: FloatArray,
    face: NDArray[np.int64],
    light: Light,
    rng: np.random.Generator,
    *,
    caster: Caster | None = None,
) -> NDArray[np.uint8]:
    """Camera color of surface points.

    Args:
        world: Where the faces are.
        points: (N, 3) metres, world frame, on the surface.
        face: (N,) world face of each point.
        light: Illumination and camera response.
        rng: Pixel noise.
        caster: Rays into the world, for shadows; None leaves them out.

    Returns:
        (N, 3) uint8 RGB.
    """
    albedo = world.albedo(points, face)
    directed = _directed(caster, points, world.normals[face], light, rng)
    brightness = light.ambient + (1.0 - light.ambient) * directed
    seeds = np.full(len(points), light.seed, dtype=np.uint32)
    slow = value_noise(points * 1.3, seeds) - 0.5
    brightness = brightness * (1.0 + 2.0 * light.patch * slow)
    linear = albedo * brightness[:, None] * light.balance
    gain = (0.4 / max(float(linear.mean()), 1e-3)) ** 0.7  # automatic exposure
    linear *= gain * light.exposure
    toned = 255.0 * np.clip(linear, 0.0, 1.0) ** light.gamma
    noise = rng.normal(0.0, light.noise, (len(points), 1)) * 0.8
    noise = noise + rng.normal(0.0, light.noise * 0.6, toned.shape)
    return np.asarray(np.clip(np.rint(toned + noise), 0, 255), dtype=np.uint8)
