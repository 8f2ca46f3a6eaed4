"""From a click to labels: every kind of click, what comes out, and what is refused."""

import numpy as np
import pytest
from cloud_messages import column
from user import BLUE, FLOOR, FRAME, RED, boxes_msg, iou, two_boxes
from visualization_msgs.msg import Marker

from clickseg3d_ros.msg import Click

CLOUD, IDS = two_boxes()
# The untrained network stops at the edges of a box: it cuts out the clicked face.
TOP = CLOUD.xyz[:, 2] > 0.148


def test_a_click_gives_the_object_on_every_output(user):
    heard = user.watch()
    source = boxes_msg(height=60)
    user.hold(source)
    user.click(RED)
    instances = user.result({1})
    cloud = user.segmented({1})
    assert iou(cloud, 1, TOP & (IDS == 1)) > 0.7
    assert cloud.header == instances.header == source.header
    assert (cloud.height, cloud.width) == (60, 100)
    for name in "xyz":
        np.testing.assert_array_equal(column(cloud, name), column(source, name))
    np.testing.assert_array_equal(column(cloud, "input_rgb"), column(source, "rgb"))
    found = instances.instances[0]
    mask = column(cloud, "instance") == 1
    assert list(found.indices) == np.flatnonzero(mask).tolist()
    assert (found.num_points, found.num_clicks) == (int(mask.sum()), 1)
    assert instances.active_id == 1
    assert found.cloud.width == 0
    centroid = (found.centroid.x, found.centroid.y, found.centroid.z)
    np.testing.assert_allclose(centroid, CLOUD.xyz[mask].mean(axis=0), atol=1e-5)
    user.wait(lambda: heard["selected/points"][-1].width == mask.sum(), "the selected points")
    user.wait(lambda: heard["remainder/points"][-1].width == (~mask).sum(), "the remainder")
    assert heard["remainder/points"][-1].header == source.header
    boxes = [m for m in heard["markers"][-1].markers if m.ns == "boxes"]
    assert [m.id for m in boxes] == [1]
    assert boxes[0].header == source.header


def test_clicks_of_three_topics_make_objects_and_background(user):
    user.hold(boxes_msg())
    user.click(RED)
    user.result({1})
    user.click(BLUE, "/new")
    instances = user.result({1, 2})
    assert instances.active_id == 2
    user.click((0.2, 0.02, 0.16))  # the active object is still the new one
    instances = user.result({1, 2}, clicks=3)
    assert [i.num_clicks for i in instances.instances] == [1, 2]
    user.click(FLOOR, "/background")
    user.wait_count("clicks accepted", 4)
    revision = instances.revision
    user.wait(lambda: user.watch()["instances"][-1].revision > revision, "a new result")
    cloud = user.segmented({1, 2})
    assert iou(cloud, 1, TOP & (IDS == 1)) > 0.7
    assert iou(cloud, 2, TOP & (IDS == 2)) > 0.7
    floor = np.linalg.norm(CLOUD.xyz - FLOOR, axis=1).argmin()
    assert column(cloud, "instance")[floor] == 0
    assert user.watch()["instances"][-1].active_id == 2


def test_programs_click_by_id(user):
    user.hold(boxes_msg())
    user.send_click(RED, 5)
    user.result({5})
    user.send_click(BLUE, 9, polarity=Click.POSITIVE)
    user.result({5, 9})
    user.send_click((0.2, 0.02, 0.16), Click.ACTIVE)
    instances = user.result({5, 9}, clicks=3)
    assert [(i.id, i.num_clicks) for i in instances.instances] == [(5, 1), (9, 2)]
    user.send_click(FLOOR, 9, polarity=Click.NEGATIVE)
    user.wait_count("clicks accepted", 4)
    assert [i.num_clicks for i in user.watch()["instances"][-1].instances] == [1, 2]
    cloud = user.segmented({5, 9})
    assert iou(cloud, 9, TOP & (IDS == 2)) > 0.7


def test_clicks_snap_to_the_nearest_point(user):
    user.hold(boxes_msg())
    above = np.array(RED) + (0.0, 0.0, 0.03)
    user.click(above)
    user.result({1})
    spheres = [m for m in user.watch()["markers"][-1].markers if m.ns == "clicks"]
    shown = np.array([spheres[0].points[0].x, spheres[0].points[0].y, spheres[0].points[0].z])
    distance = np.linalg.norm(CLOUD.xyz - above, axis=1)
    np.testing.assert_allclose(shown, CLOUD.xyz[distance.argmin()], atol=1e-5)


