"""The other side of the node: a user with RViz, a driver and a robot, over real DDS."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import rclpy
from cloud_messages import column, msg_from_cloud
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PointStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import SetBool, Trigger
from visualization_msgs.msg import MarkerArray

from clickseg3d_core import PointCloud
from clickseg3d_ros.msg import Click, InstanceArray

PATIENCE_S = 60.0
FRAME = "camera"
RED = (-0.2, 0.0, 0.16)  # middle of the top of the red box
BLUE = (0.2, 0.0, 0.16)
FLOOR = (0.0, 0.4, 0.0)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def two_boxes(shift: tuple[float, float, float] = (0, 0, 0)) -> tuple[PointCloud, np.ndarray]:
    """A floor with a red and a blue box on it, and ids (N,): 0 floor, 1 red, 2 blue.

    Args:
        shift: Of the red box, metres.
    """
    rng = np.random.default_rng(7)
    xyz = [rng.uniform((-0.5, -0.5, 0.0), (0.5, 0.5, 0.0), (3000, 3))]
    rgb, ids = [np.full((3000, 3), 200)], [np.zeros(3000, int)]
    places = ((1, np.array((-0.2, 0, 0.08)) + shift, (200, 30, 30)),
              (2, np.array((0.2, 0, 0.08)), (30, 30, 200)))  # fmt: skip
    for number, place, color in places:
        box = rng.uniform(-0.08, 0.08, (1500, 3))
        box[np.arange(1500), rng.integers(0, 3, 1500)] = rng.choice([-0.08, 0.08], 1500)
        xyz.append(box + place)
        rgb.append(np.tile(color, (1500, 1)))
        ids.append(np.full(1500, number))
    cloud = PointCloud(np.concatenate(xyz), np.concatenate(rgb).astype(np.uint8))
    return cloud, np.concatenate(ids)


def boxes_msg(**layout: Any) -> PointCloud2:
    """The two boxes as a driver sends them."""
    return msg_from_cloud(two_boxes()[0], **({"frame_id": FRAME} | layout))


def iou(message: PointCloud2, instance: int, truth: np.ndarray) -> float:
    """Overlap of the points of an instance with what is true."""
    mask = column(message, "instance") == instance
    return float((mask & truth).sum() / (mask | truth).sum())


class User:
    """Publishes clouds and clicks, listens, calls services; spins only while it waits.

    Args:
        context: Of the test.
        namespace: That of the node.
        reliability: Of the published clouds.
    """

    def __init__(
        self,
        context: rclpy.Context,
        namespace: str = "",
        reliability: ReliabilityPolicy = ReliabilityPolicy.RELIABLE,
    ) -> None:
        self.node = rclpy.create_node("user", context=context, namespace=namespace)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._clouds = self.node.create_publisher(
            PointCloud2, "points", QoSProfile(depth=1, reliability=reliability)
        )
        self._points = {
            kind: self.node.create_publisher(PointStamped, f"/clicked_point{kind}", 5)
            for kind in ("", "/new", "/background")
        }
        self._clicks = self.node.create_publisher(Click, "clickseg3d/clicks", 100)
        self._clients: dict[str, Any] = {}
        self._heard: dict[str, list[Any]] = {}
        self.diagnostics = self.listen("/diagnostics", DiagnosticArray, qos=QoSProfile(depth=10))

    def close(self) -> None:
        """Leave."""
        self._executor.shutdown()
        self.node.destroy_node()

    # ---- listening

    def listen(self, topic: str, kind: type, qos: QoSProfile = LATCHED) -> list[Any]:
        """A list that grows with every message of a topic."""
        heard: list[Any] = []
        self.node.create_subscription(kind, topic, heard.append, qos)
        return heard

    def wait(self, condition: Callable[[], Any], what: str, timeout: float = PATIENCE_S) -> Any:
        """Spin until a condition gives something true, and return that."""
        end = time.monotonic() + timeout
        while not (found := condition()):
            if time.monotonic() > end:
                pytest.fail(f"waited {timeout} s for {what}; diagnostics: {self.status()}")
            self._executor.spin_once(timeout_sec=0.02)
        return found

    def idle(self, seconds: float) -> None:
        """Spin for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.02)

    def status(self) -> dict[str, str]:
        """Values of the newest /diagnostics, with its message as `message`."""
        if not self.diagnostics:
            return {}
        status = self.diagnostics[-1].status[0]
        return {"message": status.message} | {v.key: v.value for v in status.values}

    def wait_status(self, key: str, text: str) -> str:
        """Wait until a value of /diagnostics contains a text, and return the value."""
        return self.wait(
            lambda: text in (value := self.status().get(key, "")) and (value or " "),
            f"{text!r} in {key!r}",
        )

    def wait_count(self, key: str, number: int) -> None:
        """Wait until a counter of /diagnostics has a value."""
        self.wait(lambda: self.status().get(key) == str(number), f"{key} = {number}")

    # ---- acting

    def connect(self, timeout: float = PATIENCE_S) -> None:
        """Wait until the node hears clouds and every kind of click."""
        publishers = [self._clouds, self._clicks, *self._points.values()]
        self.wait(
            lambda: all(p.get_subscription_count() for p in publishers),
            "the node to listen",
            timeout,
        )

    def clouds_heard(self) -> bool:
        """Whether somebody listens to the clouds."""
        return self._clouds.get_subscription_count() > 0

    def send_cloud(self, message: PointCloud2) -> None:
        """As a driver does."""
        self._clouds.publish(message)

    def hold(self, message: PointCloud2, prepared: int = 1) -> None:
        """Send a cloud and wait until the node holds it, encoded."""
        self.send_cloud(message)
        self.wait_count("clouds prepared", prepared)

    def click(self, position: Any, kind: str = "", frame: str = FRAME) -> None:
        """As RViz does: stamped with its own time."""
        message = PointStamped()
        message.header.frame_id = frame
        message.header.stamp = self.node.get_clock().now().to_msg()
        message.point.x, message.point.y, message.point.z = (float(v) for v in position)
        self._points[kind].publish(message)

    def send_click(self, position: Any, instance_id: int, **fields: Any) -> None:
        """As a program does, on ~/clicks."""
        message = Click(instance_id=instance_id, **fields)
        message.position.x, message.position.y, message.position.z = (float(v) for v in position)
        self._clicks.publish(message)

    def call(self, name: str, kind: type = Trigger, **request: Any) -> Any:
        """Call a service of the node and return its answer."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, f"clickseg3d/{name}")
            self.wait(self._clients[name].service_is_ready, f"the service {name}")
        future = self._clients[name].call_async(kind.Request(**request))
        self.wait(future.done, f"the answer of {name}")
        return future.result()

    def enable(self, data: bool) -> Any:
        """Call ~/enable."""
        return self.call("enable", SetBool, data=data)

    def watch(self) -> dict[str, list[Any]]:
        """Listen to what the node publishes, by topic without its name."""
        kinds = {
            "segmented/points": PointCloud2,
            "instances": InstanceArray,
            "markers": MarkerArray,
            "selected/points": PointCloud2,
            "remainder/points": PointCloud2,
        }
        for topic, kind in kinds.items():
            if topic not in self._heard:
                self._heard[topic] = self.listen(f"clickseg3d/{topic}", kind)
        return self._heard

    def result(self, objects: set[int], clicks: int | None = None) -> InstanceArray:
        """Wait for the instances to be exactly these objects, with as many clicks in all."""
        heard = self.watch()["instances"]

        def newest() -> InstanceArray | None:
            if not heard or {i.id for i in heard[-1].instances} != objects:
                return None
            enough = clicks is None or sum(i.num_clicks for i in heard[-1].instances) == clicks
            return heard[-1] if enough else None

        return self.wait(newest, f"objects {objects} with {clicks} clicks")

    def segmented(self, objects: set[int]) -> PointCloud2:
        """Wait for the segmented cloud to show exactly these objects."""
        heard = self.watch()["segmented/points"]

        def newest() -> PointCloud2 | None:
            if not heard:
                return None
            ids = set(np.unique(column(heard[-1], "instance")).tolist()) - {0, 2**32 - 1}
            return heard[-1] if ids == objects else None

        return self.wait(newest, f"points of objects {objects}")
