import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from clickseg3d_core import CheckpointError, ClickSegmenter, ConfigError
from clickseg3d_core.data.augment import AugmentConfig, augment
from clickseg3d_core.data.distortion import auto_contrast, elastic_distortion
from clickseg3d_core.data.scene import Scene, save_scene
from clickseg3d_core.evaluation.single_object import evaluate_scene
from clickseg3d_core.model.adaptor import StageOutput
from clickseg3d_core.training.auxiliary import AuxiliaryConfig, DensePredictions, dense_loss
from clickseg3d_core.training.config import TrainConfig
from clickseg3d_core.training.episodes import ClickConfig, Episodes, corrected, first_clicks
from clickseg3d_core.training.loop import read_config, train
from clickseg3d_core.training.losses import (
    LossConfig,
    Targets,
    binary_cross_entropy,
    dice,
    segmentation_loss,
)
from clickseg3d_core.training.optimization import learning_rate
from clickseg3d_core.training.samples import SampleStream


def boxes_scene(two_boxes):
    cloud, ids = two_boxes
    return Scene(
        xyz=cloud.xyz.astype(np.float32),
        rgb=cloud.rgb,
        instance=(ids + 1).astype(np.int32),
        instance_class=np.array([-1, 1, 19, 19], np.int16),
    )


@pytest.fixture
def run_config(tmp_path, two_boxes, config_folder):
    """A training config on one scene of two boxes, and its file."""
    (tmp_path / "scenes").mkdir()
    save_scene(boxes_scene(two_boxes), tmp_path / "scenes" / "a.npz")
    values = {
        "model": str(config_folder / "model" / "tiny.yaml"),
        "scenes": str(tmp_path / "scenes"),
        "output": str(tmp_path / "run"),
        "steps": 6,
        "max_voxels": 1500,
        "voxel_range": [1.0, 1.5],
        "accelerator": "cpu",
        "workers": 0,
        "validate_every": 0,
    }
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def rows_of(run: Path):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_losses_on_hand_computed_values():
    logits = torch.tensor([[0.0, 0.0], [100.0, -100.0]])
    masks = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert torch.allclose(
        binary_cross_entropy(logits, masks), torch.tensor([np.log(2.0), 0.0]).float()
    )
    # eq. 10 with epsilon 1: 1 - (2 * 0.5 + 1) / (1 + 1 + 1), and 1 - 3 / 3
    assert torch.allclose(dice(logits, masks), torch.tensor([1 / 3, 0.0]), atol=1e-6)


def targets(masks, classes, known=None, counted=None):
    masks = torch.tensor(masks)
    return Targets(
        masks=masks,
        known=torch.tensor(known if known is not None else [True] * masks.shape[1]),
        classes=torch.tensor(classes),
        counted=torch.tensor(counted if counted is not None else [True] * len(masks)),
    )


def test_total_loss_is_the_weighted_mean_over_stages():
    wanted = targets([[1.0, 0.0]], [2])
    stages = [
        StageOutput(mask_logits=torch.tensor([[a, b]]), class_logits=torch.zeros(1, 4))
        for a, b in ((0.0, 0.0), (3.0, -2.0))
    ]
    weights = LossConfig(bce=2.0, dice=3.0, ce=0.5)
    total, terms = segmentation_loss(stages, torch.tensor([0]), wanted, weights)
    expected = 0.0
    for stage in stages:
        expected += 2.0 * float(binary_cross_entropy(stage.mask_logits, wanted.masks))
        expected += 3.0 * float(dice(stage.mask_logits, wanted.masks)) + 0.5 * np.log(4.0)
    assert float(total) == pytest.approx(expected / 2, rel=1e-5)
    assert set(terms) == {"bce", "dice", "ce"}


@pytest.mark.parametrize("switch", ["bce", "dice", "ce"])
def test_each_loss_term_is_a_switch(switch):
    """Rows 8-10 of Table 4."""
    stage = StageOutput(
        mask_logits=torch.tensor([[0.3, -0.2]]), class_logits=torch.tensor([[1.0, 0.0]])
    )
    wanted = targets([[1.0, 0.0]], [1])
    full, terms = segmentation_loss([stage], torch.tensor([0]), wanted, LossConfig())
    off = replace(LossConfig(), **{switch: 0.0})
    less, _ = segmentation_loss([stage], torch.tensor([0]), wanted, off)
    assert float(full - less) == pytest.approx(
        getattr(LossConfig(), switch) * terms[switch], rel=1e-4
    )


def test_unlabelled_voxels_and_uncounted_columns_do_not_count():
    base = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0]], requires_grad=True)
    wanted = targets(
        [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]], [-1, -1], [True, True, False], [True, False]
    )
    stage = StageOutput(mask_logits=base, class_logits=None)
    segmentation_loss([stage], torch.tensor([0, 1]), wanted, LossConfig())[0].backward()
    assert base.grad[0, :2].abs().min() > 0
    assert base.grad[0, 2] == 0
    assert not base.grad[1].any()


