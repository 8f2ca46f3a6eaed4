import numpy as np
import pytest

from clickseg3d_core import CloudError, PointCloud
from clickseg3d_core.voxels import MAX_AXIS_VOXELS, automatic_voxel_size, voxelize


def plane(rng, n, side, noise=0.0):
    xyz = rng.uniform(0, side, (n, 3))
    xyz[:, 2] = rng.normal(0, noise, n) if noise else 0.0
    return xyz


def test_every_finite_point_has_the_voxel_it_lies_in(rng):
    xyz = rng.uniform(-3, 5, (2000, 3))
    xyz[::100, 1] = np.nan
    grid = voxelize(PointCloud(xyz), 0.25)
    finite = np.isfinite(xyz).all(axis=1)
    assert (grid.point_to_voxel[~finite] == -1).all()
    local = (xyz[finite] - grid.origin) / 0.25
    assert np.array_equal(np.floor(local), grid.coords[grid.point_to_voxel[finite]])
    assert np.array_equal(np.bincount(grid.point_to_voxel[finite]), grid.counts)


def test_centers_and_colors_are_means():
    xyz = np.array([[0.0, 0, 0], [0.1, 0, 0], [5, 5, 5]])
    rgb = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)
    grid = voxelize(PointCloud(xyz, rgb), 1.0)
    row = grid.point_to_voxel[0]
    assert grid.point_to_voxel[1] == row
    assert np.allclose(grid.origin + grid.centers[row] * 1.0, [0.05, 0, 0], atol=1e-6)
    assert np.allclose(grid.rgb[row], [0.5, 0, 0], atol=1e-6)


def test_opposite_normals_do_not_cancel():
    grid = voxelize(
        PointCloud(np.zeros((2, 3)), None, np.array([[0, 0, 1], [0, 0, -1]], np.float32)), 1.0
    )
    assert np.allclose(np.abs(grid.normals[0]), [0, 0, 1])


@pytest.mark.parametrize(
    ("side", "noise", "low", "high"),
    [(0.8, 0.001, 0.003, 0.008), (9.0, 0.01, 0.02, 0.06), (45.0, 0.05, 0.1, 0.3)],
)
def test_automatic_size_fits_table_room_and_street(rng, side, noise, low, high):
    assert low <= automatic_voxel_size(plane(rng, 100_000, side, noise)) <= high


def test_automatic_size_gives_about_the_target(rng):
    xyz = plane(rng, 200_000, 10.0)
    size = automatic_voxel_size(xyz, target_voxels=20_000)
    assert 14_000 < len(voxelize(PointCloud(xyz), size)) < 26_000


def test_a_few_percent_of_outliers_do_not_coarsen_the_grid(rng):
    room = plane(rng, 49_000, 5.0)
    outliers = rng.uniform(-60, 60, (1_500, 3))
    clean, dirty = (automatic_voxel_size(x) for x in (room, np.concatenate([room, outliers])))
    assert dirty < 1.3 * clean


def test_sparse_cloud_is_not_split_into_single_points(rng):
    xyz = plane(rng, 5_000, 10.0)
    assert len(voxelize(PointCloud(xyz))) < 3_500


def test_one_point_and_duplicates_have_a_size():
    assert automatic_voxel_size(np.zeros((1, 3))) > 0
    assert len(voxelize(PointCloud(np.ones((50, 3))))) == 1


def test_far_outliers_lose_their_voxel_and_nothing_else(rng):
    xyz = np.vstack([rng.uniform(0, 1, (1000, 3)), [[1e7, 0, 0]]])
    grid = voxelize(PointCloud(xyz), 0.01)
    assert grid.point_to_voxel[-1] == -1
    assert (grid.point_to_voxel[:-1] >= 0).all()
    assert grid.coords.max() < MAX_AXIS_VOXELS


@pytest.mark.parametrize("size", [0.0, -0.1, np.nan, np.inf])
def test_impossible_voxel_size_raises_cloud_error(size):
    with pytest.raises(CloudError, match="positive number of metres"):
        voxelize(PointCloud(np.zeros((3, 3))), size)


def test_shifting_the_cloud_leaves_the_grid(rng):
    xyz = np.round(rng.uniform(0, 2, (5000, 3)), 4)  # sensors record round steps
    first = voxelize(PointCloud(xyz))
    second = voxelize(PointCloud(xyz + [412.37, -1033.3, 17.9]))
    assert first.voxel_size == second.voxel_size
    assert np.array_equal(first.coords[first.point_to_voxel], second.coords[second.point_to_voxel])


def test_copies_of_points_do_not_make_voxels_smaller(rng):
    xyz = plane(rng, 5_000, 10.0)
    assert automatic_voxel_size(np.repeat(xyz, 3, axis=0)) == automatic_voxel_size(xyz)


def test_voxels_too_small_for_the_extent_name_a_size_that_fits(rng):
    cloud = PointCloud(rng.uniform(0, 100, (2000, 3)))
    with pytest.raises(CloudError, match="too small for this cloud") as caught:
        voxelize(cloud, 1e-4)
    fitting = float(str(caught.value).split("use ")[1].split(" m")[0])
    assert (voxelize(cloud, fitting).point_to_voxel >= 0).mean() >= 0.9


def test_normals_that_are_not_finite_count_as_none():
    normals = np.array([[0, 0, 1], [1e300, 0, 0], [np.nan, 0, 0]])
    grid = voxelize(PointCloud(np.zeros((3, 3)), normals=normals), 1.0)
    np.testing.assert_allclose(grid.normals, [[0, 0, 1]], atol=1e-6)


def test_every_point_lies_in_its_own_voxel_and_empty_space_in_none():
    rng = np.random.default_rng(0)
    cloud = PointCloud(rng.uniform(-1.0, 2.0, (500, 3)))
    grid = voxelize(cloud, 0.13)
    local = (cloud.xyz - grid.origin) / grid.voxel_size
    assert np.array_equal(grid.containing(local), grid.point_to_voxel)
    away = np.array([[-1e150, 0.0, 0.0], [1e150, 0.0, 0.0], [-0.5, 1.0, 1.0], [1e5, 1e5, 1e5]])
    assert (grid.containing(away) == -1).all()
