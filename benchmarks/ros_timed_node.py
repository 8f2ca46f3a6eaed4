"""The node, with a record of when its click callback and its encodings begin and end.

    ros_timed_node.py TIMES.npz --ros-args ...

All times are nanoseconds since the epoch, int64: `clicks` (K, 3) stamp of the click, entry and exit
of the callback; `encodings` (E, 2) begin and end.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from clickseg3d_ros.network_process import NetworkProcess, RemoteEncoding
from clickseg3d_ros.segmenter_node import SegmenterNode, main


def record(path: str) -> None:
    """Run the node until it is asked to end, then write the times."""
    clicks: list[tuple[int, int, int]] = []
    encodings: list[tuple[int, int]] = []
    callback, encode = SegmenterNode._on_point, NetworkProcess.encode

    def timed_callback(node: SegmenterNode, *arguments: Any) -> None:
        entry = time.time_ns()
        callback(node, *arguments)
        stamp = arguments[-1].header.stamp
        clicks.append((stamp.sec * 10**9 + stamp.nanosec, entry, time.time_ns()))

    def timed_encode(network: NetworkProcess, *arguments: Any) -> RemoteEncoding:
        begin = time.time_ns()
        encoding = encode(network, *arguments)
        encodings.append((begin, time.time_ns()))
        return encoding

    SegmenterNode._on_point = timed_callback  # type: ignore[method-assign]
    NetworkProcess.encode = timed_encode  # type: ignore[method-assign]
    try:
        main()
    finally:
        np.savez(path, clicks=np.array(clicks, np.int64), encodings=np.array(encodings, np.int64))


if __name__ == "__main__":
    record(sys.argv[1])
