"""The cloud subscription, which mends a QoS that no publisher can meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind
from sensor_msgs.msg import PointCloud2

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks


class CloudInput:
    """Subscribes to `points`, depth 1.

    Args:
        node: The node.
        reliability: "auto" begins reliable and subscribes again with best effort as soon as a
            publisher turns up that offers only that.
        on_cloud: Called with each message in the executor's thread.
    """

    def __init__(
        self, node: Any, reliability: str, on_cloud: Callable[[PointCloud2], None]
    ) -> None:
        self._node = node
        self._on_cloud = on_cloud
        self._may_fall_back = reliability == "auto"
        self.reliability = "best_effort" if reliability == "best_effort" else "reliable"
        self._subscription = self._subscribe()
        # An event callback may not destroy its own subscription; this one may.
        self._fall_back_soon = node.create_guard_condition(self._fall_back)

    @property
    def topic(self) -> str:
        """Resolved name of the topic."""
        return str(self._subscription.topic_name)

    def close(self) -> None:
        """Stop listening."""
        self._node.destroy_guard_condition(self._fall_back_soon)
        self._node.destroy_subscription(self._subscription)

    def _subscribe(self) -> Any:
        policy = {
            "reliable": ReliabilityPolicy.RELIABLE,
            "best_effort": ReliabilityPolicy.BEST_EFFORT,
        }
        return self._node.create_subscription(
            PointCloud2,
            "points",
            self._on_cloud,
            QoSProfile(depth=1, reliability=policy[self.reliability]),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible),
        )

    def _on_incompatible(self, event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        then = "subscribing again with best effort" if self._may_fall_back else "nothing arrives"
        self._node.get_logger().warning(
            f"a publisher of {self.topic} offers less than the {self.reliability} subscription "
            f"asks for ({policy}); {then}"
        )
        if self._may_fall_back:
            self._fall_back_soon.trigger()

    def _fall_back(self) -> None:
        if self.reliability == "best_effort":
            return
        self._may_fall_back = False
        self._node.destroy_subscription(self._subscription)
        self.reliability = "best_effort"
        self._subscription = self._subscribe()
