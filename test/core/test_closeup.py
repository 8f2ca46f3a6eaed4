"""A closer look at small objects in large clouds."""

import numpy as np
import pytest

from clickseg3d_core import Clicks, ClickSegmenter, PointCloud
from clickseg3d_core.closeup import CloseUp, Part, places
from clickseg3d_core.types import Segmentation

RED, BLUE = (-0.2, 0.0, 0.16), (0.2, 0.0, 0.16)


@pytest.fixture
def in_a_hall(two_boxes) -> tuple[PointCloud, np.ndarray]:
    """The two boxes, densely scanned, in the middle of a floor of 8 m that is not."""
    cloud, ids = two_boxes
    rng = np.random.default_rng(1)
    dense = np.repeat(cloud.xyz, 4, axis=0) + rng.normal(0, 0.002, (4 * len(cloud), 3))
    hall = rng.uniform((-4, -4, -0.002), (4, 4, 0.002), (20_000, 3))
    hall = hall[(np.abs(hall[:, :2]) > 0.5).any(axis=1)]
    xyz = np.concatenate([dense, hall])
    rgb = np.concatenate([np.repeat(cloud.rgb, 4, axis=0), np.full((len(hall), 3), 200, np.uint8)])
    return PointCloud(xyz, rgb), np.append(np.repeat(ids, 4), np.zeros(len(hall), np.int32))


@pytest.fixture(scope="module")
def closer() -> CloseUp:
    """With the shipped weights: what an untrained network answers is not small."""
    return CloseUp.load(device="cpu")


def iou(labels: np.ndarray, ids: np.ndarray, number: int) -> float:
    mine, true = labels == number, ids == number
    return (mine & true).sum() / (mine | true).sum()


def test_shipped_weights_answer_better_in_finer_voxels(in_a_hall):
    cloud, ids = in_a_hall
    clicks = Clicks(np.array([RED, BLUE]), np.array([1, 2]))
    found = []
    for kind in (ClickSegmenter, CloseUp):
        segmenter = kind.load(device="cpu")
        result = segmenter.segment(segmenter.encode(cloud, 0.08), clicks)
        found.append(np.mean([iou(result.labels, ids, number) for number in (1, 2)]))
        assert [i.class_name != "" for i in result.instances] == [True, True]
    assert found[1] > max(0.95, found[0] + 0.02)


def test_all_points_come_back_in_order_and_instances_agree(closer, in_a_hall):
    cloud, _ = in_a_hall
    xyz = cloud.xyz.copy()
    xyz[::50] = np.nan
    clicks = Clicks(np.array([RED, BLUE, (0.0, 0.3, 0.0)]), np.array([4, 9, 0]))
    encoding = closer.encode(PointCloud(xyz, cloud.rgb), 0.08)
    result = closer.segment(encoding, clicks)
    assert [part.encoding is not None for part in encoding.parts.values()] == [True]
    assert result.labels.shape == result.probabilities.shape == (len(cloud),)
    assert result.labels.dtype == np.int32
    assert (result.labels[::50] == 0).all()
    assert set(np.unique(result.labels)) <= {0, 4, 9}
    assert [i.id for i in result.instances] == [4, 9]
    for instance in result.instances:
        own = result.labels == instance.id
        assert instance.point_count == own.sum()
        np.testing.assert_allclose(instance.centroid, xyz[own].mean(axis=0))
    for click, label in zip(clicks.positions, clicks.object_ids, strict=True):
        nearest = np.nanargmin(np.linalg.norm(xyz - click, axis=1))
        assert result.labels[nearest] == label


def test_answers_do_not_depend_on_what_was_asked_before(closer, in_a_hall):
    cloud, _ = in_a_hall
    first = Clicks(np.array([BLUE]), np.array([2]))
    second = Clicks(np.array([RED, (-0.2, 0.0, 0.02)]), np.array([1, 0]))
    used, fresh = closer.encode(cloud, 0.08), closer.encode(cloud, 0.08)
    closer.segment(used, first)
    results = [closer.segment(encoding, second) for encoding in (used, fresh, used)]
    assert all(part.encoding is not None for part in used.parts.values())
    for result in results[1:]:
        np.testing.assert_array_equal(result.labels, results[0].labels)


