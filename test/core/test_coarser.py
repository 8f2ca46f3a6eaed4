"""A second, coarser encoding of the same cloud, and the mean of both answers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from clickseg3d_core import Clicks, ClickSegmenter, PointCloud
from clickseg3d_core.candidates import Candidates, Decoded
from clickseg3d_core.coarser import Spread, mean_answer
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.extent import CUTS
from clickseg3d_core.model.decoder_config import DecoderConfig
from clickseg3d_core.training.mixing import switched
from clickseg3d_core.voxels import voxelize

CPU = torch.device("cpu")


def grids(cloud, size=0.02, factor=2.0):
    fine, coarse = voxelize(cloud, size), voxelize(cloud, factor * size)
    return fine, coarse, Spread.between(fine, coarse, cKDTree(coarse.centers), CPU)


def places(grid):
    return grid.centers * grid.voxel_size + grid.origin


def looking_twice(segmenter, *switches) -> ClickSegmenter:
    net = switched(segmenter.net, ["decoder.coarser=2.0", *switches])
    return ClickSegmenter(net, {}, CPU)


def test_the_nearest_coarse_voxels_are_those_around(two_boxes):
    fine, coarse, spread = grids(two_boxes[0])
    away = places(fine)[:, None] - places(coarse)[spread.nearest.numpy()]
    distance = np.linalg.norm(away, axis=2)
    assert distance[:, 0].max() < 0.04 * np.sqrt(3)
    assert np.median(distance[:, 0]) < 0.02
    assert (np.diff(distance, axis=1) > -1e-6).all()
    assert (np.diff(spread.shares.numpy(), axis=1) < 1e-6).all()  # who is nearer counts more


def test_the_same_opinion_everywhere_stays_what_it_is(two_boxes):
    _, coarse, spread = grids(two_boxes[0])
    masks = torch.full((2, len(coarse)), -1.25)
    assert torch.allclose(spread(masks), torch.tensor(-1.25), atol=1e-5)


def test_each_fine_voxel_hears_mostly_of_the_side_that_it_lies_on(two_boxes):
    fine, coarse, spread = grids(two_boxes[0])
    masks = torch.from_numpy(np.sign(places(coarse)[:, 0]).astype(np.float32))[None]
    found, side = spread(masks)[0].numpy(), places(fine)[:, 0]
    clear = np.abs(side) > 0.04
    assert (np.sign(found[clear]) == np.sign(side[clear])).mean() > 0.99
    assert np.abs(found[clear & (np.abs(side) > 0.15)]).min() == pytest.approx(1.0, abs=1e-5)


def test_means_of_what_is_ruled_out_are_finite(two_boxes):
    _, coarse, spread = grids(two_boxes[0])
    masks = torch.full((1, len(coarse)), -torch.inf)
    masks[0, 0] = 5.0
    assert torch.isfinite(spread(masks)).all()


def test_fewer_coarse_voxels_than_neighbors():
    fine, coarse, spread = grids(PointCloud(np.array([[0.0, 0, 0], [0.03, 0, 0]])), 0.02, 8.0)
    assert (len(fine), len(coarse)) == (2, 1)
    assert spread(torch.tensor([[3.0]])).tolist() == [[3.0, 3.0]]


def test_the_share_weighs_both_and_what_is_ruled_out_stays_so(two_boxes):
    fine, coarse, spread = grids(two_boxes[0])
    masks = torch.full((2, len(fine)), 4.0)
    masks[1] = -torch.inf
    logs = np.log(np.array([[0.5, 0.5], [0.9, 0.1]], np.float32))
    one = Decoded(rows=np.array([3]), masks=masks, classes=logs[:1])
    other = Decoded(rows=np.array([1]), masks=torch.full((2, len(coarse)), -2.0), classes=logs[1:])
    found = mean_answer(one, other, spread, 0.25)
    assert torch.allclose(found.masks[0], torch.tensor(2.5), atol=1e-5)
    assert torch.isneginf(found.masks[1]).all()
    assert found.rows.tolist() == [3]
    assert found.opinions[0] is masks
    assert torch.allclose(found.opinions[1], torch.tensor(-2.0), atol=1e-5)
    np.testing.assert_allclose(found.classes, logs.mean(axis=0, keepdims=True), rtol=1e-6)
    assert mean_answer(replace_classes(one), other, spread, 0.25).classes is None


def replace_classes(answer):
    return Decoded(rows=answer.rows, masks=answer.masks, classes=None)


def test_a_segmenter_answers_the_mean_of_both_encodings(tiny_segmenter, two_boxes):
    cloud, ids = two_boxes
    twice = looking_twice(tiny_segmenter, "decoder.coarser_share=0.5")
    clicks = Clicks(cloud.xyz[[int(np.flatnonzero(ids == i)[0]) for i in (1, 2)]], np.array([1, 2]))
    encoding = twice.encode(cloud)
    coarse, spread = encoding.coarser
    assert coarse.voxel_size == pytest.approx(2.0 * encoding.voxel_size)
    assert coarse.voxel_count < encoding.voxel_count
    assert coarse.coarser is None
    assert coarse.extents is None
    alone = tiny_segmenter.encode(cloud)
    assert alone.coarser is None
    fine = tiny_segmenter.decoded(alone, clicks).masks
    wide = tiny_segmenter.decoded(tiny_segmenter.encode(cloud, coarse.voxel_size), clicks).masks
    found = twice.decoded(encoding, clicks).masks
    assert torch.allclose(found, (fine + spread(wide)) / 2.0, atol=1e-4)
    assert not torch.allclose(found, fine, atol=1e-2)
    labels = twice.segment(encoding, clicks).labels
    assert len(labels) == len(cloud)
    assert np.array_equal(labels, twice.segment(twice.encode(cloud), clicks).labels)


def test_candidates_know_how_far_both_opinions_agree(tiny_segmenter, two_boxes):
    cloud, ids = two_boxes
    twice = looking_twice(tiny_segmenter, "decoder.settle=true")
    rows = [int(np.flatnonzero(ids == i)[0]) for i in (1, 2)]
    clicks = Clicks(cloud.xyz[rows], np.array([1, 2]))
    encoding = twice.encode(cloud)
    decoded = twice.decoded(encoding, clicks)
    terms = Candidates.of(encoding.extents, decoded, clicks).terms
    cut = CUTS.index(-0.25)
    inside = (decoded.masks > -0.25) & ~decoded.beaten
    inside[0, decoded.rows[1]], inside[1, decoded.rows[0]] = False, False
    inside[0, decoded.rows[0]], inside[1, decoded.rows[1]] = True, True
    for number, opinion in enumerate(decoded.opinions):
        agreed = inside & (opinion > -0.25) & ~decoded.beaten
        part = agreed.sum(dim=1) / inside.sum(dim=1)
        assert terms[:, cut, 35 + 2 * number] == pytest.approx(part.numpy(), abs=0.02)
    alone = replace(decoded, opinions=())
    assert not np.allclose(Candidates.of(encoding.extents, alone, clicks).terms, terms, atol=0.01)


def test_both_encodings_stand_upright(tiny_segmenter, two_boxes):
    cloud = two_boxes[0]
    lying = PointCloud(cloud.xyz[:, [2, 0, 1]] + (5.0, -3.0, 1.0), cloud.rgb)
    encoding = looking_twice(tiny_segmenter).encode(lying, 0.02, up=(1.0, 0.0, 0.0))
    coarse, spread = encoding.coarser
    nearest = places(coarse.grid)[spread.nearest[:, 0].numpy()]
    assert np.linalg.norm(places(encoding.grid) - nearest, axis=1).max() < 0.04 * np.sqrt(3)
    assert np.ptp(places(coarse.grid), axis=0)[2] < 0.3  # the boxes are 0.16 m tall


def test_one_point_and_clicks_on_the_background_alone(tiny_segmenter):
    twice = looking_twice(tiny_segmenter)
    point = PointCloud(np.zeros((1, 3)))
    assert twice.segment(twice.encode(point), Clicks(np.zeros((1, 3)), np.array([4]))).labels == [4]
    assert twice.segment(twice.encode(point), Clicks(np.zeros((1, 3)), np.array([0]))).labels == [0]


@pytest.mark.parametrize("wrong", [{"coarser": 1.0}, {"coarser": -2.0}, {"coarser": float("nan")}])
def test_a_factor_that_is_none_is_refused(wrong):
    with pytest.raises(ConfigError, match="coarser must be 0 or above 1"):
        DecoderConfig(**wrong)


def test_a_share_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="coarser_share must be 0 to 1"):
        DecoderConfig(coarser=2.0, coarser_share=1.5)
