"""`clickseg3d convert`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from clickseg3d_core.errors import ConfigError

if TYPE_CHECKING:
    from clickseg3d_core.datasets.rules import Rules

_console = Console(highlight=False, soft_wrap=True)


def convert(
    source: Annotated[Path, typer.Argument(help="Folder of the raw data set.")],
    out: Annotated[Path, typer.Argument(help="Folder to write to.")],
    dataset: Annotated[
        str,
        typer.Option(
            help="scannet, s3dis, kitti360, kitti360-sweeps, semantickitti, agile3d or folder."
        ),
    ],
    layout: Annotated[
        str, typer.Option(help="agile3d: benchmark with episodes; scenes: .npz for training.")
    ] = "agile3d",
    split: Annotated[
        str | None,
        typer.Option(
            help="val, train, all or a text file of scene names. Default: val with layout agile3d, "
            "train with scenes; all where the data set has no splits."
        ),
    ] = None,
    train_split: Annotated[
        str | None, typer.Option(help="Also these scenes, for train_list.json of layout agile3d.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the episodes.")] = 0,
    classes: Annotated[
        str | None, typer.Option(help="Classes to click, comma-separated, or scannet20.")
    ] = None,
    min_points: Annotated[
        int | None, typer.Option(min=1, help="Smaller objects are not clicked.")
    ] = None,
    max_objects: Annotated[
        int | None, typer.Option(min=1, help="Objects of a multi-object episode at most.")
    ] = None,
    single_crop: Annotated[
        float | None, typer.Option(help="Side of single-object crops, metres; 0 = whole scans.")
    ] = None,
    tile: Annotated[
        float | None, typer.Option(help="Side of training tiles, metres; 0 = whole scans.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="scannet: label table; kitti360-sweeps: folder of sweep labels."),
    ] = None,
    align: Annotated[bool, typer.Option("--align", help="scannet: apply axisAlignment.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Convert a data set for `evaluate` or `train`; finished scenes are kept.

    Example: clickseg3d convert ScanNet data/scannet --dataset scannet --split scannetv2_val.txt
    """
    from clickseg3d_core.datasets.convert import Conversion
    from clickseg3d_core.datasets.convert import convert as run_conversion
    from clickseg3d_core.datasets.rules import RULES
    from clickseg3d_core.datasets.sources import open_dataset
    from clickseg3d_core.datasets.splits import select

    scenes = open_dataset(dataset, source, labels=labels, align=align)
    whole = dataset in ("agile3d", "folder")
    wanted = split or ("all" if whole else "train" if layout == "scenes" else "val")
    chosen = select(scenes, wanted)
    _console.print(f"{len(chosen)} of {len(scenes)} scenes are in split {wanted}", markup=False)
    rules = _with_options(RULES[dataset], classes, min_points, max_objects, single_crop, tile)
    conversion = Conversion(
        scenes=chosen,
        train=None if train_split is None else select(scenes, train_split),
        layout=layout,
        rules=rules,
        seed=seed,
        options=("align",) if align else (),
    )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=_console, transient=True) as progress:
        task = progress.add_task("converting", total=len(conversion.names))
        report = run_conversion(
            conversion, out, workers, lambda name: progress.update(task, advance=1)
        )
    _console.print(
        f"{report.scenes} scenes in {report.files} files ({report.kept} were there), "
        f"{report.multi} multi-object episodes, {report.single} objects; "
        f"checksums in {out / 'SHA256SUMS'}",
        markup=False,
    )


def _with_options(
    rules: Rules,
    classes: str | None,
    min_points: int | None,
    max_objects: int | None,
    single_crop: float | None,
    tile: float | None,
) -> Rules:
    if classes is not None:
        rules = replace(rules, targets=_class_names(classes))
    if min_points is not None:
        rules = replace(rules, min_points=min_points)
    if max_objects is not None:
        rules = replace(rules, max_objects=max_objects)
    if single_crop is not None:
        rules = replace(rules, single_crop=single_crop or None)
    if tile is not None:
        rules = replace(rules, tile=tile or None)
    return rules


def _class_names(text: str) -> tuple[str, ...]:
    from clickseg3d_core.datasets.vocabularies import SCANNET20

    if text == "scannet20":
        return SCANNET20
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise ConfigError("--classes needs names, comma-separated, or scannet20")
    return names
