"""A bag that rosbags wrote, replayed through the node."""

import pytest
from geometry_msgs.msg import PointStamped
from rclpy.serialization import serialize_message
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import PointCloud2
from user import BLUE, FRAME, RED, boxes_msg

from clickseg3d_ros.bags import read_clouds

CLOUDS = "/camera/depth/points"
TYPES = {
    "sensor_msgs/msg/PointCloud2": PointCloud2,
    "geometry_msgs/msg/PointStamped": PointStamped,
}


def point(position, second):
    message = PointStamped()
    message.header.frame_id = FRAME
    message.header.stamp.sec = second
    message.point.x, message.point.y, message.point.z = position
    return message


@pytest.fixture
def bag(tmp_path):
    """Three clouds, and two clicks after the first of them."""
    recorded = [
        (0.0, CLOUDS, boxes_msg(stamp=(100, 0), height=60)),
        (0.6, "/clicked_point", point(RED, 100)),
        (0.7, "/clicked_point/new", point(BLUE, 100)),
        (0.8, CLOUDS, boxes_msg(stamp=(101, 0), height=60)),
        (0.9, CLOUDS, boxes_msg(stamp=(102, 0), height=60)),
    ]
    store = get_typestore(Stores.ROS2_HUMBLE)
    with Writer(tmp_path / "bag", version=9) as writer:
        connections = {}
        for second, topic, message in recorded:
            if topic not in connections:
                name = next(k for k, kind in TYPES.items() if type(message) is kind)
                connections[topic] = writer.add_connection(topic, name, typestore=store)
            writer.write(connections[topic], int(second * 1e9), serialize_message(message))
    return tmp_path / "bag"


def test_a_bag_is_segmented_as_it_plays(bag, make_node, make_user):
    make_node(remap=(f"points:={CLOUDS}",))
    user = make_user()
    user.watch()
    with AnyReader([bag]) as reader:
        publishers = {
            c.topic: user.node.create_publisher(TYPES[c.msgtype], c.topic, 10)
            for c in reader.connections
        }
        user.wait(lambda: all(p.get_subscription_count() for p in publishers.values()), "the node")
        last = 0
        for connection, stamp, raw in reader.messages():
            user.idle((stamp - last) * 1e-9)
            last = stamp
            publishers[connection.topic].publish(bytes(raw))
    instances = user.result({1, 2})
    assert instances.header.stamp.sec == 100  # the clicked cloud is held
    assert (user.segmented({1, 2}).height, user.segmented({1, 2}).width) == (60, 100)
    assert user.status()["clicks accepted"] == "2"
    user.wait_count("clouds received", 3)
    assert [c.stamp_ns for c in read_clouds(bag)] == [100 * 10**9, 101 * 10**9, 102 * 10**9]
