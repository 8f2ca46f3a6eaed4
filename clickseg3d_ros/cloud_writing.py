"""Clouds that go out: the source message's own bytes, with fields added or points left out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField

from clickseg3d_core.errors import CloudError, ConfigError
from clickseg3d_core.io.record import free_name
from clickseg3d_core.types import BACKGROUND_ID, PointCloud, Segmentation
from clickseg3d_ros.cloud_layout import DTYPES, structured_points
from clickseg3d_ros.palette import palette, palette_rows

UNLABELED = 2**32 - 1
"""Instance of a point without finite x, y, z: InstanceArray.UNLABELED."""

_DATATYPES = {np.dtype(np.uint32): PointField.UINT32, np.dtype(np.float32): PointField.FLOAT32}
_GREY = 0x969696
_SHADES = 32


def segmented_msg(
    message: PointCloud2, segmentation: Segmentation, cloud: PointCloud, field: str = "instance"
) -> PointCloud2:
    """The clicked cloud with three more fields.

    Header, number, order and shape of the points and all their fields stay. A field of the source
    with one of the new names is called input_<name>. Bytes come out little-endian with no padding
    between rows, because RViz shows no others.

    Args:
        message: The clicked cloud, N points.
        segmentation: Its labels.
        cloud: What `cloud_from_msg` made of it.
        field: Name of the field with the ids.

    Returns:
        With `<field>` uint32 (0 background, UNLABELED where x, y, z are not finite), `probability`
        float32 and `rgb` uint32 0x00RRGGBB, the cloud's color with every object tinted.

    Raises:
        CloudError: if the segmentation is that of another cloud, or the message is broken.
        ConfigError: if the name of the field cannot be used.
    """
    if field in ("", "x", "y", "z", "rgb", "probability"):
        raise ConfigError(f"the field of the instance ids cannot be called {field!r}")
    points = structured_points(message)
    if not points.size == len(segmentation.labels) == len(cloud):
        raise CloudError(
            f"the message has {points.size} points, its cloud {len(cloud)} and the segmentation "
            f"{len(segmentation.labels)}; all three must belong together"
        )
    finite = _finite(cloud.xyz)
    added = {
        field: np.where(finite, segmentation.labels, UNLABELED).astype(np.uint32),
        "probability": segmentation.probabilities.astype(np.float32),
        "rgb": _tinted(cloud.rgb, segmentation.labels),
    }
    return _message(message, points, added, message.is_dense and bool(finite.all()))


def subset_msg(message: PointCloud2, mask: NDArray[np.bool_]) -> PointCloud2:
    """Some points of a cloud, in their order, with the same header and fields.

    Args:
        message: N points.
        mask: (N,) bool, row-major, which points to keep.

    Returns:
        An unorganised cloud: height 1, little-endian.

    Raises:
        CloudError: if the mask has another length, or the message is broken.
    """
    points = structured_points(message)
    if mask.shape != (points.size,):
        raise CloudError(f"the mask must be ({points.size},) like the cloud, got {mask.shape}")
    kept = points[mask.reshape(points.shape)]
    return _message(message, kept.reshape(1, -1), {}, message.is_dense)


def _message(
    source: PointCloud2, points: NDArray[np.void], added: Mapping[str, NDArray[Any]], is_dense: bool
) -> PointCloud2:
    """A message with the header of `source`, `points` (height, width) and fields `added` to it."""
    height, width = points.shape
    step = points.dtype.itemsize
    start = -(-step // 4) * 4 if added else step
    message = PointCloud2(
        header=source.header,
        height=height,
        width=width,
        fields=_kept_fields(source, added) + _added_fields(added, start),
        is_bigendian=False,
        point_step=start + 4 * len(added),
        row_step=(start + 4 * len(added)) * width,
        is_dense=bool(is_dense),
    )
    if points.size:
        records = _allocated(message)
        _copy_points(points, records)
        for number, (name, values) in enumerate(added.items()):
            _field_of(records, name, values.dtype.newbyteorder("<"), start + 4 * number)[:] = values
    return message


def _allocated(message: PointCloud2) -> NDArray[np.void]:
    """Give a message its data and return them as (N,) records.

    The array that the message already has grows in place: to assign another one makes rclpy copy
    it, once or twice, and on the way look at every byte if it is no array.array.
    """
    data = message.data
    data.append(0)
    data *= message.height * message.row_step
    return np.frombuffer(data, f"V{message.point_step}")


def _copy_points(points: NDArray[np.void], records: NDArray[np.void]) -> None:
    """Copy the whole bytes of points (height, width), or the values where bytes must be turned."""
    names = points.dtype.names or ()
    if any(_base_type(points.dtype[name]).byteorder == ">" for name in names):
        for name in names:
            kind, offset = points.dtype.fields[name][:2]  # type: ignore[index]
            target = _field_of(records, name, kind.newbyteorder("<"), offset)
            target[:] = points[name].reshape(target.shape)
    else:
        whole = np.dtype(f"V{points.dtype.itemsize}")
        _field_of(records, "all", whole, 0)[:] = points.view(whole).reshape(-1)


def _field_of(
    records: NDArray[np.void], name: str, kind: np.dtype, offset: int
) -> NDArray[np.generic]:
    """One field of (N,) records as a view."""
    itemsize = records.dtype.itemsize
    layout = np.dtype(
        {"names": [name], "formats": [kind], "offsets": [offset], "itemsize": itemsize}
    )
    return records.view(layout)[name]


def _base_type(dtype: np.dtype) -> np.dtype:
    """The scalar type of a field, of each of its values if it has several."""
    return dtype.subdtype[0] if dtype.subdtype else dtype


def _kept_fields(source: PointCloud2, added: Mapping[str, NDArray[Any]]) -> list[PointField]:
    """The source's fields, renamed where one of `added` takes the name.

    Fields of unknown types have no known size, so they cannot be turned from big-endian.
    """
    taken = set(added) | {field.name for field in source.fields}
    kept = []
    for field in source.fields:
        if source.is_bigendian and int(field.datatype) not in DTYPES:
            continue
        name = free_name(field.name, taken) if field.name in added else field.name
        taken.add(name)
        kept.append(
            PointField(name=name, offset=field.offset, datatype=field.datatype, count=field.count)
        )
    return kept


def _added_fields(added: Mapping[str, NDArray[Any]], start: int) -> list[PointField]:
    return [
        PointField(name=name, offset=start + 4 * number, datatype=_DATATYPES[v.dtype], count=1)
        for number, (name, v) in enumerate(added.items())
    ]


def _finite(xyz: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) whether x, y and z are finite: their sum is, ten times faster than asking each."""
    with np.errstate(invalid="ignore"):
        return np.isfinite(xyz[:, 0] + xyz[:, 1] + xyz[:, 2])


