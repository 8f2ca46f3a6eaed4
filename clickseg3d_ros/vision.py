"""Instances as vision_msgs, where that package is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING

from clickseg3d_core.types import Instance, Segmentation
from clickseg3d_ros.conversions import point_msg, pose_msg, size_msg

if TYPE_CHECKING:
    from std_msgs.msg import Header
    from vision_msgs.msg import Detection3D, Detection3DArray, LabelInfo

HAS_VISION = importlib.util.find_spec("vision_msgs") is not None
"""Whether vision_msgs is installed; the functions of this module need it."""


def detections_msg(header: Header, segmentation: Segmentation) -> Detection3DArray:
    """Every object that has points, with its class, box and id.

    Args:
        header: That of the clicked cloud.
        segmentation: The objects.

    Returns:
        `id` is the object's id as text, `class_id` the class name, `score` the class score, the
        pose of the hypothesis that of the box with the centroid as position.
    """
    from vision_msgs.msg import Detection3DArray

    return Detection3DArray(
        header=header,
        detections=[_detection(header, i) for i in segmentation.instances if i.point_count],
    )


def _detection(header: Header, instance: Instance) -> Detection3D:
    from vision_msgs.msg import BoundingBox3D, Detection3D, ObjectHypothesisWithPose

    guess = ObjectHypothesisWithPose()
    guess.hypothesis.class_id = instance.class_name
    guess.hypothesis.score = float(instance.class_score)
    guess.pose.pose = pose_msg(instance.box)
    guess.pose.pose.position = point_msg(instance.centroid)
    return Detection3D(
        header=header,
        results=[guess],
        bbox=BoundingBox3D(center=pose_msg(instance.box), size=size_msg(instance.box)),
        id=str(instance.id),
    )


def label_info_msg(header: Header, class_names: Sequence[str]) -> LabelInfo:
    """The classes that the model knows, numbered from 0 in its order."""
    from vision_msgs.msg import LabelInfo, VisionClass

    return LabelInfo(
        header=header,
        class_map=[
            VisionClass(class_id=number, class_name=name) for number, name in enumerate(class_names)
        ],
    )
