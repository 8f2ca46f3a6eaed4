"""Clouds out of bags that rosbags wrote."""

from pathlib import Path

import numpy as np
import pytest
from cloud_messages import make_cloud_msg, positions
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores, get_typestore

from clickseg3d_core import FileFormatError
from clickseg3d_ros.bags import read_clouds
from clickseg3d_ros.cloud_reading import cloud_from_msg

CLOUD = "sensor_msgs/msg/PointCloud2"


def write_bag(path: Path, clouds: dict[str, list]) -> Path:
    """A rosbag2 folder with rclpy messages by topic, one every 100 ms."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    with Writer(path, version=9) as writer:
        for topic, messages in clouds.items():
            connection = writer.add_connection(topic, CLOUD, typestore=store)
            for number, message in enumerate(messages):
                writer.write(connection, number * 10**8, serialize_message(message))
    return path


def test_clouds_come_in_order_and_equal_those_of_the_messages(tmp_path):
    layouts = [{"height": 3, "row_tail": 4}, {"big_endian": True, "gap": 4}, {"tail": 3}]
    sent = [
        make_cloud_msg(positions(12, seed=i), stamp=(i, 5), frame_id="lidar", **layout)
        for i, layout in enumerate(layouts)
    ]
    read = list(read_clouds(write_bag(tmp_path / "bag", {"/points": sent})))
    assert [(r.topic, r.stamp_ns, r.frame_id) for r in read] == [
        ("/points", i * 10**9 + 5, "lidar") for i in range(3)
    ]
    for ours, message in zip(read, sent, strict=True):
        np.testing.assert_array_equal(ours.cloud.xyz, cloud_from_msg(message).xyz)


def test_a_topic_must_be_chosen_among_several(tmp_path):
    sent = [make_cloud_msg(positions(4))]
    bag = write_bag(tmp_path / "bag", {"/a": sent, "/b": sent * 2})
    with pytest.raises(FileFormatError, match=r"must be chosen.*/a, /b"):
        list(read_clouds(bag))
    assert len(list(read_clouds(bag, "/b"))) == 2
    with pytest.raises(FileFormatError, match="no clouds on /c"):
        list(read_clouds(bag, "/c"))


def test_a_folder_that_is_no_bag_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match="no readable bag"):
        list(read_clouds(tmp_path))
