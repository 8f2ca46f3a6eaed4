"""The command `clickseg3d click`: clicking in a web browser."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from clickseg3d_core.commands.packages import needing

if TYPE_CHECKING:
    from clickseg3d_core.browser.page import Page

_console = Console(highlight=False, soft_wrap=True)


def click(
    cloud: Annotated[Path, typer.Argument(help="PLY, PCD, NPZ, NPY, LAS, LAZ or KITTI BIN file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Cloud file that Save writes.")],
    session: Annotated[
        Path | None,
        typer.Option(help="Where clicks are kept and read from; default: beside the output."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to serve on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to serve on.")] = 8080,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Checkpoint folder; default: the weights in the package.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    voxel_size: Annotated[
        float | None, typer.Option(help="Metres; default: chosen from extent and density.")
    ] = None,
    up: Annotated[
        str | None,
        typer.Option(help="Axis that points up: +x, +y, +z, -x, -y or -z; default: found."),
    ] = None,
) -> None:
    """Click objects of a cloud in a web browser.

    Clicks are kept after every action, so that the same command goes on where it was left.
    """
    server = _server(host, port)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    try:
        page = opened(server, cloud, output, session, checkpoint, device, voxel_size, up)
        address = f"http://{host}:{server.get_port()}"  # the next free one if it is taken
        _console.print(f"{len(page.desk.session)} clicks; open {address} and click, Ctrl-C ends")
        server.sleep_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()


def opened(
    server: Any,
    cloud: Path,
    output: Path,
    session: Path | None = None,
    checkpoint: Path | None = None,
    device: str = "auto",
    voxel_size: float | None = None,
    up: str | None = None,
) -> Page:
    """A page of one cloud on a viser server; arguments as those of `click`."""
    from clickseg3d_core.browser.desk import ClickDesk
    from clickseg3d_core.browser.page import Page
    from clickseg3d_core.closeup import CloseUp
    from clickseg3d_core.io import check_output, read_cloud
    from clickseg3d_core.segmenter import ClickSegmenter
    from clickseg3d_core.session import ClickSession
    from clickseg3d_core.upright import axis_named

    direction = None if up is None else axis_named(up)
    file = read_cloud(cloud)
    check_output(output, file)
    kept = output.with_name(f"{output.stem}.clicks.json") if session is None else session
    made = ClickSession.load(kept) if kept.exists() else ClickSession()
    kind = CloseUp if voxel_size is None else ClickSegmenter
    segmenter = kind.load(checkpoint, device)  # type: ignore[arg-type]
    encoding = segmenter.encode(file.cloud, voxel_size, direction)
    desk = ClickDesk(file, segmenter, encoding, made, kept)
    return Page(server, desk, encoding.upright, 0.6 * encoding.voxel_size, output)


def _server(host: str, port: int) -> Any:
    with needing("browser"):
        import viser
    return viser.ViserServer(host=host, port=port, label="clickseg3d", verbose=False)
