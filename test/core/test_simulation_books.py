"""Rows of books on shelves."""

from __future__ import annotations

import numpy as np
import pytest

from clickseg3d_core.simulation.bookrows import book_row, shelved
from clickseg3d_core.simulation.world import Support


def test_rows_stay_within_their_board_and_below_the_next() -> None:
    board = Support(center=(0.4, 0.05), size=(0.8, 0.3), z=1.0, clearance=0.32)
    most = 0
    for seed in range(60):
        for row, spot in shelved(board, np.random.default_rng(seed)):
            placed = row.mesh.moved(*spot).vertices
            assert placed[:, 0].min() > 0.4 - 0.4 - 0.01
            assert placed[:, 0].max() < 0.4 + 0.4 + 0.01
            assert placed[:, 1].min() > 0.05 - 0.15 - 1e-6
            assert placed[:, 1].max() < 0.05 + 0.15 + 0.03
            assert placed[:, 2].min() == pytest.approx(1.0, abs=1e-6)
            assert placed[:, 2].max() < 1.0 + board.clearance + 0.04
            most = max(most, len(row.classes))
            assert row.mesh.part.max() < len(row.classes)
            assert row.mesh.slot.max() < len(row.materials)
    assert most > 5


def test_a_row_is_one_instance_or_one_per_book() -> None:
    one = book_row(np.random.default_rng(0), 0.8, 0.3, 0.25, single=True)
    many = book_row(np.random.default_rng(0), 0.8, 0.3, 0.25, single=False)
    assert one.classes == ("book",)
    assert len(many.classes) > 8
    assert shelved(Support(center=(0, 0), size=(0.1, 0.05), z=0.0), np.random.default_rng(0)) == []
