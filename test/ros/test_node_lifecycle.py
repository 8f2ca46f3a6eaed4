"""Lifecycle, several nodes at once, remapping, simulated time."""

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from user import BLUE, FRAME, RED, boxes_msg

from clickseg3d_ros.segmenter_node import SegmenterNode


def change(user, transition):
    return user.call("change_state", ChangeState, transition=Transition(id=transition)).success


def test_a_deactivated_node_forgets_and_can_be_activated_again(user):
    user.hold(boxes_msg())
    user.click(RED)
    user.result({1})
    assert change(user, Transition.TRANSITION_DEACTIVATE)
    user.wait(lambda: not user.clouds_heard(), "the node to stop listening")
    assert change(user, Transition.TRANSITION_CLEANUP)
    assert change(user, Transition.TRANSITION_CONFIGURE)
    assert change(user, Transition.TRANSITION_ACTIVATE)
    user.connect()
    user.diagnostics.clear()
    user.hold(boxes_msg(stamp=(50, 0)))
    user.click(BLUE)
    heard = user.watch()["instances"]
    user.wait(lambda: heard[-1].header.stamp.sec == 50 and heard[-1].instances, "a result")
    assert [i.num_clicks for i in heard[-1].instances] == [1]


def test_a_checkpoint_that_is_not_there_fails_to_configure(context, tmp_path):
    node = SegmenterNode(
        context=context,
        parameter_overrides=[Parameter("model.checkpoint", value=str(tmp_path / "nothing"))],
    )
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    node.destroy_node()


def test_two_nodes_work_side_by_side(make_node, make_user):
    users = []
    for name in ("left", "right"):
        points = [f"/clicked_point{k}:=/{name}/clicked_point{k}" for k in ("", "/new")]
        make_node(namespace=name, remap=tuple(points))
        users.append(make_user(namespace=name))
    for number, user in enumerate(users):
        user.wait(user.clouds_heard, "the node")
        user.send_cloud(boxes_msg(stamp=(number, 0)))
        user.wait(lambda user=user: user.watch() and user.status(), "diagnostics")
    left, right = users
    left.send_click(RED, 4)
    assert left.result({4}).header.stamp.sec == 0
    right.send_click(BLUE, 7)
    assert right.result({7}).header.stamp.sec == 1
    left.idle(0.2)
    assert {i.id for i in left.watch()["instances"][-1].instances} == {4}


def test_simulated_time_that_stands_still_stops_nothing(make_node, make_user):
    make_node(use_sim_time=True)
    user = make_user()
    user.connect()
    user.hold(boxes_msg())
    user.click(RED, frame=FRAME)
    user.result({1})


def test_deactivation_during_inference_waits_for_it(user):
    user.send_cloud(boxes_msg())
    user.click(RED)
    assert change(user, Transition.TRANSITION_DEACTIVATE)
    user.wait(lambda: not user.clouds_heard(), "the node to stop listening")
