"""Clicks and figures as AGILE3D's released code gives them.

fixtures/agile3d.json holds what its `utils/seg.py`, `eval_multi_obj.py`, `compute_ap.py` and
`evaluation/evaluator_MO.py` and `evaluator_SO.py` (github.com/ywyue/AGILE3D, commit 45ab50c)
answered to the inputs that the functions here make from seeds.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from clickseg3d_core.clicks import error_clicks
from clickseg3d_core.evaluation.agile3d_csv import read_csv, write_csv
from clickseg3d_core.evaluation.breakdown import Vocabulary
from clickseg3d_core.evaluation.curves import Curve
from clickseg3d_core.evaluation.episode import Answer, play
from clickseg3d_core.evaluation.error_depths import ErrorDepths
from clickseg3d_core.evaluation.protocol import protocol_named
from clickseg3d_core.evaluation.scores import score
from clickseg3d_core.evaluation.user import InnermostUser
from clickseg3d_core.evaluation.view import protocol_view

EXPECTED = json.loads((Path(__file__).parent / "fixtures" / "agile3d.json").read_text())


def scan(seed: int, objects: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of a floor with blobs on it (N, 3) float32 metres, and blob 1..objects of each."""
    rng = np.random.default_rng(seed)
    floor = rng.random((900, 3)) * (3.0, 3.0, 0.01)
    parts, labels = [floor], [np.zeros(900, int)]
    for number in range(1, objects + 1):
        center = rng.random(3) * (2.4, 2.4, 0.2) + (0.3, 0.3, 0.1)
        size = 0.1 + 0.4 * rng.random(3)
        parts.append(center + (rng.random((250, 3)) - 0.5) * size)
        labels.append(np.full(250, number))
    return np.concatenate(parts).astype(np.float32), np.concatenate(labels)


def wrong_labels(seed: int, xyz: np.ndarray, labels: np.ndarray, objects: int) -> np.ndarray:
    """The labels with balls of others in them, and some points at random."""
    rng = np.random.default_rng([seed, 1])
    answer = labels.copy()
    for _ in range(1 + seed % 5):
        away = np.linalg.norm(xyz - xyz[rng.integers(len(xyz))], axis=1)
        answer[away < 0.2 + 0.6 * rng.random()] = rng.integers(objects + 1)
    scattered = rng.random(len(xyz)) < 0.02 * (seed % 3)
    answer[scattered] = rng.integers(objects + 1, size=int(scattered.sum()))
    return answer


def reach(seed: int, voxels: int) -> np.ndarray:
    """How far from a click each voxel still gets its label, metres."""
    return 0.05 + 0.5 * np.random.default_rng([seed, 2]).random(voxels)


def nearest_click(
    xyz: np.ndarray, rows: np.ndarray, labels: np.ndarray, reach: np.ndarray
) -> np.ndarray:
    """A method without a network: the label of the nearest click, if that is within reach."""
    distance, nearest = cKDTree(xyz[rows]).query(xyz)
    return np.where(distance < reach, labels[nearest], 0)


def seen_scan(seed: int, objects: int):
    """Whole scan from its minimum, its view in voxels of 5 cm, and the labels."""
    xyz, labels = scan(seed, objects)
    local = (xyz - xyz.min(axis=0)).astype(np.float32).astype(np.float64)
    return local, protocol_view(xyz, 0.05), labels


@pytest.mark.parametrize("case", EXPECTED["clicks"], ids=lambda c: f"seed{c['seed']}")
def test_next_clicks(case):
    xyz, view, labels = seen_scan(case["seed"], case["objects"])
    seen, truth = xyz[view.rows], labels[view.rows]
    depths, nothing = ErrorDepths(seen), np.zeros(len(truth), int)
    assert len(truth) == case["voxels"]
    first = depths.every_group(truth, nothing)
    assert sorted([c.label, c.index] for c in first) == case["first"]
    answer = wrong_labels(case["seed"], seen, truth, case["objects"])
    later = depths.largest_group(truth, answer)
    assert ([later.label, later.index] if later else None) == case["later"]
    groups = depths.every_group(truth, answer)
    assert groups == error_clicks(seen, truth, answer)
    assert sorted([c.label, c.index] for c in groups[: case["objects"]]) == case["training"]


def played(case):
    seed, objects = case["seed"], case["objects"]
    xyz, view, labels = seen_scan(seed, objects)
    row_of = {tuple(position): row for row, position in enumerate(xyz.tolist())}
    limit = reach(seed, len(view.rows))

    def segment(clicks):
        rows = view.owner[[row_of[tuple(p)] for p in clicks.positions.tolist()]]
        order = np.argsort(np.where(clicks.object_ids == 0, 1000, clicks.object_ids), kind="stable")
        seen = nearest_click(xyz[view.rows], rows[order], clicks.object_ids[order], limit)
        return Answer(labels=seen[view.owner].astype(np.int32), named={})

    protocol = replace(protocol_named("agile3d-multi"), clicks=20)
    user = InnermostUser(ErrorDepths(xyz[view.rows]))
    return play(protocol, user, segment, xyz, view, labels, objects), view


@pytest.mark.parametrize("case", EXPECTED["episodes"], ids=lambda c: f"seed{c['seed']}")
def test_whole_episodes(case):
    course, view = played(case)
    clicks = {str(i): [] for i in range(case["objects"] + 1)}
    for click in course.clicks:
        clicks[str(click.label)].append(int(view.owner[click.row]))
    assert clicks == case["clicks"]
    mean = np.array([np.mean(row) for row in course.iou])
    counts = np.array(case["counts"])
    ours = mean[np.searchsorted(course.counts, counts, side="right") - 1]
    np.testing.assert_allclose(ours, case["iou"], atol=1e-6)  # theirs are float32


def curves(episodes):
    found = []
    for case in episodes:
        iou = np.array(case["iou"])
        found.append(
            Curve(
                key=f"scene{case['seed']:04d}_00_obj_{case['objects']}",
                per_object=case["objects"],
                counts=np.array(case["counts"]),
                iou=iou[:, None],
                mean_iou=iou,
                recall=None,
                targets=(),
                named={},
            )
        )
    return found


@pytest.mark.parametrize("kind", ["multi", "single"])
def test_figures_of_their_evaluators(kind, tmp_path):
    episodes = [e for e in EXPECTED["episodes"] if kind == "multi" or e["objects"] == 1]
    path = tmp_path / "results.csv"
    write_csv(path, kind, curves(episodes), 20)
    read_kind, cap, read = read_csv(path)
    assert (read_kind, cap) == (kind, 20)
    figures = score(read, 20, Vocabulary())
    expected = EXPECTED["figures"][kind]
    for name, value in expected["evaluator"].items():
        figure, at = name.lower().split("@")
        assert figures[figure][at] == pytest.approx(value, abs=1e-9), name
    for clicks, values in expected.get("ap", {}).items():
        assert figures["success"][clicks] == pytest.approx(values, abs=1e-9)
