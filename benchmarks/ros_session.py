"""A session over ROS topics: a scan published, objects clicked, the answer written.

    scripts/with_ros.sh .venv python benchmarks/ros_session.py SCAN.npz --output out/session

SCAN.npz has `xyz`, `rgb` and `instance` (-1 = background). The three largest objects get a click
each, then one on the background by mistake, which is undone, and one on /clicked_point/background.
The folder gets picture.png and session.txt, made of nothing but what the node published.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from ros_user import NODE, User, message_from, running
from scipy.spatial.transform import Rotation

from clickseg3d_core.picture import draw
from clickseg3d_core.types import Clicks, Instance, OrientedBox, PointCloud, Segmentation
from clickseg3d_ros import msg
from clickseg3d_ros.cloud_layout import structured_points


@dataclass(frozen=True)
class Step:
    """One thing that the user does.

    Attributes:
        action: Topic of a click, or name of a service.
        position: (3,) metres, for a click.
        objects: How many objects there are afterwards.
    """

    action: str
    position: NDArray[np.float32] | None
    objects: int


def plan(xyz: NDArray[np.float32], objects: list[NDArray[np.bool_]]) -> list[Step]:
    """What the user does with three objects, given as masks (N,)."""
    places = [inner_point(xyz[mask]) for mask in objects]
    table = xyz[~np.logical_or.reduce(objects)]
    far = table[np.linalg.norm(table - places[0], axis=1).argmax()]
    return [
        Step("/clicked_point", places[0], 1),
        Step("/clicked_point/new", places[1], 2),
        Step("/clicked_point/new", places[2], 3),
        Step("/clicked_point/new", far, 4),
        Step("undo", None, 3),
        Step("/clicked_point/background", inner_point(table), 3),
    ]


def inner_point(xyz: NDArray[np.float32]) -> NDArray[np.float32]:
    """The point nearest to the middle of an object: where a user would click."""
    return xyz[np.linalg.norm(xyz - np.median(xyz, axis=0), axis=1).argmin()]


def play(user: User, steps: list[Step]) -> list[str]:
    """Do the steps one after the other, each when the last one's result is there; tell of each."""
    told = []
    for step in steps:
        before, start = user.segmented, time.perf_counter()
        if step.position is None:
            user.call(step.action)
        else:
            user.click(step.position, step.action.removeprefix("/clicked_point"))
        user.until(lambda s=step, b=before: user.has_objects(s.objects, b), step.action)
        elapsed_ms = 1e3 * (time.perf_counter() - start)
        where = "" if step.position is None else f" at ({_numbers(step.position)})"
        told.append(f"{step.action}{where}: {step.objects} objects after {elapsed_ms:.0f} ms")
    return told


def describe(found: msg.Instance, overlap: float) -> str:
    """One line about an object."""
    p, s = found.pose.position, found.size
    return (
        f"{found.id}: {found.label} {found.label_score:.2f}, mask {found.score:.2f}, "
        f"{found.num_points} points, {found.num_clicks} click(s), box at "
        f"({_numbers((p.x, p.y, p.z))}) size ({_numbers((s.x, s.y, s.z))}) m, IoU {overlap:.2f}"
    )


def _numbers(values: NDArray[np.float32] | tuple[float, ...]) -> str:
    return " ".join(f"{value:.3f}" for value in values)


def published(user: User) -> tuple[PointCloud, Segmentation]:
    """The scan in its own colors and the answer, out of what was heard last."""
    assert user.segmented is not None
    assert user.instances is not None
    points = structured_points(user.segmented).reshape(-1)
    packed = points["input_rgb"].view(np.uint32)
    rgb = np.stack([packed >> shift & 0xFF for shift in (16, 8, 0)], axis=1).astype(np.uint8)
    xyz = np.stack([points[axis] for axis in "xyz"], axis=1).astype(np.float64)
    labels = np.where(points["instance"] == 2**32 - 1, 0, points["instance"]).astype(np.int32)
    instances = tuple(record(found) for found in user.instances.instances)
    return PointCloud(xyz, rgb), Segmentation(labels, points["probability"], instances)


def record(found: msg.Instance) -> Instance:
    """The core's record of a published object."""
    p, q, s, c = found.pose.position, found.pose.orientation, found.size, found.centroid
    rotation = Rotation.from_quat((q.x, q.y, q.z, q.w)).as_matrix()
    box = OrientedBox(np.array((p.x, p.y, p.z)), np.array((s.x, s.y, s.z)), rotation)
    return Instance(
        id=found.id,
        class_name=found.label,
        class_score=found.label_score,
        mask_score=found.score,
        point_count=found.num_points,
        centroid=np.array((c.x, c.y, c.z)),
        box=box,
    )


def main() -> None:
    """Run one session."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", type=Path)
    parser.add_argument("--checkpoint", default="", help="folder; default: the weights shipped")
    parser.add_argument("--output", type=Path, default=Path("out/session"))
    options = parser.parse_args()
    data = np.load(options.scan)
    xyz, truth = data["xyz"], data["instance"]
    sizes = {i: int((truth == i).sum()) for i in np.unique(truth) if i >= 0}
    objects = [truth == i for i in sorted(sizes, key=lambda i: -sizes[i])[:3]]
    if len(objects) < 3:
        parser.error(f"{options.scan} has {len(objects)} objects; choose a scan with at least 3")
    steps = plan(xyz, objects)
    parameters: dict[str, object] = {"diagnostics.period": 0.1}
    if options.checkpoint:
        parameters["model.checkpoint"] = options.checkpoint
    with running(NODE, parameters):
        user = User()
        user.connect()
        user.hold(message_from(xyz, data["rgb"]))
        told = play(user, steps)
    cloud, result = published(user)
    assert user.instances is not None
    for found, mask in zip(user.instances.instances, objects, strict=True):
        mine = result.labels == found.id
        told.append(describe(found, float((mine & mask).sum() / (mine | mask).sum())))
    options.output.mkdir(parents=True, exist_ok=True)
    shown = [step.position for step in (*steps[:3], steps[5])]
    clicks = Clicks(np.array(shown, np.float64), np.array([1, 2, 3, 0]))
    draw(cloud, clicks, result, options.output / "picture.png")
    text = "\n".join(told) + "\n"
    (options.output / "session.txt").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
