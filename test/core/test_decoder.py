from dataclasses import replace

import numpy as np
import pytest
import torch

from clickseg3d_core.config import from_dict, load_yaml, to_dict
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.model.decoder_config import DecoderConfig
from clickseg3d_core.model.features import input_features
from clickseg3d_core.model.geometry import (
    ClickView,
    fourier_angles,
    fourier_features,
    rival_costs,
    turned_weights,
)
from clickseg3d_core.model.grid import VoxelBatch
from clickseg3d_core.model.memory import ClickQueries
from clickseg3d_core.model.network import ClickSegmentationNet, ModelConfig, merge_clicks
from clickseg3d_core.surface import describe_surface, path_costs
from clickseg3d_core.voxels import voxelize


def encoded(net, cloud, size=0.05):
    grid = voxelize(cloud, size)
    surface = describe_surface(grid)
    batch = VoxelBatch(
        coords=torch.from_numpy(grid.coords), batch=torch.zeros(len(grid), dtype=torch.int64)
    )
    features = torch.from_numpy(input_features(net.config.inputs, grid, surface))
    return grid, surface, net.encode(batch, features, torch.from_numpy(grid.centers))[0]


def queries(grid, surface, rows, objects, background=None, episode=None, kinds=2):
    rows = np.array(rows)
    k = len(rows)
    surface_paths = path_costs(surface.graph, rows)
    learned = np.minimum(surface_paths * 1.5, 512.0)  # any second kind of path
    return ClickQueries(
        rows=torch.from_numpy(rows),
        positions=torch.from_numpy(grid.centers[rows]),
        object_index=torch.tensor(objects),
        is_background=torch.tensor(background or [False] * k),
        episode=torch.tensor(episode or [0] * k),
        paths=torch.from_numpy(np.stack([surface_paths, learned][:kinds], axis=1)),
    )


def test_turned_weights_depend_on_the_offset_only(rng):
    wavelengths = torch.tensor([4.0, 16.0])
    voxels, clicks = torch.rand(7, 3) * 50, torch.rand(3, 3) * 50
    weights = torch.randn(3, 1, 12)

    def term(shift):
        turned = turned_weights(weights, fourier_angles(clicks + shift, wavelengths))
        return turned[:, 0] @ fourier_features(fourier_angles(voxels + shift, wavelengths))

    assert torch.allclose(term(0.0), term(torch.tensor([13.0, -5.0, 2.5])), atol=1e-3)
    offset = voxels[None] - clicks[:, None]  # (K, V, 3)
    angles = fourier_angles(offset.flatten(0, 1), wavelengths)
    direct = fourier_features(angles).view(12, 3, 7)
    expected = torch.einsum("kt,tkv->kv", weights[:, 0], direct)
    assert torch.allclose(term(0.0), expected, atol=1e-3)


def test_view_linear_is_the_sum_of_its_terms():
    view = ClickView(
        radial=torch.rand(2, 8, 5), fourier=torch.rand(6, 5), click_angles=torch.zeros(2, 3)
    )
    weights = torch.rand(2, 4, 14)
    expected = torch.einsum("khr,krv->khv", weights[..., :8], view.radial)
    expected = expected + torch.einsum("kha,av->khv", weights[..., 8:], view.fourier)
    assert torch.allclose(view.linear(weights), expected, atol=1e-6)


def test_rivals_are_the_nearest_click_of_anything_else_in_the_episode():
    path = torch.tensor([[1.0, 9], [5, 2], [3, 3], [0, 0]])
    rival = rival_costs(path, torch.tensor([0, 0, 1, 2]), torch.tensor([0, 0, 0, 1]), 99.0)
    assert rival.tolist() == [[3, 3], [3, 3], [1, 2], [99, 99]]


def test_rivals_against_a_direct_computation(rng):
    path = torch.from_numpy(rng.uniform(0, 90, (12, 40)))
    owner = torch.from_numpy(rng.integers(0, 5, 12))
    rival = rival_costs(path, owner, torch.zeros(12, dtype=torch.int64), 99.0)
    for k in range(12):
        others = owner != owner[k]
        assert torch.equal(rival[k], path[others].min(dim=0).values)


def test_merged_mask_is_the_largest_of_its_clicks():
    logits = torch.tensor([[1.0, -2], [0, 5], [7, 7]])
    merged = merge_clicks(logits, torch.tensor([1, 1, 0]), 2)
    assert merged.tolist() == [[7, 7], [1, 5]]


