import numpy as np
import pytest

from clickseg3d_core.baseline import GrowingConfig, RegionGrowing
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.types import Clicks, PointCloud


def grid(n: int, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    steps = np.arange(n) * spacing
    a, b = np.meshgrid(steps, steps)
    return a.ravel(), b.ravel()


@pytest.fixture(scope="module")
def box_on_table() -> tuple[PointCloud, np.ndarray]:
    """A 0.2 m box seen from three sides in the middle of a 0.6 m table, 5 mm apart; true mask."""
    a, b = grid(41, 0.005)
    side = np.full_like(a, 0.0)
    top = np.stack([a, b, np.full_like(a, 0.2)], 1)
    front = np.stack([a, side, b], 1)
    left = np.stack([side, a, b], 1)
    box = np.concatenate([top, front, left])
    u, v = grid(121, 0.005)
    table = np.stack([u - 0.2, v - 0.2, np.zeros_like(u)], 1)
    hidden = ((table[:, :2] > 0.0) & (table[:, :2] < 0.2)).all(axis=1)
    table = table[~hidden]
    noise = np.random.default_rng(0).normal(0.0, 0.0004, (len(box) + len(table), 3))
    xyz = np.concatenate([box, table]) + noise
    return PointCloud(xyz), np.arange(len(xyz)) < len(box)


def iou(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found & truth).sum() / (found | truth).sum())


def test_region_crosses_outward_edges_and_stops_at_the_crease(box_on_table):
    cloud, truth = box_on_table
    growing = RegionGrowing(cloud, config=GrowingConfig(limit=0.35))
    labels = growing.segment(Clicks(np.array([[0.1, 0.0, 0.1]]), np.array([3])))
    assert set(np.unique(labels)) == {0, 3}
    assert iou(labels == 3, truth) > 0.75


def test_table_clicked_beside_the_box_gives_the_table(box_on_table):
    cloud, truth = box_on_table
    growing = RegionGrowing(cloud, config=GrowingConfig(limit=0.35))
    labels = growing.segment(Clicks(np.array([[-0.1, -0.1, 0.0]]), np.array([1])))
    assert iou(labels == 1, ~truth) > 0.7


def test_without_a_dear_crease_the_region_floods_the_table(box_on_table):
    cloud, truth = box_on_table
    growing = RegionGrowing(cloud, config=GrowingConfig(crease=0.0, edge=0.0))
    labels = growing.segment(Clicks(np.array([[0.1, 0.0, 0.1]]), np.array([1])))
    assert (labels[~truth] == 1).mean() > 0.9


def test_clicks_compete_for_one_surface():
    a, b = grid(60, 0.01)
    cloud = PointCloud(np.stack([a, b, np.zeros_like(a)], 1))
    clicks = Clicks(np.array([[0.1, 0.3, 0.0], [0.5, 0.3, 0.0]]), np.array([1, 2]))
    labels = RegionGrowing(cloud, voxel_size=0.01).segment(clicks)
    middle = np.abs(a - 0.3) > 0.02
    np.testing.assert_array_equal(labels[middle], np.where(a < 0.3, 1, 2)[middle])


def test_background_click_takes_surface_away():
    a, b = grid(60, 0.01)
    cloud = PointCloud(np.stack([a, b, np.zeros_like(a)], 1))
    clicks = Clicks(np.array([[0.1, 0.3, 0.0], [0.5, 0.3, 0.0]]), np.array([1, 0]))
    labels = RegionGrowing(cloud, voxel_size=0.01).segment(clicks)
    assert (labels[a > 0.34] == 0).all()
    assert (labels[a < 0.26] == 1).all()


def test_further_click_of_an_object_reaches_less_far():
    a = np.arange(100) * 0.01
    cloud = PointCloud(np.stack([a, 0 * a, 0 * a], 1))
    config = GrowingConfig(limit=0.082, later=2.0)  # 20 voxels for a first click, 10 for a second
    growing = RegionGrowing(cloud, voxel_size=0.01, config=config)
    clicks = Clicks(cloud.xyz[[20, 70]], np.array([1, 1]))
    reached = np.flatnonzero(growing.segment(clicks))
    np.testing.assert_array_equal(reached, [*range(41), *range(60, 81)])


def test_color_separates_what_shape_does_not():
    a, b = grid(60, 0.01)
    xyz = np.stack([a, b, np.zeros_like(a)], 1)
    rgb = np.where(a[:, None] < 0.295, (250, 0, 0), (0, 0, 250)).astype(np.uint8)
    click = Clicks(np.array([[0.1, 0.3, 0.0]]), np.array([1]))
    config = GrowingConfig(color=5.0)
    colored = RegionGrowing(PointCloud(xyz, rgb), voxel_size=0.01, config=config).segment(click)
    plain = RegionGrowing(PointCloud(xyz), voxel_size=0.01, config=config).segment(click)
    np.testing.assert_array_equal(colored == 1, a < 0.295)
    assert (plain == 1).all()


def test_no_clicks_and_bad_points_give_background():
    xyz = np.random.default_rng(0).random((200, 3))
    xyz[5] = np.nan
    growing = RegionGrowing(PointCloud(xyz))
    assert not growing.segment(Clicks(np.zeros((0, 3)), np.zeros(0, int))).any()
    labels = growing.segment(Clicks(xyz[[7]], np.array([2])))
    assert labels[5] == 0
    assert labels[7] == 2


@pytest.mark.parametrize("n", [1, 2, 5])
def test_tiny_clouds(n):
    cloud = PointCloud(np.eye(5, 3)[:n] + np.arange(n)[:, None])
    labels = RegionGrowing(cloud).segment(Clicks(cloud.xyz[[0]], np.array([1])))
    assert labels[0] == 1


def test_bad_costs_are_refused():
    with pytest.raises(ConfigError, match="positive"):
        GrowingConfig(limit=0.0)
    with pytest.raises(ConfigError, match="neighbors"):
        GrowingConfig(normal_neighbors=2)
