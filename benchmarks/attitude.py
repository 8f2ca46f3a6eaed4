"""Scans whose z axis does not point up: `python benchmarks/attitude.py FOLDER`.

FOLDER holds labelled clouds with z up, as `real_views.py` and `scenes.py` read them. Each is
turned: tilted by some degrees, or seen from a camera (x right, y down, z forward) that looks down
by some degrees from so far away that it sees all of it. Every object is one episode of
`clickseg3d_core.evaluation.single_object`, once with up found in the cloud and once with z taken
for up. The columns after the IoUs are the share of the scans in which up was found to 6 degrees,
and how long that takes.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.spatial.transform import Rotation

from clickseg3d_core.commands.script import run_script
from clickseg3d_core.data.scene import Scene
from clickseg3d_core.datasets.folder import folder_scenes
from clickseg3d_core.evaluation.single_object import evaluate_scene
from clickseg3d_core.segmenter import ClickSegmenter
from clickseg3d_core.types import PointCloud
from clickseg3d_core.upright import up_direction
from clickseg3d_core.voxels import automatic_voxel_size, voxelize

OPTICAL = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""From z up to x right, y down, z forward."""


def _turn(name: str) -> NDArray[np.float64]:
    """The rotation of "tilt 25" or "camera 40"; of anything else none."""
    kind, _, degrees = name.partition(" ")
    if kind == "tilt":
        return Rotation.from_euler("xyz", [float(degrees), 0.0, 40.0], degrees=True).as_matrix()
    if kind == "camera":
        return Rotation.from_euler("x", float(degrees), degrees=True).as_matrix() @ OPTICAL
    return np.eye(3)


def turned(scene: Scene, name: str) -> Scene:
    """A scene in another attitude, of which nobody knows which way is up."""
    xyz = scene.xyz.astype(np.float64) @ _turn(name).T
    if name.startswith("camera"):
        xyz -= np.median(xyz, axis=0)
        xyz[:, 2] += 1.6 * np.percentile(np.linalg.norm(xyz, axis=1), 99.9)
    meta = {key: value for key, value in scene.meta.items() if key != "frame"}
    return replace(scene, xyz=xyz.astype(np.float32), meta=meta)


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of labelled clouds with z up.")],
    attitudes: Annotated[
        str, typer.Option(help="Comma-separated: tilt DEGREES, camera DEGREES; else as it is.")
    ] = "as it is,tilt 10,tilt 25,tilt 50,camera 20,camera 45,camera 75",
    every: Annotated[int, typer.Option(min=1, help="Take one in so many scans.")] = 4,
    objects: Annotated[int, typer.Option(min=1, help="Objects per scan at most.")] = 8,
    clicks: Annotated[int, typer.Option(min=1)] = 3,
    checkpoint: Annotated[Path | None, typer.Option(help="Default: the shipped weights.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Compare up found with up taken for z."""
    torch.set_num_threads(1)
    segmenter = ClickSegmenter.load(checkpoint)
    data = folder_scenes(folder)
    names = [n for n in sorted(data.paths) if data.read(n).meta.get("frame", "world") == "world"]
    table = Table(title=f"{len(names[::every])} scans")
    for column in ("attitude", "found", "z", "objects", "up found", "ms"):
        table.add_column(column, justify="left" if column == "attitude" else "right")
    report = {}
    for attitude in attitudes.split(","):
        row = _measured(
            segmenter, [data.read(n) for n in names[::every]], attitude, objects, clicks
        )
        report[attitude] = row
        table.add_row(
            attitude, *(" / ".join(f"{v:.3f}" for v in row[k]) for k in ("found", "z")),
            f"{row['objects']}", f"{row['up_found']:.2f}", f"{row['ms']:.0f}",
        )  # fmt: skip
    Console().print(table)
    if json_out is not None:
        json_out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _measured(
    segmenter: ClickSegmenter, scenes: list[Scene], attitude: str, objects: int, clicks: int
) -> dict[str, object]:
    ious: dict[str, list[tuple[float, ...]]] = {"found": [], "z": []}
    right, seconds = [], []
    true_up = _turn(attitude)[:, 2]
    for scene in track(scenes, attitude, transient=True):
        lying = turned(scene, attitude)
        cloud = PointCloud(lying.xyz.astype(np.float64))
        size = automatic_voxel_size(cloud.xyz, target_voxels=segmenter.config.target_voxels)
        grid = voxelize(cloud, size)
        started = time.perf_counter()
        up = up_direction(grid)
        seconds.append(time.perf_counter() - started)
        right.append(float(up @ true_up) > np.cos(np.deg2rad(6.0)))
        z_up = replace(lying, meta={**lying.meta, "frame": "world"})
        for key, shown in (("found", lying), ("z", z_up)):
            found = evaluate_scene(segmenter, shown, clicks=clicks, max_objects=objects)
            ious[key] += [record.ious for record in found]
    means = {key: np.mean(rows, axis=0).tolist() for key, rows in ious.items()}
    return means | {
        "objects": len(ious["z"]),
        "up_found": float(np.mean(right)),
        "ms": 1e3 * float(np.median(seconds)),
    }


if __name__ == "__main__":
    run_script(main)
