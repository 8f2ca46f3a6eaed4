"""Clouds of every kind of publisher, malformed ones among them."""

from array import array

import numpy as np
import pytest
from cloud_messages import column, make_cloud_msg, positions
from rclpy.qos import ReliabilityPolicy
from user import RED, boxes_msg


def test_a_best_effort_publisher_is_heard_and_named(make_node, make_user):
    make_node()
    user = make_user(reliability=ReliabilityPolicy.BEST_EFFORT)
    user.wait_status("input reliability", "best_effort")
    user.connect()
    user.hold(boxes_msg())
    user.click(RED)
    user.result({1})


def test_a_reliable_publisher_keeps_the_reliable_subscription(user):
    user.hold(boxes_msg())
    assert user.status()["input reliability"] == "reliable"


def test_a_forced_reliability_stays(make_node, make_user):
    make_node(input__reliability="reliable")
    user = make_user(reliability=ReliabilityPolicy.BEST_EFFORT)
    user.wait_status("input reliability", "reliable")
    user.send_cloud(boxes_msg())
    user.idle(0.5)
    assert user.status()["input reliability"] == "reliable"
    assert user.status()["clouds received"] == "0"


def test_best_effort_on_request_hears_reliable_publishers(make_node, make_user):
    make_node(input__reliability="best_effort")
    user = make_user()
    user.connect()
    user.hold(boxes_msg())
    assert user.status()["input reliability"] == "best_effort"


def _spoiled(**values):
    message = boxes_msg()
    for name, value in values.items():
        setattr(message, name, value)
    return message


MALFORMED = {
    "cut short": (_spoiled(data=array("B", bytes(100))), "cut short"),
    "absurd counts": (_spoiled(width=2**32 - 1, height=2**32 - 1), "input.max_points"),
    "absurd width": (_spoiled(width=4_000_000), "bytes of data"),
    "point_step 0": (_spoiled(point_step=0), "point_step"),
    "absurd point_step": (_spoiled(point_step=2**32 - 1), "point_step"),
    "row_step too small": (_spoiled(height=2, width=3000, row_step=1), "row_step"),
    "no fields": (_spoiled(fields=[]), "x, y and z"),
    "no z": (make_cloud_msg({k: positions(9)[k] for k in "xy"}), "x, y and z"),
    "no points": (_spoiled(width=0), "empty"),
    "nothing but NaN": (make_cloud_msg({k: np.full(9, np.nan) for k in "xyz"}), "finite"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_clouds_are_refused_with_a_diagnostic(user, name):
    message, reason = MALFORMED[name]
    user.send_cloud(message)
    user.wait_count("clouds refused", 1)
    assert reason in user.status()["last cloud error"]
    assert user.status()["message"].startswith("cloud refused")
    assert user.diagnostics[-1].status[0].level == b"\x02"
    user.click(RED)
    user.wait_count("clicks rejected", 1)
    user.hold(boxes_msg())  # and the next good one is taken
    user.click(RED)
    user.result({1})
    assert user.status()["last cloud error"] == ""


def test_a_malformed_cloud_leaves_the_good_one_in_place(user):
    user.hold(boxes_msg())
    user.send_cloud(MALFORMED["cut short"][0])
    user.wait_count("clouds refused", 1)
    user.click(RED)
    user.result({1})


def test_more_points_than_allowed_are_refused(make_node, make_user):
    make_node(input__max_points=5999)
    user = make_user()
    user.connect()
    user.send_cloud(boxes_msg())
    user.wait_status("last cloud error", "5999")


@pytest.mark.parametrize(
    "layout",
    [
        {"big_endian": True, "height": 60, "row_tail": 16},
        {"gap": 3, "tail": 5},
    ],
    ids=str,
)
def test_every_layout_is_segmented_alike(user, layout):
    user.hold(boxes_msg())
    user.click(RED)
    plain = column(user.segmented({1}), "instance")
    user.call("reset")
    user.segmented(set())
    user.hold(boxes_msg(**layout), prepared=2)
    user.click(RED)
    np.testing.assert_array_equal(column(user.segmented({1}), "instance"), plain)


def test_a_cloud_of_one_point_can_be_clicked(user):
    user.hold(make_cloud_msg({k: np.ones(1, np.float32) for k in "xyz"}))
    user.click((1.0, 1.0, 1.0))
    assert user.result({1}).instances[0].num_points == 1


def test_intensity_clouds_without_color_are_segmented(user):
    source = boxes_msg()
    columns = {name: column(source, name) for name in "xyz"}
    columns["intensity"] = np.linspace(0, 255, 6000).astype(np.float32)
    user.hold(make_cloud_msg(columns))
    user.click(RED)
    cloud = user.segmented({1})
    np.testing.assert_array_equal(column(cloud, "intensity"), columns["intensity"])
