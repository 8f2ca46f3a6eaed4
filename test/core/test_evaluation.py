import numpy as np
import pytest
from conftest import boxes_scene

from clickseg3d_core.evaluation.calibration import best_background_logit
from clickseg3d_core.evaluation.single_object import click_through, evaluate_scene, iou, seen_points
from clickseg3d_core.evaluation.together import evaluate_together


def test_iou_of_masks():
    a, b = np.array([1, 1, 0, 0], bool), np.array([0, 1, 1, 0], bool)
    assert iou(a, b) == pytest.approx(1 / 3)
    assert iou(a & False, b & False) == 1.0


def test_perfect_segmenter_needs_one_click(rng):
    xyz = rng.uniform(size=(200, 3))
    truth = xyz[:, 0] > 0.5
    ious = click_through(lambda clicks: truth.astype(np.int32), xyz, truth, np.arange(200), 3)
    assert ious == (1.0, 1.0, 1.0)


def test_user_corrects_what_is_wrong_and_clicked_points_count_as_right():
    xyz = np.c_[np.arange(30.0), np.zeros(30), np.zeros(30)]
    truth = np.arange(30) < 10
    asked = []

    def take_half(clicks):
        asked.append(clicks)
        return (np.arange(30) < 20).astype(np.int32)

    ious = click_through(take_half, xyz, truth, np.arange(30), 3)
    assert [c.object_ids.tolist() for c in asked] == [[1], [1, 0], [1, 0, 0]]
    assert asked[1].positions[1, 0] == 14.0  # innermost of 10..19, lowest of the tie
    assert ious == (10 / 20, 10 / 19, 10 / 18)


def test_every_object_of_a_scene_is_recorded(tiny_segmenter, two_boxes):
    scene = boxes_scene(two_boxes)
    records = evaluate_scene(tiny_segmenter, scene, clicks=2, skip_classes=frozenset({1}))
    assert [r.instance for r in records] == [2, 3]
    assert [r.points for r in records] == [1500, 1500]
    assert all(len(r.ious) == 2 for r in records)
    assert all(r.predicted_class for r in records)


def test_user_sees_one_point_per_voxel(tiny_segmenter, two_boxes):
    cloud, _ = two_boxes
    encoding = tiny_segmenter.encode(cloud)
    seen = seen_points(encoding)
    assert np.array_equal(encoding.grid.point_to_voxel[seen], np.arange(encoding.voxel_count))


def test_calibration_finds_the_better_cut_and_leaves_the_segmenter(tiny_segmenter, two_boxes):
    scene = boxes_scene(two_boxes)
    before = tiny_segmenter.config
    best, scores = best_background_logit(
        tiny_segmenter, [scene], candidates=(50.0, 0.0, -50.0), clicks=1
    )
    assert best == 0.0  # 50 gives the clicked voxel only, -50 gives everything
    assert scores[0.0] > max(scores[50.0], scores[-50.0])
    assert tiny_segmenter.config is before


def test_all_objects_clicked_at_once(tiny_segmenter, two_boxes):
    scene = boxes_scene(two_boxes)
    ious = evaluate_together(tiny_segmenter, scene)
    assert set(ious) == {1, 2, 3}
    assert all(0 < value <= 1 for value in ious.values())
    assert set(evaluate_together(tiny_segmenter, scene, min_points=2000)) == {1}