def test_first_clicks_lie_on_their_targets(rng):
    centers = rng.uniform(0, 30, (2000, 3)).astype(np.float32)
    instance = (centers[:, 0] // 10).astype(np.int64) + 1
    episodes = first_clicks(centers, instance, ClickConfig(background=1.0), rng)
    objects = ~episodes.is_background
    assert (instance[episodes.rows[objects]] == episodes.target[objects]).all()
    assert len(np.unique(episodes.episode)) == 1 + ClickConfig().single_episodes
    for number in np.unique(episodes.episode)[1:]:
        mine = episodes.episode == number
        assert len(np.unique(episodes.target[mine & objects])) == 1
    assert episodes.is_background.any()


def test_instances_of_a_few_voxels_are_not_clicked(rng):
    centers = rng.uniform(0, 30, (100, 3)).astype(np.float32)
    instance = np.zeros(100, np.int64)
    instance[:9] = 1
    assert first_clicks(centers, instance, ClickConfig(), rng) is None


def test_clicks_are_bounded(rng):
    centers = rng.uniform(0, 30, (3000, 3)).astype(np.float32)
    instance = rng.integers(1, 20, 3000)
    settings = ClickConfig(several=1.0, max_clicks=20)
    for _ in range(20):
        assert len(first_clicks(centers, instance, settings, rng).rows) <= 20


def test_correction_clicks_go_where_the_answer_is_wrong():
    centers = np.c_[np.arange(40.0), np.zeros(40), np.zeros(40)].astype(np.float32)
    instance = np.repeat([1, 2], 20).astype(np.int64)
    episodes = Episodes(
        rows=np.array([5]), target=np.array([1]), is_background=np.array([False]),
        episode=np.array([0]),
    )  # fmt: skip
    answer = np.zeros((1, 40), np.int64)
    answer[0, :31] = 1  # 11 voxels too many
    rng = np.random.default_rng(1)
    line = np.c_[np.arange(39), np.arange(1, 40)]
    more = corrected(episodes, centers, instance, answer, line, ClickConfig(), rng)
    assert len(more.rows) == 2
    assert more.rows[1] == 25
    assert more.is_background[1]
    assert more.target[1] == 2  # the instance that the background click lies on


def test_some_corrections_go_to_an_edge_that_is_right():
    centers = np.c_[np.arange(40.0), np.zeros(40), np.zeros(40)].astype(np.float32)
    instance = np.repeat([1, 2], 20).astype(np.int64)
    episodes = Episodes(
        rows=np.array([5]), target=np.array([1]), is_background=np.array([False]),
        episode=np.array([0]),
    )  # fmt: skip
    right = np.where(instance == 1, 1, 0)[None]
    line = np.c_[np.arange(39), np.arange(1, 40)]
    seen = {}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        more = corrected(episodes, centers, instance, right, line, ClickConfig(edge=1.0), rng)
        for row, background in zip(more.rows[1:], more.is_background[1:], strict=True):
            seen[int(row)] = bool(background)
    assert seen == {19: False, 20: True}  # without `edge` nobody would click at all


def test_columns_group_clicks_by_object_and_split_background_clicks():
    episodes = Episodes(
        rows=np.arange(5), target=np.array([7, 7, 3, 7, 3]),
        is_background=np.array([False, False, False, True, True]),
        episode=np.array([0, 0, 0, 0, 0]),
    )  # fmt: skip
    index = episodes.object_index()
    assert index[0] == index[1]
    assert len(np.unique(index)) == 4
    assert sorted(np.unique(index)) == [0, 1, 2, 3]


def test_augmentation_keeps_labels_with_points_and_can_drop_color(two_boxes, rng):
    scene = boxes_scene(two_boxes)
    settings = AugmentConfig(tumble=0, tilt_degrees=0, thin=0, scale=(2.0, 2.0), drop_color=1.0)
    changed = augment(scene, settings, rng)
    assert changed.rgb is None
    assert np.array_equal(changed.instance, scene.instance)
    for i in (1, 2, 3):
        size = np.linalg.norm(scene.xyz[scene.instance == i].std(axis=0))
        other = np.linalg.norm(changed.xyz[changed.instance == i].std(axis=0))
        assert other == pytest.approx(2 * size, rel=1e-3)


def plain_augment(**changes) -> AugmentConfig:
    """No change but those asked for, and a turn about z."""
    off = AugmentConfig(
        tumble=0, tilt_degrees=0, flip=0, scale=(1, 1), thin=0, drop_color=0, gray=0, retone=False
    )
    return replace(off, **changes)


def test_elastic_distortion_bends_smoothly(rng):
    xyz = np.stack(np.meshgrid(*[np.linspace(0, 2, 21)] * 3, indexing="ij"), axis=-1)
    moved = elastic_distortion(xyz.reshape(-1, 3), 0.4, 0.3, rng).reshape(xyz.shape) - xyz
    assert 0.02 < moved.std() < 0.3
    assert np.diff(moved, axis=0).std() < 0.4 * moved.std()  # neighbors, 10 cm apart


def test_elastic_distortion_of_a_large_scene_needs_little_memory(rng):
    xyz = rng.uniform(0, 500, (1000, 3))
    moved = elastic_distortion(xyz, 0.2, 0.4, rng)
    assert np.isfinite(moved).all()
    assert 0 < np.abs(moved - xyz).max() < 3


def test_elastic_distortion_is_a_switch(two_boxes):
    scene = boxes_scene(two_boxes)
    still = augment(scene, plain_augment(), np.random.default_rng(3)).xyz
    bent = augment(scene, plain_augment(elastic=((0.2, 0.4),)), np.random.default_rng(3)).xyz
    assert 0.001 < np.linalg.norm(bent - still, axis=1).mean() < 0.5


def test_dropout_keeps_the_fraction_asked_for(two_boxes, rng):
    scene = boxes_scene(two_boxes)
    settings = plain_augment(thin=1.0, thin_keep=(0.8, 0.8))
    kept = len(augment(scene, settings, rng).xyz) / len(scene.xyz)
    assert kept == pytest.approx(0.8, abs=0.02)


def test_auto_contrast_stretches_each_channel(rng):
    color = rng.uniform(0.2, 0.6, (500, 3)).astype(np.float32)
    full = auto_contrast(color, 1.0)
    assert np.allclose(full.min(axis=0), 0.0, atol=1e-6)
    assert np.allclose(full.max(axis=0), 1.0, atol=1e-6)
    assert np.allclose(auto_contrast(color, 0.5), (color + full) / 2, atol=1e-6)
    assert np.isfinite(auto_contrast(np.full((5, 3), 0.5, np.float32), 1.0)).all()


def test_chromatic_changes_are_switches(two_boxes, rng):
    scene = boxes_scene(two_boxes)
    assert np.array_equal(augment(scene, plain_augment(), rng).rgb, scene.rgb)
    shifted = augment(scene, plain_augment(color_shift=0.05), rng).rgb.astype(int) - scene.rgb
    assert len(np.unique(shifted[scene.rgb[:, 0] == 200], axis=0)) == 1
    assert 0 < np.abs(shifted).max() <= 14
    noisy = augment(scene, plain_augment(color_noise=0.05), rng).rgb.astype(int) - scene.rgb
    assert noisy[:3000].std() == pytest.approx(0.05 * 255, rel=0.15)
    stretched = augment(scene, plain_augment(auto_contrast=1.0), rng).rgb
    assert stretched.max() > scene.rgb.max()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"thin_keep": (0.9, 0.3)}, "thin_keep"), ({"elastic": ((0.0, 0.4),)}, "elastic")],
)
def test_impossible_augmentation_raises_config_error(changes, message):
    with pytest.raises(ConfigError, match=message):
        AugmentConfig(**changes)


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
    rates = [learning_rate(step, config) for step in range(100)]
    assert np.argmax(rates) in (9, 10)
    assert rates[0] == pytest.approx(0.1)
    assert rates[-1] < 0.02


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


