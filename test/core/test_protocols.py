"""Simulated users, what their clicks are worth, and what an episode records."""

from dataclasses import replace

import numpy as np
import pytest

from clickseg3d_core import Clicks, CloudError, ConfigError, PointCloud
from clickseg3d_core.clicks import error_clicks, next_click
from clickseg3d_core.data.scene import Scene
from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.evaluation.episode import Answer, measures, play
from clickseg3d_core.evaluation.error_depths import ErrorDepths
from clickseg3d_core.evaluation.methods import Method, Prepared
from clickseg3d_core.evaluation.protocol import Protocol, protocol_named
from clickseg3d_core.evaluation.stage import Stage
from clickseg3d_core.evaluation.user import CentroidUser, InnermostUser
from clickseg3d_core.evaluation.view import protocol_view, view_of

MULTI = protocol_named("agile3d-multi")
SINGLE = protocol_named("agile3d-single")


def line(n: int) -> np.ndarray:
    return np.c_[np.arange(float(n)), np.zeros(n), np.zeros(n)]


def play_line(truth, answers, protocol=MULTI, user=None, view=None):
    """Play on points 1 m apart; `answers` maps clicks to labels."""
    xyz = line(len(truth))
    view = view_of(np.arange(len(truth))) if view is None else view
    user = InnermostUser(ErrorDepths(xyz[view.rows])) if user is None else user
    truth = np.asarray(truth)

    def segment(clicks: Clicks) -> Answer:
        return Answer(labels=np.asarray(answers(clicks), dtype=np.int32), named={})

    return play(protocol, user, segment, xyz, view, truth, int(truth.max()))


def nothing(truth):
    return lambda clicks: np.zeros(len(truth), int)


@pytest.mark.parametrize("points", [1, 12, 300, 2500])
@pytest.mark.parametrize("objects", [1, 4])
def test_depths_equal_the_exhaustive_ones(points, objects, rng):
    xyz = rng.normal(size=(points, 3)) * (1, 1, 0.2)
    depths = ErrorDepths(xyz)
    truth = (xyz[:, 0] * 2).astype(int).clip(0, objects)
    for prediction in (
        np.zeros(points, int),
        rng.integers(0, objects + 1, points),
        np.where(np.linalg.norm(xyz, axis=1) < 0.9, objects, truth),
        truth,
    ):
        assert depths.every_group(truth, prediction) == error_clicks(xyz, truth, prediction)
        assert depths.largest_group(truth, prediction) == next_click(xyz, truth, prediction)


