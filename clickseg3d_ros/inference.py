"""The inference thread: makes clouds ready for clicks and runs the decoder, newest first."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2

from clickseg3d_core.errors import ClickSegError, CloudError
from clickseg3d_core.session import Click
from clickseg3d_core.types import Clicks, Segmentation
from clickseg3d_ros.frames import Frames
from clickseg3d_ros.network_process import NetworkLostError, NetworkProcess
from clickseg3d_ros.parameters import NodeParameters
from clickseg3d_ros.scene import Scene, prepare_scene
from clickseg3d_ros.worker import Job, Worker


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Task:
    """One pass of the decoder.

    Attributes:
        scene: The cloud.
        clicks: In its frame.
        made: The same as the session has them.
        motion: How the sensor had moved by that cloud, (4, 4).
        epoch: Results of an earlier epoch are not shown.
    """

    scene: Scene
    clicks: Clicks
    made: tuple[Click, ...]
    motion: NDArray[np.float64]
    epoch: int


class Listener(Protocol):
    """Hears in the session thread what the inference thread did."""

    @property
    def wants_clouds(self) -> bool:
        """Whether a new cloud would be used. For any thread."""

    def adopt(self, scene: Scene) -> None:
        """A cloud is ready for clicks."""

    def describe(self) -> None:
        """The held cloud has been encoded."""

    def refuse_cloud(self, reason: str) -> None:
        """A cloud cannot be used."""

    def take_result(self, task: Task, result: Segmentation, elapsed_ms: float) -> None:
        """A task is done; the decoder took so many milliseconds."""

    def refuse_result(self, reason: str) -> None:
        """There is no result, or no encoding."""


class Inference:
    """Owns the network; for every slot the newest job wins.

    Args:
        network: Used by this thread alone.
        frames: TF.
        parameters: Settings, read when needed.
        listener: Gets what was done.
        post: Runs a job in the session thread.
        on_crash: Called with an exception that is a bug.
    """

    def __init__(
        self,
        network: NetworkProcess,
        frames: Frames,
        parameters: NodeParameters,
        listener: Listener,
        post: Callable[[Job], None],
        on_crash: Callable[[BaseException], None],
    ) -> None:
        self._network = network
        self._frames = frames
        self._parameters = parameters
        self._listener = listener
        self._report = post
        self._next_prepare = 0.0
        self._worker = Worker("clickseg3d inference", on_crash)

    def post(self, job: Job) -> None:
        """Run a job before clouds and clicks."""
        self._worker.post(job)

    def prepare(self, message: PointCloud2) -> None:
        """Make a cloud ready, as soon as `input.max_rate` allows."""
        job = partial(self._prepare, message)
        self._worker.replace("cloud", job, not_before=self._next_prepare)

    def segment(self, task: Task) -> None:
        """Run the decoder."""
        self._worker.replace("segment", partial(self._segment, task))

    def forget_cloud(self) -> None:
        """Do not prepare the cloud that waits."""
        self._worker.clear("cloud")

    def forget_task(self) -> None:
        """Do not do the task that waits."""
        self._worker.clear("segment")

    def stop(self) -> None:
        """End after what runs."""
        self._worker.stop()

    def kill_network(self) -> None:
        """Let what the network computes fail at once."""
        self._network.kill()

    def _prepare(self, message: PointCloud2) -> None:
        listener = self._listener
        if not listener.wants_clouds:
            return
        settings = self._parameters.settings
        self._next_prepare = time.monotonic() + 1.0 / settings.input_max_rate
        try:
            scene = prepare_scene(message, settings.input_max_points)
            self._report(partial(listener.adopt, scene))
            if settings.session_precompute and listener.wants_clouds:
                scene.encode(self._network, self._frames, settings)
                self._report(listener.describe)
        except CloudError as error:
            self._report(partial(listener.refuse_cloud, str(error)))
        except NetworkLostError as error:
            self._report(partial(listener.refuse_result, str(error)))

    def _segment(self, task: Task) -> None:
        settings = self._parameters.settings
        try:
            encoding = task.scene.encode(self._network, self._frames, settings)
            reach = max(settings.track_max_step, settings.click_snap_radius)
            clicks = _on_cloud(task.scene, task.clicks, reach)
            start = time.perf_counter()
            result = self._network.segment(encoding, clicks)
        except ClickSegError as error:
            self._report(partial(self._listener.refuse_result, str(error)))
        else:
            elapsed_ms = 1e3 * (time.perf_counter() - start)
            self._report(partial(self._listener.take_result, task, result, elapsed_ms))


def _on_cloud(scene: Scene, clicks: Clicks, reach: float) -> Clicks:
    """Clicks moved to the nearest point; those with none in reach are left out."""
    distances, index = (np.asarray(a) for a in scene.tree.query(clicks.positions))
    near = distances <= reach
    return Clicks(scene.cloud.xyz[scene.rows[index[near]]], clicks.object_ids[near])
