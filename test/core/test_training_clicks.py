"""Simulated users of training: first clicks and corrections."""

import numpy as np
import pytest
import torch

from clickseg3d_core.clicks import depths_inside
from clickseg3d_core.training import depths
from clickseg3d_core.training.episodes import (
    ClickConfig,
    Episodes,
    corrected,
    first_clicks,
    planned_corrections,
)


def test_first_clicks_lie_on_their_targets(rng):
    centers = rng.uniform(0, 30, (2000, 3)).astype(np.float32)
    instance = (centers[:, 0] // 10).astype(np.int64) + 1
    episodes = first_clicks(centers, instance, ClickConfig(background=1.0), rng)
    objects = ~episodes.is_background
    assert (instance[episodes.rows[objects]] == episodes.target[objects]).all()
    assert len(np.unique(episodes.episode)) == 1 + ClickConfig().single_episodes
    for number in np.unique(episodes.episode)[1:]:
        mine = episodes.episode == number
        assert len(np.unique(episodes.target[mine & objects])) == 1
    assert episodes.is_background.any()


def test_instances_of_a_few_voxels_are_not_clicked(rng):
    centers = rng.uniform(0, 30, (100, 3)).astype(np.float32)
    instance = np.zeros(100, np.int64)
    instance[:9] = 1
    assert first_clicks(centers, instance, ClickConfig(), rng) is None


def test_clicks_are_bounded(rng):
    centers = rng.uniform(0, 30, (3000, 3)).astype(np.float32)
    instance = rng.integers(1, 20, 3000)
    settings = ClickConfig(several=1.0, max_clicks=20)
    for _ in range(20):
        assert len(first_clicks(centers, instance, settings, rng).rows) <= 20


CENTERS = np.c_[np.arange(40.0), np.zeros(40), np.zeros(40)].astype(np.float32)
INSTANCE = np.repeat([1, 2], 20).astype(np.int64)
NEIGHBORS = np.c_[np.arange(39), np.arange(1, 40)]
"""A row of 40 voxels: two objects that touch in the middle."""


def corrections(answer, settings, seed, instance=INSTANCE) -> Episodes:
    """What follows a click on voxel 5, the first object's, without that click."""
    first = Episodes(
        rows=np.array([5]), target=np.array([1]), is_background=np.array([False]),
        episode=np.array([0]),
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    who = np.array([0])
    more = corrected(first, who, CENTERS, instance, answer[None], NEIGHBORS, settings, rng)
    assert more.rows[0] == 5
    return Episodes(
        rows=more.rows[1:], target=more.target[1:], is_background=more.is_background[1:],
        episode=more.episode[1:],
    )  # fmt: skip


def test_correction_clicks_go_where_the_answer_is_wrong():
    answer = (np.arange(40) < 31).astype(np.int64)  # 11 voxels too many
    more = corrections(answer, ClickConfig(), seed=1)
    assert more.rows.tolist() == [25]
    assert more.is_background.all()
    assert more.target.tolist() == [2]  # the instance that the background click lies on


def edges_clicked(settings, instance=INSTANCE) -> dict[int, tuple[bool, int]]:
    """Voxels that 40 users click on an answer that is right, as background or not, and on what."""
    right = np.where(instance == 1, 1, 0)
    return {
        int(row): (bool(background), int(target))
        for seed in range(40)
        for more in [corrections(right, settings, seed, instance)]
        for row, background, target in zip(more.rows, more.is_background, more.target, strict=True)
    }


def test_some_corrections_go_to_an_edge_that_is_right():
    assert edges_clicked(ClickConfig()) == {}
    assert edges_clicked(ClickConfig(edge=1.0)) == {19: (False, 1), 20: (True, 2)}


def test_where_labels_end_is_no_edge():
    """What lies on nothing known may be more of the object."""
    instance = INSTANCE.copy()
    instance[20:] = 0
    assert edges_clicked(ClickConfig(edge=1.0), instance) == {}


def users(count) -> Episodes:
    """Users who each clicked an object of their own once, in the row of voxels."""
    return Episodes(
        rows=np.arange(count), target=np.arange(count) + 1,
        is_background=np.zeros(count, dtype=bool), episode=np.arange(count),
    )  # fmt: skip


def test_every_user_stops_correcting_at_a_time_of_their_own(rng):
    planned = planned_corrections(users(4000), ClickConfig(rounds=9, correct=0.65), rng)
    assert np.bincount(planned)[:3] / 4000 == pytest.approx([0.35, 0.2275, 0.148], abs=0.03)
    assert planned.max() == 9
    assert (planned_corrections(users(5), ClickConfig(rounds=3, correct=1.0), rng) == 3).all()
    assert (planned_corrections(users(5), ClickConfig(rounds=0), rng) == 0).all()


def test_users_who_are_done_click_no_more(rng):
    instance = (np.arange(40) // 10 + 1).astype(np.int64)
    first = Episodes(
        rows=np.array([5, 15, 25]), target=np.array([1, 2, 3]), is_background=np.zeros(3, bool),
        episode=np.array([0, 1, 2]),
    )  # fmt: skip
    going_on = np.array([0, 2])
    assert first.of(going_on).rows.tolist() == [5, 25]
    nothing = np.zeros((2, 40), np.int64)
    more = corrected(first, going_on, CENTERS, instance, nothing, NEIGHBORS, ClickConfig(), rng)
    assert more.episode[3:].tolist() == [0, 2]
    assert instance[more.rows[3:]].tolist() == [1, 3]
    assert not more.is_background.any()


def test_columns_group_clicks_by_object_and_split_background_clicks():
    episodes = Episodes(
        rows=np.arange(5), target=np.array([7, 7, 3, 7, 3]),
        is_background=np.array([False, False, False, True, True]),
        episode=np.array([0, 0, 0, 0, 0]),
    )  # fmt: skip
    index = episodes.object_index()
    assert index[0] == index[1]
    assert len(np.unique(index)) == 4
    assert sorted(np.unique(index)) == [0, 1, 2, 3]


@pytest.mark.parametrize("held", [1, 1 << 26])
def test_depths_by_all_distances_are_those_of_a_tree(held, monkeypatch):
    monkeypatch.setattr(depths, "_AT_ONCE", held)
    rng = np.random.default_rng(0)
    xyz = rng.random((300, 3)).astype(np.float32)
    on_device = depths.DepthsOnDevice(xyz, torch.device("cpu"))
    for mask in (rng.random(300) < 0.4, np.ones(300, bool), np.arange(300) == 7):
        np.testing.assert_allclose(on_device(xyz, mask), depths_inside(xyz, mask), atol=1e-5)
