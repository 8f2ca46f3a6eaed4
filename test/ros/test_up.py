"""Which way is up: by parameter, by TF, or found in the cloud."""

from types import SimpleNamespace

import numpy as np
import pytest
from std_msgs.msg import Header
from user import RED, boxes_msg

from clickseg3d_core.errors import ClickError
from clickseg3d_ros.frames import Frames
from clickseg3d_ros.parameters import Settings
from clickseg3d_ros.scene import prepare_scene

OPTICAL_IN_MAP = np.array([[1.0, 0, 0, 2], [0, 0, -1, 0], [0, 1, 0, 3], [0, 0, 0, 1]])
"""T_cloud_map of a camera (x right, y down) that looks straight ahead."""


class TF(Frames):
    """Frames that know one transform, or none."""

    def __init__(self, known: np.ndarray | None) -> None:
        self.asked: list[tuple[str, float]] = []
        self.said: list[str] = []
        self._known = known
        self._logger = SimpleNamespace(warning=self.said.append)

    def into_cloud(self, frame: str, cloud: Header, timeout: float) -> np.ndarray:
        self.asked.append((frame, timeout))
        if self._known is None:
            raise ClickError(f"no transform from {frame!r}")
        return self._known


def asked_of_network(frames: Frames, **settings: str) -> object:
    """Which up the network is given for a cloud."""
    given = []
    network = SimpleNamespace(encode=lambda cloud, size, up: given.append(up) or SimpleNamespace())
    scene = prepare_scene(boxes_msg(), 10_000)
    for _ in range(2):
        scene.encode(network, frames, Settings(**settings))
    assert len(given) == 1  # a cloud is encoded once
    return given[0]


@pytest.mark.parametrize(("axis", "up"), [("auto", None), ("-y", (0, -1, 0)), ("+z", (0, 0, 1))])
def test_parameter_says_what_is_up(axis, up):
    frames = TF(OPTICAL_IN_MAP)
    assert asked_of_network(frames, model_up=axis) == up
    assert frames.asked == []


def test_tf_wins_over_the_parameter():
    frames = TF(OPTICAL_IN_MAP)
    assert asked_of_network(frames, model_up="+z", tf_up_frame="odom") == (0, -1, 0)
    assert frames.asked == [("odom", 0.5)]
    assert frames.said == []


@pytest.mark.parametrize(("axis", "up"), [("auto", None), ("-z", (0, 0, -1))])
def test_without_a_transform_the_parameter_holds_and_the_log_says_so(axis, up):
    frames = TF(None)
    assert asked_of_network(frames, model_up=axis, tf_up_frame="odom") == up
    assert "no transform from 'odom'" in frames.said[0]


@pytest.mark.parametrize("parameters", [{"model__up": "+x"}, {}])
def test_boxes_of_a_session_stand_on_what_is_up(make_node, make_user, parameters):
    """By the x and z of the third axis of the box."""
    make_node(**parameters)
    user = make_user()
    user.connect()
    user.hold(boxes_msg())
    user.click(RED)
    q = user.result({1}).instances[0].pose.orientation
    third = (2 * (q.x * q.z + q.w * q.y), 1 - 2 * (q.x * q.x + q.y * q.y))
    assert third == pytest.approx((1.0, 0.0) if parameters else (0.0, 1.0), abs=1e-6)
