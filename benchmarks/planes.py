"""Walls, floors and ceilings of scans without labels: `python benchmarks/planes.py CLOUD...`.

What a plane is can be told without anyone's labels: planes are cut out of the cloud one after the
other, each with the points within a few centimetres of it, and those that are level or upright and
reach far enough count. A click anywhere on one should give all of it. Things flush with a wall, and
parts of its plane in another room, count as errors here, so no answer reaches 1.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from clickseg3d_core.clicks import innermost_point
from clickseg3d_core.commands.script import run_script
from clickseg3d_core.evaluation.single_object import iou, seen_points
from clickseg3d_core.io.files import read_cloud
from clickseg3d_core.segmenter import ClickSegmenter, Encoding
from clickseg3d_core.types import Clicks

_TRIES = 400
_REFITS = 5
_LEAST, _LEAST_LEVEL = 0.01, 0.05
"""Part of the points that a plane holds at least; a level one is else a slice through furniture."""
_STRAIGHT = 0.1
"""Sine of the angle by which a plane may lean."""
_REACH = 0.6
"""Standard deviation along its shorter side at least, metres."""


def plane_labels(
    xyz: NDArray[np.float64], planes: int, tolerance: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """(N,) plane of each point, 1 to at most `planes` in order of size found; 0 = none."""
    labels = np.zeros(len(xyz), dtype=np.int64)
    free = np.arange(len(xyz))
    while labels.max() < planes:
        best = free[:0]
        for _ in range(_TRIES):
            middle = xyz[rng.choice(free)]
            near = free[np.linalg.norm(xyz[free] - middle, axis=1) < 20.0 * tolerance]
            inside = _within(xyz, free, rng.choice(near, 3), tolerance) if len(near) > 2 else best
            best = inside if len(inside) > len(best) else best
        for _ in range(_REFITS):
            best = _within(xyz, free, best, tolerance)
        if len(best) < _LEAST * len(xyz):
            break
        free = np.setdiff1d(free, best)
        normal, reach = _plane(xyz[best])
        upright = abs(normal[2]) < _STRAIGHT
        level = np.hypot(*normal[:2]) < _STRAIGHT and len(best) > _LEAST_LEVEL * len(xyz)
        if (upright or level) and reach > _REACH:
            labels[best] = labels.max() + 1
    return labels


def _within(
    xyz: NDArray[np.float64], free: NDArray[np.int64], on: NDArray[np.int64], tolerance: float
) -> NDArray[np.int64]:
    """Those of the points `free` that lie near the plane through the points `on`."""
    normal, _ = _plane(xyz[on])
    return free[np.abs((xyz[free] - xyz[on].mean(axis=0)) @ normal) < tolerance]


def _plane(xyz: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Normal (3,) of the plane through points, and their deviation along its shorter side."""
    offset = xyz - xyz.mean(axis=0)
    values, vectors = np.linalg.eigh(offset.T @ offset / len(xyz))
    return vectors[:, 0], float(np.sqrt(max(values[1], 0.0)))


def first_answers(
    segmenter: ClickSegmenter,
    encoding: Encoding,
    truth: NDArray[np.bool_],
    clicks: int,
    rng: np.random.Generator,
) -> list[float]:
    """IoU of one click each: on the innermost point, and on random ones."""
    xyz, seen = encoding.cloud.xyz, seen_points(encoding)
    own = seen[truth[seen]]
    points = [int(seen[innermost_point(xyz[seen], truth[seen])]), *rng.choice(own, clicks - 1)]
    answers = [
        segmenter.segment(encoding, Clicks(xyz[[point]], np.array([1]))).labels == 1
        for point in points
    ]
    return [iou(answer, truth) for answer in answers]


def main(
    clouds: Annotated[list[Path], typer.Argument(help="Scans of rooms.")],
    planes: Annotated[int, typer.Option(min=1, help="Of each cloud at most.")] = 8,
    tolerance: Annotated[float, typer.Option(help="Metres.")] = 0.06,
    clicks: Annotated[int, typer.Option(min=1, help="On each plane, one at a time.")] = 8,
    color: Annotated[bool, typer.Option(help="Use colors where there are some.")] = True,
    checkpoint: Annotated[Path | None, typer.Option(help="Default: the shipped weights.")] = None,
) -> None:
    """Click large planes of real scans."""
    torch.set_num_threads(1)
    segmenter = ClickSegmenter.load(checkpoint)
    table = Table(title="planes, one click")
    for name in ("cloud", "plane", "kind", "points", "innermost", "anywhere", "worst"):
        table.add_column(name, justify="right")
    found = []
    for path in clouds:
        cloud = read_cloud(path).cloud
        cloud = cloud if color else replace(cloud, rgb=None)
        rng = np.random.default_rng(0)
        encoding = segmenter.encode(cloud)
        xyz = encoding.cloud.xyz
        labels = plane_labels(xyz, planes, tolerance, rng)
        for number in range(1, labels.max() + 1):
            truth = labels == number
            normal, _ = _plane(xyz[truth])
            kind = "level" if abs(normal[2]) > 0.5 else "upright"
            values = first_answers(segmenter, encoding, truth, clicks, rng)
            found.append(values)
            cells = f"{values[0]:.3f}", f"{np.mean(values[1:]):.3f}", f"{min(values):.3f}"
            table.add_row(path.stem, str(number), kind, str(truth.sum()), *cells)
    values = np.array(found)
    means = f"{values[:, 0].mean():.3f}", f"{values[:, 1:].mean():.3f}"
    table.add_row("mean", str(len(values)), "", "", *means, f"{values.min(axis=1).mean():.3f}")
    Console().print(table)


if __name__ == "__main__":
    run_script(main)
