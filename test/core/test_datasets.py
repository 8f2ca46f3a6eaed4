"""Readers of published data sets, on files in their formats, damaged ones included."""

import pickle

import numpy as np
import pytest
from raw_datasets import (
    SEQUENCE,
    TABLE_ROWS,
    cluster,
    write_kitti360_sweep,
    write_label_table,
    write_ply,
    write_s3dis,
    write_scannet,
    write_semantic_kitti,
    write_window,
)

from clickseg3d_core.classes import CLASS_IDS, CLASS_NAMES
from clickseg3d_core.data.scene import Scene, compact, load_scene, save_scene
from clickseg3d_core.datasets.folder import folder_scenes
from clickseg3d_core.datasets.overlap import apart_from
from clickseg3d_core.datasets.s3dis import read_points
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


def small_scene(**changes) -> Scene:
    values = {
        "xyz": np.arange(18, dtype=np.float32).reshape(6, 3),
        "rgb": np.full((6, 3), 7, np.uint8),
        "instance": np.array([0, 4, 4, 2, 2, 2], np.int32),
        "instance_class": np.array([-1, -1, 1, -1, 0], np.int16),
        "class_names": ("cup", "wall"),
        "semantic": np.array([-1, 0, 0, 1, 1, 1], np.int16),
    }
    return Scene(**{**values, **changes})


def classes_of(scene: Scene) -> dict[int, str]:
    return {int(i): scene.class_name(int(i)) for i in np.unique(scene.instance) if i}


# Scene


def test_scene_with_its_own_classes_survives_the_file(tmp_path):
    scene = small_scene()
    save_scene(scene, tmp_path / "a.npz")
    back = load_scene(tmp_path / "a.npz")
    assert back.class_names == ("cup", "wall")
    np.testing.assert_array_equal(back.semantic, scene.semantic)
    np.testing.assert_array_equal(back.instance, scene.instance)


def test_scene_of_the_default_classes_is_stored_as_before(tmp_path):
    scene = small_scene(class_names=CLASS_NAMES, semantic=None)
    save_scene(scene, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as data:
        assert set(data.files) == {"xyz", "rgb", "instance", "instance_class", "meta"}
    assert load_scene(tmp_path / "a.npz").class_names == CLASS_NAMES


def test_compact_numbers_the_instances_without_gaps():
    scene = compact(small_scene())
    assert scene.instance.tolist() == [0, 2, 2, 1, 1, 1]
    assert scene.instance_class.tolist() == [-1, 1, 0]
    everything = compact(small_scene(instance=np.full(6, 4, np.int32)))
    assert everything.instance.tolist() == [1] * 6
    assert everything.instance_class.tolist() == [-1, 0]


def test_with_classes_goes_by_name():
    scene = small_scene().with_classes(("wall", "door"))
    assert scene.instance_class.tolist() == [-1, -1, 0, -1, -1]
    assert scene.semantic.tolist() == [-1, -1, -1, 0, 0, 0]
    assert (scene.class_name(2), scene.class_name(4)) == ("wall", "")


def test_take_keeps_all_arrays_together():
    part = small_scene().take(np.array([True, False, True, True, False, False]))
    assert part.instance.tolist() == [0, 4, 2]
    assert part.semantic.tolist() == [-1, 0, 1]
    assert len(part) == len(part.rgb) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"instance_class": np.array([-1, 0, 0, 0, 2], np.int16)},
        {"semantic": np.full(6, 2, np.int16)},
        {"semantic": np.zeros(5, np.int16)},
    ],
)
def test_scene_refuses_classes_outside_the_vocabulary(changes):
    with pytest.raises(FileFormatError):
        small_scene(**changes)


def test_vocabularies_match_the_published_ids():
    assert (len(SCANNET40), len(SCANNET20), len(S3DIS13), len(KITTI360)) == (40, 20, 13, 45)
    assert SCANNET40[39 - 1] == "otherfurniture"
    assert SCANNET20[-3:] == ("sink", "bathtub", "otherfurniture")
    assert (KITTI360[26], KITTI360[11], KITTI360[41]) == ("car", "building", "box")
    assert len(KITTI360_TARGETS) == 17
    assert not {"building", "rider", "bus", "train"} & set(KITTI360_TARGETS)
    assert len(SEMANTIC_KITTI19) == 19


