"""Things that only color tells from what they lie on, painted onto labelled scans.

A network that learns where objects end from their shape takes a poster, a rug or a flush door for
the wall or the floor. Flat parts of large things get patches of another color, which become
instances of their own. Small things get none: what is printed on a packet belongs to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.classes import CLASS_IDS
from clickseg3d_core.data.scene import Scene

_LEAST_POINTS, _LEAST_OF_PATCH = 300, 40
_LARGEST_PART = 0.5
_FLAT = 0.06
"""Thickness over the smaller side, as standard deviations, of what counts as flat."""
_TRIES = 4
_PAINTED = tuple(
    CLASS_IDS[name]
    for name in ("wall", "floor", "ceiling", "door", "cabinet", "table", "counter", "appliance")
)
_SMALLEST = 0.6
"""Metres that a thing reaches at least to be painted."""
_PICTURE = CLASS_IDS["picture"]
_WALL = CLASS_IDS["wall"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Patch:
    """Where a patch lies: rows of the scene (M,), and their places in it (M, 2) in -1..1."""

    rows: NDArray[np.int64]
    places: NDArray[np.float64]


def painted(scene: Scene, patches: int, rng: np.random.Generator) -> Scene:
    """A copy of a colored scene with patches of other colors on flat parts of its large things.

    Patches on walls are of class picture, others of no known class.

    Args:
        scene: With color.
        patches: How many at most; fewer where little is flat.
        rng: Draws all of it.
    """
    assert scene.rgb is not None
    can_be = np.isin(scene.instance_class[scene.instance], _PAINTED) & (scene.instance > 0)
    ids, counts = np.unique(scene.instance[can_be], return_counts=True)
    large = counts >= _LEAST_POINTS
    if not large.any():
        return scene
    ids, weight = ids[large], np.sqrt(counts[large])
    rgb, instance = scene.rgb.copy(), scene.instance.copy()
    classes = [scene.instance_class]
    for _ in range(patches):
        owner = int(rng.choice(ids, p=weight / weight.sum()))
        patch = _flat_patch(scene.xyz, np.flatnonzero(instance == owner), rng)
        if patch is None:
            continue
        rgb[patch.rows] = _repainted(rgb[patch.rows], patch.places, rng)
        instance[patch.rows] = sum(len(c) for c in classes)
        is_wall = scene.instance_class[owner] == _WALL
        classes.append(np.array([_PICTURE if is_wall else -1], scene.instance_class.dtype))
    return replace(scene, rgb=rgb, instance=instance, instance_class=np.concatenate(classes))


def _flat_patch(
    xyz: NDArray[np.float32], rows: NDArray[np.int64], rng: np.random.Generator
) -> _Patch | None:
    """A rectangle or ellipse on a flat part of the points `rows`, upright on upright ones."""
    points = xyz[rows].astype(np.float64)
    reach = float(np.ptp(points, axis=0).max())
    if reach < _SMALLEST:
        return None
    for _ in range(_TRIES):
        middle = points[rng.integers(len(points))]
        half = reach * np.exp(rng.uniform(np.log(0.04), np.log(0.25), size=2))
        offset = points - middle
        near = np.flatnonzero(np.linalg.norm(offset, axis=1) < np.linalg.norm(half))
        if len(near) < _LEAST_OF_PATCH:
            continue
        axes, sizes = _plane(offset[near], rng)
        if sizes[0] > _FLAT * sizes[1]:
            continue
        local = offset[near] @ axes.T  # (M, 3): across, along, off the plane
        places = local[:, :2] / half
        round_patch = rng.random() < 0.2
        span = np.linalg.norm(places, axis=1) if round_patch else np.abs(places).max(axis=1)
        inside = (span < 1.0) & (np.abs(local[:, 2]) < 4.0 * sizes[0] + 1e-3)
        if _LEAST_OF_PATCH <= inside.sum() <= _LARGEST_PART * len(points):
            return _Patch(rows=rows[near[inside]], places=places[inside])
    return None


def _plane(
    offset: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(3, 3) rows across, along and off the plane through points, and (3,) deviations, rising."""
    centered = offset - offset.mean(axis=0)
    values, vectors = np.linalg.eigh(centered.T @ centered / len(centered))
    normal = vectors[:, 0]
    if abs(normal[2]) < 0.7:
        across = np.cross([0.0, 0.0, 1.0], normal)
    else:
        turn = rng.uniform(0.0, np.pi)
        across = np.cross([np.cos(turn), np.sin(turn), 0.0], normal)
    across /= np.linalg.norm(across)
    axes = np.stack([across, np.cross(normal, across), normal])
    return axes, np.sqrt(np.maximum(values, 0.0))


def _repainted(
    rgb: NDArray[np.uint8], places: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Colors of a patch: others, with the light and noise of the old; often a pattern."""
    color = rgb.astype(np.float64) / 255.0
    mean = color.mean(axis=0)
    new = _another(mean, rng)
    change = np.tile(new - mean, (len(color), 1))
    if rng.random() < 0.5:
        waves = rng.normal(0.0, 3.0, size=(3, 2))
        height = np.sin(places @ waves.T + rng.uniform(0.0, 6.0, size=3)).sum(axis=1)
        change[height > rng.uniform(-0.5, 1.0)] = _another(mean, rng) - mean
    if rng.random() < 0.3:
        frame = np.abs(places).max(axis=1) > rng.uniform(0.75, 0.92)
        change[frame] = _another(mean, rng) - mean
    result: NDArray[np.uint8] = (np.clip(color + change, 0.0, 1.0) * 255).astype(np.uint8)
    return result


def _another(mean: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """(3,) a color in 0..1 that a person would tell from `mean`."""
    for _ in range(20):
        step = rng.normal(size=3) * (0.4, 0.4, 0.4) + rng.normal() * 0.5
        step *= np.exp(rng.uniform(np.log(0.16), np.log(0.9))) / np.linalg.norm(step)
        color: NDArray[np.float64] = np.clip(mean + step, 0.02, 0.98)
        if np.linalg.norm(color - mean) > 0.14:
            return color
    return np.where(mean > 0.5, mean - 0.4, mean + 0.4)
