"""Parts of labelled scans, as users have them: cut out, without ground or neighbors.

A car comes without the road it stood on, a table without its room.
What tells an object's extent in a whole scan, like its height above the floor, is not there then.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.data.scene import Scene

_CUT, _DROPPED = 0.5, 0.5
"""Probability of each."""
_REACH = (0.1, 0.6)
"""Of what is cut out, to each side, as part of the scan's."""
_LARGE = 0.4
"""Part of the scan's size from which an instance is a surface that things stand on or before."""
_MOST_DROPPED = 0.8
_LEAST_POINTS, _LEAST_OF_OBJECT = 1500, 30
_TRIES = 5


def partial(scene: Scene, rng: np.random.Generator) -> Scene:
    """Some of the points of a scan; ids stay.

    A ball or an upright column around a point is cut out, large surfaces and other instances are
    dropped, or both. A scan of which too little would be left stays as it is.

    Args:
        scene: Whole scan, z up.
        rng: Draws all of it.
    """
    for _ in range(_TRIES):
        kept = np.ones(len(scene), dtype=np.bool_)
        if rng.random() < _CUT:
            kept &= _around(scene, rng)
        if rng.random() < _DROPPED:
            kept &= _left(scene, rng)
        largest = np.bincount(scene.instance[kept], minlength=1)[1:].max(initial=0)
        if kept.sum() >= _LEAST_POINTS and largest >= _LEAST_OF_OBJECT:
            return scene.take(kept)
    return scene


def _around(scene: Scene, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(N,) what lies near a point of an instance, each being as likely to be it."""
    ids = np.unique(scene.instance)
    middle = scene.xyz[rng.choice(np.flatnonzero(scene.instance == rng.choice(ids)))]
    low, high = np.log(_REACH)
    reach = _size(scene.xyz) * np.exp(rng.uniform(low, high))
    axes = 3 if rng.random() < 0.5 else 2
    away = (scene.xyz - middle)[:, :axes].astype(np.float64)
    return np.asarray(np.linalg.norm(away, axis=1) < reach)


def _left(scene: Scene, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(N,) what is left when large surfaces go, each with even odds, and some of the rest."""
    size = _LARGE * _size(scene.xyz)
    rarely = rng.uniform(0.0, _MOST_DROPPED)
    kept = np.ones(len(scene), dtype=np.bool_)
    for instance in np.unique(scene.instance):
        own = scene.instance == instance
        if rng.random() < (0.5 if _size(scene.xyz[own]) > size else rarely):
            kept &= ~own
    return kept


def _size(xyz: NDArray[np.float32]) -> float:
    """Metres along the longest axis, but for a few points far off."""
    low, high = np.percentile(xyz, [2.0, 98.0], axis=0)
    return float((high - low).max())
