"""Single-object protocol on labelled scenes: `python benchmarks/scenes.py FOLDER`.

FOLDER holds scenes as `clickseg3d simulate` writes them. Every object of at least 30 points is one
episode of `clickseg3d_core.evaluation.single_object`; the means are over objects. "things" leaves
out walls, floors and ceilings. A second table has every object clicked at once, one click each, in
one pass: the clicks on other objects then tell where one ends. Its last columns compare both ways
on those objects that the first table has too. "path cut" is an untrained network,
which cuts objects out by the surface path cost from the click alone: what training adds is the
difference.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from clickseg3d_core.classes import CLASS_IDS, CLASS_NAMES
from clickseg3d_core.commands.script import run_script
from clickseg3d_core.data.distortion import bent_as_encoded
from clickseg3d_core.data.scene import Scene, load_scene
from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.evaluation.confusion import confusion_lines
from clickseg3d_core.evaluation.single_object import ObjectRecord, evaluate_scene
from clickseg3d_core.evaluation.together import evaluate_together
from clickseg3d_core.model.network import ClickSegmentationNet
from clickseg3d_core.segmenter import ClickSegmenter

STUFF = frozenset(CLASS_IDS[name] for name in ("wall", "floor", "ceiling"))


def untrained(segmenter: ClickSegmenter) -> ClickSegmenter:
    """The same network before any training."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ClickSegmenter(ClickSegmentationNet(segmenter.config), {}, segmenter.device)


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of scenes.")],
    clicks: Annotated[int, typer.Option(min=1)] = 3,
    checkpoint: Annotated[Path | None, typer.Option(help="Default: the shipped weights.")] = None,
    color: Annotated[bool, typer.Option(help="Use colors where there are some.")] = True,
    bend: Annotated[float, typer.Option(help="Bend surfaces by so many voxels at most.")] = 0.0,
    path_cut: Annotated[bool, typer.Option(help="Run the untrained network too.")] = False,
    scenes: Annotated[int | None, typer.Option(help="Only the first so many.")] = None,
    objects: Annotated[int, typer.Option(help="Objects per scene at most.")] = 20,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the records here.")] = None,
    by_class: Annotated[
        bool, typer.Option(help="Print each class, and its part of what a first click misses.")
    ] = False,
    confusion: Annotated[
        bool, typer.Option(help="Print which classes are taken for which.")
    ] = False,
) -> None:
    """Evaluate a checkpoint on labelled scenes."""
    torch.set_num_threads(threads)
    paths = sorted(folder.glob("*.npz"))[:scenes]
    if not paths:
        raise FileFormatError(f"{folder} holds no .npz scene; `clickseg3d simulate` writes some")
    trained = ClickSegmenter.load(checkpoint)
    methods = {"network": trained}
    if path_cut:
        methods["path cut"] = untrained(trained)
    console = Console()
    report = {}
    for name, segmenter in methods.items():
        episodes = [
            (scene, evaluate_scene(segmenter, scene, clicks=clicks, max_objects=objects))
            for path in track(paths, name, transient=True, console=console)
            for scene in [_read(path, color, bend, trained.config.target_voxels)]
        ]
        records = [(scene, record) for scene, part in episodes for record in part]
        console.print(_table(f"{name}: {len(paths)} scenes", records, clicks))
        title = f"{name}: all objects at once, one click each"
        console.print(_together(title, segmenter, episodes))
        if by_class:
            console.print(_class_table(f"{name}: classes", records, clicks))
        if confusion:
            console.print("\n".join(_confusion(records)), markup=False, soft_wrap=True)
        report[name] = [_row(scene, record) for scene, record in records]
    if json_out is not None:
        json_out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _confusion(records: Sequence[tuple[Scene, ObjectRecord]]) -> list[str]:
    known = [record for _, record in records if record.class_id >= 0]
    return confusion_lines((CLASS_NAMES[r.class_id], r.predicted_class) for r in known)


