"""What each step after the network is worth: `python benchmarks/parts.py FOLDER`.

These parts of the recipe come on top of trained weights, so each is taken away from the same
weights: the judge of extents, its doubts, the panel that it is, settling along edges, the second
encoding, the network of its own that it may have, background clicks that only take away, and
naming by the clicks alone. FOLDER holds labelled scenes as `clickseg3d simulate` writes them, or
table views as `benchmarks/real_views.py` reads them. "95 %" is the interval of the difference of
IoU@1 to the first row, over the choice of objects. "at once" has every object of a scene clicked in
one pass, one click each.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from clickseg3d_core.commands.script import run_script
from clickseg3d_core.data.scene import Scene
from clickseg3d_core.datasets.folder import folder_scenes
from clickseg3d_core.errors import CheckpointError
from clickseg3d_core.evaluation.bootstrap import intervals
from clickseg3d_core.evaluation.single_object import ObjectRecord, evaluate_scene
from clickseg3d_core.evaluation.together import evaluate_together
from clickseg3d_core.segmenter import ClickSegmenter
from clickseg3d_core.training.mixing import switched

_WIDTH = 120
"""Columns of what is not printed on a terminal: in 80 the intervals would be cut off."""


def without_parts(segmenter: ClickSegmenter) -> Iterator[tuple[str, ClickSegmenter]]:
    """The same network as it is, and with each part in turn taken away.

    Raises:
        CheckpointError: if there is no judge to take away.
    """
    if segmenter.net.judge is None:
        raise CheckpointError("the checkpoint has no judge; `clickseg3d judge` fits one")
    yield "all parts", segmenter
    yield "no judge, one cut for all", changed(segmenter, "decoder.extent=fixed")
    yield "a judge without doubts", changed(segmenter, "decoder.doubt=0.0")
    yield "one judge, no panel", judged_by_one(segmenter)
    yield "not settled", changed(segmenter, "decoder.settle=false")
    yield "one encoding", changed(segmenter, "decoder.coarser=0.0")
    if segmenter.net.coarse is not None:
        yield "one network for both", changed(segmenter, "decoder.coarser_weights=same")
    yield "free background clicks", changed(segmenter, "decoder.background_clicks=free")
    yield "class from voxels too", changed(segmenter, "decoder.dense_classes=true")


def changed(segmenter: ClickSegmenter, switch: str) -> ClickSegmenter:
    """The same network with another switch that needs no other weights."""
    return ClickSegmenter(switched(segmenter.net, [switch]), {}, segmenter.device)


def judged_by_one(segmenter: ClickSegmenter) -> ClickSegmenter:
    """The same network with the first judge of the panel."""
    net = copy.deepcopy(segmenter.net)
    assert net.judge is not None
    net.judge.register_forward_hook(lambda _, __, logits: logits[:, :1])
    return ClickSegmenter(net, {}, segmenter.device)


def measured(
    segmenter: ClickSegmenter, scenes: Sequence[Scene], clicks: int, objects: int
) -> tuple[list[ObjectRecord], list[float]]:
    """Every object alone, and all of each scene at once."""
    records = [
        record
        for scene in scenes
        for record in evaluate_scene(segmenter, scene, clicks=clicks, max_objects=objects)
    ]
    together = [v for scene in scenes for v in evaluate_together(segmenter, scene).values()]
    return records, together


def named_right(records: Sequence[ObjectRecord], names: Sequence[str]) -> float:
    """Part of the objects of known class that the first click names right."""
    right = [names[r.class_id] == r.predicted_class for r in records if r.class_id >= 0]
    return float(np.mean(right)) if right else float("nan")


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of scenes.")],
    clicks: Annotated[int, typer.Option(min=1)] = 3,
    checkpoint: Annotated[Path | None, typer.Option(help="Default: the shipped weights.")] = None,
    scenes: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    objects: Annotated[int, typer.Option(min=1, help="Objects per scene at most.")] = 20,
    threads: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Take the parts away that come after the network, one at a time."""
    torch.set_num_threads(threads)
    data = folder_scenes(folder)
    found = [data.read(name) for name in sorted(data.paths)[:scenes]]
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH)
    columns = ("n", *(f"IoU@{k + 1}" for k in range(clicks)), "class right", "at once", "95 %")
    table = Table(title=f"{folder.name}: {len(found)} scenes")
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    first = np.zeros(0)
    for label, segmenter in track(
        list(without_parts(ClickSegmenter.load(checkpoint))), transient=True, console=console
    ):
        records, together = measured(segmenter, found, clicks, objects)
        ious = np.array([record.ious for record in records])
        span = "-"
        if len(first):
            difference = (ious[:, 0] - first)[:, None]
            low, high = intervals(difference, np.ones_like(difference))[0]
            span = f"{low:+.3f} to {high:+.3f}"
        else:
            first = ious[:, 0]
        right = named_right(records, found[0].class_names)
        table.add_row(
            label,
            str(len(ious)),
            *(f"{value:.3f}" for value in ious.mean(axis=0)),
            "-" if np.isnan(right) else f"{right:.3f}",
            f"{np.mean(together):.3f}",
            span,
        )
    console.print(table)


if __name__ == "__main__":
    run_script(main)
