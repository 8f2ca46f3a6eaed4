"""`benchmarks/realness.py`: patches of scans, and how easily two kinds are told apart."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import benchmark

from clickseg3d_core import FileFormatError, PointCloud


@pytest.fixture(scope="module")
def realness():
    return benchmark("realness")


def sheet(seed: int, rough: float = 0.0, noise: float = 0.0, count: int = 6000) -> PointCloud:
    """A colored board of 1 m by 1 m, `rough` metres off its plane, `noise` of 255 in its color."""
    rng = np.random.default_rng(seed)
    xyz = rng.uniform((0, 0, 0.7), (1, 1, 0.7), (count, 3))
    xyz[:, 2] += rng.normal(0.0, rough, count)
    rgb = np.clip(150.0 + rng.normal(0.0, noise, (count, 3)), 0, 255)
    return PointCloud(xyz, rgb.astype(np.uint8))


def numbers(realness, cloud: PointCloud, seed: int = 0) -> dict[str, float]:
    found = realness.described(cloud, 3000, 50, np.random.default_rng(seed))
    names = (*realness.SHAPE, *realness.COLOR)
    return dict(zip(names, np.median(found, axis=0), strict=True))


def test_patches_tell_rough_from_flat_and_noisy_from_plain(realness) -> None:
    flat, rough = numbers(realness, sheet(0)), numbers(realness, sheet(0, rough=0.01))
    assert rough["off its plane"] > 2 * flat["off its plane"]
    assert rough["variation"] > 2 * flat["variation"]
    assert flat["level"] > 0.99
    noisy = numbers(realness, sheet(0, noise=20.0))
    assert noisy["step of color"] > 0.05 > 0.005 > flat["step of color"]
    assert noisy["off its plane"] == flat["off its plane"]


def test_patches_without_color_have_no_color(realness) -> None:
    cloud = PointCloud(sheet(0).xyz, None)
    found = realness.described(cloud, 3000, 20, np.random.default_rng(0))
    assert found.shape == (20, len(realness.SHAPE))
    assert np.isfinite(found).all()


def test_auc_counts_pairs(realness) -> None:
    scores, positive = np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, True, False, True])
    assert realness.auc(scores, positive) == pytest.approx((1 + 0.5 + 1 + 1) / 4)


def test_kinds_are_told_apart_by_what_differs_and_only_then(realness) -> None:
    def scans(first: int, **faults: float) -> list[np.ndarray]:
        return [
            realness.described(sheet(first + i, **faults), 3000, 40, np.random.default_rng(i))
            for i in range(6)
        ]

    like, other = scans(0, noise=4.0), scans(10, noise=4.0)
    assert abs(realness.told_apart(like, other) - 0.5) < 0.15
    assert realness.told_apart(like, scans(20, noise=12.0)) > 0.95


def test_the_command_prints_where_the_real_median_lies(realness, tmp_path, capsys) -> None:
    for kind, noise in (("real", 2.0), ("made", 10.0)):
        (tmp_path / kind).mkdir()
        for i in range(4):
            cloud = sheet(i, noise=noise, count=2000)
            np.savez(tmp_path / kind / f"{i}.npz", xyz=cloud.xyz, rgb=cloud.rgb)
    realness.main(tmp_path / "real", tmp_path / "made", patches=20, voxels=1000)
    printed = capsys.readouterr().out
    assert float(printed.split("real against simulated: AUC ")[1].split()[0]) > 0.9
    row = next(line for line in printed.splitlines() if "step of color" in line)
    assert row.strip(" │").split("│")[-1].strip() == "0"


def test_the_command_needs_clouds(realness, tmp_path) -> None:
    with pytest.raises(FileFormatError, match="needs two"):
        realness.main(tmp_path, tmp_path)
