import sys
from dataclasses import replace
from types import ModuleType

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from clickseg3d_core.errors import CloudError, ConfigError
from clickseg3d_core.model.attention import attend, attend_flash, flash_attention_usable
from clickseg3d_core.model.blocks import drop_rows
from clickseg3d_core.model.encoder import EncoderConfig, PointEncoder
from clickseg3d_core.model.grid import EncoderLevel, VoxelBatch
from clickseg3d_core.model.levels import build_levels
from clickseg3d_core.model.patches import plan_patches
from clickseg3d_core.model.pooling import ClusterMax, GatherParents
from clickseg3d_core.model.serialization import CURVES

SMALL = EncoderConfig(
    in_channels=3,
    enc_depths=(1, 2, 4),
    enc_channels=(8, 16, 32),
    enc_heads=(1, 2, 2),
    dec_depths=(1, 2),
    dec_channels=(8, 16),
    dec_heads=(1, 2),
    patch_size=32,
)


def shell(voxels: int, seed: int, side: int = 40) -> Tensor:
    """Voxel indices of a bumpy sheet with a wall, in random order."""
    generator = torch.Generator().manual_seed(seed)
    plane = torch.randint(0, side, (4 * voxels, 2), generator=generator)
    height = (plane[:, 0] // 3 + plane[:, 1] // 5) % 7
    sheet = torch.cat([plane, height[:, None]], dim=1)
    sheet[::3] = sheet[::3][:, [0, 2, 1]]
    unique = torch.unique(sheet, dim=0)
    return unique[torch.randperm(len(unique), generator=generator)][:voxels]


def features_of(coords: Tensor, seed: int = 0) -> Tensor:
    return torch.randn(len(coords), 3, generator=torch.Generator().manual_seed(seed))


def encoder_of(config: EncoderConfig, seed: int = 0) -> PointEncoder:
    """An encoder with random weights and statistics that differ from their initial values."""
    encoder = PointEncoder(config)
    generator = torch.Generator().manual_seed(seed)
    for name, value in encoder.state_dict().items():
        if value.is_floating_point():
            noise = torch.rand(value.shape, generator=generator) - 0.5
            scale = 1.0 if value.ndim == 1 else 3.5 / value.shape[-1] ** 0.5
            value.copy_(scale * noise + (1.0 if name.endswith(("norm.weight", "_var")) else 0.0))
    return encoder.eval()


def encode(encoder: PointEncoder, clouds: list[Tensor], inputs: list[Tensor]) -> list[EncoderLevel]:
    batch = torch.cat([torch.full((len(c),), i) for i, c in enumerate(clouds)])
    with torch.no_grad():
        return encoder(VoxelBatch(torch.cat(clouds), batch), torch.cat(inputs))


@pytest.mark.parametrize("backbone", ["ptv3", "sparse_unet"])
@pytest.mark.parametrize("sizes", [(300, 260), (700, 3), (1, 500, 33), (32, 64, 65)])
def test_cloud_in_a_batch_is_encoded_as_if_alone(sizes: tuple[int, ...], backbone: str) -> None:
    encoder = encoder_of(replace(SMALL, backbone=backbone))
    # Clouds of different extent: the largest index must not decide for the others either.
    clouds = [shell(size, seed, side=20 << seed) for seed, size in enumerate(sizes)]
    inputs = [features_of(cloud, seed) for seed, cloud in enumerate(clouds)]
    together = encode(encoder, clouds, inputs)
    for index, (cloud, values) in enumerate(zip(clouds, inputs, strict=True)):
        alone = encode(encoder, [cloud], [values])
        for ours, theirs in zip(together, alone, strict=True):
            mine = ours.batch == index
            assert torch.equal(ours.coords[mine], theirs.coords)
            torch.testing.assert_close(ours.features[mine], theirs.features, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("backbone", ["ptv3", "sparse_unet"])
def test_order_of_rows_changes_order_of_output_only(backbone: str) -> None:
    encoder = encoder_of(replace(SMALL, backbone=backbone))
    coords = shell(400, 1)
    values = features_of(coords)
    order = torch.randperm(len(coords), generator=torch.Generator().manual_seed(9))
    straight = encode(encoder, [coords], [values])
    mixed = encode(encoder, [coords[order]], [values[order]])
    for ours, theirs in zip(straight, mixed, strict=True):
        torch.testing.assert_close(
            theirs.features[theirs.finest_to_level],
            ours.features[ours.finest_to_level][order],
            atol=1e-5,
            rtol=1e-5,
        )
    assert torch.equal(mixed[-1].coords, coords[order])


def test_same_input_gives_the_same_bytes_whatever_the_random_state() -> None:
    encoder = encoder_of(SMALL)
    coords = shell(300, 2)
    first = encode(encoder, [coords], [features_of(coords)])
    torch.rand(7)
    second = encode(encoder, [coords], [features_of(coords)])
    assert all(torch.equal(a.features, b.features) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("padding", ["balanced", "borrow"])
@pytest.mark.parametrize("voxels", [1, 2])
def test_tiny_clouds_are_encoded_and_trained(voxels: int, padding: str) -> None:
    encoder = encoder_of(replace(SMALL, padding=padding)).train()
    coords = torch.tensor([[0, 0, 0], [9, 0, 3]])[:voxels]
    levels = encoder(
        VoxelBatch(coords, torch.zeros(voxels, dtype=torch.int64)), features_of(coords)
    )
    torch.stack([level.features.square().sum() for level in levels]).sum().backward()
    assert [len(level.coords) for level in levels] == [voxels] * 3
    gradient = encoder.encoder[0].blocks[0].cpe.linear.weight.grad
    assert gradient is not None
    assert gradient.isfinite().all()


def test_levels_come_coarsest_first_with_the_parent_of_each_voxel() -> None:
    encoder = encoder_of(SMALL)
    coords = shell(500, 3)
    levels = encode(encoder, [coords], [features_of(coords)])
    assert [level.stride for level in levels] == [4, 2, 1]
    assert encoder.out_channels == (32, 16, 8)
    assert tuple(level.features.shape[1] for level in levels) == encoder.out_channels
    for level in levels:
        assert torch.equal(level.coords[level.finest_to_level], coords // level.stride)
        assert len(torch.unique(level.coords, dim=0)) == len(level.coords)
    assert torch.equal(levels[-1].finest_to_level, torch.arange(500))


def test_clouds_at_the_same_place_stay_apart_at_every_level() -> None:
    encoder = encoder_of(SMALL)
    place = torch.tensor([[0, 0, 0]])
    levels = encode(encoder, [place, place, place], [features_of(place, s) for s in range(3)])
    assert [level.batch.tolist() for level in levels] == [[0, 1, 2]] * 3
    assert [level.finest_to_level.tolist() for level in levels] == [[0, 1, 2]] * 3


def test_cached_levels_give_the_same_features() -> None:
    encoder = encoder_of(SMALL)
    coords = shell(200, 4)
    grid = VoxelBatch(coords, torch.zeros(200, dtype=torch.int64))
    fresh = encoder(grid, features_of(coords))
    cached = encoder(grid, features_of(coords), levels=encoder.build_levels(grid))
    assert torch.equal(fresh[-1].features, cached[-1].features)


def test_every_level_sees_far_beyond_one_voxel() -> None:
    encoder = encoder_of(SMALL)
    coords = shell(300, 5)
    values = features_of(coords)
    changed = values.clone()
    changed[17] += 1.0
    before, after = (encode(encoder, [coords], [v])[-1].features for v in (values, changed))
    assert ((before - after).abs().amax(dim=1) > 1e-6).sum() > 200


def test_gradients_of_the_network_equal_finite_differences() -> None:
    encoder = encoder_of(SMALL).double()
    coords = shell(24, 6, side=8)
    grid = VoxelBatch(coords, torch.arange(24) // 14)
    levels = encoder.build_levels(grid)

    def outputs(values: Tensor) -> tuple[Tensor, ...]:
        return tuple(level.features for level in encoder(grid, values, levels=levels))

    values = features_of(coords).double().requires_grad_()
    assert torch.autograd.gradcheck(outputs, (values,), fast_mode=True)


def test_every_parameter_gets_a_gradient() -> None:
    encoder = encoder_of(SMALL).train()
    coords = shell(300, 7)
    levels = encoder(VoxelBatch(coords, torch.zeros(300, dtype=torch.int64)), features_of(coords))
    torch.stack([level.features.square().mean() for level in levels]).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_curves_are_shuffled_in_training_only_and_by_the_generator() -> None:
    encoder = encoder_of(replace(SMALL, drop_path=0.0))
    for module in encoder.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.momentum = 0.0
    coords = shell(300, 8)
    grid = VoxelBatch(coords, torch.zeros(300, dtype=torch.int64))

    def run(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            return encoder(grid, features_of(coords), generator=generator)[-1].features

    assert torch.equal(run(0), run(1))
    encoder.train()
    assert torch.equal(run(0), run(0))
    assert len({tuple(run(seed)[0].tolist()) for seed in range(6)}) > 3


def test_dropped_rows_keep_the_mean_and_come_from_the_generator() -> None:
    branch = torch.ones(20000, 2)
    draws = [
        drop_rows(branch, 0.25, True, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    ]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(draws[0].unique(), torch.tensor([0.0, 1 / 0.75]))
    assert abs(draws[0].mean().item() - 1.0) < 0.02
    assert torch.equal(draws[0][:, 0], draws[0][:, 1])
    assert drop_rows(branch, 0.25, False, None) is branch


@pytest.mark.parametrize("backbone", ["ptv3", "sparse_unet"])
def test_recomputed_blocks_have_the_same_gradients_and_draw_chance_once(backbone: str) -> None:
    encoder = encoder_of(replace(SMALL, drop_path=0.4, backbone=backbone)).train()
    coords = shell(300, 3)
    grid = VoxelBatch(coords, torch.zeros(len(coords), dtype=torch.int64))
    results = []
    for saving in (False, True):
        encoder.recompute(saving)
        encoder.zero_grad()
        generator = torch.Generator().manual_seed(5)
        output = encoder(grid, features_of(coords), generator=generator)[-1].features
        output.square().mean().backward()
        gradients = [p.grad.clone() for p in encoder.parameters() if p.grad is not None]
        results.append((output.detach(), gradients, torch.rand(3, generator=generator)))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][2], results[1][2])
    for one, other in zip(results[0][1], results[1][1], strict=True):
        assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("counts", [[1], [31, 33], [64, 65, 3], [200, 7]])
@pytest.mark.parametrize("padding", ["balanced", "borrow"])
def test_patches_cover_each_cloud_and_never_mix_clouds(counts: list[int], padding: str) -> None:
    total, size = sum(counts), 32
    generator = torch.Generator().manual_seed(1)
    clouds = torch.arange(total).split(counts)
    sequence = torch.cat([part[torch.randperm(len(part), generator=generator)] for part in clouds])
    plan = plan_patches(sequence, counts, size, padding)
    assert torch.equal(plan.gather[plan.restore], torch.arange(total))
    lengths = [length for count, length in plan.runs for _ in range(count)]
    assert max(lengths) <= size
    assert plan.bounds.tolist() == [0, *torch.tensor(lengths).cumsum(0).tolist()]
    cloud_of = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    patches = [set(cloud_of[part].tolist()) for part in plan.gather.split(lengths)]
    assert all(len(on) == 1 for on in patches)
    for index, n in enumerate(counts):
        own = [length for length, on in zip(lengths, patches, strict=True) if on == {index}]
        assert len(own) == -(-n // size)
        if padding == "balanced":
            assert sum(own) == n
            assert max(own) - min(own) <= 1
        else:
            assert own == ([n] if n <= size else [size] * len(own))


def test_borrowed_rows_are_those_before_the_last_patch() -> None:
    plan = plan_patches(torch.arange(10), [10], 4, "borrow")
    assert plan.gather.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 6, 7]


def test_attention_is_softmax_within_each_patch() -> None:
    generator = torch.Generator().manual_seed(3)
    qkv = torch.randn(11, 24, generator=generator)
    output = attend(qkv, ((2, 4), (1, 3)), heads=2)
    for start, stop in ((0, 4), (4, 8), (8, 11)):
        q, k, v = qkv[start:stop].view(-1, 3, 2, 4).unbind(1)
        weights = torch.einsum("ihc,jhc->hij", q, k).mul(0.5).softmax(dim=-1)
        expected = torch.einsum("hij,jhc->ihc", weights, v).reshape(-1, 8)
        torch.testing.assert_close(output[start:stop], expected)


def test_flash_path_passes_patches_as_flash_attn_wants_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stand_in(packed: Tensor, bounds: Tensor, longest: int) -> Tensor:
        assert bounds.dtype == torch.int32
        assert longest == bounds.diff().max()
        parts = packed.tensor_split(bounds[1:-1].long())
        return torch.cat(
            [
                scaled_dot_product_attention(*part.permute(1, 2, 0, 3)).transpose(0, 1)
                for part in parts
            ]
        )

    module = ModuleType("flash_attn")
    module.flash_attn_varlen_qkvpacked_func = stand_in
    monkeypatch.setitem(sys.modules, "flash_attn", module)
    qkv = torch.randn(90, 24, generator=torch.Generator().manual_seed(4))
    plan = plan_patches(torch.arange(90).flip(0), [70, 20], 32, "balanced")
    torch.testing.assert_close(attend_flash(qkv, plan, 2), attend(qkv, plan.runs, 2))
    assert not flash_attention_usable(qkv.half())


def test_pooling_takes_the_maximum_of_children_and_unpooling_copies_it_back() -> None:
    coords = shell(200, 9)
    grid = VoxelBatch(coords, torch.zeros(200, dtype=torch.int64))
    level, coarse = build_levels(
        grid, num_levels=2, orders=CURVES, patch_size=32, stem_kernel=3, padding="balanced"
    )
    pooling = level.pooling
    values = torch.randn(200, 4, generator=torch.Generator().manual_seed(5), requires_grad=True)
    index = pooling.cluster[:, None].expand(-1, 4)
    wanted = torch.full((len(coarse.coords), 4), -torch.inf).scatter_reduce(
        0, index, values, "amax"
    )
    pooled = ClusterMax.apply(values, pooling)
    assert torch.equal(pooled, wanted)
    probe = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(6))
    gradients = [torch.autograd.grad((x * probe).sum(), values)[0] for x in (pooled, wanted)]
    assert torch.equal(*gradients)
    spread = GatherParents.apply(pooled, pooling)
    assert torch.equal(spread, pooled[pooling.cluster])
    (gradient,) = torch.autograd.grad(spread.sum(), pooled)
    assert torch.equal(gradient[:, 0], torch.bincount(pooling.cluster).float())


def count(config: EncoderConfig) -> float:
    return sum(p.numel() for p in PointEncoder(config).parameters()) / 1e6


def test_default_has_as_many_parameters_as_upstream() -> None:
    assert count(EncoderConfig()) == pytest.approx(46.17, abs=0.01)


def test_paper_sized_backbone_leaves_room_for_the_decoder() -> None:
    # Table 5 counts 128.5 MiB of float32 weights, 33.7 M, of which the decoder has about 4 M.
    paper = replace(
        EncoderConfig(), enc_channels=(32, 64, 128, 256, 256), enc_heads=(2, 4, 8, 16, 16)
    )
    assert 28.0 < count(paper) < 31.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"enc_channels": (8, 16)}, "enc_channels must have 3"),
        ({"dec_depths": (1, 1, 1)}, "dec_depths must have 2"),
        ({"orders": ("z", "peano")}, "orders must be"),
        ({"orders": ()}, "orders must be"),
        ({"patch_size": 0}, "patch_size"),
        ({"stem_kernel": 4}, "stem_kernel must be odd"),
        ({"drop_path": 1.0}, "drop_path"),
        ({"backbone": "resnet"}, "backbone must be"),
        ({"padding": "zeros"}, "padding must be"),
        ({"enc_heads": (3, 2, 2)}, "heads must divide"),
    ],
)
def test_bad_config_raises_config_error(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PointEncoder(replace(SMALL, **change))


@pytest.mark.parametrize(
    ("coords", "batch", "message"),
    [
        (torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), "V >= 1"),
        (torch.zeros(2, 3, dtype=torch.int64), torch.zeros(1, dtype=torch.int64), "batch"),
        (torch.zeros(1, 3), torch.zeros(1, dtype=torch.int64), "integers"),
        (torch.tensor([[0, -1, 0]]), torch.tensor([0]), "voxel indices must be in"),
        (torch.tensor([[0, 0, 65536]]), torch.tensor([0]), "voxel indices must be in"),
        (torch.tensor([[0, 0, 1], [0, 0, 2]]), torch.tensor([1, 0]), "ascend"),
    ],
)
def test_bad_grid_raises_cloud_error(coords: Tensor, batch: Tensor, message: str) -> None:
    with pytest.raises(CloudError, match=message):
        VoxelBatch(coords, batch)


def test_features_that_do_not_fit_raise_cloud_error() -> None:
    grid = VoxelBatch(shell(5, 0), torch.zeros(5, dtype=torch.int64))
    with pytest.raises(CloudError, match=r"features must be \(5, 3\)"):
        encoder_of(SMALL)(grid, torch.zeros(5, 4))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("padding", ["balanced", "borrow"])
def test_cuda_features_equal_cpu(padding: str) -> None:
    encoder = encoder_of(replace(SMALL, padding=padding))
    coords = shell(700, 1)
    batch = torch.arange(700) // 500
    values = features_of(coords)
    with torch.no_grad():
        cpu = encoder(VoxelBatch(coords, batch), values)[-1].features
        grid = VoxelBatch(coords.cuda(), batch.cuda())
        gpu = encoder.cuda()(grid, values.cuda())[-1].features.cpu()
    torch.testing.assert_close(gpu, cpu, atol=1e-3, rtol=1e-3)
