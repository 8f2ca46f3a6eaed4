"""Every service: what it does, and what it answers when it cannot."""

import json

import numpy as np
import pytest
from cloud_messages import column, make_cloud_msg, positions
from geometry_msgs.msg import Point
from std_msgs.msg import Header
from user import BLUE, FRAME, RED, boxes_msg, iou, two_boxes

from clickseg3d_core import FileFormatError
from clickseg3d_core.session import ClickSession
from clickseg3d_ros import saving
from clickseg3d_ros.conversions import cloud_from_msg
from clickseg3d_ros.msg import Click
from clickseg3d_ros.srv import RemoveInstance, Segment, SelectInstance

CLOUD, IDS = two_boxes()
RED_TOP = (CLOUD.xyz[:, 2] > 0.148) & (IDS == 1)
BLUE_TOP = (CLOUD.xyz[:, 2] > 0.148) & (IDS == 2)


@pytest.fixture
def clicked(user):
    """A user who clicked both boxes: objects 1 and 2."""
    user.hold(boxes_msg())
    user.click(RED)
    user.result({1})
    user.click(BLUE, "/new")
    user.result({1, 2})
    return user


def request_click(position, instance_id, frame="", **fields):
    x, y, z = (float(v) for v in position)
    header = Header(frame_id=frame)
    return Click(header=header, position=Point(x=x, y=y, z=z), instance_id=instance_id, **fields)


# ---------------------------------------------------------------- the session


def test_undo_and_redo(clicked):
    answer = clicked.call("undo")
    assert answer.success, answer.message
    clicked.result({1})
    clicked.segmented({1})
    assert clicked.call("redo").success
    clicked.result({1, 2})
    answer = clicked.call("redo")
    assert not answer.success
    assert answer.message


def test_undo_of_everything_leaves_an_empty_state(user):
    user.hold(boxes_msg())
    answer = user.call("undo")
    assert not answer.success
    assert "nothing to undo" in answer.message
    user.click(RED)
    user.result({1})
    assert user.call("undo").success
    user.result(set())
    assert not (column(user.segmented(set()), "instance") == 1).any()
    markers = user.watch()["markers"]
    user.wait(lambda: len(markers[-1].markers) == 1, "markers to be deleted")


def test_reset_forgets_all_clicks(clicked):
    assert clicked.call("reset").success
    clicked.result(set())
    clicked.segmented(set())
    clicked.click(BLUE)
    assert clicked.result({1}).active_id == 1


def test_new_instance_makes_the_next_click_a_new_object(user):
    user.hold(boxes_msg())
    user.click(RED)
    user.result({1})
    assert user.call("new_instance").success
    user.click(BLUE)
    assert user.result({1, 2}).active_id == 2


def test_select_instance(clicked):
    answer = clicked.call("select_instance", SelectInstance, id=1)
    assert answer.success
    assert list(answer.instance_ids) == [1, 2]
    selected = clicked.watch()["selected/points"]
    red = int(clicked.result({1, 2}).instances[0].num_points)
    clicked.wait(lambda: selected and selected[-1].width == red, "the points of object 1")
    clicked.click((-0.2, 0.02, 0.16))
    instances = clicked.result({1, 2}, clicks=3)
    assert [i.num_clicks for i in instances.instances] == [2, 1]
    answer = clicked.call("select_instance", SelectInstance, id=7)
    assert not answer.success
    assert "7" in answer.message
    assert list(answer.instance_ids) == [1, 2]


def test_selecting_background_makes_background_clicks(clicked):
    assert clicked.call("select_instance", SelectInstance, id=0).success
    clicked.click((0.0, 0.4, 0.0))
    clicked.wait_count("clicks accepted", 3)
    assert clicked.status()["objects"] == "1, 2"


def test_remove_instance(clicked):
    answer = clicked.call("remove_instance", RemoveInstance, id=1)
    assert answer.success
    assert list(answer.instance_ids) == [2]
    clicked.result({2})
    clicked.segmented({2})
    answer = clicked.call("remove_instance", RemoveInstance, id=1)
    assert not answer.success
    assert "no clicks" in answer.message
    assert clicked.call("undo").success
    clicked.result({1, 2})


def test_remove_background_clicks(clicked):
    clicked.click((0.0, 0.4, 0.0), "/background")
    clicked.wait_count("clicks accepted", 3)
    assert clicked.call("remove_instance", RemoveInstance, id=0).success
    assert not clicked.call("remove_instance", RemoveInstance, id=0).success
    clicked.result({1, 2})


def test_a_disabled_node_ignores_clouds_and_clicks(user):
    user.hold(boxes_msg())
    assert user.enable(False).success
    user.click(RED)
    user.wait_status("last click rejection", "disabled")
    user.send_cloud(boxes_msg(stamp=(9, 0)))
    user.wait_count("clouds received", 2)
    user.idle(0.3)
    assert user.status()["clouds prepared"] == "1"
    assert user.status()["state"] == "disabled"
    assert user.enable(True).success
    user.wait_count("clouds prepared", 2)  # the newest of those that came meanwhile
    user.click(RED)
    assert user.result({1}).header.stamp.sec == 9


