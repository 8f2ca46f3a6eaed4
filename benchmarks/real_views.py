"""Real table views, network against region growing: `python benchmarks/real_views.py FOLDER`.

FOLDER holds .npz files with xyz (N, 3) metres, rgb (N, 3) uint8 and instance (N,), -1 = background,
like the "learn" views of mOSD. Each object is one episode of AGILE3D's single-object protocol, with
the voxels of the encoding for the user's; then all objects of a view are clicked at once, one click
each. Means are over objects. `clickseg3d evaluate` does the same and writes the clicks down, too.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from clickseg3d_core.commands.script import run_script
from clickseg3d_core.datasets.episodes import EpisodeSet, folder_episodes
from clickseg3d_core.evaluation.curves import Curve, curve_of
from clickseg3d_core.evaluation.methods import SHIPPED, Method, MethodConfig, open_method
from clickseg3d_core.evaluation.protocol import Kind, protocol_named
from clickseg3d_core.evaluation.work import Evaluation, play_tasks, tasks


def episodes(folder: Path, kind: Kind, views: int | None) -> EpisodeSet:
    """Every object of the first views, one at a time or all of a view together."""
    data = folder_episodes(folder, kind, 0, max_objects=None, min_points=1)
    kept = set(list(dict.fromkeys(e.scene for e in data.episodes))[:views])
    return replace(data, episodes=tuple(e for e in data.episodes if e.scene in kept))


def played(method: Method, config: MethodConfig, data: EpisodeSet, clicks: int) -> list[Curve]:
    """IoU against clicks of each episode."""
    rules = replace(protocol_named(f"agile3d-{data.kind}"), clicks=clicks, voxel_size=None)
    evaluation = Evaluation(method=config, data=data, protocol=rules)
    found = play_tasks(evaluation, method, tasks(data.episodes), workers=1)
    return [c for records in found for r in records if (c := curve_of(r)) is not None]


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of .npz views.")],
    clicks: Annotated[int, typer.Option(min=1)] = 3,
    checkpoint: Annotated[Path | None, typer.Option(help="Default: the shipped weights.")] = None,
    color: Annotated[bool, typer.Option(help="Give the colors to both methods.")] = True,
    network: Annotated[bool, typer.Option(help="Run the network too.")] = True,
    views: Annotated[int | None, typer.Option(help="Only the first so many.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
) -> None:
    """Compare the network with region growing on real views."""
    torch.set_num_threads(1)
    single, together = (episodes(folder, kind, views) for kind in ("single", "multi"))
    configs = {"region growing": MethodConfig(baseline="region-growing", color=color)}
    if network:
        path = SHIPPED if checkpoint is None else str(checkpoint)
        configs["network"] = MethodConfig(checkpoint=path, color=color)
    report = {}
    for name, config in configs.items():
        method = open_method(config)
        started = time.perf_counter()
        alone = played(method, config, single, clicks)
        at_once = played(method, config, together, 1)
        rows = [[c.mean_iou[c.round_at(k)] for k in range(1, clicks + 1)] for c in alone]
        report[name] = {
            "iou": np.mean(rows, axis=0).tolist(),
            "iou_together": float(np.concatenate([c.iou[c.round_at(1)] for c in at_once]).mean()),
            "objects": len(rows),
            "seconds_per_view": (time.perf_counter() - started) / len(at_once),
            "rows": rows,
        }
    _show(report, clicks, f"{len(together)} views, {'with' if color else 'without'} color")
    if json_out is not None:
        json_out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _show(report: dict[str, dict[str, object]], clicks: int, title: str) -> None:
    table = Table(title=title)
    table.add_column("method")
    for k in range(1, clicks + 1):
        table.add_column(f"IoU@{k}", justify="right")
    for name in ("all at once @1", "objects", "s/view"):
        table.add_column(name, justify="right")
    for name, entry in report.items():
        ious = entry["iou"]
        assert isinstance(ious, list)
        table.add_row(
            name, *(f"{v:.3f}" for v in ious), f"{entry['iou_together']:.3f}",
            str(entry["objects"]), f"{entry['seconds_per_view']:.1f}",
        )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    run_script(main)
