"""Clicks, instances, markers and detections as messages."""

import importlib.util
import math
from dataclasses import replace

import numpy as np
import pytest
from cloud_messages import column, make_cloud_msg, positions
from geometry_msgs.msg import Point
from rclpy.serialization import deserialize_message, serialize_message
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from clickseg3d_core import ClickError, Clicks, Instance, OrientedBox, Segmentation
from clickseg3d_ros import vision
from clickseg3d_ros.conversions import clicks_from_msgs, instances_msg
from clickseg3d_ros.markers import markers_msg
from clickseg3d_ros.msg import Click, InstanceArray

TURN = Rotation.from_euler("z", 30, degrees=True)
N = 12
LABELS = np.array([0, 1, 1, 3, 3, 3, 0, 0, 1, 1, 0, 3], np.int32)
CLICKS = Clicks(
    np.array([[0.1, 0.2, 0.3], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.1, 1.0, 1.0]]),
    np.array([1, 3, 0, 3]),
)


def instance(number: int, points: int, name: str = "bottle") -> Instance:
    return Instance(
        id=number,
        class_name=name,
        class_score=0.75,
        mask_score=0.875,
        point_count=points,
        centroid=np.array([0.5, 0.25, 0.125]),
        box=OrientedBox(
            center=np.array([1.0, 2.0, 3.0]),
            extent=np.array([0.4, 0.2, 0.6]),
            rotation=TURN.as_matrix(),
        ),
    )


def segmentation() -> Segmentation:
    return Segmentation(
        labels=LABELS,
        probabilities=np.ones(N, np.float32),
        instances=(instance(1, 4), instance(2, 0), instance(3, 4, "toy")),
    )


def header(frame_id: str = "camera") -> Header:
    message = Header(frame_id=frame_id)
    message.stamp.sec = 7
    return message


def click(instance_id: int, polarity: int = Click.POSITIVE, x: float = 0.5) -> Click:
    return Click(position=Point(x=x, y=1.0, z=2.0), instance_id=instance_id, polarity=polarity)


# ---------------------------------------------------------------- clicks


def test_clicks_keep_order_position_and_id():
    clicks = clicks_from_msgs([click(2, x=0.1), click(Click.BACKGROUND, x=0.2), click(1, x=0.3)])
    assert clicks.object_ids.tolist() == [2, 0, 1]
    np.testing.assert_array_equal(clicks.positions, [[0.1, 1, 2], [0.2, 1, 2], [0.3, 1, 2]])


def test_active_clicks_mark_the_active_object():
    assert clicks_from_msgs([click(Click.ACTIVE)], active=5).object_ids.tolist() == [5]
    assert clicks_from_msgs([click(Click.ACTIVE)]).object_ids.tolist() == [1]


def test_negative_clicks_become_background():
    clicks = clicks_from_msgs([click(4, Click.NEGATIVE), click(Click.ACTIVE, Click.NEGATIVE)])
    assert clicks.object_ids.tolist() == [0, 0]


def test_a_click_is_positive_unless_it_says_otherwise():
    assert clicks_from_msgs([Click(instance_id=3)]).object_ids.tolist() == [3]


def test_no_clicks_are_no_clicks():
    assert len(clicks_from_msgs([])) == 0


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (click(1, polarity=7), "polarity"),
        (click(1, x=math.nan), "finite"),
        (click(1, x=math.inf), "finite"),
        (click(2**31), "int32"),
    ],
)
def test_clicks_that_mean_nothing_are_refused(message, reason):
    with pytest.raises(ClickError, match=reason):
        clicks_from_msgs([message])


# ---------------------------------------------------------------- instances


def test_instances_tell_everything_about_each_object():
    message = instances_msg(
        header(), segmentation(), CLICKS, active_id=3, revision=9, inference_ms=12.5
    )
    message = deserialize_message(serialize_message(message), InstanceArray)
    assert message.header == header()
    assert (message.active_id, message.revision, message.inference_ms) == (3, 9, 12.5)
    assert [i.id for i in message.instances] == [1, 2, 3]
    assert [i.num_clicks for i in message.instances] == [1, 0, 2]
    assert [i.num_points for i in message.instances] == [4, 0, 4]
    assert [i.label for i in message.instances] == ["bottle", "bottle", "toy"]
    last = message.instances[2]
    assert last.header == header()
    assert list(last.indices) == [3, 4, 5, 11]
    assert (last.label_score, last.score) == (0.75, 0.875)
    assert (last.centroid.x, last.centroid.y, last.centroid.z) == (0.5, 0.25, 0.125)
    assert (last.size.x, last.size.y, last.size.z) == (0.4, 0.2, 0.6)
    assert (last.pose.position.x, last.pose.position.y, last.pose.position.z) == (1.0, 2.0, 3.0)
    q = last.pose.orientation
    turned = Rotation.from_quat([q.x, q.y, q.z, q.w])
    np.testing.assert_allclose(turned.as_matrix(), TURN.as_matrix(), atol=1e-12)
    assert last.cloud.width == 0


def test_instance_clouds_hold_the_points_of_the_indices():
    columns = {**positions(N), "ring": np.arange(N, dtype=np.uint16)}
    source = make_cloud_msg(columns, height=3, row_tail=4)
    message = instances_msg(
        header(), segmentation(), CLICKS, active_id=1, revision=1, inference_ms=0.0, source=source
    )
    for item in message.instances:
        np.testing.assert_array_equal(column(item.cloud, "ring"), np.asarray(item.indices))
        assert item.cloud.header == source.header


# ---------------------------------------------------------------- markers


