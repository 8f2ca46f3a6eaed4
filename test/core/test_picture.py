import numpy as np
import pytest
from conftest import make_segmentation
from PIL import Image

from clickseg3d_core.errors import CloudError, FileFormatError
from clickseg3d_core.picture import draw, draw_cloud, object_colors
from clickseg3d_core.splat import (
    BACKDROP,
    choose_view,
    cutaway,
    fit_frame,
    is_room,
    splat,
    view_from,
)
from clickseg3d_core.types import Clicks, PointCloud


def count_near(image: np.ndarray, color, tolerance: int = 60) -> int:
    return int((np.abs(image.astype(int) - np.array(color)).max(axis=2) < tolerance).sum())


def count_hue(image: np.ndarray, color) -> int:
    """Pixels of this color in whatever light: grey is more than 30 degrees away from each."""
    direction = np.array(color) / np.linalg.norm(color)
    length = np.linalg.norm(image.astype(float), axis=2)
    return int((image @ direction > 0.98 * np.maximum(length, 60)).sum())


def plane(n: int, axis: int, value: float, low: float, high: float, seed: int) -> np.ndarray:
    xyz = np.random.default_rng(seed).uniform(low, high, (n, 3))
    xyz[:, axis] = value
    return xyz


def room() -> np.ndarray:
    walls = [plane(4000, a, v, 0.0, 4.0, 2 * a + (v > 0)) for a in (0, 1) for v in (0.0, 4.0)]
    flat = [plane(4000, 2, v, 0.0, 4.0, 9) for v in (0.0, 2.5)]
    for wall in walls:
        wall[:, 2] *= 2.5 / 4.0
    return np.concatenate([*walls, *flat])


def test_view_axes_are_right_handed_with_up_upwards():
    axes = view_from(0.7, 0.5).axes
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.cross(axes[0], axes[1]), axes[2], atol=1e-12)
    assert axes[1, 2] > 0
    assert axes[2, 2] == pytest.approx(np.sin(0.5))


def test_nearer_point_hides_the_farther_one():
    view = view_from(0.0, 0.4)
    toward = view.axes[2]
    xyz = np.array([toward * 2.0, toward * 1.0, -toward, view.axes[0], -view.axes[0]])
    colors = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9), (9, 9, 9)], np.uint8)
    projected = view.project(xyz)
    frame = fit_frame(projected, projected, 101, 101)
    image = splat(projected, colors, frame)
    column, row = frame.pixels(projected)[0]
    assert image[row, column].tolist() == [255, 0, 0]
    assert count_near(image, (0, 255, 0)) == 0
    assert image[0, 0].tolist() == list(BACKDROP)


def test_one_sided_scan_is_shown_from_its_front():
    rng = np.random.default_rng(0)
    front = np.stack([np.zeros(3000), rng.uniform(-0.3, 0.3, 3000), rng.uniform(0, 0.6, 3000)], 1)
    ground = np.stack([rng.uniform(-1, 1.2, 9000), rng.uniform(-1, 1, 9000), np.zeros(9000)], 1)
    shadow = (ground[:, 0] < 0) & (ground[:, 0] > -0.7) & (np.abs(ground[:, 1]) < 0.33)
    xyz = np.concatenate([front, ground[~shadow]])
    assert choose_view(xyz, front).axes[2, 0] > 0.3


def test_room_is_opened_and_its_floor_shows():
    xyz = room()
    assert is_room(xyz)
    view = view_from(0.5, 0.9)
    kept = xyz[cutaway(xyz, view)]
    assert (kept[:, 2] < 2.3).all()
    assert ((kept[:, 0] == 4.0) & (kept[:, 2] > 0.5)).sum() == 0
    assert ((kept[:, 0] == 0.0) & (kept[:, 2] > 0.5)).sum() > 1000
    inner = (kept[:, 2] == 0.0) & ((kept[:, :2] > 0.5) & (kept[:, :2] < 3.5)).all(axis=1)
    assert inner.sum() > 1500


