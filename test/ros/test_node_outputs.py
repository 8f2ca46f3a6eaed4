"""What is published, and what is not computed because nobody listens."""

import numpy as np
import pytest
from cloud_messages import column
from user import BLUE, FRAME, RED, boxes_msg

from clickseg3d_ros import outputs
from clickseg3d_ros.msg import InstanceArray


def test_what_nobody_hears_is_not_computed(user, make_user, monkeypatch):
    computed = []
    for name in ("segmented_msg", "subset_msg", "markers_msg"):
        function = getattr(outputs, name)

        def counted(*args, _name=name, _function=function, **kwargs):
            computed.append(_name)
            return _function(*args, **kwargs)

        monkeypatch.setattr(outputs, name, counted)
    heard = user.listen("clickseg3d/instances", InstanceArray)
    user.hold(boxes_msg())
    user.click(RED)
    user.wait(lambda: heard and heard[-1].instances, "the instances")
    user.idle(0.5)
    assert computed == []
    late = make_user()  # who comes later gets all of it
    late.segmented({1})
    late.wait(lambda: all(late.watch().values()), "a message on every topic")
    assert set(computed) == {"segmented_msg", "subset_msg", "markers_msg"}


def test_a_state_nobody_heard_is_not_shown_from_before(user, make_user):
    first = make_user()
    first.watch()
    user.hold(boxes_msg())
    user.click(RED)
    first.segmented({1})
    first.close()
    user.wait(
        lambda: user.node.count_subscribers("/clickseg3d/segmented/points") == 0, "nobody to listen"
    )
    user.click(BLUE, "/new")
    user.wait_count("clicks accepted", 2)
    user.wait_status("objects", "1, 2")
    user.idle(0.5)
    late = make_user()
    late.segmented({1, 2})
    seen = [set(np.unique(column(m, "instance"))) for m in late.watch()["segmented/points"]]
    assert seen[0] >= {1, 2}  # never the state with one object


def test_diagnostics_tell_times_and_state(user):
    user.hold(boxes_msg())
    assert user.status()["state"] == "ready for a click"
    user.click(RED)
    user.result({1})
    user.wait_status("state", "holding the clicked cloud")
    user.wait(lambda: float(user.status()["click to result [ms]"]) > 0, "the time of a click")
    status = user.status()
    for key in ("convert [ms]", "encode [ms]", "decode [ms]", "publish [ms]", "voxel size [m]"):
        assert float(status[key]) > 0, key
    assert (status["points"], status["objects"], status["active object"]) == ("6000", "1", "1")
    assert user.diagnostics[-1].status[0].level == b"\x00"
    assert user.diagnostics[-1].status[0].name == "/clickseg3d: segmentation"


def test_diagnostics_warn_of_slow_results(make_node, make_user):
    make_node(diagnostics__max_result_ms=0.001)
    user = make_user()
    user.connect()
    user.hold(boxes_msg())
    user.click(RED)
    user.result({1})
    user.wait(lambda: user.status()["message"].startswith("slow"), "the warning")
    assert user.diagnostics[-1].status[0].level == b"\x01"


def test_revisions_grow_with_every_result(user):
    user.hold(boxes_msg())
    user.click(RED)
    first = user.result({1}).revision
    user.click(BLUE, "/new")
    second = user.result({1, 2})
    assert second.revision > first
    assert second.inference_ms > 0


def test_the_name_of_the_id_field_can_be_chosen(make_node, make_user):
    make_node(output__field_name="label")
    user = make_user()
    user.connect()
    heard = user.watch()["segmented/points"]
    user.hold(boxes_msg())
    user.click(RED)
    user.wait(lambda: heard and (column(heard[-1], "label") == 1).any(), "the labelled cloud")


def test_detections_and_label_info(user):
    vision = pytest.importorskip("vision_msgs.msg", reason="vision_msgs is not on PyPI")
    detections = user.listen("clickseg3d/detections", vision.Detection3DArray)
    info = user.listen("clickseg3d/label_info", vision.LabelInfo)
    user.hold(boxes_msg())
    user.click(RED)
    user.wait(lambda: detections and detections[-1].detections, "a detection")
    found = detections[-1].detections[0]
    assert detections[-1].header.frame_id == FRAME
    assert found.id == "1"
    assert found.bbox.center.position.x == pytest.approx(-0.2, abs=0.02)
    user.wait(lambda: info, "the classes")
    names = {entry.class_name for entry in info[-1].class_map}
    assert found.results[0].hypothesis.class_id in names
    assert len(names) == 35
