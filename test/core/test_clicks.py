import numpy as np
import pytest

from clickseg3d_core import ClickError
from clickseg3d_core.clicks import error_clicks, innermost_point, next_click
from clickseg3d_core.sampling import click_candidates, farthest_points


def line(n):
    return np.c_[np.arange(float(n)), np.zeros(n), np.zeros(n)]


def test_innermost_point_of_a_run_is_its_middle():
    mask = np.zeros(20, bool)
    mask[5:12] = True
    assert innermost_point(line(20), mask) == 8


def test_innermost_ties_go_to_the_lowest_row():
    mask = np.zeros(20, bool)
    mask[5:9] = True
    assert innermost_point(line(20), mask) == 6


def test_innermost_of_everything_is_its_center():
    assert innermost_point(line(21), np.ones(21, bool)) == 10


def test_innermost_of_nothing_raises_click_error():
    with pytest.raises(ClickError, match="empty mask"):
        innermost_point(line(3), np.zeros(3, bool))


def test_right_answer_needs_no_click():
    labels = np.array([0, 1, 1])
    assert next_click(line(3), labels, labels) is None


def test_next_click_goes_to_the_deepest_group_and_carries_its_true_label():
    truth = np.r_[np.zeros(10), np.ones(10), np.zeros(20)].astype(int)
    prediction = truth.copy()
    prediction[12:15] = 0  # missed, 2 deep
    prediction[25:36] = 1  # wrongly taken, 6 deep
    click = next_click(line(40), truth, prediction)
    assert (click.index, click.label, click.depth) == (30, 0, 6.0)
    assert [c.label for c in error_clicks(line(40), truth, prediction)] == [0, 1]


def test_a_group_is_a_pair_of_labels_not_a_connected_part():
    truth = np.array([1, 1, 1, 0, 0, 0, 1, 1, 1, 0])
    clicks = error_clicks(line(10), truth, np.zeros(10, int))
    assert len(clicks) == 1


def test_equal_depths_keep_the_order_of_the_key():
    truth = np.array([1, 0, 2, 0, 0])
    prediction = np.zeros(5, int)
    assert [c.label for c in error_clicks(line(5), truth, prediction)] == [1, 2]


def test_farthest_points_cover_better_than_chance(rng):
    xyz = rng.normal(size=(2000, 3))
    chosen = xyz[farthest_points(xyz, 20, np.random.default_rng(0))]
    random = xyz[rng.permutation(2000)[:20]]

    def cover(points):
        return np.linalg.norm(xyz[:, None] - points[None], axis=2).min(axis=1).max()

    assert cover(chosen) < 0.75 * cover(random)


@pytest.mark.parametrize("sampler", ["fps", "random", "voxel"])
@pytest.mark.parametrize("points", [1, 4, 300])
def test_samplers_give_distinct_rows(sampler, points, rng):
    rows = click_candidates(rng.normal(size=(points, 3)), 15, sampler, np.random.default_rng(3))
    assert 1 <= len(rows) <= min(points, 15)
    assert len(set(rows.tolist())) == len(rows)
    assert rows.min() >= 0
    assert rows.max() < points
