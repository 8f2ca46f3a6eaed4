"""PointCloud2 to the core's PointCloud. Needs no ROS, so that bags are read by the same code."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.errors import CloudError
from clickseg3d_core.io.color import to_uint8
from clickseg3d_core.types import PointCloud
from clickseg3d_ros.cloud_layout import CloudLike, structured_points

Number = TypeVar("Number", bound=np.generic)
_PACKED_COLORS = ("rgb", "rgba")
_SEPARATE_COLORS = (("r", "g", "b"), ("red", "green", "blue"))
_NORMALS = (("normal_x", "normal_y", "normal_z"), ("nx", "ny", "nz"))


def cloud_from_msg(message: CloudLike) -> PointCloud:
    """Copy positions, color and normals out of a message.

    Color comes from `rgb` or `rgba` (packed 0xAARRGGBB in a float32 or a 32 bit integer, or three
    values), else from r, g, b or red, green, blue. Normals that are not given for every finite
    point are not used.

    Args:
        message: sensor_msgs/PointCloud2 of rclpy or rosbags: any padding and byte order, organised
            or not, x, y, z of any numeric type in metres.

    Returns:
        N = height * width points, row by row, those with NaN or Inf kept.

    Raises:
        CloudError: if the message is broken, has no x, y, z, no point, or no finite point.
    """
    points = structured_points(message)
    xyz = _positions(points)
    if len(xyz) == 0:
        raise CloudError(
            f"the cloud is empty: {message.height} x {message.width} points; expected at least one"
        )
    return PointCloud(xyz, _colors(points), _normals(points, xyz))


def _positions(points: NDArray[np.void]) -> NDArray[np.float64]:
    if not _all_single(points, ("x", "y", "z")):
        found = ", ".join(points.dtype.names or ()) or "none"
        raise CloudError(f"the cloud needs the single-value fields x, y and z, got {found}")
    return _stacked(points, ("x", "y", "z"), np.dtype(np.float64))


def _all_single(points: NDArray[np.void], names: tuple[str, ...]) -> bool:
    return all(n in (points.dtype.names or ()) and points[n].ndim == 2 for n in names)


def _stacked(
    points: NDArray[np.void], names: tuple[str, ...], dtype: np.dtype[Number]
) -> NDArray[Number]:
    columns = np.empty((*points.shape, len(names)), dtype)
    for column, name in enumerate(names):
        columns[..., column] = points[name]
    return columns.reshape(-1, len(names))


def _colors(points: NDArray[np.void]) -> NDArray[np.uint8] | None:
    for name in _PACKED_COLORS:
        if name not in (points.dtype.names or ()):
            continue
        values = points[name]
        if values.ndim == 2 and values.dtype.itemsize == 4:
            return _unpacked(values)
        if values.ndim == 3 and values.shape[2] in (3, 4):
            return to_uint8(values[..., :3].reshape(-1, 3))
    for names in _SEPARATE_COLORS:
        if _all_single(points, names):
            dtype = np.result_type(*(points[name].dtype for name in names))
            return to_uint8(_stacked(points, names, dtype))
    return None


def _unpacked(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Red, green and blue of 0xAARRGGBB, whatever type the 32 bits have: NaN patterns survive."""
    bits = values.view(np.dtype(np.uint32).newbyteorder(values.dtype.byteorder))
    colors = np.empty((*values.shape, 3), np.uint8)
    for channel, shift in enumerate((16, 8, 0)):
        colors[..., channel] = (bits >> shift) & 0xFF
    return colors.reshape(-1, 3)


def _normals(points: NDArray[np.void], xyz: NDArray[np.float64]) -> NDArray[np.float32] | None:
    names = next((names for names in _NORMALS if _all_single(points, names)), None)
    if names is None:
        return None
    normals = _stacked(points, names, np.dtype(np.float32))
    given = np.isfinite(normals).all(axis=1) & (normals != 0).any(axis=1)
    return normals if given[np.isfinite(xyz).all(axis=1)].all() else None
