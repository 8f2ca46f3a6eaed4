"""Latency and memory of the ROS 2 node, measured from another process over DDS.

    scripts/with_ros.sh .venv python benchmarks/ros_latency.py

Writes one JSON object per line. All times are in milliseconds.

latency: from just before `publish` of a cloud (live mode, four clicked objects) or a click (held
    cloud) to the callback that gets the latched result.
conversion: the conversions alone, in this process.
callback: 150 clicks per round, one every 10 to 30 ms, while a cloud is encoded, then while results
    are computed and published as fast as can be. `arrival` is from just before `publish` to the
    entry of the node's callback, `callback` from its entry to its exit.
memory: resident memory of the node and of its network's process over clouds that are all encoded,
    then over clicks in sessions of 50.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from ros_user import NODE, TOPS, User, make_cloud, running

from clickseg3d_core.types import Clicks
from clickseg3d_ros.conversions import cloud_from_msg, instances_msg, segmented_msg
from clickseg3d_ros.scene import prepare_scene

TIMED_NODE = Path(__file__).parent / "ros_timed_node.py"
CALLBACK_LIMIT_MS = 5.0
STORM = 150
SESSION = 50


def latency(user: User, n: int, rounds: int) -> dict[str, Any]:
    """Click in to result on a held cloud; cloud in to result with four clicked objects (live)."""
    rng = np.random.default_rng(n)
    from_cloud, from_click, decoder, encoder = [], [], [], []
    for _ in range(rounds):
        user.set_mode("hold")
        user.call("reset")
        user.hold(make_cloud(n, rng))
        encoder.append(float(user.status["encode [ms]"]))
        for box in range(4):
            before = user.segmented
            start = time.perf_counter()
            user.click(TOPS[box])
            user.until(partial(user.has_objects, box + 1, before), "the result of a click")
            from_click.append(1e3 * (time.perf_counter() - start))
            decoder.append(user.inference_ms)
        user.set_mode("live")
        for _ in range(2):
            message = make_cloud(n, rng)
            message.header.stamp.nanosec = int(rng.integers(1, 10**9))
            start = time.perf_counter()
            user.clouds.publish(message)
            user.until(partial(user.has_stamp, message.header.stamp.nanosec), "a cloud's result")
            from_cloud.append(1e3 * (time.perf_counter() - start))
    return {
        "cloud_to_result": figures(from_cloud),
        "click_to_result": figures(from_click),
        "decoder": figures(decoder),
        "encoder": figures(encoder),
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
    return {name: figures(timed(part, rounds)) for name, part in parts.items()}


def timed(part: Callable[[], object], rounds: int) -> list[float]:
    """Milliseconds of each of some calls."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        part()
        times.append(1e3 * (time.perf_counter() - start))
    return times


def storm(user: User, n: int, rounds: int) -> None:
    """Click fast while a cloud is encoded and decoded."""
    rng = np.random.default_rng(n)
    for _ in range(rounds):
        user.call("reset")
        user.show(make_cloud(n, rng))
        known = user.clicks_heard
        for _ in range(STORM):
            user.click(somewhere_on_top(rng), "")
            user.idle(rng.uniform(0.01, 0.03))
        user.until(lambda k=known: user.clicks_heard == k + STORM, "all clicks")


def somewhere_on_top(rng: np.random.Generator) -> ArrayLike:
    """A position on top of a box, metres."""
    return TOPS[rng.integers(len(TOPS))] + rng.uniform(-0.05, 0.05, 3) * (1, 1, 0)


