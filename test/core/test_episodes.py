"""Episode lists: AGILE3D's layout, plain folders, draws of nearby objects."""

import json
import pickle

import numpy as np
import pytest
from raw_datasets import cluster, write_ply

from clickseg3d_core.data.scene import Scene, save_scene
from clickseg3d_core.datasets.draw import draw_nearby, scene_rng
from clickseg3d_core.datasets.episodes import agile3d_episodes, folder_episodes
from clickseg3d_core.datasets.sources import open_dataset
from clickseg3d_core.errors import ConfigError, FileFormatError


def write_scan(path, labels, kind="f4"):
    """A scan as the benchmark has it: R, G, B in capitals, label a float."""
    xyz = cluster(1, len(labels))
    columns = {axis: ("f4", xyz[:, i]) for i, axis in enumerate("xyz")}
    columns |= {c: ("u1", np.full(len(labels), 9)) for c in "RGB"}
    columns["label"] = (kind, np.asarray(labels, dtype=float))
    write_ply(path, columns)


def write_benchmark(folder, entries, rows, classes, labels=(-1, 1, 1, 2, 3, 3), kind="f4"):
    """A folder like the published ones; the scan is called scene0568_00."""
    write_scan(folder / "scans" / "scene0568_00.ply", labels, kind)
    (folder / "val_list.json").write_text(json.dumps(entries))
    (folder / "single").mkdir()
    np.save(folder / "single" / "object_ids.npy", np.array(rows, dtype=str).reshape(-1, 2))
    (folder / "single" / "object_classes.txt").write_text("\n".join(classes) + "\n")


ENTRY = {"scene0568_00_obj_2": {"clicks": {"1": [], "2": [], "0": []}, "obj": {"1": 3.0, "2": 1.0}}}
ROWS = [("scene0568_00", "1"), ("scene0568_00", "3")]


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_published_lists_become_episodes(tmp_path, kind):
    write_benchmark(tmp_path, ENTRY, ROWS, ["chair", "floormat"], kind=kind)
    multi = pickle.loads(pickle.dumps(agile3d_episodes(tmp_path, "multi")))
    (episode,) = multi.episodes
    assert (multi.name, multi.kind, len(multi)) == (tmp_path.name, "multi", 1)
    assert (episode.key, episode.scene) == ("scene0568_00_obj_2", "scene0568_00")
    assert episode.object_ids == (3, 1)
    assert episode.class_names == ("floormat", "chair")
    scene = multi.read("scene0568_00_obj_2")
    assert scene.instance.tolist() == [0, 1, 1, 2, 3, 3]
    assert [scene.class_name(i) for i in (1, 2, 3)] == ["chair", "", "floormat"]
    np.testing.assert_array_equal(multi.read("scene0568_00").instance, scene.instance)
    np.testing.assert_array_equal(scene.rgb, np.full((6, 3), 9))
    single = agile3d_episodes(tmp_path, "single")
    assert [e.key for e in single.episodes] == ["scene0568_00_obj_1", "scene0568_00_obj_3"]
    assert [e.object_ids for e in single.episodes] == [(1,), (3,)]
    assert [e.class_names for e in single.episodes] == [("chair",), ("floormat",)]
    assert single.read("scene0568_00_obj_3").instance.tolist() == scene.instance.tolist()


def test_lists_that_count_from_zero_are_moved_up(tmp_path):
    entry = {"scene0568_00_obj_2": {"obj": {"1": 0.0, "2": 2}}}
    rows = [("scene0568_00", "0"), ("scene0568_00", "2.0")]
    write_benchmark(tmp_path, entry, rows, ["wall", "door"], labels=(-1, 0, 0, 1, 2, 2))
    multi = agile3d_episodes(tmp_path, "multi")
    assert multi.episodes[0].object_ids == (1, 3)
    assert multi.episodes[0].class_names == ("wall", "door")
    assert multi.read("scene0568_00").instance.tolist() == [0, 1, 1, 2, 3, 3]
    single = agile3d_episodes(tmp_path, "single")
    assert [(e.key, e.object_ids) for e in single.episodes] == [
        ("scene0568_00_obj_0", (1,)), ("scene0568_00_obj_2", (3,)),
    ]  # fmt: skip


