#!/usr/bin/env python3
"""Grasps the active object from above: how a manipulation pipeline uses what was clicked."""

import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from clickseg3d_ros.msg import InstanceArray

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class GraspPipeline(Node):
    """Turns the box of the active object into the pose of a gripper over it."""

    def __init__(self, **kwargs):
        super().__init__("grasp_pipeline", **kwargs)
        self.grasps = self.create_publisher(PoseStamped, "grasp_pose", LATCHED)
        self.create_subscription(InstanceArray, "clickseg3d/instances", self.on_instances, LATCHED)

    def on_instances(self, message):
        """Publish a grasp on top of the object that was clicked last."""
        for target in message.instances:
            if target.id == message.active_id and target.num_points > 0:
                grasp = PoseStamped(header=target.header, pose=target.pose)
                lift(grasp.pose, target.size.z / 2)
                opening = min(target.size.x, target.size.y)
                self.get_logger().info(f"{target.label}: open the gripper {1000 * opening:.0f} mm")
                self.grasps.publish(grasp)


def lift(pose, height):
    """Move a pose along its own z axis."""
    q = pose.orientation
    pose.position.x += height * 2 * (q.x * q.z + q.w * q.y)
    pose.position.y += height * 2 * (q.y * q.z - q.w * q.x)
    pose.position.z += height * (1 - 2 * (q.x * q.x + q.y * q.y))


if __name__ == "__main__":
    rclpy.init()
    rclpy.spin(GraspPipeline())