def markers(**changes: object) -> MarkerArray:
    arguments = {
        "header": header(),
        "instances": segmentation().instances,
        "clicks": CLICKS,
        "click_diameter": 0.01,
        "active_id": 3,
    }
    arguments |= changes
    frame = arguments.pop("header")
    seen, clicked = arguments.pop("instances"), arguments.pop("clicks")
    return markers_msg(frame, seen, clicked, **arguments)


def of(message: MarkerArray, namespace: str) -> dict[int, Marker]:
    return {m.id: m for m in message.markers if m.ns == namespace and m.action == Marker.ADD}


def test_markers_replace_those_before_and_are_accepted_by_rviz():
    message = deserialize_message(serialize_message(markers()), MarkerArray)
    assert message.markers[0].action == Marker.DELETEALL
    assert all(m.action == Marker.ADD for m in message.markers[1:])
    names = [(m.ns, m.id) for m in message.markers]
    assert len(set(names)) == len(names)  # else "Duplicate Marker Check"
    for marker in message.markers:
        assert marker.header == header()
        q = marker.pose.orientation
        assert q.x**2 + q.y**2 + q.z**2 + q.w**2 == pytest.approx(1.0)
        assert marker.lifetime.sec == marker.lifetime.nanosec == 0
    assert all(m.color.a == 1.0 for m in message.markers[1:])


def test_nothing_that_swallows_clicks_is_drawn():
    kinds = {m.type for m in markers().markers[1:]}
    assert kinds == {Marker.LINE_LIST, Marker.TEXT_VIEW_FACING, Marker.SPHERE_LIST}


def test_boxes_are_the_twelve_edges_of_the_oriented_box():
    boxes = of(markers(), "boxes")
    assert sorted(boxes) == [1, 3]  # object 2 has no points
    ends = np.array([(p.x, p.y, p.z) for p in boxes[1].points]).reshape(12, 2, 3)
    extent = np.array([0.4, 0.2, 0.6])
    np.testing.assert_allclose(np.abs(ends), np.broadcast_to(extent / 2, ends.shape))
    along = np.abs(ends[:, 1] - ends[:, 0])
    assert ((along > 0).sum(axis=1) == 1).all()
    np.testing.assert_allclose(along.sum(axis=0), 4 * extent)
    assert (boxes[1].pose.position.x, boxes[1].pose.position.z) == (1.0, 3.0)
    assert boxes[1].pose.orientation.z == pytest.approx(math.sin(math.radians(15)))
    assert boxes[3].scale.x > boxes[1].scale.x > 0  # the active one is thicker


OPTICAL = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""From z up to x right, y down."""


@pytest.mark.parametrize(("rotation", "up"), [(TURN.as_matrix(), (0, 0, 1)), (OPTICAL, (0, -1, 0))])
def test_names_float_above_the_box(rotation, up):
    """Above is where the box's third axis points, in the frame of a camera, too."""
    toy = instance(3, 7, "toy")
    standing = replace(toy, box=replace(toy.box, rotation=np.array(rotation)))
    name = of(markers(instances=(standing,)), "labels")[3]
    assert name.text == "3 toy 88%"
    above = np.array([name.pose.position.x, name.pose.position.y, name.pose.position.z])
    aside = above - [1.0, 2.0, 3.0]
    assert aside @ up > 0.3 + name.scale.z / 2
    assert np.linalg.norm(aside) == pytest.approx(aside @ up)


def test_clicks_are_small_spheres_in_the_color_of_their_object():
    message = markers()
    spheres = of(message, "clicks")
    assert sorted(spheres) == [0, 1, 3]
    assert [(p.x, p.y, p.z) for p in spheres[3].points] == [(1.0, 1.0, 1.0), (1.1, 1.0, 1.0)]
    assert spheres[3].scale.x == spheres[3].scale.y == spheres[3].scale.z == 0.01
    assert spheres[3].color == of(message, "boxes")[3].color
    assert spheres[3].color != spheres[1].color
    assert spheres[0].color.r == pytest.approx(spheres[0].color.b, abs=0.05)  # grey


def test_clicks_are_shown_before_there_is_a_result():
    message = markers(instances=())
    assert not of(message, "boxes")
    assert sum(len(m.points) for m in of(message, "clicks").values()) == 4


def test_an_empty_state_deletes_everything():
    message = markers(instances=(), clicks=Clicks(np.zeros((0, 3)), np.zeros(0, np.int64)))
    assert [m.action for m in message.markers] == [Marker.DELETEALL]


def test_colors_stay_when_another_object_is_removed():
    before = of(markers(), "boxes")[3].color
    assert of(markers(instances=segmentation().instances[2:]), "boxes")[3].color == before


# ---------------------------------------------------------------- detections


def test_vision_says_whether_the_package_is_there():
    assert vision.HAS_VISION is (importlib.util.find_spec("vision_msgs") is not None)


def test_detections_carry_class_box_and_id():
    pytest.importorskip("vision_msgs", reason="vision_msgs is not on PyPI")
    message = vision.detections_msg(header(), segmentation())
    message = deserialize_message(serialize_message(message), type(message))
    assert message.header == header()
    assert [d.id for d in message.detections] == ["1", "3"]
    found = message.detections[1]
    assert found.results[0].hypothesis.class_id == "toy"
    assert found.results[0].hypothesis.score == 0.75
    assert found.results[0].pose.pose.position.x == 0.5
    assert (found.bbox.size.x, found.bbox.size.z) == (0.4, 0.6)
    assert found.bbox.center.position.y == 2.0
    assert found.header == header()


def test_label_info_numbers_the_classes():
    pytest.importorskip("vision_msgs", reason="vision_msgs is not on PyPI")
    message = vision.label_info_msg(header(), ("wall", "floor"))
    named = {entry.class_id: entry.class_name for entry in message.class_map}
    assert named == {0: "wall", 1: "floor"}