def test_a_place_is_encoded_once(closer, in_a_hall, monkeypatch):
    encoding = closer.encode(in_a_hall[0], 0.08)
    sizes = []
    encode = ClickSegmenter.encode
    monkeypatch.setattr(
        ClickSegmenter, "encode", lambda *given: sizes.append(given[2]) or encode(*given)
    )
    for _ in range(3):
        closer.segment(encoding, Clicks(np.array([RED, BLUE]), np.array([1, 2])))
    assert len(sizes) == 1
    assert sizes[0] < 0.45 * 0.08


def test_nothing_changes_where_voxels_would_not_be_finer(closer, two_boxes):
    cloud = two_boxes[0]
    clicks = Clicks(np.array([RED]), np.array([1]))
    encoding = closer.encode(cloud)
    plain = ClickSegmenter.segment(closer, encoding, clicks)
    looked = closer.segment(encoding, clicks)
    assert [part.encoding for part in encoding.parts.values()] == [None]
    np.testing.assert_array_equal(looked.labels, plain.labels)
    np.testing.assert_array_equal(looked.probabilities, plain.probabilities)
    np.testing.assert_array_equal(looked.instances[0].box.center, plain.instances[0].box.center)
    nothing = closer.segment(encoding, Clicks(np.zeros((0, 3)), np.zeros(0, np.int64)))
    assert (nothing.labels == 0).all()


def answered(cloud: PointCloud, balls: dict[int, tuple[np.ndarray, float]]) -> Segmentation:
    labels = np.zeros(len(cloud), np.int32)
    for number, (center, radius) in balls.items():
        labels[np.linalg.norm(cloud.xyz - center, axis=1) < radius] = number
    return Segmentation(labels=labels, probabilities=np.ones(len(cloud)), instances=())


def test_objects_that_lie_together_share_a_place(tiny_segmenter, rng):
    cloud = PointCloud(rng.uniform(-4, 4, (20000, 3)))
    encoding = tiny_segmenter.encode(cloud, 0.05)
    centers = np.array([[0.0, 0, 0], [0.5, 0, 0], [3.0, 3, 3]])
    clicks = Clicks(centers, np.array([1, 2, 7]))
    result = answered(cloud, {i: (c, 0.4) for i, c in zip((1, 2, 7), centers, strict=True)})
    found = places(encoding, clicks, result)
    assert sorted(place.ids for place in found) == [(1, 2), (7,)]
    for place in found:
        own = cloud.xyz[np.isin(result.labels, place.ids)]
        reach = np.linalg.norm(own - place.center, axis=1).max()
        assert reach + 0.4 < place.radius < 12 * reach


def test_a_place_stays_when_an_object_changes_a_little(tiny_segmenter, rng):
    cloud = PointCloud(rng.uniform(-4, 4, (20000, 3)))
    encoding = tiny_segmenter.encode(cloud, 0.2)
    clicks = Clicks(np.array([[0.1, 0.1, 0.1]]), np.array([1]))
    keys = set()
    for size in np.linspace(0.5, 0.6, 11):
        (place,) = places(encoding, clicks, answered(cloud, {1: (np.full(3, 0.1), size)}))
        keys.add((*place.center.tolist(), place.radius))
    assert len(keys) <= 4


def test_few_parts_are_kept(closer, in_a_hall):
    cloud, _ = in_a_hall
    encoding = closer.encode(cloud, 0.08)
    for number in range(12):
        encoding.parts[(float(number),)] = Part(rows=np.zeros(0, np.int64), encoding=None)
    closer.segment(encoding, Clicks(np.array([RED]), np.array([1])))
    assert len(encoding.parts) == 8
    assert (11.0,) in encoding.parts
    assert (0.0,) not in encoding.parts
