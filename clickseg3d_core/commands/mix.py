"""The command `clickseg3d mix`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from clickseg3d_core.commands.packages import needing

_console = Console(highlight=False, soft_wrap=True)


def mix(
    before: Annotated[Path, typer.Argument(help="Checkpoint that a training started from.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Checkpoint to write.")],
    after: Annotated[
        Path | None,
        typer.Argument(help="Checkpoint that came out; without it, weights stay as they are."),
    ] = None,
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Of the weights after.")] = 0.5,
    keep_judge: Annotated[
        bool, typer.Option("--keep-judge", help="Take over the judge of the checkpoint before.")
    ] = False,
    coarse: Annotated[
        Path | None,
        typer.Option(help="Checkpoint trained on coarser voxels, for the second encoding."),
    ] = None,
    switches: Annotated[
        list[str] | None,
        typer.Option("--set", help="Switch of the model, like decoder.coarser=2.0."),
    ] = None,
) -> None:
    """Mix a tuned network with what it was tuned from.

    Weights in between keep most of what both can do. Without --keep-judge the result has no judge
    of extents; fit one with `clickseg3d judge`. --coarse and --set change the checkpoint that is
    written, and one checkpoint is enough for them.
    """
    with needing("train"):
        from clickseg3d_core.training.mixing import mix_checkpoints

        mix_checkpoints(
            before,
            after,
            output,
            share,
            keep_judge=keep_judge,
            coarse=coarse,
            switches=switches or (),
        )
    _console.print(f"checkpoint in {output}", markup=False)
