"""`benchmarks/real_objects.py`: labels by outlines in the view of the scanner."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import yaml
from conftest import benchmark

from clickseg3d_core.checkpoint import save_checkpoint
from clickseg3d_core.errors import FileFormatError


@pytest.fixture(scope="module")
def objects() -> ModuleType:
    return benchmark("real_objects")


def test_a_camera_has_x_to_the_right_y_down_and_looks_along_z(objects) -> None:
    xyz = np.array([[0.0, 0.0, 2.0], [0.5, 0.0, 2.0], [0.0, 0.5, 1.0]])
    place, depth = objects.seen_from(xyz, [1, 1, 1])
    np.testing.assert_allclose(place, [[319.5, 239.5], [450.75, 239.5], [319.5, 502.0]])
    assert depth.tolist() == [2.0, 2.0, 1.0]
    turned, _ = objects.seen_from(xyz * (1, -1, -1), [1, -1, -1])
    np.testing.assert_allclose(turned, place)


def test_a_turning_scanner_sees_azimuth_elevation_and_range(objects) -> None:
    xyz = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, -1.0]])
    place, depth = objects.seen_from(xyz, "around")
    np.testing.assert_allclose(place, [[90.0, 0.0], [0.0, -45.0]], atol=1e-9)
    np.testing.assert_allclose(depth, [2.0, np.sqrt(2.0)])


SCAN = {
    "view": "above",
    "surfaces": {
        "floor": {"plane": [0, 0, 1, 0], "within": [0.05, 0.0]},
        "mat": {
            "plane": [0, 0, 1, 0],
            "within": [0.05, 0.0],
            "outline": [[0, 0], [1, 0], [1, 1], [0, 1]],
        },
    },
    "objects": {"box": {"outline": [[0, 0], [1, 0], [1, 1], [0, 1]], "depth": [0.0, 0.5]}},
}


def test_objects_are_what_an_outline_holds_in_front_of_all_surfaces(objects) -> None:
    xyz = np.array(
        [
            [0.5, 0.5, 0.2],  # box
            [0.5, 0.5, 0.02],  # mat: within the floor's plane and the outline
            [2.0, 0.5, 0.02],  # floor
            [2.0, 0.5, 0.2],  # nothing: beside the outline
            [0.5, 0.5, 0.7],  # nothing: too far
            [0.5, 0.5, -0.2],  # nothing: behind the floor
        ]
    )
    labels, names = objects.outlined(xyz, SCAN)
    assert names == ["floor", "mat", "box"]
    assert labels.tolist() == [3, 2, 1, 0, 0, 0]


def test_the_tolerance_of_a_surface_grows_with_the_square_of_the_depth(objects) -> None:
    surface = {"plane": [1, 0, 0, 0], "within": [0.1, 0.05]}
    xyz = np.array([[0.12, 0.0, 0.0], [0.12, 0.0, 1.0], [0.28, 0.0, 1.9], [0.28, 0.0, 2.0]])
    labels, _ = objects.outlined(xyz, {"view": "above", "surfaces": {"wall": surface}})
    assert labels.tolist() == [0, 1, 1, 1]


def test_an_outline_that_holds_nothing_is_of_another_scan(objects, tmp_path) -> None:
    np.savez(tmp_path / "a.npz", xyz=np.array([[0.5, 0.5, 0.0], [2.0, 2.0, 0.0]], np.float32))
    with pytest.raises(FileFormatError, match=r"no point within \['box'\]; is it another scan"):
        objects.outlined_scene(tmp_path / "a.npz", SCAN, True)


def test_every_outlined_object_has_a_row(objects, tmp_path, two_boxes, tiny_net, capsys) -> None:
    cloud, ids = two_boxes
    np.savez(tmp_path / "boxes.npz", xyz=cloud.xyz, rgb=cloud.rgb)
    square = [[-0.3, -0.1], [-0.1, -0.1], [-0.1, 0.1], [-0.3, 0.1]]
    scan = {
        "view": "above",
        "surfaces": {"floor": {"plane": [0, 0, 1, 0], "within": [0.001, 0]}},
        "objects": {"red box": {"outline": square, "depth": [0.0, 1.0]}},
    }
    (tmp_path / "outlines.yaml").write_text(yaml.safe_dump({"boxes": scan}))
    scene, names = objects.outlined_scene(tmp_path / "boxes.npz", scan, False)
    assert names == ["floor", "red box"]
    assert scene.rgb is None
    assert ((scene.instance == 2) == (ids == 1)).mean() > 0.99
    save_checkpoint(tiny_net, tmp_path / "weights", training={})
    objects.main(tmp_path, tmp_path / "outlines.yaml", clicks=2, checkpoint=tmp_path / "weights")
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if "boxes" in line]
    assert ["floor" in rows[0], "red box" in rows[1]] == [True, True]
    assert str(int((scene.instance == 2).sum())) in rows[1]
    assert "IoU@2" in printed


def test_the_outlines_shipped_are_well_formed(objects) -> None:
    scans = yaml.safe_load(objects.OUTLINES.read_text())
    count = 0
    for scan in scans.values():
        assert scan["view"] in ("above", "around", [1, 1, 1], [1, -1, -1])
        for surface in scan.get("surfaces", {}).values():
            assert np.linalg.norm(surface["plane"][:3]) == pytest.approx(1.0, abs=2e-3)
        count += len(scan.get("surfaces", {})) + len(scan["objects"])
    assert count == 29