def _tinted(rgb: NDArray[np.uint8] | None, labels: NDArray[np.int32]) -> NDArray[np.uint32]:
    """Colors 0x00RRGGBB: objects in theirs, shaded by the cloud's; the rest as in the cloud."""
    if rgb is None:
        shades = np.full(len(labels), _SHADES // 2, np.uint32)
        colors = np.full(len(labels), _GREY, np.uint32)
    else:
        red, green, blue = (rgb[:, channel].astype(np.uint32) for channel in range(3))
        shades = np.asarray((77 * red + 150 * green + 29 * blue) * _SHADES >> 16, np.uint32)
        colors = _packed(red, green, blue)
    rows = np.flatnonzero(labels != BACKGROUND_ID)
    colors[rows] = _shaded_palette()[palette_rows(labels[rows]), shades[rows]]
    return colors


@cache
def _shaded_palette() -> NDArray[np.uint32]:
    """(P, S) every color of the palette from dark to pure, packed."""
    tone = np.linspace(0.6, 1.0, _SHADES)[:, None]
    shaded = np.rint(palette()[:, None] * tone).astype(np.uint32)
    return _packed(shaded[..., 0], shaded[..., 1], shaded[..., 2])


def _packed(
    red: NDArray[np.uint32], green: NDArray[np.uint32], blue: NDArray[np.uint32]
) -> NDArray[np.uint32]:
    return np.asarray(red << 16 | green << 8 | blue, np.uint32)