def test_a_click_is_shown_before_the_result(user):
    heard = user.watch()["markers"]
    user.hold(boxes_msg())
    before = len(heard)
    user.click(RED)
    user.result({1})
    first = next(m for m in heard[before:] if any(k.ns == "clicks" for k in m.markers))
    assert not any(k.ns == "boxes" for k in first.markers)


REFUSED = {
    "far from the cloud": (lambda u: u.click((0.0, 0.0, 1.0)), "from the nearest point"),
    "not a number": (lambda u: u.click((np.nan, 0.0, 0.0)), "finite"),
    "infinite": (lambda u: u.click((np.inf, 0.0, 0.0)), "finite"),
    "unknown frame": (lambda u: u.click(RED, frame="moon"), "moon"),
    "no frame": (lambda u: u.click(RED, frame=""), ""),
    "absurd id": (lambda u: u.send_click(RED, 2**32 - 2), "object id"),
    "absurd polarity": (lambda u: u.send_click(RED, 1, polarity=7), "polarity"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_clicks_say_why_and_change_nothing(user, name):
    act, reason = REFUSED[name]
    user.hold(boxes_msg())
    user.watch()
    act(user)
    user.wait_count("clicks rejected", 1)
    assert reason in user.status()["last click rejection"]
    assert user.status()["message"].startswith("click rejected")
    assert user.status()["objects"] == ""
    user.click(RED)  # and the next click works
    user.result({1})
    user.wait_count("clicks accepted", 1)
    assert user.status()["last click rejection"] == ""


def test_a_click_before_any_cloud_is_refused(user):
    user.click(RED)
    user.wait_status("last click rejection", "no cloud")


def test_more_objects_than_allowed_are_refused(make_node, make_user):
    make_node(click__max_instances=1)
    user = make_user()
    user.connect()
    user.hold(boxes_msg())
    user.click(RED)
    user.result({1})
    user.click(BLUE, "/new")
    user.wait_status("last click rejection", "max_instances")
    assert user.status()["objects"] == "1"


def test_with_policy_owner_a_click_inside_an_object_edits_that_one(make_node, make_user):
    make_node(click__policy="owner")
    user = make_user()
    user.connect()
    user.hold(boxes_msg())
    user.click(RED)
    user.result({1})
    user.click(BLUE, "/new")
    user.result({1, 2})
    user.click((-0.2, 0.02, 0.16))
    instances = user.result({1, 2}, clicks=3)
    assert [i.num_clicks for i in instances.instances] == [2, 1]


def test_the_clicked_cloud_is_held_until_reset(user):
    user.hold(boxes_msg(stamp=(1, 0)))
    user.click(RED)
    assert user.result({1}).header.stamp.sec == 1
    user.send_cloud(boxes_msg(stamp=(2, 0)))
    user.wait_count("clouds received", 2)
    user.click(BLUE, "/new")
    assert user.result({1, 2}).header.stamp.sec == 1
    assert user.status()["state"] == "holding the clicked cloud"
    assert user.call("reset").success
    user.wait_count("clouds prepared", 2)
    user.click(RED)
    user.wait(lambda: user.watch()["instances"][-1].header.stamp.sec == 2, "the newer cloud")


def test_points_that_are_not_finite_are_unlabeled(user):
    source = boxes_msg()
    table = np.frombuffer(source.data, np.uint8).reshape(-1, source.point_step).copy()
    table[::100, :4] = np.array([np.nan], np.float32).view(np.uint8)
    source.data = table.tobytes()
    user.hold(source)
    user.click(RED)
    ids = column(user.segmented({1}), "instance")
    assert (ids[::100] == 2**32 - 1).all()
    assert (ids == 2**32 - 1).sum() == 60


def test_late_joiners_get_the_state(user, make_user):
    user.hold(boxes_msg())
    user.click(RED)
    user.result({1})
    late = make_user()
    assert late.result({1}).header.frame_id == FRAME
    assert iou(late.segmented({1}), 1, TOP & (IDS == 1)) > 0.7
    late.wait(lambda: late.watch()["markers"], "latched markers")
    kinds = {m.type for m in late.watch()["markers"][-1].markers if m.action == Marker.ADD}
    assert kinds == {Marker.LINE_LIST, Marker.TEXT_VIEW_FACING, Marker.SPHERE_LIST}


def test_instance_clouds_on_request(make_node, make_user):
    make_node(output__instance_clouds=True)
    user = make_user()
    user.connect()
    user.hold(boxes_msg())
    user.click(RED)
    found = user.result({1}).instances[0]
    assert found.cloud.width == found.num_points
    np.testing.assert_allclose(column(found.cloud, "x").mean(), found.centroid.x, atol=1e-5)
