"""`clickseg3d report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

_console = Console(highlight=False, soft_wrap=True)


def report(
    folders: Annotated[list[Path], typer.Argument(help="Folders of `clickseg3d evaluate`.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")],
) -> None:
    """Write the paper's tables and figures, measured rows beside the published ones.

    Example: clickseg3d report out/unseen out/unseen-growing -o out/report
    """
    from clickseg3d_core.report.write import write_report

    for path in write_report(folders, output):
        _console.print(f"wrote {path}", markup=False)