# ScanNet


@pytest.mark.parametrize("aggregation", [".aggregation.json", "_vh_clean.aggregation.json"])
def test_scannet_objects_get_their_ids_and_classes(tmp_path, aggregation):
    truth = write_scannet(
        tmp_path, labels=("floor", "office chair", "display case"), aggregation=aggregation
    )
    scenes = open_dataset("scannet", tmp_path)
    assert scenes.names == ("scene0000_00",)
    scene = pickle.loads(pickle.dumps(scenes)).read("scene0000_00")
    np.testing.assert_array_equal(scene.instance, truth)
    assert classes_of(scene) == {1: "floor", 2: "chair", 3: "otherprop"}
    assert scene.xyz.dtype == np.float32
    assert scene.rgb.shape == (len(truth), 3)
    assert scene.meta["overlapping_points"] == 0


def test_scannet_last_of_overlapping_groups_wins_and_is_counted(tmp_path):
    groups = [
        {"objectId": 0, "segments": [5, 16, 27], "label": "floor"},
        {"objectId": 1, "segments": [27, 38], "label": "wall"},
        {"objectId": 7, "segments": [5, 123456], "label": "unknown thing"},
    ]
    write_scannet(tmp_path, labels=("floor", "wall"), groups=groups)
    scene = open_dataset("scannet", tmp_path).read("scene0000_00")
    assert scene.instance.tolist() == [8] * 20 + [1] * 20 + [2] * 40 + [0] * 10
    assert classes_of(scene) == {1: "floor", 2: "wall", 8: ""}
    assert scene.meta["overlapping_points"] == 40


def test_scannet_ids_may_be_floats_and_labels_sloppy(tmp_path):
    groups = [
        {"id": 0.0, "segments": [5.0, 16.0], "label": "  Office  chair "},
        {"objectId": 3.0, "segments": [27], "label": 'picture of "mom"'},
    ]
    write_scannet(tmp_path, labels=("floor", "wall"), groups=groups)
    scene = open_dataset("scannet", tmp_path).read("scene0000_00")
    assert classes_of(scene) == {1: "chair", 4: "picture"}


def test_scannet_alignment_turns_and_moves(tmp_path):
    write_scannet(tmp_path)
    raw = open_dataset("scannet", tmp_path).read("scene0000_00").xyz
    turned = open_dataset("scannet", tmp_path, align=True).read("scene0000_00").xyz
    expected = np.stack([-raw[:, 1] + 1.5, raw[:, 0] - 2.0, raw[:, 2] + 0.25], axis=1)
    np.testing.assert_allclose(turned, expected, atol=1e-6)
    (tmp_path / "scans" / "scene0000_00" / "scene0000_00.txt").write_text("axisAlignment = 1 2\n")
    with pytest.raises(FileFormatError, match=r"scene0000_00\.txt:1"):
        open_dataset("scannet", tmp_path, align=True).read("scene0000_00")


def test_scannet_label_table_may_lie_elsewhere(tmp_path):
    write_scannet(tmp_path)
    table = tmp_path / "elsewhere.tsv"
    (tmp_path / "scannetv2-labels.combined.tsv").rename(table)
    with pytest.raises(FileFormatError, match="scannetv2-labels"):
        open_dataset("scannet", tmp_path / "scans")
    assert len(open_dataset("scannet", tmp_path / "scans", labels=table)) == 1


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([{"objectId": 0, "segments": [5], "label": "spaceship"}], r"segGroups\[0\].*spaceship"),
        ([{"objectId": 0.5, "segments": [5], "label": "wall"}], r"segGroups\[0\]\.objectId.*0\.5"),
        ([{"objectId": -1, "segments": [5], "label": "wall"}], r"objectId.*-1"),
        ([{"objectId": 0, "segments": ["x"], "label": "wall"}], r"segGroups\[0\]\.segments"),
        ([{"objectId": float("nan"), "segments": [5], "label": "wall"}], "objectId.*nan"),
        ([{"objectId": 0, "segments": 5, "label": "wall"}], "list of segments"),
        ([{"objectId": 0, "segments": [4, 6], "label": "wall"}], "none of its segments"),
        (["wall"], r"segGroups\[0\]"),
        ({"no": "list"}, "segGroups"),
    ],
)
def test_scannet_damaged_groups_are_named(tmp_path, groups, message):
    write_scannet(tmp_path, groups=groups)
    with pytest.raises(FileFormatError, match=rf"(?s)scene0000_00\.aggregation\.json.*{message}"):
        open_dataset("scannet", tmp_path).read("scene0000_00")


