import sys
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv3d

from clickseg3d_core.errors import CloudError
from clickseg3d_core.model import sparse_conv
from clickseg3d_core.model.neighbors import PairTable, build_pairs
from clickseg3d_core.model.sparse_conv import (
    NeighborConvolution,
    PairConvolution,
    SubmanifoldConv3d,
    convolve_spconv,
    spconv_usable,
)

SIDE = 7


def random_sites(seed: int = 0, clouds: int = 2, occupancy: float = 0.3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    occupied = torch.rand(clouds, SIDE, SIDE, SIDE, generator=generator) < occupancy
    sites = occupied.nonzero()
    order = torch.randperm(len(sites), generator=generator)
    sites = sites[order][sites[order][:, 0].argsort(stable=True)]
    return sites[:, 1:], sites[:, 0]


def table(kernel: int, seed: int = 0) -> tuple[PairTable, Tensor, Tensor]:
    coords, batch = random_sites(seed)
    return build_pairs(coords, batch, (kernel,))[0], coords, batch


def convolve_cube(
    features: Tensor, weight: Tensor, bias: Tensor | None, sites: Tensor, sides: list[int]
) -> Tensor:
    """torch's conv3d with (out, in, k, k, k) weights on the filled cube, read at the sites."""
    index = sites.unbind(1)
    volume = features.new_zeros(int(sites[:, 0].max()) + 1, *sides, features.shape[1])
    volume = volume.index_put(index, features).permute(0, 4, 1, 2, 3)
    return conv3d(volume, weight, bias, padding=weight.shape[-1] // 2).permute(0, 2, 3, 4, 1)[index]


def dense_convolution(
    features: Tensor, weight: Tensor, bias: Tensor | None, coords: Tensor, batch: Tensor
) -> Tensor:
    kernel = round(len(weight) ** (1 / 3))
    cube = weight.view(kernel, kernel, kernel, *weight.shape[1:]).permute(4, 3, 0, 1, 2)
    sites = torch.cat([batch[:, None], coords], dim=1)
    return convolve_cube(features, cube, bias, sites, [SIDE] * 3)


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("bias", [True, False])
def test_convolution_and_its_gradients_equal_dense_conv3d(kernel: int, bias: bool) -> None:
    pairs, coords, batch = table(kernel)
    generator = torch.Generator().manual_seed(1)
    layer = SubmanifoldConv3d(4, 5, kernel, bias=bias).double()
    inputs = [torch.randn(len(coords), 4, generator=generator).double()] * 2
    ours, dense = (value.clone().requires_grad_() for value in inputs)
    probe = torch.randn(len(coords), 5, generator=generator).double()
    output = layer(ours, pairs)
    expected = dense_convolution(dense, layer.weight, layer.bias, coords, batch)
    torch.testing.assert_close(output, expected)
    parameters = list(layer.parameters())
    gradients = torch.autograd.grad((output * probe).sum(), [ours, *parameters])
    wanted = torch.autograd.grad((expected * probe).sum(), [dense, *parameters])
    for gradient, want in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(gradient, want)


def test_gradients_equal_finite_differences() -> None:
    coords, batch = random_sites(occupancy=0.05)
    pairs = build_pairs(coords, batch, (3,))[0]
    generator = torch.Generator().manual_seed(2)
    features, weight, bias = (
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in ((len(coords), 2), (27, 2, 3), (3,))
    )
    assert torch.autograd.gradcheck(PairConvolution.apply, (features, weight, bias, pairs))


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("held", [1, 1 << 26])
def test_neighbors_at_once_give_what_pairs_give(
    kernel: int, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparse_conv, "_GATHERED", held)
    coords, batch = random_sites()
    pairs = build_pairs(coords, batch, (kernel,))[0]
    generator = torch.Generator().manual_seed(3)
    inputs = [
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in ((len(coords), 4), (kernel**3, 4, 5), (5,))
    ]
    probe = torch.randn(len(coords), 5, generator=generator, dtype=torch.float64)
    expected, got = (f.apply(*inputs, pairs) for f in (PairConvolution, NeighborConvolution))
    torch.testing.assert_close(got, expected)
    wanted = torch.autograd.grad((expected * probe).sum(), inputs)
    for gradient, want in zip(
        torch.autograd.grad((got * probe).sum(), inputs), wanted, strict=True
    ):
        torch.testing.assert_close(gradient, want)


def test_pairs_are_those_of_an_exhaustive_search() -> None:
    pairs, coords, batch = table(5, seed=3)
    found = set()
    for number, here, there in pairs:
        found |= {(number, a, b) for a, b in zip(here.tolist(), there.tolist(), strict=True)}
    delta = coords[None] - coords[:, None]  # from row a to row b
    near = (delta.abs() <= 2).all(dim=2) & (batch[None] == batch[:, None])
    number = ((delta + 2) * torch.tensor([25, 5, 1])).sum(dim=2)
    near &= number > 62
    wanted = {(int(number[a, b]), int(a), int(b)) for a, b in near.nonzero()}
    assert len(wanted) > 1000
    assert found == wanted


def test_no_pairs_across_the_border_of_the_coordinate_range() -> None:
    corners = torch.cartesian_prod(*[torch.tensor([0, 65535])] * 3)
    coords, batch = corners.repeat(2, 1), torch.arange(2).repeat_interleave(8)
    for pairs in build_pairs(coords, batch, (3, 5)):
        assert pairs.sizes == ()


def test_voxel_that_occurs_twice_raises_cloud_error() -> None:
    coords = torch.tensor([[1, 2, 3], [4, 5, 6], [1, 2, 3]])
    with pytest.raises(CloudError, match="once per cloud"):
        build_pairs(coords, torch.zeros(3, dtype=torch.int64), (3,))
    build_pairs(coords, torch.tensor([0, 0, 1]), (3,))


def test_autocast_convolves_in_bfloat16_and_trains_float32_weights() -> None:
    pairs, coords, _ = table(3)
    layer = SubmanifoldConv3d(4, 5, 3, bias=True)
    features = torch.randn(len(coords), 4, generator=torch.Generator().manual_seed(4))
    exact = layer(features, pairs)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = layer(features, pairs)
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), exact, atol=0.05, rtol=0.05)
    rounded.float().square().sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32


