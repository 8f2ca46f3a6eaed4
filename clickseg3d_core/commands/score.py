"""`clickseg3d score`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from clickseg3d_core.atomic import replacing

_console = Console(highlight=False, soft_wrap=True)


def score(
    trace: Annotated[
        list[Path],
        typer.Argument(help="Trace of an evaluation, several parts of one, or AGILE3D's .csv."),
    ],
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    csv_out: Annotated[
        Path | None, typer.Option("--csv", help="Write AGILE3D's result file here.")
    ] = None,
    episodes: Annotated[
        Path | None,
        typer.Option(help="Folder in AGILE3D's layout whose list a .csv must agree with."),
    ] = None,
) -> None:
    """Compute the figures of a trace again; needs no network and no scans."""
    from clickseg3d_core.evaluation.rescore import rescore
    from clickseg3d_core.evaluation.show import summary_tables

    results = rescore(trace, csv_out, episodes)
    if json_out is not None:
        with replacing(json_out) as temporary:
            temporary.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    for table in summary_tables(results):
        _console.print(table)
    for path in (json_out, csv_out):
        if path is not None:
            _console.print(f"wrote {path}", markup=False)
