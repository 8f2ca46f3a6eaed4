"""Confidence intervals of means, by drawing the episodes again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000
SEED = 0
_AT_ONCE = 100


def intervals(
    sums: NDArray[np.float64], weights: NDArray[np.float64], *, level: float = 0.95
) -> NDArray[np.float64]:
    """Percentile bootstrap intervals (Efron, 1979) of ratios sum(sums) / sum(weights).

    Args:
        sums: (E, F) what each episode adds to each of F figures.
        weights: (E, F) what it counts as; 1 for a mean over episodes.
        level: Probability that an interval is to cover.

    Returns:
        (F, 2) lower and upper end.
    """
    rng = np.random.default_rng(SEED)
    episodes = len(sums)
    even = np.full(episodes, 1.0 / episodes)
    figures = []
    for _ in range(0, DRAWS, _AT_ONCE):
        times = rng.multinomial(episodes, even, size=_AT_ONCE).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            figures.append((times @ sums) / (times @ weights))
    tail = (1.0 - level) / 2.0
    ends = np.nanquantile(np.concatenate(figures), [tail, 1.0 - tail], axis=0)
    return np.asarray(ends.T, dtype=np.float64)
