"""The weights that come with the package, on the demo scan and on real scans."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import benchmark

from clickseg3d_core import Clicks, ClickSegmenter, PointCloud
from clickseg3d_core.candidates import Candidates
from clickseg3d_core.clicks import innermost_point
from clickseg3d_core.data.scene import Scene, load_scene
from clickseg3d_core.evaluation.single_object import evaluate_scene, iou, seen_points
from clickseg3d_core.training.mixing import switched

REAL = Path(__file__).parents[3] / "shared" / "data" / "dev" / "mosd_learn"
MUG = REAL.parent / "unlabelled" / "pcl_table_scene_mug_stereo_textured.npz"
CARS = MUG.with_name("pcl_min_cut_segmentation_tutorial.npz")
ROOM = MUG.with_name("pcl_room_scan2.npz")
DEMO = Path(__file__).parents[2] / "clickseg3d_core" / "demo" / "scan.npz"


@pytest.fixture(scope="module")
def scene() -> Scene:
    return load_scene(DEMO)


@pytest.fixture(scope="module")
def clicks(scene) -> Clicks:
    ids = np.unique(scene.instance[scene.instance > 0])
    rows = [innermost_point(scene.xyz, scene.instance == i) for i in ids]
    return Clicks(scene.xyz[rows], ids)


def answer(shipped, scene, clicks, xyz=None, rgb=None):
    cloud = PointCloud(scene.xyz if xyz is None else xyz, scene.rgb if rgb is None else rgb)
    return shipped.segment(shipped.encode(cloud), clicks).labels


def test_every_object_of_the_demo_scan_with_one_click_each(shipped, scene, clicks):
    labels = answer(shipped, scene, clicks)
    ious = [
        ((labels == i) & (scene.instance == i)).sum()
        / ((labels == i) | (scene.instance == i)).sum()
        for i in clicks.object_ids
    ]
    assert np.mean(ious) > 0.87


def test_more_clicks_mend_the_answer(shipped, scene):
    ious = np.array([r.ious for r in evaluate_scene(shipped, scene, clicks=3)])
    assert ious[:, 0].mean() > 0.92
    assert ious[:, 2].mean() > 0.95
    assert (np.diff(ious, axis=1) > -0.02).all()  # no click takes an answer apart
    worst = ious[ious[:, 0] < np.median(ious[:, 0])]
    assert worst[:, 2].mean() > worst[:, 0].mean()


def test_shifting_the_cloud_changes_less_than_half_a_percent(shipped, scene, clicks):
    shift = np.array([123.4, -987.6, 54.3])
    moved = Clicks(clicks.positions + shift, clicks.object_ids)
    first = answer(shipped, scene, clicks)
    second = answer(shipped, scene, moved, xyz=scene.xyz.astype(np.float64) + shift)
    assert (first != second).mean() < 0.005


def test_permuting_the_points_permutes_the_labels(shipped, scene, clicks, rng):
    order = rng.permutation(len(scene.xyz))
    first = answer(shipped, scene, clicks)
    second = answer(shipped, scene, clicks, xyz=scene.xyz[order], rgb=scene.rgb[order])
    assert (first[order] != second).mean() < 0.005


def test_same_input_twice_gives_the_same_labels(shipped, scene, clicks):
    assert np.array_equal(answer(shipped, scene, clicks), answer(shipped, scene, clicks))


def test_colorless_scan_is_answered(shipped, scene, clicks):
    cloud = PointCloud(scene.xyz)
    labels = shipped.segment(shipped.encode(cloud), clicks).labels
    right = [(labels[scene.instance == i] == i).mean() for i in clicks.object_ids]
    assert np.mean(right) > 0.95


def test_weights_fit_the_size_limit(shipped):
    from clickseg3d_core.checkpoint import shipped_weights

    files = sorted(shipped_weights().glob("*.safetensors"))
    assert [file.name for file in files] == ["coarse.safetensors", "model.safetensors"]
    assert all(file.stat().st_size <= 16 * 2**20 for file in files)
    assert shipped.config.name == "small"


def test_shipped_weights_have_a_network_of_their_own_for_coarser_voxels(shipped, scene, clicks):
    same = switched(shipped.net, ["decoder.coarser_weights=same"])
    answers = [
        segmenter.decoded(segmenter.encode(PointCloud(scene.xyz, scene.rgb)), clicks)
        for segmenter in (shipped, ClickSegmenter(same, {}, torch.device("cpu")))
    ]
    assert torch.equal(answers[0].opinions[0], answers[1].opinions[0])
    assert (answers[0].opinions[1] - answers[1].opinions[1]).abs().max() > 0.5


def test_shipped_masks_settle_and_that_changes_little(shipped, scene, clicks):
    assert shipped.config.decoder.settle
    decoder = replace(shipped.config.decoder, settle=False)
    net = copy.deepcopy(shipped.net)
    net.config = replace(shipped.config, decoder=decoder)
    rough = answer(ClickSegmenter(net, {}, torch.device("cpu")), scene, clicks)
    changed = (rough != answer(shipped, scene, clicks)).mean()
    assert 0.0 < changed < 0.03


def outlined_object(path: Path, name: str) -> tuple[PointCloud, np.ndarray]:
    """A real scan, and where in it the object of an outline is."""
    objects = benchmark("real_objects")
    scan = yaml.safe_load(objects.OUTLINES.read_text())[path.stem]
    scene, names = objects.outlined_scene(path, scan, True)
    return PointCloud(scene.xyz, scene.rgb), scene.instance == names.index(name) + 1


def iou_of_one_click(segmenter, encoding, truth) -> float:
    seen = seen_points(encoding)
    xyz = encoding.cloud.xyz
    point = seen[innermost_point(xyz[seen], truth[seen])]
    return iou_of_click(segmenter, encoding, truth, point)


def iou_of_click(segmenter, encoding, truth, point) -> float:
    click = Clicks(encoding.cloud.xyz[[point]], np.array([1]))
    return iou(segmenter.segment(encoding, click).labels == 1, truth)


@pytest.mark.skipif(not MUG.is_file(), reason="real scans are not part of the repository")
def test_a_wall_that_is_large_in_voxels_needs_the_coarser_encoding(shipped):
    cloud, wall = outlined_object(MUG, "wall")
    encoding = shipped.encode(cloud)
    assert encoding.coarser[0].voxel_size == pytest.approx(2.0 * encoding.voxel_size)
    assert iou_of_one_click(shipped, encoding, wall) > 0.9
    assert iou_of_one_click(shipped, replace(encoding, coarser=None), wall) < 0.5


def ious_of_clicks(segmenter, cloud, truth) -> np.ndarray:
    """IoU of one click each at twelve random points."""
    encoding = segmenter.encode(cloud)
    points = np.random.default_rng(0).choice(np.flatnonzero(truth), 12)
    return np.array([iou_of_click(segmenter, encoding, truth, point) for point in points])


def with_switch(shipped, switch: str) -> ClickSegmenter:
    return ClickSegmenter(switched(shipped.net, [switch]), {}, torch.device("cpu"))


@pytest.mark.skipif(not CARS.is_file(), reason="real scans are not part of the repository")
def test_a_car_needs_the_network_for_coarser_voxels(shipped):
    """A sweep of a parking lot that has lost its ground."""
    cloud, car = outlined_object(CARS, "car_right")
    own = ious_of_clicks(shipped, cloud, car)
    same = ious_of_clicks(with_switch(shipped, "decoder.coarser_weights=same"), cloud, car)
    assert own.mean() > 0.8
    assert own.mean() > same.mean() + 0.04


@pytest.mark.skipif(not CARS.is_file(), reason="real scans are not part of the repository")
def test_doubts_give_more_of_a_car_that_the_judge_does_not_know(shipped):
    cloud, car = outlined_object(CARS, "car_middle")
    doubting = ious_of_clicks(shipped, cloud, car)
    gain = doubting - ious_of_clicks(with_switch(shipped, "decoder.doubt=0.0"), cloud, car)
    assert gain.min() > -0.05
    assert gain.mean() > 0.05
    assert gain.max() > 0.2


@pytest.mark.skipif(not ROOM.is_file(), reason="real scans are not part of the repository")
def test_a_click_anywhere_gives_a_real_floor(shipped):
    """A room by laser without color: of twelve clicks two may give a piece."""
    ious = ious_of_clicks(shipped, *outlined_object(ROOM, "floor"))
    assert (ious > 0.8).sum() >= 10


def test_the_shipped_weights_doubt(shipped):
    assert shipped.config.decoder.doubt == pytest.approx(0.45)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="real table views are not part of the repository")
def test_objects_of_real_table_views(shipped):
    ious = []
    for path in sorted(REAL.glob("*.npz"))[1::4]:
        with np.load(path) as view:
            instance = (view["instance"] + 1).astype(np.int32)  # the table is not an object
            scene = Scene(
                xyz=view["xyz"], rgb=view["rgb"], instance=instance,
                instance_class=np.full(instance.max() + 1, -1, np.int16),
            )  # fmt: skip
        ious += [record.ious for record in evaluate_scene(shipped, scene, clicks=3)]
    first, _, third = np.mean(ious, axis=0)
    assert first > 0.87
    assert third > max(first, 0.94)


def test_the_shipped_judge_cuts_each_object_elsewhere(shipped, scene, clicks):
    encoding = shipped.encode(PointCloud(scene.xyz, scene.rgb))
    cuts = shipped.judged(encoding, shipped.decoded(encoding, clicks), clicks)
    assert len(cuts) == len(clicks)
    assert np.ptp(cuts) > 0.3


def test_the_shipped_judge_reads_features_and_classes(shipped, scene, clicks):
    encoding = shipped.encode(PointCloud(scene.xyz, scene.rgb))
    given = Candidates.of(encoding.extents, shipped.decoded(encoding, clicks), clicks)
    cuts = shipped.net.judge.cuts(given)
    for name in ("inside", "clicked", "classes"):
        blind = replace(given, **{name: np.zeros_like(getattr(given, name))})
        assert np.abs(shipped.net.judge.cuts(blind) - cuts).max() > 0.1


def wall_with_picture(color: tuple[float, float, float]) -> tuple[PointCloud, np.ndarray]:
    """A floor and three walls, and a picture in the middle one that differs in color alone."""
    rng = np.random.default_rng(0)
    floor = np.stack([rng.uniform(0, 4, 20000), rng.uniform(0, 4, 20000), np.zeros(20000)], 1)
    across, up, flat = rng.uniform(0, 4, 45000), rng.uniform(0, 2.5, 45000), np.zeros(45000)
    walls = np.stack([across, flat, up], axis=1)
    walls[15000:30000] = walls[15000:30000, [1, 0, 2]]
    walls[30000:] = walls[30000:, [1, 0, 2]] + (4.0, 0.0, 0.0)
    picture = (np.abs(across - 2.0) < 0.5) & (np.abs(up - 1.5) < 0.4)
    picture[15000:] = False
    colors = np.concatenate([np.full((20000, 3), (0.5, 0.4, 0.3)), np.full((45000, 3), 0.8)])
    truth = np.concatenate([np.zeros(20000, bool), picture])
    colors[truth] = color
    xyz = np.concatenate([floor, walls]) + rng.normal(0, 0.003, (65000, 3))
    noisy = np.clip(colors + rng.normal(0, 0.03, colors.shape), 0, 1)
    return PointCloud(xyz, (noisy * 255).astype(np.uint8)), truth


@pytest.mark.parametrize("color", [(0.9, 0.1, 0.1), (0.1, 0.1, 0.1)])
def test_a_picture_flush_with_its_wall_is_not_the_wall(shipped, color):
    cloud, truth = wall_with_picture(color)
    click = Clicks(np.array([[2.0, 0.0, 1.5]]), np.array([1]))
    found = shipped.segment(shipped.encode(cloud), click).labels == 1
    assert (found & truth).sum() > 0.8 * (found | truth).sum()
