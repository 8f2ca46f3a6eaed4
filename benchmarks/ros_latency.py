"""Latency and memory of the ROS 2 node, measured from another process over DDS.

    scripts/with_ros.sh .venv python benchmarks/ros_latency.py --checkpoint FOLDER

Writes one JSON object per line. Times are in milliseconds, from just before `publish` of a cloud or
a click to the callback that gets the latched result.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PointStamped
from numpy.typing import NDArray
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import PointCloud2, PointField
from std_srvs.srv import Trigger

from clickseg3d_core.types import Clicks
from clickseg3d_ros.conversions import cloud_from_msg, instances_msg, segmented_msg
from clickseg3d_ros.msg import InstanceArray
from clickseg3d_ros.scene import prepare_scene

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
NODE = Path(__file__).parents[1] / "scripts" / "segmenter_node"
PATIENCE_S = 120.0


def make_cloud(n: int, rng: np.random.Generator) -> PointCloud2:
    """Boxes on a table, n points, x y z rgb float32."""
    side = n // 2
    table = rng.uniform((-1.0, -1.0, 0.0), (1.0, 1.0, 0.002), (n - side, 3))
    boxes = rng.uniform(-0.1, 0.1, (side, 3))
    face = rng.integers(0, 3, side)
    boxes[np.arange(side), face] = np.sign(boxes[np.arange(side), face]) * 0.1
    boxes += BOXES[rng.integers(0, len(BOXES), side)]
    points = np.zeros((n, 4), np.float32)
    points[:, :3] = np.concatenate([table, boxes])
    names = ("x", "y", "z", "rgb")
    message = PointCloud2(height=1, width=n, point_step=16, row_step=16 * n, is_dense=True)
    message.fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate(names)
    ]
    message.data.frombytes(memoryview(points).cast("B"))
    message.header.frame_id = "camera"
    return message


BOXES: NDArray[np.float64] = np.array(
    [(x, y, 0.1) for x in (-0.6, 0.0, 0.6) for y in (-0.5, 0.5)], dtype=np.float64
)


class User:
    """Publishes clouds and clicks, hears results."""

    def __init__(self) -> None:
        rclpy.init()
        self.node = rclpy.create_node("bench")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.clouds = self.node.create_publisher(PointCloud2, "points", 1)
        self.clicks = self.node.create_publisher(PointStamped, "/clicked_point/new", 100)
        self.instances: InstanceArray | None = None
        self.segmented: PointCloud2 | None = None
        self.node.create_subscription(
            InstanceArray, "clickseg3d/instances", self._take_instances, LATCHED
        )
        self.node.create_subscription(
            PointCloud2, "clickseg3d/segmented/points", self._take_segmented, LATCHED
        )
        self.status: dict[str, str] = {}
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._take_status, 10)
        self._clients: dict[str, Any] = {}
        self._set_client: Any = None

    def _take_status(self, message: DiagnosticArray) -> None:
        self.status = {value.key: value.value for value in message.status[0].values}

    def _take_instances(self, message: InstanceArray) -> None:
        self.instances = message

    def _take_segmented(self, message: PointCloud2) -> None:
        self.segmented = message

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Spin until something holds."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"{what} took more than {PATIENCE_S} s")
            self.executor.spin_once(timeout_sec=0.05)

    def connect(self) -> None:
        """Wait for the node."""
        self.until(self.clouds.get_subscription_count, "the node")
        self.until(self.clicks.get_subscription_count, "the node")

    def call(self, name: str) -> None:
        """Call a Trigger service."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(Trigger, f"clickseg3d/{name}")
        self.until(self._clients[name].service_is_ready, name)
        future = self._clients[name].call_async(Trigger.Request())
        self.until(future.done, name)

    def set_mode(self, mode: str) -> None:
        """Set session.mode."""
        if self._set_client is None:
            self._set_client = self.node.create_client(SetParameters, "clickseg3d/set_parameters")
            self.until(self._set_client.service_is_ready, "set_parameters")
        parameter = Parameter("session.mode", value=mode).to_parameter_msg()
        future = self._set_client.call_async(SetParameters.Request(parameters=[parameter]))
        self.until(future.done, "set_parameters")

    def hold(self, message: PointCloud2) -> None:
        """Publish a cloud and wait until it is encoded."""
        self.until(lambda: self.status, "diagnostics")
        count = int(self.status["clouds prepared"])
        self.clouds.publish(message)
        self.until(lambda: int(self.status["clouds prepared"]) > count, "a prepared cloud")
        self.until(lambda: float(self.status["encode [ms]"]) > 0, "an encoded cloud")

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

    def click(self, position: NDArray[np.float64]) -> None:
        """Publish a click for a new object."""
        message = PointStamped()
        message.header.frame_id = "camera"
        message.point.x, message.point.y, message.point.z = (float(v) for v in position)
        self.clicks.publish(message)


