"""Masks that follow edges between objects."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from clickseg3d_core import Clicks, ClickSegmenter
from clickseg3d_core.model.families import build_net
from clickseg3d_core.settling import neighbor_shares, settled


def row_of_voxels(count, border_at=None):
    """Starts, neighbors and borders of voxels in a row, with one border after `border_at`."""
    neighbors, border, starts = [], [], [0]
    for i in range(count):
        for j in (i - 1, i + 1):
            if 0 <= j < count:
                neighbors.append(j)
                border.append(float(border_at is not None and min(i, j) == border_at))
        starts.append(len(neighbors))
    return np.array(starts), np.array(neighbors), np.array(border, np.float64)


def test_shares_of_a_voxel_add_up_to_one_and_hardly_cross_borders():
    shares = neighbor_shares(*row_of_voxels(6, border_at=2))
    assert np.allclose(np.asarray(shares.sum(axis=1)).ravel(), 1.0, atol=1e-6)
    assert shares[2, 1] > 0.999
    assert shares[2, 3] < 1e-3
    assert shares[1, 0] == pytest.approx(0.5)


def test_a_voxel_without_neighbors_keeps_its_answer():
    starts, neighbors, border = np.array([0, 1, 2, 2]), np.array([1, 0]), np.zeros(2)
    shares = neighbor_shares(starts, neighbors, border)
    assert shares[2].nnz == 0
    margins = np.array([[1.0, 1.0, 0.7]], np.float32)
    assert settled(margins, [np.array([0])], shares)[0, 2] == pytest.approx(0.7)


def test_holes_close_and_specks_go():
    shares = neighbor_shares(*row_of_voxels(20))
    margins = np.full((1, 20), -3.0, np.float32)
    margins[0, :10] = 3.0
    margins[0, 4], margins[0, 15] = -0.5, 0.5
    result = settled(margins, [np.array([0])], shares)[0] > 0
    assert result.tolist() == [True] * 10 + [False] * 10


def test_a_doubtful_voxel_goes_with_the_side_that_no_border_divides_it_from():
    for border_at, mine in ((8, False), (9, True)):
        shares = neighbor_shares(*row_of_voxels(20, border_at))
        margins = np.full((1, 20), -4.0, np.float32)
        margins[0, :9] = 4.0
        margins[0, 9] = 0.01 if border_at == 8 else -0.01
        assert (settled(margins, [np.array([0])], shares)[0, 9] > 0) == mine


def test_only_what_can_change_is_looked_at_but_nothing_else_comes_out(rng):
    starts, neighbors, border = row_of_voxels(200)
    border = np.round(rng.random(200))[
        np.minimum(neighbors, np.repeat(np.arange(200), np.diff(starts)))
    ]
    shares = neighbor_shares(starts, neighbors, border)
    margins = rng.normal(-4.0, 5.0, (3, 200)).astype(np.float32)
    whole = np.clip(margins, -8.0, 8.0)
    whole[:, 0] = 8.0
    now = whole
    for _ in range(3):
        now = whole + 4.0 * np.asarray((shares @ np.tanh(now.T / 2.0)).T)
    result = settled(margins, [np.array([0])] * 3, shares)
    assert ((result > 0) == (now > 0)).mean() > 0.99


def test_barred_voxels_stay_barred_and_clicked_ones_are_kept():
    shares = neighbor_shares(*row_of_voxels(10))
    margins = np.full((2, 10), 5.0, np.float32)
    margins[0, 3] = -np.inf
    margins[1, 7] = -np.inf
    before = margins.copy()
    result = settled(margins, [np.array([0]), np.array([7])], shares)
    assert np.isneginf(result[0, 3])
    assert result[1, 7] > 0
    assert np.array_equal(margins, before)


def test_settling_is_a_switch_of_the_segmenter(tiny_segmenter, two_boxes):
    cloud, ids = two_boxes
    config = replace(
        tiny_segmenter.config, decoder=replace(tiny_segmenter.config.decoder, settle=True)
    )
    net = build_net(config)
    net.load_state_dict(tiny_segmenter.net.state_dict())
    other = ClickSegmenter(net, {}, torch.device("cpu"))
    clicks = Clicks(cloud.xyz[[int(np.flatnonzero(ids == 1)[0])]], np.array([1]))
    encoding = other.encode(cloud)
    assert encoding.extents is not None
    after = other.segment(encoding, clicks).labels
    before = tiny_segmenter.segment(tiny_segmenter.encode(cloud), clicks).labels
    assert len(after) == len(before) == len(cloud)
    assert not np.array_equal(after, before)
    assert np.array_equal(after, other.segment(encoding, clicks).labels)
