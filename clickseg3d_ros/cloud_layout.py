"""Where the values of a PointCloud2 lie in its bytes: checked first, then seen without a copy.

Only plain attributes of the message are read, so messages of rclpy and of `rosbags` both fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.errors import CloudError

DTYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
"""PointField.datatype -> numpy type without byte order."""

MAX_POINT_STEP = 65536
"""Bytes per point beyond which a message counts as broken."""


class FieldLike(Protocol):
    """What is read of a sensor_msgs/PointField."""

    name: str
    offset: int
    datatype: int
    count: int


class CloudLike(Protocol):
    """What is read of a sensor_msgs/PointCloud2."""

    height: int
    width: int
    fields: Sequence[FieldLike]
    is_bigendian: bool
    point_step: int
    row_step: int
    data: Any


def structured_points(message: CloudLike) -> NDArray[np.void]:
    """The points of a message as (height, width) records, one entry per named field.

    Nothing is copied: the records live in the message's data, padding of points and rows and the
    byte order are part of the view. Fields without a name and of unknown types are left out.

    Raises:
        CloudError: if sizes, fields and data of the message contradict each other.
    """
    height, width, step = int(message.height), int(message.width), int(message.point_step)
    if not 1 <= step <= MAX_POINT_STEP:
        raise CloudError(
            f"point_step must be 1..{MAX_POINT_STEP} bytes, got {step}; the message is broken"
        )
    dtype = record_dtype(message.fields, step, big_endian=bool(message.is_bigendian))
    if height * width == 0:
        return np.zeros((height, width), dtype)
    row_step = step * width if height == 1 else int(message.row_step)
    if row_step < step * width:
        raise CloudError(
            f"row_step must be at least width * point_step = {step * width} bytes, got {row_step}"
        )
    needed = (height - 1) * row_step + width * step
    if len(message.data) < needed:
        raise CloudError(
            f"a cloud of {height} x {width} points of {step} bytes needs {needed} bytes of data, "
            f"got {len(message.data)}; the message is broken or was cut short"
        )
    buffer = np.frombuffer(message.data, dtype=np.uint8)
    return np.ndarray((height, width), dtype, buffer, strides=(row_step, step))


def record_dtype(fields: Sequence[FieldLike], point_step: int, *, big_endian: bool) -> np.dtype:
    """A record type with the named fields at their offsets, point_step bytes long.

    Raises:
        CloudError: if a field reaches beyond the point or two fields have one name.
    """
    kept = [field for field in fields if field.name and int(field.datatype) in DTYPES]
    names = [field.name for field in kept]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CloudError(f"field names must be unique, got {', '.join(twice)} more than once")
    order = ">" if big_endian else "<"
    formats: list[Any] = []
    for field in kept:
        scalar = np.dtype(order + DTYPES[int(field.datatype)])
        # Old drivers write 0 for a single value.
        count = max(int(field.count), 1)
        if int(field.offset) + count * scalar.itemsize > point_step:
            raise CloudError(
                f"field {field.name} ends at byte {int(field.offset) + count * scalar.itemsize} of "
                f"a point of point_step = {point_step} bytes; the message is broken"
            )
        formats.append(scalar if count == 1 else (scalar, (count,)))
    return np.dtype(
        {
            "names": names,
            "formats": formats,
            "offsets": [int(field.offset) for field in kept],
            "itemsize": point_step,
        }
    )
