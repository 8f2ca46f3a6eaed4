import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import boxes_scene

from clickseg3d_core import CheckpointError, ClickSegmenter, ConfigError
from clickseg3d_core.checkpoint import load_checkpoint
from clickseg3d_core.data.scene import save_scene
from clickseg3d_core.evaluation.single_object import evaluate_scene
from clickseg3d_core.training.config import TrainConfig
from clickseg3d_core.training.loop import read_config, strategy_for, train
from clickseg3d_core.training.optimization import learning_rate
from clickseg3d_core.training.samples import SampleStream


def rows_of(run: Path):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_scenes_of_another_vocabulary_are_translated_by_name(run_config, two_boxes):
    scene = boxes_scene(two_boxes)
    names = ("box", "unicorn", "floor")
    classes = np.array([-1, 2, 0, 1], np.int16)
    save_scene(
        replace(scene, instance_class=classes, class_names=names),
        run_config.parent / "scenes" / "a.npz",
    )
    config, model = read_config(run_config, [])
    stream = SampleStream(config, model.inputs, model.target_voxels, class_names=model.class_names)
    assert stream[0][0].instance_class.tolist() == [-1, 1, 19, -1]
    own = SampleStream(config, model.inputs, model.target_voxels, class_names=names)
    assert own[0][0].instance_class.tolist() == [-1, 2, 0, 1]


