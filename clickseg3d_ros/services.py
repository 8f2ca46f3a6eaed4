"""The node's services: each waits, without blocking the executor, for a thread to do its job."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rclpy.task import Future
from std_srvs.srv import SetBool, Trigger

from clickseg3d_core.errors import ClickError, ClickSegError
from clickseg3d_ros.controller import Controller
from clickseg3d_ros.frames import Frames
from clickseg3d_ros.network_process import NetworkProcess
from clickseg3d_ros.saving import save_session
from clickseg3d_ros.segment_service import answer
from clickseg3d_ros.srv import RemoveInstance, Segment, SelectInstance

Action = Callable[[Controller], str]


class Services:
    """Makes the services of a node.

    Args:
        node: With `parameters`.
        controller: Does what is asked.
        network: For ~/segment, used by the inference thread.
        frames: TF.
    """

    def __init__(
        self, node: Any, controller: Controller, network: NetworkProcess, frames: Frames
    ) -> None:
        self._node = node
        self._controller = controller
        self._network = network
        self._frames = frames
        triggers: dict[str, Action] = {
            "~/undo": Controller.undo,
            "~/redo": Controller.redo,
            "~/reset": Controller.reset,
            "~/new_instance": Controller.new_instance,
            "~/save_session": self._save,
        }
        self._services = [
            node.create_service(Trigger, name, partial(self._on_trigger, action))
            for name, action in triggers.items()
        ]
        self._services += [
            node.create_service(SetBool, "~/enable", self._on_enable),
            node.create_service(SelectInstance, "~/select_instance", self._on_select),
            node.create_service(RemoveInstance, "~/remove_instance", self._on_remove),
            node.create_service(Segment, "~/segment", self._on_segment),
        ]

    def close(self) -> None:
        """Stop to serve."""
        for service in self._services:
            self._node.destroy_service(service)

    async def _on_trigger(self, action: Action, request: Any, response: Any) -> Any:
        response.success, response.message, _ = await self._act(action)
        return response

    async def _on_enable(self, request: Any, response: Any) -> Any:
        action = partial(Controller.enable, is_enabled=request.data)
        response.success, response.message, _ = await self._act(action)
        return response

    async def _on_select(self, request: Any, response: Any) -> Any:
        action = partial(Controller.select_instance, object_id=request.id)
        response.success, response.message, response.instance_ids = await self._act(action)
        return response

    async def _on_remove(self, request: Any, response: Any) -> Any:
        action = partial(Controller.remove_instance, object_id=request.id)
        response.success, response.message, response.instance_ids = await self._act(action)
        return response

    async def _on_segment(self, request: Any, response: Any) -> Any:
        def job() -> Segment.Response:
            return answer(
                request,
                self._controller.scene,
                network=self._network,
                frames=self._frames,
                settings=self._node.parameters.settings,
            )

        return await self._done_by(self._controller.post_inference, job)

    async def _act(self, action: Action) -> tuple[bool, str, list[int]]:
        """Run an action in the session thread: whether it was done, what, objects with clicks."""
        controller = self._controller

        def job() -> tuple[bool, str, list[int]]:
            try:
                return True, action(controller), list(controller.object_ids)
            except ClickSegError as error:
                return False, str(error), list(controller.object_ids)

        done: tuple[bool, str, list[int]] = await self._done_by(controller.post, job)
        return done

    def _done_by(
        self, post: Callable[[Callable[[], None]], None], job: Callable[[], Any]
    ) -> Future:
        """A future that a thread completes with the result of a job."""
        executor = self._node.executor
        future: Future = Future(executor=executor)

        def run() -> None:
            future.set_result(job())
            if executor is not None:
                executor.wake()

        post(run)
        return future

    def _save(self, controller: Controller) -> str:
        if controller.view is None:
            raise ClickError("there is nothing to save; click on a cloud first")
        directory = Path(self._node.parameters.settings.session_directory)
        return f"saved {save_session(directory, controller.view, controller.cloud_session)}"
