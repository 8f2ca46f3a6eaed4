"""A scene made ready for episodes: cut, thinned, given to the method, seen by the user."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.data.scene import Scene
from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.evaluation.episode import Course, play
from clickseg3d_core.evaluation.error_depths import ErrorDepths
from clickseg3d_core.evaluation.methods import Method, Prepared
from clickseg3d_core.evaluation.protocol import Protocol
from clickseg3d_core.evaluation.user import CentroidUser, InnermostUser, User
from clickseg3d_core.evaluation.view import View, protocol_view, view_of
from clickseg3d_core.types import PointCloud


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """An object of an episode, as the cloud that the episode is played on shows it.

    Attributes:
        id: Instance id in the scene.
        class_name: "" = unknown.
        points: Its points.
        seen: Its points that the user sees.
        extent: Diagonal of its bounding box, metres.
    """

    id: int
    class_name: str
    points: int
    seen: int
    extent: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Staged:
    xyz: NDArray[np.float64]
    instance: NDArray[np.int32]
    prepared: Prepared
    view: View
    depths: ErrorDepths | None
    encode_s: float


class Stage:
    """Plays episodes on one scene; the method's work on a cloud is done once.

    Args:
        scene: The labelled scan.
        method: Answers the clicks.
        protocol: The rules.
        seed: Seed of users who click at random.
    """

    def __init__(self, scene: Scene, method: Method, protocol: Protocol, seed: int) -> None:
        self._scene, self._method, self._protocol, self._seed = scene, method, protocol, seed
        self._known: set[int] = set(np.unique(scene.instance).tolist())
        self._whole: _Staged | None = None

    def play(
        self, key: str, ids: Sequence[int], class_names: Sequence[str]
    ) -> tuple[Course | None, tuple[Target, ...], float | None]:
        """Play one episode.

        Args:
            key: Name of the episode; with the seed it fixes all chance.
            ids: Instance ids of its O objects.
            class_names: Their classes.

        Returns:
            The course, None if the protocol leaves the object out; the objects; and seconds that
            the method's work on the cloud took, None if it had been done before.

        Raises:
            FileFormatError: if an object has no point in the scene.
        """
        missing = set(ids) - self._known
        if missing:
            raise FileFormatError(
                f"episode {key!r} names object {min(missing)}, which has no point in its scene; "
                "the list belongs to other scans"
            )
        done_before = self._whole is not None and self._protocol.crop is None
        staged = self._staged(ids)
        truth = np.zeros(len(staged.xyz), dtype=np.int64)
        for number, instance in enumerate(ids, start=1):
            truth[staged.instance == instance] = number
        targets = tuple(
            _target(staged, truth, number, int(instance), name)
            for number, (instance, name) in enumerate(zip(ids, class_names, strict=True), start=1)
        )
        encode_s = None if done_before else staged.encode_s
        if max(target.points for target in targets) < self._protocol.min_points:
            return None, targets, encode_s
        user = self._user(staged, key)
        course = play(
            self._protocol, user, staged.prepared.segment, staged.xyz, staged.view, truth, len(ids)
        )
        return course, targets, encode_s

    def _user(self, staged: _Staged, key: str) -> User:
        if staged.depths is not None:
            return InnermostUser(staged.depths, missed_first=self._protocol.missed_first)
        rng = np.random.default_rng([self._seed, zlib.crc32(key.encode())])
        return CentroidUser(staged.xyz[staged.view.rows], rng)

    def _staged(self, ids: Sequence[int]) -> _Staged:
        if self._protocol.crop is not None:
            return self._stage(_square(self._scene, ids, self._protocol.crop))
        if self._whole is None:
            self._whole = self._stage(np.arange(len(self._scene.xyz)))
        return self._whole

    def _stage(self, rows: NDArray[np.int64]) -> _Staged:
        protocol, scene = self._protocol, self._scene
        if protocol.thinned and protocol.voxel_size is not None:
            rows = rows[protocol_view(scene.xyz[rows], protocol.voxel_size).rows]
        xyz = scene.xyz[rows]
        cloud = PointCloud(xyz.astype(np.float64), None if scene.rgb is None else scene.rgb[rows])
        started = time.perf_counter()
        prepared = self._method.prepare(cloud, scene.up)
        encode_s = time.perf_counter() - started
        if protocol.thinned:
            view = view_of(np.arange(len(xyz)))
        elif protocol.voxel_size is None:
            view = view_of(prepared.owner)
        else:
            view = protocol_view(xyz, protocol.voxel_size)
        innermost = protocol.user == "innermost"
        return _Staged(
            xyz=cloud.xyz,
            instance=scene.instance[rows],
            prepared=prepared,
            view=view,
            depths=ErrorDepths(cloud.xyz[view.rows]) if innermost else None,
            encode_s=encode_s,
        )


def _square(scene: Scene, ids: Sequence[int], edge: float) -> NDArray[np.int64]:
    """Rows in the square of an edge in metres around the objects' bounding box, all heights."""
    own = scene.xyz[np.isin(scene.instance, list(ids))]
    plane = scene.xyz[:, :2].astype(np.float64)
    center = (own[:, :2].min(axis=0).astype(np.float64) + own[:, :2].max(axis=0)) / 2.0
    return np.flatnonzero((np.abs(plane - center) <= edge / 2.0).all(axis=1))


def _target(
    staged: _Staged, truth: NDArray[np.int64], number: int, instance: int, class_name: str
) -> Target:
    own = staged.xyz[truth == number]
    return Target(
        id=instance,
        class_name=class_name,
        points=len(own),
        seen=int((truth[staged.view.rows] == number).sum()),
        extent=float(np.linalg.norm(np.ptp(own, axis=0))) if len(own) else 0.0,
    )