def test_depths_with_equal_points_and_equal_depths():
    xyz = np.repeat(line(40), 3, axis=0)
    truth = (np.arange(120) // 3 % 10 < 5).astype(int)
    depths, prediction = ErrorDepths(xyz), np.zeros(120, int)
    assert depths.every_group(truth, prediction) == error_clicks(xyz, truth, prediction)
    assert depths.largest_group(truth, 1 - truth) == next_click(xyz, truth, 1 - truth)


def test_a_group_that_is_everything_is_clicked_in_its_middle():
    truth = np.ones(31, int)
    click = ErrorDepths(line(31)).largest_group(truth, np.zeros(31, int))
    assert (click.index, click.label) == (15, 1)


def test_view_keeps_the_first_point_of_each_voxel_in_file_order():
    xyz = np.array([[0.07, 0, 0], [0.02, 0, 0], [0.09, 0, 0], [0, 0, 0.2], [0, 0, 0]], np.float32)
    view = protocol_view(xyz, 0.05)
    assert view.rows.tolist() == [0, 1, 3]
    assert view.owner.tolist() == [0, 1, 0, 2, 1]


def test_view_leaves_out_points_that_are_nowhere():
    view = protocol_view(np.array([[np.nan, 0, 0], [1, 1, 1]], np.float32), 0.05)
    assert (view.rows.tolist(), view.owner.tolist()) == ([1], [-1, 0])
    assert view_of(np.array([-1, 7, 3, 7])).owner.tolist() == [-1, 0, 1, 0]


def test_view_of_a_cloud_too_wide_for_its_voxels():
    with pytest.raises(CloudError, match="too wide"):
        protocol_view(np.array([[0, 0, 0], [1e9, 1e9, 1e9]], np.float32), 0.05)


def test_first_round_clicks_every_object_then_one_click_a_round_up_to_the_cap():
    truth = np.r_[np.zeros(5), np.ones(9), np.zeros(4), np.full(5, 2), np.zeros(5)].astype(int)
    course = play_line(truth, nothing(truth), replace(MULTI, clicks=3))
    assert course.counts == (0, 2, 3, 4, 5, 6)
    assert [c.label for c in course.clicks[:2]] == [1, 2]  # the deeper first
    assert [c.row for c in course.clicks[:2]] == [9, 20]
    assert len(course.clicks) == 6
    assert course.iou[0] == (0.0, 0.0)
    assert course.iou[1] == (1 / 9, 1 / 5)  # the clicked points themselves


def test_a_content_user_stops_and_the_last_round_stands_for_the_rest():
    truth = np.r_[np.zeros(5), np.ones(5)].astype(int)
    course = play_line(truth, lambda clicks: truth)
    assert course.counts == (0, 1)
    assert course.iou == ((0.0,), (1.0,))
    assert course.recall[-1] == (1.0,)


def test_too_much_is_taken_away_by_background_clicks():
    truth = np.r_[np.ones(5), np.zeros(15)].astype(int)
    course = play_line(truth, lambda clicks: np.ones(20, int), replace(SINGLE, clicks=3))
    assert [c.label for c in course.clicks] == [1, 0, 0]
    assert course.clicks[1].row == 19  # farthest from anything right


def test_a_voxel_answers_with_the_label_of_its_first_point():
    truth = np.array([1, 1, 1, 0, 0, 0])
    view = view_of(np.array([0, 0, 1, 1, 2, 2]))
    course = play_line(truth, lambda clicks: truth, replace(SINGLE, clicks=1), view=view)
    assert course.iou[-1] == (3 / 4,)  # row 3 goes with row 2


def test_an_object_that_the_user_cannot_see_is_not_clicked_but_counts():
    truth = np.array([1, 2, 1, 0, 0, 0])
    view = view_of(np.array([0, 0, 1, 2, 3, 4]))
    course = play_line(truth, lambda clicks: np.where(truth == 1, 1, 0), MULTI, view=view)
    assert [c.label for c in course.clicks] == [1]
    assert course.counts == (0, 2)
    assert course.iou[-1] == (2 / 3, 0.0)


def test_measures_leave_objects_without_points_open():
    iou, recall = measures(np.array([0, 1, 1]), np.array([1, 1, 0]), 2)
    assert iou == (1 / 3, None)
    assert recall == (0.5, None)


def scene(instance: np.ndarray, xyz: np.ndarray) -> Scene:
    return Scene(
        xyz=xyz.astype(np.float32),
        rgb=None,
        instance=instance.astype(np.int32),
        instance_class=np.full(int(instance.max()) + 1, -1, np.int16),
    )


def method(answer) -> tuple[Method, list[PointCloud]]:
    """A method that answers (cloud, clicks) with labels, and the clouds that it was given."""
    given: list[PointCloud] = []

    def prepare(cloud: PointCloud, up: object) -> Prepared:
        given.append(cloud)
        owner = np.arange(len(cloud))
        return Prepared(
            owner=owner,
            segment=lambda clicks: Answer(labels=answer(cloud, clicks), named={}),
        )

    return Method(facts={}, prepare=prepare), given


def only_clicked(cloud: PointCloud, clicks: Clicks) -> np.ndarray:
    return np.zeros(len(cloud), np.int32)


def test_interobject3d_cuts_a_square_and_paints_cubes():
    grid = np.stack(np.meshgrid(np.arange(0, 8, 0.04), np.arange(0, 8, 0.04)), -1).reshape(-1, 2)
    xyz = np.c_[grid, np.zeros(len(grid))]
    inside = (np.abs(xyz[:, :2] - 3.0) < 0.5).all(axis=1)
    used, given = method(only_clicked)
    stage = Stage(scene(inside * 1, xyz), used, protocol_named("interobject3d"), 0)
    course, (target,), _ = stage.play("a_obj_1", (1,), ("chair",))
    assert np.ptp(given[0].xyz[:, :2], axis=0).max() <= 5.0 + 1e-6
    assert given[0].xyz[:, :2].max() < 5.6
    painted = np.abs(np.round((given[0].xyz - course.clicks[0].position) / 0.04)).max(axis=1) <= 1
    assert course.iou[1][0] == pytest.approx(painted.sum() / inside.sum())  # 3 x 3 points of 4 cm
    assert (target.points, target.class_name) == (int(inside.sum()), "chair")
    stage.play("a_obj_1", (1,), ("chair",))
    assert len(given) == 2  # another object is another square


def test_snap_clicks_missed_points_only_and_leaves_tiny_objects_out():
    xyz = np.c_[np.arange(400) * 0.01, np.zeros(400), np.zeros(400)]
    instance = np.zeros(400, int)
    instance[100:200], instance[300:306] = 1, 2
    used, given = method(lambda cloud, clicks: np.ones(len(cloud), np.int32))
    stage = Stage(scene(instance, xyz), used, protocol_named("snap"), 0)
    course, (target,), encode_s = stage.play("a_obj_1", (1,), ("",))
    assert len(given[0]) == 200  # thinned to 2 cm
    assert target.points == 50
    assert encode_s is not None
    assert {c.label for c in course.clicks} == {1}
    assert course.clicks[0].position[0] == pytest.approx(1.48, abs=0.011)  # middle of the object
    assert course.iou[-1] == (50 / 200,)  # a click is worth nothing by itself
    assert course.counts[-1] == 10  # and the user never stops
    left_out, _, encode_s = stage.play("a_obj_2", (2,), ("",))
    assert left_out is None
    assert encode_s is None
    again = Stage(scene(instance, xyz), used, protocol_named("snap"), 0)
    assert again.play("a_obj_1", (1,), ("",))[0].clicks == course.clicks
    other = Stage(scene(instance, xyz), used, protocol_named("snap"), 1)
    assert other.play("a_obj_1", (1,), ("",))[0].clicks != course.clicks


def test_of_equal_errors_interobject3d_mends_what_is_missed_first():
    truth, prediction = np.array([1, 1, 1, 0, 0, 0]), np.array([0, 1, 1, 1, 0, 0])
    depths = ErrorDepths(line(6))
    assert InnermostUser(depths).next(truth, prediction).index == 3
    assert InnermostUser(depths, missed_first=True).next(truth, prediction).index == 0
    assert protocol_named("interobject3d").missed_first


def test_centroid_user_is_content_only_without_objects(rng):
    user = CentroidUser(line(4), rng)
    assert user.next(np.zeros(4, int), np.zeros(4, int)) is None
    assert user.next(np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0])).index == 2


def test_auto_voxels_are_those_of_the_method():
    xyz = np.c_[np.arange(100) * 0.001, np.zeros(100), np.zeros(100)]
    used, _ = method(only_clicked)
    for size, seen in ((0.05, 1), (None, 50)):
        stage = Stage(scene(np.arange(100) // 50, xyz), used, replace(SINGLE, voxel_size=size), 0)
        assert stage.play("a_obj_1", (1,), ("",))[1][0].seen == seen


def test_an_object_without_a_point_is_an_error():
    used, _ = method(only_clicked)
    stage = Stage(scene(np.ones(9, int), line(9)), used, SINGLE, 0)
    with pytest.raises(FileFormatError, match="object 3"):
        stage.play("a_obj_3", (3,), ("",))


def test_protocols_are_checked():
    with pytest.raises(ConfigError, match="one of agile3d-multi"):
        protocol_named("agile3d")
    with pytest.raises(ConfigError, match="at least one click"):
        replace(SINGLE, clicks=0)
    with pytest.raises(ConfigError, match="positive"):
        replace(SINGLE, voxel_size=0.0)
    with pytest.raises(ConfigError, match="thins"):
        Protocol(name="thin", kind="single", thinned=True, voxel_size=None)
