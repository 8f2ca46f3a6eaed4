"""Next click by searches against all distances: `python benchmarks/click_rule.py SCENE.npz`.

The scene is repeated side by side until it has the wanted number of points; random objects of it
are clicked on a background of everything else. "all distances" computes the distance of every wrong
point to every point outside its group of errors with torch.cdist in float32, as AGILE3D's
simulation does, but in portions that fit; "at once" is what the matrix of the largest group would
take. Each method runs in a process of its own: seconds are CPU time of its one thread, memory is
what its peak lies above its start (Linux).
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from clickseg3d_core.commands.script import run_script
from clickseg3d_core.data.scene import load_scene
from clickseg3d_core.evaluation.error_depths import ErrorDepths

PORTION = 2**26  # distances computed at once
LEAST_POINTS = 200

Labels = NDArray[np.int64]
Choice = list[tuple[int, int]]


def repeated(path: Path, points: int, objects: int) -> tuple[NDArray[np.float64], Labels]:
    """(N, 3) points of a scene set side by side, and labels 1..objects of some of its objects."""
    scene = load_scene(path)
    step = float(np.ptp(scene.xyz[:, 0])) + 0.1
    copies = -(-points // len(scene.xyz))
    xyz = np.concatenate([scene.xyz.astype(np.float64) + (i * step, 0, 0) for i in range(copies)])
    ids = np.concatenate(
        [np.where(scene.instance > 0, scene.instance + i * 1000, 0) for i in range(copies)]
    )
    rng = np.random.default_rng(0)
    kept = np.sort(rng.permutation(len(xyz))[:points])
    xyz, ids = xyz[kept], ids[kept]
    known, counts = np.unique(ids[ids > 0], return_counts=True)
    labels = np.zeros(points, dtype=np.int64)
    chosen = rng.permutation(known[counts >= LEAST_POINTS])[:objects]
    for number, instance in enumerate(chosen, start=1):
        labels[ids == instance] = number
    return xyz, labels


def blurred(xyz: NDArray[np.float64], truth: Labels, errors: int) -> Labels:
    """The truth with wrong balls of points in it."""
    rng = np.random.default_rng(1)
    prediction = truth.copy()
    for _ in range(errors):
        away = np.linalg.norm(xyz - xyz[rng.integers(len(xyz))], axis=1)
        prediction[away < np.quantile(away, 0.002)] = rng.integers(truth.max() + 1)
    return prediction


def by_search(xyz: NDArray[np.float64], truth: Labels, predictions: list[Labels]) -> list[Choice]:
    """Clicks of every group, by `ErrorDepths`; the time of its preparation counts."""
    depths = ErrorDepths(xyz)
    return [[(c.label, c.index) for c in depths.every_group(truth, p)] for p in predictions]


def by_all_distances(
    xyz: NDArray[np.float64], truth: Labels, predictions: list[Labels]
) -> list[Choice]:
    """The same by all pairs of distances."""
    points = torch.from_numpy((xyz - xyz.min(axis=0)).astype(np.float32))
    return [_all_distances(points, truth, p) for p in predictions]


def _all_distances(points: torch.Tensor, truth: Labels, prediction: Labels) -> Choice:
    wrong = truth != prediction
    found = []
    for true, given in np.unique(np.stack([truth, prediction], 1)[wrong], axis=0):
        group = wrong & (truth == true) & (prediction == given)
        outside, rows = points[torch.from_numpy(~group)], np.flatnonzero(group)
        size = max(PORTION // len(outside), 1)
        depth = torch.cat([
            torch.cdist(outside, points[rows[i : i + size]]).amin(dim=0)
            for i in range(0, len(rows), size)
        ])  # fmt: skip
        best = int(depth.argmax())
        found.append((float(depth[best]), int(true), int(rows[best])))
    return [(true, row) for _, true, row in sorted(found, key=lambda c: -c[0])]


def _measured(
    method: Callable[..., list[Choice]], arguments: tuple[object, ...]
) -> tuple[list[Choice], float, float]:
    torch.set_num_threads(1)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    before = pages * resource.getpagesize() / 2**20
    started = time.process_time()
    choice = method(*arguments)
    seconds = time.process_time() - started
    return choice, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10 - before


def main(
    scene: Annotated[Path, typer.Argument(help="Scene as `clickseg3d simulate` writes it.")],
    points: Annotated[int, typer.Option(min=100)] = 200_000,
    objects: Annotated[int, typer.Option(min=1)] = 10,
    rounds: Annotated[int, typer.Option(min=0, help="Rounds after the first.")] = 3,
) -> None:
    """Compare time, memory and clicks."""
    xyz, truth = repeated(scene, points, objects)
    later = [blurred(xyz, truth, 4 + 4 * i) for i in range(rounds)]
    predictions = [np.zeros_like(truth), *later]
    largest = max(_largest_matrix(truth, p) for p in predictions)
    table = Table(title=f"{points:,} points, {objects} objects, {rounds + 1} rounds, one thread")
    for name in ("method", "CPU s", "memory MB"):
        table.add_column(name, justify="left" if name == "method" else "right")
    results = {}
    for name, method in (("searches", by_search), ("all distances", by_all_distances)):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            results[name] = pool.submit(_measured, method, (xyz, truth, predictions)).result()
        table.add_row(name, f"{results[name][1]:.2f}", f"{results[name][2]:,.0f}")
    ours, dense = results["searches"], results["all distances"]
    table.add_row("ratio", f"{dense[1] / ours[1]:.1f}", f"{dense[2] / max(ours[2], 1.0):.1f}")
    table.add_row("all distances at once", "", f"{largest * 4 / 2**20:,.0f}")
    console = Console()
    console.print(table)
    console.print("same clicks" if ours[0] == dense[0] else "the clicks differ")


def _largest_matrix(truth: Labels, prediction: Labels) -> int:
    wrong = truth != prediction
    _, counts = np.unique(truth[wrong] * 1000 + prediction[wrong], return_counts=True)
    return int((counts * (len(truth) - counts)).max(initial=0))


if __name__ == "__main__":
    run_script(main)
