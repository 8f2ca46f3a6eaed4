"""PointCloud2 messages of every layout, made with numpy alone."""

from array import array
from collections.abc import Mapping

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField

from clickseg3d_core.types import PointCloud

DATATYPES = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 8}


def make_cloud_msg(
    columns: Mapping[str, np.ndarray],
    *,
    height: int = 1,
    gap: int = 0,
    tail: int = 0,
    row_tail: int = 0,
    big_endian: bool = False,
    frame_id: str = "camera",
    stamp: tuple[int, int] = (12, 34),
) -> PointCloud2:
    """N points with the given columns (N,) or (N, C).

    Args:
        columns: Field by field, each with the type it shall have in the message.
        height: Rows; must divide N.
        gap: Unused bytes before every field.
        tail: Unused bytes after every point.
        row_tail: Unused bytes after every row.
        big_endian: Byte order.
        frame_id: Header frame.
        stamp: Header stamp, seconds and nanoseconds.
    """
    n = len(next(iter(columns.values())))
    fields, formats, offset = [], [], 0
    for name, values in columns.items():
        offset += gap
        code = values.dtype.str[1:]
        count = 1 if values.ndim == 1 else values.shape[1]
        fields.append(PointField(name=name, offset=offset, datatype=DATATYPES[code], count=count))
        kind = (">" if big_endian else "<") + code
        formats.append(kind if count == 1 else (kind, (count,)))
        offset += count * values.dtype.itemsize
    step = offset + tail
    records = (
        np.frombuffer(b"\xaa" * (n * step), np.uint8)
        .copy()
        .view(
            np.dtype(
                {
                    "names": list(columns),
                    "formats": formats,
                    "offsets": [field.offset for field in fields],
                    "itemsize": step,
                }
            )
        )
    )
    for name, values in columns.items():
        records[name] = values
    width = n // height
    rows = np.full((height, width * step + row_tail), 0xBB, np.uint8)
    rows[:, : width * step] = records.view(np.uint8).reshape(height, width * step)
    message = PointCloud2(
        height=height,
        width=width,
        fields=fields,
        is_bigendian=big_endian,
        point_step=step,
        row_step=width * step + row_tail,
        data=array("B", rows.tobytes()),
        is_dense=bool(all(np.isfinite(columns[c]).all() for c in "xyz" if c in columns)),
    )
    message.header.frame_id = frame_id
    message.header.stamp.sec, message.header.stamp.nanosec = stamp
    return message


def positions(n: int, dtype: str = "f4", seed: int = 0) -> dict[str, np.ndarray]:
    """Columns x, y, z of n points within 2 m."""
    values = np.random.default_rng(seed).uniform(-2.0, 2.0, (n, 3)).astype(dtype)
    return {name: values[:, column] for column, name in enumerate("xyz")}


def packed(rgb: np.ndarray) -> np.ndarray:
    """Colors (N, 3) uint8 as (N,) uint32 0x00RRGGBB."""
    red, green, blue = rgb.astype(np.uint32).T
    return (red << 16) | (green << 8) | blue


def msg_from_cloud(cloud: PointCloud, **layout: object) -> PointCloud2:
    """What a depth camera's driver sends: x, y, z float32 and packed rgb float32."""
    columns = {name: cloud.xyz[:, c].astype(np.float32) for c, name in enumerate("xyz")}
    if cloud.rgb is not None:
        columns["rgb"] = packed(cloud.rgb).view(np.float32)
    return make_cloud_msg(columns, **layout)


def column(message: PointCloud2, name: str) -> np.ndarray:
    """One field of a packed little-endian message, (N,) or (N, C), read by its offset alone."""
    field = next(field for field in message.fields if field.name == name)
    code = next(code for code, number in DATATYPES.items() if number == field.datatype)
    table = np.frombuffer(message.data, np.uint8).reshape(-1, message.point_step)
    start = field.offset
    raw = table[:, start : start + np.dtype(code).itemsize * field.count]
    values = np.ascontiguousarray(raw).view("<" + code)
    return values if field.count > 1 else values.reshape(-1)
