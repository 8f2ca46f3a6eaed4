"""Positions between TF frames. Never the identity by default."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.time import Time
from std_msgs.msg import Header

from clickseg3d_core.errors import ClickError
from clickseg3d_core.types import Up

try:
    import tf2_ros
except ImportError:  # some minimal installs, and the PyPI wheels, have no tf2
    tf2_ros = None

_POLL_S = 0.01
Matrix = NDArray[np.float64]


def matrix_from(transform: Any) -> Matrix:
    """A geometry_msgs/Transform as (4, 4) float64.

    Raises:
        ClickError: if it is no rotation or not finite.
    """
    q, t = transform.rotation, transform.translation
    x, y, z, w = quaternion = np.array([q.x, q.y, q.z, q.w])
    length = float(np.linalg.norm(quaternion))
    if not (np.isfinite([t.x, t.y, t.z]).all() and abs(length - 1.0) < 0.1):
        raise ClickError(
            f"the transform is not a rotation and a translation: quaternion {quaternion}"
        )
    x, y, z, w = quaternion / length
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = t.x, t.y, t.z
    return matrix


class Frames:
    """Transforms into the frame of a cloud, from /tf and /tf_static.

    Args:
        node: The node that listens; its executor does the listening.
    """

    def __init__(self, node: Any) -> None:
        self._logger = node.get_logger()
        self._buffer: Any = None
        self._listener: Any = None
        if tf2_ros is not None:
            self._buffer = tf2_ros.Buffer()
            self._listener = tf2_ros.TransformListener(self._buffer, node, spin_thread=False)
            # A bag that begins again: transforms of its end would hide those of its beginning.
            back = JumpThreshold(
                min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True
            )
            self._jumps = node.get_clock().create_jump_callback(back, post_callback=self._forget)

    def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.unregister()
            self._listener = None
            self._jumps.unregister()

    def _forget(self, jump: object) -> None:
        self._buffer.clear()

    def into_cloud(self, frame: str, cloud: Header, timeout: float) -> Matrix:
        """Transform from a frame into that of a cloud, at the cloud's stamp.

        The stamp of a click is when the user pressed the button, so it is not looked at. May wait;
        not for callbacks.

        Args:
            frame: Frame of the positions.
            cloud: Header of the cloud.
            timeout: How long to wait for the stamp before the latest transform is taken, seconds.

        Returns:
            T_cloud_frame, (4, 4) float64.

        Raises:
            ClickError: if there is no transform at all, or tf2_ros is not installed.
        """
        source, target = frame.strip("/"), cloud.frame_id.strip("/")
        if not source:
            raise ClickError("the click has no frame_id; set it to the frame that it is in")
        if source == target:
            return np.eye(4)
        if self._buffer is None:
            raise ClickError(
                f"the click is in {source!r}, the cloud in {target!r}, and tf2_ros is not "
                "installed; click in the frame of the cloud or install tf2_ros"
            )
        stamp = Time.from_msg(cloud.stamp)
        if self._wait(target, stamp, source, timeout):
            return matrix_from(self._buffer.lookup_transform(target, source, stamp).transform)
        return self._latest(target, source, stamp)

    def up_in(self, cloud: Header, up_frame: str, timeout: float) -> Up:
        """The z axis of a frame, in the frame of a cloud at its stamp.

        May wait; not for callbacks.

        Args:
            cloud: Header of the cloud.
            up_frame: Frame whose z axis points up.
            timeout: How long to wait for the stamp before the latest transform is taken, seconds.

        Returns:
            A unit vector, or None, with a warning, when TF does not know it.
        """
        try:
            x, y, z = self.into_cloud(up_frame, cloud, timeout)[:3, 2].tolist()
        except ClickError as error:
            self._logger.warning(f"TF does not tell which way is up, so model.up holds: {error}")
            return None
        return x, y, z

    def between(self, new: Header, old: Header, fixed_frame: str, timeout: float) -> Matrix | None:
        """How things at rest in `fixed_frame` moved from one cloud's frame to another's.

        May wait; not for callbacks.

        Args:
            new: Header of one cloud.
            old: Header of an earlier one.
            fixed_frame: Frame in which things rest.
            timeout: How long to wait for the transform at the new stamp, seconds.

        Returns:
            T_new_old, (4, 4) float64, or None when TF does not know it.
        """
        target, source = new.frame_id.strip("/"), old.frame_id.strip("/")
        stamp = Time.from_msg(new.stamp)
        if self._buffer is None or not self._wait(target, stamp, fixed_frame, timeout):
            return None
        try:
            found = self._buffer.lookup_transform_full(
                target, stamp, source, Time.from_msg(old.stamp), fixed_frame
            )
        except tf2_ros.TransformException:
            return None
        return matrix_from(found.transform)

    def _wait(self, target: str, stamp: Time, source: str, timeout: float) -> bool:
        end = time.monotonic() + timeout
        while not self._buffer.can_transform(target, source, stamp, Duration()):
            if time.monotonic() >= end:
                return False
            time.sleep(_POLL_S)
        return True

    def _latest(self, target: str, source: str, stamp: Time) -> Matrix:
        try:
            found = self._buffer.lookup_transform(target, source, Time())
        except tf2_ros.TransformException as error:
            raise ClickError(f"no transform from {source!r} to {target!r} ({error})") from error
        age = (Time.from_msg(found.header.stamp).nanoseconds - stamp.nanoseconds) * 1e-9
        self._logger.warning(
            f"no transform from {source!r} to {target!r} at the stamp of the cloud; took the "
            f"latest, {age:+.3f} s from it"
        )
        return matrix_from(found.transform)
