"""Time and memory of the two halves: `python benchmarks/speed.py CLOUD`.

Points are repeated with a little noise, or dropped, to reach the wanted number. A click is timed
with the other clicks on the cloud already known, as a user adds them one by one; "all new" is the
first call with all of them at once; "with background" has one background click more, which makes
the decoder answer twice.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from clickseg3d_core.commands.script import run_script
from clickseg3d_core.io import read_cloud
from clickseg3d_core.segmenter import ClickSegmenter
from clickseg3d_core.types import Clicks, PointCloud


def resized(cloud: PointCloud, points: int, rng: np.random.Generator) -> PointCloud:
    """A cloud of `points` points: random ones of the cloud, repeats moved by 2 mm of noise."""
    xyz, rows = cloud.xyz, rng.permutation(len(cloud))
    repeats = rng.integers(len(cloud), size=max(points - len(cloud), 0))
    moved = xyz[repeats] + rng.normal(0, 0.002, (len(repeats), 3))
    chosen = np.concatenate([rows[:points], repeats])
    return PointCloud(
        np.concatenate([xyz[rows[:points]], moved]),
        None if cloud.rgb is None else cloud.rgb[chosen],
    )


def seconds(action: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def main(
    cloud: Annotated[Path, typer.Argument(help="Any cloud file.")],
    points: Annotated[list[int] | None, typer.Option(help="Sizes; repeat.")] = None,
    objects: Annotated[int, typer.Option(min=1, help="Clicked objects.")] = 10,
    threads: Annotated[int, typer.Option(min=1)] = 2,
    repeats: Annotated[int, typer.Option(min=1)] = 10,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "cpu",
    checkpoint: Annotated[Path | None, typer.Option(help="Default: the shipped weights.")] = None,
) -> None:
    """Time encode and segment."""
    torch.set_num_threads(threads)
    segmenter = ClickSegmenter.load(checkpoint, device)  # type: ignore[arg-type]
    source = read_cloud(cloud).cloud
    table = Table(title=f"{objects} objects, {threads} threads, {segmenter.device}")
    for name in (
        "points",
        "voxels",
        "encode s",
        "click ms",
        "p95",
        "with background",
        "all new ms",
        "peak GB",
    ):
        table.add_column(name, justify="right")
    for count in points or [20_000, 100_000, 300_000]:
        table.add_row(*_measure(segmenter, resized(source, count, np.random.default_rng(0)),
                                objects, repeats))  # fmt: skip
    Console().print(table)


def _measure(segmenter: ClickSegmenter, cloud: PointCloud, objects: int, repeats: int) -> list[str]:
    rng = np.random.default_rng(1)
    encode = sorted(seconds(lambda: segmenter.encode(cloud)) for _ in range(3))[1]
    encoding = segmenter.encode(cloud)
    finite = np.flatnonzero(np.isfinite(cloud.xyz).all(axis=1))
    rows = rng.choice(finite, objects + repeats + 1, replace=False)
    ids = np.arange(objects) + 1
    first = seconds(lambda: segmenter.segment(encoding, Clicks(cloud.xyz[rows[:objects]], ids)))
    times, carving = [], []
    for i in range(repeats):
        changed = np.append(rows[: objects - 1], rows[objects + i])
        clicks = Clicks(cloud.xyz[changed], ids)
        times.append(seconds(lambda: segmenter.segment(encoding, clicks)))  # noqa: B023
        clicks = Clicks(
            np.append(clicks.positions, cloud.xyz[rows[-1:]], axis=0), np.append(ids, 0)
        )
        carving.append(seconds(lambda: segmenter.segment(encoding, clicks)))  # noqa: B023
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return [
        f"{len(cloud):,}", f"{encoding.voxel_count:,}", f"{encode:.2f}",
        f"{1000 * float(np.median(times)):.0f}", f"{1000 * float(np.percentile(times, 95)):.0f}",
        f"{1000 * float(np.median(carving[1:] or carving)):.0f}", f"{1000 * first:.0f}",
        f"{peak:.2f}",
    ]  # fmt: skip


if __name__ == "__main__":
    run_script(main)
