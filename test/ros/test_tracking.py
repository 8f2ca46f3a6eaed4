"""Objects followed from cloud to cloud by the mean of their points."""

import numpy as np
import pytest

from clickseg3d_core.session import Click
from clickseg3d_core.types import Clicks, Instance, OrientedBox, Segmentation
from clickseg3d_ros.tracking import Tracker

STILL = np.eye(4)
MAX_STEP = 0.3


def seen(**objects: tuple[tuple[float, float, float], int]) -> Segmentation:
    """A result with objects `o1=(centroid, points)`."""
    box = OrientedBox(center=np.zeros(3), extent=np.ones(3), rotation=np.eye(3))
    instances = tuple(
        Instance(
            id=int(name[1:]),
            class_name="box",
            class_score=1.0,
            mask_score=1.0,
            point_count=points,
            centroid=np.array(centroid, dtype=np.float64),
            box=box,
        )
        for name, (centroid, points) in objects.items()
    )
    return Segmentation(np.zeros(1, np.int32), np.zeros(1, np.float32), instances)


def as_clicks(made: tuple[Click, ...]) -> Clicks:
    return Clicks(np.array([c.position for c in made]), np.array([c.object_id for c in made]))


MADE = (Click((0.0, 0.0, 1.0), 1), Click((2.0, 0.0, 1.0), 2), Click((5.0, 5.0, 0.0), 0))


@pytest.fixture
def tracker() -> Tracker:
    tracker = Tracker()
    first = seen(o1=((0.1, 0.0, 0.9), 100), o2=((2.0, 0.1, 0.9), 100))
    tracker.observe(first, MADE, STILL, MAX_STEP)
    return tracker


def test_the_first_sight_moves_nothing(tracker):
    np.testing.assert_allclose(
        tracker.to_cloud(as_clicks(MADE)).positions, [c.position for c in MADE]
    )


def test_clicks_move_with_their_own_object_only(tracker):
    tracker.observe(
        seen(o1=((0.3, 0.1, 0.9), 90), o2=((2.0, 0.1, 0.9), 110)), MADE, STILL, MAX_STEP
    )
    moved = tracker.to_cloud(as_clicks(MADE)).positions
    np.testing.assert_allclose(moved, [(0.2, 0.1, 1.0), (2, 0, 1), (5, 5, 0)], atol=1e-12)
    assert tracker.lost == frozenset()


def test_steps_add_up_without_drift(tracker):
    for step in range(1, 51):
        tracker.observe(seen(o1=((0.1 + 0.1 * step, 0.0, 0.9), 100)), MADE, STILL, MAX_STEP)
    moved = tracker.to_cloud(as_clicks(MADE[:1])).positions
    np.testing.assert_allclose(moved, [(5.0, 0.0, 1.0)], atol=1e-9)


def test_a_later_click_on_a_moved_object_stays_where_it_was_made(tracker):
    tracker.observe(seen(o1=((0.3, 0.0, 0.9), 100)), MADE, STILL, MAX_STEP)
    clicked = np.array([0.25, 0.0, 1.0])
    anchor = tracker.to_anchor(clicked, 1)
    made = (*MADE, Click(tuple(anchor.tolist()), 1))
    np.testing.assert_allclose(tracker.to_cloud(as_clicks(made)).positions[-1], clicked)
    # The object shows more of itself after the new click; that is no movement.
    tracker.observe(seen(o1=((0.35, 0.0, 0.9), 150)), made, STILL, MAX_STEP)
    np.testing.assert_allclose(tracker.to_cloud(as_clicks(made)).positions[-1], clicked)


@pytest.mark.parametrize(
    ("centroid", "points"),
    [
        pytest.param((0.5, 0.0, 0.9), 100, id="jumped"),
        pytest.param((0.1, 0.0, 0.9), 301, id="grew"),
        pytest.param((0.1, 0.0, 0.9), 33, id="shrank"),
        pytest.param((0.1, 0.0, 0.9), 0, id="gone"),
    ],
)
def test_what_cannot_be_the_same_object_is_lost_and_stays(tracker, centroid, points):
    both = seen(o1=(centroid, points), o2=((2.1, 0.1, 0.9), 100))
    tracker.observe(both, MADE, STILL, MAX_STEP)
    assert tracker.lost == {1}
    moved = tracker.to_cloud(as_clicks(MADE)).positions
    np.testing.assert_allclose(moved[0], MADE[0].position)
    np.testing.assert_allclose(moved[1], (2.1, 0.0, 1.0))
    tracker.observe(
        seen(o1=((0.15, 0.0, 0.9), 100), o2=((2.1, 0.1, 0.9), 100)), MADE, STILL, MAX_STEP
    )
    assert tracker.lost == frozenset()


def test_a_moved_sensor_is_not_a_moved_object():
    turn = np.array([[0.0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]])
    tracker = Tracker()
    tracker.observe(seen(o1=((0.1, 0.0, 0.9), 100)), MADE, STILL, MAX_STEP)
    tracker.move_sensor(turn)
    centroid = turn[:3, :3] @ (0.1, 0.0, 0.9) + turn[:3, 3]
    tracker.observe(seen(o1=(tuple(centroid), 100)), MADE, tracker.motion, MAX_STEP)
    assert tracker.lost == frozenset()
    moved = tracker.to_cloud(as_clicks(MADE)).positions
    expected = np.array([c.position for c in MADE]) @ turn[:3, :3].T + turn[:3, 3]
    np.testing.assert_allclose(moved, expected, atol=1e-12)
    anchor = tracker.to_anchor(expected[0], 1)
    np.testing.assert_allclose(anchor, MADE[0].position, atol=1e-12)
