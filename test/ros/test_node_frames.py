"""Clicks in other frames than the cloud's, over real TF."""

import pytest
from cloud_messages import msg_from_cloud
from geometry_msgs.msg import TransformStamped
from rcl_interfaces.msg import Log
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from user import FRAME, RED, boxes_msg, two_boxes

from clickseg3d_core import PointCloud

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


def seen_from(x: float, second: int):
    """The boxes, seen by a camera that is x metres along the map's x axis."""
    cloud = two_boxes()[0]
    moved = PointCloud(cloud.xyz - (x, 0.0, 0.0), cloud.rgb)
    return msg_from_cloud(moved, frame_id=FRAME, stamp=(second, 0))


@pytest.fixture
def moving(make_node, make_user):
    """Starts a node in live mode that knows the map; gives a user and how to tell TF."""

    def start(timeout):
        make_node(session__mode="live", tf__fixed_frame="map", tf__timeout=timeout)
        user = make_user()
        user.connect()
        publisher = user.node.create_publisher(tf2_messages.TFMessage, "/tf", 100)
        user.wait(publisher.get_subscription_count, "the node to listen")

        def tell(*transforms):
            publisher.publish(tf2_messages.TFMessage(transforms=list(transforms)))

        tell(camera_at(0.0, 9), camera_at(0.0, 10))
        user.hold(seen_from(0.0, 10))
        user.click(RED)
        user.result({1})
        return user, tell

    return start


def found_at(user, second):
    """Where object 1 is in the cloud of a second, x in metres."""
    heard = user.watch()["instances"]
    user.wait(
        lambda: heard and heard[-1].header.stamp.sec == second and heard[-1].instances,
        f"the object in cloud {second}",
    )
    return heard[-1].instances[0].centroid.x


def test_objects_stay_where_they_are_while_the_sensor_moves(moving):
    user, tell = moving(timeout=20.0)
    for second, x in ((11, 1.0), (12, -1.5)):  # farther than track.max_step
        user.send_cloud(seen_from(x, second))
        user.idle(0.2)
        tell(camera_at(x, second))  # later than the cloud
        assert found_at(user, second) == pytest.approx(-0.2 - x, abs=0.02)
    assert user.status()["lost objects"] == ""


def test_the_way_of_the_sensor_is_made_up_for_after_a_gap_in_tf(moving):
    user, tell = moving(timeout=0.1)
    user.send_cloud(seen_from(1.0, 11))
    user.wait_status("lost objects", "1")
    tell(camera_at(2.0, 12))
    user.idle(0.2)
    user.send_cloud(seen_from(2.0, 12))
    assert found_at(user, 12) == pytest.approx(-2.2, abs=0.02)
    user.wait(lambda: user.status()["lost objects"] == "", "the object to be found")


def test_transforms_are_forgotten_when_time_goes_back(make_node, make_user):
    make_node(use_sim_time=True, tf__timeout=0.2)
    user = make_user()
    user.connect()
    clock = user.node.create_publisher(Clock, "/clock", 10)
    transforms = user.node.create_publisher(tf2_messages.TFMessage, "/tf", 10)
    for publisher in (clock, transforms):
        user.wait(publisher.get_subscription_count, "the node to listen")
    for second, x in ((100, 4.0), (5, 1.0)):  # a bag that begins again
        now = Clock()
        now.clock.sec = second
        clock.publish(now)
        user.wait(
            lambda s=second: user.diagnostics and user.diagnostics[-1].header.stamp.sec == s,
            f"the node's clock to show {second}",
        )
        transforms.publish(tf2_messages.TFMessage(transforms=[camera_at(x, second)]))
        user.idle(0.2)
    user.hold(boxes_msg(stamp=(5, 0)))
    user.click(in_map(1.0), frame="map")
    user.result({1})
