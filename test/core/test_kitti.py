"""Readers of KITTI-360 and SemanticKITTI, on files in their formats, damaged ones included."""

import numpy as np
import pytest
from raw_datasets import (
    SEQUENCE,
    classes_of,
    write_kitti360_sweep,
    write_ply,
    write_semantic_kitti,
    write_window,
)

from clickseg3d_core.data.scene import compact
from clickseg3d_core.datasets.overlap import apart_from
from clickseg3d_core.datasets.sources import open_dataset
from clickseg3d_core.datasets.splits import select
from clickseg3d_core.datasets.vocabularies import (
    KITTI360,
    SEMANTIC_KITTI19,
)
from clickseg3d_core.errors import FileFormatError


def test_kitti360_window_joins_static_and_moving_points(tmp_path):
    write_window(tmp_path, instances=(26001, 17003, 7000, 0, -1), moving=(26900,))
    scene = open_dataset("kitti360", tmp_path).read("0000_0000000002_0000000385")
    assert classes_of(scene) == {17003: "pole", 26001: "car", 26900: "car"}
    assert len(scene) == 6 * 150
    assert scene.semantic[300] == KITTI360.index("road")
    assert set(scene.semantic[450:750].tolist()) == {-1}
    assert scene.meta["label_mismatches"] == 0
    assert compact(scene).instance.max() == 3


def test_kitti360_window_without_moving_points(tmp_path):
    path = write_window(tmp_path, instances=(26001,), moving=())
    assert len(open_dataset("kitti360", tmp_path).read("0000_0000000002_0000000385")) == 150
    (path.parent.parent / "dynamic" / path.name).unlink()
    assert len(open_dataset("kitti360", tmp_path).read("0000_0000000002_0000000385")) == 150


def test_kitti360_class_is_that_of_the_id_and_mismatches_are_counted(tmp_path):
    columns = {axis: ("f4", np.arange(4.0)) for axis in "xyz"}
    columns |= {c: ("u1", np.zeros(4)) for c in ("red", "green", "blue")}
    columns |= {"semantic": ("f4", np.array([26, 27, 26, 0])),
                "instance": ("f8", np.array([26001, 26001, 26000, 999]))}  # fmt: skip
    folder = tmp_path / "data_3d_semantics" / SEQUENCE.format("0003") / "static"
    write_ply(folder / "0000000002_0000000385.ply", columns)
    scene = open_dataset("kitti360", tmp_path).read("0003_0000000002_0000000385")
    assert scene.instance.tolist() == [26001, 26001, 0, 0]
    assert classes_of(scene) == {26001: "car"}
    assert scene.meta["label_mismatches"] == 1


