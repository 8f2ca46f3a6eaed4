"""The network in a process of its own, seen from the node.

Path search, sorting and other parts of the encoding hold the interpreter's lock for tens of
milliseconds. In the node's process every click would wait for them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from itertools import count
from multiprocessing import Pipe
from typing import Any, TypeVar

from clickseg3d_core.errors import ClickSegError
from clickseg3d_core.types import Clicks, PointCloud, Segmentation, Up
from clickseg3d_ros.wire import Bug, receive, send

T = TypeVar("T")
_LAST_WORDS_S = 10.0


class NetworkLostError(ClickSegError, RuntimeError):
    """The process of the network died."""


class RemoteEncoding:
    """An encoding that the process of the network keeps as long as this object lives.

    Attributes:
        voxel_size: Metres per voxel side.
    """

    def __init__(
        self,
        cloud: PointCloud,
        wanted: tuple[float | None, Up],
        key: int,
        forgotten: deque[int],
    ) -> None:
        self.voxel_size = 0.0
        self.cloud = cloud
        self.wanted = wanted
        self.key = key
        self.home: subprocess.Popen[bytes] | None = None
        self._forgotten = forgotten

    def __del__(self) -> None:
        self._forgotten.append(self.key)


class NetworkProcess:
    """Encodes and segments as `ClickSegmenter` does. For one thread at a time.

    When the process dies, killed for want of memory perhaps, it is started again and asked once
    more. If it dies of that, too, the request fails, and the next one starts it again.

    Args:
        checkpoint: Folder; empty for the weights in the package.
        device: auto, cpu or cuda.
        threads: CPU threads of the network; 0 leaves torch's default.
        closer: Whether it is a `CloseUp`.

    Raises:
        CheckpointError: if the checkpoint cannot be read, or CUDA is asked for and missing.
    """

    def __init__(
        self, checkpoint: str, device: str, threads: int = 0, closer: bool = False
    ) -> None:
        self._model = (checkpoint, device, closer)
        self._threads = threads
        self._keys = count()
        self._forgotten: deque[int] = deque()
        self._is_ended = False
        self.info: dict[str, Any] = self._start()

    def encode(
        self, cloud: PointCloud, voxel_size: float | None = None, up: Up = None
    ) -> RemoteEncoding:
        """See `ClickSegmenter.encode`.

        Raises:
            CloudError: if the cloud cannot be encoded.
            NetworkLostError: if the process dies twice.
        """
        encoding = RemoteEncoding(cloud, (voxel_size, up), next(self._keys), self._forgotten)
        self._insist(lambda: self._ready(encoding))
        return encoding

    def segment(self, encoding: RemoteEncoding, clicks: Clicks) -> Segmentation:
        """See `ClickSegmenter.segment`.

        Raises:
            ClickError: if the clicks cannot be used.
            NetworkLostError: if the process dies twice.
        """

        def ask() -> Segmentation:
            self._ready(encoding)
            result: Segmentation = self._ask("segment", encoding.key, clicks)
            return result

        return self._insist(ask)

    def tidy(self) -> None:
        """Free the encodings that nobody holds any more; done before every encoding, too."""
        keys = [self._forgotten.popleft() for _ in range(len(self._forgotten))]
        if keys and self._process.poll() is None:
            self._ask("forget", keys)

    def kill(self) -> None:
        """End the process at once; what waits for it gets a NetworkLostError. From any thread."""
        self._is_ended = True
        self._process.kill()

    def close(self) -> None:
        """End the process and free what belongs to it; nobody may wait for it."""
        self.kill()
        self._process.wait()
        self._connection.close()

    def _start(self) -> dict[str, Any]:
        self._connection, theirs = Pipe()
        with theirs:
            descriptor = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "clickseg3d_ros.network_server", str(descriptor)]
                + ["--threads", str(self._threads)],
                pass_fds=[descriptor],
                stdin=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,  # Ctrl-C is for the node, which then ends this process
            )
        try:
            info: dict[str, Any] = self._ask("load", *self._model)
        except Exception:
            self._process.kill()
            self._process.wait()
            raise
        return info

    def _insist(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except NetworkLostError:
            return ask()

    def _ready(self, encoding: RemoteEncoding) -> None:
        """Bring the process up, and to know the encoding."""
        if self._is_ended:
            raise NetworkLostError("the network's process was ended")
        if self._process.poll() is not None:
            self._connection.close()
            self._start()
        if encoding.home is not self._process:
            self.tidy()
            encoding.voxel_size = self._ask(
                "encode", encoding.key, encoding.cloud, *encoding.wanted
            )
            encoding.home = self._process

    def _ask(self, method: str, *arguments: object) -> Any:
        try:
            send(self._connection, (method, arguments))
            answer = receive(self._connection)
        except (EOFError, OSError):
            raise NetworkLostError(self._obituary()) from None
        if isinstance(answer, ClickSegError):
            raise answer
        if isinstance(answer, Bug):
            raise RuntimeError(f"in the network's process:\n{answer.text}")
        return answer

    def _obituary(self) -> str:
        try:
            code = self._process.wait(_LAST_WORDS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        cause = f"exit code {code}"
        if code < 0:
            cause = signal.Signals(-code).name
            cause += ", as when memory runs out" if code == -signal.SIGKILL else ""
        return f"the network's process died ({cause}); the next click or cloud starts it again"
