"""A closer look at objects that are small beside their cloud.

The voxels of a room that a camera sees from its table are 2 cm wide, while the points on the table
lie 2 mm apart. What has been answered in such voxels is answered again in the part of the cloud
around it, in finer ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.answer import NOBODY, described
from clickseg3d_core.segmenter import ClickSegmenter, Encoding
from clickseg3d_core.types import BACKGROUND_ID, Clicks, PointCloud, Segmentation
from clickseg3d_core.voxels import automatic_voxel_size

FINER = 0.45
"""A part is looked at if its voxels are at most so much of the cloud's."""
AROUND = 2.0
"""Radius of the part around an object, in radii of the object,"""
LEAST_AROUND = 12.0
"""and at least so many voxels beyond it."""

_VOXELS = 0.5
"""Voxels of a part, of those that a cloud gets."""
_STEP = 1.5
"""Radii are powers of it, so that the same part serves again after another click."""
_LATTICE = 0.25
"""Step of the centers, in radii."""
_SLACK = 1.3
"""What a part is made larger by for that; above 1 / (1 - _LATTICE * sqrt(3) / 2)."""
_KEPT = 8
"""Parts that are kept of each cloud."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Place:
    """Objects that lie together.

    Attributes:
        center: (3,) float64, metres, frame of the cloud.
        radius: Metres.
        ids: Of the objects.
    """

    center: NDArray[np.float64]
    radius: float
    ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Part:
    """What lies in a ball.

    Attributes:
        rows: (N',) int64 points of the cloud.
        encoding: Of them; None where the voxels would not be finer.
    """

    rows: NDArray[np.int64]
    encoding: Encoding | None


class CloseUp(ClickSegmenter):
    """A segmenter that looks closer.

    The first answer in a part of the cloud costs an encoding of that part. The same cloud and
    clicks give the same labels, whatever was asked before.
    """

    def segment(self, encoding: Encoding, clicks: Clicks) -> Segmentation:
        """See `ClickSegmenter.segment`."""
        whole = super().segment(encoding, clicks)
        if not whole.instances:
            return whole
        labels, probabilities = whole.labels.copy(), whole.probabilities.copy()
        named = {i.id: (i.class_name, i.class_score) for i in whole.instances}
        for place in places(encoding, clicks, whole):
            part = self._part(encoding, place)
            if part.encoding is None:
                continue
            fine = super().segment(part.encoding, _within(clicks, place))
            taken = np.isin(labels[part.rows], place.ids) | np.isin(fine.labels, place.ids)
            rows = part.rows[taken]
            labels[rows], probabilities[rows] = fine.labels[taken], fine.probabilities[taken]
            own = [i for i in fine.instances if i.id in place.ids]
            named |= {i.id: (i.class_name, i.class_score) for i in own}
        owner = np.searchsorted(clicks.objects, labels)
        owner[labels == BACKGROUND_ID] = NOBODY
        names = [named[i] for i in clicks.objects.tolist()]
        return described(encoding.cloud, encoding.upright, clicks, owner, probabilities, names)

    def _part(self, encoding: Encoding, place: Place) -> Part:
        """The part of a cloud around a place, encoded when first asked for."""
        parts = encoding.parts
        key = (*place.center.tolist(), place.radius)
        if key not in parts:
            parts[key] = self._encoded(encoding, place)
        part: Part = parts.pop(key)
        parts[key] = part  # the last used one comes last
        while len(parts) > _KEPT:
            del parts[next(iter(parts))]
        return part

    def _encoded(self, encoding: Encoding, place: Place) -> Part:
        cloud = encoding.cloud
        with np.errstate(invalid="ignore"):
            away = np.linalg.norm(cloud.xyz - place.center, axis=1)
        rows = np.flatnonzero(away <= place.radius)
        target = int(_VOXELS * self.config.target_voxels)
        size = automatic_voxel_size(cloud.xyz[rows], target_voxels=target)
        if size > FINER * encoding.voxel_size:
            return Part(rows=rows, encoding=None)
        own = PointCloud(
            cloud.xyz[rows],
            None if cloud.rgb is None else cloud.rgb[rows],
            None if cloud.normals is None else cloud.normals[rows],
        )
        return Part(rows=rows, encoding=self.encode(own, size, encoding.upright[2]))


def places(encoding: Encoding, clicks: Clicks, result: Segmentation) -> list[Place]:
    """Where the clicked objects are; objects whose surroundings overlap share a place."""
    found: list[Place] = []
    for object_id in clicks.objects.tolist():
        points = encoding.cloud.xyz[result.labels == object_id]
        own = np.concatenate([points, clicks.positions[clicks.object_ids == object_id]])
        center = (own.min(axis=0) + own.max(axis=0)) / 2.0
        radius = float(np.linalg.norm(own - center, axis=1).max())
        radius = max(AROUND * radius, radius + LEAST_AROUND * encoding.voxel_size)
        found = _joined([*found, Place(center=center, radius=radius, ids=(object_id,))])
    return [_settled(place) for place in found]


def _joined(found: list[Place]) -> list[Place]:
    """The last place becomes one with those that it overlaps, and again with what is larger now."""
    *rest, last = found
    for number, other in enumerate(rest):
        gap = other.center - last.center
        apart = float(np.linalg.norm(gap))
        if apart < other.radius + last.radius:
            radius = max(other.radius, last.radius, (apart + other.radius + last.radius) / 2.0)
            share = np.clip((radius - last.radius) / apart, 0.0, 1.0) if apart else 0.0
            both = Place(
                center=last.center + share * gap, radius=radius, ids=(*other.ids, *last.ids)
            )
            return _joined([*rest[:number], *rest[number + 1 :], both])
    return found


def _settled(place: Place) -> Place:
    """A place around it that stays where it is when the objects change a little."""
    radius = float(_STEP ** np.ceil(np.log(_SLACK * place.radius) / np.log(_STEP)))
    step = _LATTICE * radius
    return replace(place, center=np.round(place.center / step) * step, radius=radius)


def _within(clicks: Clicks, place: Place) -> Clicks:
    near = np.linalg.norm(clicks.positions - place.center, axis=1) <= place.radius
    return Clicks(clicks.positions[near], clicks.object_ids[near])