def test_scannet_aggregation_of_the_full_mesh_is_refused(tmp_path):
    write_scannet(
        tmp_path,
        aggregation="_vh_clean.aggregation.json",
        segments_file="scannet.scene0000_00_vh_clean.segs.json",
    )
    with pytest.raises(FileFormatError, match="full mesh"):
        open_dataset("scannet", tmp_path).read("scene0000_00")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("_vh_clean_2.0.010000.segs.json", '{"segIndices": [1, 2', "damaged"),
        ("_vh_clean_2.0.010000.segs.json", '{"segIndices": [1, 2]}', r"130, got \(2,\)"),
        ("_vh_clean_2.0.010000.segs.json", '{"segIndices": [1.5%s]}' % (", 1" * 129), "1.5"),
        ("_vh_clean_2.0.010000.segs.json", "[]", "segIndices"),
        (".aggregation.json", "", "damaged"),
        (".aggregation.json", "[1, 2]", "segGroups"),
        ("_vh_clean_2.ply", None, "vh_clean_2.ply"),
    ],
)
def test_scannet_damaged_files_are_named(tmp_path, name, content, message):
    write_scannet(tmp_path)
    path = tmp_path / "scans" / "scene0000_00" / f"scene0000_00{name}"
    if content is None:
        path.write_bytes(path.read_bytes()[:-400])  # the faces and some vertices
    else:
        path.write_text(content)
    with pytest.raises(FileFormatError, match=message) as caught:
        open_dataset("scannet", tmp_path).read("scene0000_00")
    assert f"scene0000_00{name}" in str(caught.value)


@pytest.mark.parametrize("name", ["_vh_clean_2.ply", ".aggregation.json"])
def test_scannet_missing_file_is_named(tmp_path, name):
    write_scannet(tmp_path)
    (tmp_path / "scans" / "scene0000_00" / f"scene0000_00{name}").unlink()
    with pytest.raises(FileFormatError, match=f"scene0000_00{name}"):
        open_dataset("scannet", tmp_path).read("scene0000_00")


@pytest.mark.parametrize("row", ["7\twindow", "7\twindow\twindow\t1\tnine", "7\twindow\tw\t1\t-9"])
def test_scannet_damaged_label_table_names_the_line(tmp_path, row):
    write_scannet(tmp_path)
    write_label_table(tmp_path / "scannetv2-labels.combined.tsv", (*TABLE_ROWS[:2], row))
    with pytest.raises(FileFormatError, match=r"combined\.tsv:4"):
        open_dataset("scannet", tmp_path)


def test_scannet_missing_row_of_the_table_names_label_and_file(tmp_path):
    write_scannet(tmp_path)
    write_label_table(tmp_path / "scannetv2-labels.combined.tsv", TABLE_ROWS[:2])
    with pytest.raises(FileFormatError, match=r"aggregation\.json: segGroups\[1\].*office chair"):
        open_dataset("scannet", tmp_path).read("scene0000_00")


# S3DIS


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


# KITTI-360


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


# SemanticKITTI


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


# plain folder


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


# scene sets and splits


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


def test_scannet_has_no_built_in_split(tmp_path):
    write_scannet(tmp_path)
    write_scannet(tmp_path, "scene0001_00")
    scenes = open_dataset("scannet", tmp_path)
    with pytest.raises(ConfigError, match=r"scannetv2_val\.txt"):
        select(scenes, "val")
    (tmp_path / "scannetv2_val.txt").write_text("scene0001_00\n")
    assert select(scenes, str(tmp_path / "scannetv2_val.txt")).names == ("scene0001_00",)


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
