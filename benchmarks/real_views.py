"""Real table views, network against region growing: `python benchmarks/real_views.py FOLDER`.

FOLDER holds .npz files with xyz (N, 3) metres, rgb (N, 3) uint8 and instance (N,), -1 = background,
like the "learn" views of mOSD. Each object is one episode of the single-object protocol, see
`clickseg3d_core.evaluation.single_object`; both methods start from the same first click. The mean
is over objects.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from clickseg3d_core.baseline import RegionGrowing
from clickseg3d_core.errors import ClickSegError, FileFormatError
from clickseg3d_core.evaluation.single_object import Segment, click_through
from clickseg3d_core.io import read_cloud
from clickseg3d_core.segmenter import ClickSegmenter
from clickseg3d_core.types import Clicks, PointCloud
from clickseg3d_core.voxels import voxelize

Prepare = Callable[[PointCloud], Segment]


def with_network(segmenter: ClickSegmenter) -> Prepare:
    """Encode a cloud and answer clicks with the network."""

    def prepare(cloud: PointCloud) -> Segment:
        encoding = segmenter.encode(cloud)
        return lambda clicks: segmenter.segment(encoding, clicks).labels

    return prepare


def with_region_growing(cloud: PointCloud) -> Segment:
    """Prepare a cloud and answer clicks by region growing."""
    return RegionGrowing(cloud).segment


def read_view(path: Path, color: bool) -> tuple[PointCloud, NDArray[np.int32]]:
    """A view and its instance per point, 0 = background.

    Raises:
        FileFormatError: if the file has no `instance`.
    """
    file = read_cloud(path)
    if "instance" not in file.fields:
        raise FileFormatError(f"{path} needs an array named instance, -1 = background")
    instance = file.fields["instance"].astype(np.int32) + 1
    return PointCloud(file.cloud.xyz, file.cloud.rgb if color else None), instance


def run_view(
    prepare: Prepare, cloud: PointCloud, instance: NDArray[np.int32], clicks: int
) -> list[tuple[float, ...]]:
    """IoU after each click for every object of a view."""
    segment = prepare(cloud)
    owner, first = np.unique(voxelize(cloud).point_to_voxel, return_index=True)
    seen = first[owner >= 0]
    objects = np.unique(instance[instance > 0])
    return [click_through(segment, cloud.xyz, instance == i, seen, clicks) for i in objects]


def clicked_together(
    prepare: Prepare, cloud: PointCloud, instance: NDArray[np.int32]
) -> list[float]:
    """IoU of every object of a view, one click on each, all given at once."""
    owner, first = np.unique(voxelize(cloud).point_to_voxel, return_index=True)
    seen = first[owner >= 0]
    firsts: list[NDArray[np.float64]] = []

    def note(user: Clicks) -> NDArray[np.int32]:
        firsts.append(user.positions[0])
        return np.zeros(len(cloud), dtype=np.int32)

    objects = np.unique(instance[instance > 0])
    for i in objects:
        click_through(note, cloud.xyz, instance == i, seen, 1)
    labels = prepare(cloud)(Clicks(np.array(firsts), objects.astype(np.int64)))
    masks = [(labels == i, instance == i) for i in objects]
    return [float((a & b).sum() / max((a | b).sum(), 1)) for a, b in masks]


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of .npz views.")],
    clicks: Annotated[int, typer.Option(min=1)] = 3,
    checkpoint: Annotated[Path | None, typer.Option(help="Default: the shipped weights.")] = None,
    color: Annotated[bool, typer.Option(help="Give the colors to both methods.")] = True,
    network: Annotated[bool, typer.Option(help="Run the network too.")] = True,
    views: Annotated[int | None, typer.Option(help="Only the first so many.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
) -> None:
    """Compare the network with region growing on real views."""
    torch.set_num_threads(1)
    files = sorted(folder.glob("*.npz"))[:views]
    if not files:
        raise FileFormatError(f"{folder} holds no .npz files")
    methods: dict[str, Prepare] = {"region growing": with_region_growing}
    if network:
        methods["network"] = with_network(ClickSegmenter.load(checkpoint))
    report = {}
    for name, prepare in methods.items():
        started = time.perf_counter()
        rows: list[tuple[float, ...]] = []
        together: list[float] = []
        for path in files:
            cloud, instance = read_view(path, color)
            rows += run_view(prepare, cloud, instance, clicks)
            together += clicked_together(prepare, cloud, instance)
        report[name] = {
            "iou": np.mean(rows, axis=0).tolist(),
            "iou_together": float(np.mean(together)),
            "objects": len(rows),
            "seconds_per_view": (time.perf_counter() - started) / len(files),
            "rows": rows,
        }
    _show(report, clicks, f"{len(files)} views, {'with' if color else 'without'} color")
    if json_out is not None:
        json_out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _show(report: dict[str, dict[str, object]], clicks: int, title: str) -> None:
    table = Table(title=title)
    table.add_column("method")
    for k in range(1, clicks + 1):
        table.add_column(f"IoU@{k}", justify="right")
    for name in ("all at once @1", "objects", "s/view"):
        table.add_column(name, justify="right")
    for name, entry in report.items():
        ious = entry["iou"]
        assert isinstance(ious, list)
        table.add_row(
            name, *(f"{v:.3f}" for v in ious), f"{entry['iou_together']:.3f}",
            str(entry["objects"]), f"{entry['seconds_per_view']:.1f}",
        )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    try:
        typer.run(main)
    except ClickSegError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(2) from None
