"""Tables in a room: `python benchmarks/closeup.py FOLDER`.

FOLDER holds labelled table views with z up, as `benchmarks/real_views.py` reads them. Each is put
before a floor and a wall, as a camera sees them, so that most voxels lie there. Every object is one
episode of `clickseg3d_core.evaluation.single_object`: answered in the voxels of the whole cloud,
with a closer look, and in the view alone, which is what a closer look can reach at best.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from clickseg3d_core.closeup import CloseUp
from clickseg3d_core.commands.script import run_script
from clickseg3d_core.data.scene import Scene
from clickseg3d_core.datasets.folder import folder_scenes
from clickseg3d_core.evaluation.single_object import ObjectRecord, evaluate_scene
from clickseg3d_core.segmenter import ClickSegmenter


def in_a_room(scene: Scene, points: int) -> Scene:
    """A view with a floor below and a wall behind, unlabelled; coordinates of the view stay."""
    rng = np.random.default_rng(0)
    middle, low = np.median(scene.xyz, axis=0), scene.xyz.min(axis=0)
    floor = rng.uniform((-1.5, -1.5, 0.0), (1.5, 1.5, 0.0), (points // 2, 3))
    wall = rng.uniform((-1.5, 1.5, 0.0), (1.5, 1.5, 2.4), (points // 2, 3))
    room = np.concatenate([floor, wall]) + (middle[0], middle[1], low[2] - 0.75)
    room += rng.normal(0.0, 0.004, room.shape)
    n = len(room)
    color = np.full((n, 3), 160, np.uint8)
    return replace(
        scene,
        xyz=np.concatenate([scene.xyz, room]).astype(np.float32),
        rgb=None if scene.rgb is None else np.concatenate([scene.rgb, color]),
        instance=np.concatenate([scene.instance, np.zeros(n, np.int32)]),
        semantic=None,
    )


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of labelled table views.")],
    every: Annotated[int, typer.Option(min=1, help="Take one in so many views.")] = 5,
    clicks: Annotated[int, typer.Option(min=1)] = 3,
    points: Annotated[int, typer.Option(min=1000, help="Of floor and wall.")] = 150_000,
    checkpoint: Annotated[Path | None, typer.Option(help="Default: the shipped weights.")] = None,
) -> None:
    """Compare answers with and without a closer look."""
    torch.set_num_threads(1)
    segmenter = ClickSegmenter.load(checkpoint)
    data = folder_scenes(folder)
    views = [data.read(name) for name in sorted(data.paths)[::every]]
    methods: dict[str, tuple[ClickSegmenter, bool]] = {
        "whole cloud": (segmenter, True),
        "closer look": (CloseUp.load(checkpoint), True),
        "view alone": (segmenter, False),
    }
    table = Table(title=f"{len(views)} views, floor and wall of {points:,} points")
    for column in ("answered in", "objects", *(f"IoU@{k + 1}" for k in range(clicks)), "s/object"):
        table.add_column(column, justify="left" if column == "answered in" else "right")
    for name, (method, has_room) in methods.items():
        started = time.perf_counter()
        records: list[ObjectRecord] = []
        for view in track(views, name, transient=True):
            shown = in_a_room(view, points) if has_room else view
            records += evaluate_scene(method, shown, clicks=clicks)
        seconds = (time.perf_counter() - started) / len(records)
        means = np.mean([record.ious for record in records], axis=0)
        table.add_row(name, str(len(records)), *(f"{v:.3f}" for v in means), f"{seconds:.2f}")
    Console().print(table)


if __name__ == "__main__":
    run_script(main)
