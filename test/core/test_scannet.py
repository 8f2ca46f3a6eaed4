"""Reader of ScanNet, on files in its format, damaged ones included."""

import pickle

import numpy as np
import pytest
from raw_datasets import (
    TABLE_ROWS,
    classes_of,
    write_label_table,
    write_scannet,
)

from clickseg3d_core.datasets.sources import open_dataset
from clickseg3d_core.datasets.splits import select
from clickseg3d_core.errors import ConfigError, FileFormatError


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


def test_scannet_has_no_built_in_split(tmp_path):
    write_scannet(tmp_path)
    write_scannet(tmp_path, "scene0001_00")
    scenes = open_dataset("scannet", tmp_path)
    with pytest.raises(ConfigError, match=r"scannetv2_val\.txt"):
        select(scenes, "val")
    (tmp_path / "scannetv2_val.txt").write_text("scene0001_00\n")
    assert select(scenes, str(tmp_path / "scannetv2_val.txt")).names == ("scene0001_00",)
