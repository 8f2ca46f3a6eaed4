"""LAS and LAZ: dimensions, scales, offsets and records are kept."""

from __future__ import annotations

import copy
from pathlib import Path

import laspy
import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.io.color import to_uint8
from clickseg3d_core.io.record import (
    Array,
    CloudFile,
    free_name,
    scalar_fields,
    with_result,
)
from clickseg3d_core.types import PointCloud

_COLOR = ("red", "green", "blue")
_SCALE = 1e-4  # metres; a file made from another format resolves 0.1 mm over 400 km
_NAME_BYTES = 31
_STANDARD_FORMAT = 6
_COLOR_FORMAT = 7


def read(path: Path) -> CloudFile:
    """Read a LAS or LAZ file; xyz is float64 with scale and offset applied.

    Raises:
        FileFormatError: if the file is no LAS or is cut short.
    """
    try:
        las = laspy.read(str(path))
        announced = las.header.point_count
    except Exception as error:  # lazrs and laspy raise a dozen unrelated classes on bad bytes
        raise FileFormatError(f"{path} is no readable LAS/LAZ file ({error})") from error
    if len(las.points) != announced:
        raise FileFormatError(
            f"{path} is cut short: {announced} points announced, {len(las.points)} there"
        )
    names = list(las.point_format.dimension_names)
    rgb = None
    if set(_COLOR) <= set(names):
        rgb = to_uint8(np.stack([np.asarray(las[name]) for name in _COLOR], axis=1))
    skipped = {"X", "Y", "Z", *_COLOR}
    fields = {name: np.asarray(las[name]) for name in names if name not in skipped}
    return CloudFile(
        cloud=PointCloud(np.asarray(las.xyz, dtype=np.float64), rgb),
        fields=fields,
        path=path,
        native=las,
    )


def check(path: Path, file: CloudFile) -> None:
    """Refuse what LAS cannot hold: it stores coordinates as scaled integers.

    Raises:
        FileFormatError: if a point is not finite or lies too far from the others.
    """
    if isinstance(file.native, laspy.LasData):
        return
    bad = int((~np.isfinite(file.cloud.xyz).all(axis=1)).sum())
    if bad:
        raise FileFormatError(
            f"{path.suffix} cannot hold the {bad} points that are not finite; write .ply, or "
            "remove them"
        )
    extent = float(np.ptp(file.cloud.xyz, axis=0).max())
    if extent > _SCALE * np.iinfo(np.int32).max:
        raise FileFormatError(f"{path.suffix} cannot hold an extent of {extent:.0f} m; write .ply")


def write(path: Path, file: CloudFile, added: dict[str, Array]) -> None:
    """Write the cloud with the `added` per-point arrays (N,) as extra dimensions.

    Raises:
        FileFormatError: if LAS cannot hold the cloud, or the compressor fails.
    """
    check(path, file)
    if isinstance(file.native, laspy.LasData):
        # Adding dimensions changes the header in place.
        las = laspy.LasData(copy.deepcopy(file.native.header), file.native.points.copy())
        clashes = [n for n in las.point_format.extra_dimension_names if n in added]
        extra = {n: np.asarray(las[n]) for n in clashes}
        if clashes:
            las.remove_extra_dims(clashes)
        taken = set(las.point_format.dimension_names) | set(added)
        moved = {free_name(n, taken): array for n, array in extra.items()}
        _add_dimensions(las, {**moved, **added})
    else:
        las = _fresh(file.cloud)
        standard = set(las.point_format.dimension_names)
        kept = {n: a for n, a in file.fields.items() if n not in standard}
        _copy_standard(las, {n: a for n, a in file.fields.items() if n in standard})
        _add_dimensions(las, scalar_fields(with_result(kept, added)))
    try:
        las.write(str(path))
    except OSError:
        raise
    except Exception as error:  # lazrs has a class of its own for a full disk
        raise FileFormatError(f"{path} cannot be written ({error})") from error


def _fresh(cloud: PointCloud) -> laspy.LasData:
    header = laspy.LasHeader(
        point_format=_STANDARD_FORMAT if cloud.rgb is None else _COLOR_FORMAT, version="1.4"
    )
    header.scales = np.full(3, _SCALE)
    header.offsets = np.floor(cloud.xyz.min(axis=0))
    las = laspy.LasData(header)
    las.xyz = cloud.xyz
    if cloud.rgb is not None:
        for i, name in enumerate(_COLOR):
            las[name] = cloud.rgb[:, i].astype(np.uint16) * 257
    if cloud.normals is not None:
        _add_dimensions(las, {n: cloud.normals[:, i] for i, n in enumerate(("nx", "ny", "nz"))})
    return las


def _copy_standard(las: laspy.LasData, fields: dict[str, Array]) -> None:
    """Fill dimensions every LAS point has, where the values fit; others become extra ones."""
    misfits: dict[str, Array] = {}
    for name, array in fields.items():
        target: NDArray[np.generic] = np.asarray(las[name])
        if array.ndim == 1 and np.array_equal(array.astype(target.dtype), array):
            las[name] = array
        else:
            misfits[f"input_{name}"] = array
    _add_dimensions(las, scalar_fields(misfits))


def _add_dimensions(las: laspy.LasData, arrays: dict[str, Array]) -> None:
    taken = set(las.point_format.dimension_names)
    named: dict[str, Array] = {}
    for name, array in arrays.items():
        short = name.encode("ascii", "replace")[:_NAME_BYTES].decode()
        short = free_name(short, taken)
        taken.add(short)
        named[short] = array.astype(np.float32) if array.dtype == np.float16 else array
    las.add_extra_dims([laspy.ExtraBytesParams(name=n, type=a.dtype) for n, a in named.items()])
    for name, array in named.items():
        las[name] = array