def test_every_stage_answers_and_shapes_fit(tiny_net, two_boxes):
    cloud, _ = two_boxes
    grid, surface, memory = encoded(tiny_net, cloud)
    outputs = tiny_net.decode(memory, queries(grid, surface, [5, 60, 90], [0, 1, 1]))
    assert len(outputs) == tiny_net.config.decoder.stages
    for output in outputs:
        voxels = len(grid) if output is outputs[-1] else len(memory.coarse_level.centers)
        assert output.mask_logits.shape == (3, voxels)
        assert (output.rows is None) == (output is outputs[-1])
        assert output.class_logits.shape == (3, len(tiny_net.config.class_names))


def test_many_clicks_answer_as_few_at_a_time(tiny_net, two_boxes, monkeypatch):
    cloud, _ = two_boxes
    grid, surface, memory = encoded(tiny_net, cloud)
    clicks = queries(grid, surface, [5, 60, 90, 120, 7], [0, 1, 1, 2, 3])
    whole = tiny_net.decode(memory, clicks)
    monkeypatch.setattr("clickseg3d_core.model.views.CLICKS_AT_ONCE", 2)
    parts = tiny_net.decode(memory, clicks)
    for one, other in zip(whole, parts, strict=True):
        assert torch.allclose(one.mask_logits, other.mask_logits, atol=1e-4)
        assert torch.allclose(one.class_logits, other.class_logits, atol=1e-4)
    last = tiny_net.decode(memory, clicks, last_only=True)
    assert len(last) == 1
    assert torch.equal(last[0].mask_logits, parts[-1].mask_logits)


@torch.no_grad()
def test_an_answer_does_not_depend_on_the_clicks_before(tiny_net, two_boxes, monkeypatch):
    cloud, _ = two_boxes
    grid, surface, memory = encoded(tiny_net, cloud)
    clicks = queries(grid, surface, [5, 60, 5, 90], [0, 1, 0, 2])
    fresh = tiny_net.decode(memory, clicks)[-1].mask_logits
    assert torch.equal(fresh, tiny_net.decode(memory, clicks)[-1].mask_logits)
    # room for one click's terms only, and other clicks in between
    monkeypatch.setattr("clickseg3d_core.kept._KEPT_BYTES", 1)
    tiny_net.decode(memory, queries(grid, surface, [7, 90, 60], [0, 0, 1]))
    assert torch.equal(fresh, tiny_net.decode(memory, clicks)[-1].mask_logits)
    assert len(memory.terms) == 1
    with torch.enable_grad():
        learning = tiny_net.decode(memory, clicks)[-1].mask_logits
    assert torch.equal(fresh, learning)


def test_episodes_do_not_see_each_other(tiny_net, two_boxes):
    cloud, _ = two_boxes
    grid, surface, memory = encoded(tiny_net, cloud)
    both = tiny_net.decode(memory, queries(grid, surface, [5, 60], [0, 1], episode=[0, 1]))[-1]
    alone = tiny_net.decode(memory, queries(grid, surface, [5], [0]))[-1]
    assert torch.allclose(both.mask_logits[0], alone.mask_logits[0], atol=1e-5)


def test_a_rival_click_changes_the_answer(tiny_net, two_boxes):
    cloud, _ = two_boxes
    grid, surface, memory = encoded(tiny_net, cloud)
    together = tiny_net.decode(memory, queries(grid, surface, [5, 60], [0, 1]))[-1]
    alone = tiny_net.decode(memory, queries(grid, surface, [5], [0]))[-1]
    assert not torch.allclose(together.mask_logits[0], alone.mask_logits[0], atol=1e-3)


@pytest.mark.parametrize(
    "switch",
    [
        "semantic_embedding",
        "spatial_embedding",
        "class_head",
        "mask_head",
        "query_adaptor",
        "path_prior",
        "learned_paths",
        "votes",
        "colors",
        "mask_bias",
        "coarse_masks",
        "fourier_encoding",
    ],
)
def test_every_switch_changes_the_network(switch, tiny_config, two_boxes):
    """Rows 3-7 of Table 4 and our own: each trains, and each does something."""
    cloud, _ = two_boxes
    answers = []
    for value in (True, False):
        torch.manual_seed(0)
        decoder = replace(tiny_config.decoder, **{switch: value})
        net = ClickSegmentationNet(replace(tiny_config, decoder=decoder))
        for parameter in net.decoder.parameters():
            torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(1))
        grid, surface, memory = encoded(net.train(), cloud)
        kinds = decoder.path_kinds
        outputs = net.decode(memory, queries(grid, surface, [5, 60], [0, 1], kinds=kinds))
        sum(output.mask_logits.square().mean() for output in outputs).backward()
        assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)
        assert (outputs[-1].class_logits is None) == (switch == "class_head" and not value)
        answers.append(outputs[-1].mask_logits.detach())
    assert not torch.allclose(answers[0], answers[1])