def dense(weights, edges=(50.0, -50.0), votes=None):
    """Loss of three voxels, the last unlabelled, two of class 2 in one object around (1, 0, 0)."""
    centers = torch.tensor([[0.0, 0, 0], [2.0, 0, 0], [8.0, 0, 0], [9.0, 0, 0]])
    logits = torch.zeros(4, 3)
    logits[:, 2] = 50.0
    predictions = DensePredictions(
        classes=logits,
        votes=centers if votes is None else votes,
        edges=torch.tensor(edges),
    )
    pairs = torch.tensor([[0, 1], [1, 3]])
    instance, classes = torch.tensor([1, 1, 0, 2]), torch.tensor([-1, 2, 2])
    return dense_loss(predictions, centers, pairs, instance, classes, weights)


def test_dense_losses_are_zero_for_right_answers():
    right = torch.tensor([[1.0, 0, 0], [1.0, 0, 0], [0.0, 0, 0], [9.0, 0, 0]])
    loss, terms = dense(AuxiliaryConfig(), votes=right)
    assert float(loss) == pytest.approx(0.0, abs=1e-5)
    assert set(terms) == {"semantic", "center", "affinity"}


def test_dense_losses_weigh_objects_by_root_size_and_borders_more():
    weights = AuxiliaryConfig(semantic=1.0, center=1.0, affinity=1.0, border=4.0)
    loss, terms = dense(weights, edges=(0.0, 0.0))
    # two voxels 1 voxel = 1/16 unit from their center, each of share 2**-0.5 / (2 * 2**-0.5 + 1)
    share = 2**-0.5 / (2 * 2**-0.5 + 1)
    assert terms["center"] == pytest.approx(2 * share * 0.5 / 256, rel=1e-4)
    assert terms["affinity"] == pytest.approx(np.log(2.0), rel=1e-5)
    assert float(loss) == pytest.approx(sum(terms.values()), rel=1e-4)
    _, wrong_inside = dense(weights, edges=(-1.0, -50.0))
    _, wrong_border = dense(weights, edges=(50.0, 1.0))
    assert wrong_border["affinity"] == pytest.approx(4 * wrong_inside["affinity"], rel=1e-4)
    off, _ = dense(AuxiliaryConfig(semantic=0.0, center=0.0, affinity=0.0), edges=(0.0, 0.0))
    assert float(off) == 0.0
