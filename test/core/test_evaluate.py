"""Evaluation into a folder: resumed, shared between processes, scored again, reported."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import boxes_scene

from clickseg3d_core import CheckpointError, CloudError, ConfigError, cli
from clickseg3d_core.checkpoint import save_checkpoint
from clickseg3d_core.data.scene import load_scene, save_scene
from clickseg3d_core.datasets.episodes import folder_episodes
from clickseg3d_core.evaluation.evaluate import Share, evaluate
from clickseg3d_core.evaluation.methods import MethodConfig
from clickseg3d_core.evaluation.protocol import protocol_named
from clickseg3d_core.evaluation.results import read_results
from clickseg3d_core.evaluation.work import Evaluation, tasks
from clickseg3d_core.model.network import ClickSegmentationNet
from clickseg3d_core.segmenter import ClickSegmenter

COST = "cost"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, tiny_config) -> Path:
    """A tiny network with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = ClickSegmentationNet(tiny_config)
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    save_checkpoint(net.eval(), folder, training={})
    return folder


@pytest.fixture
def scenes(two_boxes, tmp_path) -> Path:
    """Two scenes of a floor with two boxes."""
    folder = tmp_path / "boxes"
    folder.mkdir()
    scene = boxes_scene(two_boxes)
    save_scene(scene, folder / "a.npz")
    turned = scene.xyz[:, [1, 0, 2]] * np.array([1, -1, 1], np.float32)
    save_scene(replace(scene, xyz=turned), folder / "b.npz")
    return folder


@pytest.fixture
def evaluation(checkpoint, scenes) -> Evaluation:
    return Evaluation(
        method=MethodConfig(checkpoint=str(checkpoint)),
        data=folder_episodes(scenes, "single", 0),
        protocol=replace(protocol_named("agile3d-single"), clicks=2, voxel_size=0.02),
    )


def without_cost(folder: Path) -> tuple[list, dict]:
    """Trace and results of a folder, but for what differs from run to run."""
    lines = [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]
    results = read_results(folder)
    return [{k: v for k, v in line.items() if k != COST} for line in lines], {
        k: v for k, v in results.items() if k != COST
    }


def test_any_number_of_processes_gives_the_same(evaluation, tmp_path):
    evaluate(evaluation, tmp_path / "one")
    expected = without_cost(tmp_path / "one")
    assert len(expected[0]) == 1 + 6  # 2 scenes with 3 objects each
    assert expected[1]["figures"]["iou"]["2"] > 0.3

    evaluate(evaluation, tmp_path / "workers", workers=2)
    assert without_cost(tmp_path / "workers") == expected

    shares = tmp_path / "shares"
    assert evaluate(evaluation, shares, share=Share(rank=1, world=2)) is None
    assert not (shares / "results.json").exists()
    assert evaluate(evaluation, shares, share=Share(rank=0, world=2)) is not None
    assert without_cost(shares) == expected
    assert sorted(p.name for p in shares.iterdir()) == ["results.json", "trace.jsonl"]