def test_sample_stream_depends_on_the_step_only(run_config):
    config, model = read_config(run_config)
    first = SampleStream(config, model.inputs, model.target_voxels)[4][0]
    stream = SampleStream(config, model.inputs, model.target_voxels)
    for step in (0, 1, 4):
        sample = stream[step][0]
    assert np.array_equal(first.features, sample.features)
    assert np.array_equal(first.episodes.rows, sample.episodes.rows)
    assert len(first.coords) <= 1.05 * 1500  # counted again from the crop's own corner
    assert not np.array_equal(stream[5][0].features, sample.features)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_resumed_run_equals_uninterrupted_run(optimizer, run_config, tmp_path):
    settings = [f"optimizer={optimizer}"]
    whole = train(run_config, settings, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(run_config, [*settings, "checkpoint_minutes=0.0"], tmp_path / "parts",
              progress=_stop_after(4))  # fmt: skip
    parts = train(run_config, settings, tmp_path / "parts", resume=True)
    assert (whole / "model.safetensors").read_bytes() == (parts / "model.safetensors").read_bytes()
    a, b = rows_of(tmp_path / "whole"), rows_of(tmp_path / "parts")
    assert a[-1]["step"] == b[-1]["step"] == 6
    state = torch.load(tmp_path / "parts" / "training_state.pt", weights_only=True)
    turned = any("momentum" in own for own in state["optimizer"]["state"].values())
    assert turned == (optimizer == "muon")


def _stop_after(steps):
    def progress(step, total, figures):
        if step == steps:
            raise KeyboardInterrupt

    return progress


def test_clicks_at_edges_reach_the_loss(run_config, tmp_path):
    losses = []
    for edge in (0.0, 1.0):
        settings = ["clicks.rounds=3", "clicks.correct=1.0", f"clicks.edge={edge}"]
        train(run_config, settings, output=tmp_path / str(edge))
        losses.append(rows_of(tmp_path / str(edge))[-1]["loss"])
    assert losses[0] != losses[1]


def test_users_go_on_correcting(run_config, tmp_path):
    """More rounds mean more clicks in a step, up to the limit."""
    clicks = []
    for number, limit in ((1, 60), (4, 60), (4, 8)):
        out = tmp_path / f"{number}_{limit}"
        settings = [f"clicks.rounds={number}", "clicks.correct=1.0", f"clicks.max_clicks={limit}"]
        train(run_config, settings, output=out)
        clicks.append(rows_of(out)[-1]["clicks"])
    assert clicks[2] <= 8 < clicks[0] < clicks[1] <= 60


def test_second_run_in_a_folder_needs_resume(run_config, tmp_path):
    train(run_config, ["steps=1"], tmp_path / "run")
    with pytest.raises(ConfigError, match="--resume"):
        train(run_config, ["steps=1"], tmp_path / "run")


def test_nothing_to_resume_raises_checkpoint_error(run_config, tmp_path):
    with pytest.raises(CheckpointError, match="cannot be resumed"):
        train(run_config, [], tmp_path / "new", resume=True)


def test_resume_with_another_model_raises_checkpoint_error(run_config, tmp_path):
    train(run_config, ["steps=1"], tmp_path / "run")
    with pytest.raises(CheckpointError, match="another model config"):
        train(run_config, ["model_settings.decoder.heads=4"], tmp_path / "run", resume=True)


def test_folder_without_scenes_raises_config_error(run_config, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"holds no .npz scene"):
        train(run_config, [f"scenes={tmp_path / 'empty'}"], tmp_path / "run")


@pytest.mark.parametrize("name", ["small", "tiny"])
def test_shipped_training_configs_read(config_folder, name):
    config, model = read_config(config_folder / "train" / f"{name}.yaml")
    assert isinstance(config, TrainConfig)
    assert model.name == name


def test_schedule_rises_then_falls(run_config):
    config = replace(read_config(run_config)[0], steps=100, warmup=0.1, learning_rate=1.0)
    rates = [learning_rate((step + 1) / 100, config) for step in range(100)]
    assert np.argmax(rates) in (9, 10)
    assert rates[0] == pytest.approx(0.1)
    assert rates[-1] < 0.02


def test_the_schedule_has_an_end_and_a_beginning_at_any_share(run_config):
    config = replace(read_config(run_config)[0], warmup=0.1, learning_rate=1.0)
    assert 0.0 < learning_rate(0.0, config) < learning_rate(0.05, config) < 0.6
    assert learning_rate(1.0, config) == pytest.approx(0.01)
    assert learning_rate(0.5, replace(config, warmup=0.0)) < 1.0


def test_a_time_limit_ends_a_run_with_its_cycle(run_config, tmp_path):
    folder = train(run_config, ["steps=100000", "minutes=0.06", "warmup=0"], tmp_path / "run")
    last = rows_of(tmp_path / "run")[-1]
    assert 0 < last["step"] < 100000
    assert last["lr"] < 0.9 * read_config(run_config)[0].learning_rate
    assert load_checkpoint(folder)[1]["training"]["step"] == last["step"]


def test_a_time_limit_must_be_above_zero(run_config):
    with pytest.raises(ConfigError, match="minutes must be above 0 or null, got 0"):
        read_config(run_config, ["minutes=0"])


def test_training_in_bfloat16_runs_and_stays_finite(run_config, tmp_path):
    train(run_config, ["steps=2", "precision=bf16-mixed"], tmp_path / "run")
    assert np.isfinite([row["loss"] for row in rows_of(tmp_path / "run")]).all()


def test_frozen_norms_keep_their_statistics(run_config, tmp_path):
    def statistics(*overrides):
        folder = train(
            run_config, ["steps=2", *overrides], tmp_path / "_".join(["run", *overrides])
        )
        net = ClickSegmenter.load(folder, device="cpu").net
        return [m.running_mean for m in net.modules() if isinstance(m, torch.nn.BatchNorm1d)]

    assert all(bool((mean == 0).all()) for mean in statistics("freeze_norm=0"))
    assert any(bool((mean != 0).any()) for mean in statistics("freeze_norm=1"))


@pytest.mark.slow
def test_training_on_one_scene_learns_it(run_config, tmp_path, two_boxes):
    scores = []
    for steps in (1, 80):
        settings = [f"steps={steps}", "augment.thin=0.0", "learning_rate=0.004", "ema=0.9"]
        folder = train(run_config, settings, tmp_path / f"run{steps}")
        segmenter = ClickSegmenter.load(folder, device="cpu")
        records = evaluate_scene(segmenter, boxes_scene(two_boxes), clicks=1, voxel_size=0.03)
        scores.append(np.mean([record.ious[0] for record in records]))
    assert scores[1] > 0.8  # voxels on the border belong to both, so not 1
    assert scores[1] > scores[0] + 0.1


def test_damaged_state_raises_checkpoint_error(run_config, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "training_state.pt").write_bytes(b"garbage" * 100)
    with pytest.raises(CheckpointError, match="cannot be resumed"):
        train(run_config, [], tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("steps=[", "no YAML"),
        ("accelerator=tpu", "accelerator must be"),
        ("clicks.candidates=0", "clicks.candidates must be"),
        ("precision=foo", "precision"),
    ],
)
def test_impossible_values_raise_config_error(override, message, run_config, tmp_path):
    with pytest.raises(ConfigError, match=message):
        train(run_config, [override], tmp_path / "run")


def test_processes_share_gpus_only_where_there_are_more_of_them():
    assert strategy_for(1, 1, 0) == "auto"
    assert strategy_for(1, 1, 1) == "auto"
    for processes, gpus in ((2, 0), (2, 2), (2, 4)):
        strategy = strategy_for(processes, 1, gpus)
        assert strategy.process_group_backend is None
        assert not strategy.parallel_devices
    shared = strategy_for(5, 1, 2)
    assert shared.process_group_backend == "gloo"
    assert [device.index for device in shared.parallel_devices] == [0, 1, 0, 1, 0]