def _together(
    title: str, segmenter: ClickSegmenter, episodes: Sequence[tuple[Scene, Sequence[ObjectRecord]]]
) -> Table:
    groups: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for scene, records in episodes:
        alone = {record.instance: record.ious[0] for record in records}
        for instance, value in evaluate_together(segmenter, scene).items():
            kind = str(scene.meta.get("kind", "scan"))
            pair = value, alone.get(instance, np.nan)
            groups[f"{kind}, all"].append(pair)
            if scene.instance_class[instance] not in STUFF:
                groups[f"{kind}, things"].append(pair)
    table = Table(title=title)
    for name in ("objects", "n", "IoU@1", "n also clicked alone", "at once", "alone"):
        table.add_column(name, justify="right")
    for name, group in sorted(groups.items()):
        pairs = np.array(group)
        both = pairs[~np.isnan(pairs[:, 1])]
        means = [f"{value:.3f}" for value in both.mean(axis=0)] if len(both) else ["-", "-"]
        table.add_row(name, str(len(pairs)), f"{pairs[:, 0].mean():.3f}", str(len(both)), *means)
    return table


def _read(path: Path, color: bool, bend: float, voxels: int) -> Scene:
    scene = load_scene(path)
    rng = np.random.default_rng(len(scene.xyz))
    xyz = bent_as_encoded(scene.xyz.astype(np.float64), voxels, bend, rng)
    rgb = scene.rgb if color else None
    return replace(scene, xyz=xyz.astype(np.float32), rgb=rgb)


def _row(scene: Scene, record: ObjectRecord) -> dict[str, object]:
    return {
        "kind": scene.meta.get("kind", ""),
        "class": CLASS_NAMES[record.class_id] if record.class_id >= 0 else "",
        "named": record.predicted_class,
        "points": record.points,
        "ious": [round(v, 4) for v in record.ious],
    }


def _table(title: str, records: Sequence[tuple[Scene, ObjectRecord]], clicks: int) -> Table:
    groups: dict[str, list[ObjectRecord]] = defaultdict(list)
    for scene, record in records:
        kind = str(scene.meta.get("kind", "scan"))
        groups[f"{kind}, all"].append(record)
        if record.class_id not in STUFF:
            groups[f"{kind}, things"].append(record)
    table = _empty(title, "objects", clicks)
    for name, group in sorted(groups.items()):
        table.add_row(name, *_cells(group))
    return table


def _class_table(title: str, records: Sequence[tuple[Scene, ObjectRecord]], clicks: int) -> Table:
    """Each class, the one that loses most at first clicks on top."""
    groups: dict[str, list[ObjectRecord]] = defaultdict(list)
    for _, record in records:
        name = CLASS_NAMES[record.class_id] if record.class_id >= 0 else "unknown"
        groups[name].append(record)
    lost = {name: sum(1.0 - r.ious[0] for r in group) for name, group in groups.items()}
    table = _empty(title, "class", clicks)
    table.add_column("of the loss @1", justify="right")
    for name in sorted(lost, key=lambda name: -lost[name]):
        part = lost[name] / max(sum(lost.values()), 1e-9)
        table.add_row(name, *_cells(groups[name]), f"{100 * part:.0f} %")
    return table


def _empty(title: str, first: str, clicks: int) -> Table:
    table = Table(title=title)
    for name in (first, "n", *(f"IoU@{k + 1}" for k in range(clicks)), "class right"):
        table.add_column(name, justify="right")
    return table


def _cells(group: Sequence[ObjectRecord]) -> list[str]:
    """Number of objects, mean IoU at each click, and the part whose class is right."""
    ious = np.mean([r.ious for r in group], axis=0)
    known = [r for r in group if r.class_id >= 0]
    right = np.mean([CLASS_NAMES[r.class_id] == r.predicted_class for r in known or [group[0]]])
    return [str(len(group)), *(f"{v:.3f}" for v in ious), f"{right:.3f}" if known else "-"]


if __name__ == "__main__":
    run_script(main)
