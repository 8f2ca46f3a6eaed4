"""The grasp pipeline of examples/, fed by the node."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from cloud_messages import msg_from_cloud
from geometry_msgs.msg import PoseStamped
from scipy.spatial.transform import Rotation
from user import BLUE, FRAME, RED, boxes_msg, two_boxes

from clickseg3d_core import PointCloud

OPTICAL = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""From z up to x right, y down."""
AHEAD = np.array([0.0, 0.0, 1.5])
PATH = Path(__file__).parents[2] / "examples" / "grasp_pipeline_node.py"


@pytest.fixture
def pipeline(context, run):
    spec = importlib.util.spec_from_file_location("grasp_pipeline_node", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return run(module.GraspPipeline(context=context)).node


def test_the_grasp_pipeline_follows_the_active_object(pipeline, user):
    grasps = user.listen("grasp_pose", PoseStamped)
    user.hold(boxes_msg())
    user.click(RED)
    user.wait(lambda: grasps, "a grasp of the red box")
    grasp = grasps[-1]
    assert grasp.header.frame_id == FRAME
    assert grasp.header.stamp.sec == 12
    p = grasp.pose.position
    assert (p.x, p.y, p.z) == pytest.approx((-0.2, 0.0, 0.16), abs=0.02)
    user.click(BLUE, "/new")
    user.wait(lambda: grasps[-1].pose.position.x > 0, "a grasp of the blue box")
    q = grasps[-1].pose.orientation
    assert math.hypot(q.x, q.y) == pytest.approx(0.0, abs=1e-6)  # from above


def test_the_grasp_is_on_top_in_the_frame_of_a_camera_too(pipeline, user):
    grasps = user.listen("grasp_pose", PoseStamped)
    cloud = two_boxes()[0]
    lying = Rotation.from_euler("x", 40, degrees=True).as_matrix() @ OPTICAL
    user.hold(msg_from_cloud(PointCloud(cloud.xyz @ lying.T + AHEAD, cloud.rgb), frame_id=FRAME))
    top = lying @ RED + AHEAD
    user.click(tuple(top))
    user.wait(lambda: grasps, "a grasp of the red box")
    p = grasps[-1].pose.position
    assert (p.x, p.y, p.z) == pytest.approx(tuple(top), abs=0.03)


def test_the_readme_shows_lines_of_the_example():
    text = (PATH.parents[1] / "README.md").read_text()
    shown = text.split("A grasp pipeline listens")[1].split("```python\n")[1].split("```")[0]
    lines = {line.strip() for line in PATH.read_text().splitlines()}
    assert len(shown.splitlines()) > 5
    assert [line for line in shown.splitlines() if line.strip() not in lines] == []
