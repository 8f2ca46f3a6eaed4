"""The node: converts, calls the core, publishes. Callbacks only store."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PointStamped
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile

from clickseg3d_core.errors import ClickSegError
from clickseg3d_ros.cloud_input import CloudInput
from clickseg3d_ros.controller import Controller
from clickseg3d_ros.frames import Frames
from clickseg3d_ros.msg import Click
from clickseg3d_ros.network_process import NetworkProcess
from clickseg3d_ros.outputs import Outputs
from clickseg3d_ros.parameters import NodeParameters
from clickseg3d_ros.scene import ACTIVE, NEW, ClickRequest
from clickseg3d_ros.services import Services
from clickseg3d_ros.status import Status

_CLICKS = QoSProfile(depth=100)  # reliable: clicks must not be lost
_CATCH_UP_PERIOD_S = 0.2
_SWITCH_INTERVAL_S = 0.001


class SegmenterNode(LifecycleNode):
    """Segments what is clicked in a stream of clouds.

    Configured it has the network, active it listens. A deactivated node forgets its session.

    Args:
        open_network: Starts the network, given the checkpoint, the device, the threads and
            whether it looks closer.
        kwargs: Of `rclpy.node.Node`, without the name.

    Raises:
        ConfigError: if a parameter is not valid.
    """

    def __init__(
        self,
        open_network: Callable[[str, str, int, bool], NetworkProcess] = NetworkProcess,
        **kwargs: Any,
    ) -> None:
        # First, because a failure below ends in destroy_node.
        self._entities: list[Callable[[], object]] = []
        self._open_network = open_network
        self._network: NetworkProcess | None = None
        self._controller: Controller | None = None
        self._crash: BaseException | None = None
        super().__init__("clickseg3d", **kwargs)
        self.parameters = NodeParameters(self)
        self._crashed = self.create_guard_condition(self._raise_crash)

    # ---- lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network."""
        settings = self.parameters.settings
        try:
            self._network = self._open_network(
                settings.model_checkpoint,
                settings.model_device,
                settings.model_threads,
                settings.model_closer and settings.model_voxel_size == 0.0,
            )
        except ClickSegError as error:
            self.get_logger().error(f"the network cannot be loaded: {error}")
            return TransitionCallbackReturn.FAILURE
        info = self._network.info
        self.get_logger().info(f"network {info['name']} on {info['device']}")
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start to listen."""
        assert self._network is not None
        try:
            self._start(self._network)
        except Exception:
            # rclpy makes an error state of an exception and does not tell which.
            self.get_logger().error(f"cannot be activated:\n{traceback.format_exc()}")
            raise
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop to listen and forget the session."""
        self._stop()
        if self._network is not None:
            self._network.tidy()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget the network."""
        self._close_network()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop whatever runs."""
        self._end()
        return super().on_shutdown(state)

    def destroy_node(self) -> None:
        """End the threads and the network's process, too."""
        self._end()
        super().destroy_node()

    def _start(self, network: NetworkProcess) -> None:
        self._status = Status()
        frames = Frames(self)
        outputs = Outputs(self, self.parameters, tuple(network.info["classes"]))
        diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._diagnostics = diagnostics
        controller = Controller(
            network=network,
            frames=frames,
            parameters=self.parameters,
            screen=outputs,
            status=self._status,
            notify=self._notify,
            on_crash=self._on_crash,
        )
        self._controller = controller
        self._cloud_input = CloudInput(
            self, self.parameters.settings.input_reliability, controller.take_cloud
        )
        services = Services(self, controller, network, frames)
        # In the order in which they end: no more input, then the threads, then the outputs.
        self._entities = [
            self._cloud_input.close,
            *self._click_inputs(controller),
            *self._make_timers(controller, outputs),
            controller.close,
            services.close,
            frames.close,
            outputs.close,
            partial(self.destroy_publisher, diagnostics),
        ]
        self.get_logger().info(f"listening to {self._cloud_input.topic}")

    def _stop(self) -> None:
        entities, self._entities = self._entities, []
        for end in entities:
            end()
        self._controller = None

    def _end(self) -> None:
        """Stop without waiting for what the network computes."""
        if self._controller is not None:
            self._controller.abort()
        self._stop()
        self._close_network()

    def _close_network(self) -> None:
        if self._network is not None:
            self._network.close()
        self._network = None

    # ---- inputs

    def _click_inputs(self, controller: Controller) -> list[Callable[[], object]]:
        topics = {
            "/clicked_point": ACTIVE,
            "/clicked_point/new": NEW,
            "/clicked_point/background": 0,
        }
        subscriptions = [
            self.create_subscription(
                PointStamped, topic, partial(self._on_point, controller, target), _CLICKS
            )
            for topic, target in topics.items()
        ]
        subscriptions.append(
            self.create_subscription(
                Click, "~/clicks", partial(self._on_click, controller), _CLICKS
            )
        )
        return [partial(self.destroy_subscription, s) for s in subscriptions]

    def _on_point(self, controller: Controller, target: int, message: PointStamped) -> None:
        p = message.point
        # A space is no frame, so an empty frame_id is rejected and not taken for the cloud's.
        frame = message.header.frame_id or " "
        controller.take_click(ClickRequest(frame=frame, position=(p.x, p.y, p.z), target=target))

    def _on_click(self, controller: Controller, message: Click) -> None:
        p = message.position
        target = ACTIVE if message.instance_id == Click.ACTIVE else message.instance_id
        fault = ""
        if message.polarity == Click.NEGATIVE:
            target = Click.BACKGROUND
        elif message.polarity != Click.POSITIVE:
            fault = f"polarity must be POSITIVE (1) or NEGATIVE (0), got {message.polarity}"
        controller.take_click(
            ClickRequest(
                frame=message.header.frame_id,
                position=(p.x, p.y, p.z),
                target=target,
                fault=fault,
            )
        )

    def _make_timers(self, controller: Controller, outputs: Outputs) -> list[Callable[[], object]]:
        # Wall time: they must go on while a simulation is paused.
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        jobs = {
            self._publish_diagnostics: self.parameters.settings.diagnostics_period,
            outputs.catch_up: _CATCH_UP_PERIOD_S,
        }
        timers = [
            self.create_timer(period, partial(controller.post, job), clock=clock)
            for job, period in jobs.items()
        ]
        return [partial(self.destroy_timer, timer) for timer in timers]

    # ---- diagnostics

    def _notify(self, text: str) -> None:
        self.get_logger().warning(text, throttle_duration_sec=1.0)
        self._publish_diagnostics()

    def _publish_diagnostics(self) -> None:
        self._status.reliability = self._cloud_input.reliability
        self._diagnostics.publish(
            self._status.message(
                self.get_fully_qualified_name(),
                self.get_clock().now(),
                self.parameters.settings.diagnostics_max_result_ms,
            )
        )

    def _on_crash(self, error: BaseException) -> None:
        self._crash = error
        self._crashed.trigger()

    def _raise_crash(self) -> None:
        """A bug in a thread ends the node loudly."""
        assert self._crash is not None
        raise self._crash


def main(args: list[str] | None = None) -> None:
    """Run the node until it is asked to end."""
    # Callbacks get their turn beside the threads.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    rclpy.init(args=args)
    node = SegmenterNode()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        if node.parameters.settings.autostart:
            _start(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def _start(node: SegmenterNode) -> None:
    if node.trigger_configure() != TransitionCallbackReturn.SUCCESS:
        sys.exit(1)
    if node.trigger_activate() != TransitionCallbackReturn.SUCCESS:
        sys.exit(1)
