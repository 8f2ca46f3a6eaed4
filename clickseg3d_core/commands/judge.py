"""The command `clickseg3d judge`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from clickseg3d_core.commands.packages import needing

_console = Console(highlight=False, soft_wrap=True)


def judge(
    checkpoint: Annotated[Path, typer.Argument(help="Trained network.")],
    scenes: Annotated[Path, typer.Argument(help="Folder of labelled scenes, those of training.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Checkpoint to write.")],
    count: Annotated[int, typer.Option(min=1, help="Scenes at most, drawn at random.")] = 800,
    objects: Annotated[int, typer.Option(min=1, help="Objects per scene at most.")] = 14,
    large: Annotated[
        int, typer.Option(min=0, help="Largest objects of a scene that are clicked once more.")
    ] = 6,
    together: Annotated[
        int, typer.Option(min=0, help="Times that several objects of a scene are clicked at once.")
    ] = 2,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Fit the judge of how far a clicked object reaches, and write the network with it.

    Objects are clicked as a user does; the judge learns which of several cuts through the mask is
    the best one from what each looks like. The network itself does not change. `clickseg3d train`
    does the same at its end.
    """
    with needing("train"):
        from clickseg3d_core.training.config import JudgeConfig
        from clickseg3d_core.training.judging import judge_checkpoint

        config = JudgeConfig(
            scenes=count, objects=objects, large=large, together=together, seed=seed
        )
        with Progress(console=_console, transient=True) as progress:
            task = progress.add_task("clicking", total=None)

            def show(done: int) -> None:
                progress.update(task, completed=done)

            facts = judge_checkpoint(
                checkpoint, scenes, output, config, workers=workers, progress=show
            )
    _console.print(f"{facts}\ncheckpoint in {output}", markup=False)
