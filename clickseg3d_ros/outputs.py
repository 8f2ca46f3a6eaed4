"""What the node publishes: latched, and computed only for those who listen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import MarkerArray

from clickseg3d_ros import vision
from clickseg3d_ros.conversions import instances_msg, segmented_msg, subset_msg
from clickseg3d_ros.markers import markers_msg
from clickseg3d_ros.msg import InstanceArray
from clickseg3d_ros.parameters import NodeParameters
from clickseg3d_ros.scene import View

LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


@dataclass(slots=True)
class _Output:
    topic: str
    kind: type
    build: Callable[[View], Any]
    depends: tuple[str, ...]  # fields of the View that the message shows
    publisher: Any = None
    sent: tuple[Any, ...] | None = None
    key: tuple[Any, ...] = field(default=())


class Outputs:
    """The latched topics of the node.

    A topic is computed when somebody listens. Who comes later gets it within `catch_up`'s period;
    a latched sample that is out of date is never left behind.

    Args:
        node: Where the publishers live.
        parameters: For what can be changed at run time.
        class_names: For ~/label_info.
    """

    def __init__(self, node: Any, parameters: NodeParameters, class_names: tuple[str, ...]) -> None:
        self._node = node
        self._parameters = parameters
        self._view: View | None = None
        self._outputs = self._table()
        for output in self._outputs:
            output.publisher = node.create_publisher(output.kind, output.topic, LATCHED)
        self._label_info: Any = None
        if vision.HAS_VISION:
            message = vision.label_info_msg(_header_now(node), class_names)
            self._label_info = node.create_publisher(type(message), "~/label_info", LATCHED)
            self._label_info.publish(message)

    def close(self) -> None:
        """Destroy the publishers, and with them the latched samples."""
        for output in self._outputs:
            self._node.destroy_publisher(output.publisher)
        if self._label_info is not None:
            self._node.destroy_publisher(self._label_info)

    def show(self, view: View) -> None:
        """Publish what changed since the last view."""
        self._view = view
        for output in self._outputs:
            key = tuple(getattr(view, name) for name in output.depends)
            if len(key) == len(output.key) and all(map(_same, key, output.key)):
                continue
            output.key = key
            if output.publisher.get_subscription_count() > 0:
                self._send(output)
            elif output.sent is not None:
                # Nobody hears the new state, but the next one to come would hear the old.
                self._node.destroy_publisher(output.publisher)
                output.publisher = self._node.create_publisher(output.kind, output.topic, LATCHED)
                output.sent = None

    def catch_up(self) -> None:
        """Publish to those who have come since the last view."""
        if self._view is None:
            return
        for output in self._outputs:
            if output.sent is not output.key and output.publisher.get_subscription_count() > 0:
                self._send(output)

    def _send(self, output: _Output) -> None:
        assert self._view is not None
        output.publisher.publish(output.build(self._view))
        output.sent = output.key

    def _table(self) -> list[_Output]:
        cloud = ("segmentation",)
        outputs = [
            _Output("~/segmented/points", PointCloud2, self._segmented, cloud),
            _Output(
                "~/instances",
                InstanceArray,
                self._instances,
                ("segmentation", "active_id", "revision"),
            ),
            _Output(
                "~/markers", MarkerArray, self._markers, ("segmentation", "clicks", "active_id")
            ),
            _Output(
                "~/selected/points", PointCloud2, self._selected, ("segmentation", "active_id")
            ),
            _Output("~/remainder/points", PointCloud2, self._remainder, cloud),
        ]
        if vision.HAS_VISION:
            from vision_msgs.msg import Detection3DArray

            outputs.append(_Output("~/detections", Detection3DArray, self._detections, cloud))
        return outputs

    def _segmented(self, view: View) -> PointCloud2:
        return segmented_msg(
            view.scene.message,
            view.segmentation,
            view.scene.cloud,
            self._parameters.settings.output_field_name,
        )

    def _instances(self, view: View) -> InstanceArray:
        with_clouds = self._parameters.settings.output_instance_clouds
        return instances_msg(
            view.scene.header,
            view.segmentation,
            view.segmented_clicks,
            active_id=view.active_id,
            revision=view.revision,
            inference_ms=view.inference_ms,
            source=view.scene.message if with_clouds else None,
        )

    def _markers(self, view: View) -> MarkerArray:
        return markers_msg(
            view.scene.header,
            view.segmentation.instances,
            view.clicks,
            click_diameter=self._parameters.settings.output_click_diameter,
            active_id=view.active_id,
        )

    def _selected(self, view: View) -> PointCloud2:
        is_active = view.segmentation.labels == view.active_id
        return subset_msg(view.scene.message, is_active & (view.active_id > 0))

    def _remainder(self, view: View) -> PointCloud2:
        return subset_msg(view.scene.message, _is_finite(view) & (view.segmentation.labels == 0))

    def _detections(self, view: View) -> Any:
        return vision.detections_msg(view.scene.header, view.segmentation)


def _same(new: Any, old: Any) -> bool:
    return new is old or (isinstance(new, int) and new == old)


def _is_finite(view: View) -> NDArray[np.bool_]:
    finite = np.zeros(len(view.scene.cloud), dtype=np.bool_)
    finite[view.scene.rows] = True
    return finite


def _header_now(node: Any) -> Any:
    from std_msgs.msg import Header

    return Header(stamp=node.get_clock().now().to_msg())
