"""Clouds whose z axis does not point up."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from clickseg3d_core import CloudError
from clickseg3d_core.types import Clicks, PointCloud
from clickseg3d_core.upright import rotation_upright, turned, up_direction
from clickseg3d_core.voxels import voxelize

Z = np.array([0.0, 0.0, 1.0])


def optical(pitch: float) -> np.ndarray:
    """From z up to the axes of a camera (x right, y down) that looks down by some degrees."""
    level = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    return Rotation.from_euler("x", pitch, degrees=True).as_matrix() @ level


def seen_by_camera(xyz: np.ndarray, pitch: float, distance: float) -> np.ndarray:
    return (xyz - xyz.mean(axis=0)) @ optical(pitch).T + (0.0, 0.0, distance)


def found(xyz: np.ndarray) -> np.ndarray:
    return up_direction(voxelize(PointCloud(xyz)))


def degrees(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.rad2deg(np.arccos(np.clip(a @ b, -1.0, 1.0))))


def room(rng: np.random.Generator) -> np.ndarray:
    """A floor, two walls, and tables on the floor."""
    floor = rng.uniform((0, 0, 0), (4, 3, 0), (12000, 3))
    walls = [rng.uniform((0, 0, 0), (0, 3, 2.5), (7500, 3)),
             rng.uniform((0, 3, 0), (4, 3, 2.5), (10000, 3))]  # fmt: skip
    tops = [rng.uniform((x, 1, 0.7), (x + 0.8, 1.8, 0.7), (1000, 3)) for x in (0.8, 2.4)]
    parts = np.concatenate([floor, *walls, *tops])
    return parts + rng.normal(0, 0.003, parts.shape)


@pytest.mark.parametrize("tilt", [12.0, 25.0, 50.0])
def test_a_tilted_table_stands_up(two_boxes, tilt):
    turn = Rotation.from_euler("xyz", [tilt, 0.0, 70.0], degrees=True).as_matrix()
    assert degrees(found(two_boxes[0].xyz @ turn.T), turn @ Z) < 2.0


@pytest.mark.parametrize("pitch", [25.0, 55.0, 90.0])
def test_up_is_found_in_the_view_of_a_camera(two_boxes, pitch):
    """Down to a camera that looks straight down, whose z axis goes into the table."""
    seen = seen_by_camera(two_boxes[0].xyz, pitch, 1.2)
    assert degrees(found(seen), optical(pitch) @ Z) < 2.0


@pytest.mark.parametrize("pitch", [0.0, 20.0, 40.0])
def test_up_is_found_in_a_camera_in_a_room(rng, pitch):
    """Walls are as flat as the floor, but not below a camera."""
    seen = seen_by_camera(room(rng), pitch, 5.0)
    assert degrees(found(seen), optical(pitch) @ Z) < 2.0


def test_up_is_found_in_the_axes_of_computer_graphics(rng):
    seen = seen_by_camera(room(rng), 20.0, 5.0) * (1.0, -1.0, -1.0)
    assert degrees(found(seen), optical(20.0) @ Z * (1.0, -1.0, -1.0)) < 2.0


def test_what_stands_upright_is_left_alone(rng, two_boxes):
    lean = Rotation.from_euler("x", 3.0, degrees=True).as_matrix()
    shifted = two_boxes[0].xyz * 0.5 + (0.1, 0.0, 0.8)  # as in a robot's frame, before the robot
    wall = rng.uniform((0, 5, 0), (6, 5, 4), (8000, 3))
    noise = rng.normal(0, 1, (5000, 3))
    for xyz in (two_boxes[0].xyz, two_boxes[0].xyz @ lean.T, shifted, room(rng), wall, noise):
        assert (found(xyz) == Z).all()
    assert (found(noise[:3]) == Z).all()


def test_rotation_takes_up_to_z(rng):
    for up in (*rng.normal(size=(20, 3)), np.array([1e-9, 0, -1.0]), np.array([0, 0, -4.0])):
        rotation = rotation_upright(up)
        np.testing.assert_allclose(rotation @ up, np.linalg.norm(up) * Z, atol=1e-6)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
        assert np.linalg.det(rotation) == pytest.approx(1.0, abs=1e-6)
    assert (rotation_upright((0, 0, 7)) == np.eye(3)).all()


@pytest.mark.parametrize("up", [(0, 0, 0), (1, 2), (np.nan, 0, 1), "up", (np.inf, 0, 0)])
def test_no_direction_raises_cloud_error(up, tiny_segmenter, two_boxes):
    with pytest.raises(CloudError, match="up must be a direction"):
        tiny_segmenter.encode(two_boxes[0], up=up)


def test_points_that_are_not_finite_stay_so(two_boxes):
    xyz = two_boxes[0].xyz.copy()
    xyz[3], xyz[5] = np.nan, np.inf
    lying = turned(PointCloud(xyz), optical(30.0))
    assert not np.isfinite(lying.xyz[[3, 5]]).any(axis=1).all()
    assert np.isfinite(np.delete(lying.xyz, [3, 5], axis=0)).all()


@pytest.mark.parametrize("given", [False, True])
def test_labels_and_boxes_do_not_depend_on_the_frame(tiny_segmenter, two_boxes, given):
    """In the frame of a camera the same points get the same labels, and boxes that stand."""
    cloud, ids = two_boxes
    pitch = optical(35.0)
    place = (0.0, 0.0, 1.5)
    lying = PointCloud(cloud.xyz @ pitch.T + place, cloud.rgb)
    click = cloud.xyz[ids == 1].mean(axis=0, keepdims=True) + (0, 0, 0.08)
    up = pitch @ Z if given else None
    encoding = tiny_segmenter.encode(lying, 0.03, up)
    assert degrees(encoding.upright @ (pitch @ Z), Z) < 1.0
    answer = tiny_segmenter.segment(encoding, Clicks(click @ pitch.T + place, [1]))
    turn = encoding.upright
    standing = tiny_segmenter.encode(PointCloud(lying.xyz @ turn.T, cloud.rgb), 0.03, Z)
    clicks = Clicks((click @ pitch.T + place) @ turn.T, [1])
    assert (tiny_segmenter.segment(standing, clicks).labels == answer.labels).all()
    box = answer.instances[0].box
    assert degrees(box.rotation[:, 2], pitch @ Z) < 1.0
    inside = (lying.xyz[answer.labels == 1] - box.center) @ box.rotation
    assert (np.abs(inside) <= box.extent / 2 + 1e-6).all()


def test_up_that_is_given_wins(tiny_segmenter, two_boxes):
    assert (tiny_segmenter.encode(two_boxes[0], 0.05).upright == np.eye(3)).all()
    lying = tiny_segmenter.encode(two_boxes[0], 0.05, (1.0, 0.0, 0.0))
    np.testing.assert_allclose(lying.upright @ (1.0, 0.0, 0.0), Z, atol=1e-12)
    assert lying.cloud is two_boxes[0]
