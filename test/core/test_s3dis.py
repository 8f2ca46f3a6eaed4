"""Reader of S3DIS, on files in its format, damaged ones included."""

import numpy as np
import pytest
from raw_datasets import (
    classes_of,
    write_s3dis,
)

from clickseg3d_core.datasets.s3dis import read_points
from clickseg3d_core.datasets.sources import open_dataset
from clickseg3d_core.errors import FileFormatError


def test_s3dis_files_become_objects_and_stairs_clutter(tmp_path):
    write_s3dis(tmp_path, 5, "office_1", ("chair_1", "chair_2", "floor_1", "stairs_1"))
    write_s3dis(tmp_path, 1, "hallway_2")
    (tmp_path / "Area_5" / "office_1" / "Annotations" / ".chair_9.txt").write_text("junk")
    scenes = open_dataset("s3dis", tmp_path)
    assert scenes.names == ("Area_1_hallway_2", "Area_5_office_1")
    scene = scenes.read("Area_5_office_1")
    assert classes_of(scene) == {1: "chair", 2: "chair", 3: "floor", 4: "clutter"}
    assert np.bincount(scene.instance).tolist() == [0, 30, 30, 30, 30]
    expected = np.loadtxt(tmp_path / "Area_5/office_1/Annotations/chair_2.txt")
    np.testing.assert_allclose(scene.xyz[scene.instance == 2], expected[:, :3], atol=1e-6)
    np.testing.assert_array_equal(scene.rgb[scene.instance == 2], expected[:, 3:])


@pytest.mark.parametrize(
    ("line", "row"),
    [
        (b"1.0 2.0 3.0 10 185\x10187", [1, 2, 3, 10, 185, 187]),  # as in Area_5/hallway_6
        (b"1.0 2.0 3.0 10 185\x1c187", [1, 2, 3, 10, 185, 187]),
        (b"1.0 -9.1\x100 3.0 10 20 30", [1, -9.1, 3, 10, 20, 30]),  # as in Area_3/hallway_2
        (b"1.0 2.0 3.0 10 20 30\xff", [1, 2, 3, 10, 20, 30]),
        (b"1.0 2.0 3.0 10 20 30\r", [1, 2, 3, 10, 20, 30]),
        (b"\t1e0  2.0 +3.0 10 20 30.0 ", [1, 2, 3, 10, 20, 30]),
    ],
)
def test_s3dis_stray_characters_are_mended(tmp_path, line, row):
    path = tmp_path / "ceiling_1.txt"
    path.write_bytes(b"0.5 0.5 0.5 1 2 3\n" + line + b"\n\n0.25 0.25 0.25 4 5 6\n")
    np.testing.assert_allclose(
        read_points(path), [[0.5, 0.5, 0.5, 1, 2, 3], row, [0.25, 0.25, 0.25, 4, 5, 6]]
    )


@pytest.mark.parametrize(
    "line",
    [b"1.0 2.0 3.0 10 20", b"1 2 3 4 5 6 7", b"1 2 x y z 3 4", b"nan 2 3 4 5 6", b"1 2 3 4 5 256",
     b"1 2 3 -4 5 6", b"1-2 2 3 4 5 6"],
)  # fmt: skip
def test_s3dis_hopeless_line_is_named(tmp_path, line):
    path = tmp_path / "ceiling_1.txt"
    path.write_bytes(b"0.5 0.5 0.5 1 2 3\n\n" + line + b"\n")
    with pytest.raises(FileFormatError, match=r"ceiling_1\.txt:3"):
        read_points(path)


def test_s3dis_empty_file_unknown_class_and_empty_room_are_named(tmp_path):
    room = write_s3dis(tmp_path)
    (room / "Annotations" / "chair_1.txt").write_text("\n")
    with pytest.raises(FileFormatError, match=r"chair_1\.txt is empty"):
        open_dataset("s3dis", tmp_path).read("Area_5_office_1")
    (room / "Annotations" / "chair_1.txt").rename(room / "Annotations" / "robot_1.txt")
    with pytest.raises(FileFormatError, match=r"robot_1\.txt.*robot"):
        open_dataset("s3dis", tmp_path).read("Area_5_office_1")
    for path in (room / "Annotations").iterdir():
        path.unlink()
    with pytest.raises(FileFormatError, match="Annotations holds no"):
        open_dataset("s3dis", tmp_path).read("Area_5_office_1")
