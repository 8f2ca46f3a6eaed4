"""PCD: ascii, binary and binary_compressed, with packed color."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pypcd4.pypcd4 import NUMPY_TYPE_TO_PCD_TYPE, Encoding
from pypcd4.pypcd4 import PointCloud as PcdCloud

from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.io.color import to_uint8
from clickseg3d_core.io.record import (
    Array,
    CloudFile,
    free_name,
    scalar_fields,
    stored_xyz,
    with_result,
)
from clickseg3d_core.types import PointCloud

_PACKED = ("rgb", "rgba")
_NORMALS = ("normal_x", "normal_y", "normal_z")
_PADDING = "#$%&~~"  # how pypcd4 names the fields that PCD calls `_`


def read(path: Path) -> CloudFile:
    """Read a PCD file.

    Raises:
        FileFormatError: if the file is no PCD, is cut short, or has no x, y, z.
    """
    try:
        native = PcdCloud.from_path(path)
    except (
        ValueError, OSError, RuntimeError, KeyError, IndexError, TypeError, struct.error,
    ) as error:  # fmt: skip
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileFormatError(f"{path} is no readable PCD file ({reason})") from error
    rows = np.atleast_1d(native.pc_data)
    if len(rows) != native.metadata.points:
        raise FileFormatError(
            f"{path} is cut short: {native.metadata.points} points announced, {len(rows)} there"
        )
    names = rows.dtype.names or ()
    if not {"x", "y", "z"} <= set(names):
        raise FileFormatError(f"{path} needs the fields x, y, z, got {sorted(names)}")
    normals = _NORMALS if set(_NORMALS) <= set(names) else None
    cloud = PointCloud(
        np.stack([rows[n] for n in "xyz"], axis=1).astype(np.float64),
        _color(rows),
        np.stack([rows[n] for n in normals], axis=1).astype(np.float32) if normals else None,
    )
    known = {"x", "y", "z", *_PACKED, *(normals or ())}
    fields = {n: rows[n] for n in names if n not in known and not n.startswith(_PADDING)}
    return CloudFile(cloud=cloud, fields=fields, path=path, native=native)


def write(path: Path, file: CloudFile, added: dict[str, Array]) -> None:
    """Write the cloud with the `added` per-point arrays (N,), in the input's own encoding."""
    if isinstance(file.native, PcdCloud):
        wide = _extended(file.native, added)
        if wide.metadata.data == Encoding.ASCII:
            _write_ascii(path, wide)
        else:
            wide.save(path, wide.metadata.data)
        return
    columns = _fresh_columns(file, added)
    PcdCloud.from_points(
        list(columns.values()), list(columns), [a.dtype for a in columns.values()]
    ).save(path, Encoding.BINARY)


def _write_ascii(path: Path, cloud: PcdCloud) -> None:
    """With all digits; pypcd4 writes ten decimals, which turns packed colors into zero."""
    formats = {("F", 4): "%.9g", ("F", 8): "%.17g"}
    columns = [
        formats.get((kind, size), "%d")
        for kind, size, count in zip(
            cloud.metadata.type, cloud.metadata.size, cloud.metadata.count, strict=True
        )
        for _ in range(count)
    ]
    with path.open("wb") as stream:
        stream.write(cloud.metadata.compose_header(data=Encoding.ASCII).encode())
        np.savetxt(stream, cloud.pc_data, columns)


def _extended(source: PcdCloud, added: dict[str, Array]) -> PcdCloud:
    """The source with more fields; its size, viewpoint, padding and array fields stay."""
    header = source.metadata
    taken = set(header.fields) | set(added)
    names = tuple(free_name(n, taken) if n in added else n for n in header.fields)
    codes = [NUMPY_TYPE_TO_PCD_TYPE[a.dtype] for a in added.values()]
    wide = header.derive(
        fields=(*names, *added),
        size=(*header.size, *(size for _, size in codes)),
        type=(*header.type, *(kind for kind, _ in codes)),
        count=(*header.count, *(1 for _ in codes)),
    )
    old = np.atleast_1d(source.pc_data)
    rows = np.empty(len(old), dtype=wide.build_dtype())
    columns = [old[name] for name in old.dtype.names or ()] + list(added.values())
    for name, column in zip(rows.dtype.names or (), columns, strict=True):
        rows[name] = column
    return PcdCloud(wide, rows)


def _color(rows: NDArray[np.void]) -> NDArray[np.uint8] | None:
    names = rows.dtype.names or ()
    if {"r", "g", "b"} <= set(names):
        return to_uint8(np.stack([rows[n] for n in "rgb"], axis=1))
    packed = next((n for n in _PACKED if n in names), None)
    if packed is None:
        return None
    values = np.ascontiguousarray(rows[packed])
    # Packed color is four bytes 0xAARRGGBB, whatever type the header gives them.
    bits = values.view(np.uint32) if values.dtype.itemsize == 4 else values.astype(np.uint32)
    return np.stack([bits >> 16 & 255, bits >> 8 & 255, bits & 255], axis=1).astype(np.uint8)


def _fresh_columns(file: CloudFile, added: dict[str, Array]) -> dict[str, Array]:
    cloud = file.cloud
    xyz = stored_xyz(cloud)
    columns: dict[str, Array] = {axis: xyz[:, i] for i, axis in enumerate("xyz")}
    if cloud.normals is not None:
        columns.update({n: cloud.normals[:, i] for i, n in enumerate(_NORMALS)})
    if cloud.rgb is not None:
        red, green, blue = cloud.rgb.astype(np.uint32).T
        columns["rgb"] = (red << 16 | green << 8 | blue).astype(np.uint32).view(np.float32)
    for name, array in scalar_fields(with_result(file.fields, added)).items():
        plain = "_".join(name.split()) or "field"
        wide = array.astype(np.float32) if array.dtype == np.float16 else array
        columns[free_name(plain, set(columns))] = wide
    return columns
