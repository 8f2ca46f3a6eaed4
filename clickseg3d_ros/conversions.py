"""Between ROS messages and the core's records; pure functions, no node."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from clickseg3d_core.errors import ClickError
from clickseg3d_core.types import BACKGROUND_ID, Clicks, Instance, OrientedBox, Segmentation
from clickseg3d_ros import msg as messages
from clickseg3d_ros.cloud_reading import cloud_from_msg
from clickseg3d_ros.cloud_writing import UNLABELED, segmented_msg, subset_msg

if TYPE_CHECKING:
    from sensor_msgs.msg import PointCloud2
    from std_msgs.msg import Header

__all__ = [
    "UNLABELED",
    "clicks_from_msgs",
    "cloud_from_msg",
    "instances_msg",
    "point_msg",
    "pose_msg",
    "segmented_msg",
    "size_msg",
    "subset_msg",
]


def clicks_from_msgs(clicks: Sequence[messages.Click], active: int = 1) -> Clicks:
    """Clicks of a message or a request, all in the frame of the cloud.

    A negative click becomes a background click: every other object's click and the background are
    what an object is told apart from.

    Args:
        clicks: K messages.
        active: The object that ACTIVE stands for.

    Raises:
        ClickError: if a position is not finite, or an id or a polarity is not valid.
    """
    positions = [(c.position.x, c.position.y, c.position.z) for c in clicks]
    ids = [_object_id(c, active) for c in clicks]
    return Clicks(np.array(positions, np.float64), np.array(ids, np.int64))


def _object_id(click: messages.Click, active: int) -> int:
    if click.polarity == messages.Click.NEGATIVE:
        return BACKGROUND_ID
    if click.polarity != messages.Click.POSITIVE:
        raise ClickError(
            f"polarity must be POSITIVE ({messages.Click.POSITIVE}) or NEGATIVE "
            f"({messages.Click.NEGATIVE}), got {click.polarity}"
        )
    return active if click.instance_id == messages.Click.ACTIVE else int(click.instance_id)


def instances_msg(
    header: Header,
    segmentation: Segmentation,
    clicks: Clicks,
    *,
    active_id: int,
    revision: int,
    inference_ms: float,
    source: PointCloud2 | None = None,
) -> messages.InstanceArray:
    """All objects of a segmentation.

    Args:
        header: That of the clicked cloud.
        segmentation: N labels and the objects.
        clicks: What was clicked.
        active_id: The object that the next click marks.
        revision: Number of this result.
        inference_ms: Time of the decoder, milliseconds.
        source: The clicked cloud, N points, to fill the cloud of every instance; None leaves it
            empty.
    """
    return messages.InstanceArray(
        header=header,
        instances=[
            _instance_msg(header, instance, segmentation.labels, clicks, source)
            for instance in segmentation.instances
        ],
        active_id=active_id,
        revision=revision,
        inference_ms=float(inference_ms),
    )


def _instance_msg(
    header: Header,
    instance: Instance,
    labels: NDArray[np.int32],
    clicks: Clicks,
    source: PointCloud2 | None,
) -> messages.Instance:
    mask = labels == instance.id
    message = messages.Instance(
        header=header,
        id=instance.id,
        label=instance.class_name,
        label_score=float(instance.class_score),
        score=float(instance.mask_score),
        pose=pose_msg(instance.box),
        size=size_msg(instance.box),
        centroid=point_msg(instance.centroid),
        num_points=instance.point_count,
        num_clicks=int((clicks.object_ids == instance.id).sum()),
        indices=array("i", np.flatnonzero(mask).astype(np.int32).tobytes()),
    )
    if source is not None:
        message.cloud = subset_msg(source, mask)
    return message


def point_msg(position: NDArray[np.float64]) -> Point:
    """A position (3,) as a Point."""
    x, y, z = (float(value) for value in position)
    return Point(x=x, y=y, z=z)


def pose_msg(box: OrientedBox) -> Pose:
    """Center and axes of a box as a Pose, in the frame of the box."""
    x, y, z, w = (float(value) for value in Rotation.from_matrix(box.rotation).as_quat())
    return Pose(position=point_msg(box.center), orientation=Quaternion(x=x, y=y, z=z, w=w))


def size_msg(box: OrientedBox) -> Vector3:
    """Full side lengths of a box, metres, along its own axes."""
    x, y, z = (float(value) for value in box.extent)
    return Vector3(x=x, y=y, z=z)
