"""Random changes of a labelled scene: pose, mirror, scale, shape, density, noise, color."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from clickseg3d_core.data.distortion import auto_contrast, elastic_distortion
from clickseg3d_core.data.painting import painted
from clickseg3d_core.data.partial import partial
from clickseg3d_core.data.scene import Scene
from clickseg3d_core.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class AugmentConfig:
    """Changes to a scene before it is voxelized.

    Attributes:
        partial: Probability that a part of the scene is shown, see `data.partial`.
        tumble: Probability of a rotation to any attitude, for networks that are given clouds as
            they come, not turned upright; else a turn about z with a small tilt.
        tilt_degrees: Standard deviation of that tilt.
        flip: Probability of a mirror image.
        scale: Range of a scale factor.
        thin: Probability of keeping a random fraction of the points only.
        thin_keep: Range of that fraction.
        elastic: Elastic distortions, one after the other: granularity and magnitude in metres.
        bend: Largest amplitude of bent surfaces, in voxels, see `distortion.bent`; 0 = none.
        jitter: Largest standard deviation of point noise, in voxels.
        paint: Probability that a scene keeps its color and gets patches of other colors, which are
            instances of their own, see `data.painting`.
        patches: How many of them at most.
        drop_color: Probability of removing color (modality dropout).
        gray: Probability of making color gray.
        retone: Whether to change exposure, contrast, gamma, white balance and saturation, and to
            add noise, as cameras differ.
        auto_contrast: Probability of stretching colors to their full range, more or less.
        color_shift: Largest shift of each color channel, of its range.
        color_noise: Standard deviation of noise per point and channel, of its range.

    Raises:
        ConfigError: if a range or a distortion is impossible.
    """

    partial: float = 0.0
    tumble: float = 0.0
    tilt_degrees: float = 2.0
    flip: float = 0.5
    scale: tuple[float, float] = (0.8, 1.25)
    thin: float = 0.4
    thin_keep: tuple[float, float] = (0.3, 0.9)
    elastic: tuple[tuple[float, float], ...] = ()
    bend: float = 0.0
    jitter: float = 0.2
    paint: float = 0.0
    patches: int = 5
    drop_color: float = 0.3
    gray: float = 0.1
    retone: bool = True
    auto_contrast: float = 0.0
    color_shift: float = 0.0
    color_noise: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.thin_keep[0] <= self.thin_keep[1] <= 1.0:
            raise ConfigError(f"augment.thin_keep must rise within 0..1, got {self.thin_keep}")
        if any(granularity <= 0.0 for granularity, _ in self.elastic):
            raise ConfigError(f"augment.elastic must have granularities above 0: {self.elastic}")


def augment(scene: Scene, settings: AugmentConfig, rng: np.random.Generator) -> Scene:
    """A randomly changed copy of a scene; labels stay with their points."""
    if settings.partial and rng.random() < settings.partial:
        scene = partial(scene, rng)
    if rng.random() < settings.thin:
        scene = _thin(scene, settings.thin_keep, rng)
    colored = scene.rgb is not None and rng.random() >= settings.drop_color
    if settings.paint and colored and rng.random() < settings.paint:
        scene = painted(scene, int(rng.integers(1, settings.patches + 1)), rng)
    xyz = scene.xyz.astype(np.float64)
    xyz = (xyz - xyz.mean(axis=0)) * rng.uniform(*settings.scale)
    if rng.random() < settings.flip:
        xyz[:, 0] = -xyz[:, 0]
    xyz = xyz @ _rotation(settings, rng).T
    for granularity, magnitude in settings.elastic:
        xyz = elastic_distortion(xyz, granularity, magnitude, rng)
    rgb = _recolor(scene.rgb, settings, rng) if colored and scene.rgb is not None else None
    return replace(scene, xyz=xyz.astype(np.float32), rgb=rgb)


def _thin(scene: Scene, fraction: tuple[float, float], rng: np.random.Generator) -> Scene:
    keep = rng.random(len(scene.xyz)) < rng.uniform(*fraction)
    if keep.sum() < 1000:
        return scene
    return scene.take(keep)


def _rotation(settings: AugmentConfig, rng: np.random.Generator) -> NDArray[np.float64]:
    if rng.random() < settings.tumble:
        matrix: NDArray[np.float64] = Rotation.random(rng=rng).as_matrix()
        return matrix
    tilt = rng.normal(0.0, settings.tilt_degrees, size=2)
    turn = Rotation.from_euler("xyz", [tilt[0], tilt[1], rng.uniform(0, 360)], degrees=True)
    return np.asarray(turn.as_matrix(), dtype=np.float64)


def _recolor(
    rgb: NDArray[np.uint8], settings: AugmentConfig, rng: np.random.Generator
) -> NDArray[np.uint8]:
    color = rgb.astype(np.float32) / 255.0
    if rng.random() < settings.gray:
        color = np.repeat(color.mean(axis=1, keepdims=True), 3, axis=1)
    if settings.retone:
        color = _retoned(color, rng)
    if settings.auto_contrast and rng.random() < settings.auto_contrast:
        color = auto_contrast(color, rng.random())
    if settings.color_shift:
        color = color + rng.uniform(-settings.color_shift, settings.color_shift, size=3)
    if settings.color_noise:
        color = color + rng.normal(0, settings.color_noise, size=color.shape)
    result: NDArray[np.uint8] = (np.clip(color, 0, 1) * 255).astype(np.uint8)
    return result


def _retoned(color: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Exposure, contrast, gamma, white balance, saturation and noise of another camera."""
    color = color ** rng.uniform(0.7, 1.4)
    mean = color.mean(axis=0)
    color = (color - mean) * rng.uniform(0.6, 1.4) + mean * rng.uniform(0.7, 1.3, size=3)
    gray = color.mean(axis=1, keepdims=True)
    color = gray + (color - gray) * rng.uniform(0.5, 1.5)
    return color + rng.normal(0, rng.uniform(0, 0.04), size=color.shape).astype(np.float32)
