"""Clicks in other frames than the cloud's, over real TF."""

import pytest
from geometry_msgs.msg import TransformStamped
from rcl_interfaces.msg import Log
from rclpy.qos import DurabilityPolicy, QoSProfile
from user import FRAME, RED, boxes_msg

pytest.importorskip("tf2_ros", reason="tf2_ros is not on PyPI; every ROS install has it")
tf2_messages = pytest.importorskip("tf2_msgs.msg")


def camera_at(x: float, second: int) -> TransformStamped:
    """The camera x metres along the map's x axis."""
    transform = TransformStamped()
    transform.header.frame_id, transform.child_frame_id = "map", FRAME
    transform.header.stamp.sec = second
    transform.transform.translation.x = x
    transform.transform.rotation.w = 1.0
    return transform


def in_map(camera_x: float) -> tuple[float, float, float]:
    """Where the top of the red box is in the map."""
    return RED[0] + camera_x, RED[1], RED[2]


@pytest.fixture
def broadcast(user):
    publishers = {}

    def send(*transforms, static=False):
        topic = "/tf_static" if static else "/tf"
        if topic not in publishers:
            durability = DurabilityPolicy.TRANSIENT_LOCAL if static else DurabilityPolicy.VOLATILE
            publisher = user.node.create_publisher(
                tf2_messages.TFMessage, topic, QoSProfile(depth=100, durability=durability)
            )
            user.wait(publisher.get_subscription_count, f"the node to listen to {topic}")
            publishers[topic] = publisher
        publishers[topic].publish(tf2_messages.TFMessage(transforms=list(transforms)))

    return send


def test_clicks_are_transformed_at_the_stamp_of_the_cloud(user, broadcast):
    broadcast(camera_at(0.0, 10), camera_at(4.0, 20))
    user.hold(boxes_msg(stamp=(15, 0)))
    user.click(in_map(2.0), frame="map")
    centroid = user.result({1}).instances[0].centroid
    assert (centroid.x, centroid.y) == pytest.approx((-0.2, 0.0), abs=0.02)
    user.click(in_map(4.0), frame="map")  # where the box is now
    user.wait_status("last click rejection", "nearest point")


def test_static_transforms_hold_at_every_stamp(user, broadcast):
    broadcast(camera_at(-2.0, 0), static=True)
    user.hold(boxes_msg(stamp=(1234, 5)))
    user.click(in_map(-2.0), frame="map")
    user.result({1})


def test_the_latest_transform_is_a_fallback_with_a_warning(make_node, make_user):
    make_node(tf__timeout=0.1)
    user = make_user()
    user.connect()
    logs = user.listen("/rosout", Log, QoSProfile(depth=100))
    publisher = user.node.create_publisher(tf2_messages.TFMessage, "/tf", 10)
    user.wait(publisher.get_subscription_count, "the node to listen")
    publisher.publish(tf2_messages.TFMessage(transforms=[camera_at(1.0, 20)]))
    user.hold(boxes_msg(stamp=(100, 0)))
    user.click(in_map(1.0), frame="map")
    user.result({1})
    user.wait(lambda: [k for k in logs if "latest, -80.000 s" in k.msg], "the warning")


def test_a_click_waits_for_a_transform_that_comes_late(make_node, make_user):
    make_node(tf__timeout=20.0)
    user = make_user()
    user.connect()
    publisher = user.node.create_publisher(tf2_messages.TFMessage, "/tf", 10)
    user.wait(publisher.get_subscription_count, "the node to listen")
    user.hold(boxes_msg(stamp=(15, 0)))
    user.click(in_map(0.5), frame="map")
    user.idle(0.3)
    assert user.status()["clicks accepted"] == "0"
    publisher.publish(tf2_messages.TFMessage(transforms=[camera_at(0.0, 10), camera_at(1.0, 20)]))
    user.result({1})


def test_without_a_transform_nothing_is_guessed(user, broadcast):
    broadcast(camera_at(0.0, 10))
    user.hold(boxes_msg(stamp=(10, 0)))
    user.click(RED, frame="somewhere")
    user.wait_status("last click rejection", "no transform from 'somewhere'")
    assert user.status()["clicks accepted"] == "0"


def test_a_leading_slash_means_the_same_frame(user):
    user.hold(boxes_msg())
    user.click(RED, frame=f"/{FRAME}")
    user.result({1})