def test_crops_are_the_scenes_of_single_object_episodes(tmp_path):
    rows = [("scene0568_00", "0"), ("scene0568_00", "7")]
    write_benchmark(tmp_path, ENTRY, rows, ["26", "17"])
    crops = tmp_path / "single" / "crops" / "scene0568_00"
    write_scan(crops / "scene0568_00_crop_0.ply", [0, 1, 1])
    write_scan(crops / "scene0568_00_crop_7.ply", [1, 1, 1, 0])
    single = agile3d_episodes(tmp_path, "single")
    assert [(e.key, e.scene, e.object_ids, e.class_names) for e in single.episodes] == [
        ("scene0568_00_obj_0", "scene0568_00_crop_0", (1,), ("26",)),
        ("scene0568_00_obj_7", "scene0568_00_crop_7", (1,), ("17",)),
    ]
    assert single.read("scene0568_00_obj_7").instance.tolist() == [1, 1, 1, 0]
    assert single.read("scene0568_00_crop_0").class_name(1) == "26"
    # The crops' numbers are no labels of the scans, so that they tell no class there.
    assert agile3d_episodes(tmp_path, "multi").episodes[0].class_names == ("", "")
    (crops / "scene0568_00_crop_7.ply").unlink()
    with pytest.raises(FileFormatError, match=r"1 of 2 scans.*crop_7\.ply"):
        agile3d_episodes(tmp_path, "single")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "must hold an object of episodes"),
        ([1], "must hold an object of episodes"),
        ({"scene0568_00": {"obj": {}}}, "scene0568_00"),
        ({"scene0568_00_obj_x": {"obj": {"1": 1}}}, "obj_x"),
        ({"scene0568_00_obj_1": {}}, "obj_1"),
        ({"scene0568_00_obj_2": {"obj": {"1": 1}}}, r"number its objects 1\.\.2"),
        ({"scene0568_00_obj_1": {"obj": {"2": 1}}}, r"number its objects 1\.\.1"),
        ({"scene0568_00_obj_1": {"obj": {"1": 1.5}}}, r"whole number.*1\.5"),
        ({"scene0568_00_obj_1": {"obj": {"1": -1.0}}}, "whole number"),
        ({"scene0568_00_obj_1": {"obj": {"1": None}}}, "whole number.*None"),
        ({"scene0568_00_obj_2": {"obj": {"1": 1, "2": 1.0}}}, "object twice"),
    ],
)
def test_damaged_multi_list_is_named(tmp_path, entries, message):
    write_benchmark(tmp_path, entries, ROWS, ["chair", "floormat"])
    with pytest.raises(FileFormatError, match=rf"val_list\.json.*{message}"):
        agile3d_episodes(tmp_path, "multi")


def test_missing_scans_and_objects_are_errors(tmp_path):
    entry = {"scene0568_00_obj_1": {"obj": {"1": 9}}}
    write_benchmark(tmp_path, entry, [*ROWS, ("scene9999_00", "1")], ["a", "b", "c"])
    with pytest.raises(FileFormatError, match="names object 9, which has no point"):
        agile3d_episodes(tmp_path, "multi").read("scene0568_00_obj_1")
    with pytest.raises(FileFormatError, match=r"1 of 2 scans.*scene9999_00\.ply"):
        agile3d_episodes(tmp_path, "single")
    with pytest.raises(FileFormatError, match="no episode is played"):
        agile3d_episodes(tmp_path, "multi").read("scene0000_00")
    (tmp_path / "val_list.json").write_text('{"scene')
    with pytest.raises(FileFormatError, match=r"val_list\.json is damaged"):
        agile3d_episodes(tmp_path, "multi")
    (tmp_path / "val_list.json").unlink()
    with pytest.raises(FileFormatError, match=r"val_list\.json cannot be read"):
        agile3d_episodes(tmp_path, "multi")
    with pytest.raises(ConfigError, match="multi or single"):
        agile3d_episodes(tmp_path, "both")


def test_damaged_single_list_is_named(tmp_path):
    write_benchmark(tmp_path, ENTRY, ROWS, ["chair"])
    with pytest.raises(FileFormatError, match=r"2 rows and object_classes\.txt 1 lines"):
        agile3d_episodes(tmp_path, "single")
    path = tmp_path / "single" / "object_ids.npy"
    (tmp_path / "single" / "object_classes.txt").write_text("chair\nfloormat\n")
    np.save(path, np.array([*ROWS[:1], ("scene0568_00", "one")]))
    with pytest.raises(FileFormatError, match=r"object_ids\.npy: row 2.*one"):
        agile3d_episodes(tmp_path, "single")
    np.save(path, np.array([ROWS[0], ROWS[0]]))
    with pytest.raises(FileFormatError, match="scene0568_00_obj_1' twice"):
        agile3d_episodes(tmp_path, "single")
    np.save(path, np.arange(4).reshape(2, 2))
    with pytest.raises(FileFormatError, match="text of shape"):
        agile3d_episodes(tmp_path, "single")
    np.save(path, np.array(ROWS, dtype=object))
    with pytest.raises(FileFormatError, match=r"no readable \.npy file of text"):
        agile3d_episodes(tmp_path, "single")
    np.save(path, np.array(ROWS))
    raw = path.read_bytes()
    path.write_bytes(raw[:-4] + b"\xff\xff\xff\x7f")  # no character has this number
    with pytest.raises(FileFormatError, match=r"object_ids\.npy"):
        agile3d_episodes(tmp_path, "single")
    path.write_bytes(raw[:20])
    with pytest.raises(FileFormatError, match=r"object_ids\.npy"):
        agile3d_episodes(tmp_path, "single")


