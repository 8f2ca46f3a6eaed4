"""Clicked objects through a stream of clouds.

An object is followed by its own points: the shift of the mean of its points since it was clicked
moves its clicks, which mark it in the next cloud. It holds while the object moves less between two
clouds than from its clicks to its edge. It fails, and says so, when an object jumps, leaves the
view, or its points change much in number; rotation is not followed, and an object that is
uncovered bit by bit seems to move.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.session import Click
from clickseg3d_core.types import BACKGROUND_ID, Clicks, Instance, Segmentation

Vector = NDArray[np.float64]
_GROWTH = 3.0
"""An object whose points grow or shrink in number by more in one step is lost."""


@dataclass(frozen=True, slots=True, eq=False)
class _Track:
    clicks: tuple[Click, ...]
    home: Vector  # mean of the points at no shift, anchor frame
    shift: Vector
    points: int


class Tracker:
    """Where the objects of a session went.

    Clicks of the session are kept in the anchor frame: that of the first cloud, objects unmoved.
    So undo and redo stay right while objects move.
    """

    def __init__(self) -> None:
        self._tracks: dict[int, _Track] = {}
        self._motion: NDArray[np.float64] = np.eye(4)
        self.lost: frozenset[int] = frozenset()

    def to_anchor(self, position: Vector, object_id: int) -> Vector:
        """From the present cloud frame, (3,) metres."""
        rotation, translation = self._motion[:3, :3], self._motion[:3, 3]
        return np.asarray(rotation.T @ (position - translation) - self._shift(object_id))

    def to_cloud(self, clicks: Clicks) -> Clicks:
        """The session's clicks in the present cloud frame."""
        shifts = np.array([self._shift(int(i)) for i in clicks.object_ids]).reshape(-1, 3)
        moved = (clicks.positions + shifts) @ self._motion[:3, :3].T + self._motion[:3, 3]
        return Clicks(moved, clicks.object_ids)

    @property
    def motion(self) -> NDArray[np.float64]:
        """T_cloud_anchor, (4, 4): how the sensor moved since the anchor."""
        return self._motion

    def move_sensor(self, motion: NDArray[np.float64]) -> None:
        """Account for a new cloud whose frame moved.

        Args:
            motion: T_new_old, (4, 4).
        """
        self._motion = motion @ self._motion

    def observe(
        self,
        segmentation: Segmentation,
        clicks: tuple[Click, ...],
        motion: NDArray[np.float64],
        max_step: float,
    ) -> None:
        """Learn from a result where the objects are.

        Args:
            segmentation: Of a cloud.
            clicks: The session's clicks that gave it.
            motion: What `motion` was for that cloud, (4, 4).
            max_step: An object whose points moved farther is lost, metres.
        """
        lost = set()
        for instance in segmentation.instances:
            own = tuple(c for c in clicks if c.object_id == instance.id)
            track = self._followed(instance, own, motion, max_step)
            if track is None:
                lost.add(instance.id)
            else:
                self._tracks[instance.id] = track
        self.lost = frozenset(lost)

    def _followed(
        self,
        instance: Instance,
        clicks: tuple[Click, ...],
        motion: NDArray[np.float64],
        max_step: float,
    ) -> _Track | None:
        """The track with this sight of the object, or None if it cannot be the same."""
        if instance.point_count == 0:
            return None
        now = motion[:3, :3].T @ (instance.centroid - motion[:3, 3])
        track = self._tracks.get(instance.id)
        if track is None or track.clicks != clicks:
            shift = self._shift(instance.id)
            return _Track(clicks, now - shift, shift, instance.point_count)
        growth = instance.point_count / track.points
        shift = now - track.home
        if np.linalg.norm(shift - track.shift) > max_step or not 1 / _GROWTH < growth < _GROWTH:
            return None
        return _Track(clicks, track.home, shift, instance.point_count)

    def _shift(self, object_id: int) -> Vector:
        track = self._tracks.get(object_id)
        if object_id == BACKGROUND_ID or track is None:
            return np.zeros(3)
        return track.shift
