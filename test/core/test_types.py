import numpy as np
import pytest

from clickseg3d_core import ClickError, Clicks, CloudError, PointCloud


def test_cloud_keeps_points_that_are_not_finite():
    cloud = PointCloud(np.array([[0, 0, 0], [np.nan, 0, 0], [1, np.inf, 0]]))
    assert len(cloud) == 3


@pytest.mark.parametrize(
    ("xyz", "message"),
    [
        (np.zeros((0, 3)), "empty"),
        (np.full((5, 3), np.nan), "none of the 5 points is finite"),
        (np.zeros((5, 2)), r"\(N, 3\)"),
        (np.zeros(3), r"\(N, 3\)"),
        ([["a", "b", "c"]], "numbers"),
    ],
)
def test_bad_xyz_raises_cloud_error(xyz, message):
    with pytest.raises(CloudError, match=message):
        PointCloud(xyz)


def test_rgb_of_another_length_raises_cloud_error():
    with pytest.raises(CloudError, match=r"rgb must be \(4, 3\)"):
        PointCloud(np.zeros((4, 3)), np.zeros((3, 3), np.uint8))


def test_float_rgb_raises_cloud_error_that_tells_what_to_do():
    with pytest.raises(CloudError, match=r"scale floats in 0..1 by 255"):
        PointCloud(np.zeros((4, 3)), np.zeros((4, 3)))


def test_normals_of_another_shape_raise_cloud_error():
    with pytest.raises(CloudError, match="normals"):
        PointCloud(np.zeros((4, 3)), None, np.zeros((3, 3)))


@pytest.mark.parametrize(
    ("positions", "ids", "message"),
    [
        (np.zeros((3, 5)), [1, 2, 3], r"\(K, 3\)"),
        (np.zeros((2, 3)), [1], r"object_ids must be \(2,\)"),
        (np.zeros((1, 3)), [-1], "got -1"),
        (np.zeros((1, 3)), [1.5], "integers"),
        (np.full((1, 3), np.nan), [1], "finite"),
        (np.zeros((1, 3)), [2**40], "int32"),
    ],
)
def test_bad_clicks_raise_click_error(positions, ids, message):
    with pytest.raises(ClickError, match=message):
        Clicks(positions, np.array(ids))


def test_no_clicks_are_clicks():
    assert len(Clicks([], [])) == 0


def test_rows_of_unequal_length_are_errors_of_the_library():
    with pytest.raises(CloudError, match="unequal length"):
        PointCloud(np.zeros((2, 3)), [[1, 2, 3], [1]])
    with pytest.raises(ClickError, match="unequal length"):
        Clicks(np.zeros((2, 3)), [[1], [2, 3]])
