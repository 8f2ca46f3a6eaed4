"""The process of the network: the core's segmenter, asked over a pipe. Imports no ROS."""

from __future__ import annotations

import argparse
import traceback
from multiprocessing.connection import Connection
from typing import Any

import torch

from clickseg3d_core.closeup import CloseUp
from clickseg3d_core.errors import ClickSegError, CloudError
from clickseg3d_core.segmenter import ClickSegmenter, Device, Encoding
from clickseg3d_core.types import Clicks, PointCloud, Segmentation, Up
from clickseg3d_ros.wire import Bug, receive, send


class Server:
    """One segmenter and the encodings that the node still needs, by key."""

    def __init__(self) -> None:
        self._segmenter: ClickSegmenter | None = None
        self._encodings: dict[int, Encoding] = {}

    def load(self, checkpoint: str, device: Device, closer: bool) -> dict[str, Any]:
        """Load a checkpoint, empty for the weights in the package; gives facts about it."""
        kind = CloseUp if closer else ClickSegmenter
        self._segmenter = kind.load(checkpoint or None, device)
        return self._segmenter.info()

    def encode(self, key: int, cloud: PointCloud, voxel_size: float | None, up: Up) -> float:
        """Encode a cloud, keep the encoding under a key and give its voxel size, metres."""
        assert self._segmenter is not None
        encoding = self._encodings[key] = self._segmenter.encode(cloud, voxel_size, up)
        return encoding.voxel_size

    def segment(self, key: int, clicks: Clicks) -> Segmentation:
        """Segment an encoded cloud."""
        assert self._segmenter is not None
        return self._segmenter.segment(self._encodings[key], clicks)

    def forget(self, keys: list[int]) -> None:
        """Drop encodings."""
        for key in keys:
            self._encodings.pop(key, None)


def serve(connection: Connection) -> None:
    """Answer requests until the node hangs up.

    A request is the name of a method of Server and its arguments; an answer what that returns, the
    ClickSegError that it raises, or a Bug.
    """
    server = Server()
    try:
        while True:
            method, arguments = receive(connection)
            send(connection, _answer(server, method, arguments))
    except (EOFError, OSError):
        return


def _answer(server: Server, method: str, arguments: tuple[Any, ...]) -> object:
    try:
        return getattr(server, method)(*arguments)
    except ClickSegError as error:
        return error
    except (MemoryError, torch.cuda.OutOfMemoryError):
        return CloudError(
            "there is not enough memory for the cloud; send fewer points or use a larger "
            "model.voxel_size"
        )
    except Exception:
        return Bug(traceback.format_exc())


def main() -> None:
    """Serve over a file descriptor that was inherited."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("descriptor", type=int)
    parser.add_argument("--threads", type=int, default=0, help="0: torch's default")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    serve(Connection(options.descriptor))


if __name__ == "__main__":
    main()
