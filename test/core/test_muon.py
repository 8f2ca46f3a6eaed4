"""Muon, the optimizer of hidden layers."""

import pytest
import torch
from torch import distributed, multiprocessing, nn

from clickseg3d_core.model.network import ClickSegmentationNet
from clickseg3d_core.training import muon
from clickseg3d_core.training.config import TrainConfig
from clickseg3d_core.training.loop import read_config
from clickseg3d_core.training.muon import Muon, is_hidden, orthogonal, shares
from clickseg3d_core.training.optimization import optimizer_of


@pytest.mark.parametrize("shape", [(40, 40), (32, 96), (96, 32), (27, 32, 64)])
def test_orthogonal_keeps_singular_vectors_and_evens_out_values(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    turned = orthogonal(matrices)
    assert turned.shape == matrices.shape
    values = torch.linalg.svdvals(turned)
    assert values.max() < 1.3
    spread = torch.linalg.svdvals(matrices)
    assert values.min() / values.max() > 2 * spread.min() / spread.max()
    u, _, vt = torch.linalg.svd(matrices, full_matrices=False)
    inner = u.mT @ turned @ vt.mT  # diagonal where the singular vectors are the same
    off = inner - torch.diag_embed(torch.diagonal(inner, dim1=-2, dim2=-1))
    assert off.abs().max() < 1e-3


def test_orthogonal_of_zeros_is_zeros():
    assert (orthogonal(torch.zeros(32, 64)) == 0).all()


@pytest.fixture(scope="module")
def tiny(config_folder):
    torch.manual_seed(0)
    return ClickSegmentationNet(read_config(config_folder / "train" / "tiny.yaml")[1])


def train_config(tmp_path, **changes):
    return TrainConfig(model=tmp_path, scenes=tmp_path, output=tmp_path, **changes)


def test_inputs_answers_and_learned_vectors_are_left_to_adamw(tiny):
    hidden = [name for name, parameter in tiny.named_parameters() if is_hidden(name, parameter)]
    assert any("qkv" in name for name in hidden)
    assert any("cpe" in name for name in hidden)
    assert not [n for n in hidden if "stem" in n or "norm" in n or n.endswith("bias")]
    assert not [n for n in hidden if "prototypes" in n or "role" in n or "decoder.heads." in n]


@pytest.mark.parametrize("rate", [1.0, 0.1])
def test_every_parameter_is_in_one_group_with_its_rate_and_decay(tiny, tmp_path, rate):
    optimizer = optimizer_of(tiny, train_config(tmp_path, optimizer="muon", backbone_rate=rate))
    names = {id(parameter): name for name, parameter in tiny.named_parameters()}
    found = [names[id(p)] for group in optimizer.param_groups for p in group["params"]]
    assert sorted(found) == sorted(names.values())
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            name = names[id(parameter)]
            assert group["orthogonal"] == is_hidden(name, parameter)
            assert group["rate"] == (rate if "encoder." in name else 1.0)
            if group["orthogonal"]:
                assert group["weight_decay"] == 0.05


def test_a_step_is_as_long_as_one_of_adamw_in_all_directions():
    layer = nn.Linear(64, 48, bias=False)
    before = layer.weight.detach().clone()
    optimizer = Muon([{"params": [layer.weight], "weight_decay": 0.0, "orthogonal": True}], lr=0.01)
    noise = torch.randn(48, 64, generator=torch.Generator().manual_seed(0))
    layer.weight.grad = torch.outer(torch.ones(48), torch.ones(64)) + 0.1 * noise  # one strong way
    optimizer.step()
    change = layer.weight.detach() - before
    assert 0.1 * 0.01 < change.square().mean().sqrt() < 0.3 * 0.01
    values = torch.linalg.svdvals(change)
    assert values[0] < 5 * values[24]
    assert layer.weight.grad is None


def test_weights_decay_and_those_without_gradient_stay():
    one, other = nn.Parameter(torch.ones(32, 32)), nn.Parameter(torch.ones(32, 32))
    optimizer = Muon([{"params": [one, other], "weight_decay": 0.5, "orthogonal": True}], lr=0.1)
    one.grad = torch.zeros(32, 32)
    optimizer.step()
    assert torch.allclose(one, torch.full((32, 32), 0.95))
    assert torch.equal(other, torch.ones(32, 32))


def test_momentum_goes_on_after_a_state_is_loaded():
    def run(parts):
        torch.manual_seed(0)
        layer = nn.Linear(32, 32)
        generator = torch.Generator().manual_seed(1)
        groups = [
            {"params": [layer.weight], "weight_decay": 0.1, "orthogonal": True},
            {"params": [layer.bias], "weight_decay": 0.0, "orthogonal": False},
        ]
        optimizer = Muon([dict(group) for group in groups], lr=0.01)
        for step in range(6):
            if parts and step == 3:
                state = optimizer.state_dict()
                optimizer = Muon([dict(group) for group in groups], lr=0.01)
                optimizer.load_state_dict(state)
            x = torch.randn(8, 32, generator=generator)
            (layer(x) - x.roll(1, dims=1)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        return layer.weight.detach()

    assert torch.equal(run(parts=False), run(parts=True))


def test_matrices_turned_by_shape_are_those_turned_one_by_one():
    generator = torch.Generator().manual_seed(0)
    shapes = [(32, 48), (48, 32), (27, 32, 48), (32, 48), (40, 40)]
    matrices = [torch.randn(shape, generator=generator) for shape in shapes]
    for matrix, turned in zip(matrices, muon.turned_by_shape(matrices), strict=True):
        torch.testing.assert_close(turned, muon.orthogonal(matrix), atol=1e-5, rtol=1e-4)


def test_shares_are_even_and_give_each_matrix_to_one_process():
    costs = [5.0, 1.0, 1.0, 1.0, 4.0, 2.0]
    owners = shares(costs, 2)
    loads = [sum(c for c, o in zip(costs, owners, strict=True) if o == p) for p in range(2)]
    assert loads == [7.0, 7.0]


def steps_of(seed):
    """Weights of two layers after three steps on made-up gradients."""
    torch.manual_seed(seed)
    layers = [nn.Linear(32, 32, bias=False), nn.Linear(48, 32, bias=False)]
    weights = [layer.weight for layer in layers]
    optimizer = Muon([{"params": weights, "weight_decay": 0.1, "orthogonal": True}], lr=0.01)
    for _ in range(3):
        for weight in weights:
            weight.grad = torch.randn(weight.shape)
        optimizer.step()
    return [weight.detach() for weight in weights]


def steps_of_process(rank, address, folder):
    distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    turned = []
    whole = muon.orthogonal
    muon.orthogonal = lambda matrices: turned.append(matrices.shape) or whole(matrices)
    torch.save({"weights": steps_of(0), "turned": len(turned)}, folder / f"{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_share_the_work_and_step_as_one_does(tmp_path):
    torch.set_num_threads(1)
    address = f"file://{tmp_path / 'meeting'}"
    multiprocessing.spawn(steps_of_process, (address, tmp_path), nprocs=2)
    alone = steps_of(0)
    for rank in range(2):
        result = torch.load(tmp_path / f"{rank}.pt")
        assert result["turned"] == 3  # of six matrices in three steps
        for mine, theirs in zip(alone, result["weights"], strict=True):
            assert torch.allclose(mine, theirs, atol=1e-6)
