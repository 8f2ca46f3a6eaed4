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


def box_on_floor(rng, ceiling=False):
    """What a sensor sees of a 0.4 m box on a 2 m floor: no bottom, no floor below the box."""
    floor = np.c_[rng.uniform(-1, 1, (24000, 2)), np.zeros(24000)]
    floor = floor[(np.abs(floor[:, :2]) > 0.2).any(axis=1)]
    box = rng.uniform(-0.2, 0.2, (9000, 3))
    face = rng.choice(5, 9000)
    box[np.arange(9000), face // 2] = np.where(face % 2, -0.2, 0.2)
    box[face == 4, 2] = 0.2
    parts = [floor, box + [0, 0, 0.2]]
    if ceiling:
        parts.append(np.c_[rng.uniform(-1, 1, (24000, 2)), np.full(24000, 1.5)])
        wall = np.c_[np.full(20000, 1.0), rng.uniform(-1, 1, 20000), rng.uniform(0, 1.5, 20000)]
        parts.append(wall)
    return np.concatenate(parts)


@pytest.mark.parametrize("ceiling", [False, True])
def test_normals_face_the_room_and_out_of_the_box(rng, ceiling):
    grid = voxelize(PointCloud(box_on_floor(rng, ceiling)), 0.03)
    normals = describe_surface(grid).normals
    position = grid.centers * 0.03 + grid.origin
    inner = np.abs(position[:, :2]).max(axis=1) < 0.12
    assert (normals[inner & (np.abs(position[:, 2] - 0.4) < 0.02)][:, 2] > 0.9).all()
    outer = (np.abs(position[:, :2]).max(axis=1) > 0.35) & (np.abs(position[:, 0]) < 0.8)
    assert (normals[outer & (position[:, 2] < 0.02)][:, 2] > 0.9).all()
    side = (position[:, 0] > 0.19) & (position[:, 0] < 0.25) & (np.abs(position[:, 1]) < 0.1)
    side &= np.abs(position[:, 2] - 0.2) < 0.05
    assert side.any()
    assert (normals[side][:, 0] > 0.9).all()
    if ceiling:
        high = (position[:, 2] > 1.48) & (position[:, 0] < 0.8)
        assert (normals[high][:, 2] < -0.9).all()


def test_an_outward_edge_costs_less_than_an_inward_crease(rng):
    grid = voxelize(PointCloud(box_on_floor(rng)), 0.03)
    surface = describe_surface(grid)
    position = grid.centers * 0.03 + grid.origin

    def nearest(*point):
        return int(np.argmin(np.linalg.norm(position - point, axis=1)))

    top, side, floor = nearest(0, 0, 0.4), nearest(0.2, 0, 0.2), nearest(0.4, 0, 0)
    costs = path_costs(surface.graph, np.array([side]))[0]
    assert costs[top] < 0.5 * costs[floor]
    assert surface.bend[nearest(0.2, 0, 0.4)] > 0.02
    assert surface.bend[nearest(0.21, 0, 0.0)] < -0.02


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