class DenseSpconvLayer(nn.Module):
    """Stands in for spconv.pytorch.SubMConv3d: its weight layout, computed by conv3d."""

    def __init__(self, c_in: int, c_out: int, kernel: int, bias: bool, indice_key: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(c_out, kernel, kernel, kernel, c_in))
        self.bias = nn.Parameter(torch.zeros(c_out)) if bias else None
        self.key = indice_key

    def forward(self, sparse: SimpleNamespace) -> SimpleNamespace:
        sparse.indice_dict[self.key] = "pairs"
        weight = self.weight.permute(0, 4, 1, 2, 3)
        output = convolve_cube(
            sparse.features, weight, self.bias, sparse.indices.long(), sparse.shape
        )
        return SimpleNamespace(features=output)


def spconv_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def tensor(
        features: Tensor, indices: Tensor, shape: list[int], batch_size: int, *, indice_dict: dict
    ) -> SimpleNamespace:
        assert indices.dtype == torch.int32
        return SimpleNamespace(
            features=features,
            indices=indices,
            shape=shape,
            batch_size=batch_size,
            indice_dict=indice_dict,
        )

    module = ModuleType("spconv.pytorch")
    module.SparseConvTensor, module.SubMConv3d = tensor, DenseSpconvLayer
    monkeypatch.setitem(sys.modules, "spconv", ModuleType("spconv"))
    monkeypatch.setitem(sys.modules, "spconv.pytorch", module)
    sparse_conv._spconv_layer.cache_clear()


@pytest.mark.parametrize("kernel", [3, 5])
def test_spconv_path_passes_weights_in_spconv_layout_and_returns_gradients(
    monkeypatch: pytest.MonkeyPatch, kernel: int
) -> None:
    spconv_stand_in(monkeypatch)
    pairs, coords, _ = table(kernel)
    layer = SubmanifoldConv3d(4, 5, kernel, bias=True)
    features = torch.randn(len(coords), 4, generator=torch.Generator().manual_seed(5))
    ours = layer(features, pairs)
    theirs = convolve_spconv(features, layer.weight, layer.bias, pairs)
    torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=1e-5)
    for own, other in zip(
        torch.autograd.grad(ours.square().sum(), layer.parameters()),
        torch.autograd.grad(theirs.square().sum(), layer.parameters()),
        strict=True,
    ):
        torch.testing.assert_close(other, own, atol=1e-4, rtol=1e-4)
    assert pairs.spconv_cache == {f"kernel{kernel}": "pairs"}
    sparse_conv._spconv_layer.cache_clear()


def test_spconv_is_not_used_for_cpu_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    spconv_stand_in(monkeypatch)
    assert not spconv_usable(torch.zeros(1, 4))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kernel", [3, 5])
def test_cuda_convolution_equals_cpu(kernel: int, monkeypatch: pytest.MonkeyPatch) -> None:
    coords, batch = random_sites()
    layer = SubmanifoldConv3d(16, 32, kernel, bias=True)
    features = torch.randn(len(coords), 16, generator=torch.Generator().manual_seed(6))
    expected = layer(features, build_pairs(coords, batch, (kernel,))[0])
    pairs = build_pairs(coords.cuda(), batch.cuda(), (kernel,))[0]
    layer.cuda()
    if find_spec("spconv") is not None:
        theirs = convolve_spconv(features.cuda(), layer.weight, layer.bias, pairs)
        torch.testing.assert_close(theirs.cpu(), expected, atol=1e-4, rtol=1e-4)
    monkeypatch.setattr(sparse_conv, "spconv_usable", lambda features: False)
    torch.testing.assert_close(layer(features.cuda(), pairs).cpu(), expected, atol=1e-4, rtol=1e-4)
