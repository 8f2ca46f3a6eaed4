"""A session over ROS topics: a scan published, objects clicked, one undone, the answer written.

    scripts/with_ros.sh .venv python benchmarks/ros_session.py SCAN.npz --output out/session

SCAN.npz has `xyz`, `rgb` and `instance` (-1 = background). Every object gets one click on
/clicked_point/new, three at most; then a fourth click is made on the background and undone. The
folder gets picture.png and instances.txt, made of nothing but what the node published.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from ros_latency import NODE, User
from sensor_msgs.msg import PointCloud2, PointField

from clickseg3d_core.picture import draw
from clickseg3d_core.types import Clicks, PointCloud, Segmentation
from clickseg3d_ros.cloud_layout import structured_points
from clickseg3d_ros.conversions import cloud_from_msg


def message_from(xyz: NDArray[np.float32], rgb: NDArray[np.uint8]) -> PointCloud2:
    """What a depth camera's driver would publish."""
    red, green, blue = rgb.astype(np.uint32).T
    points = np.zeros((len(xyz), 4), np.float32)
    points[:, :3] = xyz
    points[:, 3] = (red << 16 | green << 8 | blue).view(np.float32)
    message = PointCloud2(height=1, width=len(xyz), point_step=16, row_step=16 * len(xyz))
    message.fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate(("x", "y", "z", "rgb"))
    ]
    message.data.frombytes(memoryview(points).cast("B"))
    message.header.frame_id = "camera"
    return message


def inner_point(xyz: NDArray[np.float32]) -> NDArray[np.float32]:
    """The point nearest to the middle of an object: where a user would click."""
    return xyz[np.linalg.norm(xyz - np.median(xyz, axis=0), axis=1).argmin()]


def play(user: User, scan: PointCloud2, positions: NDArray[np.float32]) -> None:
    """Publish the scan, click all but the last position as objects, click the last, undo it."""
    user.connect()
    user.hold(scan)
    for number, position in enumerate(positions, start=1):
        before = user.segmented
        user.click(position)
        user.until(lambda n=number, b=before: user.has_objects(n, b), f"object {number}")
    before = user.segmented
    user.call("undo")
    user.until(lambda: user.has_objects(len(positions) - 1, before), "the undone state")


def iou(labels: NDArray[np.int32], object_id: int, truth: NDArray[np.bool_]) -> float:
    """Overlap of an object's points with the true ones."""
    found = labels == object_id
    return float((found & truth).sum() / max((found | truth).sum(), 1))


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
    objects = sorted(sizes, key=lambda i: -sizes[i])[:3]
    clicked = [inner_point(xyz[truth == i]) for i in objects]
    positions = np.array([*clicked, xyz[truth < 0][0]])
    command = [sys.executable, str(NODE), "--ros-args", "-p", "diagnostics.period:=0.1"]
    command += ["-p", f"model.checkpoint:={options.checkpoint}"]
    node = subprocess.Popen(command)
    try:
        user = User()
        play(user, message_from(xyz, data["rgb"]), positions)
    finally:
        node.terminate()
        node.wait(10)
    write(user, positions[:-1], [truth == i for i in objects], options.output)


def write(
    user: User, positions: NDArray[np.float32], truths: list[NDArray[np.bool_]], folder: Path
) -> None:
    """Picture and text of what was heard last."""
    assert user.segmented is not None
    assert user.instances is not None
    folder.mkdir(parents=True, exist_ok=True)
    points = structured_points(user.segmented).reshape(-1)
    labels = points["instance"].astype(np.int64)
    labels[labels == 2**32 - 1] = 0
    cloud = cloud_from_msg(user.segmented)
    source = PointCloud(cloud.xyz, None)
    result = Segmentation(
        labels=labels.astype(np.int32), probabilities=points["probability"], instances=()
    )
    clicks = Clicks(positions.astype(np.float64), np.arange(1, len(positions) + 1))
    draw(source, clicks, result, folder / "picture.png")
    lines = [f"frame {user.instances.header.frame_id}, active {user.instances.active_id}"]
    for found, truth in zip(user.instances.instances, truths, strict=True):
        p, s = found.pose.position, found.size
        lines.append(
            f"{found.id}: {found.label} {found.label_score:.2f}, mask {found.score:.2f}, "
            f"{found.num_points} points, {found.num_clicks} click(s), box at "
            f"({p.x:.3f} {p.y:.3f} {p.z:.3f}) size ({s.x:.3f} {s.y:.3f} {s.z:.3f}) m, "
            f"IoU {iou(result.labels, found.id, truth):.2f}"
        )
    text = "\n".join(lines) + "\n"
    (folder / "instances.txt").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
