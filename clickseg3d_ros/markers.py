"""What RViz draws over the cloud: wireframe boxes, names and clicks.

RViz takes the position of a click from whatever is drawn under the mouse, so nothing here has a
face that covers points: boxes are lines, names float above them, click spheres are small.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from clickseg3d_core.types import Clicks, Instance
from clickseg3d_ros.conversions import point_msg, pose_msg
from clickseg3d_ros.palette import instance_color

_LINE_SHARE = 0.008  # of the box's longest side
_LINE_WIDTH = (0.001, 0.05)  # metres
_TEXT_SHARE = 0.15
_TEXT_HEIGHT = (0.02, 0.6)  # metres
_ACTIVE_LINE = 2.5
_CORNERS = np.array(list(product((-0.5, 0.5), repeat=3)))
_EDGES = [(i, j) for i in range(8) for j in range(i + 1, 8) if bin(i ^ j).count("1") == 1]


def markers_msg(
    header: Header,
    instances: Sequence[Instance],
    clicks: Clicks,
    *,
    click_diameter: float,
    active_id: int,
) -> MarkerArray:
    """All markers of a state; the first one deletes those of the state before.

    Args:
        header: That of the clicked cloud.
        instances: Objects; those without points have no box and no name.
        clicks: All clicks, frame of the cloud.
        click_diameter: Of a click sphere, metres.
        active_id: Object whose box is drawn thicker; 0 for none.

    Returns:
        Namespaces boxes and labels (id: that of the object) and clicks (id: that of the object, 0
        for background).
    """
    shown = [instance for instance in instances if instance.point_count > 0]
    return MarkerArray(
        markers=[
            _marker(header, "", 0, Marker.CUBE, action=Marker.DELETEALL),
            *(_box(header, instance, instance.id == active_id) for instance in shown),
            *(_name(header, instance) for instance in shown),
            *(
                _spheres(header, int(object_id), clicks, click_diameter)
                for object_id in np.unique(clicks.object_ids)
            ),
        ]
    )


def _box(header: Header, instance: Instance, active: bool) -> Marker:
    corners = [point_msg(corner * instance.box.extent) for corner in _CORNERS]
    width = float(np.clip(_LINE_SHARE * instance.box.extent.max(), *_LINE_WIDTH))
    marker = _marker(header, "boxes", instance.id, Marker.LINE_LIST)
    marker.pose = pose_msg(instance.box)
    marker.scale = Vector3(x=width * _ACTIVE_LINE if active else width)
    marker.color = _color(instance.id)
    marker.points = [corners[end] for edge in _EDGES for end in edge]
    return marker


def _name(header: Header, instance: Instance) -> Marker:
    height = float(np.clip(_TEXT_SHARE * instance.box.extent.max(), *_TEXT_HEIGHT))
    box = instance.box
    top = box.center + box.rotation[:, 2] * (box.extent[2] / 2 + height)
    marker = _marker(header, "labels", instance.id, Marker.TEXT_VIEW_FACING)
    marker.pose.position = point_msg(top)
    marker.scale = Vector3(z=height)
    marker.color = _color(instance.id)
    marker.text = f"{instance.id} {instance.class_name} {100 * instance.mask_score:.0f}%"
    return marker


def _spheres(header: Header, object_id: int, clicks: Clicks, diameter: float) -> Marker:
    marker = _marker(header, "clicks", object_id, Marker.SPHERE_LIST)
    marker.scale = Vector3(x=diameter, y=diameter, z=diameter)
    marker.color = _color(object_id)
    marker.points = [point_msg(p) for p in clicks.positions[clicks.object_ids == object_id]]
    return marker


def _marker(
    header: Header, namespace: str, marker_id: int, kind: int, action: int = Marker.ADD
) -> Marker:
    return Marker(
        header=header,
        ns=namespace,
        id=marker_id,
        type=kind,
        action=action,
        pose=Pose(position=Point(), orientation=Quaternion(w=1.0)),
    )


def _color(object_id: int) -> ColorRGBA:
    red, green, blue = instance_color(object_id)
    return ColorRGBA(r=red / 255.0, g=green / 255.0, b=blue / 255.0, a=1.0)
