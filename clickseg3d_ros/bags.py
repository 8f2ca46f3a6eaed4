"""Clouds out of ROS 1 and ROS 2 bags, with no ROS installed: `pip install rosbags`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.types import PointCloud
from clickseg3d_ros.cloud_reading import cloud_from_msg

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader
    from rosbags.interfaces import Connection

_CLOUD_TYPE = "sensor_msgs/msg/PointCloud2"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BagCloud:
    """One cloud of a bag.

    Attributes:
        topic: Where it was recorded.
        stamp_ns: Time of the measurement, nanoseconds, from the header.
        frame_id: Frame of the cloud.
        cloud: The points.
    """

    topic: str
    stamp_ns: int
    frame_id: str
    cloud: PointCloud


def read_clouds(path: Path, topic: str | None = None) -> Iterator[BagCloud]:
    """Read the clouds of one topic in the order of recording.

    Args:
        path: A ROS 2 bag folder (sqlite3 or mcap), or a ROS 1 .bag file.
        topic: Needed where the bag holds more than one topic of clouds.

    Raises:
        FileFormatError: if the bag cannot be read, or does not hold that topic.
        CloudError: if a message is broken.
    """
    from rosbags.highlevel import AnyReader, AnyReaderError
    from rosbags.typesys import Stores, get_typestore

    try:
        with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as reader:
            yield from _clouds(reader, _cloud_connections(reader, path, topic))
    except (AnyReaderError, OSError) as error:
        raise FileFormatError(
            f"{path} is no readable bag ({error}); give a rosbag2 folder or a .bag file"
        ) from error


def _cloud_connections(reader: AnyReader, path: Path, topic: str | None) -> list[Connection]:
    clouds = [c for c in reader.connections if c.msgtype == _CLOUD_TYPE]
    topics = sorted({c.topic for c in clouds})
    wanted = topics[0] if topic is None and len(topics) == 1 else topic
    if wanted not in topics:
        asked = "a topic must be chosen" if topic is None else f"it has no clouds on {topic}"
        found = ", ".join(topics) or "none"
        raise FileFormatError(f"{path}: {asked}; its topics of PointCloud2 are: {found}")
    return [c for c in clouds if c.topic == wanted]


def _clouds(reader: AnyReader, connections: list[Connection]) -> Iterator[BagCloud]:
    for connection, _, raw in reader.messages(connections=connections):
        message: Any = reader.deserialize(raw, connection.msgtype)
        header = message.header
        yield BagCloud(
            topic=connection.topic,
            stamp_ns=header.stamp.sec * 10**9 + header.stamp.nanosec,
            frame_id=header.frame_id,
            cloud=cloud_from_msg(message),
        )