def test_save_session_writes_clicks_and_cloud(clicked, tmp_path):
    answer = clicked.call("save_session")
    assert answer.success, answer.message
    (folder,) = (tmp_path / "sessions").iterdir()
    assert str(folder) in answer.message
    session = ClickSession.load(folder / "session.json")
    assert session.object_ids == (1, 2)
    np.testing.assert_allclose(session.clicks.positions[0], RED, atol=0.02)
    header = json.loads((folder / "header.json").read_text())
    assert header == {"frame_id": FRAME, "stamp": {"sec": 12, "nanosec": 34}}
    assert (folder / "segmented.ply").stat().st_size > 6000 * 12


def test_save_session_says_why_it_cannot(user, make_node, make_user, tmp_path):
    answer = user.call("save_session")
    assert not answer.success
    assert answer.message
    (tmp_path / "file").write_text("")
    make_node(namespace="blocked", session__directory=str(tmp_path / "file"))
    other = make_user(namespace="blocked")
    other.connect()
    other.hold(boxes_msg())
    other.click(RED)
    other.result({1})
    answer = other.call("save_session")
    assert not answer.success
    assert "cannot be written" in answer.message


def test_a_session_that_cannot_be_saved_whole_leaves_nothing(clicked, tmp_path, monkeypatch):
    def full(*arguments):
        raise FileFormatError("the disk is full")

    monkeypatch.setattr(saving, "write_cloud", full)
    answer = clicked.call("save_session")
    assert not answer.success
    assert "disk is full" in answer.message
    assert list((tmp_path / "sessions").iterdir()) == []


# ---------------------------------------------------------------- ~/segment


def segment(user, **request):
    return user.call("segment", Segment, **request)


def test_segment_serves_a_cloud_and_clicks_without_touching_the_session(clicked):
    source = boxes_msg(height=4, stamp=(77, 0), frame_id="other")
    answer = segment(
        clicked,
        cloud=source,
        clicks=[request_click(RED, 3), request_click(BLUE, 8), request_click((0, 0.4, 0), 0)],
        return_cloud=True,
        return_instance_clouds=True,
    )
    assert answer.success, answer.message
    assert answer.segmented.header == answer.instances.header == source.header
    assert (answer.segmented.height, answer.segmented.width) == (4, 1500)
    assert iou(answer.segmented, 3, RED_TOP) > 0.7
    assert iou(answer.segmented, 8, BLUE_TOP) > 0.7
    assert [(i.id, i.num_clicks) for i in answer.instances.instances] == [(3, 1), (8, 1)]
    for item in answer.instances.instances:
        assert item.cloud.width == item.num_points == len(item.indices) > 100
        expected = column(source, "x")[np.asarray(item.indices)]
        np.testing.assert_array_equal(column(item.cloud, "x"), expected)
    clicked.idle(0.3)
    assert {i.id for i in clicked.result({1, 2}).instances} == {1, 2}
    assert clicked.status()["clicks accepted"] == "2"


def test_segment_works_on_the_held_cloud(clicked):
    answer = segment(clicked, clicks=[request_click(RED, Click.ACTIVE, frame=FRAME)])
    assert answer.success, answer.message
    assert [i.id for i in answer.instances.instances] == [1]
    assert answer.instances.header.frame_id == FRAME
    assert answer.segmented.width == 0  # was not asked for
    assert answer.instances.instances[0].cloud.width == 0


def test_segment_without_clicks_gives_background(clicked):
    answer = segment(clicked, return_cloud=True)
    assert answer.success, answer.message
    assert not answer.instances.instances
    assert (column(answer.segmented, "instance") == 0).all()


def test_segment_gives_the_same_answer_twice(user):
    request = {"cloud": boxes_msg(), "clicks": [request_click(RED, 1)], "return_cloud": True}
    first, second = segment(user, **request), segment(user, **request)
    assert first.segmented == second.segmented


def cut_short():
    message = boxes_msg()
    message.data = message.data[:-1]
    return message


REFUSED = {
    "no cloud held": ({}, "holds none"),
    "cut short": ({"cloud": cut_short()}, "cut short"),
    "no z": ({"cloud": make_cloud_msg({k: positions(9)[k] for k in "xy"})}, "x, y and z"),
    "far click": (
        {"cloud": boxes_msg(), "clicks": [request_click((5, 5, 5), 1)]},
        "nearest point",
    ),
    "not a number": (
        {"cloud": boxes_msg(), "clicks": [request_click((np.nan, 0, 0), 1)]},
        "finite",
    ),
    "absurd id": ({"cloud": boxes_msg(), "clicks": [request_click(RED, 2**31)]}, "int32"),
    "polarity": (
        {"cloud": boxes_msg(), "clicks": [request_click(RED, 1, polarity=9)]},
        "polarity",
    ),
    "other frame": (
        {"cloud": boxes_msg(), "clicks": [request_click(RED, 1, frame="moon")]},
        "moon",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_segment_answers_with_a_reason_and_lives(user, name):
    request, reason = REFUSED[name]
    answer = segment(user, **request)
    assert not answer.success
    assert reason in answer.message
    assert answer.segmented.width == 0
    assert not answer.instances.instances
    good = segment(user, cloud=boxes_msg(), clicks=[request_click(RED, 1)], return_cloud=True)
    assert good.success
    assert len(cloud_from_msg(good.segmented)) == 6000
