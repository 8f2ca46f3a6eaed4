"""The node, with a record of when its click callback begins and ends.

    ros_timed_node.py TIMES.npy --ros-args ...

TIMES.npy gets (K, 3) int64, nanoseconds since the epoch: stamp of the click, entry, exit.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from clickseg3d_ros.segmenter_node import SegmenterNode, main


def record(path: str) -> None:
    """Run the node until it is asked to end, then write the times."""
    times: list[tuple[int, int, int]] = []
    callback = SegmenterNode._on_point

    def timed(node: SegmenterNode, *arguments: Any) -> None:
        entry = time.time_ns()
        callback(node, *arguments)
        stamp = arguments[-1].header.stamp
        times.append((stamp.sec * 10**9 + stamp.nanosec, entry, time.time_ns()))

    SegmenterNode._on_point = timed  # type: ignore[method-assign]
    try:
        main()
    finally:
        np.save(path, np.array(times, np.int64))


if __name__ == "__main__":
    record(sys.argv[1])