def test_room_without_ceiling_is_a_room():
    xyz = room()
    assert is_room(xyz[xyz[:, 2] < 2.4])
    inside = (xyz[:, :2] > 0.1).all(axis=1) & (xyz[:, :2] < 3.9).all(axis=1)
    lamp = np.array([[2.0, 2.0, 2.5]])
    assert not is_room(np.concatenate([xyz[inside & (xyz[:, 2] < 2.4)], np.repeat(lamp, 200, 0)]))


def test_table_and_street_are_no_rooms(two_boxes):
    assert not is_room(two_boxes[0].xyz)
    flat = plane(5000, 2, 0.0, -30, 30, 0)
    assert not is_room(np.concatenate([flat, [[0.0, 0.0, 6.0]]]))


def test_picture_shows_both_objects_clicks_and_legend(two_boxes, tmp_path):
    cloud, labels = two_boxes
    clicks = Clicks(np.array([[-0.2, 0.0, 0.16], [0.2, 0.0, 0.16]]), np.array([1, 2]))
    path = tmp_path / "a.png"
    draw(cloud, clicks, make_segmentation(cloud, labels), path, size=(900, 500))
    with Image.open(path) as opened:
        assert opened.size == (900, 500)
        image = np.asarray(opened.convert("RGB"))
    left, right = image[:, :447], image[:, 453:]
    colors = object_colors([1, 2])
    for number in (1, 2):
        assert count_hue(right, colors[number]) > 2000
    assert count_hue(left, (200, 30, 30)) > 1000
    assert count_near(left, (255, 255, 255), 2) > 50
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_unsegmented_picture_has_no_tint(two_boxes, tmp_path):
    cloud, labels = two_boxes
    nothing = make_segmentation(cloud, np.zeros_like(labels))
    draw(cloud, Clicks(np.zeros((0, 3)), np.zeros(0, int)), nothing, tmp_path / "a.png", (900, 500))
    right = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))[:, 453:]
    spread = right.astype(int).max(axis=2) - right.astype(int).min(axis=2)
    assert spread.max() < 16


def test_non_finite_points_and_colorless_clouds_are_drawn(two_boxes, tmp_path):
    cloud, labels = two_boxes
    xyz = cloud.xyz.copy()
    xyz[::7] = np.nan
    bare = PointCloud(xyz)
    clicks = Clicks(np.array([[-0.2, 0.0, 0.16]]), np.array([1]))
    draw(bare, clicks, make_segmentation(bare, labels), tmp_path / "a.png")
    draw_cloud(xyz, None, tmp_path / "b.png", labels=labels, title="boxes")
    for name in ("a.png", "b.png"):
        image = np.asarray(Image.open(tmp_path / name).convert("RGB"))
        assert count_hue(image, object_colors([1, 2])[1]) > 2000


@pytest.mark.parametrize("n", [1, 2, 3])
def test_tiny_clouds_are_drawn(n, tmp_path):
    draw_cloud(np.eye(3)[:n], None, tmp_path / "a.png", labels=np.arange(n))
    assert (tmp_path / "a.png").stat().st_size > 500


def test_many_objects_have_distinct_colors():
    colors = object_colors(list(range(40)))
    assert len(set(colors.values())) == 40


def test_errors_say_what_is_wrong(two_boxes, tmp_path):
    cloud, labels = two_boxes
    clicks = Clicks(np.zeros((0, 3)), np.zeros(0, int))
    result = make_segmentation(cloud, labels)
    with pytest.raises(CloudError, match="at least 320 x 200"):
        draw(cloud, clicks, result, tmp_path / "a.png", size=(100, 100))
    with pytest.raises(CloudError, match="6000 labels, the cloud 3 points"):
        draw(PointCloud(np.zeros((3, 3))), clicks, result, tmp_path / "a.png")
    with pytest.raises(FileFormatError, match="cannot be written"):
        draw(cloud, clicks, result, tmp_path / "none" / "a.png")
