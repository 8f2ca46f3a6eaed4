"""The simulated users of the protocols."""

from __future__ import annotations

from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.clicks import SimulatedClick
from clickseg3d_core.evaluation.error_depths import ErrorDepths


class User(Interface):
    """Who clicks. Rows and labels are those of the points that the user sees."""

    def first(self, truth: NDArray[np.int64]) -> list[SimulatedClick]:
        """Clicks on nothing but background: at most one per object.

        Args:
            truth: (U,) int64, 0 = background.
        """

    def next(
        self, truth: NDArray[np.int64], prediction: NDArray[np.int64]
    ) -> SimulatedClick | None:
        """One more click.

        Args:
            truth: (U,) int64, 0 = background.
            prediction: (U,) int64.

        Returns:
            None if the user is content.
        """


class InnermostUser:
    """AGILE3D's user: the middle of the largest group of errors; background where too much is in.

    Args:
        depths: The points that the user sees.
        missed_first: Of equally large groups take what was missed, as InterObject3D's user does.
    """

    def __init__(self, depths: ErrorDepths, *, missed_first: bool = False) -> None:
        self._depths, self._missed_first = depths, missed_first

    def first(self, truth: NDArray[np.int64]) -> list[SimulatedClick]:
        """The innermost point of every object, see `User`."""
        return self._depths.every_group(truth, np.zeros_like(truth))

    def next(
        self, truth: NDArray[np.int64], prediction: NDArray[np.int64]
    ) -> SimulatedClick | None:
        """The innermost point of the largest group of errors, see `User`."""
        return self._depths.largest_group(truth, prediction, last_of_equals=self._missed_first)


class CentroidUser:
    """SNAP's user: the object's middle, then missed points at random. Never clicks background.

    Args:
        xyz: (U, 3) float64, metres: the points that the user sees.
        rng: Draws the missed points.
    """

    def __init__(self, xyz: NDArray[np.float64], rng: np.random.Generator) -> None:
        self._xyz = xyz
        self._rng = rng

    def first(self, truth: NDArray[np.int64]) -> list[SimulatedClick]:
        """The point of each object that is nearest to its centroid, see `User`."""
        clicks = []
        for label in np.unique(truth[truth > 0]):
            rows = np.flatnonzero(truth == label)
            own = self._xyz[rows]
            away = np.linalg.norm(own - own.mean(axis=0), axis=1)
            row = int(rows[int(np.argmin(away))])
            clicks.append(SimulatedClick(index=row, label=int(label), depth=0.0))
        return clicks

    def next(
        self, truth: NDArray[np.int64], prediction: NDArray[np.int64]
    ) -> SimulatedClick | None:
        """A random missed point, or a random point of the object if none is missed, see `User`."""
        missed = np.flatnonzero((truth > 0) & (prediction != truth))
        rows = missed if len(missed) else np.flatnonzero(truth > 0)
        if len(rows) == 0:
            return None
        row = int(self._rng.choice(rows))
        return SimulatedClick(index=row, label=int(truth[row]), depth=0.0)
