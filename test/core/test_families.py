"""The networks that the paper compares with."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
import yaml
from conftest import boxes_scene

from clickseg3d_core import Clicks, ClickSegmenter, ConfigError, PointCloud
from clickseg3d_core.checkpoint import save_checkpoint
from clickseg3d_core.config import from_dict, load_yaml, to_dict
from clickseg3d_core.data.scene import save_scene
from clickseg3d_core.evaluation.single_object import evaluate_scene
from clickseg3d_core.model.adaptor import StageOutput
from clickseg3d_core.model.agile import _blocked, order_encoding
from clickseg3d_core.model.decoder_config import DecoderConfig
from clickseg3d_core.model.families import build_net
from clickseg3d_core.model.features import input_features
from clickseg3d_core.model.grid import VoxelBatch
from clickseg3d_core.model.interobject import near
from clickseg3d_core.model.memory import ClickQueries
from clickseg3d_core.model.network import CLICK_CHANNELS, ModelConfig
from clickseg3d_core.surface import describe_surface
from clickseg3d_core.training.baseline_losses import competition_loss
from clickseg3d_core.training.episodes import ClickConfig, first_clicks
from clickseg3d_core.training.loop import read_config, train
from clickseg3d_core.training.losses import LossConfig, Targets
from clickseg3d_core.training.optimization import freeze_norms
from clickseg3d_core.training.samples import SampleStream
from clickseg3d_core.training.step import Batch, TrainingStep
from clickseg3d_core.voxels import voxelize

FAMILIES = ("interobject3d", "agile3d")


def family_config(tiny_config: ModelConfig, family: str) -> ModelConfig:
    """The tiny network of a family."""
    plain = {f.name: False for f in fields(DecoderConfig) if f.type == "bool"}
    encoder = tiny_config.encoder
    if family == "interobject3d":
        encoder = replace(encoder, in_channels=encoder.in_channels + CLICK_CHANNELS)
    decoder = replace(tiny_config.decoder, **plain)
    return replace(tiny_config, name=family, family=family, encoder=encoder, decoder=decoder)


def made(config: ModelConfig):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_net(config)


def encoded(net, cloud: PointCloud, size=0.05):
    grid = voxelize(cloud, size)
    batch = VoxelBatch(
        coords=torch.from_numpy(grid.coords), batch=torch.zeros(len(grid), dtype=torch.int64)
    )
    inputs = input_features(net.config.inputs, grid, describe_surface(grid))
    features, centers = torch.from_numpy(inputs), torch.from_numpy(grid.centers)
    return grid, net.encode(batch, features, centers)[0]


def clicks_at(grid, rows, objects, background=None, episode=None) -> ClickQueries:
    k = len(rows)
    return ClickQueries(
        rows=torch.tensor(rows),
        positions=torch.from_numpy(grid.centers[rows]),
        object_index=torch.tensor(objects),
        is_background=torch.tensor(background or [False] * k),
        episode=torch.tensor(episode or [0] * k),
        paths=torch.zeros(k, 0, len(grid)),
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_every_layer_answers_and_gradients_flow(family, tiny_config, two_boxes):
    net = made(family_config(tiny_config, family)).train()
    grid, memory = encoded(net, two_boxes[0])
    outputs = net.decode(memory, clicks_at(grid, [5, 60, 90], [0, 1, 1]))
    assert len(outputs) == (1 if family == "interobject3d" else net.config.decoder.stages)
    for output in outputs:
        assert output.mask_logits.shape == (3, len(grid))
        assert output.class_logits is None
    sum(output.mask_logits.square().mean() for output in outputs).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    last = net.eval().decode(memory, clicks_at(grid, [5, 60, 90], [0, 1, 1]), last_only=True)
    assert len(last) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_public_api_runs_them_unchanged(family, tiny_config, two_boxes, tmp_path):
    net = made(family_config(tiny_config, family)).eval()
    save_checkpoint(net, tmp_path / family, training={})
    segmenter = ClickSegmenter.load(tmp_path / family, device="cpu")
    cloud, ids = two_boxes
    encoding = segmenter.encode(cloud, 0.05)
    spots = cloud.xyz[[np.flatnonzero(ids == i)[0] for i in (1, 2, 0)]]
    result = segmenter.segment(encoding, Clicks(spots, np.array([1, 2, 0])))
    assert result.labels.shape == (len(cloud),)
    assert [i.id for i in result.instances] == [1, 2]
    assert [i.class_name for i in result.instances] == ["", ""]
    records = evaluate_scene(segmenter, boxes_scene(two_boxes), clicks=2, voxel_size=0.05)
    assert len(records) == 3
    assert from_dict(ModelConfig, to_dict(segmenter.config)) == net.config


@pytest.mark.parametrize("family", FAMILIES)
def test_episodes_do_not_see_each_other(family, tiny_config, two_boxes):
    net = made(family_config(tiny_config, family)).eval()
    grid, memory = encoded(net, two_boxes[0])
    both = net.decode(memory, clicks_at(grid, [5, 60], [0, 1], episode=[0, 1]))[-1]
    alone = net.decode(memory, clicks_at(grid, [5], [0]))[-1]
    rivals = net.decode(memory, clicks_at(grid, [5, 60], [0, 1]))[-1]
    assert torch.allclose(both.mask_logits[0], alone.mask_logits[0], atol=1e-4)
    assert not torch.allclose(rivals.mask_logits[0], alone.mask_logits[0], atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_batch_answers_as_its_clouds(family, tiny_config, two_boxes):
    net = made(family_config(tiny_config, family)).eval()
    cloud, _ = two_boxes
    half = PointCloud(cloud.xyz[:4000], cloud.rgb[:4000])
    parts, coords, centers, features = [], [], [], []
    for part in (cloud, half):
        grid = voxelize(part, 0.05)
        parts.append(grid)
        coords.append(torch.from_numpy(grid.coords))
        centers.append(torch.from_numpy(grid.centers))
        inputs = input_features(net.config.inputs, grid, describe_surface(grid))
        features.append(torch.from_numpy(inputs))
    batch = torch.repeat_interleave(torch.arange(2), torch.tensor([len(c) for c in coords]))
    grids = VoxelBatch(coords=torch.cat(coords), batch=batch)
    memories = net.encode(grids, torch.cat(features), torch.cat(centers))
    for part, memory, which in zip((cloud, half), memories, parts, strict=True):
        _, own = encoded(net, part)
        clicks = clicks_at(which, [5, 60], [0, 1])
        together, alone = net.decode(memory, clicks)[-1], net.decode(own, clicks)[-1]
        assert torch.allclose(together.mask_logits, alone.mask_logits, atol=1e-4)


def test_click_channels_are_cubes_of_three_voxels():
    centers = torch.tensor([[0.5, 0.5, 0.5], [1.5, 1.4, 0.5], [1.6, 0.5, 0.5], [0.5, 0.5, -0.4]])
    clicks = torch.tensor([[0.5, 0.5, 0.5]])
    assert near(centers, clicks).tolist() == [1.0, 1.0, 0.0, 1.0]
    assert near(centers, clicks[:0]).tolist() == [0.0] * 4


def test_background_clicks_of_interobject3d_claim_nothing(tiny_config, two_boxes):
    net = made(family_config(tiny_config, "interobject3d")).eval()
    grid, memory = encoded(net, two_boxes[0])
    clicks = clicks_at(grid, [5, 60], [0, 1], [False, True])
    masks = net.decode(memory, clicks)[-1].mask_logits
    assert torch.isinf(masks[1]).all()
    assert torch.isfinite(masks[0]).all()
    alone = net.decode(memory, clicks_at(grid, [5], [0]))[-1].mask_logits
    assert not torch.allclose(masks[0], alone[0], atol=1e-5)


def test_agile3d_knows_the_order_of_clicks(tiny_config, two_boxes):
    net = made(family_config(tiny_config, "agile3d")).eval()
    grid, memory = encoded(net, two_boxes[0])
    one = net.decode(memory, clicks_at(grid, [5, 60], [0, 1]))[-1].mask_logits
    other = net.decode(memory, clicks_at(grid, [60, 5], [1, 0]))[-1].mask_logits
    assert not torch.allclose(one, other.flip(0), atol=1e-4)


def test_order_encoding_is_that_of_transformers():
    code = order_encoding(3, 4, torch.device("cpu"))
    assert code[2].tolist() == pytest.approx(
        [math.sin(2), math.cos(2), math.sin(0.02), math.cos(0.02)], abs=1e-6
    )


def test_queries_look_at_what_they_hold_or_at_everything():
    logits = torch.tensor([[3.0, 0, 0], [0, 0, 1], [1, 2, 0], [0, -9, 0]])
    # the last two are background; object 1 has voxel 0, background voxel 1, object 2 voxel 2
    blocked = _blocked(logits, torch.tensor([1, 2, 0, 0]))
    assert blocked.tolist() == [
        [False, True, True], [True, True, False], [True, False, True], [True, False, True],
    ]  # fmt: skip
    nothing = _blocked(torch.tensor([[0.0, 0], [1, 1], [0, 0]]), torch.tensor([1, 2, 0]))
    assert nothing.tolist() == [[False, False]] * 3


def test_flat_scan_has_finite_positions(tiny_config, two_boxes):
    net = made(family_config(tiny_config, "agile3d")).eval()
    cloud = PointCloud(two_boxes[0].xyz[:3000], two_boxes[0].rgb[:3000])  # the floor
    grid, memory = encoded(net, cloud)
    assert torch.isfinite(net.decode(memory, clicks_at(grid, [5], [0]))[-1].mask_logits).all()


def test_competition_loss_on_hand_computed_values():
    """Two voxels at the click and one far away; one object and one background click."""
    masks = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    targets = Targets(
        masks=masks,
        known=torch.tensor([True, False, True]),
        classes=torch.tensor([-1, -1]),
        counted=torch.tensor([True, True]),
    )
    clicks = ClickQueries(
        rows=torch.tensor([0, 0]),
        positions=torch.zeros(2, 3),
        object_index=torch.tensor([0, 1]),
        is_background=torch.tensor([False, True]),
        episode=torch.tensor([0, 0]),
        paths=torch.zeros(2, 0, 3),
    )
    logits = torch.tensor([[2.0, 5.0, 1.0], [-1.0, 0.0, 3.0]])
    output = StageOutput(mask_logits=logits, class_logits=None)
    centers = torch.tensor([[0.0, 0, 0], [1, 0, 0], [50, 0, 0]])
    loss, terms = competition_loss([output], clicks, targets, centers, LossConfig())
    near_p = math.exp(2) / (math.exp(2) + math.exp(0))  # background: the learned 0 beats -1
    far_p = math.exp(3) / (math.exp(3) + math.exp(1))  # background: the click's 3 beats 0
    entropy = (2.0 * -math.log(near_p) + 0.8 * -math.log(far_p)) / 2
    dice = (2.0 * (1 - near_p) + 0.8 * (1 - far_p)) / 2
    assert terms["bce"] == pytest.approx(entropy, rel=1e-5)
    assert terms["dice"] == pytest.approx(dice, rel=1e-5)
    assert float(loss) == pytest.approx(4.0 * entropy + 2.0 * dice, rel=1e-5)


def test_training_clicks_of_interobject3d(rng):
    centers = rng.uniform(0, 30, (4000, 3)).astype(np.float32)
    instance = np.where((np.abs(centers - 15.0) < 4.0).all(axis=1), 1, 2)
    settings = ClickConfig(together=False, single_episodes=30, positives=5, negatives=15,
                           max_clicks=400)  # fmt: skip
    episodes = first_clicks(centers, instance, settings, rng)
    assert set(np.unique(episodes.episode)) == set(range(30))
    counts = [
        ((episodes.episode == e) & (episodes.is_background == b)).sum()
        for b in (False, True)
        for e in range(30)
    ]
    assert set(counts[:30]) == {1, 2, 3, 4, 5}
    assert min(counts[30:]) >= 1
    assert max(counts[30:]) <= 15
    on_box = np.isin(episodes.episode, np.unique(episodes.episode[(episodes.target == 1)
                     & ~episodes.is_background]))  # fmt: skip
    beside = episodes.rows[on_box & episodes.is_background]
    assert (np.abs(centers[beside] - 15.0) <= 4.0 * 1.2 + 1.0).all()
    assert (instance[beside] == 2).all()
    few = first_clicks(centers, instance, replace(settings, max_clicks=12), rng)
    assert len(few.rows) <= 12


@pytest.mark.parametrize("name", ["agile3d", "interobject3d", "interobject3d_plus"])
def test_families_train_and_load(name, config_folder, tmp_path, two_boxes, tiny_config):
    """The shipped training configs, with a tiny network."""
    (tmp_path / "scenes").mkdir()
    save_scene(boxes_scene(two_boxes), tmp_path / "scenes" / "a.npz")
    config, model = read_config(config_folder / "train" / f"{name}.yaml")
    tiny = family_config(tiny_config, model.family)
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(to_dict(tiny)))
    overrides = [
        f"model={tmp_path / 'model.yaml'}", f"scenes={tmp_path / 'scenes'}", "validation=null",
        "steps=2", "max_voxels=800", "workers=0", "threads=1", "accelerator=cpu",
        "clicks.correct=1.0",
    ]  # fmt: skip
    checkpoint = train(config_folder / "train" / f"{name}.yaml", overrides, tmp_path / "run")
    segmenter = ClickSegmenter.load(checkpoint, device="cpu")
    assert segmenter.config.family == model.family == config.model.stem
    log = yaml.safe_load((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert math.isfinite(log["loss"])
    assert log["step"] == 2


def test_frozen_norms_stay_frozen_while_users_correct(
    tiny_config, config_folder, two_boxes, tmp_path
):
    """InterObject3D runs its backbone after the answers that users correct, too."""
    save_scene(boxes_scene(two_boxes), tmp_path / "a.npz")
    config = family_config(tiny_config, "interobject3d")
    settings = [f"scenes={tmp_path}", "max_voxels=600", "clicks.correct=1.0"]
    run, _ = read_config(config_folder / "train" / "interobject3d_plus.yaml", settings)
    stream = SampleStream(run, config.inputs, config.target_voxels, with_paths=False)
    step = TrainingStep(made(config), run).train()
    freeze_norms(step.net)
    before = {n: b.clone() for n, b in step.net.named_buffers() if "running" in n}
    step(Batch(stream[0]), torch.Generator().manual_seed(0))
    assert before
    assert all(torch.equal(dict(step.net.named_buffers())[n], b) for n, b in before.items())
    assert step.net.training


def test_switches_of_another_family_raise_config_error(tiny_config):
    with pytest.raises(ConfigError, match=r"agile3d has no .*votes"):
        replace(tiny_config, family="agile3d")


def test_clicks_of_interobject3d_are_inputs(tiny_config):
    config = family_config(tiny_config, "interobject3d")
    encoder = replace(config.encoder, in_channels=config.encoder.in_channels - 2)
    with pytest.raises(ConfigError, match="2 for clicks among them"):
        replace(config, encoder=encoder)


@pytest.mark.parametrize(("name", "low", "high"), [
    ("interobject3d", 4.5e6, 7e6), ("agile3d", 6e6, 8.3e6),
])  # fmt: skip
def test_shipped_configs_have_the_backbone_of_ours(name, low, high, config_folder):
    config = from_dict(ModelConfig, load_yaml(config_folder / "model" / f"{name}.yaml"))
    ours = from_dict(ModelConfig, load_yaml(config_folder / "model" / "small.yaml"))
    assert config.inputs == ours.inputs
    assert replace(config.encoder, in_channels=ours.encoder.in_channels) == ours.encoder
    net = build_net(config)
    backbone = sum(p.numel() for p in net.encoder.parameters())
    whole = sum(p.numel() for p in net.parameters())
    assert low <= whole <= high
    if name == "agile3d":  # the published decoder has about 1.43 M parameters
        assert whole - backbone == pytest.approx(1.43e6, rel=0.05)
