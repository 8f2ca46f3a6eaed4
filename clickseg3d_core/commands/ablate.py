"""The command `clickseg3d ablate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from clickseg3d_core.commands.packages import needing

_console = Console(highlight=False, soft_wrap=True)


def ablate(
    study: Annotated[Path, typer.Argument(help="YAML file, see config/ablation/.")],
    data: Annotated[Path, typer.Option(help="Folder of training scenes.")],
    validation: Annotated[Path, typer.Option(help="Folder of scenes to measure on.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the study.")],
    rows: Annotated[
        str | None, typer.Option(help="Comma-separated names of rows; default: all.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Of every row; default: of the training config.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change every row, like max_voxels=3000; repeat."),
    ] = None,
    scenes: Annotated[int, typer.Option(min=1, help="Validation scenes at most.")] = 16,
    objects: Annotated[int, typer.Option(min=1, help="Objects per scene at most.")] = 10,
    clicks: Annotated[int, typer.Option(min=1, help="Clicks per object at most.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Processes that measure.")] = 1,
) -> None:
    """Train and measure the rows of a study, with the same scenes, steps and seed.

    Finished rows are kept and stopped ones go on. table.md compares the rows; `clickseg3d report
    FOLDER/rows/*/multi` sets them beside the published ones.

    Example: clickseg3d ablate config/ablation/table4.yaml --data shards/train --validation
    shards/unseen --steps 2000 -o out/table4
    """
    with needing("train"):
        from clickseg3d_core.ablation.measure import MeasureConfig
        from clickseg3d_core.ablation.run import Budget, run_study
        from clickseg3d_core.ablation.study import read_study

        read = read_study(study)
        budget = Budget(
            data=data,
            validation=validation,
            steps=steps,
            changes=tuple(overrides or ()),
            measure=MeasureConfig(scenes=scenes, objects=objects, clicks=clicks),
        )
        names = None if rows is None else [name.strip() for name in rows.split(",") if name.strip()]
        with Progress(console=_console, transient=True) as progress:
            task = progress.add_task("reading", total=None)

            def show(what: str, done: int, total: int) -> None:
                progress.update(task, description=what, completed=done, total=total)

            files = run_study(read, budget, output, names=names, workers=workers, report=show)
    _console.print(files[-1].read_text(encoding="utf-8"), markup=False)
    for path in files:
        _console.print(f"wrote {path}", markup=False)
