"""Python values between the node and the process of its network."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any


@dataclass(frozen=True, slots=True)
class Bug:
    """An exception that nobody expected, as text: not every exception can be sent."""

    text: str


def send(connection: Connection, value: object) -> None:
    """Send a value; the bytes of its arrays go beside it and are not copied before.

    Raises:
        OSError: if nobody is at the other end.
    """
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    connection.send_bytes(len(buffers).to_bytes(4, "little") + head)
    for buffer in buffers:
        connection.send_bytes(buffer.raw())


def receive(connection: Connection) -> Any:
    """Wait for a value; its arrays cannot be written to.

    Raises:
        EOFError: if the other end was closed.
        OSError: if it broke.
    """
    head = connection.recv_bytes()
    count = int.from_bytes(head[:4], "little")
    return pickle.loads(head[4:], buffers=[connection.recv_bytes() for _ in range(count)])
