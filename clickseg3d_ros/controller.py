"""Clouds and clicks in, views out: two threads, so that callbacks only store.

The session thread owns the session and the outputs and does what takes milliseconds. The inference
thread owns the process of the network. Neither touches what the other owns; they pass jobs.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from clickseg3d_core.errors import ClickError
from clickseg3d_core.session import Click, ClickSession
from clickseg3d_core.types import BACKGROUND_ID, Clicks, Segmentation
from clickseg3d_ros.clicking import chosen_object, locate
from clickseg3d_ros.frames import Frames
from clickseg3d_ros.inference import Inference, Task
from clickseg3d_ros.network_process import NetworkProcess
from clickseg3d_ros.parameters import NodeParameters, Settings
from clickseg3d_ros.presenter import Presenter, Screen
from clickseg3d_ros.scene import ClickRequest, Scene, View
from clickseg3d_ros.status import Status
from clickseg3d_ros.tracking import Tracker
from clickseg3d_ros.worker import Job, Worker

MAX_WAITING_CLICKS = 100


class Controller:
    """The state of an interactive session over a stream of clouds.

    Args:
        network: Used by the inference thread alone.
        frames: TF.
        parameters: Settings, read when needed.
        screen: Gets the views, in the session thread.
        status: Counts and errors go here.
        notify: Called in the session thread after something was rejected.
        on_crash: Called with an exception that is a bug.
    """

    def __init__(
        self,
        *,
        network: NetworkProcess,
        frames: Frames,
        parameters: NodeParameters,
        screen: Screen,
        status: Status,
        notify: Callable[[str], None],
        on_crash: Callable[[BaseException], None],
    ) -> None:
        self._frames = frames
        self._parameters = parameters
        self._presenter = Presenter(screen, status)
        self._status = status
        self._notify = notify
        self._session = ClickSession()
        self._tracker = Tracker()
        self._scene: Scene | None = None
        self._located: Header | None = None
        self._waiting: deque[ClickRequest] = deque()
        self._newest: PointCloud2 | None = None
        self._enabled = True
        self._has_clicked = False
        self._epoch = 0
        self._oldest_click: float | None = None
        self._session_thread = Worker("clickseg3d session", on_crash)
        self._inference = Inference(network, frames, parameters, self, self.post, on_crash)

    def close(self) -> None:
        """End both threads, after what the network computes."""
        self._session_thread.stop()
        self._inference.stop()

    def abort(self) -> None:
        """End what the network computes, with the network; `close` is still to be called."""
        self._session_thread.stop()  # first, so that nobody is told that there is no result
        self._inference.kill_network()

    # ---- from callbacks: store and return

    def take_cloud(self, message: PointCloud2) -> None:
        """Store a cloud; it takes the place of one that waits."""
        self._status.clouds_received += 1
        self._newest = message
        if self.wants_clouds:
            self._inference.prepare(message)

    def take_click(self, request: ClickRequest) -> None:
        """Store a click; none is lost."""
        self._session_thread.post(partial(self._click, request))

    def post(self, job: Job) -> None:
        """Run a job in the session thread."""
        self._session_thread.post(job)

    def post_inference(self, job: Job) -> None:
        """Run a job in the inference thread, before clouds and clicks."""
        self._inference.post(job)

    # ---- actions, in the session thread; each returns what it did or raises ClickSegError

    def undo(self) -> str:
        """Take back the last action."""
        if not self._session.undo():
            raise ClickError("there is nothing to undo")
        self._submit()
        return f"undone; {self._summary()}"

    def redo(self) -> str:
        """Do the last undone action again."""
        if not self._session.redo():
            raise ClickError("there is nothing to redo")
        self._submit()
        return f"redone; {self._summary()}"

    def reset(self) -> str:
        """Forget all clicks, release a frozen cloud and go on with the newest."""
        self._session, self._tracker = ClickSession(), Tracker()
        self._located = None if self._scene is None else self._scene.header
        self._waiting.clear()
        self._has_clicked = False
        self._epoch += 1
        self._inference.forget_task()
        self._status.click_error = self._status.result_error = ""
        self._status.lost = ()
        self._oldest_click = None
        if self._scene is not None:
            self._show_segmentation(self._scene, self._scene.unclicked(), self._session.clicks, 0.0)
        newest = self._newest
        is_held = self._scene is not None and self._scene.message is newest
        if newest is not None and not is_held and self._enabled:
            self._inference.prepare(newest)
        self.describe()
        return "no clicks, no objects"

    def new_instance(self) -> str:
        """Let the next click make a new object."""
        fresh = self._session.new_object()
        self._show_again()
        return f"the next click marks object {fresh}"

    def select_instance(self, object_id: int) -> str:
        """Make an object active, or background with 0."""
        if object_id != BACKGROUND_ID and object_id not in self.object_ids:
            raise ClickError(f"there is no object {object_id}; objects are {self.object_ids}")
        self._session.select_object(object_id)
        self._show_again()
        return f"object {object_id} is active" if object_id else "the next clicks are background"

    def remove_instance(self, object_id: int) -> str:
        """Remove an object and its clicks, or all background clicks with 0."""
        self._session.remove_object(object_id)
        self._submit()
        return f"removed object {object_id}; {self._summary()}"

    def enable(self, is_enabled: bool) -> str:
        """Take clouds and clicks, or ignore them; what there is stays."""
        self._enabled = is_enabled
        if self.wants_clouds and self._newest is not None:
            self._inference.prepare(self._newest)
        if not is_enabled:
            self._inference.forget_cloud()
        self.describe()
        return "enabled" if is_enabled else "disabled"

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Objects that have clicks."""
        return self._session.object_ids

    @property
    def view(self) -> View | None:
        """What was shown last."""
        return self._presenter.view

    @property
    def scene(self) -> Scene | None:
        """The held cloud."""
        return self._scene

    @property
    def cloud_session(self) -> ClickSession:
        """A copy of the session with positions in the frame of the held cloud."""
        state = self._session.state
        positions = self._clicks_now().positions.tolist()
        clicks = tuple(
            Click((p[0], p[1], p[2]), c.object_id)
            for p, c in zip(positions, state.clicks, strict=True)
        )
        return ClickSession(replace(state, clicks=clicks))

    # ---- clouds

    @property
    def _settings(self) -> Settings:
        return self._parameters.settings

    @property
    def wants_clouds(self) -> bool:
        """Whether a new cloud would be used. For any thread."""
        return self._enabled and not self._is_frozen

    @property
    def _is_frozen(self) -> bool:
        return self._has_clicked and self._settings.session_mode == "hold"

    def refuse_cloud(self, reason: str) -> None:
        """See `Listener`."""
        self._status.clouds_refused += 1
        self._status.cloud_error = reason
        for _ in self._drain_waiting():
            self._reject(f"the cloud was refused: {reason}")
        self._notify(f"cloud refused: {reason}")

    def adopt(self, scene: Scene) -> None:
        """See `Listener`."""
        if self._is_frozen:
            return
        self._scene = scene
        self._status.clouds_prepared += 1
        self._status.cloud_error = ""
        self._move_sensor(scene.header)
        self.describe()
        if len(self._session):
            self._submit(echo=False)
        for request in self._drain_waiting():
            self._click(request)

    def _move_sensor(self, now: Header) -> None:
        """Account for the way of the sensor since the cloud for which TF knew it last."""
        settings, before = self._settings, self._located
        if self._is_live and settings.tf_fixed_frame and before is not None:
            motion = self._frames.between(now, before, settings.tf_fixed_frame, settings.tf_timeout)
            if motion is None:
                self._notify(f"no TF to {settings.tf_fixed_frame!r}: sensor taken as at rest")
                return
            self._tracker.move_sensor(motion)
        self._located = now

    def _drain_waiting(self) -> list[ClickRequest]:
        waiting = list(self._waiting)
        self._waiting.clear()
        return waiting

    # ---- clicks

    def _click(self, request: ClickRequest) -> None:
        if request.fault:
            self._reject(request.fault)
        elif not self._enabled:
            self._reject("the node is disabled; call ~/enable")
        elif self._scene is None:
            self._wait_for_cloud(request)
        else:
            try:
                self._add(request, self._scene)
            except ClickError as error:
                self._reject(str(error))

    def _wait_for_cloud(self, request: ClickRequest) -> None:
        if self._newest is None or self._status.cloud_error:
            self._reject("there is no cloud to click on yet")
        elif len(self._waiting) >= MAX_WAITING_CLICKS:
            self._reject(f"{MAX_WAITING_CLICKS} clicks wait for the first cloud already")
        else:
            self._waiting.append(request)

    def _reject(self, reason: str) -> None:
        self._status.clicks_rejected += 1
        self._status.click_error = reason
        self._notify(f"click rejected: {reason}")

    def _add(self, request: ClickRequest, scene: Scene) -> None:
        row = locate(request, scene, self._frames, self._settings)
        view = self._presenter.view
        labels = view.segmentation.labels if view and view.scene is scene else None
        object_id = chosen_object(request.target, row, self._session, labels, self._settings)
        anchor = self._tracker.to_anchor(scene.cloud.xyz[row], object_id)
        self._session.add(anchor.tolist(), object_id)
        self._has_clicked = True
        if self._is_frozen:
            self._inference.forget_cloud()
        self._status.clicks_accepted += 1
        self._status.click_error = ""
        if self._oldest_click is None:
            self._oldest_click = request.received
        self._submit()

    # ---- results

    def _clicks_now(self) -> Clicks:
        return self._tracker.to_cloud(self._session.clicks)

    def _submit(self, *, echo: bool = True) -> None:
        """Show the clicks at once and let the newest state be computed."""
        scene = self._scene
        if scene is None:
            return
        if echo:
            self._show_again()
        self.describe()
        clicks = self._clicks_now()
        if len(clicks) == 0:
            self._epoch += 1
            self._inference.forget_task()
            self._show_segmentation(scene, scene.unclicked(), clicks, 0.0)
            return
        task = Task(
            scene=scene,
            clicks=clicks,
            made=self._session.state.clicks,
            motion=self._tracker.motion,
            epoch=self._epoch,
        )
        self._inference.segment(task)

    def take_result(self, task: Task, result: Segmentation, elapsed_ms: float) -> None:
        """See `Listener`."""
        if task.epoch != self._epoch:
            return
        status = self._status
        status.result_error = ""
        status.decode_ms = elapsed_ms
        if self._is_live:
            self._tracker.observe(result, task.made, task.motion, self._settings.track_max_step)
            missing = {c.object_id for c in task.made} - {i.id for i in result.instances}
            status.lost = tuple(sorted((self._tracker.lost | missing) - {BACKGROUND_ID}))
        self._show_segmentation(task.scene, result, task.clicks, elapsed_ms)
        is_newest = task.made == self._session.state.clicks
        if self._oldest_click is not None and is_newest:
            status.result_ms = 1e3 * (time.monotonic() - self._oldest_click)
            self._oldest_click = None

    def refuse_result(self, reason: str) -> None:
        """See `Listener`."""
        self._status.result_error = reason
        self._notify(f"no result: {reason}")

    def _show_segmentation(
        self, scene: Scene, result: Segmentation, clicks: Clicks, elapsed_ms: float
    ) -> None:
        self._presenter.show_result(
            scene,
            result,
            clicks,
            clicks=self._clicks_now(),
            active_id=self._session.current_object,
            inference_ms=elapsed_ms,
        )
        self.describe()

    def _show_again(self) -> None:
        """The last segmentation with the clicks and the active object of now."""
        if self._scene is not None:
            self._presenter.refresh(
                self._scene,
                clicks=self._clicks_now(),
                active_id=self._session.current_object,
                keep=self._is_live,
            )

    @property
    def _is_live(self) -> bool:
        return self._settings.session_mode == "live"

    def _summary(self) -> str:
        return f"objects: {', '.join(map(str, self.object_ids)) or 'none'}"

    def describe(self) -> None:
        """Bring the status up to date."""
        status = self._status
        status.objects, status.active_id = self.object_ids, self._session.current_object
        status.describe_scene(self._scene)
        if not self._enabled:
            status.mode = "disabled"
        elif self._scene is None:
            status.mode = "waiting for a cloud"
        elif self._is_frozen:
            status.mode = "holding the clicked cloud"
        else:
            status.mode = "following clicked objects" if len(self._session) else "ready for a click"
