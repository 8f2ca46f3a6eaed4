"""The command `clickseg3d`."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from clickseg3d_core.commands.ablate import ablate
from clickseg3d_core.commands.click import click as click_in_browser
from clickseg3d_core.commands.convert import convert
from clickseg3d_core.commands.evaluate import evaluate
from clickseg3d_core.commands.judge import judge
from clickseg3d_core.commands.mix import mix
from clickseg3d_core.commands.packages import needing
from clickseg3d_core.commands.report import report
from clickseg3d_core.commands.score import score
from clickseg3d_core.errors import ClickError, ClickSegError, FileFormatError

if TYPE_CHECKING:
    from clickseg3d_core.demo.run import DemoReport
    from clickseg3d_core.types import Segmentation

_ERROR_CODE = 2
_COARSE = 1.0
"""Voxels of so many metres are those of a cloud in another unit, rather than of a landscape."""
_DEFAULT_KINDS = ("room", "table", "street")

app = typer.Typer(
    name="clickseg3d",
    help="Click an object in a 3-D scan and get it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_console = Console(highlight=False, soft_wrap=True)

Checkpoint = Annotated[
    Path | None, typer.Option(help="Checkpoint folder; default: the weights in the package.")
]


@app.command()
def segment(
    cloud: Annotated[Path, typer.Argument(help="PLY, PCD, NPZ, NPY, LAS, LAZ or KITTI BIN file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Cloud file to write.")],
    click: Annotated[
        list[str] | None,
        typer.Option(help="X,Y,Z or ID:X,Y,Z in metres; repeat. Without ID: a new object."),
    ] = None,
    background: Annotated[
        list[str] | None, typer.Option(help="X,Y,Z of a point that is no object; repeat.")
    ] = None,
    session: Annotated[
        Path | None, typer.Option(help="Session file with clicks; those of --click are added.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="PNG to draw.")] = None,
    checkpoint: Checkpoint = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    voxel_size: Annotated[
        float | None, typer.Option(help="Metres; default: chosen from extent and density.")
    ] = None,
    closer: Annotated[
        bool, typer.Option(help="Look closer at what is small, unless --voxel-size is given.")
    ] = True,
    up: Annotated[
        str | None,
        typer.Option(help="Axis that points up: +x, +y, +z, -x, -y or -z; default: found."),
    ] = None,
) -> None:
    """Segment the clicked objects of a cloud.

    Example: clickseg3d segment desk.ply --click 0.41,0.02,0.75 -o out.ply --picture out.png
    """
    from clickseg3d_core.click_text import add_clicks
    from clickseg3d_core.io import check_output, read_cloud, write_cloud
    from clickseg3d_core.session import ClickSession
    from clickseg3d_core.types import Clicks
    from clickseg3d_core.upright import axis_named, turned

    made = ClickSession() if session is None else ClickSession.load(session)
    add_clicks(made, click or [], background or [])
    if not made.object_ids:
        raise ClickError("no object was clicked; give at least one --click X,Y,Z or a --session")
    direction = None if up is None else axis_named(up)
    file = read_cloud(cloud)
    check_output(output, file)
    if picture is not None:
        _check_picture(picture)
    from clickseg3d_core.closeup import CloseUp
    from clickseg3d_core.picture import draw
    from clickseg3d_core.segmenter import ClickSegmenter

    kind = CloseUp if closer and voxel_size is None else ClickSegmenter
    segmenter = kind.load(checkpoint, device)  # type: ignore[arg-type]
    started = time.perf_counter()
    encoding = segmenter.encode(file.cloud, voxel_size, direction)
    encoded = time.perf_counter()
    if encoding.voxel_size > _COARSE:
        _console.print(
            f"note: the voxels are {encoding.voxel_size:.3g} m wide; clouds are in metres, scale "
            "one that is in millimetres by 0.001"
        )
    result = segmenter.segment(encoding, made.clicks)
    finished = time.perf_counter()
    write_cloud(output, file, result)
    if picture is not None:
        clicks = Clicks(made.clicks.positions @ encoding.upright.T, made.clicks.object_ids)
        draw(turned(file.cloud, encoding.upright), clicks, result, picture)
    _console.print(_instance_table(result))
    _console.print(
        f"{len(file.cloud):,} points, {encoding.voxel_count:,} voxels of "
        f"{encoding.voxel_size:.4g} m; encode {encoded - started:.2f} s, clicks "
        f"{finished - encoded:.2f} s"
    )
    for path in (output, picture):
        if path is not None:
            _console.print(f"wrote {path}", markup=False)


@app.command()
def info(
    checkpoint: Annotated[
        Path | None, typer.Argument(help="Checkpoint folder; default: the weights in the package.")
    ] = None,
) -> None:
    """Print the facts about a checkpoint."""
    from clickseg3d_core.segmenter import ClickSegmenter

    table = Table(show_header=False, box=None)
    for name, value in _flat(ClickSegmenter.load(checkpoint, "cpu").info()):
        table.add_row(Text(name, "bold"), Text(_plain(value)))
    _console.print(table)


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder for scene_00000.npz and so on.")],
    scenes: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
    kinds: Annotated[
        str, typer.Option(help="Comma-separated: room, table, street, laser (a room by laser).")
    ] = ",".join(_DEFAULT_KINDS),
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same scenes.")] = 0,
    meshes: Annotated[
        Path | None, typer.Option(help="Folder of meshes to use beside the built-in shapes.")
    ] = None,
    unseen_world: Annotated[
        list[Path] | None, typer.Option(help="World file whose meshes are left out; repeat.")
    ] = None,
    world: Annotated[
        list[Path] | None,
        typer.Option(help="World file to scan instead of made-up scenes; repeat. Needs --meshes."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Make labelled training scans; scenes that are there already are kept."""
    with needing("train"):
        from clickseg3d_core.simulation.generate import SimulationConfig, generate

        names = tuple(kind.strip() for kind in kinds.split(",") if kind.strip())
        shares = dict(zip(_DEFAULT_KINDS, SimulationConfig(scenes=1).weights, strict=True))
        config = SimulationConfig(
            scenes=scenes,
            seed=seed,
            kinds=names,
            weights=tuple(shares.get(kind, 1.0) for kind in names),
            meshes=meshes,
            unseen_worlds=tuple(unseen_world or ()),
            worlds=tuple(world or ()),
        )
        _make_folder(out)
        with Progress(console=_console, transient=True) as progress:
            task = progress.add_task("simulating", total=scenes)
            paths = generate(
                config, out, workers=workers, on_scene=lambda *_: progress.advance(task)
            )
    _console.print(f"{len(paths)} scenes in {out}", markup=False)


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="YAML file, see config/train/.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="Override, like steps=100; repeat.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Folder of the run.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run stopped.")] = False,
) -> None:
    """Train a network."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with needing("train"):
        from clickseg3d_core.training.loop import train as run_training

        others = os.environ.get("RANK", "0") != "0"  # of several processes the first one speaks
        with Progress(console=_console, transient=True, disable=others) as progress:
            task = progress.add_task("training", total=None)

            def show(step: int, steps: int, means: dict[str, float]) -> None:
                text = "  ".join(f"{name} {value:.3f}" for name, value in means.items())
                progress.update(task, completed=step, total=steps, description=text or "training")

            folder = run_training(config, overrides or [], output, resume, show)
    if not others:
        _console.print(f"checkpoint in {folder}", markup=False)


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("out/demo"),
    checkpoint: Checkpoint = None,
) -> None:
    """Click every object of a small scan whose objects are known, and compare."""
    from clickseg3d_core.demo.run import run_demo

    _make_folder(output)
    _print_demo(run_demo(output, checkpoint))


app.command()(convert)
app.command()(evaluate)
app.command()(score)
app.command()(report)
app.command()(ablate)
app.command()(judge)
app.command()(mix)
app.command("click")(click_in_browser)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error that the user can mend is one line and exit code 2."""
    # Threads that wait by spinning make torch many times slower when another program needs a core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app(args=None if arguments is None else list(arguments))
    except ClickSegError as error:
        _fail(str(error))
    except OSError as error:  # a full disk, a name that is too long
        _fail(str(error))
    except MemoryError as error:
        _fail(f"out of memory ({error}); give a smaller cloud or a larger --voxel-size")