def latency(user: User, n: int, rounds: int) -> dict[str, Any]:
    """Click in to result on a held cloud; cloud in to result with four clicked objects (live)."""
    rng = np.random.default_rng(n)
    from_cloud, from_click, decoder = [], [], []
    for _ in range(rounds):
        user.set_mode("hold")
        user.call("reset")
        user.hold(make_cloud(n, rng))
        for box in range(4):
            before = user.segmented
            start = time.perf_counter()
            user.click(BOXES[box] + (0.0, 0.0, 0.1))
            user.until(partial(user.has_objects, box + 1, before), "the result of a click")
            from_click.append(time.perf_counter() - start)
            decoder.append(1e-3 * user.inference_ms)
        user.set_mode("live")
        for _ in range(2):
            message = make_cloud(n, rng)
            message.header.stamp.nanosec = int(rng.integers(1, 10**9))
            start = time.perf_counter()
            user.clouds.publish(message)
            user.until(partial(user.has_stamp, message.header.stamp.nanosec), "a cloud's result")
            from_cloud.append(time.perf_counter() - start)
    return {
        "points": n,
        "cloud_to_result": figures(from_cloud),
        "click_to_result": figures(from_click),
        "decoder": figures(decoder),
        "encode_ms": user.status.get("encode [ms]"),
    }


def conversion(n: int, rounds: int) -> dict[str, Any]:
    """Cost of the conversions alone, in this process."""
    message = make_cloud(n, np.random.default_rng(0))
    scene = prepare_scene(message, 10**8)
    result = scene.unclicked()
    no_clicks = Clicks(np.zeros((0, 3)), np.zeros(0, np.int64))

    def instances() -> None:
        instances_msg(message.header, result, no_clicks, active_id=1, revision=1, inference_ms=0.0)

    parts: dict[str, Callable[[], object]] = {
        "cloud_from_msg": lambda: cloud_from_msg(message),
        "prepare_with_search_tree": lambda: prepare_scene(message, 10**8),
        "segmented_msg": lambda: segmented_msg(message, result, scene.cloud),
        "instances_msg": instances,
    }
    return {"points": n} | {name: figures(timed(part, rounds)) for name, part in parts.items()}


def timed(part: Callable[[], object], rounds: int) -> list[float]:
    """Seconds of each of some calls."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        part()
        times.append(time.perf_counter() - start)
    return times


def figures(seconds: list[float]) -> dict[str, float]:
    """Median and 95th percentile in milliseconds."""
    ms = 1e3 * np.array(seconds)
    return {
        "median_ms": round(float(np.median(ms)), 2),
        "p95_ms": round(float(np.percentile(ms, 95)), 2),
        "n": len(ms),
    }


def memory(user: User, pid: int, clouds: int, clicks: int, n: int) -> dict[str, Any]:
    """Resident memory of the node over many clouds, then many clicks."""
    rng = np.random.default_rng(1)
    user.call("reset")
    messages = [make_cloud(n, rng) for _ in range(4)]
    series = []
    for number in range(clouds):
        user.clouds.publish(messages[number % 4])
        user.executor.spin_once(timeout_sec=0.02)
        if number % (clouds // 10) == 0:
            series.append(rss_mb(pid))
    series.append(rss_mb(pid))
    clicked = []
    for number in range(clicks):
        if number % 50 == 0:
            user.call("reset")
        user.click(BOXES[number % 6] + rng.uniform(-0.05, 0.05, 3) * (1, 1, 0) + (0, 0, 0.1))
        user.executor.spin_once(timeout_sec=0.02)
        if number % (clicks // 10) == 0:
            clicked.append(rss_mb(pid))
    user.call("undo")
    clicked.append(rss_mb(pid))
    return {"points": n, "rss_mb_over_clouds": series, "rss_mb_over_clicks": clicked}


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in text.splitlines() if line.startswith("VmRSS"))
    return round(int(line.split()[1]) / 1024, 1)


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", default="", help="folder; default: the weights shipped")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--points", type=int, nargs="+", default=[20_000, 100_000, 300_000])
    parser.add_argument("--memory", type=int, default=0, help="clouds and clicks; 0: skip")
    options = parser.parse_args()
    command = [
        sys.executable,
        str(NODE),
        "--ros-args",
        "-p",
        f"model.checkpoint:={options.checkpoint}",
    ]
    command += ["-p", "input.max_rate:=1000.0", "-p", "diagnostics.period:=0.1"]
    command += ["--log-level", "warn"]
    node = subprocess.Popen(command)
    try:
        user = User()
        user.connect()
        for n in options.points:
            report({"what": "conversion", **conversion(n, options.rounds)})
            report({"what": "latency", **latency(user, n, options.rounds)})
        if options.memory:
            figures = memory(user, node.pid, options.memory, options.memory, options.points[0])
            report({"what": "memory", **figures})
    finally:
        node.terminate()
        node.wait(10)


def report(record: dict[str, Any]) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
