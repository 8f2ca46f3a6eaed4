"""The public API on an untrained tiny network: mechanics, not quality."""

import contextlib

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from clickseg3d_core import (
    CheckpointError,
    ClickError,
    Clicks,
    ClickSegmenter,
    CloudError,
    PointCloud,
)
from clickseg3d_core.boxes import upright_box
from clickseg3d_core.model.grid import VoxelBatch
from clickseg3d_core.segmenter import _threads_for
from clickseg3d_core.surface import path_costs

RED, BLUE = (-0.2, 0.0, 0.16), (0.2, 0.0, 0.16)


def labels_of(segmenter, cloud, clicks):
    return segmenter.segment(segmenter.encode(cloud), clicks).labels


def test_result_has_one_label_per_point_in_input_order(tiny_segmenter, two_boxes):
    cloud, _ = two_boxes
    result = tiny_segmenter.segment(tiny_segmenter.encode(cloud), Clicks([RED, BLUE], [4, 9]))
    assert result.labels.shape == (len(cloud),)
    assert result.labels.dtype == np.int32
    assert set(np.unique(result.labels)) <= {0, 4, 9}
    assert result.probabilities.shape == (len(cloud),)
    assert ((result.probabilities >= 0) & (result.probabilities <= 1)).all()
    assert [i.id for i in result.instances] == [4, 9]


def test_instances_describe_their_points(tiny_segmenter, two_boxes):
    cloud, _ = two_boxes
    result = tiny_segmenter.segment(tiny_segmenter.encode(cloud), Clicks([RED, BLUE], [1, 2]))
    for instance in result.instances:
        mine = cloud.xyz[result.labels == instance.id]
        assert instance.point_count == len(mine) > 0
        assert np.allclose(instance.centroid, mine.mean(axis=0))
        local = (mine - instance.box.center) @ instance.box.rotation
        assert (np.abs(local) <= instance.box.extent / 2 + 1e-9).all()
        assert instance.class_name in tiny_segmenter.config.class_names
        assert 0 < instance.class_score <= 1
        assert 0 < instance.mask_score <= 1


def test_clicked_points_carry_their_own_label(tiny_segmenter, two_boxes):
    cloud, _ = two_boxes
    rows = np.array([0, 100, 3500, 5000])
    result = tiny_segmenter.segment(
        tiny_segmenter.encode(cloud), Clicks(cloud.xyz[rows], np.array([0, 3, 1, 2]))
    )
    assert result.labels[rows].tolist() == [0, 3, 1, 2]


def test_clicks_with_one_id_are_one_object(tiny_segmenter, two_boxes):
    cloud, _ = two_boxes
    result = tiny_segmenter.segment(tiny_segmenter.encode(cloud), Clicks([RED, BLUE], [5, 5]))
    assert [i.id for i in result.instances] == [5]


def test_segment_never_encodes_again(tiny_segmenter, two_boxes, monkeypatch):
    cloud, _ = two_boxes
    encoding = tiny_segmenter.encode(cloud)

    def fail(*args, **kwargs):
        raise AssertionError("encoded again")

    monkeypatch.setattr(tiny_segmenter.net, "encode", fail)
    for k in range(3):
        tiny_segmenter.segment(encoding, Clicks([RED] * (k + 1), [1] * (k + 1)))


def test_zero_clicks_and_background_clicks_alone_give_background(tiny_segmenter, two_boxes):
    cloud, _ = two_boxes
    encoding = tiny_segmenter.encode(cloud)
    for clicks in (Clicks([], []), Clicks([RED], [0])):
        result = tiny_segmenter.segment(encoding, clicks)
        assert not result.labels.any()
        assert result.instances == ()


def test_points_that_are_not_finite_come_back_unlabelled(tiny_segmenter, two_boxes):
    cloud, _ = two_boxes
    xyz = cloud.xyz.copy()
    xyz[::7] = np.nan
    xyz[3::70, 1] = np.inf
    broken = ~np.isfinite(xyz).all(axis=1)
    result = tiny_segmenter.segment(
        tiny_segmenter.encode(PointCloud(xyz, cloud.rgb)), Clicks([RED], [1])
    )
    assert len(result.labels) == len(xyz)
    assert not result.labels[broken].any()
    assert not result.probabilities[broken].any()
    assert result.labels[~broken].any()