@pytest.mark.parametrize("labels", [(-1, 1, 2.5), (-1, 1, np.nan), (-1, 1, 1e9)])
def test_labels_that_are_no_ids_are_refused(tmp_path, labels):
    write_benchmark(tmp_path, ENTRY, ROWS, ["chair", "floormat"], labels=labels)
    with pytest.raises(FileFormatError, match=r"scene0568_00\.ply: label.*point 2"):
        agile3d_episodes(tmp_path, "multi").read("scene0568_00")


def test_all_scans_of_the_layout_can_be_read_as_a_data_set(tmp_path):
    write_benchmark(tmp_path, ENTRY, ROWS, ["chair", "floormat"])
    scenes = open_dataset("agile3d", tmp_path)
    assert scenes.class_names == ("chair", "floormat")
    assert scenes.read("scene0568_00").class_name(3) == "floormat"


# plain folders and draws


def row_of_objects(count: int, points: int = 40, gap: float = 1.0) -> Scene:
    """Objects 1..count in a row along x, the last one with a tenth of the points."""
    sizes = [points] * (count - 1) + [points // 10]
    parts = [cluster(i, n, (i * gap, 0.0, 0.0)) for i, n in enumerate(sizes)]
    return Scene(
        xyz=np.concatenate(parts).astype(np.float32),
        rgb=None,
        instance=np.repeat(np.arange(1, count + 1), sizes).astype(np.int32),
        instance_class=np.array([-1, *[i % 35 for i in range(count)]], np.int16),
    )


@pytest.fixture
def folder(tmp_path):
    for i in range(6):
        save_scene(row_of_objects(4 + i), tmp_path / f"scene_{i:05d}.npz")
    return tmp_path


def keys(episodes):
    return [(e.key, e.object_ids) for e in episodes.episodes]


def test_folder_single_is_every_object_of_some_size(folder):
    episodes = folder_episodes(folder, "single", seed=0, min_points=5)
    assert len(episodes) == 3 + 4 + 5 + 6 + 7 + 8
    assert episodes.episodes[1].key == "scene_00000_obj_2"
    assert episodes.episodes[1].class_names == ("floor",)
    assert len(folder_episodes(folder, "single", seed=0, min_points=4)) == 39


def test_folder_multi_draws_the_same_again_and_by_scene_only(folder):
    first = folder_episodes(folder, "multi", seed=3, max_objects=5, min_points=5)
    assert keys(first) == keys(folder_episodes(folder, "multi", 3, 5, 5))
    assert keys(first) != keys(folder_episodes(folder, "multi", 4, 5, 5))
    for episode in first.episodes:
        assert episode.key == f"{episode.scene}_obj_{len(episode.object_ids)}"
        assert len(episode.object_ids) == len(episode.class_names) <= 5
        gaps = np.diff(episode.object_ids)
        assert (gaps == 1).all()  # neighbors in the row
        assert first.read(episode.key).instance.max() >= max(episode.object_ids)
    (folder / "scene_00000.npz").unlink()
    assert keys(folder_episodes(folder, "multi", 3, 5, 5)) == keys(first)[1:]


def test_folder_multi_of_all_objects(folder):
    everything = folder_episodes(folder, "multi", 0, max_objects=None, min_points=1)
    assert [len(e.object_ids) for e in everything.episodes] == [4, 5, 6, 7, 8, 9]


def test_folder_without_a_large_object_has_no_episode(folder):
    with pytest.raises(FileFormatError, match="no multi episode"):
        folder_episodes(folder, "multi", 0, min_points=1000)
    with pytest.raises(ConfigError, match="1 or more"):
        folder_episodes(folder, "multi", 0, max_objects=0)


def test_draws_cover_one_to_most_evenly_and_start_anywhere():
    scene = row_of_objects(8, points=20)
    drawn = [draw_nearby(scene, range(1, 9), 4, scene_rng(0, f"s{i}"))[0] for i in range(200)]
    sizes = np.bincount([len(ids) for ids in drawn], minlength=5)
    assert sizes[0] == 0
    assert (sizes[1:] > 30).all()
    assert {min(ids) for ids in drawn} >= set(range(1, 6))


def test_reach_and_number_of_draws_are_kept():
    scene = row_of_objects(5, gap=5.0)
    groups = draw_nearby(scene, range(1, 6), 5, scene_rng(0, "s"), draws=9, reach=7.0)
    assert len(groups) == 5
    assert all(np.ptp(ids) <= 2 for ids in groups)
    assert any(len(ids) > 1 for ids in groups)


def test_points_without_position_do_not_matter():
    scene = row_of_objects(3)
    scene.xyz[scene.instance == 2] = np.nan
    groups = draw_nearby(scene, (1, 2, 3), 3, scene_rng(1, "s"), draws=3, reach=50.0)
    assert all(2 not in ids or ids == (2,) for ids in groups)
