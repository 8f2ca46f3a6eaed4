"""The commands of `benchmarks/` that need no ROS: on two boxes, with an untrained network."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import BENCHMARKS, benchmark, boxes_scene
from PIL import Image

from clickseg3d_core import CheckpointError, Clicks, ClickSegmenter, FileFormatError
from clickseg3d_core.candidates import Candidates
from clickseg3d_core.checkpoint import save_checkpoint
from clickseg3d_core.data.scene import save_scene
from clickseg3d_core.evaluation.single_object import evaluate_scene
from clickseg3d_core.extent import CUTS
from clickseg3d_core.model.families import build_net
from clickseg3d_core.model.judge import SHARPNESS
from clickseg3d_core.training.judging import with_judge


@pytest.fixture(autouse=True)
def wide_console(monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def scene(two_boxes):
    return replace(boxes_scene(two_boxes), meta={"kind": "table", "frame": "world"})


@pytest.fixture
def folder(tmp_path, scene) -> Path:
    path = tmp_path / "scenes"
    path.mkdir()
    for name in ("a", "b"):
        save_scene(scene, path / f"{name}.npz")
    return path


@pytest.fixture
def judged(tiny_segmenter) -> ClickSegmenter:
    net = with_judge(tiny_segmenter.net, seed=3)
    decoder = replace(net.config.decoder, settle=True, coarser=2.0, doubt=0.45, dense_classes=False)
    net.config = replace(net.config, decoder=decoder)
    return ClickSegmenter(net, {}, torch.device("cpu"))


@pytest.fixture
def checkpoint(tmp_path, judged) -> Path:
    save_checkpoint(judged.net, tmp_path / "weights", training={})
    return tmp_path / "weights"


def cells(printed: str, first: str) -> list[list[str]]:
    """Cells of the table rows whose first cell has a name."""
    lines = (line.strip(" │┃").replace("┃", "│").split("│") for line in printed.splitlines())
    return [row for line in lines for row in [[c.strip() for c in line]] if row[0] == first]


def test_scenes_has_the_protocols_figures(folder, checkpoint, scene, tmp_path, capsys) -> None:
    benchmark("scenes").main(
        folder, clicks=2, checkpoint=checkpoint, by_class=True, confusion=True,
        json_out=tmp_path / "out.json",
    )  # fmt: skip
    rows = json.loads((tmp_path / "out.json").read_text())["network"]
    expected = evaluate_scene(ClickSegmenter.load(checkpoint), scene, clicks=2, max_objects=20)
    ious = [[round(v, 4) for v in record.ious] for record in expected]
    assert [row["ious"] for row in rows] == 2 * ious
    printed = capsys.readouterr().out
    mean = np.mean([record.ious[0] for record in expected])
    assert cells(printed, "table, all")[0][1:3] == [str(2 * len(ious)), f"{mean:.3f}"]


def test_scenes_names_first_the_class_that_loses_most(folder, checkpoint, tmp_path, capsys) -> None:
    out = tmp_path / "out.json"
    benchmark("scenes").main(folder, checkpoint=checkpoint, by_class=True, json_out=out)
    lost: dict[str, float] = {}
    for row in json.loads(out.read_text())["network"]:
        lost[row["class"]] = lost.get(row["class"], 0.0) + 1.0 - row["ious"][0]
    assert len(lost) == 2
    printed = capsys.readouterr().out
    order = sorted(lost, key=lambda name: -lost[name])
    assert printed.index(f" {order[0]} ") < printed.index(f" {order[1]} ")
    for name in order:
        part = cells(printed, name)[0][-1]
        assert part == f"{100 * lost[name] / sum(lost.values()):.0f} %"


def test_scenes_asks_for_scenes(tmp_path) -> None:
    with pytest.raises(FileFormatError, match=r"holds no \.npz scene"):
        benchmark("scenes").main(tmp_path)


def test_parts_are_taken_away_one_at_a_time(judged) -> None:
    variants = dict(benchmark("parts").without_parts(judged))
    assert variants.pop("all parts") is judged
    switches = {}
    for name, other in variants.items():
        assert other.net is not judged.net
        had, now = judged.config.decoder, other.config.decoder
        changed = [k for k in had.__dataclass_fields__ if getattr(had, k) != getattr(now, k)]
        switches[name] = (changed, other.net.judge is not None)
    assert switches == {
        "no judge, one cut for all": (["extent"], False),
        "a judge without doubts": (["doubt"], True),
        "one judge, no panel": ([], True),
        "not settled": (["settle"], True),
        "one encoding": (["coarser"], True),
        "free background clicks": (["background_clicks"], True),
        "class from voxels too": (["dense_classes"], True),
    }


def test_a_network_for_coarser_voxels_is_a_part(judged) -> None:
    own = replace(judged.config.decoder, coarser=2.0, coarser_weights="own")
    net = with_judge(build_net(replace(judged.config, decoder=own)))
    variants = dict(benchmark("parts").without_parts(ClickSegmenter(net, {}, judged.device)))
    assert variants["one network for both"].net.coarse is None
    assert variants["one network for both"].config.decoder.coarser == 2.0
    assert variants["one encoding"].net.coarse is None
    assert variants["not settled"].net.coarse is not None


def test_one_judge_cuts_as_the_first_of_the_panel_would(judged, two_boxes) -> None:
    cloud, _ = two_boxes
    alone = benchmark("parts").judged_by_one(judged)
    clicks = Clicks(cloud.xyz[[0, -1]], np.array([1, 2]))
    encoding = judged.encode(cloud)
    decoded = judged.decoded(encoding, clicks)
    candidates = Candidates.of(encoding.extents, decoded, clicks)
    with torch.no_grad():
        first = judged.net.judge(*candidates.tensors(torch.device("cpu")))[:, 0]
    expected = (SHARPNESS * first).softmax(dim=1).numpy() @ np.array(CUTS)
    found = alone.judged(encoding, decoded, clicks)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert not np.allclose(found, judged.judged(encoding, decoded, clicks), atol=1e-4)


def test_parts_need_a_judge(folder, tiny_segmenter, tmp_path) -> None:
    save_checkpoint(tiny_segmenter.net, tmp_path / "bare", training={})
    with pytest.raises(CheckpointError, match="clickseg3d judge"):
        benchmark("parts").main(folder, checkpoint=tmp_path / "bare")


def test_parts_prints_what_each_is_worth(folder, checkpoint, scene, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")  # as where no terminal is
    benchmark("parts").main(folder, clicks=2, checkpoint=checkpoint, scenes=1)
    printed = capsys.readouterr().out
    expected = evaluate_scene(ClickSegmenter.load(checkpoint), scene, clicks=2, max_objects=20)
    means = np.mean([record.ious for record in expected], axis=0)
    row = cells(printed, "all parts")[0]
    assert row[1:4] == [str(len(expected)), *(f"{v:.3f}" for v in means)]
    assert row[-1] == "-"
    others = [cells(printed, name)[0] for name in ("no judge, one cut for all", "one encoding")]
    assert all(re.fullmatch(r"[+-]\d\.\d{3} to [+-]\d\.\d{3}", row[-1]) for row in others)
    assert cells(printed, "class from voxels too")[0][1:4] == row[1:4]  # masks are the same


def test_failures_draws_the_worst_first(folder, checkpoint, tmp_path, capsys) -> None:
    picture = tmp_path / "failures.png"
    benchmark("failures").main(folder, picture, count=4, columns=2, checkpoint=checkpoint)
    assert Image.open(picture).size == (960, 800)
    ious = [float(line.split()[-1]) for line in capsys.readouterr().out.strip().splitlines()]
    assert len(ious) == 4
    assert ious[:2] == sorted(ious[:2])


def test_attitude_compares_up_found_with_z(folder, checkpoint, tmp_path) -> None:
    out = tmp_path / "out.json"
    benchmark("attitude").main(
        folder, attitudes="as it is,tilt 25", every=2, clicks=1, checkpoint=checkpoint, json_out=out
    )
    rows = json.loads(out.read_text())
    assert set(rows) == {"as it is", "tilt 25"}
    assert rows["as it is"]["up_found"] == 1.0
    assert rows["as it is"]["found"] == pytest.approx(rows["as it is"]["z"], abs=0.02)


def test_closeup_puts_views_into_a_room(folder, checkpoint, scene, capsys) -> None:
    module = benchmark("closeup")
    shown = module.in_a_room(scene, 1000)
    assert len(shown.xyz) == len(scene.xyz) + 1000
    assert np.array_equal(shown.xyz[: len(scene.xyz)], scene.xyz)
    assert (shown.instance[len(scene.xyz) :] == 0).all()
    module.main(folder, every=2, clicks=1, points=2000, checkpoint=checkpoint)
    printed = capsys.readouterr().out
    alone = evaluate_scene(ClickSegmenter.load(checkpoint), scene, clicks=1)
    mean = np.mean([record.ious[0] for record in alone])
    assert cells(printed, "view alone")[0][1:3] == [str(len(alone)), f"{mean:.3f}"]
    assert cells(printed, "closer look")


def test_real_views_compares_with_region_growing(folder, checkpoint, tmp_path) -> None:
    out = tmp_path / "out.json"
    benchmark("real_views").main(folder, clicks=1, checkpoint=checkpoint, json_out=out)
    report = json.loads(out.read_text())
    assert set(report) == {"network", "region growing"}
    for entry in report.values():
        assert entry["iou"] == pytest.approx([np.mean(entry["rows"])])
        assert entry["objects"] == len(entry["rows"]) > 0
        assert 0.0 <= entry["iou_together"] <= 1.0


def test_speed_times_encoding_and_clicks(folder, checkpoint, capsys) -> None:
    benchmark("speed").main(
        folder / "a.npz", points=[1500], objects=3, threads=1, repeats=2, checkpoint=checkpoint
    )
    row = cells(capsys.readouterr().out, "1,500")[0]
    assert 0 < int(row[1].replace(",", "")) <= 1500
    assert all(float(value) >= 0.0 for value in row[2:])


def test_the_click_rule_finds_what_all_distances_find(folder) -> None:
    command = [sys.executable, BENCHMARKS / "click_rule.py", folder / "a.npz"]
    limits = ["--points", "3000", "--objects", "3", "--rounds", "1"]
    done = subprocess.run([*command, *limits], capture_output=True, text=True, check=False)
    assert "same clicks" in done.stdout, done.stderr


def test_recomputing_keeps_less_for_the_gradient(run_config, tmp_path, capsys) -> None:
    benchmark("training_memory").main(run_config, scenes=tmp_path / "scenes", voxels=400)
    lines = dict(re.findall(r"recompute (\w+) +([0-9.]+) kB a voxel", capsys.readouterr().out))
    assert 0.0 < float(lines["true"]) < float(lines["false"])