def test_click_far_outside_raises_click_error(tiny_segmenter, two_boxes):
    encoding = tiny_segmenter.encode(two_boxes[0])
    with pytest.raises(ClickError, match=r"click 1 at .* m from the nearest point"):
        tiny_segmenter.segment(encoding, Clicks([RED, (50.0, 0, 0)], [1, 2]))


@pytest.mark.parametrize("far", [1e200, 1e308])
def test_click_beyond_all_numbers_raises_click_error(tiny_segmenter, two_boxes, far):
    encoding = tiny_segmenter.encode(two_boxes[0])
    with pytest.raises(ClickError, match="from the nearest point"):
        tiny_segmenter.segment(encoding, Clicks([[far, 0.0, 0.0]], [1]))


def test_box_far_from_the_origin_is_as_exact_as_at_home(rng):
    angle = rng.uniform(0, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    for _ in range(20):
        xyz = rng.uniform(0, (2.0, 1.0, 0.5), (400, 3))
        xyz[:, :2] = xyz[:, :2] @ turn.T
        home, utm = upright_box(xyz), upright_box(xyz + (500_000.0, 5_400_000.0, 0.0))
        np.testing.assert_allclose(utm.extent, home.extent, atol=1e-6)
        np.testing.assert_allclose(utm.center - home.center, (5e5, 5.4e6, 0.0), atol=1e-6)


@pytest.mark.parametrize("count", [30, 900, 2500, 9000])
def test_box_is_the_least_over_all_directions(rng, count):
    for _ in range(5):
        xyz = (
            rng.normal(0, (1.0, 0.4, 0.2), (count, 3))
            @ Rotation.random(random_state=rng).as_matrix()
        )
        box = upright_box(xyz)
        inside = (xyz - box.center) @ box.rotation
        assert (np.abs(inside) <= box.extent / 2 + 1e-9).all()
        angle = np.linspace(0, np.pi / 2, 2000)
        turned = xyz[:, :2] @ np.array([np.cos(angle), np.sin(angle)])
        across = xyz[:, :2] @ np.array([-np.sin(angle), np.cos(angle)])
        area = np.ptp(turned, axis=0) * np.ptp(across, axis=0)
        assert box.extent[0] * box.extent[1] <= area.min() + 1e-9
        assert box.extent[0] * box.extent[1] >= area.min() * 0.995


def test_a_click_known_from_the_call_before_is_not_searched_again(
    tiny_segmenter, two_boxes, monkeypatch
):
    searched = []

    def counted(graph, sources):
        searched.append(len(sources))
        return path_costs(graph, sources)

    monkeypatch.setattr("clickseg3d_core.segmenter.path_costs", counted)
    encoding = tiny_segmenter.encode(two_boxes[0])
    for positions, ids in (([RED], [1]), ([RED, BLUE], [1, 2]), ([BLUE, RED], [1, 1])):
        tiny_segmenter.segment(encoding, Clicks(positions, ids))
    assert searched == [1] * 2 * len(encoding.graphs)
    assert len(encoding.memory.terms) == 2


def test_one_point_and_duplicate_points_are_answered(tiny_segmenter):
    for xyz in (np.zeros((1, 3)), np.ones((40, 3))):
        result = tiny_segmenter.segment(
            tiny_segmenter.encode(PointCloud(xyz)), Clicks(xyz[:1], [1])
        )
        assert (result.labels == 1).all()
        assert np.allclose(result.instances[0].box.extent, 0)


def test_color_and_normals_may_be_absent_or_given(tiny_segmenter, two_boxes):
    cloud, _ = two_boxes
    normals = np.tile(np.array([[0, 0, 1.0]]), (len(cloud), 1))
    for variant in (PointCloud(cloud.xyz), PointCloud(cloud.xyz, None, normals)):
        assert labels_of(tiny_segmenter, variant, Clicks([RED], [1])).any()


def test_voxel_size_is_an_input_of_encode(tiny_segmenter, two_boxes):
    cloud, _ = two_boxes
    fine = tiny_segmenter.encode(cloud, 0.02)
    coarse = tiny_segmenter.encode(cloud, 0.1)
    assert fine.voxel_size == 0.02
    assert fine.voxel_count > 3 * coarse.voxel_count
    with pytest.raises(CloudError):
        tiny_segmenter.encode(cloud, -1.0)


def test_same_input_twice_gives_identical_bytes(tiny_segmenter, two_boxes):
    cloud, _ = two_boxes
    clicks = Clicks([RED, BLUE, (0.0, 0.3, 0.0)], [1, 2, 0])
    results = [tiny_segmenter.segment(tiny_segmenter.encode(cloud), clicks) for _ in range(2)]
    assert results[0].labels.tobytes() == results[1].labels.tobytes()
    assert results[0].probabilities.tobytes() == results[1].probabilities.tobytes()


def test_order_of_earlier_clicks_on_an_encoding_does_not_matter(tiny_segmenter, two_boxes):
    cloud, _ = two_boxes
    encoding = tiny_segmenter.encode(cloud)
    first = tiny_segmenter.segment(encoding, Clicks([RED], [1])).labels
    tiny_segmenter.segment(encoding, Clicks([BLUE, RED], [1, 2]))
    assert np.array_equal(first, tiny_segmenter.segment(encoding, Clicks([RED], [1])).labels)


def test_batch_of_two_gives_what_each_gives_alone(tiny_segmenter, two_boxes, rng):
    from clickseg3d_core.model.features import input_features
    from clickseg3d_core.voxels import floor_height

    cloud, _ = two_boxes
    small = PointCloud(rng.uniform(0, 0.3, (400, 3)))
    encodings = [tiny_segmenter.encode(c) for c in (cloud, small)]
    names = tiny_segmenter.config.inputs
    count = [e.voxel_count for e in encodings]
    batch = VoxelBatch(
        coords=torch.from_numpy(np.concatenate([e.grid.coords for e in encodings])),
        batch=torch.from_numpy(np.repeat([0, 1], count)),
    )
    features = np.concatenate(
        [
            input_features(names, e.grid, e.surface, floor_height(e.cloud.xyz[:, 2]))
            for e in encodings
        ]
    )
    centers = np.concatenate([e.grid.centers for e in encodings])
    with torch.no_grad():
        memories = tiny_segmenter.net.encode(
            batch, torch.from_numpy(features), torch.from_numpy(centers)
        )
    for encoding, memory in zip(encodings, memories, strict=True):
        assert torch.allclose(encoding.memory.features, memory.features, atol=1e-4)
        for alone, together in zip(encoding.memory.levels, memory.levels, strict=True):
            assert torch.allclose(alone.keys, together.keys, atol=1e-4)
            assert torch.equal(alone.finest_row, together.finest_row)


def test_unknown_device_and_missing_cuda_raise_checkpoint_error(tmp_path):
    with pytest.raises(CheckpointError, match="auto, cpu or cuda"):
        ClickSegmenter.load(tmp_path, device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(CheckpointError, match="no CUDA device"):
            ClickSegmenter.load(tmp_path, device="cuda")


def test_argmax_background_gives_every_point_to_somebody(tiny_config, two_boxes):
    from dataclasses import replace

    from clickseg3d_core.model.network import ClickSegmentationNet

    decoder = replace(tiny_config.decoder, background="argmax")
    net = ClickSegmentationNet(replace(tiny_config, decoder=decoder))
    segmenter = ClickSegmenter(net, {}, torch.device("cpu"))
    assert (labels_of(segmenter, two_boxes[0], Clicks([RED, BLUE], [1, 2])) > 0).all()


def test_a_small_answer_takes_one_thread_and_gives_the_others_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with _threads_for(10, torch.device("cpu")):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with contextlib.suppress(KeyError), _threads_for(10, torch.device("cpu")):
            raise KeyError
        assert torch.get_num_threads() == 2
        with _threads_for(10_000_000, torch.device("cpu")):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
