"""Objects of real scans without labels: `python benchmarks/real_objects.py FOLDER`.

FOLDER holds the scans that `real_objects.yaml` outlines, .npz with xyz (N, 3) metres and maybe rgb.
An outline is a polygon in the view that the scanner had, with nearest and farthest depth; large
surfaces are planes with a tolerance, and objects are what is in front of those. So labels are as
good as a person draws them in a few minutes, and only what is outlined is clicked. Each object is
one episode of the single-object protocol, then all of a scan are clicked at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
import yaml
from matplotlib.path import Path as Outline
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from clickseg3d_core.commands.script import run_script
from clickseg3d_core.data.scene import Scene
from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.evaluation.single_object import evaluate_scene
from clickseg3d_core.evaluation.together import evaluate_together
from clickseg3d_core.io.files import read_cloud
from clickseg3d_core.segmenter import ClickSegmenter

OUTLINES = Path(__file__).with_suffix(".yaml")
_FOCAL, _MIDDLE = 525.0, (319.5, 239.5)
"""Pixels of a structured-light camera of 640 by 480."""


def seen_from(
    xyz: NDArray[np.float64], view: str | list[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where points are in the picture that outlines are drawn in, and how far away.

    Args:
        xyz: (N, 3) float64, metres, as in the file.
        view: "above": x, y and z themselves. "around": azimuth and elevation in degrees and range,
            of a scanner at the origin. Three signs: pixels and depth of a camera at the origin
            that looks along the last axis, with x to the right and y down times these signs.

    Returns:
        (N, 2) place and (N,) depth in metres.
    """
    if view == "above":
        return xyz[:, :2], xyz[:, 2]
    if view == "around":
        reach = np.linalg.norm(xyz, axis=1)
        azimuth = np.degrees(np.arctan2(xyz[:, 1], xyz[:, 0]))
        elevation = np.degrees(np.arcsin(xyz[:, 2] / np.maximum(reach, 1e-9)))
        return np.stack([azimuth, elevation], axis=1), reach
    camera = xyz * np.asarray(view, dtype=np.float64)
    depth = np.maximum(camera[:, 2], 1e-9)
    return _FOCAL * camera[:, :2] / depth[:, None] + _MIDDLE, depth


def outlined(
    xyz: NDArray[np.float64], scan: Mapping[str, Any]
) -> tuple[NDArray[np.int32], list[str]]:
    """Label the points of a scan by the outlines of its surfaces and objects.

    Args:
        xyz: (N, 3) float64, metres, as in the file.
        scan: One entry of `real_objects.yaml`.

    Returns:
        (N,) int32, 1 for the first name and so on, 0 for points within no outline; the names.
    """
    place, depth = seen_from(xyz, scan["view"])
    labels = np.zeros(len(xyz), dtype=np.int32)
    in_front = np.ones(len(xyz), dtype=np.bool_)
    names: list[str] = []
    for name, surface in scan.get("surfaces", {}).items():
        plane = np.asarray(surface["plane"], dtype=np.float64)
        off = xyz @ plane[:3] + plane[3]
        least, growth = surface["within"]
        tolerance = least + growth * depth**2
        on = np.abs(off) < tolerance
        in_front &= off >= tolerance
        if "outline" in surface:
            on &= Outline(surface["outline"]).contains_points(place)
        names.append(name)
        labels[on] = len(names)
    for name, item in scan.get("objects", {}).items():
        near, far = item["depth"]
        inside = Outline(item["outline"]).contains_points(place)
        names.append(name)
        labels[inside & in_front & (depth > near) & (depth < far)] = len(names)
    return labels, names


def outlined_scene(path: Path, scan: Mapping[str, Any], color: bool) -> tuple[Scene, list[str]]:
    """A scan with the labels of its outlines.

    Raises:
        FileFormatError: if it cannot be read, or an outline holds no point of it.
    """
    cloud = read_cloud(path).cloud
    labels, names = outlined(cloud.xyz.astype(np.float64), scan)
    empty = [name for i, name in enumerate(names, 1) if not (labels == i).any()]
    if empty:
        raise FileFormatError(f"{path} has no point within {empty}; is it another scan?")
    scene = Scene(
        xyz=cloud.xyz.astype(np.float32),
        rgb=cloud.rgb if color else None,
        instance=labels,
        instance_class=np.full(len(names) + 1, -1, dtype=np.int16),
        meta={"dataset": "outlined", "scene": path.stem},
    )
    return scene, names


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of the scans outlined.")],
    outlines: Annotated[Path, typer.Option(help="The outlines.")] = OUTLINES,
    clicks: Annotated[int, typer.Option(min=1)] = 3,
    color: Annotated[bool, typer.Option(help="Use colors where there are some.")] = True,
    checkpoint: Annotated[Path | None, typer.Option(help="Default: the shipped weights.")] = None,
) -> None:
    """Click the outlined objects of real scans."""
    torch.set_num_threads(1)
    segmenter = ClickSegmenter.load(checkpoint)
    scans = yaml.safe_load(outlines.read_text(encoding="utf-8"))
    table = Table(title=f"outlined objects of {len(scans)} real scans")
    for name in ("scan", "object", "points", *(f"IoU@{k + 1}" for k in range(clicks)), "at once"):
        table.add_column(name, justify="right")
    rows = []
    for name, scan in track(scans.items(), console=Console(stderr=True)):
        scene, names = outlined_scene(folder / f"{name}.npz", scan, color)
        at_once = evaluate_together(segmenter, scene)
        for record in evaluate_scene(segmenter, scene, clicks=clicks):
            values = (*record.ious, at_once[record.instance])
            rows.append(values)
            cells = (f"{value:.3f}" for value in values)
            table.add_row(name, names[record.instance - 1], str(record.points), *cells)
    means = (f"{value:.3f}" for value in np.mean(rows, axis=0))
    table.add_row("mean", str(len(rows)), "", *means)
    Console().print(table)


if __name__ == "__main__":
    run_script(main)
