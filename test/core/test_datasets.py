"""What all data sets share: vocabularies, folders, lists and splits."""

import numpy as np
import pytest
from raw_datasets import (
    classes_of,
    cluster,
    small_scene,
    write_ply,
    write_s3dis,
)

from clickseg3d_core.classes import CLASS_IDS, CLASS_NAMES
from clickseg3d_core.data.scene import save_scene
from clickseg3d_core.datasets.folder import folder_scenes
from clickseg3d_core.datasets.sources import DATASETS, open_dataset
from clickseg3d_core.datasets.splits import read_list, select
from clickseg3d_core.datasets.vocabularies import (
    KITTI360,
    KITTI360_TARGETS,
    S3DIS13,
    SCANNET20,
    SCANNET40,
    SEMANTIC_KITTI19,
)
from clickseg3d_core.errors import ConfigError, FileFormatError


def test_vocabularies_match_the_published_ids():
    assert (len(SCANNET40), len(SCANNET20), len(S3DIS13), len(KITTI360)) == (40, 20, 13, 45)
    assert SCANNET40[39 - 1] == "otherfurniture"
    assert SCANNET20[-3:] == ("sink", "bathtub", "otherfurniture")
    assert (KITTI360[26], KITTI360[11], KITTI360[41]) == ("car", "building", "box")
    assert len(KITTI360_TARGETS) == 17
    assert not {"building", "rider", "bus", "train"} & set(KITTI360_TARGETS)
    assert len(SEMANTIC_KITTI19) == 19


def test_folder_reads_scenes_and_labelled_clouds(tmp_path):
    save_scene(small_scene(), tmp_path / "ours.npz")
    xyz = cluster(0, 6)
    np.savez(tmp_path / "view.npz", xyz=xyz, instance=np.array([-1, 0, 0, 1, -1, 2]))
    np.savez(tmp_path / "plain.npz", points=xyz, label=np.array([0, 0, 3.0, 3.0, 1.0, 1.0]))
    columns = {axis: ("f4", xyz[:, i]) for i, axis in enumerate("xyz")}
    columns["instance"] = ("i4", np.array([-1, 1, 1, 2, 2, 2]))
    columns["class"] = ("i2", np.array([3, 19, 19, 1, 19, 1]))
    write_ply(tmp_path / "cloud.ply", columns)
    (tmp_path / ".cloud.x.ply").write_bytes(b"half-written")
    scenes = folder_scenes(tmp_path)
    assert scenes.names == ("cloud", "ours", "plain", "view")
    assert scenes.read("ours").class_names == ("cup", "wall")
    view = scenes.read("view")
    assert view.instance.tolist() == [0, 1, 1, 2, 0, 3]
    assert view.meta["id_offset"] == 1
    assert scenes.read("plain").instance.tolist() == [0, 0, 3, 3, 1, 1]
    cloud = scenes.read("cloud")
    assert cloud.instance.tolist() == [0, 1, 1, 2, 2, 2]
    assert classes_of(cloud) == {1: CLASS_NAMES[19], 2: CLASS_NAMES[1]}
    assert cloud.instance_class.tolist() == [-1, CLASS_IDS["box"], CLASS_IDS["floor"]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0.5, 1, 2]), "0.5 at point 0"),
        (np.array([0, np.nan, 2]), "nan at point 1"),
        (np.array([0, 1, 3_000_000_000]), "at point 2"),
        (np.array(["a", "b", "c"]), "one number per point"),
        (np.zeros((3, 2)), "one number per point"),
        (np.zeros(4), r"one id per point, 3, got the shape \(4,\)"),
    ],
)
def test_folder_refuses_ids_that_are_none(tmp_path, labels, message):
    np.savez(tmp_path / "a.npz", xyz=cluster(0, 3), instance=labels)
    with pytest.raises(FileFormatError, match=rf"a\.npz.*{message}"):
        folder_scenes(tmp_path).read("a")


def test_folder_damage_is_named(tmp_path):
    with pytest.raises(FileFormatError, match=r"no \.npz or \.ply"):
        folder_scenes(tmp_path)
    np.savez(tmp_path / "a.npz", xyz=cluster(0, 3))
    np.savez(tmp_path / "b.npz", xyz=cluster(0, 3), instance=np.arange(3))
    raw = (tmp_path / "b.npz").read_bytes()
    (tmp_path / "b.npz").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(FileFormatError, match=r"a\.npz needs an id per point"):
        folder_scenes(tmp_path).read("a")
    with pytest.raises(FileFormatError, match=r"b\.npz"):
        folder_scenes(tmp_path).read("b")
    write_ply(tmp_path / "a.ply", {axis: ("f4", np.zeros(3)) for axis in "xyz"})
    with pytest.raises(FileFormatError, match=r"a\.npz and a\.ply have one name"):
        folder_scenes(tmp_path)


@pytest.mark.parametrize("dataset", DATASETS)
def test_wrong_folder_is_one_clear_error(tmp_path, dataset):
    labels = tmp_path if dataset == "kitti360-sweeps" else None
    with pytest.raises(FileFormatError, match=str(tmp_path)):
        open_dataset(dataset, tmp_path, labels=labels)
    with pytest.raises(FileFormatError, match="no folder"):
        open_dataset(dataset, tmp_path / "none", labels=labels)


def test_unknown_data_set_and_options_of_others_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="scannet, s3dis"):
        open_dataset("nuscenes", tmp_path)
    with pytest.raises(ConfigError, match="alignment"):
        open_dataset("s3dis", tmp_path, align=True)
    with pytest.raises(ConfigError, match="takes no labels"):
        open_dataset("s3dis", tmp_path, labels=tmp_path)
    with pytest.raises(ConfigError, match="sweep labels"):
        open_dataset("kitti360-sweeps", tmp_path)


def test_scenes_are_read_one_by_one(tmp_path):
    write_s3dis(tmp_path, 1)
    room = write_s3dis(tmp_path, 2)
    stream = iter(open_dataset("s3dis", tmp_path))
    assert next(stream).meta["scene"] == "Area_1_office_1"
    (room / "Annotations" / "chair_1.txt").write_text("junk")
    with pytest.raises(FileFormatError, match=r"Area_2.*chair_1\.txt:1"):
        next(stream)


def test_splits_by_rule_and_by_list(tmp_path):
    for area in (1, 5, 6):
        write_s3dis(tmp_path, area)
    scenes = open_dataset("s3dis", tmp_path)
    assert select(scenes, "val").names == ("Area_5_office_1",)
    assert select(scenes, "train").names == ("Area_1_office_1", "Area_6_office_1")
    assert select(scenes, "all").names == scenes.names
    names = tmp_path / "mine.txt"
    names.write_text("# mine\nArea_6_office_1\n\nArea_1_office_1\n")
    assert select(scenes, str(names)).names == ("Area_6_office_1", "Area_1_office_1")
    names.write_text("Area_6_office_1\nArea_9_office_1\n")
    with pytest.raises(FileFormatError, match=r"1 of 2 wanted scenes.*Area_9_office_1"):
        select(scenes, str(names))
    names.write_text("a\na\n")
    with pytest.raises(FileFormatError, match=r"mine\.txt:2"):
        read_list(names)
    names.write_text("\n")
    with pytest.raises(FileFormatError, match="names no scene"):
        read_list(names)
    with pytest.raises(FileFormatError, match=r"none\.txt"):
        select(scenes, str(tmp_path / "none.txt"))
