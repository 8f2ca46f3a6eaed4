"""Live mode: a clicked object is followed through the stream."""

import pytest
from cloud_messages import msg_from_cloud
from user import BLUE, FRAME, RED, two_boxes


def frame(second, shift=(0.0, 0.0, 0.0)):
    return msg_from_cloud(two_boxes(shift)[0], frame_id=FRAME, stamp=(second, 0))


@pytest.fixture
def live(make_node, make_user):
    make_node(session__mode="live")
    user = make_user()
    user.connect()
    user.hold(frame(1))
    return user


def shown(user, second):
    """Instances of the cloud of a second, by id."""
    heard = user.watch()["instances"]
    user.wait(lambda: heard and heard[-1].header.stamp.sec == second, f"cloud {second}")
    return {i.id: i for i in heard[-1].instances}


def test_objects_keep_their_ids_while_one_moves(live):
    live.click(RED)
    live.result({1})
    live.click(BLUE, "/new")
    live.result({1, 2})
    for step in range(1, 9):
        moved = -0.025 * step
        live.send_cloud(frame(1 + step, (moved, 0.5 * moved, 0.0)))
        found = shown(live, 1 + step)
        assert set(found) == {1, 2}
        assert found[1].centroid.x == pytest.approx(-0.2 + moved, abs=0.03)
        assert found[1].centroid.y == pytest.approx(0.5 * moved, abs=0.03)
        assert found[2].centroid.x == pytest.approx(0.2, abs=0.03)
        assert found[1].num_points > 100
    assert live.status()["lost objects"] == ""


def test_the_segmented_cloud_is_that_of_the_newest_cloud(live):
    live.click(RED)
    live.result({1})
    live.send_cloud(frame(2, (-0.03, 0.0, 0.0)))
    live.wait(lambda: live.segmented({1}).header.stamp.sec == 2, "the newest cloud")


def test_an_object_that_jumps_away_is_called_lost(live):
    live.click(RED)
    live.result({1})
    live.send_cloud(frame(2, (-5.0, 0.0, 0.0)))
    live.wait_status("lost objects", "1")
    assert "lost" in live.status()["message"]
    live.send_cloud(frame(3))  # and is found where it was
    live.wait(lambda: live.status()["lost objects"] == "", "the object to be found")


def test_a_click_on_a_moved_object_edits_it(live):
    live.click(RED)
    live.result({1})
    live.send_cloud(frame(2, (-0.03, 0.0, 0.0)))
    shown(live, 2)
    live.click((-0.23, 0.03, 0.16))
    assert live.result({1}, clicks=2).instances[0].centroid.x == pytest.approx(-0.23, abs=0.02)


def test_undo_works_after_objects_moved(live):
    live.click(RED)
    live.result({1})
    live.click(BLUE, "/new")
    live.result({1, 2})
    live.send_cloud(frame(2, (-0.03, 0.0, 0.0)))
    shown(live, 2)
    assert live.call("undo").success
    found = live.result({1}).instances[0]
    assert found.centroid.x == pytest.approx(-0.23, abs=0.02)