def _fail(message: str) -> NoReturn:
    typer.echo(f"error: {' '.join(message.split())}", err=True)
    raise SystemExit(_ERROR_CODE) from None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileFormatError(f"{folder} cannot be made ({error.strerror})") from error


def _check_picture(path: Path) -> None:
    from clickseg3d_core.atomic import check_can_write

    if path.suffix.lower() != ".png":
        raise FileFormatError(f"{path}: a picture is a .png file")
    check_can_write(path)


def _instance_table(result: Segmentation) -> Table:
    table = Table(title="instances")
    for name in ("id", "class", "mask score", "points", "center (m)", "size (m)"):
        table.add_column(name, justify="left" if name == "class" else "right", no_wrap=True)
    for instance in result.instances:
        table.add_row(
            str(instance.id),
            f"{instance.class_name} {instance.class_score:.2f}",
            f"{instance.mask_score:.2f}",
            f"{instance.point_count:,}",
            ", ".join(f"{v:.2f}" for v in instance.centroid),
            " x ".join(f"{v:.2f}" for v in instance.box.extent),
        )
    return table


def _print_demo(report: DemoReport) -> None:
    table = Table(title="one click per object")
    for name in ("id", "true class", "found class", "points", "IoU"):
        table.add_column(name, justify="left" if "class" in name else "right")
    for entry in report.objects:
        table.add_row(
            str(entry.id), entry.true_class, entry.found_class, f"{entry.points:,}",
            f"{entry.iou:.3f}",
        )  # fmt: skip
    table.add_section()
    table.add_row("", "", "", "mean", f"{report.mean_iou:.3f}")
    _console.print(table)
    _console.print(
        f"{report.point_count:,} points, {report.voxel_count:,} voxels of "
        f"{report.voxel_size:.4g} m; load {report.load_s:.2f} s, encode {report.encode_s:.2f} s, "
        f"all clicks {report.segment_s:.2f} s"
    )
    for path in (report.cloud_path, report.picture_path):
        _console.print(f"wrote {path}", markup=False)
    click = ",".join(f"{value:.3f}" for value in report.example_click)
    one = report.cloud_path.with_name("one.ply")
    _console.print(
        f"try: clickseg3d segment {report.cloud_path} --click {click} -o {one}", markup=False
    )


def _flat(facts: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in facts.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", value))
    return rows


def _plain(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
