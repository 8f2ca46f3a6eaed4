import numpy as np
import pytest
import torch

from clickseg3d_core.errors import ConfigError
from clickseg3d_core.model.serialization import CURVES, curve_codes, fixed_depth, z_code


def interleaved(point: list[int], depth: int) -> int:
    bits = "".join(str(axis >> bit & 1) for bit in reversed(range(depth)) for axis in point)
    return int(bits, 2)


def full_cube(depth: int) -> torch.Tensor:
    side = torch.arange(1 << depth)
    return torch.cartesian_prod(side, side, side)


def random_coords(depth: int, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 1 << depth, (500, 3)))


@pytest.mark.parametrize("depth", [1, 5, 10, 16])
def test_z_code_interleaves_bits_with_x_highest(depth: int) -> None:
    coords = random_coords(depth)
    expected = [interleaved(point, depth) for point in coords.tolist()]
    assert curve_codes(coords, "z", depth).tolist() == expected


def test_z_code_takes_the_largest_coordinate() -> None:
    top = torch.tensor([65535], dtype=torch.int32)
    assert z_code(top, top, top).item() == 2**48 - 1


@pytest.mark.parametrize("order", CURVES)
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_curve_visits_every_cell_of_the_cube_once(order: str, depth: int) -> None:
    codes = curve_codes(full_cube(depth), order, depth)
    assert torch.equal(codes.sort().values, torch.arange(8**depth))


@pytest.mark.parametrize("order", ["hilbert", "hilbert-trans"])
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_hilbert_curve_steps_to_a_face_neighbor(order: str, depth: int) -> None:
    cube = full_cube(depth)
    path = cube[torch.argsort(curve_codes(cube, order, depth))]
    assert ((path[1:] - path[:-1]).abs().sum(dim=1) == 1).all()


@pytest.mark.parametrize("curve", ["z", "hilbert"])
def test_trans_curve_swaps_x_and_y(curve: str) -> None:
    coords = random_coords(9)
    swapped = coords[:, [1, 0, 2]]
    assert torch.equal(curve_codes(coords, f"{curve}-trans", 9), curve_codes(swapped, curve, 9))


@pytest.mark.parametrize("order", CURVES)
def test_coarser_code_is_the_finer_one_without_its_last_octant(order: str) -> None:
    coords = random_coords(8)
    coarse = curve_codes(coords >> 1, order, 7)
    assert torch.equal(curve_codes(coords, order, 8) >> 3, coarse)


def test_hilbert_codes_are_those_of_the_official_code() -> None:
    # Printed by hilbert.encode of Pointcept/PointTransformerV3 at 3229e9b.
    coords = torch.tensor([[0, 0, 1], [5, 3, 6], [7, 7, 7], [1023, 0, 512], [12, 900, 77]])
    assert curve_codes(coords[:3], "hilbert", 3).tolist() == [3, 400, 365]
    assert curve_codes(coords, "hilbert", 10).tolist() == [1, 304, 365, 939524095, 497361091]


@pytest.mark.parametrize("order", CURVES)
@pytest.mark.parametrize("bits", range(1, 17))
def test_fixed_depth_gives_the_codes_of_depth_16(order: str, bits: int) -> None:
    coords = random_coords(bits, seed=bits)
    depth = fixed_depth(int(coords.max()))
    assert torch.equal(curve_codes(coords, order, depth), curve_codes(coords, order, 16))


@pytest.mark.parametrize(("order", "depth"), [("snake", 8), ("z", 0), ("hilbert", 17)])
def test_unknown_curve_or_depth_raises_config_error(order: str, depth: int) -> None:
    with pytest.raises(ConfigError, match=r"order is one of|depth of a curve"):
        curve_codes(torch.zeros(1, 3, dtype=torch.int64), order, depth)
