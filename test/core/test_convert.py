"""`clickseg3d convert`: what it writes, that it resumes, that workers change nothing."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from plyfile import PlyData
from raw_datasets import (
    write_kitti360_sweep,
    write_s3dis,
    write_scannet,
    write_semantic_kitti,
    write_window,
)

from clickseg3d_core.cli import main
from clickseg3d_core.data.scene import Scene, load_scene, save_scene
from clickseg3d_core.datasets.convert import Conversion, convert
from clickseg3d_core.datasets.episodes import agile3d_episodes, folder_episodes
from clickseg3d_core.datasets.records import sha256_of
from clickseg3d_core.datasets.rules import RULES, Rules
from clickseg3d_core.datasets.sources import open_dataset
from clickseg3d_core.datasets.splits import select
from clickseg3d_core.errors import ConfigError, FileFormatError
from clickseg3d_core.training.samples import scene_files

LABELS = ("floor", "office chair", "wall", "display case", "unknown thing", "wall")


@pytest.fixture
def scannet(tmp_path) -> Path:
    root = tmp_path / "ScanNet"
    for number, count in enumerate((4, 6, 5, 6)):
        write_scannet(root, f"scene{number:04d}_00", LABELS[:count])
    (root / "train.txt").write_text("scene0003_00\nscene0001_00\n")
    (root / "val.txt").write_text("scene0002_00\nscene0000_00\n")
    return root


def conversion_of(root: Path, dataset: str = "scannet", **changes) -> Conversion:
    scenes = open_dataset(dataset, root)
    values = {"scenes": scenes, "layout": "agile3d", "rules": RULES[dataset]}
    return Conversion(**{**values, **changes})


def contents(folder: Path) -> dict[str, str]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): sha256_of(p) for p in files}


def read_json(path: Path):
    return json.loads(path.read_text())


def test_scannet_becomes_the_published_layout(scannet, tmp_path):
    out = tmp_path / "out"
    scenes = open_dataset("scannet", scannet)
    report = convert(
        conversion_of(
            scannet,
            scenes=select(scenes, str(scannet / "val.txt")),
            train=select(scenes, str(scannet / "train.txt")),
        ),
        out,
    )
    assert (report.scenes, report.kept, report.files, report.multi) == (4, 0, 4, 2)
    assert report.single == 4 + 4  # the fifth object has no class of the 40
    names = sorted(p for p in contents(out) if not p.startswith(".convert/"))
    assert names == [
        "SHA256SUMS", "instance_classes.json",
        "scans/scene0000_00.ply", "scans/scene0001_00.ply",
        "scans/scene0002_00.ply", "scans/scene0003_00.ply",
        "single/object_classes.txt", "single/object_ids.npy", "train_list.json", "val_list.json",
    ]  # fmt: skip
    assert read_json(out / "train_list.json") == {
        "scene0001_00_obj_6": {}, "scene0003_00_obj_6": {},
    }  # fmt: skip
    ply = PlyData.read(str(out / "scans" / "scene0002_00.ply"))
    assert not ply.text
    assert ply.byte_order == "<"
    kinds = [(p.name, p.val_dtype) for p in ply["vertex"].properties]
    assert kinds == [*((n, "f4") for n in "xyz"), *((n, "u1") for n in "RGB"), ("label", "f4")]
    assert set(ply["vertex"]["label"].tolist()) == {-1.0, 1.0, 2.0, 3.0, 4.0, 5.0}
    rows = np.load(out / "single" / "object_ids.npy")
    assert rows.dtype.kind == "U"
    assert rows.tolist()[:5] == [["scene0000_00", str(i)] for i in (1, 2, 3, 4)] + [
        ["scene0002_00", "1"]
    ]
    classes = (out / "single" / "object_classes.txt").read_text().split()
    assert classes[:4] == ["floor", "chair", "wall", "otherprop"]
    for key, entry in read_json(out / "val_list.json").items():
        count = int(key.rpartition("_obj_")[2])
        assert set(entry["obj"]) == {str(i + 1) for i in range(count)}
        assert all(isinstance(i, float) for i in entry["obj"].values())
        assert entry["clicks"] == {**{str(i + 1): [] for i in range(count)}, "0": []}
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=out, check=True)


def test_what_was_written_reads_back_the_same(scannet, tmp_path):
    out = tmp_path / "out"
    convert(conversion_of(scannet), out)
    source = open_dataset("scannet", scannet)
    for kind in ("multi", "single"):
        episodes = agile3d_episodes(out, kind)
        for episode in episodes.episodes:
            back, scene = episodes.read(episode.key), source.read(episode.scene)
            np.testing.assert_array_equal(back.xyz, scene.xyz)
            np.testing.assert_array_equal(back.rgb, scene.rgb)
            np.testing.assert_array_equal(back.instance, scene.instance)
            for i, name in zip(episode.object_ids, episode.class_names, strict=True):
                assert name == scene.class_name(i) == back.class_name(i) != ""
    again = open_dataset("agile3d", out)
    for name in source.names:
        np.testing.assert_array_equal(again.read(name).instance, source.read(name).instance)


def test_any_number_of_workers_writes_the_same_bytes(scannet, tmp_path):
    for workers in (1, 2, 3):
        convert(conversion_of(scannet, seed=5), tmp_path / str(workers), workers)
    first = contents(tmp_path / "1")
    assert len(first) > 8
    assert contents(tmp_path / "2") == first
    assert contents(tmp_path / "3") == first
    convert(conversion_of(scannet, seed=6), tmp_path / "other")
    changed = {name for name, value in contents(tmp_path / "other").items() if first[name] != value}
    assert "val_list.json" in changed
    assert not any(name.startswith("scans/") for name in changed)


def test_stopped_conversion_goes_on_where_it_was(scannet, tmp_path):
    convert(conversion_of(scannet), tmp_path / "whole")
    out = tmp_path / "out"

    def stop(name: str) -> None:
        if name == "scene0001_00":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(conversion_of(scannet), out, on_scene=stop)
    assert not (out / "val_list.json").exists()
    assert not (out / "SHA256SUMS").exists()
    left = out / "scans" / ".scene0002_00.a1b2c3d4.ply"  # as a killed process leaves it
    left.write_bytes(b"half")
    written = (out / "scans" / "scene0000_00.ply").stat().st_mtime_ns
    done: list[str] = []
    report = convert(conversion_of(scannet), out, on_scene=done.append)
    assert report.kept == 2
    assert done == [f"scene000{i}_00" for i in range(4)]
    assert (out / "scans" / "scene0000_00.ply").stat().st_mtime_ns == written
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.parametrize("damage", ["changed", "removed", "record"])
def test_scene_with_a_wrong_checksum_is_converted_again(scannet, tmp_path, damage):
    out = tmp_path / "out"
    convert(conversion_of(scannet), out)
    before = contents(out)
    path = out / "scans" / "scene0002_00.ply"
    if damage == "changed":
        raw = bytearray(path.read_bytes())
        raw[-1] ^= 1
        path.write_bytes(raw)
    elif damage == "removed":
        path.unlink()
    else:
        (out / ".convert" / "scenes" / "scene0002_00.json").write_text('{"scene": ')
    assert convert(conversion_of(scannet), out).kept == 3
    assert contents(out) == before
    assert convert(conversion_of(scannet), out).kept == 4


def test_damaged_raw_scene_stops_and_the_rest_is_kept(scannet, tmp_path):
    path = scannet / "scans" / "scene0001_00" / "scene0001_00.aggregation.json"
    whole = path.read_text()
    path.write_text(whole[:50])
    with pytest.raises(FileFormatError, match=r"scene0001_00\.aggregation\.json"):
        convert(conversion_of(scannet), tmp_path / "out", workers=2)
    assert not (tmp_path / "out" / "scans" / "scene0001_00.ply").exists()
    assert not (tmp_path / "out" / "SHA256SUMS").exists()
    path.write_text(whole)
    assert convert(conversion_of(scannet), tmp_path / "out").kept >= 1
    convert(conversion_of(scannet), tmp_path / "fresh")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_folder_of_another_conversion_is_left_alone(scannet, tmp_path):
    out = tmp_path / "out"
    convert(conversion_of(scannet), out)
    before = contents(out)
    with pytest.raises(ConfigError, match="with seed 0, this one has 1"):
        convert(conversion_of(scannet, seed=1), out)
    with pytest.raises(ConfigError, match="min_points"):
        convert(conversion_of(scannet, rules=replace(RULES["scannet"], min_points=2)), out)
    val = select(open_dataset("scannet", scannet), str(scannet / "val.txt"))
    with pytest.raises(ConfigError, match="2 scenes that are not part"):
        convert(conversion_of(scannet, scenes=val), out)
    with pytest.raises(ConfigError, match="raw data"):
        convert(conversion_of(scannet), scannet / "scans")
    assert contents(out) == before
    with pytest.raises(ConfigError, match="files that are no conversion"):
        convert(conversion_of(scannet), scannet)
    (out / ".convert" / "settings.json").write_text("{")
    with pytest.raises(FileFormatError, match=r"settings\.json"):
        convert(conversion_of(scannet), out)


def test_impossible_conversions_are_refused(scannet, tmp_path):
    scenes = open_dataset("scannet", scannet)
    with pytest.raises(ConfigError, match="4 scenes are both for training and evaluation"):
        conversion_of(scannet, train=scenes)
    with pytest.raises(ConfigError, match="layout must be"):
        conversion_of(scannet, layout="coco")
    with pytest.raises(ConfigError, match="no class 'dragon'"):
        conversion_of(scannet, rules=Rules(targets=("chair", "dragon")))
    with pytest.raises(ConfigError, match="one split"):
        conversion_of(scannet, layout="scenes", train=scenes)
    with pytest.raises(ConfigError, match="workers"):
        convert(conversion_of(scannet), tmp_path / "out", workers=0)
    with pytest.raises(FileFormatError, match="has an object to click"):
        convert(
            conversion_of(scannet, rules=Rules(targets=("bathtub",))),
            tmp_path / "none",
        )
    for wrong in ({"min_points": 0}, {"tile": -1.0}, {"draws": 2}):
        with pytest.raises(ConfigError):
            Rules(**wrong)


def test_s3dis_has_crops_of_objects_and_no_episodes_in_hallways(tmp_path):
    objects = ("chair_1", "floor_1", "table_1", "wall_1", "clutter_1")
    write_s3dis(tmp_path, 5, "office_1", objects)
    write_s3dis(tmp_path, 5, "hallway_6", objects)
    out = tmp_path / "out"
    report = convert(conversion_of(tmp_path, "s3dis"), out)
    assert (report.multi, report.single, report.files) == (1, 10, 2 + 10)
    (multi,) = agile3d_episodes(out, "multi").episodes
    assert multi.scene == "Area_5_office_1"
    assert all(multi.class_names)
    single = agile3d_episodes(out, "single")
    episode = single.episodes[-3]
    assert (episode.key, episode.scene, episode.class_names) == (
        "Area_5_office_1_obj_3", "Area_5_office_1_crop_3", ("floor",),
    )  # fmt: skip
    crop = single.read(episode.key)
    scene = open_dataset("s3dis", tmp_path).read("Area_5_office_1")
    middle = (scene.xyz[scene.instance == 3].min(0) + scene.xyz[scene.instance == 3].max(0)) / 2
    inside = (np.abs(scene.xyz - middle)[:, :2] <= 2.5).all(axis=1)
    assert 0 < inside.sum() < len(scene)
    np.testing.assert_array_equal(crop.xyz, scene.xyz[inside])
    np.testing.assert_array_equal(crop.instance, scene.instance[inside] == 3)
    labels = PlyData.read(str(out / "single/crops/Area_5_office_1/Area_5_office_1_crop_3.ply"))
    assert set(labels["vertex"]["label"].tolist()) == {0.0, 1.0}


def test_kitti360_has_crops_around_groups_and_numbers_for_classes(tmp_path):
    write_window(
        tmp_path,
        instances=(26001, 26002, 17003, 11005, 7000, 39001, 24001, 26003),
        moving=(26900,),
    )
    write_window(tmp_path, "0003", middle=(900.0, 900.0))
    out = tmp_path / "out"
    scenes = select(open_dataset("kitti360", tmp_path), "val")
    report = convert(conversion_of(tmp_path, "kitti360", scenes=scenes), out)
    window = "0000_0000000002_0000000385"
    targets = {17003, 24001, 26001, 26002, 26003, 26900, 39001}  # no building, no road
    assert (report.scenes, report.multi, report.single) == (1, 7, 7)
    whole = scenes.read(window)
    multi = agile3d_episodes(out, "multi")
    assert sorted(e.scene for e in multi.episodes) == [f"{window}_exp_{i}" for i in range(7)]
    for episode in multi.episodes:
        assert set(episode.object_ids) <= targets
        assert 1 <= len(episode.object_ids) <= 5
        assert [int(c) for c in episode.class_names] == [i // 1000 for i in episode.object_ids]
        part = multi.read(episode.key)
        for i in episode.object_ids:
            assert (part.instance == i).sum() == (whole.instance == i).sum()
        assert len(part) <= len(whole)
    assert any(len(multi.read(e.key)) < len(whole) for e in multi.episodes)
    single = agile3d_episodes(out, "single")
    assert {e.key for e in single.episodes} == {f"{window}_obj_{i}" for i in targets}
    assert single.read(f"{window}_obj_17003").instance.max() == 1
    assert not (out / "scans" / f"{window}.ply").exists()


@pytest.mark.parametrize("dataset", ["semantickitti", "kitti360-sweeps"])
def test_sweeps_keep_that_they_have_no_color(tmp_path, dataset):
    labels = None
    if dataset == "semantickitti":
        write_semantic_kitti(tmp_path, np.repeat([10, 30, 40], 60), np.repeat([1, 2, 0], 60))
    else:
        labels = tmp_path / "labels"
        write_kitti360_sweep(tmp_path, labels, np.repeat([26001, 24002, 7000], 60))
    scenes = open_dataset(dataset, tmp_path, labels=labels)
    out = tmp_path / "out"
    convert(Conversion(scenes=scenes, layout="agile3d", rules=RULES[dataset]), out)
    single = agile3d_episodes(out, "single")
    assert len(single) == 2
    scene = single.read(single.episodes[0].key)
    assert scene.rgb is None
    original = scenes.read(scenes.names[0])
    np.testing.assert_array_equal(scene.instance, original.instance)
    assert "R" in PlyData.read(str(next((out / "scans").iterdir())))["vertex"]


def test_training_scenes_are_compact_and_keep_their_classes(scannet, tmp_path):
    out = tmp_path / "out"
    report = convert(conversion_of(scannet, layout="scenes"), out)
    assert (report.scenes, report.files) == (4, 4)
    paths = scene_files(out)
    assert [p.name for p in paths] == [f"scene000{i}_00.npz" for i in range(4)]
    scene = load_scene(paths[1])
    assert [scene.class_name(i) for i in range(1, 7)] == [
        "floor", "chair", "wall", "otherprop", "", "wall",
    ]  # fmt: skip
    assert len(scene.class_names) == 40
    np.testing.assert_array_equal(scene.xyz, open_dataset("scannet", scannet).read(
        "scene0001_00").xyz)  # fmt: skip
    assert convert(conversion_of(scannet, layout="scenes"), out).kept == 4


def test_long_windows_become_tiles(tmp_path):
    ids = (26001,) * 8 + (17001,) * 9
    write_window(tmp_path, instances=ids, points=200, moving=(), middle=(100.0, 210.0))
    source = open_dataset("kitti360", tmp_path)
    rules = replace(RULES["kitti360"], tile=20.0)
    convert(conversion_of(tmp_path, "kitti360", layout="scenes", rules=rules), tmp_path / "out")
    tiles = [load_scene(p) for p in scene_files(tmp_path / "out")]
    assert len(tiles) == 2  # of 48 m; what is left at the ends has too few points
    for tile in tiles:
        assert np.ptp(tile.xyz[:, 0]) <= 20.0
        assert len(tile) >= 1000
        assert set(np.unique(tile.instance).tolist()) <= {1, 2}
        assert tile.semantic is not None
    whole = source.read(source.names[0])
    assert sum(map(len, tiles)) <= len(whole)
    assert {tile.class_name(1) for tile in tiles} == {"car", "pole"}
    rules = replace(rules, tile=2.0)
    with pytest.raises(FileFormatError, match=r"tiles of 2\.0 m"):
        convert(conversion_of(tmp_path, "kitti360", layout="scenes", rules=rules), tmp_path / "no")


def test_simulated_and_mosd_like_folders_convert_with_the_same_draw(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        instance = np.repeat(np.arange(5), 40).astype(np.int32)
        save_scene(
            Scene(
                xyz=rng.uniform(0, 1, (200, 3)).astype(np.float32) + instance[:, None],
                rgb=None,
                instance=instance,
                instance_class=np.array([-1, 0, 1, 2, 3], np.int16),
            ),
            raw / f"scene_{i:05d}.npz",
        )
    np.savez(raw / "view.npz", xyz=rng.uniform(0, 1, (100, 3)), instance=np.repeat([-1, 0], 50))
    convert(conversion_of(raw, "folder", seed=4), tmp_path / "out")
    ours = folder_episodes(raw, "multi", seed=4)
    written = agile3d_episodes(tmp_path / "out", "multi")
    assert [(e.key, e.object_ids, e.class_names) for e in written.episodes] == [
        (e.key, e.object_ids, e.class_names) for e in ours.episodes
    ]
    assert written.read("view").instance.tolist() == [0] * 50 + [1] * 50


def test_command_line_converts_and_tells(scannet, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["convert", str(scannet), str(out), "--dataset", "scannet",
                 "--split", str(scannet / "val.txt"), "--classes", "chair,wall",
                 "--min-points", "5", "--max-objects", "2"]  # fmt: skip
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code in (0, None)
    text = capsys.readouterr().out
    assert "2 of 4 scenes are in split" in text
    assert "2 scenes in 2 files (0 were there), 2 multi-object episodes, 4 objects" in text
    assert {c for e in agile3d_episodes(out, "single").episodes for c in e.class_names} == {
        "chair", "wall",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dataset", "coco"], "dataset must be one of"),
        (["--dataset", "scannet"], "scannetv2_val.txt"),
        (["--dataset", "scannet", "--split", "all", "--classes", "dragon"], "no class 'dragon'"),
        (["--dataset", "scannet", "--split", "all", "--classes", " , "], "--classes needs names"),
        (["--dataset", "scannet", "--split", "all", "--layout", "x"], "layout must be"),
        (["--dataset", "scannet", "--split", "all", "--tile", "-3"], "more than 0 m"),
        (["--dataset", "s3dis"], "no room"),
    ],
)
def test_command_line_mistakes_are_one_line(scannet, tmp_path, capsys, options, message):
    with pytest.raises(SystemExit) as caught:
        main(["convert", str(scannet), str(tmp_path / "out"), *options])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_output_that_cannot_be_made_is_one_clear_error(scannet, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileFormatError, match="cannot be made"):
        convert(conversion_of(scannet), tmp_path / "file" / "out")
    shutil.rmtree(scannet / "scans" / "scene0003_00")
    with pytest.raises(FileFormatError, match=r"1 of 2 wanted scenes.*scene0003_00"):
        select(open_dataset("scannet", scannet), str(scannet / "train.txt"))
