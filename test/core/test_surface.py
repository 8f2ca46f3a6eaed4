import numpy as np
import pytest

from clickseg3d_core import PointCloud
from clickseg3d_core.surface import PATH_LIMIT, describe_surface, path_costs
from clickseg3d_core.voxels import voxelize


def corner(rng, n=6000):
    """Two planes that meet at x = 0: floor for x < 0, wall for z > 0."""
    floor = np.c_[rng.uniform(-1, 0, n), rng.uniform(0, 1, n), np.zeros(n)]
    wall = np.c_[np.zeros(n), rng.uniform(0, 1, n), rng.uniform(0, 1, n)]
    return np.vstack([floor, wall])


def test_normals_of_two_planes(rng):
    grid = voxelize(PointCloud(corner(rng)), 0.04)
    normals = np.abs(describe_surface(grid).normals)
    position = grid.centers * 0.04 + grid.origin
    floor = position[:, 0] < -0.2
    wall = position[:, 2] > 0.2
    assert (normals[floor, 2] > 0.99).all()
    assert (normals[wall, 0] > 0.99).all()


def test_given_normals_are_used(rng):
    xyz = rng.uniform(0, 1, (500, 3))
    given = np.tile(np.array([[0.0, 1, 0]], np.float32), (500, 1))
    surface = describe_surface(voxelize(PointCloud(xyz, None, given), 0.2))
    assert np.allclose(surface.normals, [0, 1, 0])


def test_a_path_over_a_crease_costs_more_than_one_on_the_flat(rng):
    grid = voxelize(PointCloud(corner(rng)), 0.04)
    position = grid.centers * 0.04 + grid.origin

    def nearest(x, y, z):
        return int(np.argmin(np.linalg.norm(position - [x, y, z], axis=1)))

    start = nearest(-0.5, 0.5, 0)
    costs = path_costs(describe_surface(grid).graph, np.array([start]))[0]
    flat = costs[nearest(-0.5, 0.0, 0)]  # 0.5 m along the floor
    over = costs[nearest(0, 0.5, 0.3)]  # 0.8 m, over the crease
    assert costs[start] == 0
    assert 10 < flat < 20  # 12.5 voxels plus detours
    assert over > 1.2 * flat * 0.8 / 0.5


def test_color_edges_cost(rng):
    xyz = np.c_[rng.uniform(0, 1, (8000, 2)), np.zeros(8000)]
    rgb = np.where(xyz[:, :1] < 0.5, 0, 255).astype(np.uint8).repeat(3, axis=1)
    plain = describe_surface(voxelize(PointCloud(xyz), 0.04))
    colored = describe_surface(voxelize(PointCloud(xyz, rgb), 0.04))
    assert colored.graph.sum() > plain.graph.sum()


def test_unreachable_voxels_are_at_the_limit(rng):
    two = np.vstack([rng.uniform(0, 0.2, (200, 3)), rng.uniform(50, 50.2, (200, 3))])
    grid = voxelize(PointCloud(two), 0.05)
    costs = path_costs(describe_surface(grid).graph, np.array([0]))[0]
    assert costs.max() == pytest.approx(PATH_LIMIT)
    assert (costs == np.float32(PATH_LIMIT)).sum() > 10


@pytest.mark.parametrize("points", [1, 2, 3])
def test_few_points_have_a_surface(points):
    grid = voxelize(PointCloud(np.arange(3.0 * points).reshape(points, 3)), 1.0)
    surface = describe_surface(grid)
    assert np.isfinite(surface.normals).all()
    assert path_costs(surface.graph, np.array([0])).shape == (1, points)
