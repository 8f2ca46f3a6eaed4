"""`benchmarks/planes.py`: floors and walls found in a scan without labels."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from conftest import benchmark


@pytest.fixture(scope="module")
def planes() -> ModuleType:
    return benchmark("planes")


def sheet(rng: np.random.Generator, count: int, *sides: tuple[float, float]) -> np.ndarray:
    return np.stack([rng.uniform(*side, count) for side in sides], axis=1)


def room() -> tuple[np.ndarray, np.ndarray]:
    """Points of a floor, two walls, a leaning board and a small box; the piece of each."""
    rng = np.random.default_rng(0)
    pieces = [
        sheet(rng, 8000, (0, 5), (0, 4), (0, 0)),
        sheet(rng, 5000, (0, 5), (0, 0), (0.1, 2.5)),
        sheet(rng, 4000, (5, 5), (0.1, 4), (0.1, 2.5)),
        sheet(rng, 1500, (1, 3), (0, 0), (0, 1.5)) @ turned(0.6) + (0.0, 2.0, 0.3),
        sheet(rng, 300, (2.0, 2.3), (3.0, 3.3), (0.1, 0.4)),
    ]
    xyz = np.concatenate(pieces) + rng.normal(0, 0.005, (sum(map(len, pieces)), 3))
    return xyz, np.repeat(np.arange(len(pieces)), [len(piece) for piece in pieces])


def turned(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, s], [0, -s, c]])


def test_floor_and_walls_are_found_and_nothing_else(planes) -> None:
    xyz, piece = room()
    labels = planes.plane_labels(xyz, 8, 0.03, np.random.default_rng(1))
    assert labels.max() == 3
    for number in (1, 2, 3):
        own = np.bincount(piece[labels == number], minlength=5)
        assert own.argmax() == number - 1  # the largest first
        assert own.max() > 0.97 * own.sum()
        assert own.max() > 0.97 * (piece == number - 1).sum()
    assert (labels[piece == 3] == 0).mean() > 0.9


def test_no_more_planes_than_asked_for(planes) -> None:
    labels = planes.plane_labels(room()[0], 2, 0.03, np.random.default_rng(1))
    assert set(np.unique(labels)) == {0, 1, 2}


def test_the_same_seed_finds_the_same_planes(planes) -> None:
    first, again = (
        planes.plane_labels(room()[0], 8, 0.03, np.random.default_rng(3)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)