@pytest.mark.parametrize("count", [4, 70])
def test_free_prototypes_are_mapped_to_the_classes(count, tiny_config, two_boxes):
    """Fig. 6b: fewer or more prototypes than the 35 classes."""
    decoder = replace(tiny_config.decoder, prototypes=count)
    net = ClickSegmentationNet(replace(tiny_config, decoder=decoder)).train()
    assert net.decoder.prototypes.shape == (count, decoder.channels)
    grid, surface, memory = encoded(net, two_boxes[0])
    outputs = net.decode(memory, queries(grid, surface, [5, 60], [0, 1]))
    assert all(output.class_logits.shape == (2, 35) for output in outputs)
    sum(output.class_logits.square().mean() for output in outputs).backward()
    assert net.decoder.prototypes.grad.abs().sum() > 0
    assert net.decoder.adaptors[0].to_classes.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(("semantic", "spatial"), [(8, None), (None, 8), (64, 24)])
def test_embeddings_have_the_width_asked_for(semantic, spatial, tiny_config, two_boxes):
    """Fig. 6a."""
    decoder = replace(tiny_config.decoder, semantic_channels=semantic, spatial_channels=spatial)
    net = ClickSegmentationNet(replace(tiny_config, decoder=decoder)).eval()
    width = decoder.channels
    assert net.decoder.prototypes.shape == (35, semantic or width)
    fused = net.decoder.adaptors[0].fuse[0]
    assert fused.in_features == width + (semantic or width) + (spatial or width)
    grid, surface, memory = encoded(net, two_boxes[0])
    output = net.decode(memory, queries(grid, surface, [5, 60], [0, 1]))[-1]
    assert torch.isfinite(output.mask_logits).all()
    assert output.class_logits.shape == (2, 35)


@pytest.mark.parametrize("name", ["prototypes", "semantic_channels", "spatial_channels"])
def test_sizes_of_embeddings_must_be_positive(name, tiny_config):
    with pytest.raises(ConfigError, match=name):
        replace(tiny_config.decoder, **{name: 0})


def test_coarse_masks_stand_for_the_voxels_around_them(tiny_net, two_boxes):
    grid, _, memory = encoded(tiny_net, two_boxes[0])
    level = memory.coarse_level
    assert torch.equal(level.coarse, torch.arange(len(level.centers)))
    finest = memory.levels[-1]
    assert torch.equal(finest.finest_row, torch.arange(len(grid)))
    apart = (level.centers[finest.coarse] - memory.centers).abs().max()
    assert float(apart) < 2.0  # a voxel of the second finest level is two voxels wide
    assert torch.equal(memory.coarse_features, memory.features[level.finest_row])


def test_sparse_unet_encoder_is_a_switch(tiny_config, two_boxes):
    """Row 2 of Table 4."""
    encoder = replace(tiny_config.encoder, backbone="sparse_unet")
    net = ClickSegmentationNet(replace(tiny_config, encoder=encoder)).eval()
    grid, surface, memory = encoded(net, two_boxes[0])
    assert torch.isfinite(
        net.decode(memory, queries(grid, surface, [5], [0]))[-1].mask_logits
    ).all()


@pytest.mark.parametrize(
    ("name", "low", "high"), [("paper", 33.0e6, 34.5e6), ("small", 6e6, 8.3e6), ("tiny", 0, 5e5)]
)
def test_sizes_of_the_three_configs(name, low, high, config_folder):
    config = from_dict(ModelConfig, load_yaml(config_folder / "model" / f"{name}.yaml"))
    net = ClickSegmentationNet(config)
    assert low <= sum(p.numel() for p in net.parameters()) <= high
    assert len(config.class_names) == 35


def test_config_survives_plain_values(tiny_config):
    assert from_dict(ModelConfig, to_dict(tiny_config)) == tiny_config


def test_inputs_must_fit_the_encoder(tiny_config):
    with pytest.raises(ConfigError, match="in_channels"):
        replace(tiny_config, inputs=("color",))


def test_heads_must_divide_channels():
    with pytest.raises(ConfigError, match="multiple of heads"):
        DecoderConfig(channels=30, heads=4)
