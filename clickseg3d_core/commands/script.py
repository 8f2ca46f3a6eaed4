"""Scripts with a command line of their own, such as the benchmarks."""

from __future__ import annotations

from collections.abc import Callable

import typer

from clickseg3d_core.errors import ClickSegError


def run_script(main: Callable[..., None]) -> None:
    """Run a function as a command; an error that the user can mend is one line and exit code 2."""
    try:
        typer.run(main)
    except ClickSegError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(2) from None
