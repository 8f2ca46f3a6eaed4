"""The other side of the node for the ROS benchmarks: publishes clouds and clicks, hears results."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PointStamped
from numpy.typing import ArrayLike, NDArray
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import PointCloud2, PointField
from std_srvs.srv import Trigger

from clickseg3d_ros.msg import InstanceArray

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
NODE = Path(__file__).parents[1] / "scripts" / "segmenter_node"
PATIENCE_S = 120.0
BOXES: NDArray[np.float64] = np.array(
    [(x, y, 0.1) for x in (-0.6, 0.0, 0.6) for y in (-0.5, 0.5)], dtype=np.float64
)
TOPS = BOXES + (0.0, 0.0, 0.1)


@contextmanager
def running(
    script: Path, parameters: dict[str, object], *arguments: str
) -> Iterator[subprocess.Popen[bytes]]:
    """The node as a process of its own, ended afterwards.

    Args:
        script: scripts/segmenter_node, or one that ends as that does.
        parameters: By name.
        arguments: Of the script.
    """
    command = [sys.executable, str(script), *arguments, "--ros-args", "--log-level", "warn"]
    for name, value in parameters.items():
        command += ["-p", f"{name}:={value}"]
    node = subprocess.Popen(command)
    try:
        yield node
    finally:
        node.terminate()
        node.wait(60)


def make_cloud(n: int, rng: np.random.Generator) -> PointCloud2:
    """Six boxes on a table, n points, x y z rgb float32."""
    side = n // 2
    table = rng.uniform((-1.0, -1.0, 0.0), (1.0, 1.0, 0.002), (n - side, 3))
    boxes = rng.uniform(-0.1, 0.1, (side, 3))
    face = rng.integers(0, 3, side)
    boxes[np.arange(side), face] = np.sign(boxes[np.arange(side), face]) * 0.1
    boxes += BOXES[rng.integers(0, len(BOXES), side)]
    return message_from(np.concatenate([table, boxes]), np.zeros((n, 3), np.uint8))


def message_from(xyz: ArrayLike, rgb: NDArray[np.uint8]) -> PointCloud2:
    """What a depth camera's driver would publish.

    Args:
        xyz: (N, 3) metres.
        rgb: (N, 3) uint8.
    """
    red, green, blue = rgb.astype(np.uint32).T
    points = np.zeros((len(rgb), 4), np.float32)
    points[:, :3] = xyz
    points[:, 3] = (red << 16 | green << 8 | blue).view(np.float32)
    message = PointCloud2(height=1, width=len(rgb), point_step=16, row_step=16 * len(rgb))
    message.is_dense = True
    message.fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate(("x", "y", "z", "rgb"))
    ]
    message.data.frombytes(memoryview(points).cast("B"))
    message.header.frame_id = "camera"
    return message


class User:
    """Publishes, listens and waits; spins only while it waits."""

    def __init__(self) -> None:
        rclpy.init()
        self.node = rclpy.create_node("bench")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.clouds = self.node.create_publisher(PointCloud2, "points", 1)
        self._points = {
            kind: self.node.create_publisher(PointStamped, f"/clicked_point{kind}", 100)
            for kind in ("", "/new", "/background")
        }
        self.instances: InstanceArray | None = None
        self.segmented: PointCloud2 | None = None
        self.status: dict[str, str] = {}
        self.node.create_subscription(
            InstanceArray, "clickseg3d/instances", self._take_instances, LATCHED
        )
        self.node.create_subscription(
            PointCloud2, "clickseg3d/segmented/points", self._take_segmented, LATCHED
        )
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._take_status, 10)
        self._clients: dict[str, Any] = {}

    def close(self) -> None:
        """Leave."""
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown()

    def _take_status(self, message: DiagnosticArray) -> None:
        self.status = {value.key: value.value for value in message.status[0].values}

    def _take_instances(self, message: InstanceArray) -> None:
        self.instances = message

    def _take_segmented(self, message: PointCloud2) -> None:
        self.segmented = message

    # ---- waiting

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Spin until something holds."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"{what} took more than {PATIENCE_S} s; {self.status}")
            self.executor.spin_once(timeout_sec=0.05)

    def idle(self, seconds: float) -> None:
        """Spin for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=left)

    def connect(self) -> None:
        """Wait for the node."""
        for publisher in (self.clouds, *self._points.values()):
            self.until(publisher.get_subscription_count, "the node")
        self.until(lambda: self.status, "diagnostics")

    def count(self, name: str) -> int:
        """A counter of /diagnostics."""
        return int(self.status[name])

    @property
    def clicks_heard(self) -> int:
        """Clicks that the node has taken or rejected."""
        return self.count("clicks accepted") + self.count("clicks rejected")

    def has_objects(self, count: int, before: PointCloud2 | None) -> bool:
        """Whether a new segmented cloud and so many objects are there."""
        heard = self.instances
        complete = heard is not None and len(heard.instances) == count
        return complete and self.segmented is not before

    def has_stamp(self, nanosec: int) -> bool:
        """Whether the result of a certain cloud is there."""
        heard = (self.instances, self.segmented)
        return all(m is not None and m.header.stamp.nanosec == nanosec for m in heard)

    @property
    def inference_ms(self) -> float:
        """Decoder time of the last result."""
        return self.instances.inference_ms if self.instances else 0.0

    # ---- acting

    def call(self, name: str) -> None:
        """Call a Trigger service."""
        self._ask(name, Trigger, Trigger.Request())

    def set_mode(self, mode: str) -> None:
        """Set session.mode."""
        parameter = Parameter("session.mode", value=mode).to_parameter_msg()
        request = SetParameters.Request(parameters=[parameter])
        self._ask("set_parameters", SetParameters, request)

    def _ask(self, name: str, kind: type, request: object) -> None:
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, f"clickseg3d/{name}")
        self.until(self._clients[name].service_is_ready, name)
        future = self._clients[name].call_async(request)
        self.until(future.done, name)

    def show(self, message: PointCloud2) -> None:
        """Publish a cloud and wait until it can be clicked."""
        count = self.count("clouds prepared")
        self.clouds.publish(message)
        self.until(lambda: self.count("clouds prepared") > count, "a prepared cloud")

    def hold(self, message: PointCloud2) -> None:
        """Publish a cloud and wait until it is encoded."""
        self.show(message)
        self.until(lambda: float(self.status["encode [ms]"]) > 0, "an encoded cloud")

    def click(self, position: ArrayLike, kind: str = "/new") -> None:
        """Publish a click, stamped with the time of now.

        Args:
            position: (3,) metres.
            kind: "" for the active object, "/new" or "/background".
        """
        x, y, z = (float(value) for value in np.asarray(position))
        message = PointStamped()
        message.header.frame_id = "camera"
        message.point.x, message.point.y, message.point.z = x, y, z
        stamp = message.header.stamp
        stamp.sec, stamp.nanosec = divmod(time.time_ns(), 10**9)
        self._points[kind].publish(message)