def test_a_run_that_was_cut_short_goes_on(evaluation, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    evaluate(evaluation, whole)
    text = (whole / "trace.jsonl").read_text()
    for length in (len(text) // 3, len(text) - 10, 40):
        cut.mkdir(exist_ok=True)
        (cut / "trace.jsonl").write_text(text[:length])
        (cut / "results.json").unlink(missing_ok=True)
        counts: list[tuple[int, int]] = []
        evaluate(evaluation, cut, progress=lambda *count, to=counts: to.append(count))
        assert counts[0] == (max(text[:length].count("\n") - 1, 0), 6)
        assert counts[-1] == (6, 6)
        assert without_cost(cut) == without_cost(whole)


def test_a_folder_of_another_evaluation_is_left_alone(evaluation, tmp_path):
    evaluate(evaluation, tmp_path / "out")
    before = (tmp_path / "out" / "trace.jsonl").read_text()
    other = replace(evaluation, protocol=replace(evaluation.protocol, clicks=4))
    with pytest.raises(ConfigError, match=r"protocol\.clicks is 4 now and was 2"):
        evaluate(other, tmp_path / "out")
    assert (tmp_path / "out" / "trace.jsonl").read_text() == before


@pytest.mark.parametrize(
    ("frame", "axis", "up"),
    [(None, None, None), ("world", None, (0, 0, 1)), ("world", "-y", (0, -1, 0))],
)
def test_up_is_what_the_scans_or_the_caller_say(
    evaluation, scenes, tmp_path, monkeypatch, frame, axis, up
):
    meta = {} if frame is None else {"frame": frame}
    for path in scenes.iterdir():
        save_scene(replace(load_scene(path), meta=meta), path)
    asked = []
    encode = ClickSegmenter.encode
    monkeypatch.setattr(
        ClickSegmenter, "encode", lambda *given: asked.append(given[3]) or encode(*given)
    )
    evaluate(replace(evaluation, method=replace(evaluation.method, up=axis)), tmp_path / "out")
    assert set(asked) == {up}


def test_what_cannot_be_evaluated(evaluation, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="needs multi-object episodes"):
        replace(evaluation, protocol=protocol_named("agile3d-multi"))
    with pytest.raises(ConfigError, match="workers must be 1 or more"):
        evaluate(evaluation, tmp_path / "out", workers=0)
    with pytest.raises(ConfigError, match="the baseline is region-growing"):
        MethodConfig(baseline="magic")
    with pytest.raises(CloudError, match="up must be one of"):
        MethodConfig(up="z")
    nowhere = replace(evaluation, method=MethodConfig(checkpoint=str(tmp_path)))
    with pytest.raises(CheckpointError, match="no checkpoint"):
        evaluate(nowhere, tmp_path / "out")
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match=r"RANK must be 0\.\.WORLD_SIZE - 1"):
        Share.of_environment()
    monkeypatch.setenv("RANK", "1")
    assert Share.of_environment() == Share(rank=1, world=2)


def test_a_scene_with_many_episodes_is_shared_out(evaluation):
    episodes = evaluation.data.episodes * 20
    found = tasks(episodes)
    assert [len(task.episodes) for task in found] == [16, 16, 16, 12] * 2
    assert {task.scene for task in found[:4]} == {"a"}


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        cli.main([str(a) for a in arguments])
    return int(stopped.value.code or 0)


def test_evaluate_score_and_report(checkpoint, scenes, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="pip install 'clickseg3d[report]'")
    net, growing, again = tmp_path / "net", tmp_path / "growing", tmp_path / "again.json"
    common = ("--clicks", 2, "--protocol-voxel", "auto", "--domain", "in-domain")
    assert run("evaluate", checkpoint, scenes, "-o", net, "--trained-on", "nothing",
               "--label", "w/o BCE Loss", "--setting", "queries=50", "--setting", "width=32",
               "--data-name", "ScanNet40", *common) == 0  # fmt: skip
    assert run("evaluate", "shipped", scenes, "-o", growing, "--baseline", "region-growing",
               *common) == 0  # fmt: skip
    assert "IoU@2" in capsys.readouterr().out
    assert run("score", net, "--json", again, "--csv", tmp_path / "r.csv") == 0
    assert json.loads(again.read_text()) == read_results(net)
    assert run("score", tmp_path / "r.csv") == 0
    assert run("report", net, growing, "-o", tmp_path / "report") == 0
    text = (tmp_path / "report" / "report.md").read_text()
    rows = [line for line in text.splitlines() if "measured" in line]
    assert any("ScanNet40" in r and "nothing" in r and "in-domain" in r for r in rows)
    assert any(r.startswith("| 8. w/o BCE Loss") for r in rows)
    assert any("region growing" in r and "boxes" in r for r in rows)
    for name in ("figure4.png", "figure5.png", "figure6.png"):
        assert (tmp_path / "report" / name).stat().st_size > 5000
        assert name in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--protocol", "best"), "protocol must be one of"),
        (("--protocol-voxel", "thin"), "--protocol-voxel must be metres or auto"),
        (("--domain", "home"), "--domain must be"),
        (("--setting", "width"), "--setting is written name=number"),
    ],
)
def test_bad_options_are_one_line(arguments, message, checkpoint, scenes, tmp_path, capsys):
    assert run("evaluate", checkpoint, scenes, "-o", tmp_path / "out", *arguments) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error


def test_a_report_needs_results(tmp_path, capsys):
    assert run("report", tmp_path, "-o", tmp_path / "report") == 2
    assert "results.json cannot be read" in capsys.readouterr().err