def callback(n: int, rounds: int, parameters: dict[str, object]) -> dict[str, Any]:
    """How long the node's click callback takes, and how long clicks wait for it, under load."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "times.npz"
        with running(TIMED_NODE, parameters, str(path)):
            user = User()
            user.connect()
            storm(user, n, rounds)
            user.close()
        times = np.load(path)
    stamp, entry, end = times["clicks"].T
    begun, encoded = times["encodings"].T[:, :, None]
    encoding = ((stamp > begun) & (entry < encoded)).any(axis=0)
    parts = {"while_encoding": encoding, "while_results_come": ~encoding}
    return {
        name: {
            "arrival": figures(1e-6 * (entry - stamp)[part], CALLBACK_LIMIT_MS),
            "callback": figures(1e-6 * (end - entry)[part], CALLBACK_LIMIT_MS),
        }
        for name, part in parts.items()
    }


def figures(ms: ArrayLike, limit: float | None = None) -> dict[str, float]:
    """Median and 95th percentile; with a limit the tail, too, and how many exceed it."""
    values = np.asarray(ms)
    if len(values) == 0:
        return {"n": 0}
    percentiles = {"median_ms": 50, "p95_ms": 95} | ({} if limit is None else {"p99_ms": 99})
    found = {name: float(np.percentile(values, q)) for name, q in percentiles.items()}
    if limit is not None:
        found |= {"max_ms": float(values.max()), f"over_{limit:g}_ms": int((values > limit).sum())}
    return {name: round(value, 3) for name, value in found.items()} | {"n": len(values)}


def memory(user: User, pid: int, count: int, n: int) -> dict[str, Any]:
    """Resident memory over many clouds, then over many clicks."""
    rng = np.random.default_rng(1)
    user.set_mode("hold")
    user.call("reset")
    messages = [make_cloud(n, rng) for _ in range(4)]
    over_clouds, over_clicks = [], []
    for number in range(count):
        user.hold(messages[number % 4])
        if (number + 1) % max(count // 10, 1) == 0:
            over_clouds.append(resident_mb(pid))
    known = user.clicks_heard
    for number in range(count):
        if number % SESSION == 0:
            user.call("reset")
        user.click(somewhere_on_top(rng), "/new" if number % 10 == 0 else "")
        user.until(lambda k=known + number: user.clicks_heard > k, "a click")
        if (number + 1) % max(count // 10, 1) == 0:
            over_clicks.append(resident_mb(pid))
    return {
        "clouds": count,
        "rss_mb_node_and_network_over_clouds": over_clouds,
        "clicks": count,
        "rss_mb_node_and_network_over_clicks": over_clicks,
    }


def resident_mb(pid: int) -> list[float]:
    """Resident memory of a process and of its children."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [child for task in tasks for child in task.read_text(encoding="ascii").split()]
    found = []
    for process in (pid, *children):
        text = Path(f"/proc/{process}/status").read_text(encoding="ascii")
        line = next(line for line in text.splitlines() if line.startswith("VmRSS"))
        found.append(round(int(line.split()[1]) / 1024, 1))
    return found


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", default="", help="folder; default: the weights shipped")
    parser.add_argument("--points", type=int, nargs="+", default=[20_000, 100_000, 300_000])
    parser.add_argument("--rounds", type=int, default=8, help="of latency; 0: skip")
    parser.add_argument("--storms", type=int, default=3, help="rounds of callback; 0: skip")
    parser.add_argument("--memory", type=int, default=1000, help="clouds and clicks; 0: skip")
    parser.add_argument("--memory-points", type=int, default=5000, help="of those clouds")
    options = parser.parse_args()
    parameters: dict[str, object] = {"input.max_rate": 1000.0, "diagnostics.period": 0.1}
    if options.checkpoint:
        parameters["model.checkpoint"] = options.checkpoint
    for n in options.points if options.storms else ():
        report("callback", n, callback(n, options.storms, parameters))
    if not (options.rounds or options.memory):
        return
    with running(NODE, parameters) as node:
        user = User()
        user.connect()
        for n in options.points if options.rounds else ():
            report("conversion", n, conversion(n, options.rounds))
            report("latency", n, latency(user, n, options.rounds))
        if options.memory:
            n = options.memory_points
            report("memory", n, memory(user, node.pid, options.memory, n))


def report(what: str, n: int, record: dict[str, Any]) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps({"what": what, "points": n} | record) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
