from dataclasses import replace

import numpy as np
import pytest
import torch

from clickseg3d_core import Clicks, ClickSegmenter
from clickseg3d_core.model.carving import carved, without_background
from clickseg3d_core.model.memory import ClickQueries
from clickseg3d_core.model.network import ClickSegmentationNet


def clicks_on_a_line():
    """Object 0 clicked at voxel 1, object 1 at 8, background at 3; ten voxels in a row."""
    rows = torch.tensor([1, 8, 3])
    places = torch.arange(10.0)
    return ClickQueries(
        rows=rows,
        positions=torch.zeros(3, 3),
        object_index=torch.tensor([0, 1, 2]),
        is_background=torch.tensor([False, False, True]),
        episode=torch.zeros(3, dtype=torch.int64),
        paths=(places[None] - rows[:, None]).abs()[:, None],
    )


def test_a_background_click_acts_only_where_it_is_nearer():
    free = torch.full((2, 10), 2.0)
    masks = torch.cat([torch.full((2, 10), -3.0), torch.full((1, 10), 1.0)])
    result = carved(masks, free, clicks_on_a_line(), claims=True)
    assert result[0, :3].tolist() == [2.0] * 3  # voxel 2 is as near to both
    assert (result[0, 3:] < 2.0).all()
    assert (result[1, :6] < 2.0).all()
    assert result[1, 6:].tolist() == [2.0] * 4
    assert result[2].tolist() == [1.0] * 10  # near for one of the objects everywhere


def test_a_background_click_takes_less_the_farther_it_is():
    free = torch.full((2, 10), 2.0)
    masks = torch.cat([torch.full((2, 10), -3.0), torch.full((1, 10), 1.0)])
    other = carved(masks, free, clicks_on_a_line(), claims=False)[1]
    assert other[3] == -3.0  # the click itself takes all
    expected = [2.0 - 5.0 * (1.0 - 0.5 * away / (5 - away)) for away in (0, 1, 2)]
    assert torch.allclose(other[3:6], torch.tensor(expected))


def test_without_claims_a_background_click_competes_with_nobody():
    free, masks = torch.zeros(2, 10), torch.zeros(3, 10)
    assert torch.isneginf(carved(masks, free, clicks_on_a_line(), claims=False)[2]).all()


def test_a_background_click_never_adds():
    generator = torch.Generator().manual_seed(0)
    free, masks = torch.randn(2, 10, generator=generator), torch.randn(3, 10, generator=generator)
    assert (carved(masks, free, clicks_on_a_line(), claims=True)[:2] <= free).all()


def test_what_no_path_reaches_stays():
    clicks = clicks_on_a_line()
    clicks.paths[:, :, 9] = torch.inf
    result = carved(torch.full((3, 10), -3.0), torch.zeros(2, 10), clicks, claims=False)
    assert result[:2, 9].tolist() == [0.0, 0.0]


def test_without_background_keeps_the_objects_clicks():
    kept = without_background(clicks_on_a_line())
    assert kept.rows.tolist() == [1, 8]
    assert kept.paths.shape == (2, 1, 10)
    assert not kept.is_background.any()


def test_segment_with_a_background_click_takes_a_part_of_the_answer(tiny_segmenter, two_boxes):
    cloud, _ = two_boxes
    encoding = tiny_segmenter.encode(cloud, 0.04)
    on_box, on_floor = [-0.2, 0.0, 0.16], [0.0, -0.4, 0.0]
    alone = tiny_segmenter.segment(encoding, Clicks(np.array([on_box]), np.array([1])))
    both = tiny_segmenter.segment(encoding, Clicks(np.array([on_box, on_floor]), np.array([1, 0])))
    added = (both.labels == 1) & (alone.labels != 1)
    assert not added.any()
    assert (both.labels[np.linalg.norm(cloud.xyz - on_floor, axis=1) < 0.03] == 0).all()


@pytest.mark.parametrize(("background", "claims"), [("threshold", False), ("argmax", True)])
def test_background_clicks_claim_voxels_only_where_every_point_must_be_somebodys(
    tiny_segmenter, two_boxes, background, claims
):
    config = tiny_segmenter.config
    decoder = replace(config.decoder, background=background)
    net = ClickSegmentationNet(replace(config, decoder=decoder))
    net.load_state_dict(tiny_segmenter.net.state_dict())
    segmenter = ClickSegmenter(net, {}, tiny_segmenter.device)
    clicks = Clicks(np.array([[-0.2, 0.0, 0.16], [0.0, -0.4, 0.0]]), np.array([1, 0]))
    masks = segmenter.decoded(segmenter.encode(two_boxes[0], 0.04), clicks).masks
    assert bool(torch.isfinite(masks[1]).any()) == claims
