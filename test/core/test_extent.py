"""Candidate extents: their terms against plain loops, and how the segmenter cuts by them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from clickseg3d_core import Clicks, ClickSegmenter, PointCloud
from clickseg3d_core.candidates import Candidates
from clickseg3d_core.edges import describe_edges
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.extent import CUTS, EXTENT_TERMS, LOST, SIZE_TERM, ExtentTable
from clickseg3d_core.model.decoder_config import DecoderConfig
from clickseg3d_core.model.families import build_net
from clickseg3d_core.model.judge import UNKNOWN_CUT, ExtentJudge, compared
from clickseg3d_core.surface import describe_surface
from clickseg3d_core.training.judging import with_judge
from clickseg3d_core.voxels import voxelize


def small_cloud(rng):  # type: ignore[no-untyped-def]
    xyz = rng.uniform(0.0, 1.0, (900, 3)) * [1.0, 0.8, 0.05]
    return PointCloud(xyz, rng.integers(0, 255, (900, 3)).astype(np.uint8))


@pytest.fixture
def table(rng):  # type: ignore[no-untyped-def]
    grid = voxelize(small_cloud(rng), 0.06)
    surface = describe_surface(grid)
    edges = describe_edges(grid, surface)
    border = rng.uniform(0.0, 1.0, len(edges.pairs)).astype(np.float32)
    features = rng.normal(size=(len(grid), 4)).astype(np.float32)
    extents = ExtentTable.of(grid, surface, edges, border, features)
    return grid, edges.pairs, border, extents, surface.tint


def test_terms_are_what_plain_loops_find(table, rng):  # type: ignore[no-untyped-def]
    grid, pairs, border, extents, tint = table
    logits = rng.uniform(-8.0, 8.0, len(grid)).astype(np.float32)
    clicked = np.array([7, 3])
    terms, features, at_clicks = extents.describe(
        logits, np.array([7, 3, 7]), 2
    )  # a voxel counts once
    assert terms.shape == (len(CUTS), EXTENT_TERMS)
    assert np.isfinite(terms).all()
    assert np.allclose(at_clicks, extents.features[[3, 7]].mean(axis=0))
    for row, own, cut in zip(terms, features, CUTS, strict=True):
        inside = logits > cut
        inside[clicked] = True
        within = inside[pairs].all(axis=1)
        leaving = inside[pairs].any(axis=1) & ~within
        place = grid.centers[inside] * grid.voxel_size
        assert np.allclose(own, extents.features[inside].mean(axis=0), atol=1e-5)
        assert row[:3].tolist() == [cut, 2.0, 2.0]
        assert row[5] == pytest.approx(np.log1p(leaving.sum()), abs=1e-4)
        assert row[6] == pytest.approx(border[leaving].mean(), abs=1e-4)
        assert row[7] == pytest.approx((border[leaving] > 0.5).mean(), abs=1e-4)
        assert row[9] == pytest.approx(border[within].mean(), abs=1e-4)
        change = np.linalg.norm(np.diff(tint[pairs], axis=1)[:, 0], axis=1)
        assert row[31] == pytest.approx(change[leaving].mean(), abs=1e-4)
        assert row[32] == pytest.approx(change[within].mean(), abs=1e-4)
        assert row[33] == pytest.approx(np.sqrt(tint[inside].var(axis=0).sum()), abs=1e-3)
        away = tint[inside].mean(axis=0) - tint[clicked].mean(axis=0)
        assert row[34] == pytest.approx(np.linalg.norm(away), abs=1e-4)
        assert row[25] == pytest.approx(np.log(inside.sum()), abs=1e-4)
        flat = np.linalg.eigvalsh(np.cov(place[:, :2].T, bias=True))
        assert row[14] == pytest.approx(np.log(np.sqrt(flat[1] + 0.06**2 / 12)), abs=1e-3)
        assert row[15] == pytest.approx(np.log(np.sqrt(flat[0] + 0.06**2 / 12)), abs=1e-3)


def test_a_lost_voxel_is_in_no_candidate_and_a_clicked_one_in_all(table):  # type: ignore[no-untyped-def]
    grid, _, _, extents, _ = table
    logits = np.full(len(grid), LOST, np.float32)
    terms, features, _ = extents.describe(logits, np.array([5]), 0)
    assert np.allclose(terms[:, 25], 0.0)  # one voxel
    assert np.allclose(features, extents.features[5])


def test_opinions_are_compared_with_the_candidates_of_their_mean(table, rng):  # type: ignore[no-untyped-def]
    grid, _, _, extents, _ = table
    logits = rng.uniform(-8.0, 8.0, len(grid)).astype(np.float32)
    opinions = [logits + rng.normal(0.0, 2.0, len(grid)).astype(np.float32) for _ in range(2)]
    clicked = np.array([3])
    terms, _, _ = extents.describe(logits, clicked, 0, opinions)
    alone, _, _ = extents.describe(logits, clicked, 0)
    assert np.array_equal(terms[:, :35], alone[:, :35])
    assert np.array_equal(alone[:, 35:], np.tile([1.0, 0.0, 1.0, 0.0], (len(CUTS), 1)))
    for row, cut in zip(terms, CUTS, strict=True):
        inside = logits > cut
        inside[clicked] = True
        for number, opinion in enumerate(opinions):
            other = opinion > cut
            part, size = row[35 + 2 * number : 37 + 2 * number]
            assert part == pytest.approx((other & inside).sum() / inside.sum(), abs=1e-5)
            expected = np.log((other.sum() + 1.0) / (inside.sum() + 1.0))
            assert size == pytest.approx(expected, abs=1e-4)


def judging_larger_cuts_better() -> ExtentJudge:
    judge = ExtentJudge(4, 3)
    with torch.no_grad():
        for parameter in judge.parameters():
            parameter.zero_()
        judge.read.weight[::96, 0] = 10.0  # the cut itself
        judge.say.weight[:, 0] = 10.0
    return judge.eval()


def candidates_of(voxels: int) -> Candidates:
    """Of one object, as large at every cut."""
    seen = ExtentJudge(4, 3).see.out_features
    given = Candidates(
        terms=np.zeros((1, len(CUTS), EXTENT_TERMS), np.float32),
        inside=np.zeros((1, len(CUTS), seen), np.float32),
        clicked=np.zeros((1, seen), np.float32),
        classes=np.zeros((1, 3), np.float32),
    )
    given.terms[0, :, 0] = CUTS
    given.terms[0, :, SIZE_TERM] = np.log(voxels)
    return given


def test_the_judge_cuts_where_it_judges_best():
    assert judging_larger_cuts_better().cuts(candidates_of(100))[0] == pytest.approx(6.0, abs=0.05)


@pytest.mark.parametrize(
    ("voxels", "doubt", "expected"),
    [(2000, 0.45, UNKNOWN_CUT), (300, 0.45, 6.0), (2000, 0.0, 6.0), (2000, 0.2, 6.0)],
)
def test_a_large_object_that_the_judge_does_not_know_gets_a_wide_cut(voxels, doubt, expected):
    judge, given = judging_larger_cuts_better(), candidates_of(voxels)
    with torch.no_grad():
        judge.say.bias[:] = -1.0 - judge(*given.tensors(torch.device("cpu"))).amax()
    assert judge.cuts(given, doubt)[0] == pytest.approx(expected, abs=0.05)


def test_doubts_make_no_cut_narrower_and_leave_known_objects_alone():
    judge, given = judging_larger_cuts_better(), candidates_of(2000)
    assert judge.cuts(given, 0.45)[0] == pytest.approx(CUTS[-1], abs=0.05)
    with torch.no_grad():
        judge.read.weight.neg_()  # now the smallest cut is best, but not good
        judge.say.bias[:] = -1.0 - judge(*given.tensors(torch.device("cpu"))).amax()
    assert judge.cuts(given, 0.45)[0] == pytest.approx(CUTS[0], abs=0.05)


def test_the_segmenter_doubts_as_its_config_says(tiny_segmenter, two_boxes):
    net = with_judge(tiny_segmenter.net, seed=3)
    clicks = Clicks(np.array([[-0.2, 0.0, 0.16]]), np.array([1]))
    cuts = []
    for doubt in (0.0, 1.0):
        net.config = replace(net.config, decoder=replace(net.config.decoder, doubt=doubt))
        segmenter = ClickSegmenter(net, {}, torch.device("cpu"))
        encoding = segmenter.encode(two_boxes[0], 0.02)
        decoded = segmenter.decoded(encoding, clicks)
        assert (decoded.masks[0] > UNKNOWN_CUT).sum() > 500
        cuts.append(segmenter.judged(encoding, decoded, clicks)[0])
    assert cuts[0] > cuts[1] == UNKNOWN_CUT
    places = np.array([[-0.2, 0.0, 0.16], [0.3, 0.0, 0.1]])
    for ids, doubted in (([1, 1], []), ([1, 0], []), ([1, 2], [0, 1])):
        clicks = Clicks(places, np.array(ids))
        found = segmenter.judged(encoding, segmenter.decoded(encoding, clicks), clicks)
        assert np.flatnonzero(found <= UNKNOWN_CUT).tolist() == doubted  # until it is corrected


@pytest.mark.parametrize("wrong", [-0.1, 1.5, float("nan")])
def test_a_doubt_that_is_no_iou_is_refused(wrong):
    with pytest.raises(ConfigError, match="doubt must be 0 to 1"):
        DecoderConfig(doubt=wrong)


def test_candidates_are_compared_with_the_next_smaller_and_larger_ones(rng):  # type: ignore[no-untyped-def]
    terms = torch.from_numpy(rng.normal(size=(2, len(CUTS), EXTENT_TERMS)).astype(np.float32))
    own, smaller, larger, mean = compared(terms).split(EXTENT_TERMS, dim=2)
    assert torch.equal(own, terms)
    for k in range(len(CUTS)):
        after = terms[:, k + 1] - terms[:, k] if k + 1 < len(CUTS) else torch.zeros(2, EXTENT_TERMS)
        before = terms[:, k - 1] - terms[:, k] if k else torch.zeros(2, EXTENT_TERMS)
        assert torch.allclose(smaller[:, k], after)
        assert torch.allclose(larger[:, k], before)
        assert torch.allclose(mean[:, k], terms.mean(dim=1), atol=1e-5)


@pytest.fixture
def judged(tiny_segmenter):  # type: ignore[no-untyped-def]
    return ClickSegmenter(with_judge(tiny_segmenter.net), {}, torch.device("cpu"))


def labels_at(segmenter, cloud, clicks, cuts, monkeypatch):  # type: ignore[no-untyped-def]
    monkeypatch.setattr(segmenter.net.judge, "cuts", lambda *_: np.array(cuts, np.float32))
    return segmenter.segment(segmenter.encode(cloud, 0.06), clicks).labels


def test_every_object_is_cut_at_its_own_level(judged, rng, monkeypatch):  # type: ignore[no-untyped-def]
    cloud = small_cloud(rng)
    clicks = Clicks(cloud.xyz[[0, 500, 800]], np.array([1, 2, 0]))
    wide = labels_at(judged, cloud, clicks, [-30.0, -30.0], monkeypatch)
    none = labels_at(judged, cloud, clicks, [30.0, 30.0], monkeypatch)
    one = labels_at(judged, cloud, clicks, [30.0, -30.0], monkeypatch)
    assert (wide == 1).sum() > (none == 1).sum() >= 1  # the clicked voxel stays
    assert (wide == 2).sum() > (none == 2).sum() >= 1
    assert np.array_equal(one == 2, (wide == 2) & (one != 1))  # neighbors do not grow into it
    assert (one == 1).sum() == (none == 1).sum()


def test_terms_of_an_object_leave_out_what_others_win(judged, rng):  # type: ignore[no-untyped-def]
    cloud = small_cloud(rng)
    encoding = judged.encode(cloud, 0.06)
    clicks = Clicks(cloud.xyz[[0, 500]], np.array([1, 2]))
    terms = Candidates.of(encoding.extents, judged.decoded(encoding, clicks), clicks).terms
    won = np.exp(terms[:, 0, 25]).sum()
    assert won <= encoding.voxel_count + 1e-3
    assert terms[:, 0, 1].tolist() == [1.0, 1.0]
    assert terms[:, 0, 2].tolist() == [1.0, 1.0]


def test_baselines_have_no_judge(tiny_segmenter):  # type: ignore[no-untyped-def]
    config = tiny_segmenter.config
    decoder = replace(config.decoder, extent="judged")
    assert build_net(replace(config, decoder=decoder)).judge is not None
    with pytest.raises(ConfigError, match="extent"):
        replace(config, decoder=replace(decoder, **dict.fromkeys(decoder.switched_on, False)),
                family="agile3d")  # fmt: skip
