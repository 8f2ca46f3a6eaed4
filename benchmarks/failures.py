"""Pictures of the worst answers: `python benchmarks/failures.py FOLDER failures.png`.

FOLDER holds scenes as `clickseg3d simulate` writes them. Every object of at least 30 points gets
one click at its innermost point; the objects with the lowest IoU are drawn, at most one of each
class and scene as long as there are others. Green is right, red wrongly taken, blue missed.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track

from clickseg3d_core.atomic import replacing
from clickseg3d_core.classes import CLASS_NAMES
from clickseg3d_core.clicks import innermost_point
from clickseg3d_core.commands.script import run_script
from clickseg3d_core.data.scene import Scene, load_scene
from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.evaluation.single_object import iou, large_instances, seen_points
from clickseg3d_core.picture import draw_cloud
from clickseg3d_core.segmenter import ClickSegmenter
from clickseg3d_core.types import Clicks, PointCloud

_WRONG, _MISSED, _RIGHT = 1, 2, 3
_COLORS = {_WRONG: (230, 60, 60), _MISSED: (60, 140, 245), _RIGHT: (70, 195, 85)}
_AROUND = 0.6
"""Of the object's size, shown around it."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Failure:
    """One answer to one click.

    Attributes:
        path: Of the scene.
        instance: Clicked object.
        class_name: Its true class.
        named: Class name given.
        answer: (N,) bool.
        iou: Of the answer.
    """

    path: Path
    instance: int
    class_name: str
    named: str
    answer: NDArray[np.bool_]
    iou: float


def answers(segmenter: ClickSegmenter, path: Path) -> list[Failure]:
    """One click on each object of a scene, one at a time."""
    scene = load_scene(path)
    xyz = scene.xyz.astype(np.float64)
    encoding = segmenter.encode(PointCloud(xyz, scene.rgb), up=scene.up)
    seen = seen_points(encoding)
    found = []
    for instance in large_instances(scene, 30).tolist():
        truth = scene.instance == instance
        if not truth[seen].any():
            continue
        row = seen[innermost_point(xyz[seen], truth[seen])]
        result = segmenter.segment(encoding, Clicks(xyz[[row]], np.array([1])))
        number = int(scene.instance_class[instance])
        found.append(
            Failure(
                path=path,
                instance=instance,
                class_name=CLASS_NAMES[number] if number >= 0 else "unknown",
                named=result.instances[0].class_name,
                answer=result.labels == 1,
                iou=iou(result.labels == 1, truth),
            )
        )
    return found


def worst(found: list[Failure], count: int) -> list[Failure]:
    """Lowest IoU first, one of each class and of each scene as long as there are others."""
    chosen: list[Failure] = []
    for failure in sorted(found, key=lambda f: f.iou):
        classes, paths = {c.class_name for c in chosen}, {c.path for c in chosen}
        if failure.class_name not in classes and failure.path not in paths:
            chosen.append(failure)
    rest = [f for f in sorted(found, key=lambda f: f.iou) if f not in chosen]
    return (chosen + rest)[:count]


def draw_failure(failure: Failure, path: Path, size: tuple[int, int]) -> None:
    """The object and what lies around it."""
    scene = load_scene(failure.path)
    truth = scene.instance == failure.instance
    shown = _surroundings(scene, truth)
    labels = np.select([failure.answer & truth, failure.answer, truth], [_RIGHT, _WRONG, _MISSED])
    draw_cloud(
        scene.xyz[shown],
        None if scene.rgb is None else scene.rgb[shown],
        path,
        labels=labels[shown],
        colors=_COLORS,
        size=size,
        title=f"{failure.class_name}, named {failure.named}: IoU {failure.iou:.2f}",
    )


def _surroundings(scene: Scene, truth: NDArray[np.bool_]) -> NDArray[np.bool_]:
    low, high = scene.xyz[truth].min(axis=0), scene.xyz[truth].max(axis=0)
    margin = _AROUND * float((high - low).max())
    return np.asarray(((scene.xyz >= low - margin) & (scene.xyz <= high + margin)).all(axis=1))


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of scenes.")],
    picture: Annotated[Path, typer.Argument(help="PNG to write.")],
    count: Annotated[int, typer.Option(min=1, help="Objects to draw.")] = 6,
    columns: Annotated[int, typer.Option(min=1)] = 3,
    checkpoint: Annotated[Path | None, typer.Option(help="Default: the shipped weights.")] = None,
    scenes: Annotated[int | None, typer.Option(help="Only the first so many.")] = None,
) -> None:
    """Draw the objects that one click segments worst."""
    torch.set_num_threads(1)
    paths = sorted(folder.glob("*.npz"))[:scenes]
    if not paths:
        raise FileFormatError(f"{folder} holds no .npz scene; `clickseg3d simulate` writes some")
    console, segmenter = Console(), ClickSegmenter.load(checkpoint)
    found = [f for path in track(paths, transient=True) for f in answers(segmenter, path)]
    chosen = worst(found, count)
    size = (480, 400)
    sheet = Image.new("RGB", (size[0] * columns, size[1] * -(-len(chosen) // columns)))
    with tempfile.TemporaryDirectory() as folder_name:
        for number, failure in enumerate(chosen):
            panel = Path(folder_name) / f"{number}.png"
            draw_failure(failure, panel, size)
            sheet.paste(
                Image.open(panel), (number % columns * size[0], number // columns * size[1])
            )
            console.print(f"{failure.path.stem} {failure.class_name}: {failure.iou:.2f}")
    with replacing(picture) as temporary:
        sheet.quantize(128).save(temporary, format="PNG")


if __name__ == "__main__":
    run_script(main)
