"""`clickseg3d evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from clickseg3d_core.errors import ConfigError

if TYPE_CHECKING:
    from clickseg3d_core.datasets.episodes import EpisodeSet
    from clickseg3d_core.evaluation.protocol import Protocol

_console = Console(highlight=False, soft_wrap=True)

Domain = Annotated[
    str, typer.Option(help="in-domain, zero-shot or unstated; for the report's rows.")
]


def evaluate(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or shipped.")],
    data: Annotated[
        Path,
        typer.Argument(help="Folder in AGILE3D's layout, or of labelled .npz and .ply scenes."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the results.")],
    protocol: Annotated[
        str, typer.Option(help="agile3d-multi, agile3d-single, interobject3d or snap.")
    ] = "agile3d-multi",
    baseline: Annotated[
        str | None, typer.Option(help="region-growing, instead of the checkpoint.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes, one thread each.")] = 1,
    clicks: Annotated[
        int | None, typer.Option(min=1, help="Most clicks per object; default: the protocol's.")
    ] = None,
    protocol_voxel: Annotated[
        str | None,
        typer.Option(help="Metres of the user's voxels, or auto: those of the encoding."),
    ] = None,
    voxel_size: Annotated[
        float | None, typer.Option(help="Metres of the method's voxels; default: automatic.")
    ] = None,
    color: Annotated[bool, typer.Option(help="Give the method the colors.")] = True,
    up: Annotated[
        str | None,
        typer.Option(help="Axis that points up, +x to -z; default: as the scans say, or found."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "cpu",
    scenes: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    max_objects: Annotated[
        int, typer.Option(min=1, help="Most objects of a multi-object episode drawn here.")
    ] = 10,
    min_points: Annotated[
        int, typer.Option(min=1, help="Smaller objects of plain scenes are no targets.")
    ] = 30,
    seed: Annotated[int, typer.Option(min=0, help="Of drawn episodes and of random users.")] = 0,
    class_map: Annotated[
        Path | None, typer.Option(help="YAML: class of the data to class of the method.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Name of the method in tables.")] = None,
    trained_on: Annotated[
        str | None, typer.Option(help="For the report's rows; a baseline's is nothing.")
    ] = None,
    data_name: Annotated[str | None, typer.Option(help="Default: the folder's name.")] = None,
    domain: Domain = "unstated",
    setting: Annotated[
        list[str] | None,
        typer.Option(help="name=number that the report draws figures over; repeat."),
    ] = None,
) -> None:
    """Let a simulated user click a data set, and measure.

    Writes the click trace and results.json. A run that was stopped goes on where it was; under
    torchrun every process takes its share of one output folder.

    Example: clickseg3d evaluate shipped shards/unseen --protocol agile3d-single -o out/unseen
    """
    from clickseg3d_core.evaluation.evaluate import evaluate as run
    from clickseg3d_core.evaluation.methods import MethodConfig
    from clickseg3d_core.evaluation.results import read_results
    from clickseg3d_core.evaluation.show import summary_tables
    from clickseg3d_core.evaluation.work import Evaluation

    rules = _rules(protocol, clicks, protocol_voxel)
    method = MethodConfig(
        checkpoint=checkpoint,
        baseline=baseline,  # type: ignore[arg-type]
        voxel_size=voxel_size,
        color=color,
        up=up,
        device=device,  # type: ignore[arg-type]
    )
    evaluation = Evaluation(
        method=method,
        data=_episodes(data, rules.kind, seed, max_objects, min_points, scenes, data_name),
        protocol=rules,
        seed=seed,
        class_map=_class_map(class_map),
        about=_about(label, trained_on or ("nothing" if baseline else ""), domain, setting or []),
    )
    with Progress(console=_console, transient=True) as progress:
        task = progress.add_task("episodes", total=len(evaluation.data))
        path = run(
            evaluation,
            output,
            workers=workers,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if path is None:
        _console.print("this share is done; the last process to end writes the results")
        return
    for table in summary_tables(read_results(path)):
        _console.print(table)
    _console.print(f"wrote {path}", markup=False)


def _rules(name: str, clicks: int | None, protocol_voxel: str | None) -> Protocol:
    from clickseg3d_core.evaluation.protocol import protocol_named

    rules = protocol_named(name)
    if clicks is not None:
        rules = replace(rules, clicks=clicks)
    if protocol_voxel is None:
        return rules
    if protocol_voxel == "auto":
        return replace(rules, voxel_size=None)
    try:
        return replace(rules, voxel_size=float(protocol_voxel))
    except ValueError as error:
        raise ConfigError(
            f"--protocol-voxel must be metres or auto, got {protocol_voxel!r} ({error})"
        ) from error


def _episodes(
    folder: Path,
    kind: Any,
    seed: int,
    max_objects: int,
    min_points: int,
    scenes: int | None,
    name: str | None,
) -> EpisodeSet:
    from clickseg3d_core.datasets.episodes import agile3d_episodes, folder_episodes

    if (folder / "scans").is_dir():
        data = agile3d_episodes(folder, kind)
    else:
        data = folder_episodes(folder, kind, seed, max_objects, min_points)
    kept = set(list(dict.fromkeys(e.scene for e in data.episodes))[:scenes])
    chosen = tuple(e for e in data.episodes if e.scene in kept)
    return replace(data, name=name or data.name, episodes=chosen)


def _class_map(path: Path | None) -> dict[str, str]:
    from clickseg3d_core.config import load_yaml

    return {} if path is None else {str(k): str(v) for k, v in load_yaml(path).items()}


def _about(
    label: str | None, trained_on: str, domain: str, settings: Sequence[str]
) -> dict[str, Any]:
    if domain not in ("in-domain", "zero-shot", "unstated"):
        raise ConfigError(f"--domain must be in-domain, zero-shot or unstated, got {domain!r}")
    values = {}
    for text in settings:
        key, _, value = text.partition("=")
        try:
            values[key] = float(value)
        except ValueError as error:
            raise ConfigError(f"--setting is written name=number, got {text!r}") from error
    return {"label": label, "trained_on": trained_on, "domain": domain, "settings": values}