@pytest.mark.parametrize("damage", ["cut", "float", "lacking"])
def test_kitti360_damaged_window_is_named(tmp_path, damage):
    path = write_window(tmp_path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    elif damage == "lacking":
        path.write_bytes(path.read_bytes().replace(b"int semantic", b"int somantic"))
    else:
        raw = path.read_bytes().replace(b"int instance", b"float instance")
        path.write_bytes(raw)  # integers read as floats are tiny fractions
    with pytest.raises(FileFormatError, match="0000000002_0000000385"):
        open_dataset("kitti360", tmp_path).read("0000_0000000002_0000000385")


@pytest.mark.parametrize("dtype", ["<i8", "<i4"])
def test_kitti360_sweep_with_instance_labels(tmp_path, dtype):
    ids = np.array([26001] * 3 + [7000] * 2 + [-1, 0])
    write_kitti360_sweep(tmp_path, tmp_path / "labels", ids, dtype)
    scenes = open_dataset("kitti360-sweeps", tmp_path, labels=tmp_path / "labels")
    scene = scenes.read("0000_0000000250")
    assert scene.instance.tolist() == [26001] * 3 + [0] * 4
    assert scene.semantic.tolist() == [26] * 3 + [7] * 2 + [-1, -1]
    assert scene.rgb is None
    assert classes_of(scene) == {26001: "car"}


def test_kitti360_sweep_with_semantic_labels_has_no_instances(tmp_path):
    write_kitti360_sweep(tmp_path, tmp_path / "labels", np.array([26, 7, -1]), "<i2")
    scenes = open_dataset("kitti360-sweeps", tmp_path, labels=tmp_path / "labels")
    scene = scenes.read("0000_0000000250")
    assert scene.instance.tolist() == [0, 0, 0]
    assert scene.semantic.tolist() == [26, 7, -1]


def test_kitti360_sweep_of_another_length_is_refused(tmp_path):
    path = write_kitti360_sweep(tmp_path, tmp_path / "labels", np.arange(5))
    path.write_bytes(path.read_bytes()[:-3])
    scenes = open_dataset("kitti360-sweeps", tmp_path, labels=tmp_path / "labels")
    with pytest.raises(FileFormatError, match="37 bytes for the 5 points"):
        scenes.read("0000_0000000250")


def test_semantic_kitti_merges_moving_classes_and_numbers_objects(tmp_path):
    classes = np.array([10, 10, 252, 252, 30, 40, 0, 99, 81])
    numbers = np.array([5, 5, 5, 900, 5, 0, 7, 3, 0])
    write_semantic_kitti(tmp_path, classes, numbers)
    scenes = open_dataset("semantickitti", tmp_path)
    assert scenes.names == ("08_000123",)
    scene = scenes.read("08_000123")
    assert scene.instance.tolist() == [1, 1, 1, 2, 3, 0, 0, 0, 0]
    assert classes_of(scene) == {1: "car", 2: "car", 3: "person"}
    names = [SEMANTIC_KITTI19[i] if i >= 0 else "" for i in scene.semantic]
    assert names == ["car", "car", "car", "car", "person", "road", "", "", "traffic-sign"]


def test_semantic_kitti_damage_is_named(tmp_path):
    path = write_semantic_kitti(tmp_path, np.array([10, 40, 12]), np.zeros(3))
    with pytest.raises(FileFormatError, match=r"000123\.label has the class id 12"):
        open_dataset("semantickitti", tmp_path).read("08_000123")
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(FileFormatError, match=r"000123\.label has 8 bytes for the 3 points"):
        open_dataset("semantickitti", tmp_path).read("08_000123")
    cloud = path.parent.parent / "velodyne" / "000123.bin"
    cloud.write_bytes(cloud.read_bytes()[:-1])
    with pytest.raises(FileFormatError, match=r"000123\.bin"):
        open_dataset("semantickitti", tmp_path).read("08_000123")


def test_kitti360_training_windows_share_no_ground_with_sequence_0000(tmp_path):
    write_window(tmp_path, "0000", middle=(100.0, 200.0))
    write_window(tmp_path, "0002", middle=(104.0, 203.0))  # the same street
    write_window(tmp_path, "0003", middle=(500.0, 200.0))
    scenes = open_dataset("kitti360", tmp_path)
    assert select(scenes, "val").names == ("0000_0000000002_0000000385",)
    assert select(scenes, "train").names == ("0003_0000000002_0000000385",)
    official = tmp_path / "2013_05_28_drive_train.txt"
    official.write_text(
        "data_3d_semantics/train/2013_05_28_drive_0002_sync/static/0000000002_0000000385.ply\n"
    )
    assert select(scenes, str(official)).names == ("0002_0000000002_0000000385",)
    with pytest.raises(FileFormatError, match="all 1 training scenes"):
        apart_from(select(scenes, str(official)), select(scenes, "val"))


def test_kitti360_train_split_needs_the_windows_to_keep_away_from(tmp_path):
    write_window(tmp_path, "0003")
    with pytest.raises(FileFormatError, match="sequence 0000 are not there"):
        select(open_dataset("kitti360", tmp_path), "train")


def test_ground_of_a_large_window_is_found_from_blocks(tmp_path):
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(0, 200, 150_000))
    for sequence, start in (("0000", 150.0), ("0002", 0.0), ("0003", 400.0)):
        columns = {"x": ("f4", x + start), "y": ("f4", x * 0), "z": ("f4", x * 0)}
        folder = tmp_path / "data_3d_semantics" / SEQUENCE.format(sequence) / "static"
        write_ply(folder / "0000000002_0000000385.ply", columns)
    scenes = open_dataset("kitti360", tmp_path)
    assert select(scenes, "train").names == ("0003_0000000002_0000000385",)


def test_semantic_kitti_split_is_by_sequence(tmp_path):
    for sequence in ("00", "08"):
        write_semantic_kitti(tmp_path, np.array([10]), np.array([1]), sequence)
    scenes = open_dataset("semantickitti", tmp_path)
    assert select(scenes, "train").names == ("00_000123",)
    assert select(scenes, "val").names == ("08_000123",)
